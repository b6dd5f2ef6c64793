"""The eighteen ways in which updates of templates lose or keep things, each with the test that shows it."""

import ast
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from ..conftest import TAG
from ..docs.test_docs import URL, blocks, shell
from ..lib import edits, releasing, rendering, updating
from ..lib.rendering import Answers, Rendered, commit, git, recorded, release

pytestmark = pytest.mark.updates

NEXT = "v1000.1.0"
GIVEN: Answers = {"auth_mode": "none", "hosting": "compose", "source": "blank", "ci": "none"}
PAGE_OF_IT = "template/docs/update.md.jinja"
PAGE = updating.PAGE.read_text()
CASES = {
    "a file that the template renamed takes the owner's edits with it": (
        "test_check_update.test_edits_in_a_file_that_the_template_renamed"
    ),
    "a file that came with an answer goes with it, and the owner's edits too": (
        "test_update_cases.test_edits_in_a_file_that_went_with_an_answer_are_reported"
    ),
    "an answer that is not a choice any more is replaced": "test_check_update.test_an_answer_that_an_update_replaced",
    "an answer makes another invalid": (
        "test_update_cases.test_an_answer_that_makes_a_decision_invalid_is_refused_and_nothing_changes"
    ),
    "a rendered secret overwrites the real one": "test_render.test_what_git_ignores_is_never_rendered",
    "an answer edited by hand does nothing": "test_check_update.test_an_answer_edited_by_hand",
    "Copier does not report a conflict as an error": "test_check_update.test_a_conflict_until_it_is_resolved",
    "a new question without a default": "test_update_cases.test_every_question_since_the_first_release_has_a_default",
    "a file becomes a folder": "test_update_cases.test_no_path_was_ever_a_file_and_a_folder",
    "what Copier refuses": "test_update_cases.test_an_update_that_cannot_be_made_changes_nothing",
    "an update equals a fresh render": "test_updates.test_an_update_equals_a_fresh_render",
    "a second update changes nothing": "test_updates.test_a_second_update_changes_nothing",
    "every answer changes into every other": (
        "test_updates.test_a_changed_answer_leaves_what_a_fresh_render_has_and_the_owner_s"
    ),
    "edits stay, deleted files stay deleted": "test_update_cases.test_a_deleted_file_stays_deleted",
    "a renamed question keeps its value": "test_update_cases.test_a_renamed_question_keeps_its_value",
    "no release needs trust": "test_update_cases.test_every_release_is_copied_and_updated_by_the_command_without_trust",
    "a project that lies in an unusual way": "test_update_cases.test_where_and_how_a_project_lies_is_no_matter",
    "a tag moved": "test_releases.test_a_release_that_moved_is_found",
}


@pytest.mark.parametrize("case", CASES)
def test_every_case_has_its_test(case: str) -> None:
    module, name = CASES[case].split(".")
    [file] = (rendering.ROOT / "tests").glob(f"*/{module}.py")
    tree = ast.parse(file.read_text(encoding="utf-8"))
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.fixture(scope="session")
def history(_isolated: None, shared: Path) -> Path:
    """The template with its releases, and the working tree as the next."""
    return updating.shared_history(shared)


@pytest.fixture
def repository(template: Path, tmp_path: Path) -> Path:
    """The template, to change at will."""
    return shutil.copytree(template, tmp_path / "template")


@pytest.fixture
def project(repository: Path, tmp_path: Path) -> Path:
    return updating.copied(repository, tmp_path / "project", GIVEN, TAG)


def update(project: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """`copier update` as people type it."""
    return rendering.copier("update", "--defaults", *options, cwd=project)


def status(project: Path) -> list[str]:
    """What is not as it was committed."""
    return [line.split(maxsplit=1)[1] for line in git("status", "--porcelain", cwd=project).splitlines()]


def test_edits_in_a_file_that_went_with_an_answer_are_reported(project: Path) -> None:
    with (project / "Caddyfile").open("a", encoding="utf-8") as file:
        file.write("# Ours.\n")
    commit(project, "ours")
    assert update(project, "--vcs-ref=:current:", "-d", "hosting=fly").returncode == 0
    assert not (project / "Caddyfile").exists()
    check = [str(rendering.interpreter()), str(rendering.ROOT / "hooks/check_update.py"), "--accept=hosting"]
    done = subprocess.run(check, cwd=project, capture_output=True, text=True)
    assert done.returncode == 1
    assert "Deleted with your edits: Caddyfile." in done.stdout


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"auth_mode": "headers", "headers_names": "Fly-Client-IP"}, "Fly"),
        ({"auth_mode": "oauth-proxy", "hosting": "heroku"}, "heroku"),
    ],
    ids=["another", "itself"],
)
def test_an_answer_that_makes_a_decision_invalid_is_refused_and_nothing_changes(
    repository: Path, tmp_path: Path, changed: dict[str, str], reason: str
) -> None:
    project = updating.copied(repository, tmp_path / "on-fly", {**GIVEN, "hosting": "fly"}, TAG)
    done = update(project, "--vcs-ref=:current:", *rendering.data(changed))
    assert done.returncode != 0
    said = done.stderr.strip().splitlines()[-1]
    assert reason in said
    assert "Invalid choice for 'hosting'" in said
    assert "`Invalid choice for 'hosting'`" in PAGE
    assert status(project) == []


