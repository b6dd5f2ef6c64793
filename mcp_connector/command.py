"""The command `mcp-connector`, and the same by way of a file of hooks/."""

import argparse
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from types import ModuleType

from . import changelog, check, doctor, fleet, importing
from .recorded import Problem

COMMANDS = {
    "check": (check, "say what an update did to a connector, and what is left for you to do"),
    "fleet": (fleet, "show many connectors: version, answers, drift, and who is behind"),
    "import": (importing, "write tools from the OpenAPI document of the API that they call"),
    "doctor": (doctor, "say whether platforms connect to an MCP server, and what to change where"),
    "changelog": (changelog, "print what a changelog says of an update, with what to do by hand first"),
}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="mcp-connector", description="Keep connectors of the template current and connected."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {version()}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, (module, summary) in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=module.DESCRIPTION, epilog=module.EPILOG)
        module.add_arguments(command)
        command.set_defaults(module=module, name=command.prog)
    given = parser.parse_args()
    return run(given.module, given, given.name)


def version() -> str:
    """Of what is installed; in a clone of the template, of what stands there."""
    try:
        return metadata.version("mcp-connector-template")
    except metadata.PackageNotFoundError:
        about = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
        return str(about["project"]["version"])


def door(module: ModuleType, **defaults: object) -> int:
    """One of the commands under the name of the file that was started."""
    parser = argparse.ArgumentParser(description=module.DESCRIPTION, epilog=module.EPILOG)
    module.add_arguments(parser)
    parser.set_defaults(**defaults)
    return run(module, parser.parse_args(), Path(sys.argv[0]).stem)


def run(module: ModuleType, given: argparse.Namespace, name: str) -> int:
    """The exit status; `name` begins what goes to standard error."""
    try:
        return int(module.run(given, name))
    except Problem as problem:
        print(f"{name}: {problem}", file=sys.stderr)
    except OSError as error:
        print(f"{name}: {error.filename} cannot be read ({error.strerror}).", file=sys.stderr)
    return 2
