"""What hooks/fleet.py shows of connectors: current, behind, drifted, broken, and not ours."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from mcp_connector import fleet, renders

from ..conftest import TAG, once
from ..lib import releasing, rendering
from ..lib.releasing import GIVEN, LATER, NEXT, URL, record, start
from ..lib.updating import COMMITS

pytestmark = pytest.mark.updates

HOOK = rendering.ROOT / "hooks/fleet.py"


def show(*options: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([sys.executable, HOOK, *options], cwd=cwd, capture_output=True, text=True)
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture(scope="module", autouse=True)
def repository(template: Path, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with releasing.available(template, shared, tmp_path_factory.mktemp("cache")) as repository:
        yield repository


@pytest.fixture
def checkouts(shared: Path, tmp_path: Path) -> Path:
    """A folder with a connector that is behind, one that is current, and a project of another template."""

    def make(folder: Path) -> None:
        start(folder / "crm")
        start(folder / "team/stock", "--data=ci=github", version=LATER)
        other = folder / "website"
        other.mkdir()
        (other / ".copier-answers.yml").write_text("_src_path: gh:acme/site\nproject_name: Site\nmenu:\n  a: b\n")

    folder = shared / "checkouts"
    return shutil.copytree(once(folder, lambda: make(folder)), tmp_path / "checkouts")


def only(checkouts: Path, name: str) -> Path:
    """One checkout alone, since each costs a render."""
    for folder in checkouts.iterdir():
        if folder.name != name:
            shutil.rmtree(folder)
    return checkouts


def test_a_folder_of_checkouts(checkouts: Path) -> None:
    done = show(checkouts)
    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout.splitlines() == [
        f"{URL}: newest {LATER}; 2 connectors, 1 behind",
        "",
        "CONNECTOR   VERSION    STANDING  DRIFT  AUTH  HOSTING  SOURCE  CI",
        f"crm         {TAG}  2 behind  none   none  compose  blank   none",
        f"team/stock  {LATER}  current   none   none  compose  blank   github",
        "",
        "1 answers file of other templates is left out.",
    ]


def test_drift_is_what_the_template_owns(checkouts: Path) -> None:
    project = only(checkouts, "crm") / "crm"
    (project / "Dockerfile").write_text("FROM scratch\n")
    (project / "docs/deploy.md").unlink()
    # An owner's work: none of this is drift.
    (project / "src/acme_crm/tools/text.py").write_text("OURS = True\n")
    shutil.rmtree(project / "tests/test_tools.py", ignore_errors=True)
    (project / "tests/test_tools.py").unlink()
    (project / "NOTES.md").write_text("Ours.\n")
    for name, line in {"pyproject.toml": "# ours", ".env.example": "OURS=1", ".gitignore": "ours/"}.items():
        (project / name).write_text(f"{(project / name).read_text()}\n{line}\n")
    (project / "requirements.lock").write_text("ours==1\n")
    (project / "compose.yaml").write_bytes((project / "compose.yaml").read_bytes().replace(b"\n", b"\r\n"))

    done = show("--format=json", project)
    assert (done.stderr, done.returncode) == ("", 0)
    [template] = json.loads(done.stdout)["templates"]
    [connector] = template["connectors"]
    assert connector["drift"] == [
        {"file": "Dockerfile", "state": "changed"},
        {"file": "docs/deploy.md", "state": "missing"},
    ]
    (project / "README.md").write_text("Ours alone.\n")
    (project / "docs/update.md").write_text("Ours alone.\n")
    assert show(project).stdout.splitlines()[-5:] == [
        "",
        "Drift:",
        "  crm: changed Dockerfile",
        "  crm: missing docs/deploy.md",
        "  crm: changed docs/update.md",
    ]


def test_seeds_are_what_copier_leaves_to_the_owner(repository: Path) -> None:
    skipped = yaml.safe_load((repository / "copier.yml").read_text())["_skip_if_exists"]
    assert renders.seeds(repository, TAG) == skipped


def test_seeds_of_the_first_releases_are_what_updates_exclude() -> None:
    assert renders.seeds(rendering.ROOT, COMMITS["v0.1.0"]) == [
        "src/*/tools",
        "src/*/upstream.py",
        "src/*/stand_in.py",
        "tests/test_tools.py",
    ]


def test_json_has_every_answer_and_no_credential(checkouts: Path) -> None:
    record(checkouts / "crm", _src_path=f"https://ada:SECRET@{URL.removeprefix('https://')}")
    done = show("--no-drift", "--format=json", checkouts)
    assert done.returncode == 1
    told = json.loads(done.stdout)
    [template] = told["templates"]
    assert [template[key] for key in ("source", "newest", "newest_of")] == [URL, LATER, "releases"]
    crm, stock = template["connectors"]
    identity = {"package_name": "acme_crm", "image_name": "acme-crm", "command_name": "connector"}
    described = {"project_name": "Acme CRM", "project_description": "Acme CRM for AI agents, over MCP."}
    assert crm == {
        "name": "crm",
        "answers_file": str(checkouts / "crm/.copier-answers.yml"),
        "version": TAG,
        "behind": 2,
        "answers": {**GIVEN, "observability": "none", **identity, **described},
        "drift": None,
    }
    assert stock["behind"] == 0
    assert told["left_out"] == 1
    [problem] = told["problems"]
    file = checkouts / "crm/.copier-answers.yml"
    assert problem == f"{file}: _src_path holds a password or token; revoke it and write {URL} there."
    assert done.stderr == f"fleet: {problem}\n"
    assert "SECRET" not in done.stdout + done.stderr


def test_answers_files_without_their_checkouts(checkouts: Path, tmp_path: Path) -> None:
    files = [tmp_path / "crm.yml", tmp_path / "stock.yml"]
    shutil.copy(checkouts / "crm/.copier-answers.yml", files[0])
    shutil.copy(checkouts / "team/stock/.copier-answers.yml", files[1])
    done = show("crm.yml", "stock.yml", cwd=tmp_path)
    assert (done.stderr, done.returncode) == ("", 0)
    assert [re.split(r"  +", line)[:4] for line in done.stdout.splitlines()[3:5]] == [
        ["crm.yml", TAG, "2 behind", "unknown"],
        ["stock.yml", LATER, "current", "unknown"],
    ]


def test_a_pipeline_can_fail_when_somebody_is_behind(checkouts: Path) -> None:
    assert show("--no-drift", "--fail-behind", checkouts).returncode == 1
    assert show("--no-drift", "--fail-behind", checkouts / "team").returncode == 0


def test_each_bad_file_is_said_and_the_rest_is_shown(checkouts: Path, tmp_path: Path) -> None:
    bad = {
        "conflict": (
            "project_name: A\n<<<<<<< before\nauth_mode: none\nhosting: fly\n",
            "line 2 is a conflict marker.",
        ),
        "nested": ("project_name:\n  a: b\nauth_mode: none\nhosting: fly\n", None),
        "source": (
            "_commit: v1.0\nproject_name: A\nauth_mode: none\nhosting: fly\n",
            "it has no _src_path, so no update can start.",
        ),
        "version": (
            f"_src_path: {URL}\nproject_name: A\nauth_mode: none\nhosting: fly\n",
            "it has no _commit, so no update can start; the copy was not of a release.",
        ),
        "dirty": (
            f"_commit: v1-2-gabc\n_src_path: {URL}\nproject_name: A\nauth_mode: none\nhosting: fly\n",
            "_commit is v1-2-gabc, which is not a release; update it to one.",
        ),
    }
    folder = tmp_path / "bad"
    for name, (text, _) in bad.items():
        (folder / name).mkdir(parents=True)
        (folder / name / ".copier-answers.yml").write_text(text)
    (folder / "bytes").mkdir()
    (folder / "bytes/.copier-answers.yml").write_bytes(b"a: \xff\n")
    empty = tmp_path / "empty"
    empty.mkdir()
    nothing = tmp_path / "nothing.yml"

    done = show("--no-drift", checkouts, folder, empty, nothing)
    assert done.returncode == 1
    said = done.stderr.splitlines()
    for name, (_, sentence) in bad.items():
        sentence = sentence or "the value of project_name in line 1 is not of a form that Copier writes."
        assert f"fleet: {folder / name / '.copier-answers.yml'}: {sentence}" in said
    assert f"fleet: {folder / 'bytes/.copier-answers.yml'}: it is not UTF-8 text." in said
    assert f"fleet: {empty}: no answers file is there, nor in the 4 levels of folders below." in said
    assert f"fleet: {nothing}: it cannot be read (No such file or directory)." in said
    assert re.search(r"fleet: no source: its releases cannot be listed \(.+\); versions are compared with", done.stderr)
    assert len(said) == len(bad) + 4
    assert "crm " in done.stdout
    assert "team/stock " in done.stdout


def test_a_template_out_of_reach(checkouts: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_CONFIG_VALUE_0", "https://elsewhere.example.com/")
        patch.setenv("GIT_CONFIG_COUNT", "2")
        patch.setenv("GIT_CONFIG_KEY_1", "url./nowhere/.insteadOf")
        patch.setenv("GIT_CONFIG_VALUE_1", "https://git.example.com/")
        done = show(checkouts)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"fleet: {URL}: its releases cannot be listed (")
    assert "versions are compared with the newest of these connectors." in done.stderr
    assert f"newest {LATER} among these; 2 connectors, 1 behind" in done.stdout
    assert "1 behind  unknown" in done.stdout


def test_a_template_is_taken_from_where_it_was_named(checkouts: Path, repository: Path) -> None:
    done = show("--no-drift", "--template", repository.name, checkouts, cwd=repository.parent)
    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout.startswith(f"{repository}: newest {LATER}; 2 connectors, 1 behind\n")


def test_what_cannot_be_looked_into_is_said(checkouts: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (checkouts / "linked").symlink_to(checkouts / "crm")
    scandir = os.scandir

    def refused(folder: str) -> object:
        if str(folder).endswith("team"):
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refused)
    connectors, _, problems = fleet.find([checkouts, tmp_path / ("x" * 300)], 4)
    assert [connector.name for connector in connectors] == ["crm"]
    assert problems == [
        f"{checkouts / 'linked'}: it is a link, which is not followed; name it as a path.",
        f"{checkouts / 'team'}: it cannot be read (Permission denied).",
        f"{tmp_path / ('x' * 300)}: it cannot be read (File name too long).",
    ]


def test_another_source_of_the_template(checkouts: Path, repository: Path) -> None:
    record(checkouts / "crm", _src_path="/nowhere")
    done = show("--no-drift", f"--template={repository}", checkouts)
    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout.startswith(f"{repository}: newest {LATER}; 2 connectors, 1 behind\n")


def test_a_version_that_the_template_does_not_have(checkouts: Path) -> None:
    project = only(checkouts, "crm") / "crm"
    record(project, _commit="v3.0.0")
    done = show(project)
    assert done.returncode == 1
    file = project / ".copier-answers.yml"
    assert done.stderr == f"fleet: {file}: the template has no v3.0.0, so drift is unknown.\n"


def test_without_copier(checkouts: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/git").symlink_to(str(shutil.which("git")))
    python = shutil.which("python3", path="/usr/local/bin:/usr/bin")
    assert python
    if "copier" in {path.name for path in Path(python).resolve().parent.iterdir()}:
        pytest.skip("the system's Python has copier")
    command: list[str | Path] = [str(Path(python).resolve()), HOOK, checkouts]
    done = subprocess.run(
        command, env={"PATH": str(tmp_path / "bin"), **git_settings()}, capture_output=True, text=True
    )
    sentence = "drift is unknown, because copier is not installed; install it, or choose --no-drift."
    assert (done.stderr, done.returncode) == (f"fleet: {sentence}\n", 1)
    assert "2 behind  unknown" in done.stdout


def git_settings() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("GIT_CONFIG")}


class Page(HTMLParser):
    """What a page loads, and the tags that it leaves open."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.loads += [value or "" for name, value in attributes if name in ("src", "href") or name.startswith("on")]
        if tag == "script":
            self.loads.append(tag)
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_stands_alone_and_escapes_what_it_shows(checkouts: Path, tmp_path: Path) -> None:
    record(checkouts / "crm", project_description="<script>alert(1)</script> $summary", hosting='"><b>')
    done = show("--no-drift", "--format=html", f"--output={tmp_path / 'page.html'}", checkouts)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
    text = (tmp_path / "page.html").read_text()
    page = Page()
    page.feed(text)
    assert (page.loads, page.open) == ([], [])
    assert "&lt;script&gt;alert(1)&lt;/script&gt; $summary" in text
    assert "&quot;&gt;&lt;b&gt;" in text
    assert '<html lang="en">' in text
    assert "<p>2 connectors, 1 behind, drift not known. 1 answers file of other templates is left out.</p>" in text
    assert "2 behind</span>" in text


