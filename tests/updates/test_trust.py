"""Copying and updating from each kind of source, through the command line as people use it: never with --trust."""

import shutil
from pathlib import Path

import pytest
import yaml

from ..conftest import TAG
from ..lib import rendering, updating
from ..lib.rendering import recorded, release

pytestmark = pytest.mark.updates

NEXT = "v1000.1.0"
GIVEN = {"project_name": "Acme CRM", "auth_mode": "none", "hosting": "compose", "source": "rest-api", "ci": "none"}
DATA = [f"--data={name}={value}" for name, value in GIVEN.items()]
DOCUMENT = rendering.TEMPLATE / "docs/update.md.jinja"
SEEDS = [
    "src/acme_crm/tools/__init__.py",
    "src/acme_crm/upstream.py",
    "src/acme_crm/stand_in.py",
    "tests/test_tools.py",
]


@pytest.fixture
def repository(template: Path, tmp_path: Path) -> Path:
    """A repository of the template with one release, to change at will."""
    return shutil.copytree(template, tmp_path / "template")


def add_to_a_document(repository: Path, line: str) -> None:
    with (repository / DOCUMENT.relative_to(rendering.ROOT)).open("a", encoding="utf-8") as document:
        document.write(f"\n{line}\n")


# ---------------------------------------------------------------------------------------------------------------- trust


@pytest.mark.parametrize("setting", ["_tasks", "_migrations", "_jinja_extensions"])
def test_nothing_that_needs_trust_is_in_the_template(setting: str) -> None:
    assert setting not in yaml.safe_load((rendering.ROOT / "copier.yml").read_text(encoding="utf-8"))


def test_of_data_outside_the_template_the_project_s_answers_alone_are_read() -> None:
    settings = yaml.safe_load((rendering.ROOT / "copier.yml").read_text(encoding="utf-8"))
    assert settings["_external_data"] == {"before": "{{ _copier_conf.answers_file }}"}


@pytest.mark.parametrize("setting", ["_tasks: [date]", "_jinja_extensions: [jinja2.ext.do]"])
def test_a_copy_that_needs_trust_would_be_refused(repository: Path, tmp_path: Path, setting: str) -> None:
    with (repository / "copier.yml").open("a", encoding="utf-8") as settings:
        settings.write(f"\n{setting}\n")
    release(repository, NEXT)
    assert rendering.copier("copy", "--defaults", *DATA, repository, tmp_path / "project").returncode == 4


# -------------------------------------------------------------------------------------------------------------- sources


def test_the_latest_release_is_what_is_copied(repository: Path, tmp_path: Path) -> None:
    add_to_a_document(repository, "Not released.")
    rendering.git("commit", "-q", "-a", "-m", "Work in progress", cwd=repository)
    project = rendering.render(repository, tmp_path / "project", GIVEN)
    assert "Not released." not in (project / "docs/update.md").read_text(encoding="utf-8")
    assert recorded(project)["_commit"] == TAG


def test_work_in_progress_is_copied_on_request(repository: Path, tmp_path: Path) -> None:
    add_to_a_document(repository, "Not even committed.")
    done = rendering.copier("copy", "--defaults", "--vcs-ref=HEAD", *DATA, repository, tmp_path / "project")
    assert done.returncode == 0
    assert "Not even committed." in (tmp_path / "project/docs/update.md").read_text(encoding="utf-8")


def test_a_repository_is_copied_by_its_url(template: Path, tmp_path: Path) -> None:
    rendering.git("clone", "-q", "--bare", str(template), str(tmp_path / "template.git"), cwd=tmp_path)
    url = f"file://{tmp_path}/template.git"
    done = rendering.copier("copy", "--defaults", *DATA, url, tmp_path / "project")
    assert done.returncode == 0, done.stderr
    assert recorded(tmp_path / "project")["_src_path"] == url
    assert recorded(tmp_path / "project")["_commit"] == TAG


def test_a_folder_without_git_is_copied(template: Path, tmp_path: Path) -> None:
    source = shutil.copytree(template, tmp_path / "template", ignore=shutil.ignore_patterns(".git"))
    project = rendering.render(source, tmp_path / "project", GIVEN)
    assert "_commit" not in recorded(project)


def test_what_is_recorded_is_the_source_and_the_answers(template: Path, tmp_path: Path) -> None:
    project = rendering.render(template, tmp_path / "project", GIVEN)
    identity = {"package_name": "acme_crm", "image_name": "acme-crm", "command_name": "connector"}
    assert recorded(project) == {
        "_commit": TAG,
        "_src_path": str(template),
        "project_description": "Acme CRM for AI agents, over MCP.",
        "observability": "none",
        **GIVEN,
        **identity,
    }


# -------------------------------------------------------------------------------------------------------------- targets


