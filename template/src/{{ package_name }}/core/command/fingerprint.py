"""The command `fingerprint`: how the log names a caller."""

import argparse
import sys

from ..edge.observe import fingerprint
from .environment import COMMAND, load


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    help = "print how the log names a caller, whose values are read from standard input, a line each"
    commands.add_parser("fingerprint", help=help).set_defaults(run=show)


def show(_: argparse.Namespace) -> None:
    if not load().log_salt:
        sys.exit(f"{COMMAND} has no LOG_SALT, so it makes other fingerprints than the log has. Set the same as there.")
    print(fingerprint(*sys.stdin.read().splitlines()))
