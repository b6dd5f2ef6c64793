"""The command `mcp-connector`, and the same by way of a file of hooks/."""

import argparse
import sys
from pathlib import Path
from types import ModuleType

from . import changelog, check, fleet

COMMANDS = {
    "check": (check, "what an update did to a connector, and what is left for you to do"),
    "fleet": (fleet, "many connectors: version, answers, drift, and who is behind"),
    "changelog": (changelog, "what a changelog says of an update, what to do by hand first"),
}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="mcp-connector", description="Keep connectors of the template current. It changes nothing."
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, (module, summary) in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=module.DESCRIPTION, epilog=module.EPILOG)
        module.add_arguments(command)
        command.set_defaults(run=module.run, name=command.prog)
    given = parser.parse_args()
    return int(given.run(given, given.name))


def door(module: ModuleType) -> int:
    """One of the commands under the name of the file that was started."""
    parser = argparse.ArgumentParser(description=module.DESCRIPTION, epilog=module.EPILOG)
    module.add_arguments(parser)
    return int(module.run(parser.parse_args(), Path(sys.argv[0]).stem))
