"""What the questions accept, what they refuse and in which words, from the command line and from the keyboard."""

import json
import keyword
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import copier
import pexpect
import pytest
import yaml

from ..lib import rendering

Ask = Callable[..., dict[str, str]]
GIVEN = {"project_name": "Acme CRM", "auth_mode": "none", "hosting": "compose"}
COMMANDS = {"cd", "docker", "pip", "python", "python3", "test", "uv"}  # of a shell and of our own instructions


@pytest.fixture
def ask(questionnaire: Path, tmp_path: Path) -> Ask:
    """Gives the answers that a project records for what is given with --data, the rest by default."""

    def answers(**given: str) -> dict[str, str]:
        data = {**GIVEN, **given}
        assert data.keys() <= rendering.questions().keys()
        copier.run_copy(str(questionnaire), tmp_path, data=data, defaults=True, quiet=True)
        return recorded(tmp_path)

    return answers


def recorded(project: Path) -> dict[str, str]:
    answers = yaml.safe_load((project / ".copier-answers.yml").read_text(encoding="utf-8"))
    return {name: value for name, value in answers.items() if not name.startswith("_")}


def refusal(ask: Ask, question: str, value: str, **given: str) -> str:
    """The words in which a question refuses a value: one sentence, on one line."""
    with pytest.raises(ValueError, match="Validation error") as caught:
        ask(**given, **{question: value})
    words = str(caught.value).removeprefix(f"Validation error for question '{question}': ")
    assert re.fullmatch(r'[A-Z0-9"].*\.', words), words
    assert not re.search(r"[.!?] [A-Z]", words), f"more than one sentence: {words}"
    return words


def macro_list(name: str) -> set[str]:
    """The words of a list in hooks/answers.jinja."""
    source = (rendering.ROOT / "hooks/answers.jinja").read_text(encoding="utf-8")
    [words] = re.findall(rf"set {name} = '([^']*)'\.split\(\)", source)
    return set(words.split())


# ------------------------------------------------------------------------------------------------ project_name


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("Acme CRM", "acme_crm"),
        ("Café Søk", "cafe_sok"),
        ("Cafe\u0301 So\u0308k", "cafe_sok"),  # with combining marks, as macOS writes file names
        ("İstanbul Iş\u0131k", "istanbul_isik"),
        ("Größe & Œuvre", "grosse_oeuvre"),
        ("O'Brien\u2019s Ærø", "obriens_aero"),
        ("R&D: Plan-B (v2)!", "r_d_plan_b_v2"),
        ("- @dash + ~tilde~ = [x]", "dash_tilde_x"),
        ("null", "null"),  # a word that YAML reads as something else than text
        ("x" * 40, "x" * 40),
    ],
)
def test_a_name_gives_the_package_in_plain_letters_and_is_kept_as_it_is(ask: Ask, name: str, package: str) -> None:
    answers = ask(project_name=name)
    assert answers["project_name"] == name
    assert answers["package_name"] == package
    assert answers["image_name"] == package.replace("_", "-")
    assert answers["command_name"] == "connector"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "Enter a name, such as Acme CRM."),
        ("   ", "Enter a name, such as Acme CRM."),
        (" Acme", "The name must not begin or end with a space; remove it."),
        ("Acme ", "The name must not begin or end with a space; remove it."),
        ("---", "The name needs a letter, because the package is named after it; enter one such as Acme CRM."),
        (
            "2fast",
            "The package is named after it and cannot begin with a digit; put a word first, such as Acme 2fast.",
        ),
        ("x" * 51, "The name has 51 characters; shorten it to at most 50."),
        (
            "x" * 41,
            "The package is named after it and would have 41 characters; shorten the name until it has at most 40.",
        ),
        (
            "ß" * 21,  # each becomes two letters
            "The package is named after it and would have 42 characters; shorten the name until it has at most 40.",
        ),
        (
            "東京",
            "The name contains 東, which a package name cannot; write the name in plain Latin letters.",
        ),
        (
            "Acme 🦊",
            "The name contains 🦊, which a package name cannot; write the name in plain Latin letters.",
        ),
        (
            "class",
            'The package would be named "class", a keyword of Python; choose another name, such as class Connector.',
        ),
        (
            "JSON",
            'The package would be named "json", which would hide a module of Python\'s standard library; '
            "choose another name, such as JSON Connector.",
        ),
        (
            "Pydantic Core",
            'The package would be named "pydantic_core", which the connector itself uses for something else; '
            "choose another name, such as Pydantic Core Connector.",
        ),
        (
            "Con",
            'The package would be named "con", which Windows reserves for a device; '
            "choose another name, such as Con Connector.",
        ),
    ],
)
def test_a_name_that_would_break_later_is_refused_with_the_reason(ask: Ask, name: str, words: str) -> None:
    assert refusal(ask, "project_name", name) == words


