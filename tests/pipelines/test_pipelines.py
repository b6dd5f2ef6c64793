"""The rendered pipelines, run as they stand: green after a first commit, with no account to deploy to."""

import re
import shutil
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from ..lib import edits, pins, rendering
from ..lib.pipelines import PATH, GitHub, GitLab, Here, Ran, holds, origin, read
from ..lib.rendering import Answers, Installed, Rendered, git
from ..programs.locks import UNIVERSAL

pytestmark = pytest.mark.pipelines

# A connector of each set of dependencies.
CONNECTORS: dict[str, Answers] = {
    "base": {"auth_mode": "none", "hosting": "compose", "source": "rest-api"},
    "proxy": {"auth_mode": "oauth-proxy", "hosting": "compose", "source": "blank"},
}
SWITCH = {"PUBLIC_URL": "https://connector.example.com"}
NOTICE = "Nothing is deployed until the {} PUBLIC_URL is set. See docs/deploy.md."
every_connector = pytest.mark.parametrize("locks", CONNECTORS)
every_target = pytest.mark.parametrize("target", rendering.choices("hosting"))


def project_for(locked: Rendered, ci: str, target: str = "compose", locks: str = "base") -> Path:
    return locked({**CONNECTORS[locks], "hosting": target, "ci": ci})


# ------------------------------------------------------------------------------------------------ a first push, here


def assert_github_is_green(run: GitHub) -> None:
    jobs = run()
    said = "\n".join(job.said for job in jobs.values())
    assert {name: job.outcome for name, job in jobs.items()} == {
        "deploy/check/check": "success",
        "deploy/check/image": "skipped",
        "deploy/check": "success",
        "deploy/not-set-up": "success",
        "deploy/deploy": "skipped",
    }, said
    assert "::notice::" + NOTICE.format("repository's variable") in said
    assert "passed in" in said
    assert not [job.environment for job in jobs.values() if job.environment]


def assert_gitlab_is_green(run: GitLab) -> None:
    status, said = run()
    assert status == 0, said
    assert [line.split()[1:] for line in said.splitlines() if line.startswith(" PASS ")] == [
        ["check"],
        ["deployment", "not", "set", "up"],
    ]
    assert NOTICE.format("variable") in said
    assert "passed in" in said


@every_connector
def test_a_first_push_to_github_is_green(locked: Rendered, tmp_path: Path, locks: str) -> None:
    project = project_for(locked, "github", locks=locks)
    assert_github_is_green(GitHub(origin(project, tmp_path), Here(tmp_path)))


@every_connector
def test_a_first_push_to_gitlab_is_green(locked: Rendered, tmp_path: Path, locks: str) -> None:
    project = project_for(locked, "gitlab", locks=locks)
    assert_gitlab_is_green(GitLab(origin(project, tmp_path), Here(tmp_path)))


def test_a_step_that_fails_is_found(locked: Rendered, tmp_path: Path) -> None:
    """An unused import, which the second step of the checks refuses."""
    project = shutil.copytree(project_for(locked, "github"), tmp_path / "project")
    with (project / "tests/test_tools.py").open("a") as file:
        file.write("import this\n")
    jobs = GitHub(origin(project, tmp_path), Here(tmp_path))()
    assert jobs["deploy/check/check"].outcome == "failure"
    assert jobs["deploy/check/check"].said.split("$ ")[-1].startswith("uv run ruff check")  # and nothing after it
    assert {jobs[f"deploy/{name}"].outcome for name in ("not-set-up", "deploy")} == {"skipped"}


def test_an_action_without_a_stand_in_is_found(locked: Rendered, tmp_path: Path) -> None:
    project = shutil.copytree(project_for(locked, "github"), tmp_path / "project")
    file = project / ".github/workflows/ci.yml"
    file.write_text(file.read_text().replace("actions/setup-python@", "actions/setup-node@"))
    with pytest.raises(AssertionError, match="setup-node"):
        GitHub(origin(project, tmp_path), Here(tmp_path))()


