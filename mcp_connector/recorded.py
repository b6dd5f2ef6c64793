"""What Copier recorded of a project, read with the standard library alone."""

import io
import math
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036 — it is started with whatever Python there is
    sys.exit(f"This needs Python 3.11 or newer, and {sys.executable} is {sys.version.split()[0]}.")

Value = str | int | float | bool | list["Value"] | None
Answers = dict[str, Value]

ANSWERS_FILE = re.compile(r"\.copier-answers(\..+)?\.ya?ml")  # what Renovate looks for, too


class Problem(Exception):
    """One sentence for the user: what is wrong, and what to do about it."""


KEY = re.compile(r"([A-Za-z_][\w.-]*):(?: +(.*))?$")
MARKER = re.compile(r"(<{7}|\|{7}|={7}|>{7})( .*)?$")
ESCAPES = dict(zip('0abtnvfre "/\\N_LP', '\0\a\b\t\n\v\f\r\x1b "/\\\x85\xa0\u2028\u2029', strict=True))
BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def answers(text: str) -> Answers:
    """The answers in the text of an answers file.

    Reads what Copier writes: scalars and lists of them, quoted or not, over several lines or not. Anything else that
    YAML has is a Problem, because a wrong guess would be worse than none.
    """
    found: Answers = {}
    if re.search("[\x85\u2028\u2029]", text):
        raise Problem("it holds a line break of a kind that only YAML 1.1 knows")
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    at = 0
    while at < len(lines):
        start, line = at, lines[at].rstrip()
        at += 1
        if not line or line.startswith("#") or line in ("---", "..."):
            continue
        if MARKER.match(line):
            raise Problem(f"line {start + 1} is a conflict marker")
        match = KEY.match(line)
        if not match:
            raise Problem(f"line {start + 1} is not of the form that Copier writes, `name: value`")
        if match[1] in found:
            raise Problem(f"line {start + 1} gives {match[1]} a second time")
        body = [match[2] or ""]
        while at < len(lines) and (not lines[at].strip() or lines[at].startswith((" ", "- ")) or lines[at] == "-"):
            body.append(lines[at])
            at += 1
        try:
            found[match[1]] = value(body)
        except (ValueError, OverflowError):
            raise Problem(f"the value of {match[1]} in line {start + 1} is not of a form that Copier writes") from None
    return found


def value(body: list[str]) -> Value:
    """The value that these lines hold; the first is what follows the colon."""
    while len(body) > 1 and not body[-1].strip():
        body = body[:-1]
    items = [line for line in body[1:] if line.strip()]
    if body[0] or not items or not items[0].lstrip().startswith("- "):
        return scalar(body)
    indent = len(items[0]) - len(items[0].lstrip())
    entries: list[list[str]] = []
    for line in body[1:]:
        if line[:indent].strip():
            raise ValueError(line)
        if line[indent:].startswith("- "):
            entries.append([line[indent + 2 :].strip()])
        elif entries:
            entries[-1].append(line)
    for entry in entries:
        if entry[0].startswith("- ") or (KEY.match(entry[0]) and entry[0][:1] not in "'\""):
            raise ValueError(entry)
    return [value(entry) for entry in entries]


def scalar(body: list[str]) -> Value:
    text = fold(body)
    if text[:1] == '"':
        match = re.fullmatch(r'"((?:[^"\\]|\\.)*)"(?: +#.*)?', text, re.DOTALL)
        return re.sub(r"\\(?:x(..)|u(.{4})|U(.{8})|(.))", unescape, required(match)[1], flags=re.DOTALL)
    if text[:1] == "'":
        match = re.fullmatch(r"'((?:[^']|'')*)'(?: +#.*)?", text, re.DOTALL)
        return required(match)[1].replace("''", "'")
    text = re.sub(r"(^| +)#.*", "", text)
    if text == "[]":
        return []
    if re.match(r"[]|>&*!%@`{}\[,\"']|[-?:]( |$)", text) or re.search(r":( |$)", text):
        raise ValueError(text)
    return plain(text)