def test_a_file_of_secrets_stays_as_it_is(repository: Path, project: Path) -> None:
    (project / ".env").write_text("UPSTREAM_TOKEN=secret\n")
    edits.replace(repository / PAGE_OF_IT, "# Stay current\n", "# Stay current now\n")
    release(repository, NEXT)
    assert update(project).returncode == 0
    assert (project / ".env").read_text() == "UPSTREAM_TOKEN=secret\n"
    assert status(project) == [".copier-answers.yml", "docs/update.md", updating.RELEASE]


def test_every_question_since_the_first_release_has_a_default() -> None:
    decisions = {"project_name", "auth_mode", "hosting"}
    first = yaml.safe_load(git("show", f"{updating.COMMITS[updating.VERSIONS[0]]}:copier.yml", cwd=rendering.ROOT))
    assert decisions <= first.keys()
    without = {
        name for name, question in rendering.questions().items() if "UNSET" in str(question.get("default", "UNSET"))
    }
    assert without == decisions


def test_a_question_without_a_default_is_refused_and_nothing_changes(repository: Path, project: Path) -> None:
    with (repository / "copier.yml").open("a", encoding="utf-8") as settings:
        settings.write("\nregion:\n  type: str\n")
    release(repository, NEXT)
    done = update(project)
    assert done.returncode != 0
    assert done.stderr.strip().splitlines()[-1] == 'ValueError: Question "region" is required'
    assert status(project) == []


def rendered_paths(listed: str) -> set[str]:
    """Of files of the template: group folders are nowhere, and no file keeps its ending."""
    parts = (
        [part for part in path.split("/")[1:] if not part.endswith("%}.{% endif %}")] for path in listed.splitlines()
    )
    return {"/".join(path).removesuffix(".jinja") for path in parts}


def test_no_path_was_ever_a_file_and_a_folder() -> None:
    paths = rendered_paths(
        git("ls-files", "--cached", "--others", "--exclude-standard", "template", cwd=rendering.ROOT)
    )
    for made in updating.COMMITS.values():
        paths |= rendered_paths(git("ls-tree", "-r", "--name-only", made, "template", cwd=rendering.ROOT))
    assert both(paths) == set()
    assert both({*paths, "docs"}) == {"docs"}


def both(paths: set[str]) -> set[str]:
    return paths & {parent.as_posix() for path in paths for parent in Path(path).parents}


def not_committed(_: Path, project: Path) -> None:
    (project / "README.md").write_text("Ours.\n")


def without_version(_: Path, project: Path) -> None:
    answers = project / ".copier-answers.yml"
    answers.write_text("".join(line for line in answers.read_text().splitlines(True) if "_commit" not in line))
    commit(project, "ours")


def of_a_release_that_is_gone(repository: Path, _: Path) -> None:
    git("tag", NEXT, cwd=repository)
    git("tag", "-d", TAG, cwd=repository)


def of_a_newer_release(repository: Path, _: Path) -> None:
    git("commit", "-q", "--allow-empty", "-m", "Before", cwd=repository)
    git("tag", "v999.0.0", cwd=repository)


# What Copier says of such a project.
REFUSALS: dict[Callable[[Path, Path], None], str] = {
    not_committed: "Destination repository is dirty",
    without_version: "Cannot update because cannot obtain old template references",
    of_a_release_that_is_gone: "Unknown revision",
    of_a_newer_release: "You are downgrading",
}


