"""Serve the connector, develop it on this machine, and check a deployed one."""

import argparse
import io
import os
import sys
from contextlib import suppress

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
    serving = commands.add_parser("serve", help="serve in production", description=serve.__doc__)
    serving.set_defaults(run=serve)
    help = "serve on this machine, and replace missing settings"
    commands.add_parser("dev", help=help, description=dev.develop.__doc__).set_defaults(run=dev.develop)
    mode.add_commands(commands)
    smoke.add_to(commands)
    fingerprint.add_to(commands)
    extend.add_commands(commands)
    settings.add_to(commands)
    tools.add_to(commands)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal may not have each character
    try:
        arguments = parser.parse_args()
        arguments.run(arguments)
        print(end="", flush=True)
    except BrokenPipeError:  # whoever reads has enough, such as `head`
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Python writes the rest there when it ends
        sys.exit(1)
