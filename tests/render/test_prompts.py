"""What stands in a terminal while the template asks: every question, choice and error can be read to its end."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ..lib import rendering
from ..lib.screen import CLEAR_LINE, CTRL_C, DOWN, Terminal, terminal

NEXT = "v1000.1.0"
ASKED: Mapping[str, Mapping[str, Any]] = {
    name: question for name, question in rendering.questions().items() if question.get("when") is not False
}
WIDTH = 72  # of a line of help or a label; the rest of 80 columns is Copier's
MARK = "🎤 "  # before the first line of help, and as wide as three letters
ERROR = "Validation error for question '{}': "

# Answers that each rule refuses, and in which words: what is wrong, or what to do, which says as much.
GOOD = {
    "project_name": "Acme CRM",
    "project_description": "Finds.",
    "headers_names": "X-API-Key",
    "package_name": "acme_crm",
    "image_name": "acme-crm",
    "command_name": "connector",
}
BAD = {
    "project_name": {
        "": "Enter a name, such as Acme CRM.",
        " Acme": "Remove the space at either end.",
        "Acme\u200b": "Remove the invisible character.",
        "x" * 51: "Shorten it to 50 characters.",
        "Acme*CRM": 'Remove " \\ { } ` < > $ % | * or #.',
        "東京": "Use Latin letters instead of 東.",
        "---": "Use a letter, as in Acme CRM.",
        "2fast": "Begin with a letter, not a digit.",
        "x" * 41: "Shorten it; the package allows 40.",
        "class": "A Python keyword; add a word.",
        "JSON": "A Python module; add a word.",
        "Pydantic": "Already in use; add a word.",
        "Con": "Reserved by Windows; add a word.",
    },
    "project_description": {
        "": "Enter one sentence.",
        " Finds.": "Remove the outer spaces.",
        "Finds\u200b.": "Remove invisible marks.",
        "x" * 301: "Use 300 characters at most.",
    },
    "headers_names": {
        "": "Enter a name, such as X-API-Key.",
        "X-A\u200b": "Remove the invisible character.",
        "a,b,c,d,e,f,g,h,i": "Name at most 8 headers.",
        "X-A,,X-B": "Remove the extra comma.",
        "X Key": "Write each one like X-API-Key.",
        "X" * 61: "Use names of at most 60.",
        "Sec-" + "x" * 50: "Reserved by HTTP; name another.",
        "X-A, x-a": "Name each header only once.",
    },
    "package_name": {
        "Acme": "Write it as acme_crm; 40 at most.",
        "class": "A Python keyword; add a word.",
        "json": "A Python module; add a word.",
        "pydantic": "Already in use; add a word.",
        "con": "Reserved by Windows; add a word.",
    },
    "image_name": {
        "a_b": "Write it as acme-crm; 60 at most.",
        "pydantic-settings": "Already in use; add a word.",
    },
    "command_name": {
        "x" * 31: "Write it as acme-crm; 30 at most.",
        "con": "Reserved by Windows; add a word.",
        "python": "Already in use; add a word.",
    },
}


def labels(question: str) -> list[str]:
    return list(ASKED[question].get("choices", {}))


def help_lines(question: str) -> list[str]:
    """A question as it stands on the screen."""
    first, *more = ASKED[question]["help"].splitlines()
    return [f"{MARK}{first}", *more]


# ------------------------------------------------------------------------------------------------------- measured


@pytest.mark.parametrize("question", ASKED)
def test_no_line_of_a_question_is_longer_than_a_terminal_shows(question: str) -> None:
    lines = ASKED[question]["help"].splitlines()
    assert [line for line in lines if len(line) > WIDTH or line != line.rstrip()] == []
    assert 1 <= len(lines) <= (10 if question == "auth_mode" else 5)  # which has a table of platforms
    assert all(line.startswith("   ") for line in lines[1:])  # below the first, which follows the mark


@pytest.mark.parametrize("question", [name for name in ASKED if "choices" not in ASKED[name]])
def test_a_question_that_is_answered_in_words_gives_an_example(question: str) -> None:
    assert re.match(r" *Example: \S", ASKED[question]["help"].splitlines()[-1])


@pytest.mark.parametrize("question", [name for name in ASKED if "choices" in ASKED[name]])
def test_no_label_is_longer_than_a_terminal_shows(question: str) -> None:
    for label, value in zip(labels(question), rendering.choices(question), strict=True):
        assert len(label) <= WIDTH
        assert label.startswith(f"{value} - ")


# --------------------------------------------------------------------------------------------------------- walked


def asked(shown: Terminal, question: str) -> None:
    """Wait until each line of a question, and each of its choices, is on the screen as it was written."""
    choices = labels(question)
    lines = shown.wait(*help_lines(question), *choices)
    assert [line for line in help_lines(question) if line not in lines] == []
    for label in choices:
        assert any(re.fullmatch(rf"( » |   ){re.escape(label)}|   - {re.escape(label)} \(.+\)", line) for line in lines)


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (80, 40), (100, 24), (120, 40)])
@pytest.mark.parametrize("mode", ["none", "headers", "oauth-introspection"])
def test_every_question_can_be_read_to_its_end(
    questionnaire: Path, tmp_path: Path, mode: str, columns: int, rows: int
) -> None:
    follow = {"headers": ["headers_names"], "oauth-introspection": ["identity_provider"]}.get(mode, [])
    with terminal("copy", questionnaire, "project", columns=columns, rows=rows, cwd=tmp_path) as shown:
        for question in [
            "project_name",
            "project_description",
            "auth_mode",
            *follow,
            "hosting",
            "source",
            *(["upstream_identity"] if mode == "headers" else []),
            "ci",
            "observability",
        ]:
            asked(shown, question)
            chosen = DOWN * rendering.choices("auth_mode").index(mode) if question == "auth_mode" else ""
            if (question, mode) == ("source", "headers"):
                chosen = DOWN * rendering.choices("source").index("rest-api")
            shown.press({"project_name": "Acme CRM"}.get(question, chosen) + "\r")
        shown.wait("Next:")
        assert shown.ends() == 0
        commands = shown.lines()[shown.lines().index("Next:") :]
        assert [line for line in commands if len(line) == columns] == [], "a line goes on in the next one"
    assert rendering.recorded(tmp_path / "project")["auth_mode"] == mode


def test_a_question_of_a_recorded_name_can_be_read_to_its_end(questionnaire: Path, tmp_path: Path) -> None:
    names = ["package_name", "image_name", "command_name"]
    answers = {"auth_mode": "none", "hosting": "compose", "source": "blank", "ci": "none", "observability": "none"}
    data = rendering.data(answers)
    given = [*data, "--data=project_description=Finds.", *(f"--ask={name}" for name in names)]
    with terminal("copy", *given, questionnaire, tmp_path / "project") as shown:
        for name in names:
            asked(shown, name)
            shown.press("\r")
        assert shown.ends() == 0


@pytest.mark.parametrize(
    ("mode", "refused"),
    [
        (
            "oauth",
            {
                **dict.fromkeys(["google", "github", "authentik"], "works with oauth-proxy"),
                "zitadel": "works with oauth-introspection or oauth-proxy",
            },
        ),
        (
            "oauth-introspection",
            {
                **dict.fromkeys(["google", "github", "authentik"], "works with oauth-proxy"),
                **dict.fromkeys(
                    ["auth0", "entra", "cognito", "descope", "scalekit"], "works with oauth or oauth-proxy"
                ),
            },
        ),
        ("oauth-proxy", {}),
    ],
)
def test_a_provider_that_cannot_be_chosen_says_with_what_it_works(
    questionnaire: Path, tmp_path: Path, mode: str, refused: dict[str, str]
) -> None:
    given = ["--data=project_name=Acme", "--data=project_description=Finds.", f"--data=auth_mode={mode}"]
    with terminal("copy", *given, questionnaire, tmp_path / "project") as shown:
        asked(shown, "identity_provider")
        assert reasons(shown, "identity_provider") == refused
        shown.press(DOWN * 5 + "\r")  # past those that cannot be chosen
        shown.wait("Where will it run?")


def test_a_target_that_cannot_be_chosen_says_which_header_it_overwrites(questionnaire: Path, tmp_path: Path) -> None:
    given = ["--data=project_name=Acme", "--data=project_description=Finds.", "--data=auth_mode=headers"]
    names = "X-Real-IP, CF-Connecting-IP, X-Serverless-Authorization, X-MS-A, X-Amzn-A, X-Railway-" + "A" * 40
    with terminal("copy", *given, f"--data=headers_names={names}", questionnaire, tmp_path / "project") as shown:
        asked(shown, "hosting")
        assert reasons(shown, "hosting") == {
            "cloud-run": "overwrites your header",  # its name is too long
            "railway": "overwrites X-Real-IP",
            "render": "overwrites your header",
            "kubernetes": "overwrites X-Real-IP",
            "aws-ecs": "overwrites X-Amzn-A",
            "azure-container-apps": "overwrites X-MS-A",
        }


def reasons(shown: Terminal, question: str) -> dict[str, str]:
    """Why which choices cannot be chosen, as the screen has it."""
    found = {}
    for label, value in zip(labels(question), rendering.choices(question), strict=True):
        for line in shown.lines():
            if line.startswith(f"   - {label} ("):
                assert line.endswith(")"), line
                found[value] = line.removeprefix(f"   - {label} (").removesuffix(")")
    return found


# --------------------------------------------------------------------------------------------------------- refused


def test_no_rule_is_missing_here() -> None:
    source = (rendering.ROOT / "hooks/answers.jinja").read_text(encoding="utf-8")
    macros = re.findall(r"macro (\w+)\(value, data\) -%\}(.*?)endmacro", source, flags=re.DOTALL)
    assert {name for name, _ in macros} == BAD.keys()
    for name, macro in macros:
        # The text up to where something is put into it.
        for short in re.findall(r"set error\.short = '((?:[^'\\]|\\.)*)'", macro):
            assert any(words.startswith(short.replace("\\\\", "\\")) for words in BAD[name].values()), short


def test_every_error_can_be_read_to_its_end(questionnaire: Path, tmp_path: Path) -> None:
    answers = {"auth_mode": "headers", "hosting": "compose", "source": "blank", "ci": "none", "observability": "none"}
    given = [*rendering.data(answers), *(f"--ask={question}" for question in BAD)]
    with terminal("copy", *given, questionnaire, tmp_path / "project") as shown:
        for question, refused in BAD.items():
            asked(shown, question)
            for answer, words in refused.items():
                shown.press(f"{CLEAR_LINE}{answer}\r")
                line = ERROR.format(question) + words
                assert line in shown.wait(line)
            shown.press(f"{CLEAR_LINE}{GOOD[question]}\r")
        shown.wait("Next:")
        assert shown.ends() == 0
    recorded = rendering.recorded(tmp_path / "project")
    assert {name: recorded[name] for name in GOOD} == GOOD


# --------------------------------------------------------------------------------------------------------- stopped


@pytest.mark.parametrize("question", ["project_name", "auth_mode"])
def test_ctrl_c_ends_with_one_sentence(questionnaire: Path, tmp_path: Path, question: str) -> None:
    given = [] if question == "project_name" else ["--data=project_name=Acme", "--data=project_description=Finds."]
    with terminal("copy", *given, questionnaire, tmp_path / "project") as shown:
        asked(shown, question)
        shown.press(CTRL_C)
        shown.wait("Execution stopped by user")
        assert shown.ends() == 1
        assert "Traceback" not in shown.written
    assert not (tmp_path / "project").exists()


# --------------------------------------------------------------------------------------------------------- updated


def test_an_update_asks_again_with_the_old_answers_chosen(project: Path) -> None:
    with terminal("update", cwd=project) as shown:
        for question in [
            "project_name",
            "project_description",
            "auth_mode",
            "hosting",
            "source",
            "ci",
            "observability",
        ]:
            asked(shown, question)
            if question == "project_name":
                assert "   Acme CRM" in shown.lines()
                shown.press(f"{CLEAR_LINE}class\r")
                line = ERROR.format(question) + BAD[question]["class"]
                assert line in shown.wait(line)
                shown.press(f"{CLEAR_LINE}Acme CRM")
            if question == "source":
                assert any(line.startswith(" » rest-api") for line in shown.lines())
            shown.press("\r")
        assert shown.ends() == 0
    assert rendering.recorded(project)["source"] == "rest-api"
    assert rendering.recorded(project)["_commit"] == NEXT
