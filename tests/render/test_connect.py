"""How platforms connect: one file of data, and what the question, the README and the documents say about it.

A page's forms are followed by tests/running/test_connect.py.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from mcp_connector.doctor import PLATFORMS

from ..lib import homes, rendering
from ..lib.rendering import Rendered

FILE = rendering.ROOT / "mcp_connector/platforms.yaml"
ROWS: dict[str, dict[str, Any]] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
MODES = rendering.choices("auth_mode")
FORMS = {name: row for name, row in ROWS.items() if "fields" in row}
PROGRAMS = {name: row for name, row in ROWS.items() if "plain" in row}
COLUMNS = {"none": "none", "api-key": "key", "headers": "headers", "oauth": "dcr"}
"""Of both tables: the modes, and the key of a row for each. The OAuth modes are one column."""
WORDS = {"{name}", "{url}", "{image}", "{headers}", "{json}", "{flags}", "{config}", "{callback}", "{callbacks}"}
WORDS |= {"{at}", "{id}", "{secret}", "{authorize}", "{token}", "{scopes}"}


def table(rows: dict[str, dict[str, Any]]) -> dict[str, list[str]]:
    """For each platform, whether it connects in each column."""
    found = {}
    for row in rows.values():
        if "none" in row:
            said = [row["key" if way == "headers" and way not in row else way][0] for way in COLUMNS.values()]
            said[2] = "one header" if "several" in row else said[2]
            found[row["title"]] = said
    return found


def tables_of(text: str) -> dict[str, list[str]]:
    """The table of README.md, a row for each name."""
    [found] = re.findall(r"^\| Platform \|.*\n\|[-|]+\n((?:\|.*\n)+)", text, re.MULTILINE)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in found.splitlines()]
    return {name: cells for names, *cells in rows for name in names.split(", ")}


def table_of_question() -> dict[str, list[str]]:
    lines = str(rendering.questions()["auth_mode"]["help"]).splitlines()
    [head] = [number for number, line in enumerate(lines) if line.split()[:1] == ["none"]]
    assert lines[head].split() == ["none", "api-key", "headers", "oauth..."]
    rows = [re.split(r" {2,}", line.strip()) for line in lines[head + 1 : -1]]
    return {name: cells for names, *cells in rows for name in names.split(", ")}


# -------------------------------------------------------------------------------------------------------- the data


def test_a_row_is_complete() -> None:
    assert tuple(ROWS)[: len(PLATFORMS)] == PLATFORMS
    for name, row in ROWS.items():
        assert {"title", "callbacks", "secret", "source", "read"} <= row.keys() | {"callbacks"}, name
        assert "callbacks" in row or "shown" in row, name
        assert row["source"].startswith("https://")
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", row["read"])
    for row in FORMS.values():
        ways = {"none", "key", "headers", "oauth", "paste"} if row["key"][0] == "yes" else {"none", "oauth", "paste"}
        ways = {"paste"} if row["none"][0] != "yes" else ways
        assert row["then"].keys() == ways
        assert row["fill"].keys() | {"paste"} == ways
        assert "advanced" in row or "paste" in row["fill"]
        assert row["submit"].endswith(".")
    for row in PROGRAMS.values():
        assert {"sending", "oauth", "listed"} <= row.keys()


def test_every_word_in_braces_is_one_that_is_filled_in() -> None:
    found = set(re.findall(r"(?<!\$)\{[a-z]+\}", FILE.read_text(encoding="utf-8").partition("\nduvo:")[2]))
    assert found <= WORDS
    assert '{"servers": {"{image}"' in FILE.read_text(encoding="utf-8"), "braces of JSON stay"


def test_the_readme_and_the_question_have_the_table_of_the_data() -> None:
    expected = table(ROWS)
    readme = tables_of((rendering.ROOT / "README.md").read_text(encoding="utf-8"))
    assert readme.items() >= expected.items()
    assert {name: cells for name, cells in readme.items() if name not in expected} == {
        row["title"]: ["yes"] * 4 for row in PROGRAMS.values() if row["title"] not in expected
    }
    short = {"unknown": "?", "one header": "one"}
    asked = table_of_question()
    assert asked.pop("Cursor") == ["yes"] * 4
    assert asked == {name: [short.get(cell, cell) for cell in cells] for name, cells in expected.items()}


def test_another_row_would_change_both_tables() -> None:
    changed = {**ROWS, "claude": {**ROWS["claude"], "key": ["yes", "Paste a key."]}}
    assert table(changed) != table(ROWS)
    text = (rendering.ROOT / "README.md").read_text(encoding="utf-8")
    assert tables_of(text.replace("| Duvo | yes |", "| Duvo | no |")) != tables_of(text)


def test_the_proxy_lets_duvo_and_claude_register_by_default() -> None:
    [row] = [row for row in homes.chosen(auth_mode="oauth-proxy")["mode"]["variables"] if "REDIRECT" in row["name"]]
    assert row["example"].split() == ROWS["duvo"]["callbacks"] + ROWS["claude"]["callbacks"]


# -------------------------------------------------------------------------------------------------------- the pages


def answers(mode: str, provider: str = "generic", headers: str = "X-API-Key") -> dict[str, str]:
    given = {"auth_mode": mode, "hosting": "compose", "source": "blank"}
    named = {"identity_provider": provider} if provider != "generic" else {}
    return given | named | ({"headers_names": headers} if headers != "X-API-Key" else {})


Page = Callable[..., dict[str, str]]


def sections(project: Path) -> dict[str, str]:
    """Of docs/connect.md, by heading."""
    text = (project / "docs/connect.md").read_text(encoding="utf-8")
    return {part.partition("\n")[0]: part.partition("\n")[2] for part in re.split(r"^#+ ", text, flags=re.MULTILINE)}


@pytest.fixture
def page(rendered: Rendered) -> Page:
    return lambda *given: sections(rendered(answers(*given)))


def fields(section: str) -> dict[str, str]:
    """The form of a section; empty where the platform cannot be used."""
    found = re.search(r"^\| Field \| Value \|\n\|---\|---\|\n((?:\|.*\n)+)", section, re.MULTILINE)
    return dict(re.findall(r"^\| (.+?) \| (.+) \|$", found[1], re.MULTILINE)) if found else {}


CONNECTORS = [
    *((mode, "generic") for mode in MODES),
    ("oauth", "keycloak"),
    ("oauth", "entra"),
    ("oauth-proxy", "google"),
]


@pytest.mark.parametrize(("mode", "provider"), CONNECTORS)
def test_each_platform_has_a_section_with_its_form_or_the_reason(page: Page, mode: str, provider: str) -> None:
    found = page(mode, provider)
    column = list(COLUMNS).index(mode if mode in COLUMNS else "oauth")
    assert next(name for name in found if name in {row["title"] for row in FORMS.values()}) == "Duvo"
    for row in FORMS.values():
        section = found[row["title"]]
        usable = table(ROWS)[row["title"]][column] in ("yes", "one header")
        form = fields(section)
        assert bool(form) == usable, row["title"]
        if usable:
            assert "`https://YOUR-HOST/mcp`" in form.values()
            assert "| What you see | What to do |" in section
        else:
            flowing = " ".join(section.split())
            said = row["key"][1] if mode != "none" else row["none"][1]
            assert f"{row['title']} " in flowing
            assert said in flowing
            assert "-d auth_mode=oauth" in flowing
        for word in re.findall(r"\{[a-z]+\}", section):
            assert f"${word}" in section or "input" in word, word
    for row in PROGRAMS.values():
        assert f"| {row['title']} | " in found["Programs on your own machine"]
    assert "mcp-connector doctor https://YOUR-HOST/mcp" in found["If it does not connect"]


def test_a_form_with_one_header_is_refused_for_several(page: Page) -> None:
    one, two = (page("headers", "generic", names)["Copilot Studio"] for names in ("X-API-Key", "X-API-Key, X-Tenant"))
    assert fields(one)["Header name"] == "`X-API-Key`"
    assert fields(two) == {}
    assert "Its form has a single header" in two


def test_headers_are_named_to_every_program(page: Page) -> None:
    programs = page("headers", "generic", "X-API-Key, X-Tenant")["Programs on your own machine"]
    assert programs.count('"X-Tenant": "YOUR_VALUE"') == 2
    assert '--header "X-API-Key: YOUR_VALUE" --header "X-Tenant: YOUR_VALUE"' in programs


@pytest.mark.parametrize("mode", ["oauth", "oauth-introspection"])
def test_a_guide_lists_the_redirect_uri_of_every_platform(rendered: Rendered, mode: str) -> None:
    guide = (rendered(answers(mode)) / "docs/identity-provider.md").read_text(encoding="utf-8")
    for row in ROWS.values():
        [line] = re.findall(
            rf"^\| Redirect URIs? of {row['title']}(?:, a public client)? \| (.+) \|$", guide, re.MULTILINE
        )
        assert line == row.get("shown", "`" + "`, `".join(row.get("callbacks", [])) + "`")
        assert (f"of {row['title']}, a public client |" in guide) == (not row["secret"])
