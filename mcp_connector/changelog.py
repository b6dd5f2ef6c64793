"""Print what CHANGELOG.md says of an update, as Markdown: first what to do by hand, then the rest.

OLD and NEW are versions as Copier records them, such as `v1.1.0`. Printed are the sections after OLD, up to NEW. The
weekly job of a connector puts them into its request.
"""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

from .recorded import order, put

VERSION = re.compile(r"## +v?(\d\S*)")
HEADING = re.compile(r"#{3,} .*")
# A paragraph in bold, with a remark or not, is a title as well. One that only begins in bold is not.
TITLE = re.compile(r"\*\*[^*]+\*\*( \(.*\))?|#{3,} .*")
ITEM = re.compile(r"([-*]|\d+\.) ")
BY_HAND = re.compile(r"\bBy hand\b|\bby hand\*\*$")


def sections(text: str, old: str, new: str) -> dict[str, list[str]]:
    """The lines of each version after `old` and up to `new`; of `new` alone if `old` is not a version."""
    lowest, highest = order(old), order(new)
    found: dict[str, list[str]] = {}
    wanted: list[str] | None = None
    for line in text.splitlines():
        if line.startswith("## "):
            match = VERSION.match(line)
            at = order(match[1]) if match else None
            inside = at and highest and at <= highest and (at > lowest if lowest else at == highest)
            wanted = found.setdefault(match[1], []) if match and inside else None
        elif wanted is not None:
            wanted.append(line)
    return found


def blocks(lines: list[str]) -> Iterator[str]:
    """Titles, items of lists and paragraphs, each on one line where it can be: a request shows line breaks.

    What is indented belongs to the item above.
    """
    block: list[str] = []
    ended, code = True, False
    for line in lines:
        fence = bool(re.match(r" *(```|~~~)", line))
        code ^= fence
        if code or fence:
            if ended and not line.startswith(" ") and block:
                yield "\n".join(block)
                block = []
            block += [*([""] if ended and block else []), line]
            ended = False
        elif not line.strip():
            ended = True
        elif block and line.startswith(" "):
            whole = ended or re.match(r" *(```|~~~)", block[-1]) or ITEM.match(line.lstrip())
            block += [*([""] if ended else []), line] if whole else [f"{block.pop()} {line.strip()}"]
            ended = False
        elif ended or ITEM.match(line) or HEADING.match(line):
            if block:
                yield "\n".join(block)
            block = [line]
            ended = bool(TITLE.fullmatch(line))
        else:
            block += [line] if line.startswith("|") else [f"{block.pop()} {line}"]
    if block:
        yield "\n".join(block)


def divided(lines: list[str]) -> tuple[list[str], list[str]]:
    """What to do by hand, and the rest. A title goes with what follows it; the one that says "by hand" is left out."""
    hand: list[str] = []
    rest: list[str] = []
    under, title = False, ""
    for block in blocks(lines):
        if TITLE.fullmatch(block):
            under, title = bool(BY_HAND.search(block)), block
        elif under or BY_HAND.search(block):
            hand.append(block)
        else:
            rest += [title, block] if title else [block]
            title = ""
    return hand, rest


def joined(found: list[str]) -> str:
    """Blocks as Markdown: items of one list stay together."""
    text = ""
    for above, block in zip(["", *found], found, strict=False):
        together = ITEM.match(above) and ITEM.match(block) and above[0].isdigit() == block[0].isdigit()
        text += ("\n" if together else "\n\n") + block if text else block
    return text


def news(text: str, old: str, new: str) -> str:
    """All of it, or a sentence where the file has nothing of these versions."""
    found = {version: divided(lines) for version, lines in sections(text, old, new).items()}
    before, after = order(old), order(new)
    if before and after and after < before:
        return f"{new} comes before {old}, so there is nothing to say of an update.\n"
    if not found:
        return f"CHANGELOG.md of the template has no section about {new}.\n"
    parts = ["## What to do by hand"]
    parts += [f"### {version}\n\n{joined(hand)}" for version, (hand, _) in found.items() if hand] or ["Nothing."]
    parts += ["## What changes", *(f"### {version}\n\n{joined(rest)}" for version, (_, rest) in found.items() if rest)]
    return "\n\n".join(parts) + "\n"


DESCRIPTION = "Print what CHANGELOG.md says of an update."
EPILOG = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="CHANGELOG.md")
    parser.add_argument("old", metavar="OLD", help="the version before the update, such as v1.1.0")
    parser.add_argument("new", metavar="NEW", help="the version after it")


def run(given: argparse.Namespace, _: str) -> int:
    put(news(given.file.read_text(encoding="utf-8", errors="replace"), given.old, given.new))
    return 0
