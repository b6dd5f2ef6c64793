"""`make fresh`: connectors as their owners get them today, with the newest versions that their bounds allow.

Everything else here runs with the versions that `locks/` pins. This resolves anew, installs, and runs each connector's
own checks, in every mode with every source. Printed are the versions that differ from the pins, and what fails.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from ..lib import pins, rendering
from ..render.test_rendered import CHECKS


def uv(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """uv in a project, which no environment or setting of this repository reaches."""
    kept = {name: text for name, text in os.environ.items() if name not in {"VIRTUAL_ENV", "PYTHONPATH"}}
    command: list[str | Path] = [Path(sys.executable).with_name("uv"), *arguments]
    return subprocess.run(command, cwd=project, env=kept, capture_output=True, text=True)


def newer(project: Path) -> list[str]:
    """`name old → new` for each package that uv.lock has in another version than the tests pin."""
    pinned = dict(pin.split("==") for pin in pins.pins(rendering.lock_set(project)))
    found = tomllib.loads((project / "uv.lock").read_text(encoding="utf-8"))["package"]
    return [
        f"{package['name']} {pinned.get(package['name'], 'none')} → {package['version']}"
        for package in found
        if "registry" in package["source"] and pinned.get(package["name"]) != package["version"]
    ]


def failing(project: Path) -> list[str]:
    """What goes wrong, each with its last lines: no versions that fit, or a check that fails with them."""
    for step in ("lock", "sync --locked"):
        done = uv(project, *step.split())
        if done.returncode:
            return [f"uv {step}\n{done.stderr[-3000:]}"]
    return [
        f"{check}\n{(done.stdout + done.stderr)[-3000:]}"
        for check in CHECKS
        if (done := uv(project, "run", *check.split())).returncode
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="part of a name, such as oauth-proxy or none-compose-blank")
    only = parser.parse_args().only
    wrong, seen = 0, set()
    with tempfile.TemporaryDirectory() as name, rendering.compiled_once():
        template = rendering.snapshot(Path(name) / "template", "v1000.0.0")
        for answers in rendering.combinations():
            label = rendering.label(answers)
            if answers["ci"] != "none" or only not in label:  # a pipeline changes no dependency
                continue
            project = rendering.render_here(template, Path(name) / label, answers)
            failed = failing(project)
            wrong += bool(failed)
            print(f"{label}: {f'{len(failed)} failed' if failed else 'passes'}", *failed, sep="\n", flush=True)
            seen |= set(newer(project)) if (project / "uv.lock").exists() else set()
    print("Other versions than locks/ pins: ", ", ".join(sorted(seen)) or "none")
    if wrong:
        print(f"{wrong} connectors fail. Bound the package that broke them in hooks/facts.jinja, then run: make locks")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
