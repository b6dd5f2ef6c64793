"""A connector's `server.json`, with which MCP registries list it: read as strictly as they do.

Checked is the schema of 2025-12-11 for remote servers, without `packages`, and that the file fits its project.
"""

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .recorded import Answers, Problem, shown

FILE = "server.json"
SCHEMA = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"
UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")  # or what turns the text around
HERE = re.compile(r"(.+\.)?localhost|127\..+|0\.0\.0\.0|::1")
LARGEST = 64 * 1024  # bytes
Check = Callable[[Any, str], Iterator[str]]  # of a value and where it stands: what is wrong, a sentence each


def text(value: Any, where: str, pattern: str = ".+", most: int = 500, like: str = "text") -> Iterator[str]:
    if not isinstance(value, str) or not re.fullmatch(pattern, value, re.DOTALL):
        yield f"{where} must be {like}"
    elif UNSEEN.search(value):
        yield f"{where} has control characters"
    elif len(value) > most:
        yield f"{where} has {len(value)} characters, and at most {most} are allowed"


def flag(value: Any, where: str) -> Iterator[str]:
    if not isinstance(value, bool):
        yield f"{where} must be true or false"


def either(value: Any, where: str, of: tuple[str, ...]) -> Iterator[str]:
    if value not in of:
        yield f"{where} must be {' or '.join(of)}"


def each(value: Any, where: str, check: Check, least: int = 0) -> Iterator[str]:
    if not isinstance(value, list) or len(value) < least:
        yield f"{where} must be a list{' with an entry' if least else ''}"
        return
    for number, entry in enumerate(value):
        yield from check(entry, f"{where}[{number}]")


def record(value: Any, where: str, must: Mapping[str, Check], may: Mapping[str, Check]) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where or 'it'} must be an object"
        return
    known, prefix = {**must, **may}, f"{where}." if where else ""
    yield from (f"{prefix}{name} is missing" for name in must if name not in value)
    for name, inner in value.items():
        if name in known:
            yield from known[name](inner, f"{prefix}{name}")
        else:
            yield f"{prefix}{shown(name, 60)} is not in the schema"


def anything(value: Any, where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where} must be an object"


def header(value: Any, where: str) -> Iterator[str]:
    """A header that a client sends. A secret's value would be published."""
    found = list(record(value, where, {"name": TOKEN}, INPUT))
    if not found and value.get("isSecret") and (value.keys() & {"value", "default"}):
        found.append(f"{where} holds the value of a secret; remove it, and revoke it if it is real")
    yield from found


def endpoint(value: Any, where: str) -> Iterator[str]:
    """Where clients reach the connector, from anywhere."""
    try:
        url = urlsplit(value) if isinstance(value, str) else urlsplit("")
        usable = url.scheme == "https" and url.hostname and url.port != 0 and re.fullmatch(r"[!-z|~]+", value)
    except ValueError:
        usable = False
    if not usable:
        yield f"{where} must be the https URL of the connector, in ASCII"
    elif url.hostname == "your-host":
        yield f"{where} has YOUR-HOST in it; write the host of the connector there"
    elif HERE.fullmatch(url.hostname or ""):
        yield f"{where} has this machine's address; write the host of the connector there"
    elif url.username or url.password or url.query or url.fragment:
        yield f"{where} must have no user name, query or fragment"


def link(value: Any, where: str) -> Iterator[str]:
    yield from text(value, where, r"https://[^\s]+", 255, "an https URL")


def name(value: Any, where: str) -> Iterator[str]:
    found = list(text(value, where, r"[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+", 200, "like io.github.acme/crm"))
    if not found and "YOUR-ORGANIZATION" in value:
        found.append(f"{where} has YOUR-ORGANIZATION in it; write your organization there")
    yield from found


def version(value: Any, where: str) -> Iterator[str]:
    yield from text(value, where, r"(?!latest$)[0-9A-Za-z][0-9A-Za-z.+-]*(?<!\.x)", 255, "one version, such as 1.0.2")


TOKEN: Check = partial(text, pattern=r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", most=100, like="the name of a header")
INPUT: Mapping[str, Check] = {
    **dict.fromkeys(("description", "value", "default", "placeholder"), text),
    **dict.fromkeys(("isRequired", "isSecret"), flag),
    "format": partial(either, of=("string", "number", "boolean", "filepath")),
    "choices": partial(each, check=text),
    "variables": anything,
}
ICON = partial(
    record,
    must={"src": link},
    may={
        "mimeType": partial(either, of=("image/png", "image/jpeg", "image/jpg", "image/svg+xml", "image/webp")),
        "sizes": partial(each, check=partial(text, pattern=r"\d+x\d+|any", like="a size, such as 48x48")),
        "theme": partial(either, of=("light", "dark")),
    },
)
REMOTE = partial(
    record,
    must={"type": partial(either, of=("streamable-http",)), "url": endpoint},
    may={"headers": partial(each, check=header)},
)
SERVER = partial(
    record,
    must={
        "$schema": partial(either, of=(SCHEMA,)),
        "name": name,
        "description": partial(text, most=100),
        "version": version,
        "remotes": partial(each, check=REMOTE, least=1),
    },
    may={
        "title": partial(text, most=100),
        "websiteUrl": link,
        "icons": partial(each, check=ICON),
        "repository": partial(record, must={"url": link, "source": text}, may={"id": text, "subfolder": text}),
        "_meta": anything,
    },
)


def read(project: Path, answers: Answers) -> dict[str, Any]:
    """What a checkout's `server.json` says.

    Raises:
        Problem: It cannot be listed; all that is wrong, in one line.
    """
    server: dict[str, Any] = parse(project / FILE)
    found = list(SERVER(server, "")) or list(unfit(server, project, answers))
    if found:
        raise Problem("; ".join(found))
    return server


def parse(file: Path) -> Any:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise Problem(f"it cannot be read ({error.strerror})") from None
    if len(content) > LARGEST:
        raise Problem(f"it has more than {LARGEST // 1024} KiB")
    try:
        return json.loads(content.decode("utf-8"), object_pairs_hook=once, parse_constant=refuse)
    except UnicodeDecodeError:
        raise Problem("it is not UTF-8 text") from None
    except RecursionError:
        raise Problem("it is nested too deeply") from None
    except ValueError as error:
        raise Problem(f"it is not JSON ({error})") from None


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name is there twice")
    return found


def refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not a number")


def unfit(server: Mapping[str, Any], project: Path, answers: Answers) -> Iterator[str]:
    """Where it says something else than the project."""
    try:
        built = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"].get("version")
    except (OSError, ValueError, KeyError, AttributeError):
        yield "pyproject.toml beside it cannot be read"
        return
    if built and built != server["version"]:
        yield f"version is {shown(server['version'], 40)}, and pyproject.toml has {shown(built, 40)}"
    if answers.get("auth_mode") in {"api-key", "headers"}:
        for number, remote in enumerate(server["remotes"]):
            if not any(given.get("isRequired") and given.get("isSecret") for given in remote.get("headers", [])):
                mode = answers["auth_mode"]
                yield f"remotes[{number}] has no header with isRequired and isSecret, and auth_mode is {mode}"
