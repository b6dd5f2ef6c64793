"""README.md and CONTRIBUTING.md: what they say is what happens, and it can be read."""

import asyncio
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import httpx2
import pexpect
import pytest
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

from ..image import test_image
from ..lib import rendering, shape
from ..lib.rendering import Rendered, commit, git
from ..lib.serving import free_port, serving
from .test_docs import FULL, README, URL, blocks

DECISIONS = rendering.ROOT / "docs/decisions"
DOCUMENTS = {
    str(path.relative_to(rendering.ROOT)): path.read_text()
    for path in [
        *(rendering.ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "SECURITY")),
        *DECISIONS.iterdir(),
    ]
}
FORMS = {  # of the template's address: as Copier is given it, and what git is then given
    "https://….git": ("https://git.example.com/acme/template.git", "https://git.example.com/acme/template.git"),
    "ssh://….git": ("ssh://git@git.example.com/acme/template.git", "ssh://git@git.example.com/acme/template.git"),
    "git@HOST:PATH": ("git@git.example.com:acme/template", "git@git.example.com:acme/template"),
    "gh:OWNER/NAME": ("gh:acme/template", "https://github.com/acme/template.git"),
    "git+https://…": ("git+https://git.example.com/acme/template", "https://git.example.com/acme/template"),
}
[TOOL] = re.findall(r"^```python\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)


# ---------------------------------------------------------------------------------------------------- first screen


def test_the_first_screen_has_what_a_reader_asks_in_that_order() -> None:
    first = [
        "A [Copier]",
        "uvx copier copy",
        "docs/recording.svg",
        "```python",
        "**Authentication**",
        "**Verified**",
        "**Not verified**",
    ]
    then = ["docs/picture.svg", "make demo", "make test", "| Question |"]
    places = [README.index(part) for part in [*first, *then]]
    assert places == sorted(places)


def test_the_first_command_makes_a_connector_and_runs_it(template: Path, tmp_path: Path) -> None:
    """In a terminal. Each question is answered with the Enter key, but for the name."""
    command = blocks(README)[0].replace("uvx copier", str(rendering.COPIER)).replace(URL, str(template))
    port = free_port()
    variables = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PORT": str(port),
        "PROMPT_TOOLKIT_NO_CPR": "1",
        "TERM": "xterm",
        "UV_NO_PROGRESS": "1",
    }
    child = pexpect.spawn(
        "bash", ["-c", command], cwd=tmp_path, env=variables, dimensions=(50, 200), encoding="utf-8", timeout=60
    )
    try:
        child.expect("What is the connector called")
        child.send("Acme CRM\r")
        while child.expect([f"http://127.0.0.1:{port}/mcp", "\N{MICROPHONE}"]):
            child.send("\r")
        child.expect("Application startup complete")
        listing = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        answer = httpx2.post(f"http://127.0.0.1:{port}/mcp", json=listing, trust_env=False)
        assert "count_words" in answer.text
        child.sendintr()
        child.expect(pexpect.EOF)
    finally:
        child.close(force=True)
    assert (tmp_path / "my-connector/.copier-answers.yml").is_file()


def test_the_tool_of_the_readme_has_ten_lines_and_works_as_it_stands(rendered: Rendered, tmp_path: Path) -> None:
    assert len([line for line in TOOL.splitlines() if line]) == 10
    project = shutil.copytree(rendered(FULL), tmp_path / "project")
    (project / "src/acme_crm/tools/__init__.py").write_text(TOOL)
    environment = rendering.environment(project, tmp_path / "site")
    for check in (
        ["ruff", "check"],
        ["ruff", "format", "--check"],
        ["mypy"],
        ["pytest", "-q", "tests/test_contract.py"],
    ):
        done = rendering.run(project, environment, *check)
        assert done.returncode == 0, done.stdout + done.stderr
    with serving(project, environment) as connector:
        found = asyncio.run(call(connector.url, dict(connector.headers), "find_customers", {"name": "ada"}))
    assert [customer["name"] for customer in found["result"]] == ["Ada Lovelace"]