@pytest.mark.parametrize(("broken", "said"), REFUSALS.items())
def test_an_update_that_cannot_be_made_changes_nothing(
    repository: Path, project: Path, broken: Callable[[Path, Path], None], said: str
) -> None:
    broken(repository, project)
    before = status(project), rendering.files(project)
    done = update(project, *(["--vcs-ref=v999.0.0"] if broken is of_a_newer_release else []))
    assert done.returncode != 0
    assert said in done.stderr.strip().splitlines()[-1]
    assert (status(project), rendering.files(project)) == before


def test_a_deleted_file_stays_deleted(repository: Path, project: Path) -> None:
    gone = ["docs/deploy.md", "src/acme_crm/tools/text.py", "tests/test_tools.py"]
    for name in gone:
        (project / name).unlink()
    commit(project, "ours")
    [guide] = repository.glob("template/*only.compose*/docs/deploy.md.jinja")
    for file in [guide, *repository.glob("template/*only.blank*/tests/test_tools.py*")]:
        file.write_text(file.read_text() + "\n# New.\n")
    release(repository, NEXT)
    assert update(project).returncode == 0
    assert [name for name in gone if (project / name).exists()] == []
    assert status(project) == [".copier-answers.yml", updating.RELEASE]


def test_a_renamed_question_keeps_its_value(repository: Path, tmp_path: Path) -> None:
    given = {**GIVEN, "project_description": "Finds customers."}
    project = updating.copied(repository, tmp_path / "described", given, TAG)
    settings = repository / "copier.yml"
    proposal = 'default: "{{ project_name }} for AI agents, over MCP."'
    taken = 'default: "{{ project_description | default(project_name) }}"'
    edits.replace(settings, proposal, taken)
    edits.replace(settings, "\nproject_description:\n", "\nproject_summary:\n")
    edits.replace(
        settings, "answers.project_description(project_description,", "answers.project_description(project_summary,"
    )
    for file in repository.glob("template/*.jinja"):
        file.write_text(file.read_text().replace("project_description", "project_summary"))
    release(repository, NEXT)
    done = update(project)
    assert done.returncode == 0, done.stderr
    assert recorded(project)["project_summary"] == "Finds customers."
    assert "project_description" not in recorded(project)
    assert status(project) == [".copier-answers.yml", updating.RELEASE]


def without_answers(files: dict[str, bytes]) -> dict[str, bytes]:
    return {name: data for name, data in files.items() if name != ".copier-answers.yml"}


@pytest.mark.parametrize("version", updating.VERSIONS)
def test_every_release_is_copied_and_updated_by_the_command_without_trust(
    history: Path, rendered: Rendered, tmp_path: Path, version: str
) -> None:
    project = tmp_path / "project"
    answers = {**GIVEN, "auth_mode": "api-key", "source": "rest-api"}
    data = rendering.data({"project_name": "Acme CRM", **answers})
    done = rendering.copier("copy", "--defaults", f"--vcs-ref={version}", *data, history, project)
    assert done.returncode == 0, done.stderr
    git("init", "-q", cwd=project)
    commit(project, version)
    owned = {name: data for name, data in rendering.files(project).items() if name.startswith(updating.SEEDS)}
    done = update(project)
    assert done.returncode == 0, done.stderr
    assert recorded(project) == {**recorded(rendered(answers)), "_src_path": str(history)}
    source = recorded(rendered(answers))["_src_path"].encode()
    fresh = {name: data.replace(source, bytes(history)) for name, data in rendering.files(rendered(answers)).items()}
    assert without_answers(updating.files(project)) == without_answers({**fresh, **owned})


# --------------------------------------------------------------------------------------------- how a project lies


def plain(project: Path, _: Path) -> Path:
    return project


def shallow(project: Path, folder: Path) -> Path:
    git("commit", "-q", "--allow-empty", "-m", "another", cwd=project)
    git("clone", "-q", "--depth=1", f"file://{project}", str(folder), cwd=project)
    return folder


def worktree(project: Path, folder: Path) -> Path:
    git("worktree", "add", "-q", "-b", "update", str(folder), cwd=project)
    return folder


def monorepo(project: Path, folder: Path) -> Path:
    shutil.rmtree(project / ".git")
    shutil.copytree(project, folder / "connectors/crm")
    (folder / "README.md").write_text("Ours.\n")
    git("init", "-q", "-b", "main", cwd=folder)
    commit(folder, "start")
    return folder / "connectors/crm"


