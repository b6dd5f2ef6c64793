"""Whether each platform connects: rules over what was found, and over how the server lets callers in."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from .data import platforms, words
from .evidence import Evidence
from .findings import FAIL, WARN, Finding, Seen
from .project import Project

YES, NO, UNKNOWN = "yes", "no", "unknown"
EVERYBODY, CLOUD = "everybody", "cloud"


@dataclass(frozen=True)
class Verdict:
    platform: str
    title: str
    value: str
    why: str


def concerned(platform: str, named: Iterable[str]) -> bool:
    """Whether a list of platforms, which may hold `everybody` and `cloud`, has this one."""
    row = platforms()[platform]
    return any(name in (EVERYBODY, platform) or (name == CLOUD and row.get("cloud", False)) for name in named)


def stopping(one: Seen) -> tuple[str, ...]:
    """The platforms that do not connect because of this."""
    return one.stops or tuple(words(one.probe).get("stops", ()))


def way(heard: Evidence) -> str:
    """The key of platforms.yaml that says how callers get in; nothing where that cannot be told."""
    if heard.auth != "oauth":
        return heard.auth
    known = [issuer.metadata for issuer in heard.issuers if issuer.metadata]
    if any(said.get("registration_endpoint") for said in known):
        return "dcr"
    if any(said.get("client_id_metadata_document_supported") is True for said in known):
        return "cimd"
    return "paste"


def verdicts(heard: Evidence, seen: Iterable[Seen]) -> list[Verdict]:
    """One for each platform, in the order of the table."""
    every = list(seen)
    return [verdict(name, heard, every) for name in platforms()]


def verdict(name: str, heard: Evidence, seen: list[Seen]) -> Verdict:
    row = platforms()[name]
    title = row["title"]
    if stopped := dict.fromkeys(words(one.probe)["title"] for one in seen if concerned(name, stopping(one))):
        why = "; ".join(stopped)
        return Verdict(name, title, NO, f"{why[0].upper()}{why[1:]}.")
    if any(concerned(name, words(one.probe).get("unknown", ())) for one in seen):
        return Verdict(name, title, UNKNOWN, "Something was not answered: see below.")
    path = way(heard)
    if not path:
        return Verdict(name, title, UNKNOWN, "The first answer does not say whether callers get in.")
    value, why = row[path]
    return Verdict(name, title, value, filled(why, {"callback": "".join(row.get("callbacks", [])[:1])}))


def findings(seen: Iterable[Seen], project: Project | None, wanted: str | None) -> list[Finding]:
    """The findings in full words. With one platform in mind, what stops only others is a warning."""
    found = []
    for one in seen:
        said = words(one.probe)
        values = {**one.values, **(project.words if project else {})}
        cure = filled(said["cure"], values)
        if project and "here" in said:
            cure += f" In {project.name}: {filled(said['here'], values)}"
        finding = Finding(one.probe, said["level"], one.seen, filled(said["expected"], values), cure, said["source"])
        stops = stopping(one)
        if wanted and finding.level == FAIL and stops and not concerned(wanted, stops):
            finding = replace(finding, level=WARN)
        found.append(finding)
    return sorted(found, key=lambda finding: finding.level != FAIL)


def filled(text: str, values: dict[str, str]) -> str:
    """A text with its words in braces; other braces are JSON."""
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def status(found: list[Finding], said: list[Verdict], wanted: str | None) -> int:
    """0 connects, 1 something stops a caller, 2 it could not be told."""
    value = {verdict.platform: verdict.value for verdict in said}
    if any(finding.level == FAIL for finding in found) or (wanted and value[wanted] == NO):
        return 1
    if wanted:
        return 2 if value[wanted] == UNKNOWN else 0
    quiet = any(words(finding.probe).get("unknown") for finding in found)
    return 2 if quiet or all(verdict.value == UNKNOWN for verdict in said) else 0
