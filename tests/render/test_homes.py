"""Choices, their homes, group folders, documents and the README's table belong together; a home's files hold its facts.

`hooks/targets/NAME/expected.yaml` names for each deploy file its format and the facts that it must hold, as paths. What
every target owes is here, so that no home can leave one out without a reason.
"""

import json
import re
import shutil
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from ..lib import homes, rendering
from ..lib.rendering import Rendered

README = rendering.ROOT / "README.md"
HOME = {"facts.yaml", "pipeline.jinja", "github.yml.jinja", "gitlab.yml.jinja", "expected.yaml"}
TARGETS = homes.targets()
every_target = pytest.mark.parametrize("target", TARGETS)
every_question = pytest.mark.parametrize("question", homes.FOLDERS)


# ----------------------------------------------------------------------------------------- what belongs to a choice


def rows_of_only() -> dict[str, str]:
    """The rows of `only` in copier.yml: for each group folder, when it is rendered."""
    only = str(rendering.questions()["only"]["default"])
    rows = yaml.safe_load(only.partition("%}\n")[2])
    conditions = {name: re.fullmatch(r"\{\{ '\.' if (.+) else '' \}\}", row) for name, row in rows.items()}
    assert all(conditions.values()), conditions
    return {name: match[1] for name, match in conditions.items() if match}


def group_folders() -> set[str]:
    """Names of the folders of template/ that are rendered for some answers alone."""
    names = {path.name for path in rendering.TEMPLATE.iterdir() if path.is_dir()} - {"docs", "src", "tests"}
    return {name.removeprefix("{{ only.").removesuffix(" }}") for name in names}


def in_readme(question: str) -> list[str]:
    """The choices that the README's table describes."""
    rows = re.findall(r"^\| (?:`(\w+)` )?\| (.+?) \|", README.read_text(encoding="utf-8"), re.MULTILINE)
    named = ""
    found = []
    for name, choices in rows:
        named = name or named
        found += re.findall(r"`([\w-]+)`", choices) if named == question else []
    return found


@every_question
def test_each_choice_has_a_home_and_a_row_in_the_readme_and_each_of_them_a_choice(question: str) -> None:
    offered = rendering.choices(question)
    assert homes.at_home(question) == set(offered)
    assert in_readme(question) == offered


@pytest.mark.parametrize("question", sorted(homes.FOLDERS.keys() - {"identity_provider"}))
def test_each_choice_has_a_group_folder_but_none(question: str) -> None:
    rows = {name: condition for name, condition in rows_of_only().items() if condition.startswith(f"{question} == ")}
    offered = {value.replace("-", "_"): f"{question} == '{value}'" for value in rendering.choices(question)}
    assert {**rows, "none": ""} == {**offered, "none": ""}  # nothing may be what a choice adds
    assert rows.items() <= offered.items()


def test_group_folders_and_their_rows_agree() -> None:
    assert group_folders() == set(rows_of_only())


def test_a_misspelt_group_folder_stops_the_render(tmp_path: Path) -> None:
    rendering.copy_working_tree(tmp_path / "template", "copier.yml", "hooks", "mcp_connector/platforms.yaml")
    misspelt = tmp_path / "template/template/{{ only.flie }}"
    misspelt.mkdir(parents=True)
    (misspelt / "fly.toml").touch()
    answers = {"auth_mode": "none", "hosting": "compose"}
    done = rendering.copier("copy", "--defaults", *rendering.data(answers), tmp_path / "template", tmp_path / "project")
    assert done.returncode != 0
    assert "'flie'" in done.stderr


# ------------------------------------------------------------------------------------------ what a row and a home hold