def test_the_page_counts_drift_where_it_is_known() -> None:
    def page(*drifts: list[tuple[str, str]] | None) -> str:
        found = [fleet.Connector("crm", Path("x"), True, {}, drift=drift) for drift in drifts]
        return fleet.as_html(fleet.Fleet([fleet.Group("x", found)]))

    changed = [("Dockerfile", "changed")]
    assert "<p>2 connectors, 0 behind, 1 with drift.</p>" in page(changed, [])
    assert "<p>2 connectors, 0 behind, 1 with drift, 1 with drift not known.</p>" in page(changed, None)
    assert "<p>1 connector, 0 behind, drift not known.</p>" in page(None)


def test_the_same_as_markdown_with_each_file_and_no_name_more_than_code(checkouts: Path) -> None:
    record(checkouts / "crm", hosting="a|b @everyone", ci="[x](https://evil)")
    lines = show("--no-drift", "--format=markdown", checkouts).stdout.splitlines()
    assert lines == [
        f"### `{URL}`",
        "",
        f"newest {LATER}; 2 connectors, 1 behind.",
        "",
        "| Connector | Version | Standing | Drift | Auth | Hosting | Source | CI |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        f"| `crm` | `{TAG}` | `2 behind` | `unknown` | `none` | `a\\|b @everyone` | `blank` | `[x](https://evil)` |",
        f"| `team/stock` | `{LATER}` | `current` | `unknown` | `none` | `compose` | `blank` | `github` |",
        "",
        "1 answers file of other templates is left out.",
    ]
    drift = [(f"docs/{number}.md", "missing") for number in range(9)]
    group = fleet.Group("x", [fleet.Connector("crm", Path("x"), True, {}, drift=drift)])
    said = fleet.as_markdown(fleet.Fleet([group], problems=["`a`: @b."]))
    assert [line for line in said.splitlines() if line.startswith("- ")] == [
        *(f"- `crm`: missing `docs/{number}.md`" for number in range(9)),
        "- `` `a`: @b. ``",
    ]


