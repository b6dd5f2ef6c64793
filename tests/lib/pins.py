"""The versions that the tests run connectors with. A rendered connector has none: its owner's `uv sync` finds them."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def lock(name: str) -> Path:
    """The lock file of a set of dependencies: `base`, or `proxy` with FastMCP added."""
    return ROOT / f"locks/{name}.lock"


def pins(name: str) -> list[str]:
    """`name==version` of every package in that file."""
    return re.findall(r"^[a-z0-9._-]+==[^\s;\\]+", lock(name).read_text(encoding="utf-8"), re.MULTILINE)


def within(name: str) -> list[str]:
    """Options of `uv lock` and `uv sync` that resolve to these versions, and leave no trace of that in uv.lock."""
    return [option for pin in pins(name) for option in ("--upgrade-package", pin)]


# As uv, with the versions that the tests pin wherever it makes a uv.lock from nothing.
UV = """#!/bin/sh
case "$1" in lock | sync) [ -f uv.lock ] || set -- "$@" {options} ;; esac
exec {uv} "$@"
"""


def program(folder: Path, name: str = "base") -> Path:
    """Put a `uv` there that finds these versions: commands of documents and pipelines then run as they stand."""
    uv = folder / "uv"
    uv.write_text(UV.format(options=" ".join(within(name)), uv=Path(sys.executable).with_name("uv")))
    uv.chmod(0o755)
    return uv