def with_crlf(project: Path, folder: Path) -> Path:
    """Checked out where git writes CRLF into what .gitattributes leaves to it."""
    git("clone", "-q", "-c", "core.autocrlf=true", str(project), str(folder), cwd=project)
    return folder


def with_modes_and_links(project: Path, _: Path) -> Path:
    (project / "run.sh").write_text("#!/bin/sh\n")
    (project / "run.sh").chmod(0o755)
    (project / "docs/start.md").symlink_to("../README.md")
    commit(project, "ours")
    return project


@pytest.mark.parametrize("lying", [plain, shallow, worktree, monorepo, with_crlf, with_modes_and_links])
def test_where_and_how_a_project_lies_is_no_matter(
    repository: Path, project: Path, tmp_path: Path, lying: Callable[[Path, Path], Path]
) -> None:
    here = lying(project, tmp_path / "elsewhere")
    edits.replace(repository / PAGE_OF_IT, "# Stay current\n", "# Stay current now\n")
    release(repository, NEXT)
    done = update(here)
    assert done.returncode == 0, done.stderr
    prefix = git("rev-parse", "--show-prefix", cwd=here)
    assert status(here) == [f"{prefix}{name}" for name in (".copier-answers.yml", "docs/update.md", updating.RELEASE)]
    assert "# Stay current now" in (here / "docs/update.md").read_text()
    assert b"\r" not in (here / "docs/update.md").read_bytes()
    if (here / "run.sh").exists():
        assert os.access(here / "run.sh", os.X_OK)
        assert (here / "docs/start.md").is_symlink()


# --------------------------------------------------------------------------------------------- docs/updates.md


def test_the_documented_commands_update_check_and_change_a_connector(
    template: Path, shared: Path, tmp_path: Path
) -> None:
    with releasing.available(template, shared, tmp_path / "cache"):
        project = releasing.start(tmp_path / "crm")
        commands = [
            block.replace("uvx copier", str(rendering.COPIER)).replace(URL, releasing.URL) for block in blocks(PAGE)
        ]
        update, check, _, change, _, rename, recover = commands
        shell(update, project)
        assert f"_commit: {releasing.LATER}" in (project / ".copier-answers.yml").read_text()
        said = shell(f"{check.rstrip()} --accept ci", project)
        assert f"{TAG} → {releasing.LATER}" in said
        commit(project, "update")
        shell(change, project)
        assert (project / "fly.toml").exists()
        shell(recover, project)
        assert (project / "Caddyfile").exists()
        assert status(project) == []

        # The package has another name from then on, and follows the template under it.
        project = releasing.start(tmp_path / "sales")
        shell(rename, project)
        assert status(project) == []
        assert {path.name for path in (project / "src").iterdir()} == {"acme_sales"}
        identity = ["-d", "package_name=acme_sales", "-d", "image_name=acme-crm"]  # the image keeps its name
        fresh = releasing.start(tmp_path / "fresh", *identity)
        assert without_answers(updating.files(project)) == without_answers(updating.files(fresh))
        releasing.update(project)
        said = shell(check, project)
        assert f"{TAG} → {releasing.NEXT}" in said
        assert "Nothing is left for you to do." in said


def test_what_copier_says_is_documented() -> None:
    for said in REFUSALS.values():
        assert said in PAGE


# ------------------------------------------------------------------------------------- rules that no update shows alone


def test_no_question_is_a_secret() -> None:
    assert [name for name, question in rendering.questions().items() if question.get("secret")] == []


def test_what_every_release_needs_of_copier_is_said() -> None:
    settings = yaml.safe_load((rendering.ROOT / "copier.yml").read_text(encoding="utf-8"))
    assert settings["_envops"]["undefined"] == "jinja2.StrictUndefined"
    assert settings["_min_copier_version"] == "9.19.0"
    assert settings["_answers_file"] == ".copier-answers.yml"  # as Renovate looks for it


def test_a_misspelt_name_stops_the_render(repository: Path, tmp_path: Path) -> None:
    edits.replace(repository / PAGE_OF_IT, "# Stay current", "# Stay {{ projekt_name }}")
    release(repository, NEXT)
    done = rendering.copier("copy", "--defaults", *rendering.data(GIVEN), repository, tmp_path / "project")
    assert done.returncode != 0
    assert "'projekt_name' is undefined" in done.stderr


def test_the_template_s_own_files_are_not_ignored_by_what_it_renders() -> None:
    assert list(rendering.TEMPLATE.rglob(".gitignore")) == []