# ------------------------------------------------------------------------------------------------------ the lock

NO_LOCK = "There is no uv.lock: run uv sync, and commit the uv.lock that it makes."
NEEDS = "The lockfile at `uv.lock` needs to be updated, but `--locked` was provided."


def no_lock(project: Path) -> None:
    (project / "uv.lock").unlink()


def another_dependency(project: Path) -> None:
    """In pyproject.toml, by hand, and not in uv.lock."""
    file = project / "pyproject.toml"
    file.write_text(file.read_text().replace("dependencies = [", 'dependencies = [\n    "six<2",', 1))


@pytest.mark.parametrize("ci", ["github", "gitlab"])
@pytest.mark.parametrize(("edit", "said"), [(no_lock, NO_LOCK), (another_dependency, NEEDS)])
def test_without_a_lock_that_fits_the_checks_say_what_to_do(
    locked: Rendered, tmp_path: Path, ci: str, edit: Callable[[Path], None], said: str
) -> None:
    project = shutil.copytree(project_for(locked, ci), tmp_path / "project")
    edit(project)
    source = origin(project, tmp_path)
    if ci == "github":
        job = GitHub(source, Here(tmp_path))()["deploy/check/check"]
        status, output = int(job.outcome != "success"), job.said
    else:
        status, output = GitLab(source, Here(tmp_path))("check")
    assert status
    assert said in " ".join(output.split())
    assert "All checks passed" not in output  # of the linter, which comes next


# ------------------------------------------------------------------------------------------ conflicts of an update

MARKED = "<<<<<<< before updating\nours\n=======\ntheirs\n>>>>>>> after updating\n"
LEFT = {
    "README.md": MARKED,
    "docs/Büro und Lager.md": MARKED.replace("\n", "\r\n"),
    "notes.txt": f"Text.\n\n{MARKED.replace(' before updating', '').replace(' after updating', '')}",
    "docs/deploy.md.rej": "@@ -1 +1 @@\n-one\n+two\n",
}
NONE_LEFT = {
    "title.md": "Title\n=======\n\nText.\n",
    "git.md": "A conflict:\n\n" + "".join(f"    {line}\n" for line in MARKED.splitlines()),
    "quoted.md": "".join(f"> {line}\n" for line in MARKED.splitlines()),
    "half.md": "<<<<<<< a\n=======\n",
    "long.txt": "<<<<<<<<< a\n=========\n>>>>>>>>> b\n",
    "image.bin": f"\0{MARKED}",
}


def conflict_check(project: Path, ci: str) -> str:
    """The first thing that the checks do, before anything is installed."""
    if ci == "gitlab":
        script: str = read(project / ".gitlab-ci.yml")["check"]["script"][0]
    else:
        script = read(project / ".github/workflows/ci.yml")["jobs"]["check"]["steps"][2]["run"]
    return script


@pytest.mark.parametrize("ci", ["github", "gitlab"])
@pytest.mark.parametrize(("files", "said"), [(LEFT, LEFT), (NONE_LEFT, {})], ids=["left", "none left"])
def test_what_an_update_left_in_conflict_fails_the_checks(
    locked: Rendered, tmp_path: Path, ci: str, files: dict[str, str], said: dict[str, str]
) -> None:
    """With git alone, and a sentence that names each file."""
    project = shutil.copytree(project_for(locked, ci), tmp_path / "project")
    for name, text in files.items():
        (project / name).write_text(text, newline="")
    git("init", "-q", cwd=project)
    rendering.commit(project, "First commit")
    (project / "untracked.rej").touch()
    shell = ["bash", "-e", "-c"] if ci == "github" else ["dash", "-e", "-c"]
    status, output = Here(tmp_path).run([*shell, conflict_check(project, ci)], project, {"PATH": "/usr/bin:/bin"})
    assert (status, output.count("\n")) == ((1, 1) if said else (0, 0)), output
    if said:
        names = ", ".join([*sorted(name for name in said if "rej" not in name), "docs/deploy.md.rej"])
        assert output == (
            f"An update left conflicts: {names}. Keep the right lines, and remove the markers and .rej files.\n"
        )