ROW = {  # what a row must say, and what it may
    "auth_mode": (
        {"caller", "asks", "logged"},
        {
            *("guarded", "scoped", "each", "calls_at_once", "resource_server", "proxied", "personal", "sends", "adds"),
            *("commands", "followed", "variables", "secrets", "dependencies", "needs", "checked_by", "fingerprinted"),
            "seen",
        },
    ),
    "source": (
        set(),
        {"about", "asked", "examples", "upstream", "reports", "called", "limits", "variables", "dependencies"},
    ),
    "hosting": (
        {"tier", "pins", "traffic", "changed_keys", "before", "stores", "given", "log", "metrics"},
        {*("keeps", "sets", "key_command", "old_builder", "network", "variables", "mounts", "overwrites", "scraped")},
    ),
}
CALLED = {"auth_mode": "mode", "source": "source", "hosting": "target"}
VARIABLE = {"name", "type", "default", "required", "from", "example", "help", "guided", "secret", "optional"}


def check_row(question: str, row: Mapping[str, Any]) -> None:
    """Refuse a row that lacks something, or has a key that nothing reads."""
    must, may = ROW[question]
    assert must <= row.keys(), f"missing: {sorted(must - row.keys())}"
    assert row.keys() <= must | may, f"unknown: {sorted(row.keys() - must - may)}"
    for variable in [*row.get("variables", []), *row.get("limits", [])]:
        assert {"name", "help"} <= variable.keys() <= VARIABLE, variable
        assert not variable["help"].endswith("."), f"{variable['name']}: the full stop comes from the template"
    if question == "hosting":
        assert row["traffic"] in {"live", "ready"}, row["traffic"]


@pytest.mark.parametrize(("question", "name"), [(q, name) for q in ROW for name in rendering.choices(q)])
def test_a_row_says_all_that_the_template_reads_and_nothing_else(question: str, name: str) -> None:
    check_row(question, homes.chosen(**{question: name})[CALLED[question]])


@pytest.mark.parametrize(
    ("question", "change"),
    [
        ("hosting", {"trafic": "live"}),
        ("hosting", {"traffic": "lives"}),
        ("auth_mode", {"scopped": True}),
        ("source", {"variables": [{"name": "URL", "halp": "Where it is"}]}),
    ],
)
def test_a_garbled_row_is_refused(question: str, change: Mapping[str, Any]) -> None:
    row = homes.chosen()[CALLED[question]]
    check_row(question, row)
    with pytest.raises(AssertionError):
        check_row(question, {**row, **change})


@every_target
def test_a_home_is_complete(target: str) -> None:
    assert {path.name for path in (homes.HOOKS / "targets" / target).iterdir()} == HOME
    assert (rendering.group(target) / "docs/deploy.md.jinja").is_file()


@pytest.mark.parametrize("mode", ["none", "oauth-proxy"])
def test_what_a_source_depends_on_comes_with_this_source_alone(rendered: Rendered, mode: str) -> None:
    drivers = {"aiosqlite", "asyncmy", "asyncpg", "sqlalchemy"}
    for source in rendering.choices("source"):
        project = rendered({"auth_mode": mode, "hosting": "compose", "source": source, "ci": "none"})
        lines = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
        named = {re.split(r"[^a-z0-9-]", line)[0] for line in lines}
        assert named & drivers == (drivers if source == "database" else set())
        assert all("," in line for line in lines), "each is bounded above"


# ------------------------------------------------------------------------------------ what the files of a target hold


READ: dict[str, Callable[[str], object]] = {
    "text": lambda text: [line.strip() for line in text.splitlines()],
    "toml": tomllib.loads,
    "json": json.loads,
    "yaml": yaml.safe_load,
    "yaml documents": lambda text: list(yaml.safe_load_all(text)),
    "cloudformation": lambda text: yaml.load(text, homes.Tagged),
}
OWED: dict[str, Callable[[object], bool]] = {  # what every target's files say, and what is true of it
    "port": lambda value: "8000" in str(value),
    "readiness": lambda value: any(path in str(value) for path in ("/health/ready", "/health/live", "service_healthy")),
    "public_url": lambda value: "https://" in str(value),
    "grace": lambda value: int(re.findall(r"\d+", str(value))[0]) >= 35,  # seconds; calls in flight have 30
}