def test_the_format_has_the_name_that_it_had(checkouts: Path) -> None:
    shown = [show("--no-drift", f"--format={name}", checkouts).stdout for name in ("text", "table")]
    assert shown[0] == shown[1] == show("--no-drift", checkouts).stdout


def test_a_place_that_cannot_be_written(checkouts: Path, tmp_path: Path) -> None:
    done = show("--no-drift", f"--output={tmp_path / 'none/page.html'}", checkouts)
    assert done.returncode == 2
    assert f"{tmp_path / 'none/page.html'} cannot be written (No such file or directory)" in done.stderr


def test_releases_between_are_counted_and_prereleases_on_request(checkouts: Path, tmp_path: Path) -> None:
    repository = tmp_path / "template"
    rendering.git("init", "-q", str(repository), cwd=tmp_path)
    rendering.git("commit", "-q", "--allow-empty", "-m", "start", cwd=repository)
    for tag in (TAG, NEXT, "v1000.10.0", "v1001.0.0rc1", "nightly", "v1000.10.0-5-gabcdef"):
        rendering.git("tag", tag, cwd=repository)
    options: list[str | Path] = ["--no-drift", f"--template={repository}", checkouts / "crm"]
    assert "newest v1000.10.0; 1 connector, 1 behind" in show(*options).stdout
    assert "2 behind" in show(*options).stdout
    assert "newest v1001.0.0rc1;" in show("--prereleases", *options).stdout
    assert "3 behind" in show("--prereleases", *options).stdout


def test_a_template_that_was_published_without_its_tags(checkouts: Path, tmp_path: Path) -> None:
    repository = tmp_path / "template"
    rendering.git("init", "-q", str(repository), cwd=tmp_path)
    rendering.git("commit", "-q", "--allow-empty", "-m", "start", cwd=repository)
    rendering.git("tag", "nightly", cwd=repository)
    options: list[str | Path] = ["--no-drift", f"--template={repository}", checkouts / "crm"]
    done = show(*options)
    assert done.returncode == 1
    assert done.stderr.startswith(f"fleet: {str(repository)[:60]}")  # a long path is shortened
    assert done.stderr.endswith(
        ": it has no release tags, so nobody can tell who is behind; whoever publishes it must run "
        "there: make tags && git push --tags\n"
    )
    assert len(done.stderr.splitlines()) == 1
    rendering.git("tag", "v1.0.0rc1", cwd=repository)
    assert show(*options).stderr == ""
