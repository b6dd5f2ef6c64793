"""Make the lock files again, or check that they agree with what they lock.

A connector's locks are rendered from `locks/SET/`; which set it needs is a fact of its auth mode. Every combination
that declares other dependencies is compiled, so one that does not come out as its set says is seen.
"""

import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from ..lib import rendering

LOCKS = {"requirements.lock": [], "requirements-dev.lock": ["--extra", "dev"]}
OWN = {"requirements.lock": ["--extra", "dev"], "requirements-demo.lock": ["--extra", "demo"]}  # of the template itself


def compile_locks(project: Path, locks: dict[str, list[str]]) -> None:
    """Resolve a project's dependencies into its lock files; versions that they name already are kept."""
    uv = Path(sys.executable).with_name("uv")
    for name, options in locks.items():
        subprocess.run([uv, "pip", "compile", "-q", "pyproject.toml", *options, "-o", name], cwd=project, check=True)


def dependency_sets(workspace: Path) -> list[tuple[Path, Path]]:
    """For each different set of dependencies, the folder of its locks and a rendered project that has them."""
    template = rendering.snapshot(workspace / "template", "v1000.0.0")
    found: dict[str, tuple[Path, Path]] = {}
    with rendering.compiled_once():
        for answers in rendering.combinations():
            if answers["ci"] == "none":  # which pipeline runs does not change what is installed
                project = rendering.render_here(template, workspace / rendering.label(answers), answers)
                declared = tomllib.loads((project / "pyproject.toml").read_text())["project"]
                declared_set = str((declared["dependencies"], declared["optional-dependencies"]))
                found.setdefault(declared_set, (rendering.LOCKS / rendering.lock_set(project), project))
    return list(found.values())


def main(check: bool) -> int:
    stale = []
    with tempfile.TemporaryDirectory() as folder:
        for place, project, locks in [
            (rendering.ROOT, rendering.ROOT, OWN),
            *((place, project, LOCKS) for place, project in dependency_sets(Path(folder))),
        ]:
            work = Path(folder) / "work"
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir()
            shutil.copy(project / "pyproject.toml", work)
            for name in locks:
                if (place / name).exists():
                    shutil.copy(place / name, work)
            compile_locks(work, locks)
            for name in locks:
                if (work / name).read_bytes() != (place / name).read_bytes() if (place / name).exists() else True:
                    stale.append(str((place / name).relative_to(rendering.ROOT)))
                    if not check:
                        shutil.copy(work / name, place / name)
    if stale and check:
        print(f"Out of date: {', '.join(sorted(set(stale)))}. Run: make locks")
        return 1
    print(f"Made again: {', '.join(sorted(set(stale)))}" if stale else "All lock files agree with pyproject.toml.")
    return 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