@pytest.mark.parametrize("mark", list('"\\{}`<>$%|*#'))
def test_marks_that_some_rendered_language_would_read_are_refused(ask: Ask, mark: str) -> None:
    words = refusal(ask, "project_name", f"Acme{mark}CRM")
    assert words.startswith("The name must not contain quotation marks, backslashes, braces or any of")


@pytest.mark.parametrize("question", ["project_name", "project_description"])
@pytest.mark.parametrize(
    "mark",
    ["\n", "\r", "\t", "\0", "\x1b", "\x7f", "\x85", "\u2028", "\u200b", "\u202e", "\ufeff", "\ud800"],
    ids=ascii,
)
def test_a_text_is_one_line_of_visible_characters(ask: Ask, question: str, mark: str) -> None:
    words = refusal(ask, question, f"Acme{mark}CRM")
    assert words.endswith("remove line breaks, control characters and invisible marks.")


@pytest.mark.parametrize("name", ["class", "JSON", "Pydantic Core", "Con"])
def test_the_name_that_a_refusal_proposes_is_accepted(ask: Ask, name: str) -> None:
    assert ask(project_name=f"{name} Connector")["project_name"] == f"{name} Connector"


# --------------------------------------------------------------------- the lists of names that packages cannot have


def test_no_keyword_of_python_is_missing() -> None:
    lower = {word for word in [*keyword.kwlist, *keyword.softkwlist] if re.fullmatch("[a-z]+", word)}
    assert lower <= macro_list("keywords")


def test_no_module_of_the_standard_library_is_missing() -> None:
    assert {name for name in sys.stdlib_module_names if not name.startswith("_")} <= macro_list("stdlib")


@pytest.fixture(scope="session")
def dependencies() -> tuple[set[str], set[str]]:
    """Top-level modules, and names of distributions and commands, of what a connector installs."""
    program = """if True:
        import importlib.metadata as m, json, pathlib, sys
        names = [d.metadata["Name"] for d in m.distributions()]
        commands = [p.stem for p in pathlib.Path(sys.executable).parent.iterdir() if not p.name.startswith("python3.")]
        print(json.dumps([list(m.packages_distributions()), names, commands]))
    """
    done = subprocess.run([rendering.interpreter(), "-c", program], capture_output=True, text=True, check=True)
    modules, distributions, commands = json.loads(done.stdout)
    public = {name for name in modules if re.fullmatch("[a-z][a-z0-9_]*", name)}
    return public | {re.sub(r"[-_.]+", "_", name).lower() for name in distributions}, set(commands)


def test_no_dependency_of_a_connector_is_missing(dependencies: tuple[set[str], set[str]]) -> None:
    assert dependencies[0] <= macro_list("dependencies")


def test_no_command_of_a_connector_s_environment_is_missing(dependencies: tuple[set[str], set[str]]) -> None:
    reachable = {name for name in dependencies[1] if re.fullmatch("[a-z][a-z0-9-]*", name)}
    assert reachable | COMMANDS <= macro_list("commands") | macro_list("dependencies")


def test_no_top_folder_of_a_connector_is_missing() -> None:
    folders = {
        path.relative_to(rendering.TEMPLATE).parts[depth]
        for path in rendering.TEMPLATE.rglob("*")
        for depth in (0, 1)
        if path.is_dir() and len(path.relative_to(rendering.TEMPLATE).parts) > depth
        if depth == 0 or path.relative_to(rendering.TEMPLATE).parts[0].startswith("{%")
    }
    importable = {name for name in folders if name.isidentifier()}
    assert "src" in importable
    assert importable <= macro_list("dependencies") | macro_list("stdlib")