def at(node: object, path: str) -> Iterator[object]:
    """What a document holds at a dotted path; `*` is any key or item."""
    step, _, rest = path.partition(".")
    nodes = list(node.values()) if isinstance(node, dict) else node if isinstance(node, list) else []
    found = nodes if step == "*" else [node[step]] if isinstance(node, dict) and step in node else []
    for inner in found:
        yield from at(inner, rest) if rest else [inner]


def check(project: Path, expected: Mapping[str, Any]) -> None:
    """Refuse deploy files that do not hold what their home expects, and a home that expects too little.

    Raises:
        AssertionError, ValueError, yaml.YAMLError: What is wrong.
    """
    rows = [row for file in expected["files"].values() for row in file.get("holds", [])]
    without = expected.get("without", {})
    assert all(reason.endswith(".") for reason in without.values()), "a reason is a sentence"
    assert {row["fact"] for row in rows} | set(without) >= OWED.keys()
    for row in rows:
        assert row["fact"] not in OWED or OWED[row["fact"]](row["is"]), row
    for file, wanted in expected["files"].items():
        document = READ[wanted["format"]]((project / file).read_text(encoding="utf-8"))
        for row in wanted.get("holds", []):
            assert row["is"] in list(at(document, row["at"])), f"{file}: {row['at']} is not {row['is']!r}"


def rendered_for(rendered: Rendered, target: str) -> Path:
    return rendered({"auth_mode": "none", "hosting": target, "source": "rest-api", "ci": "none"})


@every_target
def test_its_files_hold_what_its_home_expects(rendered: Rendered, target: str) -> None:
    check(rendered_for(rendered, target), homes.expected(target))


@every_target
def test_its_home_names_each_file_that_it_adds(rendered: Rendered, target: str) -> None:
    """One more is named where another auth mode adds it."""
    group = rendering.group(target)
    files = [file.relative_to(group).as_posix() for file in group.rglob("*") if file.is_file()]
    added = {re.sub(r"\{\{ only\.\w+ \}\}/", "", file).removesuffix(".jinja") for file in files}
    project = rendered_for(rendered, target)
    assert {file for file in added if (project / file).is_file()} == {
        *homes.expected(target)["files"],
        "docs/deploy.md",
    }


GARBAGE = {"a file in another language": 'job "connector" {}\n', "nothing": "", "a list": "- connector\n"}


@every_target
@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_in_a_deploy_file_is_found(rendered: Rendered, tmp_path: Path, target: str, garbage: str) -> None:
    project = shutil.copytree(rendered_for(rendered, target), tmp_path / "project")
    expected = homes.expected(target)
    for file in [file for file, wanted in expected["files"].items() if wanted.get("holds")]:
        right = (project / file).read_bytes()
        (project / file).write_text(GARBAGE[garbage], encoding="utf-8")
        with pytest.raises((AssertionError, ValueError, yaml.YAMLError)):
            check(project, expected)
        (project / file).write_bytes(right)
    check(project, expected)


@pytest.mark.parametrize("fact", OWED)
def test_no_home_leaves_out_what_every_target_owes_without_a_reason(rendered: Rendered, fact: str) -> None:
    project, expected = rendered_for(rendered, "fly"), homes.expected("fly")
    rows = [row for row in expected["files"]["fly.toml"]["holds"] if row["fact"] != fact]
    less = {**expected, "files": {"fly.toml": {"format": "toml", "holds": rows}}}
    with pytest.raises(AssertionError):
        check(project, less)
    check(project, {**less, "without": {fact: "The platform fixes it."}})
    with pytest.raises(AssertionError):
        check(project, {**less, "without": {fact: "TODO"}})


def test_a_fact_that_is_not_what_is_owed_is_refused(rendered: Rendered) -> None:
    project, expected = rendered_for(rendered, "fly"), homes.expected("fly")
    rows = [{**row, "at": "app", "is": "acme-crm"} for row in expected["files"]["fly.toml"]["holds"]]
    with pytest.raises(AssertionError):
        check(project, {**expected, "files": {"fly.toml": {"format": "toml", "holds": rows}}})
