"""What an update from 1.x to 2.0 leaves to do about locks: `uv.lock` takes the place of three files.

Copier deletes those three. What their owner wrote into `requirements-own.lock` is named until `uv.lock` has it.
"""

import os
import re
import tomllib
from collections.abc import Container, Mapping
from pathlib import Path

from .recorded import Problem, git

OWN = "requirements-own.lock"
GONE = (OWN, "requirements.lock", "requirements-dev.lock")
PIN = re.compile(r"([A-Za-z0-9][\w.-]*)(?:\[.*?\])?==([^\s;\\]+)")


def locked(project: Path) -> dict[str, str] | None:
    """Versions by name, as uv.lock has them; None if it is missing or cannot be read."""
    try:
        packages = tomllib.loads((project / "uv.lock").read_text(encoding="utf-8"))["package"]
        return {package["name"]: package.get("version", "") for package in packages}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def lacking(own: str, now: Mapping[str, str]) -> list[str]:
    """Lines of the old file, without their hashes, for which uv.lock has no package."""
    found = []
    for line in own.splitlines():
        text = line.split(" #")[0].strip().rstrip("\\").strip()
        pin = PIN.match(text)
        if text and text[0] != "#" and not text.startswith("--hash=") and not (pin and normal(pin[1]) in now):
            found.append(text)
    return found


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def left(project: Path, own: str, ignored: bool, accepted: Container[str]) -> list[str]:
    """What is left to do where an update deleted these files. `own`: what requirements-own.lock had.

    `ignored`: whether git ignores uv.lock.
    """
    now = locked(project)
    lines = [] if OWN in accepted else lacking(own, now or {})
    sentences = []
    if now is None:
        sentences.append(
            "The lock is now uv.lock, which is missing or cannot be read: run uv sync, and commit the uv.lock that it "
            "makes. The template's docs/updates.md says how to keep the versions that you had."
        )
        if lines:
            sentences.append(
                f"{OWN} is gone, with {', '.join(lines)}. uv.lock has what pyproject.toml names: after uv sync, run "
                "this check again to see what it lacks."
            )
    elif lines:
        sentences.append(
            f"{OWN} is gone, and uv.lock lacks what it had: {', '.join(lines)}. Add what you need with uv add, then "
            f"accept the rest: --accept {OWN}"
        )
    if ignored:
        sentences.append("git ignores uv.lock, so nobody else gets it: take its line out of .gitignore.")
    return sentences


def serve_weekly_job_of_1_x(project: Path) -> None:
    """Put the files there that the weekly job of 1.x copies after its checks; without them it would propose nothing.

    The job works in a copy that it throws away. Its request has the three files, which say that they can go.
    """
    if "CI" not in os.environ:
        return
    for name in GONE:
        try:
            git("cat-file", "-e", f"HEAD:./{name}", cwd=project)
        except Problem:
            continue
        if not (project / name).exists():
            (project / name).write_text("# Delete this file: only the last weekly job of 1.x needed it.\n")
            print(f"Delete {name}: only this weekly job of 1.x still needs it.")
