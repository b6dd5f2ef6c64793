"""`make figures`: the sizes and times that the documents and notes may quote."""

import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from . import rendering

SEEDS = {"upstream.py", "stand_in.py"}
ROUNDS = 5


def template_owned_lines(project: Path) -> int:
    """Lines of the rendered package without what is the owner's."""
    modules = (project / "src").rglob("*.py")
    owned = [m for m in modules if m.name not in SEEDS and m.parent.name != "tools"]
    return sum(len(module.read_text().splitlines()) for module in owned)


def seconds(*command: str | Path) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        template = rendering.snapshot(Path(folder) / "template", "v1000.0.0")
        print(f"{'answers':40} {'files':>5} {'lines of the package, seeds aside':>34}")
        for answers in rendering.combinations():
            if answers["ci"] == "github":
                project = rendering.render(template, Path(folder) / rendering.label(answers), answers)
                count, lines = len(rendering.files(project)), template_owned_lines(project)
                print(f"{rendering.label(answers):40} {count:5} {lines:34}")
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
