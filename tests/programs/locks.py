"""Make the lock files again, or check that they agree with what they lock.

A connector has no lock until its owner's `uv sync` makes one. The tests run connectors with the versions that `locks/`
names: a file for each set of dependencies, resolved for every combination of answers at once. `template/uv.txt` has the
hashes of the uv that images and pipelines install.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from ..lib import pins, rendering

# The options that make the same file on every Python: the lowest that requires-python allows counts.
UNIVERSAL = ["--universal", "--python-version=3.11", "--generate-hashes", "--no-annotate"]
# Extras of the template's own pyproject.toml.
OWN = {"requirements.lock": "dev", "requirements-demo.lock": "demo", "requirements-documents.lock": "documents"}
BOOTSTRAP = rendering.TEMPLATE / "uv.txt"
ABOUT = "# The uv that the image and the pipelines install. Releases of the template change this file.\n"


def compile(source: str, target: Path, *options: str | Path, cwd: Path) -> None:
    """Resolve into a lock file; versions that it names already are kept."""
    uv = Path(sys.executable).with_name("uv")
    environment = {**os.environ, "UV_CUSTOM_COMPILE_COMMAND": "make locks"}
    command = [uv, "pip", "compile", "-q", source, *UNIVERSAL, *options, "-o", target]
    subprocess.run(command, cwd=cwd, env=environment, check=True)


def projects(workspace: Path) -> dict[str, list[Path]]:
    """For each set of dependencies, a rendered project of each different list of them."""
    template = rendering.snapshot(workspace / "template", "v1000.0.0")
    found: dict[str, Path] = {}
    with rendering.compiled_once():
        for answers in rendering.combinations():
            if answers["ci"] == "none":  # which pipeline runs does not change what is installed
                project = rendering.render_here(template, workspace / rendering.label(answers), answers)
                declared = tomllib.loads((project / "pyproject.toml").read_text())
                found.setdefault(str((declared["project"]["dependencies"], declared["dependency-groups"])), project)
    sets: dict[str, list[Path]] = {}
    for project in found.values():
        sets.setdefault(rendering.lock_set(project), []).append(project)
    return sets


def make(folder: Path) -> dict[Path, Path]:
    """Every lock file, made again in this folder, by the place where it belongs."""
    made = {}

    def start(place: Path) -> Path:
        made[place] = folder / place.name
        if place.exists():
            shutil.copy(place, made[place])
        return made[place]

    for name, extra in OWN.items():
        compile("pyproject.toml", start(rendering.ROOT / name), "--extra", extra, cwd=rendering.ROOT)
    for name, members in projects(folder).items():
        target = start(pins.lock(name))
        groups = [option for member in members for option in ("--group", f"{member}/pyproject.toml:dev")]
        others = [str(member / "pyproject.toml") for member in members[1:]]
        compile(str(members[0] / "pyproject.toml"), target, *others, *groups, "--extra", "otel", cwd=folder)
    wanted = folder / "uv.in"
    wanted.write_text(f"uv=={version('uv')}\n")
    compile("uv.in", start(BOOTSTRAP), "--no-header", cwd=folder)
    made[BOOTSTRAP].write_text(ABOUT + made[BOOTSTRAP].read_text())
    return made


def version(name: str) -> str:
    """The one that this repository works with."""
    [pin] = [pin for pin in pins.pins("base") if pin.startswith(f"{name}==")]
    return pin.partition("==")[2]


def main(check: bool) -> int:
    with tempfile.TemporaryDirectory() as folder:
        made = make(Path(folder))
        stale = [place for place, new in made.items() if not place.exists() or new.read_bytes() != place.read_bytes()]
        if not check:
            for place in stale:
                shutil.copy(made[place], place)
    names = ", ".join(sorted(str(place.relative_to(rendering.ROOT)) for place in stale))
    if stale and check:
        print(f"Out of date: {names}. Run: make locks")
        return 1
    print(f"Made again: {names}" if stale else "All lock files agree with pyproject.toml.")
    return 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
