"""The commands `tools` and `call`: what agents see, and one call, in this process and as a developer."""

import argparse
import asyncio
import json
import logging
import re
import sys
import textwrap
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from mcp.client import Client
from mcp.client.session import ElicitationFnT
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, ElicitRequestParams, ElicitResult, EmbeddedResource, TextContent, Tool
from starlette.applications import Starlette

from ...app import create_app
from ..auth import mode
from ..parts import NotReady
from . import platforms
from .dev import replaced
from .environment import COMMAND

WIDTH = 80  # columns

Command = Callable[[Starlette, argparse.Namespace], Coroutine[Any, Any, int]]  # with its exit status


def add_to(commands: Any) -> None:
    if "tools" not in commands.choices:  # an owner's command of this name stays
        parser = commands.add_parser("tools", help="list the tools as agents see them", description=show.__doc__)
        parser.add_argument("--json", action="store_true", help="for programs")
        parser.set_defaults(run=partial(run, show), header=[])
    if "call" not in commands.choices:
        help = "call a tool in this process, and replace missing settings"
        parser = commands.add_parser("call", help=help, description=call.__doc__)
        parser.add_argument("tool", metavar="TOOL", help="its name, as `tools` lists it")
        example = """its arguments, such as '{"limit": 5}'"""
        parser.add_argument("arguments", metavar="JSON", nargs="?", default={}, type=json_object, help=example)
        parser.add_argument("--answer", metavar="JSON", type=json_object, help="what to answer if the tool asks")
        note = "a header of the caller, if the connector forwards it or a tool reads it"
        parser.add_argument("--header", action="append", default=[], metavar="'NAME: VALUE'", type=header, help=note)
        parser.add_argument("--json", action="store_true", help="print the whole result")
        parser.set_defaults(run=partial(run, call))


def json_object(text: str) -> dict[str, Any]:
    try:
        given = json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"it is not JSON: {error}") from None
    if not isinstance(given, dict):
        raise argparse.ArgumentTypeError('it must be an object, such as {"limit": 5}')
    return given


def header(text: str) -> tuple[str, str]:
    written = re.fullmatch(r"([\w-]+): *([ -~]+)", text, re.ASCII)
    if not written:
        raise argparse.ArgumentTypeError("it must be written as NAME: VALUE")
    return written[1].lower(), written[2]


def run(command: Command, arguments: argparse.Namespace) -> None:
    """Exit with 1 if the tool or the connector fails, and with 2 if the command is wrong."""
    try:
        settings, headers, _ = replaced()
    except NotReady as error:
        sys.exit(f"{COMMAND} cannot start: {error}.")
    logging.getLogger().setLevel(logging.WARNING)
    app = create_app(settings.model_copy(update={"metrics_port": None}))
    mode.act_as({name.lower(): value for name, value in headers.items()} | dict(arguments.header))
    sys.exit(asyncio.run(command(app, arguments)))


@asynccontextmanager
async def connected(app: Starlette, ask: ElicitationFnT | None = None) -> AsyncIterator[Client]:
    """A client inside of this process. Nobody asks who calls."""
    async with app.router.lifespan_context(app), Client(app.state.server, elicitation_callback=ask) as client:
        yield client


async def show(app: Starlette, arguments: argparse.Namespace) -> int:
    """List the tools as agents see them, their sizes, and what agent platforms would leave out or change."""
    async with connected(app) as agent:
        tools = (await agent.list_tools()).tools
    found = platforms.findings(tools)
    if arguments.json:
        listed = [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in tools]
        sizes = {tool.name: platforms.size(tool) for tool in tools}
        told = [{"accepted_by": each.line, "breaks": each.rule.breaks, "what": str(each)} for each in found]
        print(json.dumps({"tools": listed, "bytes": sizes, "findings": told}, indent=2, ensure_ascii=False))
        return 0
    for tool in tools:
        print(*described(tool), sep="\n", end="\n\n")
    total = platforms.size(*tools)
    print("* An argument that is required.")
    print(f"{len(tools)} tools, {total:,} bytes: about {total // 4:,} tokens of each conversation (bytes / 4).")
    for each in found:
        mark = "!" if each.rule.breaks else "-"
        print(textwrap.fill(f"{mark} {each}.", WIDTH, subsequent_indent="  ", break_on_hyphens=False))
    return 0


def described(tool: Tool) -> Iterator[str]:
    """Lines about one tool: what it does, and a line for each argument; `*` marks those that are required."""
    kind = "reads" if tool.annotations and tool.annotations.read_only_hint else "writes"
    yield f"{tool.name} ({kind}, {platforms.size(tool):,} bytes)"
    yield textwrap.fill(" ".join((tool.description or "").split()), WIDTH, initial_indent="  ", subsequent_indent="  ")
    required = tool.input_schema.get("required", ())
    rows = [
        (f"{name}{'*' * (name in required)}", kind_of(member), member.get("description", ""))
        for name, member in tool.input_schema.get("properties", {}).items()
    ]
    first, second = (min(24, max((len(row[column]) for row in rows), default=0)) for column in (0, 1))
    for name, type, words in rows:
        begin = f"    {name:<{first}}  {type:<{second}}  "
        yield textwrap.fill(words, WIDTH, initial_indent=begin, subsequent_indent=" " * (8 + first + second)) or begin


def kind_of(schema: Mapping[str, Any]) -> str:
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices:
        return " or ".join(dict.fromkeys(map(kind_of, choices)))
    if "enum" in schema:
        return "|".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return f"list of {kind_of(schema.get('items', {}))}"
    return str(schema.get("type", "any"))


async def call(app: Starlette, arguments: argparse.Namespace) -> int:
    """Call a tool without authentication. Status: 0, it answered; 1, it failed; 2, there is no such tool."""

    async def ask(context: object, params: ElicitRequestParams) -> ElicitResult:
        print(f"The tool asks: {params.message}", file=sys.stderr)
        if arguments.answer is None:
            print("No answer is given. To give one, use --answer.", file=sys.stderr)
            return ElicitResult(action="decline")
        return ElicitResult(action="accept", content=arguments.answer)

    async with connected(app, ask) as agent:
        names = [tool.name for tool in (await agent.list_tools()).tools]
        if arguments.tool not in names:
            print(f"There is no tool {arguments.tool}. There are: {', '.join(names)}.", file=sys.stderr)
            return 2
        try:
            result = await agent.call_tool(arguments.tool, arguments.arguments, progress_callback=progress)
        except MCPError as error:
            print(error.message, file=sys.stderr)
            return 1
    if arguments.json:
        print(result.model_dump_json(by_alias=True, exclude_none=True, indent=2))
    else:
        for line in told(result):
            print(line, file=sys.stderr if result.is_error else sys.stdout)
    return int(bool(result.is_error))


async def progress(progress: float, total: float | None, message: str | None) -> None:
    print(f"{progress:g}{f' of {total:g}' if total else ''}{f': {message}' if message else ''}", file=sys.stderr)


def told(result: CallToolResult) -> Iterator[str]:
    """The text of a result, and of all else what it is."""
    for block in result.content:
        if isinstance(block, TextContent):
            yield block.text
        elif isinstance(block, EmbeddedResource):
            yield f"[{block.resource.mime_type or 'a file'}: {block.resource.uri}]"
        else:
            yield f"[{getattr(block, 'mime_type', None) or block.type}]"
