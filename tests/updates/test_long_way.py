"""A connector of a release before 1.0.0 comes to this one by way of v1.2.0, as docs/updates.md says."""

import re
from pathlib import Path

import pytest

from ..conftest import renders
from ..lib import rendering, updating
from ..lib.rendering import Answers

pytestmark = pytest.mark.updates

FROM = "v0.3.0"  # the last of them; those before it are left out, because each costs as much
[THROUGH] = re.findall(r"--vcs-ref=(v\d\S+)`", updating.PAGE.read_text(encoding="utf-8"))
COMBINATIONS: list[Answers] = [
    {"auth_mode": "api-key", "hosting": "fly", "source": "rest-api", "ci": "github"},
    {"auth_mode": "oauth", "hosting": "compose", "source": "blank", "ci": "gitlab"},
    {"auth_mode": "oauth-proxy", "hosting": "kubernetes", "source": "rest-api", "ci": "none"},
]


@pytest.mark.parametrize("answers", COMBINATIONS, ids=rendering.label)
def test_it_equals_a_fresh_render_and_keeps_what_is_the_owner_s(shared: Path, tmp_path: Path, answers: Answers) -> None:
    template = updating.shared_history(shared)
    project = updating.copied(template, tmp_path / "project", answers, FROM)
    tool = project / "src/acme_crm/tools/ours.py"
    tool.write_text("OURS = True\n")
    rendering.commit(project, "ours")
    updating.update(project, THROUGH)
    assert updating.conflicts(project) == []
    rendering.commit(project, THROUGH)
    owned = {name: data for name, data in updating.files(project).items() if name.startswith(updating.SEEDS)}
    updating.update(project)
    assert updating.conflicts(project) == []
    fresh = {**rendering.files(renders(template, shared)(answers)), **owned}
    assert updating.files(project) == fresh
    assert tool.read_text() == "OURS = True\n"


def test_the_way_is_by_the_last_release_of_1() -> None:
    releases = [*updating.COMMITS]
    last = [version for version in releases if version.startswith("v1.")][-1]
    assert last == THROUGH
