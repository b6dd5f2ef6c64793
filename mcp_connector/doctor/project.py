"""The project in whose folder the doctor runs, so that cures name its variables and files."""

from dataclasses import dataclass
from pathlib import Path

from ..recorded import Problem, answers
from .data import table
from .text import clean


@dataclass(frozen=True)
class Project:
    name: str
    mode: str
    words: dict[str, str]
    """What stands in braces in `here`."""


def here(folder: Path) -> Project | None:
    """The project of this template in a folder; None without an answers file that can be read."""
    try:
        recorded = answers((folder / ".copier-answers.yml").read_text(encoding="utf-8"))
    except (OSError, UnicodeError, Problem):
        return None
    hosting, mode, name = (recorded.get(key) for key in ("hosting", "auth_mode", "project_name"))
    places = table("projects").get(str(hosting))
    if places is None or not isinstance(mode, str):
        return None
    package = clean(recorded.get("package_name") or "", 60)
    pages = {"docs": "docs/connect.md", "guide": "docs/identity-provider.md"}
    return Project(clean(name, 60), clean(mode, 40), {**places, **pages, "package": package})
