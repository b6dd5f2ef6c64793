"""docs/teams.md: its commands, in the order in which a team would run them."""

import os
import re
import sys
from pathlib import Path

import pytest
import yaml

from ..conftest import TAG
from ..docs.test_docs import URL as DOCUMENTED
from ..docs.test_docs import blocks, shell
from ..lib import releasing, rendering
from ..lib.releasing import NEXT
from ..lib.rendering import commit

pytestmark = pytest.mark.updates

TOOL = f"uvx --from git+{DOCUMENTED} mcp-connector"  # as is in test_tool.py
HERE = f"env PYTHONPATH={rendering.ROOT} {sys.executable} -m mcp_connector"
PAGE = (rendering.ROOT / "docs/teams.md").read_text()


def test_every_command_is_run_or_marked(template: Path, shared: Path, tmp_path: Path) -> None:
    repository = releasing.releases(template, shared)
    [team, settings] = re.findall(r"^```yaml\n(.*?)^```$", PAGE, flags=re.DOTALL | re.MULTILINE)
    run = [block for block in blocks(PAGE) if not block.startswith("# On your own host")]
    copy, pin, flip, table, reports, script = (
        block.replace("uvx copier", str(rendering.COPIER)).replace(TOOL, HERE).replace(DOCUMENTED, releasing.URL)
        for block in run
    )
    (tmp_path / "team.yml").write_text(team)
    (tmp_path / "settings.yml").write_text(settings)
    with pytest.MonkeyPatch.context() as patch:
        releasing.served(repository, tmp_path / "cache", patch)

        shell(copy.replace("copier copy", f"copier copy --vcs-ref={TAG}"), tmp_path)
        project = tmp_path / "acme-crm"
        answers = yaml.safe_load((project / ".copier-answers.yml").read_text())
        assert yaml.safe_load(team).items() <= answers.items()
        rendering.git("init", "-q", cwd=project)
        commit(project, "start")

        # The settings file suggests what no option and no record says.
        suggested = tmp_path / "suggested"
        options = ["copy", "-q", "--defaults", f"--vcs-ref={TAG}", "-d", "auth_mode=none", "-d", "project_name=A"]
        patch.setenv("COPIER_SETTINGS_PATH", str(tmp_path / "settings.yml"))
        assert rendering.copier(*options, releasing.URL, suggested).returncode == 0
        patch.undo()
        releasing.served(repository, tmp_path / "cache", patch)
        answers = yaml.safe_load((suggested / ".copier-answers.yml").read_text())
        assert yaml.safe_load(settings)["defaults"].items() <= answers.items()

        assert f"{TAG} → {NEXT}" in shell(pin.replace("v0.2.0", NEXT), project)
        commit(project, "update")
        rendering.git("checkout", "-q", "-b", "flip", cwd=project)
        said = shell(flip, project)
        assert "ci: gitlab → none" in said
        assert said.endswith("Nothing is left for you to do.\n")
        rendering.git("checkout", "-q", "--force", "-", cwd=project)
        rendering.git("clean", "-fdq", cwd=project)

        script = script.replace('uvx --from "git+$TEMPLATE" mcp-connector', HERE)
        shell(script.replace("v0.3.0", NEXT), project)

        (tmp_path / "connectors").mkdir()
        project.rename(tmp_path / "connectors/acme-crm")
        said = shell(table, tmp_path)
        assert re.search(rf"^acme-crm +{NEXT} +1 behind +none +api-key +kubernetes", said, flags=re.MULTILINE)
        shell(reports, tmp_path)
    assert (tmp_path / "fleet.html").read_text().startswith("<!doctype html>")
    assert (tmp_path / "fleet.json").read_text().startswith("{")
    assert os.environ["COPIER_CACHE_DIR"] != str(tmp_path / "cache")