async def call(url: str, headers: dict[str, str], name: str, arguments: dict[str, Any]) -> Any:
    async with (
        httpx2.AsyncClient(headers=headers, trust_env=False) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        return (await client.call_tool(name, arguments)).structured_content


def tiers() -> dict[str, str]:
    """How far the tests go with each target, by its name."""
    homes = sorted((rendering.ROOT / "hooks/targets").glob("*/facts.yaml"))
    return {home.parent.name: home.read_text(encoding="utf-8").split("\n")[0].removeprefix("tier: ") for home in homes}


@pytest.mark.parametrize(
    ("count", "noun"),
    [
        (len(rendering.choices("identity_provider")), "identity providers"),
        (len(rendering.choices("hosting")), "targets"),
        (list(tiers().values()).count("validated"), "targets are validated only"),
    ],
)
def test_the_readme_counts_right(count: int, noun: str) -> None:
    words = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
    words += ["thirteen", "fourteen", "fifteen", "sixteen"]
    flowing = " ".join(README.split())
    assert f"{words[count]} {noun}" in flowing.lower()


@pytest.mark.parametrize("mode", ["none", "oauth-proxy"])
def test_the_readme_says_how_large_a_package_is(rendered: Rendered, mode: str) -> None:
    project = rendered({"auth_mode": mode, "hosting": "compose", "source": "rest-api", "ci": "none"})
    said = f"{len(shape.modules(project))} modules and {shape.lines(project):,} lines for `{mode}`"
    assert said in " ".join(README.split())


def test_the_readme_says_of_each_target_how_far_the_tests_go() -> None:
    said = {"run": "**Run for real.**", "validated": "Validated only."}
    assert tiers().keys() == set(rendering.choices("hosting"))
    for target, tier in tiers().items():
        [row] = re.findall(rf"^\|.*\| `{target}` \| (.*) \|$", README, re.MULTILINE)
        assert [name for name, words in said.items() if row.endswith(words)] == [tier]


def test_what_is_called_run_for_real_is_built_and_started_by_the_tests() -> None:
    started = {answers["hosting"] for answers in test_image.CHOSEN.values()}
    assert {target for target, tier in tiers().items() if tier == "run"} == started


def test_the_settings_that_the_readme_names_are_those_of_a_connector(rendered: Rendered) -> None:
    named = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)`", README)) - {"SSL_CERT_FILE", "GIT_SSL_CAINFO"}  # of uv and git
    settings = (rendered({**FULL, "auth_mode": "oauth"}) / ".env.example").read_text()
    assert "OAUTH_WRITE_SCOPES" in named
    assert [name for name in named if f"{name}=" not in settings] == []


# ---------------------------------------------------------------------------------------------------- its addresses


def test_every_form_of_address_in_the_readme_is_tried() -> None:
    [sentence] = re.findall(r"The address must be one that Copier takes for git: (.*?)\. ", " ".join(README.split()))
    assert re.findall(r"`([^`]+)`", sentence) == list(FORMS)


@pytest.mark.parametrize("host", ["github.com", "gitlab.com"])
def test_an_address_at_two_hosts_needs_no_git_at_its_end(host: str, template: Path, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        served(template, f"https://{host}/acme/template.git", tmp_path, patch)
        given = f"https://{host}/acme/template"
        done = rendering.copier("copy", "--quiet", "--defaults", *rendering.data(FULL), given, tmp_path / "project")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("form", FORMS)
def test_a_form_of_address_in_the_readme_works(form: str, template: Path, tmp_path: Path) -> None:
    given, asked = FORMS[form]
    with pytest.MonkeyPatch.context() as patch:
        served(template, asked, tmp_path, patch)
        done = rendering.copier("copy", "--quiet", "--defaults", *rendering.data(FULL), given, tmp_path / "project")
    assert done.returncode == 0, done.stderr
    assert rendering.recorded(tmp_path / "project")["_src_path"] == given


def test_another_address_without_git_at_its_end_does_not_work(template: Path, tmp_path: Path) -> None:
    """The README says so. Where this fails, Copier has changed: say it there."""
    given = "https://git.example.com/acme/template"
    with pytest.MonkeyPatch.context() as patch:
        served(template, given, tmp_path, patch)
        done = rendering.copier("copy", "--quiet", "--defaults", *rendering.data(FULL), given, tmp_path / "project")
    assert "Local template must be a directory." in done.stderr
    assert not (tmp_path / "project").exists()


def served(repository: Path, url: str, folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Let git find a repository at `url`, for Copier with a cache of its own."""
    patch.setenv("GIT_CONFIG_COUNT", "1")
    patch.setenv("GIT_CONFIG_KEY_0", f"url.file://{repository}.insteadOf")
    patch.setenv("GIT_CONFIG_VALUE_0", url)
    patch.setenv("COPIER_CACHE_DIR", str(folder / "cache"))


def test_without_tags_copier_warns_and_every_commit_is_an_update(tmp_path: Path) -> None:
    repository, project = tmp_path / "template", tmp_path / "project"
    repository.mkdir()
    (repository / "{{ _copier_conf.answers_file }}.jinja").write_text("{{ _copier_answers | to_nice_yaml }}")
    (repository / "state").write_text("first")
    git("init", "-q", "-b", "main", cwd=repository)
    commit(repository, "first")
    said = rendering.copier("copy", "--quiet", f"git+file://{repository}", project).stderr
    assert "No git tags found in template; using HEAD as ref" in said
    git("init", "-q", "-b", "main", cwd=project)
    commit(project, "start")

    (repository / "state").write_text("second")
    commit(repository, "no release")
    assert rendering.copier("update", "--quiet", "--defaults", cwd=project).returncode == 0
    assert (project / "state").read_text() == "second"


# ------------------------------------------------------------------------------------------------------ how it reads


def prose(markdown: str) -> list[str]:
    """The paragraphs and items of a document, without code blocks, tables, headings, images and the URLs of links."""
    text = re.sub(r"^```.*?^```$", "", markdown, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"^(\||#|!\[).*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", text)
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n|\n(?=- |\d+\. )", text) if part.strip()]


def long_sentences(markdown: str) -> list[str]:
    """Sentences of more than 25 words."""
    sentences = [sentence for part in prose(markdown) for sentence in re.split(r"(?<=[.?!]) ", part)]
    return [sentence for sentence in sentences if len(sentence.split()) > 25]


def long_lines(markdown: str) -> list[str]:
    """Lines of more than 120 characters outside tables and code."""
    text = re.sub(r"^ *```.*?^ *```$", "", markdown, flags=re.DOTALL | re.MULTILINE)
    return [line for line in text.splitlines() if len(line) > 120 and not line.startswith("|")]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_has_short_lines_and_short_sentences(name: str) -> None:
    assert long_lines(DOCUMENTS[name]) == []
    assert long_sentences(DOCUMENTS[name]) == []


def test_a_long_line_and_a_long_sentence_are_found() -> None:
    assert long_lines(f"{'word ' * 30}\n\n| {'cell ' * 30} |\n\n```sh\n{'code ' * 30}\n```\n") == ["word " * 30]
    assert long_sentences(f"- {'word ' * 20}and\n  {'word ' * 6}end.\n- Short.\n") != []
    assert long_sentences(f"{'word ' * 20}end. {'Word ' * 20}end.\n") == []


def test_every_decision_is_in_the_list_under_its_own_heading() -> None:
    records = {path.name: path.read_text().splitlines()[0] for path in sorted(DECISIONS.glob("0*.md"))}
    listed = re.findall(r"^\| \[(\d+)\]\(([\w.-]+)\) \| ", (DECISIONS / "README.md").read_text(), re.MULTILINE)
    assert [name for _, name in listed] == list(records)
    assert all(records[name].startswith(f"# {number}: ") and name.startswith(number) for number, name in listed)


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 130