def test_a_repository_that_git_cannot_read_does_not_pass_for_one_without_conflicts(
    locked: Rendered, tmp_path: Path
) -> None:
    script = conflict_check(project_for(locked, "github"), "github")
    assert Here(tmp_path).run(["bash", "-e", "-c", script], tmp_path, {"PATH": "/usr/bin:/bin"})[0] != 0


# ------------------------------------------------------------------------------------------- what an event starts

STARTED = {"github": {"deploy/check/check", "deploy/check"}, "gitlab": {"check"}}
WITHOUT = {"github": "deploy/not-set-up", "gitlab": "deployment not set up"}
WITH = {"github": "deploy/deploy", "gitlab": "deploy"}
REQUEST = {"github": {"ci/check", "ci/image"}, "gitlab": {"check", "build"}}
DEPLOY = {"github": ".github/workflows/deploy.yml", "gitlab": ".gitlab/deploy.yml"}
NOUN = {"github": "repository's variable", "gitlab": "variable"}
every_pipeline = pytest.mark.parametrize("ci", STARTED)


def started(project: Path, folder: Path, event: str = "push", **variables: str) -> set[str]:
    """The jobs that an event starts; on GitHub with the environment whose approval they ask for."""
    folder = folder / f"started-{len(list(folder.iterdir()))}"
    folder.mkdir()
    source = origin(project, folder)
    if (project / ".gitlab-ci.yml").exists():
        return GitLab(source, Here(folder), event, variables).starts()
    jobs = GitHub(source, Here(folder), event, variables).starts()
    return {f"{name} {job.environment}".strip() for name, job in jobs.items() if job.outcome != "skipped"}


def assert_deploys_once_it_is_set_up(project: Path, folder: Path, ci: str) -> None:
    assert started(project, folder) == STARTED[ci] | {WITHOUT[ci]}
    assert started(project, folder, PUBLIC_URL="") == STARTED[ci] | {WITHOUT[ci]}
    deploy = "deploy/deploy production" if ci == "github" else "deploy"
    assert started(project, folder, **SWITCH) == STARTED[ci] | {deploy}


@every_target
@every_pipeline
def test_nothing_is_deployed_until_the_variable_is_set(locked: Rendered, tmp_path: Path, ci: str, target: str) -> None:
    project = project_for(locked, ci, target)
    assert_deploys_once_it_is_set_up(project, tmp_path, ci)
    comment = (project / DEPLOY[ci]).read_text().split("\n#\n")[0]
    assert "PUBLIC_URL is set" in comment
    assert f"Until you set the {NOUN[ci]} `PUBLIC_URL`" in " ".join((project / "docs/deploy.md").read_text().split())


@every_pipeline
def test_a_request_is_checked_and_built_and_never_deployed(locked: Rendered, tmp_path: Path, ci: str) -> None:
    project = project_for(locked, ci)
    assert started(project, tmp_path, "pull_request") == REQUEST[ci]
    assert started(project, tmp_path, "pull_request", **SWITCH) == REQUEST[ci]


def test_gitlab_s_schedule_for_updates_starts_nothing_else(locked: Rendered, tmp_path: Path) -> None:
    assert started(project_for(locked, "gitlab"), tmp_path, TEMPLATE_UPDATE="yes", **SWITCH) == {
        "update",
        "check update",
        "propose",
    }


# ------------------------------------------------------------------------------------------------- jobs of the owner's


def test_gitlab_reads_the_owner_s_file_if_it_is_there(rendered: Rendered, tmp_path: Path) -> None:
    project = shutil.copytree(project_for(rendered, "gitlab"), tmp_path / "project")
    edits.override_what_deploys(project)
    (tmp_path / "runs").mkdir()
    assert started(project, tmp_path / "runs") == STARTED["gitlab"] | {WITHOUT["gitlab"], "ours too"}
    run = GitLab(origin(project, tmp_path), Here(tmp_path))
    expanded = run.local(PATH, "--preview")[1]
    jobs = yaml.safe_load(expanded[expanded.index("---") :])
    assert jobs["check"]["tags"] == ["ours"]  # beside what the template's file says of that job
    assert any("mypy" in line for line in jobs["check"]["script"])
    assert jobs["build"]["before_script"] == ["echo ready"]


