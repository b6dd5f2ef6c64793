"""Serve the connector, develop it on this machine, and check a deployed one."""

import argparse

from ... import extend
from ..auth import mode
from ..release import versions
from . import dev, fingerprint, settings, smoke, tools
from .environment import COMMAND
from .serve import serve


def main() -> None:
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("--version", action="version", version=versions())
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    commands.add_parser("serve", help="serve in production").set_defaults(run=serve)
    commands.add_parser("dev", help="serve on this machine, and replace missing settings").set_defaults(run=dev.develop)
    mode.add_commands(commands)
    smoke.add_to(commands)
    fingerprint.add_to(commands)
    extend.add_commands(commands)
    settings.add_to(commands)
    tools.add_to(commands)
    arguments = parser.parse_args()
    arguments.run(arguments)