def fold(body: list[str]) -> str:
    """Lines of one scalar as one text: a line break is a space, an empty line a line break, `\\` at the end nothing."""
    text, breaks = body[0].strip(" \t"), 0
    for line in (line.strip(" \t") for line in body[1:]):
        if not line:
            breaks += 1
            continue
        escaped = text[:1] == '"' and len(re.findall(r"\\*$", text)[0]) % 2
        if escaped:
            text = text[:-1] + "\n" * breaks + line
        else:
            text += ("\n" * breaks or " ") + line if text else line
        breaks = 0
    return text


def unescape(match: re.Match[str]) -> str:
    code = match[1] or match[2] or match[3]
    if code:
        return chr(int(code, 16))
    if match[4] not in ESCAPES:
        raise ValueError(match[0])
    return ESCAPES[match[4]]


def required(match: re.Match[str] | None) -> re.Match[str]:
    if not match:
        raise ValueError
    return match


def plain(text: str) -> Value:
    """An unquoted scalar, with the types of YAML 1.1 that an answer can have."""
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text.lower() in BOOLEANS and text in (text.lower(), text.title(), text.upper()):
        return BOOLEANS[text.lower()]
    if re.fullmatch(r"[-+]?(0|[1-9][0-9_]*)", text):
        return int(text)
    if re.fullmatch(r"[-+]?[0-9][0-9_]*\.[0-9_]*([eE][-+][0-9]+)?", text):
        if math.isinf(number := float(text)):
            raise ValueError(text)
        return number
    return text


