"""Write tools of a connector from the OpenAPI document of the API that they call."""

import argparse
import sys
from collections.abc import Collection
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from .recorded import ANSWERS_FILE, Answers, Problem, read, shown

if TYPE_CHECKING:
    from .openapi.select import Operation

DESCRIPTION = "Write tools of a connector from the OpenAPI document of the API that they call."
EPILOG = (
    "Run it in the project of a connector with source=openapi, and again after each change of the document. Exit "
    "status: 0 nothing to tell, 10 the document offers more, 20 it breaks what callers rely on, 2 nothing was imported."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("document", metavar="DOCUMENT|URL", help="OpenAPI 3.0 or 3.1, or Swagger 2.0, as JSON or YAML")
    parser.add_argument("--tag", action="append", default=[], help="import all operations of this tag; may be repeated")
    parser.add_argument(
        "--operation", action="append", default=[], metavar="ID", help="import the operation with this id; repeatable"
    )
    parser.add_argument("--all", action="store_true", help="import all operations")
    parser.add_argument("--dry-run", action="store_true", help="say what would happen, and write nothing")
    parser.add_argument("--force", action="store_true", help="import more tools than most platforms take")
    parser.add_argument("--name", dest="label", help="what the document is called here, if several have its file name")
    parser.add_argument(
        "--remote-refs",
        action="append",
        default=[],
        metavar="HOST",
        help="read files of the document from this host, too",
    )
    parser.add_argument("--project", type=Path, default=Path(), help="the connector's folder; default: this one")


def run(given: argparse.Namespace, _: str) -> int:
    try:
        return imported(given)
    except RecursionError:
        raise Problem(f"{shown(given.document, 200)} has too many levels.") from None


def imported(given: argparse.Namespace) -> int:
    # Here, because the other commands need Python and git alone.
    from .openapi import plan, record, select, tell
    from .openapi.load import is_url, load
    from .openapi.resolve import Schemas
    from .openapi.store import store
    from .openapi.swagger2 import upgraded

    answers, tools = connector(given.project)
    document = load(given.document, given.remote_refs)
    version = shown(str(document.get("openapi") or document.get("swagger")), 10)
    if "openapi" not in document:
        document = upgraded(document)
    schemas = Schemas(document)
    every, faults = select.operations(schemas)
    if not every:
        raise Problem(f"{shown(given.document, 200)} has no operations.")
    about = document.get("info")
    title = str(about.get("title") or "") if isinstance(about, dict) else ""
    known = record.load(tools / f"{given.label or record.name_of(given.document, title)}{record.END}")
    if known.tools and known.title != title and not known.tools.keys() & {op.id for op in every}:
        why = f"tools/{known.path.name} is of another document, {shown(known.title)}"
        raise Problem(f"{why}. Give this one a name with --name.")
    if absent := select.missing(every, given.tag, given.operation):
        names = " and no ".join(map(shown, absent))
        raise Problem(f"The document has no tag or operation {names}.{suggestion(absent[0], every)}")
    tags = {*known.tags, *given.tag, *([op.tag for op in every] if given.all else [])}
    ids = {*known.operations, *given.operation}
    if not tags and not ids:
        tags = set(tell.choose(every, plan.sizes(schemas, every)))
        if not tags:
            return 2
    chosen = select.chosen(every, tags, ids, known.tools)
    others = [one for one in record.others(tools, known.path) if one.name != record.EXAMPLE]
    total = len(chosen) + sum(len(one.tools) for one in others)
    new = {op.id for op in chosen if op.tag in tags - set(known.tags) or op.id in ids - set(known.operations)}
    if total > select.MOST and new and not given.force:
        why = f"These are {total} tools, and many platforms take no more than {select.MOST}"
        raise Problem(f"{why}. Choose fewer, or add --force.")
    if total > select.WARN:
        print(f"Warning: {total} tools. Above {select.WARN}, models choose the wrong one more often.", file=sys.stderr)

    if given.tag or given.operation or given.all:
        known.refused = {}  # to be told again
    place = given.document.partition("?")[0]
    known.document, known.title = place if is_url(place) else Path(place).name, title
    known.tags, known.operations = sorted(tags), sorted(ids)
    folder = plan.Folder(tools, given.project.resolve() / "pyproject.toml")
    done = plan.plan(schemas, chosen, {op.id for op in every}, known, folder, new)
    print(f"{shown(title, 30)}: version {version}, {len(every)} operations, {len(chosen)} chosen")
    tell.report(done.said)
    for fault in faults:
        print(shown(fault, 300), file=sys.stderr)
    if given.dry_run:
        print("Nothing was written (--dry-run).")
        return done.code
    first = not known.path.exists()
    store(tools, done.files)
    if first:
        own = answers.get("upstream_identity") == "connector"
        tell.next_steps(
            document, given.document, "" if own else str(answers["auth_mode"]), str(answers["command_name"])
        )
    return done.code


def connector(project: Path) -> tuple[Answers, Path]:
    """The answers of a connector with the source openapi, and the folder of its tools."""
    name = shown(str(project.resolve()), 200)
    found = sorted(path for path in project.glob(".copier-answers*") if ANSWERS_FILE.fullmatch(path.name))
    for path in found:
        try:
            answers = read(path)
        except Problem as problem:
            raise Problem(f"{path.name} cannot be read: {problem}.") from None
        if "package_name" not in answers:
            continue
        if answers.get("source") != "openapi":
            raise Problem(
                f"The connector in {name} has source={shown(answers.get('source'))}, and imported tools need openapi. "
                "Run uvx copier update -d source=openapi."
            )
        tools = project / "src" / str(answers["package_name"]) / "tools"
        if not tools.is_dir():
            raise Problem(f"{name} has no folder {tools.relative_to(project)}. Restore it first.")
        return answers, tools
    raise Problem(f"{name} is not the folder of a connector. Change to it, or name it with --project.")


def suggestion(absent: str, every: Collection["Operation"]) -> str:
    near = get_close_matches(absent, sorted({op.tag for op in every} | {op.id for op in every}), 1)
    return f" Did you mean {shown(near[0])}?" if near else " Without a selection, you get the list of tags."
