"""The table of settings, docs/settings.md, says what the connector reads."""

import json
import re

import pytest

from ..lib import rendering
from ..lib.rendering import Answers, Installed, run
from ..lib.shape import package

ROW = re.compile(r"^\| `([A-Z_]+)` \| (?:`(.*?)`)? \| (.*?) \| (.*) \|$", re.MULTILINE)
PROGRAM = """
import json
from PACKAGE.settings import Settings

rows = {}
for name, field in Settings.model_fields.items():
    default = "" if field.is_required() or field.default in (None, ()) else field.default
    shown = "on" if default is True else " ".join(default) if isinstance(default, tuple) else str(default)
    rows[name.upper()] = [shown, field.is_required(), field.description]
print(json.dumps(rows))
"""
COMBINATIONS = [
    {"auth_mode": mode, "hosting": hosting, "source": "rest-api", "ci": "none"}
    for mode, hosting in zip(rendering.choices("auth_mode"), rendering.choices("hosting"), strict=False)
]


@pytest.mark.parametrize("answers", COMBINATIONS, ids=map(rendering.label, COMBINATIONS))
def test_the_table_lists_each_setting_with_its_default_and_its_meaning(installed: Installed, answers: Answers) -> None:
    project, env = installed(answers)
    program = PROGRAM.replace("PACKAGE", package(project).name)
    read = json.loads(run(project, env, rendering.python(project), "-c", program).stdout)
    page, _, _ = (project / "docs/settings.md").read_text().partition("The deployment")
    written = {name: (default, by, what) for name, default, by, what in ROW.findall(page)}
    assert list(written) == list(read)
    for name, (default, required, description) in read.items():
        assert (written[name][0], written[name][2]) == (default, description.replace("|", "\\|")), name
        assert not (required and written[name][1].startswith("you")), name


def test_secrets_are_those_of_the_example(installed: Installed) -> None:
    for answers in COMBINATIONS:
        project, _ = installed(answers)
        page = (project / "docs/settings.md").read_text()
        example = (project / ".env.example").read_text()
        marked = {name for name, _, by, _ in ROW.findall(page) if by.endswith("a secret")}
        assert marked == set(re.findall(r"Secret\..*\n# ([A-Z_]+)=", example))