@pytest.mark.parametrize(
    ("list", "question"), [("keywords", "package_name"), ("dependencies", "package_name"), ("devices", "command_name")]
)
def test_every_name_of_a_list_is_refused(ask: Ask, list: str, question: str) -> None:
    for name in sorted(macro_list(list))[::20]:  # each takes a tenth of a second
        assert f'"{name}"' in refusal(ask, question, name)


# ----------------------------------------------------------------------------------- identities given with --data


@pytest.mark.parametrize("name", ["", "Acme", "2fast", "a-b", "a__b", "a_", "_a", "a b", "a.b", "é", "a\nb", "x" * 41])
def test_a_package_name_that_cannot_be_imported_is_refused(ask: Ask, name: str) -> None:
    assert refusal(ask, "package_name", name) == (
        "The package_name must begin with a letter; use lower-case letters, digits and single underscores, at most 40."
    )


@pytest.mark.parametrize("name", ["class", "json", "pydantic", "con"])
def test_a_package_name_that_is_taken_is_refused(ask: Ask, name: str) -> None:
    words = refusal(ask, "package_name", name)
    assert words.startswith(f'The package would be named "{name}", ')
    assert words.endswith("; choose another package_name.")


@pytest.mark.parametrize("name", ["", "Acme", "a_b", "a--b", "-a", "a-", "a/b", "a:1", "a b", "$(id)", "x" * 61])
def test_an_image_name_that_docker_or_pip_would_not_take_is_refused(ask: Ask, name: str) -> None:
    assert refusal(ask, "image_name", name) == (
        "The image_name must consist of lower-case letters, digits and single hyphens between them, at most 60."
    )


def test_an_image_name_of_a_dependency_is_refused(ask: Ask) -> None:
    assert refusal(ask, "image_name", "pydantic-settings") == (
        'The distribution would be named "pydantic-settings", which the connector itself uses for something else; '
        "choose another image_name."
    )


@pytest.mark.parametrize("name", ["", "Acme", "2fast", "a_b", "a--b", "-a", "a b", "a;b", "../a", "x" * 31])
def test_a_command_name_that_a_shell_would_not_run_is_refused(ask: Ask, name: str) -> None:
    assert refusal(ask, "command_name", name) == (
        "The command_name must begin with a letter; use lower-case letters, digits and single hyphens, at most 30."
    )


@pytest.mark.parametrize("name", ["python", "uvicorn", "mcp", "test"])
def test_a_command_name_that_would_hide_another_is_refused(ask: Ask, name: str) -> None:
    assert refusal(ask, "command_name", name) == (
        f'The command would be named "{name}" and hide another; choose another command_name.'
    )


def test_names_given_with_data_are_kept(ask: Ask) -> None:
    answers = ask(package_name="crm_v2", image_name="acme-crm-2", command_name="acme")
    assert [answers[name] for name in ("package_name", "image_name", "command_name")] == [
        "crm_v2",
        "acme-crm-2",
        "acme",
    ]


# -------------------------------------------------------------------------------------------- project_description


def test_a_description_is_proposed_from_the_name(ask: Ask) -> None:
    assert ask()["project_description"] == "Acme CRM for AI agents, over MCP."


@pytest.mark.parametrize(
    ("description", "words"),
    [
        ("", "The description is empty; enter one sentence that says what the connector does."),
        (" Finds.", "The description must not begin or end with a space; remove it."),
        ("x" * 301, "The description has 301 characters; shorten it to at most 300."),
    ],
)
def test_a_description_that_metadata_cannot_hold_is_refused(ask: Ask, description: str, words: str) -> None:
    assert refusal(ask, "project_description", description) == words


# -------------------------------------------------------------------------------------------------- headers_names