def test_a_job_at_the_end_of_github_s_checks_is_one_that_a_deployment_waits_for(
    rendered: Rendered, tmp_path: Path
) -> None:
    project = shutil.copytree(project_for(rendered, "github"), tmp_path / "project")
    job = "\n  ours:\n    name: Ours\n    runs-on: ubuntu-24.04\n    steps:\n      - run: exit 1"
    edits.insert(project / ".github/workflows/ci.yml", job)
    jobs = GitHub(origin(project, tmp_path), Here(tmp_path), variables=SWITCH).walk(
        lambda name, *_: Ran("failure" if name == "ours" else "success")
    )
    assert jobs["deploy/check/ours"].outcome == "failure"
    assert jobs["deploy/deploy"].outcome == "skipped"


CONDITIONS = [
    ("github", "if: vars.PUBLIC_URL != ''\n    needs: check", "needs: check"),
    ("github", "if: vars.PUBLIC_URL == ''\n    needs: check", "needs: check"),
    ("github", "if: vars.PUBLIC_URL != ''", "if: vars.PUBLIC_UR != ''"),
    ("github", "if: vars.PUBLIC_URL != ''", "if: secrets.PUBLIC_URL != ''"),
    ("github", "if: vars.PUBLIC_URL != ''", "if: env.PUBLIC_URL != ''"),
    ("github", "if: vars.PUBLIC_URL != ''", "if: vars.PUBLIC_URL"),
    ("github", "    permissions: {}\n    steps:", "    environment: production\n    permissions: {}\n    steps:"),
    ("github", "uses: ./.github", "uses: $/.github"),
    ("gitlab", " && $PUBLIC_URL", ""),
    ("gitlab", " && $PUBLIC_URL", " && $PUBLIC_UR"),
    ("gitlab", "    - if: $PUBLIC_URL\n      when: never\n", ""),
    ("gitlab", "set. See docs", "set: see docs"),
]


@pytest.mark.parametrize(("ci", "right", "wrong"), CONDITIONS, ids=range(len(CONDITIONS)))
def test_a_wrong_condition_is_found(locked: Rendered, tmp_path: Path, ci: str, right: str, wrong: str) -> None:
    project = shutil.copytree(project_for(locked, ci), tmp_path / "project")
    file = project / DEPLOY[ci]
    text = file.read_text()
    assert right in text
    file.write_text(text.replace(right, wrong, 1))
    (tmp_path / "runs").mkdir()
    with pytest.raises((AssertionError, ValueError)):
        assert_deploys_once_it_is_set_up(project, tmp_path / "runs", ci)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("vars.A == 'x'", True),
        ("vars.A == 'X'", True),  # GitHub compares texts without case
        ("vars.A != 'x'", False),
        ("vars.B == ''", True),
        ("vars.A == 'x' && github.event_name == 'push'", True),
        ("vars.A == 'x' && github.event_name == 'pull_request'", False),
    ],
)
def test_conditions_are_read_as_github_reads_them(condition: str, expected: bool) -> None:
    assert holds(condition, "job", {"vars": {"A": "x"}, "github": {"event_name": "push"}}) == expected


