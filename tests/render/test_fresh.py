"""`make fresh` fails where no version of a dependency fits; to run it on all connectors takes minutes."""

import shutil
from pathlib import Path

from ..lib.rendering import Rendered
from ..programs import fresh


def test_a_bound_that_no_version_fits_is_found(rendered: Rendered, tmp_path: Path) -> None:
    answers = {"auth_mode": "none", "hosting": "compose", "source": "blank", "ci": "none"}
    project = shutil.copytree(rendered(answers), tmp_path / "project")
    file = project / "pyproject.toml"
    assert "starlette>=1.10,<2" in file.read_text()
    file.write_text(file.read_text().replace("starlette>=1.10,<2", "starlette>=1.10,<1.10"))
    [failed] = fresh.failing(project)
    assert failed.startswith("uv lock\n")
    assert "starlette" in failed
