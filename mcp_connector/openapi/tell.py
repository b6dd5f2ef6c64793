"""What an import asks and says, in 80 columns, without characters of the document that a terminal would obey."""

import sys
import textwrap
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urljoin, urlsplit

from ..recorded import Problem, shown
from .load import is_url
from .select import Operation, counted

Json = Any

WIDTH = 80
LONGEST_DIFF = 60  # lines


def choose(every: Collection[Operation], sizes: Mapping[str, int]) -> list[str]:
    """The tags that someone at a terminal picks; elsewhere, the list of them and none."""
    rows = [(tag, f"{tag:28.28} {count:5}   about {kilobytes(sizes.get(tag, 0))}") for tag, count in counted(every)]
    if sys.stdin.isatty() and sys.stdout.isatty():
        try:
            import questionary
        except ImportError:
            raise Problem("The choice needs questionary. Install it, or name tags with --tag.") from None
        choices = [questionary.Choice(shown(text, 70), tag) for tag, text in rows]
        keys = "(space selects, a selects all, Enter ends)"
        picked = questionary.checkbox("Which tags become tools?", choices, instruction=keys).ask()
        return picked or []
    print(f"{'tag':28} tools   size in tools/list")
    for _, text in rows:
        print(shown(text, WIDTH))
    whole = sum(sizes.values())
    print(f"All together: about {kilobytes(whole)}, or about {round(whole / 4, -2):,.0f} tokens.")
    print("Choose with --tag or --operation, more than once if you like, or with --all.", file=sys.stderr)
    return []


def kilobytes(size: int) -> str:
    return f"{size / 1000:,.{0 if size > 9_500 else 1}f} kB"


def report(said: Sequence[tuple[str, str, list[str]]]) -> None:
    """What was done to which tool."""
    for word, about, more in said:
        first, rest = (more[0], more[1:]) if more else ("", [])
        begin = f"{word:9}{shown(about, 64)}"
        if first:
            print(textwrap.fill(shown(first, 4_000), WIDTH, initial_indent=f"{begin}: ", subsequent_indent=" " * 11))
        else:
            print(begin)
        for line in rest[:LONGEST_DIFF]:
            if line.startswith(("BREAKING ", "ADDITIVE ", "words")):
                print(textwrap.fill(shown(line, 400), WIDTH, initial_indent=" " * 11, subsequent_indent=" " * 20))
            else:
                print(" " * 11 + shown(line, 200) if line else "")
        if len(rest) > LONGEST_DIFF:
            print(f"{' ' * 11}… {len(rest) - LONGEST_DIFF} more lines")


def next_steps(document: Mapping[str, Json], location: str, mode: str, command: str) -> None:
    """How to let the tools reach the API."""
    print("\nNext, in .env:\n")
    print(f"  UPSTREAM_URL={server(document, location) or 'https://… (the document names no server)'}")
    for line in security(document, mode):
        print(textwrap.fill(line, WIDTH, initial_indent="  ", subsequent_indent="  ", break_long_words=False))
    print(f"\nThen: uv run {command} dev")


def server(document: Mapping[str, Json], location: str) -> str | None:
    """The base URL that the document names, with the defaults of its variables; without one, where the document is."""
    every: Iterator[Json] = (one for one in document.get("servers") or () if isinstance(one, dict) and one.get("url"))
    found: Json = next(every, {"url": "/"})  # as OpenAPI has it
    url = str(found["url"])
    variables = found.get("variables")
    for name, variable in variables.items() if isinstance(variables, dict) else ():
        if isinstance(variable, dict) and "default" in variable:
            url = url.replace(f"{{{name}}}", str(variable["default"]))
    try:
        url = urljoin(location, url) if is_url(location) and not is_url(url) else url
        parts = urlsplit(url)
    except ValueError:
        return None
    fits = is_url(url) and parts.hostname and "{" not in url and "@" not in parts.netloc
    return shown(url.rstrip("/"), 200) if fits else None


def security(document: Mapping[str, Json], mode: str) -> list[str]:
    """What the document asks of a caller, and the settings that answer it. Never a secret."""
    schemes = (document.get("components") or {}).get("securitySchemes") or {}
    said = []
    for found in schemes.values():
        if not isinstance(found, dict):
            continue
        kind, scheme = found.get("type"), str(found.get("scheme", "")).lower()
        header = shown(str(found.get("name", "")), 40)
        if kind == "apiKey" and found.get("in") == "header":
            lines = [f"UPSTREAM_AUTH_HEADER={header}", "UPSTREAM_AUTH_VALUE=YOUR_KEY"]
            name = header
        elif kind == "apiKey":
            said.append(f"# The API takes a key as {found.get('in')} {header}; the connector sends headers only.")
            continue
        elif scheme == "basic":
            lines, name = ["UPSTREAM_AUTH_VALUE=Basic BASE64_OF_USER:PASSWORD"], "Authorization"
        elif url := token_url(found):
            lines = [f"UPSTREAM_TOKEN_URL={url}", "UPSTREAM_CLIENT_ID=YOUR_ID", "UPSTREAM_CLIENT_SECRET=YOUR_SECRET"]
            name = "Authorization"
        else:
            lines, name = ["UPSTREAM_AUTH_VALUE=Bearer YOUR_TOKEN"], "Authorization"
        if mode == "headers":
            lines = [f"# Callers send {name}; it must be one of headers_names in .copier-answers.yml."]
        if not set(lines) <= set(said):
            said += (["# or"] if said else []) + lines
    return said


def token_url(scheme: Mapping[str, Json]) -> str | None:
    """Where a program gets a token of its own, as the document says (OAuth 2 client credentials)."""
    flows = scheme.get("flows")
    flow = flows.get("clientCredentials") if isinstance(flows, dict) else None
    url = str(flow.get("tokenUrl", "")) if isinstance(flow, dict) else ""
    return shown(url, 200) if is_url(url) else None