def read(path: Path) -> Answers:
    """The answers in a file, or a Problem that does not name it."""
    try:
        return answers(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Problem(f"it cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise Problem("it is not UTF-8 text") from None


def shown(value: Value, width: int = 48) -> str:
    """A value on one line of at most `width` characters, without characters that a terminal would obey."""
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    text = "".join(c if c.isprintable() else " " for c in text) or "(empty)"
    return text if len(text) <= width else text[: width - 1] + "…"


VERSION = re.compile(
    r"v?(?:(?P<epoch>\d{1,18})!)?(?P<release>\d{1,18}(?:\.\d{1,18})*)"
    r"(?:[-_.]?(?P<pre>alpha|a|beta|b|preview|pre|rc|c)[-_.]?(?P<pre_n>\d{0,18}))?"
    r"(?P<post>-(?P<post_1>\d{1,18})|[-_.]?(?:post|rev|r)[-_.]?(?P<post_2>\d{0,18}))?"
    r"(?P<dev>[-_.]?dev[-_.]?(?P<dev_n>\d{0,18}))?",
    re.IGNORECASE,
)
Order = tuple[int, tuple[int, ...], tuple[str, int], int, float]


def untagged(version: str) -> bool:
    """Whether Copier recorded a bare commit: the template had no release tags then."""
    return bool(re.fullmatch(r"[0-9a-f]{7,64}", version)) and order(version) is None


def order(tag: str) -> Order | None:
    """A key that sorts version tags as PEP 440 does; None if it is not a public version, such as `v1.0-3-gabcdef`."""
    match = VERSION.fullmatch(tag)
    # Seven digits and no dot: the abbreviated hash of a commit that happens to have no letter.
    if not match or re.fullmatch(r"\d{7,}", tag):
        return None
    release = tuple(map(int, match["release"].split(".")))
    while len(release) > 1 and release[-1] == 0:
        release = release[:-1]
    pre = ("z", 0)  # after every pre-release
    if match["pre"]:
        name = match["pre"].lower()
        pre = ({"alpha": "a", "beta": "b"}.get(name, name if name in "ab" else "c"), int(match["pre_n"] or 0))
    elif match["dev"] and not match["post"]:
        pre = ("", 0)
    post = int(match["post_1"] or match["post_2"] or 0) if match["post"] else -1
    dev = int(match["dev_n"] or 0) if match["dev"] else float("inf")
    return int(match["epoch"] or 0), release, pre, post, dev


def prerelease(tag: str) -> bool:
    match = VERSION.fullmatch(tag)
    return bool(match and (match["pre"] or match["dev"]))


def split(source: str) -> tuple[str, str, str]:
    """A URL as its scheme with `://`, the user part before its `@`, and the rest; all is rest if it is not a URL.

    Not by urllib: an unquoted slash in a password would make the password part of the path there, and be shown.
    """
    match = re.match(r"([a-z][a-z0-9+.-]*://)(.*)", source, re.IGNORECASE | re.DOTALL)
    if not match:
        return "", "", source
    host = match[2].split("/", 1)[0]
    where = match[2] if re.search(r":(?!\d*$)", host) else host
    user = where.rpartition("@")[0]
    return match[1], user, match[2][len(user) + 1 :] if user else match[2]


def credential(source: str) -> bool:
    """Whether a source carries a password or token, which the answers file would give to every reader."""
    scheme, user, rest = split(source)
    # `git@` is a user in an ssh URL; in an https URL it may be a token.
    known = bool(user and (":" in user or not scheme.endswith("ssh://"))) or bool(scheme and re.search("[?#]", rest))
    return known or hidden(source)


# A password or token in what is not quite a URL, such as ` https://me:secret@host` or `ext::https://secret@host`.
SECRET = re.compile(r":[^/@]*@|:[^/]*%40")
TOKEN = re.compile(r"//[^/\s]*@")


def hidden(source: str) -> bool:
    scheme, _, rest = split(source)
    return bool(SECRET.search(rest)) or (not scheme and bool(TOKEN.search(source)))


def source_of(answers: Answers) -> str:
    """The recorded source, as it may be shown."""
    recorded = answers.get("_src_path") or "no source"
    return without_credential(recorded) if isinstance(recorded, str) else "a source that is not text"


def without_credential(source: str) -> str:
    if not credential(source):
        return source
    scheme, _, rest = split(source)
    return "https://….git" if hidden(source) else scheme + re.split("[?#]", rest)[0]


def scrubbed(text: str) -> str:
    """Text of another program, without what stands before the `@` of a URL or after its `?`."""
    text = re.sub(r"(\w://)[^\s/]*@", r"\1", text)
    return re.sub(r"(\w://[^\s?'\"]*)\?[^\s'\"]*", r"\1", text)


def git_url(source: str) -> str:
    """What git is given for a source as Copier takes it, without a credential."""
    source = without_credential(source)
    for short, host in (("gh:", "https://github.com/"), ("gl:", "https://gitlab.com/")):
        if source.startswith(short):
            source = host + source.removeprefix(short).lstrip("/")
            return source if source.endswith(".git") else f"{source}.git"
    return source.removeprefix("git+")


# Of a hook that runs us: they would send git to another repository than the folder that we name.
ELSEWHERE = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR"}


def environment(**more: str) -> dict[str, str]:
    """Our variables without those that redirect git, and without a prompt for a password."""
    kept = {name: value for name, value in os.environ.items() if name not in ELSEWHERE}
    return {**kept, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C.UTF-8", **more}


def git(*arguments: str | Path, cwd: Path, timeout: float = 60, variables: Mapping[str, str] | None = None) -> str:
    """What git prints; git's own last line as a Problem when it fails."""
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=cwd,
            env=environment(**(variables or {})),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
        )
    except FileNotFoundError:
        raise Problem("git is not installed") from None
    except ValueError:
        raise Problem("git cannot be given a name with such characters") from None
    except OSError as error:
        raise Problem(f"git cannot be run in {cwd} ({error.strerror})") from None
    except subprocess.TimeoutExpired:
        raise Problem(f"git gave no answer within {timeout:.0f} seconds") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or [f"git failed with {done.returncode}"]
        fatal = [line for line in said if line.startswith(("fatal:", "error:"))] or said
        raise Problem(shown(scrubbed(fatal[0].split(": ", 1)[-1]), 160))
    return done.stdout.decode(errors="surrogateescape")


def names(output: str) -> list[str]:
    """The names in what git prints with `-z`."""
    return [name for name in output.split("\0") if name]


def put(text: str) -> None:
    """Print text in UTF-8, whatever the machine's encoding. A reader that closed the pipe has read enough.

    Raises:
        Problem: Nothing can be written there.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="replace")
    try:
        print(text, end="", flush=True)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the end of Python would try once more
        if not isinstance(error, BrokenPipeError):
            raise Problem(f"standard output cannot be written ({error.strerror})") from None
