"""`make figures`: the sizes and times that the documents and notes may quote."""

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from ..lib import rendering, shape

ROUNDS = 5


def seconds(*command: str | Path, variables: Mapping[str, str] | None = None) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL, env=variables)
    return time.perf_counter() - began


def megabytes(folder: Path) -> float:
    """What a folder takes on disk, each file once however many links it has; what `du -sm` says."""
    sizes = {}
    for path in [folder, *folder.rglob("*")]:
        status = path.lstat()
        sizes[status.st_dev, status.st_ino] = status.st_blocks * 512
    return sum(sizes.values()) / 1024**2


def demo(folder: Path) -> None:
    """`make demo` in a clone of the working tree, with nothing in the home folder and nothing installed."""
    clone = rendering.snapshot(folder / "clone", "v1000.0.0")
    home = folder / "home"
    home.mkdir()
    own = ("UV_CACHE_DIR", "PIP_CACHE_DIR", "XDG_CACHE_HOME", "VIRTUAL_ENV", "MAKEFLAGS")
    kept = {name: value for name, value in os.environ.items() if name not in own}
    before = os.times()
    taken = seconds("make", "-C", clone, "demo", variables={**kept, "HOME": str(home)})
    after = os.times()
    busy = sum(after[2:4]) - sum(before[2:4])  # of the processes that it started
    print(f"make demo, from an empty home: {taken:.0f} s, {busy:.0f} of them on a processor;", end=" ")
    print(f"{megabytes(folder):.0f} MB with its clone and caches\n")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        demo(Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        template = rendering.snapshot(Path(folder) / "template", "v1000.0.0")
        print(f"{'answers':40} {'files':>5} {'at the top':>10} {'modules':>7} {'lines':>5} {'circles':>7}")
        for answers in rendering.combinations():
            if answers["ci"] == "github":
                project = rendering.render(template, Path(folder) / rendering.label(answers), answers)
                top, modules = len(shape.entries(project)), len(shape.modules(project))
                print(f"{rendering.label(answers):40} {len(rendering.files(project)):5} {top:10}", end=" ")
                print(f"{modules:7} {shape.lines(project):5} {len(shape.circles(project)):7}")
        texts, names = shape.conditionals(rendering.TEMPLATE)
        print("\nWithout the owner's seeds; modules hold more than a docstring, lines are those of the package.")
        print(f"Conditions in template/: {texts} in files, {names} in names")
        copies, starts = [], []
        for round in range(ROUNDS):  # side by side, so that both meet the same load
            target = Path(folder) / f"copy{round}"
            copies.append(
                seconds(rendering.COPIER, "copy", "--quiet", "--defaults", *rendering.data(answers), template, target)
            )
            starts.append(seconds(rendering.COPIER, "--version"))
        copy, start = statistics.median(copies), statistics.median(starts)
        print(f"\ncopier copy of {rendering.label(answers)}: {copy:.2f} s, {copy / start:.1f} times `copier --version`")


if __name__ == "__main__":
    main()
