"""docs/picture.svg shows what copier.yml asks, and no text leaves its box."""

import xml.etree.ElementTree as ET

import pytest

from ..lib import rendering
from ..programs import picture
from ..programs.picture import Overflow


def words(drawing: str) -> set[str]:
    """What is written in it."""
    texts = ET.fromstring(drawing).iter("{http://www.w3.org/2000/svg}text")
    return {word.removesuffix(",") for text in texts for word in (text.text or "").split()}


def test_the_picture_is_drawn_from_the_questions() -> None:
    """After a change of copier.yml or tests/programs/picture.py: make picture."""
    assert picture.FILE.read_text(encoding="utf-8") == picture.picture(picture.offered())


def test_the_picture_shows_every_choice_under_a_question_of_its_own() -> None:
    offered = picture.offered()
    assert offered.keys() == picture.ASKED.keys()
    assert {choice for choices in offered.values() for choice in choices} <= words(picture.FILE.read_text())


@pytest.mark.parametrize("question", picture.ASKED)
def test_a_new_choice_changes_the_picture(question: str) -> None:
    offered = picture.offered()
    offered[question] = [*rendering.choices(question), "brand-new"]
    drawing = picture.picture(offered)
    assert drawing != picture.FILE.read_text()
    assert "brand-new" in words(drawing)


def test_the_picture_grows_with_many_choices_and_a_new_question() -> None:
    offered = picture.offered() | {"region": [f"region-{number}" for number in range(60)]}
    drawing = picture.picture(offered)
    assert {"region", "region-0", "region-59"} <= words(drawing)
    root = ET.fromstring(drawing)
    height = float(root.attrib["viewBox"].split()[3])
    for element in root.iter():
        assert float(element.get("y", "0")) + float(element.get("height", "0")) < height


def test_a_text_that_may_leave_its_box_is_refused() -> None:
    with pytest.raises(Overflow, match="'a-choice-of-"):
        picture.picture(picture.offered() | {"ci": ["a-choice-of-many-more-letters-than-the-box-has-room-for"]})


def test_the_picture_keeps_its_own_background_in_both_colour_schemes() -> None:
    drawing = picture.FILE.read_text()
    assert drawing.count(".card { fill: ") == 2
    assert "@media (prefers-color-scheme: dark)" in drawing
    assert "http" not in drawing.replace("http://www.w3.org/2000/svg", "").replace("https://…/mcp", "")
