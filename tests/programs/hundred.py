"""`make hundred`: connectors as a team has them, with the edits that owners make, updated to the next release.

A hundred of twenty combinations, from every release and the template as it stands, are updated one after the other, to
a release that changes something beside every room of owners. Printed are conflicts, the seconds that an update took,
and how many connectors pass their own tests afterwards.
"""

import itertools
import os
import shutil
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ..lib import rendering, rooms, updating
from ..lib.rendering import Answers
from ..updates.test_at_work import own_tests

NOW, NEXT = "v1000.0.0", "v1000.1.0"
COMBINATIONS, ROUNDS = 20, 5
COUNT = COMBINATIONS * ROUNDS


def combinations() -> list[Answers]:
    """Twenty in which every answer of every question is."""
    names = ("auth_mode", "hosting", "source", "ci")
    values = [itertools.cycle(rendering.choices(name)) for name in names]
    found = [dict(zip(names, map(next, values), strict=True)) for _ in range(COMBINATIONS)]
    # Both even in number, source and auth mode would always meet in the same pairs.
    return [{**a, "source": rendering.choices("source")[(i // 6) % 2]} for i, a in enumerate(found)]


def release_for(answers: Answers, round: int) -> str:
    """One of the releases that offered this; alike in both end rounds."""
    fitting = [
        version
        for version in updating.VERSIONS
        if all(value in updating.offered(version, name) for name, value in answers.items())
    ] + [NOW]
    return fitting[min(round, ROUNDS - 1 - round) % len(fitting)]


def passes(project: Path) -> bool:
    """Whether its own tests do."""
    site = project.with_name(f"{project.name}-site")
    failed, said = own_tests(project, site)
    if failed:
        print(f"{project.name}: its tests fail\n{said[-3000:]}")
    shutil.rmtree(site)
    return not failed


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "gitconfig").write_text("[user]\n\tname = Team\n\temail = team@example.com\n")
        os.environ |= {"GIT_CONFIG_GLOBAL": str(folder / "gitconfig"), "GIT_CONFIG_SYSTEM": os.devnull}
        os.environ["COPIER_SETTINGS_PATH"] = str(folder / "settings.yml")
        (folder / "settings.yml").write_text("{}\n")
        template = updating.history(folder / "template", NOW)
        rooms.plant(template)
        rendering.release(template, NEXT)
        projects = []
        for number, answers in zip(range(COUNT), itertools.cycle(combinations()), strict=False):
            version = release_for(answers, number // COMBINATIONS)
            target = folder / f"{number:03}-{version}-{rendering.label(answers)}"
            projects.append(updating.owned(template, target, answers, version))
        seconds, conflicts = [], 0
        for project in projects:
            began = time.perf_counter()
            updating.update(project)
            seconds.append(time.perf_counter() - began)
            conflicts += bool(updating.conflicts(project))
        first, last = (statistics.median(part) for part in (seconds[:COMBINATIONS], seconds[-COMBINATIONS:]))
        print(f"{COUNT} connectors of {COMBINATIONS} combinations: {conflicts} with conflicts")
        ratio = f"the last {COMBINATIONS} took {last / first:.2f} times as long as the first {COMBINATIONS}"
        print(f"an update took {statistics.median(seconds):.2f} s in the median; {ratio}", flush=True)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            passed = sum(pool.map(passes, projects))
        print(f"{passed} pass their own tests afterwards")
        sys.exit(bool(conflicts) or passed < COUNT)


if __name__ == "__main__":
    main()
