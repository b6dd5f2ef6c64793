"""Every text that people read is plain English: no phrase that must be read twice, and short sentences.

A phrase stands for its kind, so a pattern finds its other forms too. For each phrase there are texts in which it must
be found, and texts that are good.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from ..lib import rendering
from ..lib.rendering import Rendered
from ..targets.test_guides import EVERY
from .test_readme import prose

WORDS = 25  # of a sentence in a document
LONGER = 0.02  # of the sentences may have more


class Kind(NamedTuple):
    """A kind of sentence that this project does not write."""

    instead: str
    pattern: str
    found: list[str]
    good: Sequence[str] = ()


PLAIN = {
    "the system behind": Kind(
        "the Acme CRM API; the upstream API",
        r"\b(?:systems?|APIs?|services?|servers?|what) (?:that )?(?:is |are |lies? )?behind\b|\bstands? behind\b",
        ["what stands behind the connector", "the API behind is down", "calls the system behind it"],
        ["the server is reached behind a proxy"],
    ),
    "era": Kind(
        "protocol version; the 2025 versions, 2026-07-28",
        r"\b(?:an?|both|each|either|every|of|one|other|the|this|which) (?:\w+ )?eras?\b",
        ["answers both eras", "in the older era"],
        ['parametrize("era", ERAS)', "the camera"],
    ),
    "cut off": Kind(
        "interrupted update",
        r"\b(?:be|been|is|it|one|that|was|were) cut off\b",
        ["an update that was cut off"],
    ),
    "taken back": Kind(
        "undo it with; roll back; an edit that you reverted",
        r"\b(?:take|taken|takes|taking|took) (?:\w+ ){0,2}back\b",
        ["taken back with git", "takes the deployment back", "nothing to take back"],
        ["backs up the store"],
    ),
    "a person": Kind(
        "you; the user; the maintainer; whoever is on call",
        r"\b(?:a|the) person\b",
        ["ask a person", "the person who logs in"],
        ["personal data"],
    ),
    "one": Kind(
        "you",
        r"\b(?:as|how|if|that|what|whatever|when|where|which) one "
        r"(?:can|cannot|did|does|gets|has|may|must|needs|reads|sees|wants)\b",
        ["what one did", "where one must look"],
        ["one that you name", "the one that has a scope"],
    ),
    "who": Kind(
        "whoever; you",
        r"""(?:[.;] |["'\n])Who \w+ [^.?"]{3,80} (?:can|does|gets|has|is|may|must|needs|sees)\b""",
        ["It ends. Who closed the pipe has read enough."],
        ["Who may call: users of this domain", 'GroupDescription: Who reaches the connector"'],
    ),
    "go back to what was before": Kind(
        "roll back to the previous version",
        r"\bwhat was before\b|\b(?:go|goes|going|gone|went) back (?:by|to what)\b|\bTo go back,",
        ["the stack goes back by itself", "go back to what was before"],
        ["go back to step 3"],
    ),
    "brings": Kind(
        "renders, adds",
        r"\b[Bb](?:ring|rings|ringing|rought)\b",
        ["an update brings new files", "what a mode brings", "brought to the release"],
    ),
    "stood in for": Kind(
        "replaced in development by",
        r"\b(?:stand|standing|stands|stood) in (?:for|place of|the place of)\b",
        ["the API is stood in for", "a server that stands in for it"],
        ["the stand-in for the API", "stand_in.py"],
    ),
    "know no": Kind(
        "without client registration; does not support",
        r"\bknows? (?:no|none)\b",
        ["providers that know no agent platform"],
    ),
    "not told from": Kind(
        "cannot be distinguished from",
        r"\btold (?:apart|from)\b|\btells? (?:\w+ ){1,2}(?:apart|from)\b",
        ["are not told from these", "is all that tells it from others"],
        ["was told that"],
    ),
    "left alone": Kind(
        "ignored; does not change",
        r"\b(?:leave|leaves|leaving|left) (?:\S+ ){0,3}alone\b",
        ["it is left alone", "updates leave your tools alone"],
    ),
    "is none": Kind(
        "must be a URL such as …; is missing",
        r"\b(?:are|be|is|was|were) none\b",
        ["the value is none", "there is none"],
        ["if value is None:", "`auth_mode=none`", "DRIFT is `none`"],
    ),
    "is no": Kind(
        "is not a URL; must be a URL such as …",
        r"(?<![Tt]here )\b(?:are|be|is|was|were) no (?!longer\b|more\b)(?=[\w`])",
        ["it is no URL", "are no notifications", "that is no release"],
        ["There is no record", "is no longer there", "PUBLIC_URL is not a URL"],
    ),
    "what tokens name": Kind(
        "audience (`aud`), scope, issuer",
        r"\b[Ww]hat (?:its |the )?tokens? (?:\w+ ){0,4}names?\b",
        ["What tokens for this connector name as audience"],
    ),
    "say alike": Kind("shared by", r"\b(?:said|says?) alike\b", ["what the documents say alike"]),
    "besides": Kind(
        "additional; as well",
        r"\bbesides\b",
        ["Scopes that tools need besides"],
        ["beside the server"],
    ),
    "take along": Kind(
        "discards its owner's edits",
        r"\b(?:bring|brings|take|takes|took) (?:\S+ ){1,4}along\b",
        ["takes its owner's edits along"],
    ),
    "ask back": Kind("ask the user a question", r"\basks? (?:\w+ ){1,3}back\b", ["cannot ask the person back"]),
    "believe": Kind("trust", r"\b[Bb]eliev(?:e|es|ing)\b", ["would believe callers too"]),
    "says of each that": Kind(
        "says, for each setting, what to do",
        r"\bsa(?:id|ys?) of (?:each|it|them|this)\b",
        ["`serve` says of each what to do"],
    ),
    "e.g.": Kind("for example, such as", r"\b(?:e\.g|i\.e)\.", ["headers, e.g. X-A"]),
}


def flowing(text: str) -> str:
    """The text with each paragraph, comment or docstring in one line."""
    return re.sub(r"\n[ \t]*(?:#:?|//|\*|>|-#)?[ \t]*(?=\S)", " ", text)


@cache  # connectors share most of their files
def odd(text: str) -> list[str]:
    """Each place where a text has one of these phrases: the phrase, the place, and what to write."""
    whole = flowing(text)
    return [
        f"{whole[max(0, match.start() - 40) : match.end() + 40]!r} ({name}): write {kind.instead}"
        for name, kind in PLAIN.items()
        for match in re.finditer(kind.pattern, whole)
    ]


def read_by_people() -> Iterator[tuple[str, str]]:
    """Name and text of each file of this repository that somebody wrote, but this one."""
    for name, text in rendering.committed_texts().items():
        path = rendering.ROOT / name
        if path.suffix not in {".lock", ".svg"} and path.name != "package-lock.json" and path != Path(__file__):
            yield name, text


# ------------------------------------------------------------------------------------------------------------- phrases


def test_the_repository_has_no_phrase_that_must_be_read_twice() -> None:
    found = [f"{name}: {place}" for name, text in read_by_people() for place in odd(text)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "answers",
    [
        *[pytest.param(answers, id=rendering.label(answers)) for answers in rendering.combinations()],
        *[
            pytest.param(a, id=rendering.label(a), marks=pytest.mark.targets)
            for a in EVERY
            if a["hosting"] != "compose" or "observability" in a
        ],
    ],
)
def test_a_connector_has_no_phrase_that_must_be_read_twice(rendered: Rendered, answers: Mapping[str, str]) -> None:
    texts = {
        name: content.decode() for name, content in rendering.files(rendered(answers)).items() if ".lock" not in name
    }
    found = [f"{name}: {place}" for name, text in texts.items() for place in odd(text)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("name", PLAIN)
def test_a_phrase_is_found_in_its_other_forms(name: str) -> None:
    kind = PLAIN[name]
    for planted in kind.found:
        assert any(f"({name})" in found for found in odd(planted)), planted
        first, _, rest = planted.partition(" ")
        assert any(f"({name})" in found for found in odd(f"    # {first}\n    # {rest}")), planted
    assert [found for good in kind.good for found in odd(good)] == []


# ----------------------------------------------------------------------------------------------------------- sentences


@cache
def sentences(markdown: str) -> list[str]:
    """The sentences of a document, without code, tables and headings; a colon does not end one."""
    text = re.sub(r"<!--.*?-->", "", markdown, flags=re.DOTALL)
    items = [re.sub(r"^(?:[-*]|\d+\.) ", "", part) for part in prose(text)]
    return [sentence for item in items for sentence in re.split(r"(?<=[.?!]) ", item)]


def too_long(documents: Mapping[str, str]) -> list[str]:
    """The long sentences, if they are more than may be."""
    every = {f"{name}: {sentence}" for name, text in documents.items() for sentence in sentences(text)}
    longer = [sentence for sentence in every if len(sentence.split()) - 1 > WORDS]
    return sorted(longer) if len(longer) > LONGER * len(every) else []


def test_the_sentences_of_this_repository_are_short() -> None:
    found = too_long({name: text for name, text in read_by_people() if name.endswith(".md")})
    assert not found, "\n".join(found)


@pytest.mark.targets
@pytest.mark.parametrize("mode", rendering.choices("auth_mode"))
def test_the_sentences_of_connectors_are_short(rendered: Rendered, mode: str) -> None:
    """For every target and identity provider. A sentence that differs in a name alone counts each time."""
    documents = {
        f"{rendering.label(answers)}/{page.name}": page.read_text(encoding="utf-8")
        for answers in EVERY
        if answers["auth_mode"] == mode
        for page in rendered(answers).rglob("*.md")
    }
    found = too_long(documents)
    assert not found, "\n".join(found)


def test_long_sentences_are_found_when_they_are_too_many() -> None:
    long = f"It goes {'on ' * 25}."
    one = {f"{number}.md": f"Sentence {number}. " for number in range(98)}
    assert too_long({**one, "a.md": long, "b.md": long}) == []
    assert len(too_long({**one, "a.md": long, "b.md": long, "c.md": long})) == 3