@pytest.mark.parametrize("names", ["X-API-Key", "X-API-Key, X-Tenant", "Authorization", "a,b,c,d,e,f,g,h", "X" * 60])
def test_header_names_are_kept(ask: Ask, names: str) -> None:
    assert ask(auth_mode="headers", headers_names=names)["headers_names"] == names


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ("", "No header is named; name at least one, such as X-API-Key."),
        (",", "There is a comma too many; separate the names with single commas."),
        ("X-A,,X-B", "There is a comma too many; separate the names with single commas."),
        ("X-A,", "There is a comma too many; separate the names with single commas."),
        ("X-A, x-a", '"x-a" is named twice, and the case of letters does not distinguish headers; name it once.'),
        ("X-A\nX-B", "The names must be one line of visible characters; separate them with commas."),
        ("a,b,c,d,e,f,g,h,i", "There are 9 header names; keep at most 8."),
        *(
            (
                name,
                f'"{name}" is not a header name; begin with a letter and use letters, digits and hyphens, at most 60.',
            )
            for name in ["X Key", "X-Key: 1", "X_Key", "-X", "1X", "X-Kéy", 'X"', "X;Y", "X{{1}}", "X" * 61]
        ),
        *(
            (
                name,
                f'"{name}" belongs to HTTP or to the protocol and cannot carry a credential; name another header.',
            )
            for name in ["Host", "content-length", "Origin", "Cookie", "Mcp-Session-Id", "X-Forwarded-For", "Sec-X"]
        ),
    ],
)
def test_header_names_that_cannot_carry_a_credential_are_refused(ask: Ask, names: str, words: str) -> None:
    assert refusal(ask, "headers_names", names, auth_mode="headers") == words


@pytest.mark.parametrize(
    ("target", "names", "named"),
    [
        ("cloud-run", "X-Tenant, X-Serverless-Authorization", "X-Serverless-Authorization"),
        ("railway", "X-Railway-Key", "X-Railway-Key"),
        ("render", "CF-Connecting-IP, True-Client-IP", "CF-Connecting-IP"),
        ("fly", "Fly-Client-IP", "Fly-Client-IP"),
        ("kubernetes", "x-envoy-key", "x-envoy-key"),
        ("aws-ecs", "X-Amzn-Trace-Id", "X-Amzn-Trace-Id"),
        ("azure-container-apps", "X-MS-Client-Principal", "X-MS-Client-Principal"),
    ],
)
def test_a_target_whose_proxies_write_a_named_header_is_refused(ask: Ask, target: str, names: str, named: str) -> None:
    with pytest.raises(ValueError, match="Invalid choice") as caught:
        ask(auth_mode="headers", headers_names=names, hosting=target)
    assert str(caught.value) == (
        f"Invalid choice for 'hosting': Proxies of {target} overwrite \"{named}\", so what a caller "
        "sends in it may not arrive; name another header, or choose another target."
    )
    assert ask(auth_mode="headers", headers_names=names, hosting="compose")["hosting"] == "compose"
    assert ask(auth_mode="headers", headers_names="X-API-Key, Authorization", hosting=target)["hosting"] == target


@pytest.mark.parametrize("mode", [mode for mode in rendering.choices("auth_mode") if mode != "headers"])
def test_header_names_are_asked_for_only_where_callers_send_them(ask: Ask, mode: str) -> None:
    assert "headers_names" not in ask(auth_mode=mode)


# ------------------------------------------------------------------------------------------------------- choices


@pytest.mark.parametrize("question", ["auth_mode", "hosting"])
def test_a_decision_has_no_default(questionnaire: Path, tmp_path: Path, question: str) -> None:
    data = {name: value for name, value in GIVEN.items() if name != question}
    with pytest.raises(ValueError, match=f'Question "{question}" is required'):
        copier.run_copy(str(questionnaire), tmp_path, data=data, defaults=True, quiet=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("question", rendering.combinations()[0])
def test_a_value_that_is_no_choice_is_refused_with_the_choices(ask: Ask, question: str) -> None:
    with pytest.raises(ValueError, match=rf"'{question}': 'bogus' is not in \[.*{rendering.choices(question)[0]}"):
        ask(**{question: "bogus"})


def test_exactly_the_questions_are_recorded_and_nothing_computed(ask: Ask) -> None:
    computed = {name for name, question in rendering.questions().items() if question.get("when") is False}
    recorded = ask(auth_mode="headers", source="rest-api").keys()
    assert recorded == rendering.questions().keys() - computed - {"identity_provider"}


@pytest.mark.parametrize("source", ["rest-api", "openapi"])
def test_whose_credential_an_api_gets_is_a_question_only_where_callers_send_one(ask: Ask, source: str) -> None:
    assert ask(auth_mode="headers", source=source)["upstream_identity"] == "caller"
    assert ask(auth_mode="headers", source=source, upstream_identity="connector")["upstream_identity"] == "connector"
    for mode in rendering.choices("auth_mode"):
        for other in rendering.choices("source"):
            if mode != "headers" or other not in {"rest-api", "openapi"}:
                assert "upstream_identity" not in ask(auth_mode=mode, source=other)


# ----------------------------------------------------------------------------------------- from the command line


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            {"project_name": "class"},
            "Validation error for question 'project_name': "
            'The package would be named "class", a keyword of Python; choose another name, such as class Connector.',
        ),
        (
            {"auth_mode": "bogus"},
            "Invalid choice for 'auth_mode': 'bogus' is not in ['none', 'api-key', 'headers', 'oauth', "
            "'oauth-introspection', 'oauth-proxy']",
        ),
    ],
)
def test_a_bad_value_on_the_command_line_ends_with_the_reason_and_writes_nothing(
    questionnaire: Path, tmp_path: Path, given: dict[str, str], words: str
) -> None:
    # Copier puts a traceback before it. A template could only end without one on a line such as
    # "'None' has no attribute 'The package would be named …'", which reads as a fault of the template.
    data = [f"--data={name}={value}" for name, value in {**GIVEN, **given}.items()]
    done = rendering.copier("copy", "--defaults", *data, questionnaire, tmp_path / "project")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"ValueError: {words}"
    assert not (tmp_path / "project").exists()


