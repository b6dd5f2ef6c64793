"""Whole modules, as an import writes them: a change of style is seen in review.

python -m tests.openapi.test_golden    writes them again
"""

import tempfile
from pathlib import Path

import pytest

from ..lib import importing, rendering

DOCUMENTS = Path(__file__).parent / "documents"
GOLDEN = Path(__file__).parent / "golden"
EXAMPLE = rendering.group("openapi") / "src/{{ package_name }}/tools"


def imported(folder: Path, document: str) -> dict[str, str]:
    """The files that an import of one of our documents writes, but the one that registers them."""
    (folder / "project").mkdir()
    project = importing.project(folder / "project")
    (folder / document).write_text((DOCUMENTS / document).read_text())
    importing.run(project, folder / document, "--all")
    return {path.name: path.read_text() for path in importing.tools(project).iterdir() if path.is_file()}


def test_the_modules_of_a_document_of_our_own(tmp_path: Path) -> None:
    found = imported(tmp_path, "shop.yaml")
    expected = {path.name: path.read_text() for path in GOLDEN.iterdir()}
    assert {name: text for name, text in found.items() if name in expected} == expected
    assert found.keys() == {*expected, "shop.import.json"}


def test_the_example_of_a_connector_is_what_an_import_writes(tmp_path: Path) -> None:
    found = imported(tmp_path, "example.yaml")
    assert found == {path.name: path.read_text() for path in EXAMPLE.iterdir() if path.is_file()}


@pytest.mark.parametrize("name", sorted(path.name for path in GOLDEN.iterdir()))
def test_no_line_is_too_long_to_read(name: str) -> None:
    assert max(map(len, (GOLDEN / name).read_text().splitlines())) <= 120


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for name, text in imported(Path(folder), "shop.yaml").items():
            if name.endswith(".py"):
                (GOLDEN / name).write_text(text)