def test_the_next_commands_are_said(template: Path, tmp_path: Path) -> None:
    target = tmp_path / "Mes projets d'été"
    done = rendering.copier("copy", "--defaults", *DATA, "--data=command_name=acme", template, target)
    assert (target / "README.md").exists()
    quoted = str(target).replace("'", "'\"'\"'")
    assert done.stderr[done.stderr.index("Next:") :].rstrip().splitlines() == [
        "Next:",
        "",
        f"  cd '{quoted}'",
        "  git init -b main",
        "  uv sync",
        "  uv run acme dev",
        "",
        "Ctrl+C stops it. Then commit, because updates need a commit to start from:",
        "",
        "  git add .",
        '  git commit -m "First version"',
        "",
        "docs/develop.md says how to call your API. Until then, one in memory",
        "answers.",
    ]


@pytest.mark.parametrize(("ci", "host"), [("github", "GitHub"), ("gitlab", "GitLab")])
def test_where_pipelines_are_read_is_said(template: Path, tmp_path: Path, ci: str, host: str) -> None:
    done = rendering.copier("copy", "--defaults", *DATA, f"--data=ci={ci}", template, tmp_path / "project")
    assert done.stderr.rstrip().splitlines()[-3:] == [
        "",
        "In a subfolder of another repository, leave out git init. Its pipelines are",
        f"then not read: {host} looks for them at the root only.",
    ]


def test_a_copy_into_the_folder_where_you_are_says_nothing_of_changing_to_it(template: Path, tmp_path: Path) -> None:
    done = rendering.copier("copy", "--defaults", *DATA, template, ".", cwd=tmp_path)
    assert "\n\n  git init -b main\n" in done.stderr[done.stderr.index("Next:") :]


def test_files_that_are_there_already_are_kept(template: Path, tmp_path: Path) -> None:
    rendering.git("init", "-q", cwd=tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "src").mkdir()
    (tmp_path / "src/other.py").write_text("mine = True\n")
    rendering.render(template, tmp_path, GIVEN)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert (tmp_path / "src/other.py").read_text() == "mine = True\n"
    assert (tmp_path / ".git").is_dir()
    assert (tmp_path / "src/acme_crm/app.py").exists()


def test_a_file_of_the_same_name_is_not_overwritten_unasked(template: Path, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("mine")
    done = rendering.copier("copy", "--defaults", *DATA, template, tmp_path)
    assert done.returncode != 0
    assert (tmp_path / "Dockerfile").read_text() == "mine"


# -------------------------------------------------------------------------------------------------------------- updates


@pytest.fixture
def project(repository: Path, tmp_path: Path) -> Path:
    """A connector of the first release, under version control, with a tool edited and the stand-in deleted."""
    project = rendering.render(repository, tmp_path / "project", GIVEN)
    with (project / SEEDS[0]).open("a", encoding="utf-8") as tool:
        tool.write("\n# Ours.\n")
    (project / "src/acme_crm/stand_in.py").unlink()
    rendering.git("init", "-q", cwd=project)
    release(project, "start")
    return project


def test_an_update_brings_the_template_s_changes_and_leaves_the_owner_s_files(repository: Path, project: Path) -> None:
    add_to_a_document(repository, "Since 1.1.")
    folder = next(path for path in (repository / "template").iterdir() if "only.rest_api" in path.name)
    owned = ("tools", "upstream.py", "stand_in.py", "test_tools.py.jinja")
    seeds = [path for path in folder.rglob("*") if path.is_file() and {path.name, path.parent.name} & set(owned)]
    assert len(seeds) >= len(SEEDS)
    for seed in seeds:
        with seed.open("a", encoding="utf-8") as text:
            text.write("\n# Since 1.1.\n")
    release(repository, NEXT)

    done = rendering.copier("update", "--defaults", cwd=project)
    assert done.returncode == 0, done.stderr
    assert "docs/update.md" in done.stderr

    assert "Since 1.1." in (project / "docs/update.md").read_text(encoding="utf-8")
    assert recorded(project)["_commit"] == NEXT
    rendering.git("add", "-A", cwd=project)
    changed = rendering.git("diff", "--name-only", "HEAD", cwd=project).splitlines()
    assert changed == [".copier-answers.yml", "docs/update.md", updating.RELEASE]
    assert not (project / "src/acme_crm/stand_in.py").exists()


def test_an_update_without_a_new_release_changes_nothing(project: Path) -> None:
    done = rendering.copier("update", "--defaults", cwd=project)
    assert done.returncode == 0, done.stderr
    assert rendering.git("status", "--porcelain", cwd=project) == ""


def test_names_stay_when_the_project_is_renamed(repository: Path, project: Path) -> None:
    done = rendering.copier("update", "--defaults", "--vcs-ref=:current:", "--data=project_name=Bolt", cwd=project)
    assert done.returncode == 0, done.stderr
    answers = recorded(project)
    assert [answers[name] for name in ("project_name", "package_name", "image_name")] == [
        "Bolt",
        "acme_crm",
        "acme-crm",
    ]
    assert (project / ".env.example").read_text(encoding="utf-8").startswith("# Settings of Bolt.")