# ---------------------------------------------------------------------------------------- names that are not questions


def test_the_names_that_may_be_given_are_the_questions() -> None:
    computed = {name for name, question in rendering.questions().items() if question.get("when") is False}
    assert macro_list("questions") == rendering.questions().keys() - computed


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("sorce", '"sorce" (did you mean source?); correct the name and run the command again.'),
        ("soruce", '"soruce" (did you mean source?); correct the name and run the command again.'),
        ("comand_name", '"comand_name" (did you mean command_name?); correct the name and run the command again.'),
        ("Project-Name", '"Project-Name" (did you mean project_name?); correct the name and run the command again.'),
        ("mode", '"mode" (did you mean auth_mode?); correct the name and run the command again.'),
        (
            "name",
            '"name" (did you mean project_name or headers_names or package_name or image_name or command_name?); '
            "correct the name and run the command again.",
        ),
        *(
            (
                name,
                f'"{shown}"; choose from project_name, project_description, auth_mode, headers_names, '
                "identity_provider, hosting, source, upstream_identity, ci, observability, package_name, image_name, "
                "command_name.",
            )
            for name, shown in [
                ("only", "only"),  # computed, which nobody may give
                ("", ""),
                ("Größe\x1b[2J\n", "Größe?[2J?"),
                ("{{ 1 + 1 }}", "{{ 1 + 1 }}"),
                ("x" * 500, "x" * 40),
            ]
        ),
    ],
    ids=lambda text: ascii(text)[:20],
)
def test_a_name_that_is_no_question_is_refused_with_the_one_that_was_meant(
    questionnaire: Path, tmp_path: Path, name: str, words: str
) -> None:
    given = [f"--data={known}={value}" for known, value in GIVEN.items()]
    target = tmp_path / "project"
    for how in ["--data", "--data-file"]:
        (tmp_path / "answers.yml").write_text(json.dumps({name: True}))
        option = f"--data={name}=true" if how == "--data" else f"--data-file={tmp_path / 'answers.yml'}"
        done = rendering.copier("copy", "--defaults", *given, option, questionnaire, target)
        first, last = done.stderr.splitlines()  # Copier's own line is the last, and no traceback is above it
        assert first == f"This template has no question {words}"
        assert last.startswith("'dict object' has no attribute ")
        assert done.returncode == 1
        assert not target.exists()


def test_each_name_that_is_no_question_is_refused(questionnaire: Path, tmp_path: Path) -> None:
    given = ["--data=sorce=blank", "--data=hostng=fly", "--data=project_name=Acme"]
    done = rendering.copier("copy", *given, questionnaire, tmp_path / "project")
    assert done.stderr.splitlines() == [
        'This template has no question "sorce" (did you mean source?) or "hostng" (did you mean hosting?); '
        "correct the name and run the command again.",
        "'dict object' has no attribute 'sorce, hostng'",
    ]


