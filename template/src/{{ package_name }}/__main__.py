"""Where the command starts, and can be stopped from its first moment."""

import signal
import sys


def main() -> None:
    # The first process of a container ignores SIGTERM until it handles it, and importing the rest takes a while.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    from .core.command import cli

    cli.main()


if __name__ == "__main__":
    main()
