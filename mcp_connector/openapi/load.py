"""Read a document from a file or a URL, within limits, with the files that it refers to.

Nothing is read but what the user names: the document itself, files below its folder, and hosts that were allowed.
"""

import json
import re
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urldefrag, urljoin, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from ..recorded import Problem, shown

Json = Any

MOST = 50 * 1024 * 1024  # bytes of a document
MOST_YAML = 20 * 1024 * 1024  # bytes of one in YAML, which takes 20 times as long to read as JSON
MOST_VALUES = 5_000_000  # after the aliases of YAML are followed
MOST_LEVELS = 200
MOST_FILES = 200  # that a document refers to
SECONDS = 60  # until a document is downloaded
FILES = "x-files"  # where the other files stand in the document

PARTS: dict[type, list[str]] = {
    dict: ["info", "components", "definitions", "parameters", "securityDefinitions"],
    list: ["servers", "security"],
}
HALVES = re.compile("[\ud800-\udfff]")  # of surrogate pairs; no file can hold one alone
PLAIN = {"example", "examples", "enum", "default", "const"}  # data, where `$ref` is a word like others


class NoRedirects(HTTPRedirectHandler):
    """A redirect could lead to an address that the user did not name, such as one inside of a network."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> None:
        raise Problem(
            f"{shown(req.full_url, 200)} redirects to {shown(newurl, 200)}. Import that address if you trust it."
        )


def load(location: str, hosts: Collection[str] = ()) -> dict[str, Json]:
    """The document, in which every reference that may be followed points into the document itself.

    `hosts` are those from which other files of the document may be read.

    Raises:
        Problem: It cannot be read, or is not an OpenAPI document.
    """
    remote = is_url(location)
    if not remote and re.match(r"[a-z][a-z0-9+.-]+://", location, re.IGNORECASE):
        raise Problem(f"{shown(location, 200)} is neither a file nor an address with http:// or https://.")
    document = parsed(content(location), location)
    name = shown(location, 200)
    if not isinstance(document, dict):
        raise Problem(f"{name} is not an OpenAPI document: it is not an object.")
    version = str(document.get("openapi") or document.get("swagger") or "")
    if not re.match(r"3\.|2\.0", version):
        found = f"its version is {shown(version)}" if version else "it has neither `openapi` nor `swagger`"
        raise Problem(f"{name} is not an OpenAPI document of version 3, nor Swagger 2.0: {found}.")
    if not isinstance(document.get("paths", {}), dict):
        raise Problem(f"{name} is not an OpenAPI document: its `paths` are not an object.")
    whole(document)
    bundle(document, location if remote else str(Path(location).resolve()), hosts)
    return document


def whole(document: dict[str, Json]) -> None:
    """Leave out parts of the document that are of another type than they must be."""
    if isinstance(inner := document.get("components"), dict):
        document["components"] = {key: part for key, part in inner.items() if isinstance(part, dict)}
    for kind, keys in PARTS.items():
        for key in keys:
            if not isinstance(document.get(key, kind()), kind):
                del document[key]


def is_url(location: str) -> bool:
    return location.lower().startswith(("http://", "https://"))


def content(location: str) -> bytes:
    return downloaded(location) if is_url(location) else from_file(Path(location))


def from_file(path: Path) -> bytes:
    name = shown(str(path), 200)
    try:
        if path.is_dir():
            raise Problem(f"{name} is a folder. Name the document.")
        if path.is_file() and path.stat().st_size > MOST:
            raise Problem(too_large(name))
        with path.open("rb") as file:
            found = file.read(MOST + 1)
    except OSError as error:
        raise Problem(f"{name} cannot be read ({error.strerror}).") from None
    except ValueError:  # a NUL
        raise Problem(f"{name} cannot be read (it is not a path).") from None
    if len(found) > MOST:
        raise Problem(too_large(name))
    return found


def too_large(name: str) -> str:
    return f"{name} has more than {MOST // 1024 // 1024} MB. Cut it down to the paths that you need."


def downloaded(url: str) -> bytes:
    if "@" in urlsplit(url).netloc:
        raise Problem("The address has a user name or a password. Download the document, and import the file.")
    name, deadline = shown(url.partition("?")[0], 200), time.monotonic() + SECONDS
    request = Request(url, headers={"Accept": "application/json, application/yaml;q=0.9, */*;q=0.5"})
    found = bytearray()
    try:
        with build_opener(NoRedirects).open(request, timeout=SECONDS / 2) as answer:
            while chunk := answer.read1(1024 * 1024):
                found += chunk
                if len(found) > MOST:
                    raise Problem(too_large(name))
                if time.monotonic() > deadline:
                    raise Problem(f"{name} takes more than {SECONDS} seconds. Download it, and import the file.")
    except HTTPError as error:
        raise Problem(f"{name} answers {error.code}. Download the document, and import the file.") from None
    except URLError as error:
        reason = getattr(error.reason, "strerror", None) or str(error.reason)
        raise Problem(f"{name} cannot be reached ({shown(reason, 100)}).") from None
    except (OSError, ValueError) as error:
        raise Problem(f"{name} cannot be read ({shown(str(error), 100)}).") from None
    return bytes(found)


def parsed(content: bytes, location: str) -> Json:
    """What a file says, with text as the key of every member, as JSON has it.

    Raises:
        Problem: It is neither JSON nor YAML, or goes beyond a limit.
    """
    name = shown(location.partition("?")[0], 200)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Problem(f"{name} is not text in UTF-8.") from None
    if text.lstrip()[:1] == "<":
        raise Problem(f"{name} is a web page. Import the JSON or YAML document that it shows.")
    try:
        if text.lstrip()[:1] == "{":
            found = from_json(text)
            return tidied(found) if re.search(r"\\ud[89a-f]", text, re.IGNORECASE) else found
        found = from_yaml(text, len(content), name)
        measure(found, name)
        return tidied(found)
    except RecursionError:
        raise Problem(f"{name} has more than {MOST_LEVELS} levels.") from None


def from_json(text: str) -> Json:
    try:
        return json.loads(text)
    except ValueError as error:
        first, _, rest = str(error).partition(": line")
        raise Problem(f"The document is not JSON: {first.lower()}{f', line{rest}' if rest else ''}.") from None


def from_yaml(text: str, size: int, name: str) -> Json:
    """YAML 1.2 as JSON has it: `NO`, `on` and `2024-01-01` are text, as are `012` and `12:30`."""
    try:
        import yaml
    except ImportError:
        raise Problem("YAML needs PyYAML. Install it, or convert the document to JSON.") from None

    if size > MOST_YAML:
        raise Problem(f"{name} has more than {MOST_YAML // 1024 // 1024} MB of YAML. Convert it to JSON.")
    if deep(text):
        raise RecursionError
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    plain = type("Plain", (loader,), {"yaml_implicit_resolvers": {}})
    for tag, pattern, first in (
        ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
        ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
        ("int", r"[-+]?(0|[1-9][0-9]{0,30})", list("-+0123456789")),
        ("float", r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?", list("-+0123456789.")),
        ("merge", "<<", ["<"]),
    ):
        whole = re.compile(f"^(?:{pattern})$")
        plain.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", whole, first)  # type: ignore[attr-defined]
    try:
        return yaml.load(text, plain)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        why = shown(getattr(error, "problem", None) or str(error).partition("\n")[0], 100)
        raise Problem(f"{name} is neither JSON nor YAML: {why}{where}.") from None
    except (ValueError, TypeError, OverflowError) as error:
        raise Problem(f"{name} is neither JSON nor YAML: {shown(str(error), 100)}.") from None


def deep(text: str) -> bool:
    """Whether YAML may have more levels than its parser bears, which takes its memory from the stack."""
    level = most = 0
    for sign in re.findall(r"[][{}]", text):
        level += 1 if sign in "[{" else -1
        most = max(most, level)
    return most > 5 * MOST_LEVELS or re.search(rf"^[ ?:-]{{{10 * MOST_LEVELS},}}", text, re.MULTILINE) is not None


def measure(value: Json, name: str) -> None:
    """Refuse what has too many values or levels, or contains itself, as only YAML's aliases can make it."""
    sizes: dict[int, int] = {}
    inside: set[int] = set()

    def size(node: Json, levels: int) -> int:
        if not isinstance(node, dict | list):
            return 1
        if id(node) in inside:
            raise Problem(f"{name} has an alias inside of what it stands for.")
        if not levels:
            raise RecursionError
        if (known := sizes.get(id(node))) is None:
            inside.add(id(node))
            members = node.values() if isinstance(node, dict) else node
            known = sizes[id(node)] = 1 + sum(size(member, levels - 1) for member in members)
            inside.discard(id(node))
        return known

    if size(value, MOST_LEVELS) > MOST_VALUES:
        raise Problem(f"{name} has more than {MOST_VALUES:,} values once its aliases are followed.")


