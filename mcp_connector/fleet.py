"""Show the connectors of a team: version, answers, drift from a fresh render, and who is behind.

A PATH is a checkout or a folder of checkouts, a FILE an answers file without its checkout, whose drift is then unknown.
It changes nothing. Exit status: 0; 1, something could not be read or, with `--fail-behind`, a connector is behind; 2,
wrong options.
"""

import argparse
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fnmatch import fnmatch
from html import escape
from pathlib import Path
from string import Template

from . import catalogue, renders
from .recorded import (
    ANSWERS_FILE,
    Answers,
    Problem,
    Value,
    answers,
    credential,
    git,
    order,
    prerelease,
    put,
    shown,
    source_of,
    without_credential,
)
from .renders import location
from .report import WHOLE, code

DESCRIPTION = "Show connectors: version, answers, drift from a fresh render, and who is behind."
EPILOG = (
    "Exit status: 0; 1, something could not be read or, with --fail-behind, a connector is behind; 2, wrong options, "
    "or the view cannot be written."
)

OURS = ("project_name", "auth_mode", "hosting")  # every release asks these: forks and mirrors are known by them
MAIN = ("auth_mode", "hosting", "source", "ci")  # what the table has room for
SKIPPED = {"node_modules", "venv", "__pycache__", "site-packages"}
# Here an owner adds lines by design (CONTRIBUTING.md), so only the template's lines count.
SHARED = ("pyproject.toml", "README.md", ".gitignore", ".env.example", "src/*/settings.py")
LOCKS = ("requirements.lock", "requirements-dev.lock")  # up to 1.2.0; made again when the owner adds a dependency


@dataclass
class Connector:
    """One answers file, and what is known of its project."""

    name: str
    file: Path
    checkout: bool
    answers: Answers
    behind: int | None = None  # releases; None if the version is not a release
    drift: list[tuple[str, str]] | None = None  # file and state; None is unknown

    @property
    def source(self) -> str:
        return source_of(self.answers)

    @property
    def version(self) -> str:
        return str(self.answers.get("_commit") or "none")


@dataclass
class Group:
    """Connectors of one template source."""

    source: str
    connectors: list[Connector]
    newest: str | None = None
    from_tags: bool = False

    def behind(self) -> list[Connector]:
        return [connector for connector in self.connectors if connector.behind]


@dataclass
class Fleet:
    groups: list[Group] = field(default_factory=list)
    foreign: int = 0
    problems: list[str] = field(default_factory=list)

    def connectors(self) -> list[Connector]:
        return [connector for group in self.groups for connector in group.connectors]


def answers_files(folder: Path, depth: int, problems: list[str]) -> Iterator[Path]:
    """Answers files in a folder and at most `depth` levels below, in order; what it cannot read goes to `problems`."""

    def unreadable(error: OSError) -> None:
        problems.append(f"{error.filename}: it cannot be read ({error.strerror}).")

    for here, folders, files in os.walk(folder, onerror=unreadable):
        level = len(Path(here).relative_to(folder).parts)
        linked = [name for name in folders if level < depth and Path(here, name).is_symlink() and name[0] != "."]
        problems += [f"{Path(here, name)}: it is a link, which is not followed; name it as a path." for name in linked]
        folders[:] = sorted(name for name in folders if level < depth and name[0] != "." and name not in SKIPPED)
        yield from (Path(here, name) for name in sorted(files) if ANSWERS_FILE.fullmatch(name))


