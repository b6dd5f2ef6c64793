"""Say why an MCP server does not connect, on which platform, and what to change where.

The words of the command are here; what needs h11, certifi and PyYAML is imported when it runs, so that the other
commands work without them.
"""

import argparse
from pathlib import Path

from ..recorded import Problem

DESCRIPTION = (
    "Say whether Duvo, Claude, ChatGPT, Copilot Studio, Gemini Enterprise and VS Code will connect to an MCP server, "
    "and what to change where."
)
EPILOG = (
    "Credentials come from MCP_TOKEN, MCP_API_KEY, --header-file or a prompt, and go to the server of URL alone. "
    "Exit status: 0, it connects; 1, something stops a client, or the platform of --for; 2, it could not tell."
)
PLATFORMS = ("duvo", "claude", "chatgpt", "copilot-studio", "gemini", "vscode")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("url", metavar="URL", help="where clients connect, such as https://connector.example.com/mcp")
    add("--for", dest="platform", choices=PLATFORMS, metavar="PLATFORM", help="one of " + ", ".join(PLATFORMS))
    add("--login", action="store_true", help="sign in with your browser, and test with the token")
    add("--register", action="store_true", help="register each platform's callback, and delete it again")
    add("--client-id", metavar="ID", help="a client that the provider knows; its secret is in MCP_CLIENT_SECRET")
    add("--call", metavar="TOOL", help="call this tool, without arguments")
    add("--header-file", type=Path, metavar="FILE", help="headers to send, a line each, as Name: value")
    format = parser.add_mutually_exclusive_group()
    format.add_argument("--json", dest="format", action="store_const", const="json", help="for a program")
    format.add_argument("--markdown", dest="format", action="store_const", const="markdown", help="for an issue")
    parser.set_defaults(format="text")


def run(given: argparse.Namespace, name: str) -> int:
    try:
        from .diagnosis import run  # h11, certifi and PyYAML, which the other commands do without
    except ModuleNotFoundError as missing:
        raise Problem(f"It needs the package {missing.name}: install this tool with uvx or pip.") from None
    return run(given, name)
