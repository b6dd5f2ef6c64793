"""Serves a rendered connector as `serve` does, with the suite's fixtures beside its own tools. For tests only.

python -m tests.lib.conformance.serve PACKAGE
"""

import importlib
import sys
from typing import Any

from mcp.server import MCPServer

from .fixtures import register

if __name__ == "__main__":
    package = sys.argv.pop()
    app, cli = (importlib.import_module(f"{package}.{module}") for module in ("app", "core.command.cli"))
    own = app.register

    def both(server: MCPServer[Any]) -> None:
        own(server)
        register(server)

    app.register = both  # type: ignore[attr-defined]
    sys.argv.append("serve")
    cli.main()
