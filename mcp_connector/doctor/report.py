"""What the doctor says: as text for 80 columns, as Markdown, or as JSON."""

import json
import re
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from . import addresses
from .data import words
from .evidence import Evidence
from .findings import FAIL, Finding
from .probes.clients import stay
from .text import clean
from .verdicts import YES, Verdict

WIDTH = 80
FIELDS = (("Seen", "seen"), ("Expected", "expected"), ("To do", "cure"), ("Source", "source"))


@dataclass(frozen=True)
class Diagnosis:
    target: str
    about: list[str]
    verdicts: list[Verdict]
    findings: list[Finding]
    notes: list[str]
    wanted: str | None = None

    def said(self) -> list[Verdict]:
        """The verdicts that are shown: the platform that was asked for, or all."""
        return [one for one in self.verdicts if self.wanted in (None, one.platform)]


def about(heard: Evidence) -> list[str]:
    """What kind of server it is, and how it is judged."""
    modern = heard.result("discover") is not None or heard.result("stateless list") is not None
    versions = [clean(heard.version, 20)] * bool(heard.inside and heard.version) + ["2026-07-28"] * modern
    lets_in = {"none": "lets everybody in", "key": "asks for a key or token", "oauth": "asks for a sign-in (OAuth)"}
    lines = []
    if heard.auth:
        spoken = f"It speaks {' and '.join(versions)}, and" if versions else "It"
        some = ", to list its tools" if heard.lazy else ""
        tools = f" It has {len(heard.tools)} tool{'s' * (len(heard.tools) != 1)}." if heard.tools else ""
        lines.append(f"{spoken} {lets_in[heard.auth]}{some}.{tools}")
    if heard.kind == addresses.LOOPBACK:
        lines.append("The address is this machine's, so the server is judged as if it stood behind public HTTPS.")
    elif heard.addresses and heard.kind != addresses.GLOBAL:
        lines.append("It was reached from this machine only: its address is not public.")
    if heard.credential:
        credential = heard.credential
        lines.append(f"The credential of {credential.source} was used (fingerprint {credential.fingerprint}).")
    return lines


def unseen(heard: Evidence, verdicts: list[Verdict], well: bool) -> list[str]:
    """What the doctor could not look at, and where to look if a user still reports a failure."""
    notes = list(heard.notes)
    if heard.closed and not heard.inside and not heard.credential:
        ways = "use --login, or set MCP_TOKEN" if heard.oauth else "set MCP_API_KEY, or use --header-file"
        notes.append(f"Tools and sessions were not looked at, because they need a credential: {ways}.")
    if left := stay(heard):
        why = "because the provider does not let the doctor delete them"
        notes.append(f"These clients stay registered, {why}: {', '.join(left)}.")
    if heard.heard("bare"):
        notes.append(
            "Some requests had the user agents of Claude and ChatGPT, to see whether a firewall drops them. "
            f"In the log of the server or its proxy, every request has the X-Request-Id {heard.id}."
        )
    if well and any(one.value == YES for one in verdicts):
        notes.append(
            "If a platform still fails: a firewall's rule by address cannot be seen from here (Claude calls from "
            "160.79.104.0/21), so look into its event log. If the server's log has tools/list from the platform, the "
            "server is well: report it to the platform, with the reference that it shows."
        )
    return notes


def as_text(found: Diagnosis) -> str:
    lines = [found.target, *(line for text in found.about for line in wrapped(text, "  ")), ""]
    width = max(len(one.title) for one in found.said())
    for one in found.said():
        longest = max(map(len, one.why.split()))  # a callback to copy must stay whole
        rest = width + 13 if width + 13 + longest <= WIDTH else 13
        lines += wrapped(one.why, f"  {one.title:<{width}}  {one.value:<7}  ", " " * rest)
    lines.append("")
    fails = sum(finding.level == FAIL for finding in found.findings)
    lines += [summary(fails, len(found.findings) - fails), ""]
    for number, finding in enumerate(found.findings, 1):
        lines += wrapped(heading(finding), f"{number}. ", "   ")
        for label, name in FIELDS:
            lines += wrapped(getattr(finding, name), f"   {label + ':':<10}", " " * 13)
        lines.append("")
    for note in found.notes:
        lines += [*wrapped(note, "Note: ", "  "), ""]
    return "\n".join(lines).rstrip() + "\n"


def heading(finding: Finding) -> str:
    """What is wrong, in a few words, and the name of the probe."""
    return f"{finding.level.upper()}: {words(finding.probe)['title']} ({finding.probe})"


def summary(fails: int, warns: int) -> str:
    if not fails and not warns:
        return "No failure was found."
    counts = [f"{n} {word}{'s' * (n != 1)}" for n, word in ((fails, "failure"), (warns, "warning")) if n]
    return f"{' and '.join(counts)}:"


def wrapped(text: str, first: str, rest: str | None = None) -> list[str]:
    following = first if rest is None else rest
    # A URL that is broken cannot be opened or copied. Only what fits on no line is broken.
    whole = (text.startswith("https://") and " " not in text) or max(map(len, text.split()), default=0) <= WIDTH - len(
        following
    )
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=following,
        break_long_words=not whole,
        break_on_hyphens=False,
    ) or [first.rstrip()]


def as_markdown(found: Diagnosis) -> str:
    """For an issue or a chat. What the other side said is code, so that none of it is a link or a mention."""
    parts = [f"### Doctor: {code(found.target)}", "\n".join(found.about)]
    rows = [f"| {one.title} | {one.value} | {cell(one.why)} |" for one in found.said()]
    parts.append("\n".join(["| Platform | Connects | |", "|---|---|---|", *rows]))
    for finding in found.findings:
        said = [f"- Seen: {code(finding.seen)}", f"- Expected: {code(finding.expected)}"]
        said += [f"- To do: {cell(finding.cure)}", f"- Source: <{finding.source}>"]
        parts.append("\n".join([f"**{heading(finding)}**", "", *said]))
    parts += [cell(note) for note in found.notes]
    return "\n\n".join(filter(None, parts)) + "\n"


def code(text: str) -> str:
    """As code in Markdown, whatever backticks it has."""
    marks = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    space = " " if text[:1] in "` " or text[-1:] in "` " else ""
    return f"{marks}{space}{text}{space}{marks}"


def cell(text: str) -> str:
    """Text of ours with words of the other side in it: nothing there is a link, a mention, HTML or a new cell."""
    return re.sub(r"([\\`*_\[\]<>|@#!~])", r"\\\1", text)


def as_json(found: Diagnosis) -> str:
    """For a program."""
    said = {
        "target": found.target,
        "verdicts": {one.platform: one.value for one in found.verdicts},
        "findings": [asdict(finding) for finding in found.findings],
    }
    return json.dumps(said, indent=2, ensure_ascii=True) + "\n"


FORMATS: Mapping[str, Callable[[Diagnosis], str]] = {"text": as_text, "markdown": as_markdown, "json": as_json}