def find(paths: list[Path], depth: int) -> tuple[list[Connector], int, list[str]]:
    """The connectors at these paths, the number of answers files of other templates, and what could not be read."""
    found: dict[Path, Connector] = {}
    foreign = 0
    problems: list[str] = []
    for path in paths:
        unread = len(problems)
        try:
            files = list(answers_files(path, depth, problems)) if path.is_dir() else [path]
        except OSError as error:
            problems.append(f"{path}: it cannot be read ({error.strerror}).")
            continue
        if not files and len(problems) == unread:
            problems.append(f"{path}: no answers file is there, nor in the {depth} levels of folders below.")
        for file in files:
            try:
                text = file.read_text(encoding="utf-8")
            except OSError as error:
                problems.append(f"{file}: it cannot be read ({error.strerror}).")
                continue
            except UnicodeDecodeError:
                problems.append(f"{file}: it is not UTF-8 text.")
                continue
            try:
                recorded = answers(text)
            except Problem as problem:
                if all(re.search(rf"^{name}:", text, re.MULTILINE) for name in OURS) or not path.is_dir():
                    problems.append(f"{file}: {problem}.")
                else:
                    foreign += 1
                continue
            if not all(name in recorded for name in OURS):
                foreign += 1
                continue
            name = file.parent.relative_to(path).as_posix() if path.is_dir() else str(file)
            found[file.resolve()] = Connector(
                path.resolve().name if name == "." else name, file, path.is_dir(), recorded
            )
    connectors = list(found.values())
    names = [connector.name for connector in connectors]
    for connector in connectors:
        if names.count(connector.name) > 1:
            connector.name = str(connector.file)
    return connectors, foreign, problems


def complaints(connector: Connector) -> list[str]:
    """What is wrong with what one project recorded."""
    recorded, name = connector.answers.get("_src_path"), connector.file
    if not recorded:
        return [f"{name}: it has no _src_path, so no update can start."]
    if credential(str(recorded)):
        return [
            f"{name}: _src_path holds a password or token; revoke it and write {shown(connector.source, 120)} there."
        ]
    if not connector.answers.get("_commit"):
        return [f"{name}: it has no _commit, so no update can start; the copy was not of a release."]
    if order(connector.version) is None:
        return [f"{name}: _commit is {shown(connector.version)}, which is not a release; update it to one."]
    return []


def grouped(connectors: list[Connector], template: str | None) -> list[Group]:
    """Connectors by the template that they are compared with."""
    groups: dict[str, Group] = {}
    for connector in connectors:
        # What the command line names is taken from where it was typed.
        source = location(without_credential(template), Path.cwd()) if template else connector.source
        key = location(source, connector.file.parent).rstrip("/").removesuffix(".git")
        groups.setdefault(key, Group(source, [])).connectors.append(connector)
    return sorted(groups.values(), key=lambda group: group.source)


def compare_versions(group: Group, prereleases: bool) -> list[str]:
    """Find the newest release, and for each connector how many it is behind."""
    problems = []
    url = location(group.source, group.connectors[0].file.parent)
    try:
        listed = git("ls-remote", "--tags", "--refs", "--", url, cwd=Path.cwd(), timeout=30)
        tags = [line.split("refs/tags/", 1)[1] for line in listed.splitlines()]
        group.from_tags = True
    except Problem as problem:
        problems.append(
            f"{shown(group.source, 90)}: its releases cannot be listed ({problem}); "
            "versions are compared with the newest of these connectors."
        )
        tags = [connector.version for connector in group.connectors]
    releases = {tag: key for tag in tags if (key := order(tag)) and (prereleases or not prerelease(tag))}
    if not releases:
        if group.from_tags and not any(order(tag) for tag in tags):
            problems.append(
                f"{shown(group.source, 90)}: it has no release tags, so nobody can tell who is behind; whoever "
                "publishes it must run there: make tags && git push --tags"
            )
        return problems
    group.newest = max(releases, key=lambda tag: releases[tag])
    for connector in group.connectors:
        own = order(connector.version)
        if own:
            connector.behind = len({key for key in releases.values() if key > own})
    return problems