def test_a_quiet_copy_says_it_too(questionnaire: Path, tmp_path: Path) -> None:
    done = rendering.copier("copy", "--quiet", "--defaults", "--data=sorce=blank", questionnaire, tmp_path / "project")
    assert (done.returncode, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    assert 'This template has no question "sorce" (did you mean source?); correct the name and run' in line


def test_an_update_refuses_a_name_that_is_no_question_and_changes_nothing(project: Path) -> None:
    done = rendering.copier("update", "--defaults", "--data=hostng=fly", cwd=project)
    assert done.returncode == 1
    assert 'This template has no question "hostng" (did you mean hosting?); correct the name' in done.stderr
    assert "Traceback" not in done.stderr
    assert rendering.git("status", "--porcelain", cwd=project) == ""


def test_an_update_takes_answers_given_by_their_names(project: Path) -> None:
    done = rendering.copier(
        "update", "--defaults", "--data=hosting=fly", "--data=package_name=acme", "--data=command_name=crm", cwd=project
    )
    assert done.returncode == 0, done.stderr
    assert [recorded(project)[name] for name in ("hosting", "package_name", "command_name")] == ["fly", "acme", "crm"]


@pytest.mark.parametrize("operation", ["update", "recopy"])
def test_a_recorded_answer_to_a_question_of_another_release_is_let_be(project: Path, operation: str) -> None:
    with (project / ".copier-answers.yml").open("a", encoding="utf-8") as answers:
        answers.write("team: crm\n")
    rendering.commit(project, "an older answer")
    options = ["--defaults", *(["--overwrite"] if operation == "recopy" else [])]
    done = rendering.copier(operation, *options, cwd=project)
    assert done.returncode == 0, done.stderr
    assert "team" not in recorded(project)


def test_the_answers_file_of_a_connector_makes_another(project: Path, tmp_path: Path) -> None:
    source, answers = tmp_path / "template", project / ".copier-answers.yml"
    done = rendering.copier("copy", "--defaults", f"--data-file={answers}", source, tmp_path / "other")
    assert done.returncode == 0, done.stderr
    assert recorded(tmp_path / "other") == recorded(project)


# --------------------------------------------------------------------------------------------- from the keyboard

DOWN = "\x1b[B"
CLEAR_LINE = "\x15"


@pytest.fixture
def terminal(questionnaire: Path, tmp_path: Path) -> Iterator["pexpect.spawn[str]"]:
    """`copier copy` in a terminal."""
    with rendering.terminal(questionnaire, tmp_path / "project") as child:
        yield child


def test_a_person_answers_with_keys_and_corrects_a_bad_name(terminal: "pexpect.spawn[str]", tmp_path: Path) -> None:
    terminal.expect("What is the connector called?")
    terminal.send("class\r")
    terminal.expect("A Python keyword; add a word.")
    terminal.send(f"{CLEAR_LINE}Café Søk\r")
    terminal.expect("What does it do, in one sentence?")
    terminal.send("\r")
    terminal.expect("Who may call it?")
    terminal.send(DOWN * 2 + "\r")
    terminal.expect("Which headers carry")
    terminal.send(f"{CLEAR_LINE}X-Token, X-Tenant\r")
    terminal.expect("Where will it run?")
    terminal.send("\r")
    terminal.expect("What does it call?")
    terminal.send(DOWN + "\r")
    terminal.expect("Whose credential does the API get?")
    terminal.send("\r")
    terminal.expect("Which CI system checks each change?")
    terminal.send("\r")
    terminal.expect("What watches it?")
    terminal.send("\r")
    terminal.expect("Next:")  # without a question for any of the names
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0
    assert recorded(tmp_path / "project") == {
        "project_name": "Café Søk",
        "project_description": "Café Søk for AI agents, over MCP.",
        "auth_mode": "headers",
        "headers_names": "X-Token, X-Tenant",
        "hosting": "compose",
        "source": "rest-api",
        "upstream_identity": "caller",
        "ci": "github",
        "observability": "none",
        "package_name": "cafe_sok",
        "image_name": "cafe-sok",
        "command_name": "connector",
    }


def test_a_person_who_stops_leaves_nothing_behind(terminal: "pexpect.spawn[str]", tmp_path: Path) -> None:
    terminal.expect("What is the connector called?")
    terminal.send("\x03")
    terminal.expect("Execution stopped by user")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 1
    assert not (tmp_path / "project").exists()
