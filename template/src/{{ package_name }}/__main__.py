"""Where the command starts, and can be stopped from its first moment."""

import gc
import signal
import sys


def main() -> None:
    # The first process of a container ignores SIGTERM until it handles it, and importing the rest takes a while.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    gc.disable()  # what is imported stays: to look for garbage in it takes a tenth of the start
    from .core.command import cli

    gc.freeze()
    gc.enable()
    cli.main()


if __name__ == "__main__":
    main()