def compare_files(groups: list[Group], work: Path) -> list[str]:
    """Render each checkout's answers again at its version, and note what differs."""
    try:
        copier = renders.command()
    except Problem as problem:
        return [f"drift is unknown, because {problem}; install it, or choose --no-drift."]
    problems: list[str] = []
    jobs = []
    for number, group in enumerate(groups):
        checkouts = [connector for connector in group.connectors if connector.checkout]
        mirror = work / f"{number}.git"
        try:
            if checkouts:
                renders.clone(location(group.source, checkouts[0].file.parent), mirror)
            jobs += [(copier, mirror, connector, work / f"{number}-{n}") for n, connector in enumerate(checkouts)]
        except Problem as problem:
            if group.from_tags or not group.newest:  # else the same was said of its releases
                problems.append(f"{shown(group.source, 90)}: it cannot be cloned ({problem}); drift is unknown.")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        problems += [problem for problem in pool.map(lambda job: note_drift(*job), jobs) if problem]
    return problems


def note_drift(copier: list[str], mirror: Path, connector: Connector, work: Path) -> str | None:
    """Fill in a connector's drift, or say why it is unknown."""
    version = connector.version
    if "_commit" not in connector.answers:
        return None  # said already
    if not renders.has(mirror, version):
        return f"{connector.file}: the template has no {shown(version)}, so drift is unknown."
    try:
        fresh = renders.render(copier, mirror, connector.answers, connector.file.name, work)
        connector.drift = differences(fresh, connector.file, renders.seeds(mirror, version))
    except Problem as problem:
        return f"{connector.file}: drift is unknown, because {problem}."
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return None


def differences(fresh: Path, answers_file: Path, owned: list[str]) -> list[tuple[str, str]]:
    """The template's files that differ in a checkout, each with `changed` or `missing`."""
    found = []
    for name, content in renders.files(fresh).items():
        # An owner fills in lines of `server.json`; `--format registry` says what is wrong there.
        if name in (answers_file.name, catalogue.FILE) or renders.is_seed(name, owned):
            continue
        here = answers_file.parent / name
        if not here.is_file():
            found.append((name, "missing"))
            continue
        theirs, ours = (data.replace(b"\r\n", b"\n") for data in (content, here.read_bytes()))
        shared = any(fnmatch(name, pattern) for pattern in SHARED)
        if theirs != ours and not (shared and keeps_lines(theirs, ours)):
            found.append((name, "changed"))
    if same_text(fresh / "pyproject.toml", answers_file.with_name("pyproject.toml")):
        return found
    return [(name, state) for name, state in found if name not in LOCKS or state == "missing"]


def keeps_lines(theirs: bytes, ours: bytes) -> bool:
    """Whether the owner only added lines."""
    rest = iter(ours.splitlines())
    return all(line in rest for line in theirs.splitlines())


def same_text(one: Path, other: Path) -> bool:
    return other.is_file() and one.read_bytes() == other.read_bytes().replace(b"\r\n", b"\n")


def place(connector: Connector) -> str:
    """How a connector stands to the newest release."""
    if connector.behind is None:
        return "unknown"
    return f"{connector.behind} behind" if connector.behind else "current"


def drifted(connector: Connector) -> str:
    if connector.drift is None:
        return "unknown"
    states = [state for _, state in connector.drift]
    said = [f"{states.count(state)} {state}" for state in ("changed", "missing") if state in states]
    return ", ".join(said) or "none"


def heading(group: Group) -> str:
    newest = f"newest {group.newest}" if group.newest else "no release"
    newest += "" if group.from_tags or not group.newest else " among these"
    return f"{newest}; {plural(len(group.connectors), 'connector')}, {len(group.behind())} behind"


