"""The command `fingerprint`: how the log names a caller."""

import argparse
import sys

from pydantic import ValidationError
from pydantic_settings import BaseSettings

from ...settings import Settings, explain
from ..edge.observe import SALT, fingerprint
from ..fields import LogSalt
from .environment import COMMAND, UNREADABLE, unreadable


class Salt(BaseSettings):
    """All that this command needs."""

    model_config = Settings.model_config

    log_salt: LogSalt = None


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    help = "print the fingerprint of a caller in the log"
    commands.add_parser("fingerprint", help=help, description=show.__doc__).set_defaults(run=show)


def show(_: argparse.Namespace) -> None:
    """Print the fingerprint that stands for a caller in the log. It reads values, a line each, and needs LOG_SALT."""
    try:
        salt = Salt().log_salt
    except ValidationError as error:
        sys.exit(explain(error, Salt).strip())
    except UNREADABLE as error:
        sys.exit(f"{COMMAND} makes no fingerprint: {unreadable(error)}.")
    if not salt:
        sys.exit("LOG_SALT is not set, so fingerprints would differ from those in the log. Set it as there.")
    SALT[:] = salt.get_secret_value().encode()
    if sys.stdin.isatty():
        print("Type the values of the caller, a line each, and end with Ctrl+D:", file=sys.stderr)
    values = sys.stdin.read().splitlines()
    if not any(values):
        sys.exit("No value was given. docs/operations.md says which values a fingerprint stands for.")
    print(fingerprint(*values))