def tidied(node: Json) -> Json:
    """A copy that shares nothing with itself, whose keys are text, without halves of surrogate pairs."""
    if isinstance(node, dict):
        return {word(key): tidied(member) for key, member in node.items()}
    if isinstance(node, list):
        return [tidied(member) for member in node]
    if isinstance(node, str):
        return node if node.isascii() else HALVES.sub("\ufffd", node)
    return node if node is None or isinstance(node, bool | int | float) else str(node)


def word(key: Json) -> str:
    if isinstance(key, bool):
        return "true" if key else "false"
    return HALVES.sub("\ufffd", str(key))


def bundle(document: dict[str, Json], location: str, hosts: Collection[str]) -> None:
    """Put other files into the document. A reference that may not be followed stays as it is."""
    files: list[Json] = []
    places = {location: "#"}
    root = None if is_url(location) else Path(location).parent

    def place(target: str) -> str | None:
        """Where a file is in the document."""
        if target in places:
            return places[target]
        if is_url(target):
            if urlsplit(target).hostname not in hosts:
                return None
        elif root is None or not Path(target).resolve().is_relative_to(root) or not Path(target).is_file():
            return None
        if len(files) == MOST_FILES:
            raise Problem(f"The document refers to more than {MOST_FILES} files. Bundle it first.")
        places[target] = f"#/{FILES}/{len(files)}"
        files.append(None)
        at = len(files) - 1
        files[at] = parsed(content(target), target)
        follow(files[at], target)
        return places[target]

    def follow(node: Json, base: str) -> None:
        if isinstance(node, list):
            for member in node:
                follow(member, base)
        if not isinstance(node, dict):
            return
        ref = node.get("$ref")
        if isinstance(ref, str) and (not ref.startswith("#") or base != location):
            target, pointer = urldefrag(ref)
            whole = joined(base, target) if target else base
            if found := place(whole):
                node["$ref"] = found + (pointer if found != "#" or pointer else "")
        for key, member in node.items():
            if key not in PLAIN:
                follow(member, base)

    follow(document, location)
    if files:
        document[FILES] = files


def joined(base: str, target: str) -> str:
    if is_url(target) or is_url(base):
        return urljoin(base, target)
    return str((Path(base).parent / target.removeprefix("file://")).resolve())