def plural(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def left_out(fleet: Fleet) -> str:
    verb = "is" if fleet.foreign == 1 else "are"
    return f"{plural(fleet.foreign, 'answers file')} of other templates {verb} left out."


LABELS = ("Connector", "Version", "Standing", "Drift", "Auth", "Hosting", "Source", "CI")  # the last four are MAIN


def row(c: Connector, width: int = 40) -> list[str]:
    """What LABELS say, of one connector."""
    main = (shown(c.answers.get(name, "-"), 24) for name in MAIN)
    return [shown(c.name, width), shown(c.version, 24), place(c), drifted(c), *main]


def as_text(fleet: Fleet) -> str:
    lines = []
    for group in fleet.groups:
        lines += [f"{shown(group.source, 100)}: {heading(group)}", ""]
        rows = [[label.upper() for label in LABELS], *map(row, group.connectors)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines += [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
        ]
        lines.append("")
        if any(connector.drift for connector in group.connectors):
            lines.append("Drift:")
            for connector in group.connectors:
                lines += [f"  {shown(connector.name, 40)}: {state} {name}" for name, state in connector.drift or []]
            lines.append("")
    if fleet.foreign:
        lines.append(left_out(fleet))
    return "\n".join(lines).strip() + "\n"


def as_markdown(fleet: Fleet) -> str:
    """For a comment or a page. What connectors recorded is code there, so that none of it is a mention or a link."""
    parts = []
    for group in fleet.groups:
        parts += [f"### {code(group.source)}", f"{heading(group)}."]
        cells = [LABELS, ["---"] * len(LABELS)]
        cells += [[code(cell).replace("|", "\\|") for cell in row(c, WHOLE)] for c in group.connectors]
        parts.append("\n".join(f"| {' | '.join(line)} |" for line in cells))
        drift = [(c, state, name) for c in group.connectors for name, state in c.drift or []]
        parts.append("\n".join(f"- {code(c.name)}: {state} {code(name)}" for c, state, name in drift))
    parts.append(left_out(fleet) if fleet.foreign else "")
    parts.append("\n".join(f"- {code(problem)}" for problem in fleet.problems))
    return "\n\n".join(filter(None, parts)) + "\n"


def as_json(fleet: Fleet) -> str:
    templates = [
        {
            "source": group.source,
            "newest": group.newest,
            "newest_of": "releases" if group.from_tags else "connectors",
            "connectors": [
                {
                    "name": connector.name,
                    "answers_file": str(connector.file),
                    "version": connector.version,
                    "behind": connector.behind,
                    "answers": {name: value for name, value in connector.answers.items() if name[0] != "_"},
                    "drift": drift_json(connector),
                }
                for connector in group.connectors
            ],
        }
        for group in fleet.groups
    ]
    return json.dumps({"templates": templates, "left_out": fleet.foreign, "problems": fleet.problems}, indent=2) + "\n"


def drift_json(connector: Connector) -> list[dict[str, str]] | None:
    if connector.drift is None:
        return None
    return [{"file": name, "state": state} for name, state in connector.drift]


PAGE = Template("""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Connectors: $summary</title>
<style>
:root { color-scheme: light dark; --text: #1c2024; --soft: #5a636d; --back: #fff; --line: #d9dee3; --stripe: #f5f7f9;
  --good: #18703a; --warn: #9a4a00; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6e9ec; --soft: #a3adb7; --back: #14181c; --line: #333b43; --stripe: #1b2025;
    --good: #6fd193; --warn: #ffb266; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.5rem; max-width: 76rem; background: var(--back); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif; }
h1 { margin: 0; font-size: 1.6rem; }
h2 { margin: 2.5rem 0 0; font-size: 1.1rem; overflow-wrap: anywhere; }
p { margin: .25rem 0 1rem; color: var(--soft); }
table { width: 100%; border-collapse: collapse; }
th, td { padding: .5rem .75rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
thead th { color: var(--soft); font-size: .85rem; font-weight: 600; white-space: nowrap; }
tbody th { font-weight: 600; overflow-wrap: anywhere; }
tbody tr:nth-child(even) { background: var(--stripe); }
td { overflow-wrap: break-word; }
.good { color: var(--good); }
.warn { color: var(--warn); font-weight: 600; }
.soft { color: var(--soft); }
summary { cursor: pointer; }
summary:focus-visible { outline: 2px solid currentColor; outline-offset: 2px; }
ul, dl { margin: .25rem 0; padding: 0; font-size: .9rem; }
li { list-style: none; overflow-wrap: anywhere; }
.problems li { margin-top: .35rem; }
details[open] { min-width: 14rem; }
dt { color: var(--soft); }
dd { margin: 0 0 .25rem; overflow-wrap: anywhere; }
.problems { padding: .75rem 1rem; border: 1px solid var(--line); border-left: .3rem solid var(--warn); }
.problems h2 { margin: 0; }
@media (max-width: 52rem) {
  body { padding: 1rem; }
  table, tbody, tr, th, td { display: block; width: 100%; }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  tbody tr { padding: .5rem .75rem; border: 1px solid var(--line); border-radius: .4rem; margin-bottom: .75rem; }
  tbody th, td { padding: .1rem 0; border: 0; }
  td { display: grid; grid-template-columns: 6rem minmax(0, 1fr); }
  td::before { content: attr(data-label); color: var(--soft); }
  details[open] { min-width: 0; }
}
</style>
<h1>Connectors</h1>
<p>$summary</p>
$problems$groups
</html>
""")


def as_html(fleet: Fleet) -> str:
    connectors = fleet.connectors()
    behind = sum(len(group.behind()) for group in fleet.groups)
    summary = f"{plural(len(connectors), 'connector')}, {behind} behind, {drift_said(connectors)}."
    if fleet.foreign:
        summary += f" {left_out(fleet)}"
    problems = ""
    if fleet.problems:
        listed = "".join(f"<li>{escape(problem)}</li>" for problem in fleet.problems)
        problems = f'<section class="problems"><h2>Needs your attention</h2><ul>{listed}</ul></section>\n'
    return PAGE.substitute(summary=summary, problems=problems, groups="\n".join(map(group_html, fleet.groups)))


def drift_said(connectors: list[Connector]) -> str:
    """How many have drift, of those whose drift is known."""
    known = [connector for connector in connectors if connector.drift is not None]
    if not known:
        return "drift not known"
    differing = f"{sum(1 for connector in known if connector.drift)} with drift"
    unknown = len(connectors) - len(known)
    return f"{differing}, {unknown} with drift not known" if unknown else differing


def group_html(group: Group) -> str:
    # The roles say what the tags say already: browsers drop that where the style makes cards of the rows.
    labels = [*LABELS, "Answers"]
    head = "".join(f'<th scope="col" role="columnheader">{label}</th>' for label in labels)
    rows = []
    for c in group.connectors:
        standing = {None: "soft", 0: "good"}.get(c.behind, "warn")
        main = [escape(shown(c.answers.get(name, "-"))) for name in MAIN]
        cells = [
            escape(shown(c.version)),
            f'<span class="{standing}">{place(c)}</span>',
            drift_html(c),
            *main,
            details(
                f"{len(others(c))} more",
                (f"<dt>{escape(n)}</dt><dd>{escape(shown(v, 600))}</dd>" for n, v in others(c)),
                "dl",
            ),
        ]
        row = "".join(
            f'<td role="cell" data-label="{label}"><div>{c}</div></td>'
            for label, c in zip(labels[1:], cells, strict=True)
        )
        rows.append(f'<tr role="row"><th scope="row" role="rowheader">{escape(shown(c.name, 80))}</th>{row}</tr>')
    return (
        f"<section><h2>{escape(shown(group.source, 200))}</h2>\n<p>{escape(heading(group))}</p>\n"
        f'<table role="table">\n<thead><tr role="row">{head}</tr></thead>\n<tbody>\n'
        + "\n".join(rows)
        + "\n</tbody>\n</table></section>"
    )


def others(connector: Connector) -> list[tuple[str, Value]]:
    """The answers that have no column."""
    return [(name, value) for name, value in connector.answers.items() if name[0] != "_" and name not in MAIN]


def drift_html(connector: Connector) -> str:
    if not connector.drift:
        return f'<span class="{"soft" if connector.drift is None else "good"}">{drifted(connector)}</span>'
    return details(
        f'<span class="warn">{drifted(connector)}</span>',
        (f"<li>{state} {escape(shown(name, 200))}</li>" for name, state in connector.drift),
        "ul",
    )


def details(summary: str, items: Iterable[str], tag: str) -> str:
    return f"<details><summary>{summary}</summary><{tag}>{''.join(items)}</{tag}></details>"


def survey(paths: list[Path], depth: int, template: str | None, drift: bool, prereleases: bool) -> Fleet:
    """All that can be known of the connectors at these paths."""
    connectors, foreign, problems = find(paths, depth)
    fleet = Fleet(grouped(connectors, template), foreign, problems)
    for connector in connectors:
        problems += complaints(connector)
    for group in fleet.groups:
        problems += compare_versions(group, prereleases)
    if drift and any(connector.checkout for connector in connectors):
        with tempfile.TemporaryDirectory(prefix="fleet.") as work:
            problems += compare_files(fleet.groups, Path(work))
    return fleet


def as_registry(fleet: Fleet) -> str:
    """The connectors as a registry lists them (`GET /v0.1/servers`). One that cannot be listed becomes a problem."""
    listed: dict[str, Connector] = {}
    servers = []
    for connector in fleet.connectors():
        file = connector.file.with_name(catalogue.FILE)
        try:
            if not connector.checkout:
                raise Problem("it needs the checkout, and an answers file was named")
            server = catalogue.read(connector.file.parent, connector.answers)
            other = listed.setdefault(server["name"], connector)
            if other is not connector:
                raise Problem(f"{other.file.with_name(catalogue.FILE)} has the same name")
        except Problem as problem:
            fleet.problems.append(f"{file}: {problem}.")
            continue
        servers.append({"server": server})
    servers.sort(key=lambda entry: str(entry["server"]["name"]))
    return json.dumps({"servers": servers, "metadata": {"count": len(servers)}}, indent=2, ensure_ascii=False) + "\n"


# `table` is the name that releases before 2.0 had for text.
FORMATS = {
    "text": as_text,
    "table": as_text,
    "markdown": as_markdown,
    "json": as_json,
    "html": as_html,
    "registry": as_registry,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help="a checkout, a folder of them, an answers file"
    )
    parser.add_argument("--format", choices=FORMATS, default="text", help="default: text")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write there instead of to standard output")
    parser.add_argument("--template", metavar="SOURCE", help="compare with this one, not with what each recorded")
    parser.add_argument(
        "--drift",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="render each checkout's answers again, about a second each, and compare; on unless you choose --no-drift",
    )
    parser.add_argument("--depth", type=int, default=4, metavar="N", help="levels of folders to search; default: 4")
    parser.add_argument("--prereleases", action="store_true", help="count pre-releases as releases")
    parser.add_argument("--fail-behind", action="store_true", help="exit with 1 when a connector is behind")


def run(given: argparse.Namespace, name: str) -> int:
    """Print or write the view; `name` begins what goes to standard error."""
    if given.format == "registry":  # it says nothing of versions and drift
        if given.fail_behind:
            print(f"{name}: --fail-behind needs another --format than registry", file=sys.stderr)
            return 2
        connectors, foreign, problems = find(given.paths, given.depth)
        fleet = Fleet(grouped(connectors, given.template), foreign, problems)
    else:
        fleet = survey(given.paths, given.depth, given.template, given.drift, given.prereleases)
    text = FORMATS[given.format](fleet)
    if given.output:
        try:
            given.output.write_text(text, encoding="utf-8", errors="replace")
        except OSError as error:
            print(f"{name}: {given.output} cannot be written ({error.strerror})", file=sys.stderr)
            return 2
    else:
        put(text)
    for problem in fleet.problems:
        print(f"{name}: {shown(problem, 1000)}", file=sys.stderr)
    return 1 if fleet.problems or (given.fail_behind and any(group.behind() for group in fleet.groups)) else 0