@every_connector
def test_what_its_owner_sets_for_deployments_fails_no_check(installed: Installed, locks: str) -> None:
    """GitLab gives a project's variables to every job, so also to the one that runs the tests."""
    project, environment = installed({**CONNECTORS[locks], "ci": "gitlab"})
    named = {
        name
        for file in (".gitlab/deploy.yml", ".env.example")
        for name in re.findall(r"\b[A-Z][A-Z_]{3,}\b", (project / file).read_text())
    }
    assert {"PUBLIC_URL", "SMOKE_HEADERS", "LOG_LEVEL"} <= named
    given = {**dict.fromkeys(named, "x"), "SMOKE_HEADERS": "X-API-Key: of-the-one-that-is-deployed"}
    done = rendering.run(project, {**given, **environment}, "pytest", "-q", "-p", "no:cacheprovider")
    assert done.returncode == 0, done.stdout


# ------------------------------------------------------------------------------------------ the lock, on every Python

# The lowest, the one that the pipelines pin, one between, and the newest that `requires-python` lets in.
PYTHONS = ["3.11", "3.12", "3.13", "3.15"]
# What uv asks of an interpreter, answered by the one below this environment with another version.
SAYS = """#!{python}
import json, subprocess, sys
about = json.loads(subprocess.run([sys.executable, *sys.argv[1:]], capture_output=True, check=True).stdout)
about["markers"] |= dict.fromkeys(("python_full_version", "implementation_version"), {version!r} + ".0")
about["markers"]["python_version"] = {version!r}
print(json.dumps(about))
"""


def where_python_is(version: str, script: str, project: Path, folder: Path, locks: str = "base") -> tuple[int, str]:
    """The status and the output of a script in a project, where the only Python says that it is this version."""
    programs = folder / "programs"
    programs.mkdir(exist_ok=True)
    pins.program(programs, locks)
    (programs / "python3").write_text(SAYS.format(python=Path(sys.executable).resolve(), version=version))
    (programs / "python3").chmod(0o755)
    environment = {"PATH": str(programs), "HOME": str(folder), "UV_PYTHON_DOWNLOADS": "never"}
    return Here(folder).run(["/bin/sh", "-ec", script], project, environment)


@every_connector
@pytest.mark.parametrize("version", PYTHONS)
def test_the_lock_of_a_connector_is_the_same_on_every_python(
    locked: Rendered, tmp_path: Path, version: str, locks: str
) -> None:
    """Checked as the pipelines check it, and made from nothing."""
    project = shutil.copytree(project_for(locked, "github", locks=locks), tmp_path / "project")
    before = (project / "uv.lock").read_bytes()
    for script in ("uv lock --check", "uv lock"):
        status, said = where_python_is(version, script, project, tmp_path, locks)
        assert status == 0, said
        assert (project / "uv.lock").read_bytes() == before
        (project / "uv.lock").unlink()


@pytest.mark.parametrize("version", PYTHONS)
def test_the_lock_of_this_repository_is_the_same_on_every_python(tmp_path: Path, version: str) -> None:
    project = tmp_path / "project"
    project.mkdir()
    for name in ("pyproject.toml", "requirements.lock"):
        shutil.copy(rendering.ROOT / name, project)
    script = "uv pip compile -q pyproject.toml --extra dev -o requirements.lock"
    status, said = where_python_is(version, script, project, tmp_path)
    assert status == 0, said
    assert (project / "requirements.lock").read_bytes() == (rendering.ROOT / "requirements.lock").read_bytes()


def test_the_lowest_python_is_the_one_of_requires_python() -> None:
    settings = tomllib.loads((rendering.ROOT / "pyproject.toml").read_text())
    lowest = settings["tool"]["uv"]["pip"]["python-version"]
    assert settings["project"]["requires-python"] == f">={lowest}"
    assert f"--python-version={lowest}" in UNIVERSAL


def test_one_uv_makes_and_installs_every_lock(rendered: Rendered) -> None:
    """This repository's, the tests', and that of the image and the pipelines."""
    [own] = re.findall(r"^UV_VERSION = (.+)$", (rendering.ROOT / "Makefile").read_text(), re.MULTILINE)
    [theirs] = re.findall(r"^uv==(\S+)", (project_for(rendered, "none") / "uv.txt").read_text(), re.MULTILINE)
    assert own == theirs
    for name in CONNECTORS:
        assert f"uv=={own}" in pins.pins(name)
