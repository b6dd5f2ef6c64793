"""Connectors of the working tree and of a release, installed and ready for `serving.serving`."""

import os
from collections.abc import Mapping
from pathlib import Path

from . import rendering, updating

NOW = "v1000.0.0"  # what stands in the working tree, above every release


class Shelf:
    """Renders below a folder, each made when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        os.environ["COPIER_SETTINGS_PATH"] = str(folder / "settings.yml")
        (folder / "settings.yml").write_text("{}\n")
        self.template = updating.history(folder / "template", NOW)

    def get(self, answers: Mapping[str, str], version: str = NOW) -> tuple[Path, dict[str, str]]:
        """The connector of this version for these answers, and the environment variables to run it in."""
        project = self.folder / f"{version}-{rendering.label(answers)}"
        site = project.with_name(f"{project.name}-site")
        if not site.exists():
            rendering.render_here(self.template, project, answers, version)
            # Every version runs on what is installed here, so that only the connector's own code differs.
            rendering.environment(project, site)
        return project, rendering.variables(project, site)
