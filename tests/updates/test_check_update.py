"""What hooks/check_update.py says after updates that went well, and after each kind that did not."""

import json
import os
import random
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from packaging.version import InvalidVersion, Version

from mcp_connector import recorded

from ..conftest import TAG, once
from ..lib import releasing, rendering
from ..lib.releasing import LATER, NEXT, URL, record, start, update
from ..lib.rendering import commit

pytestmark = pytest.mark.updates

HOOK = rendering.ROOT / "hooks/check_update.py"
Project = Callable[[str], Path]


def check(project: Path | str, *options: str, cwd: Path | None = None, render: bool = False) -> tuple[int, str]:
    """Exit status and what was printed, its lines joined: they are wrapped. A render costs seconds."""
    rendering = [] if render else ["--no-render"]
    command = [sys.executable, HOOK, *rendering, *options, project]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert "Traceback" not in done.stderr
    return done.returncode, re.sub(r"\n +", " ", done.stdout + done.stderr)


@pytest.fixture(scope="module", autouse=True)
def repository(template: Path, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with releasing.available(template, shared, tmp_path_factory.mktemp("cache")) as repository:
        yield repository


@pytest.fixture
def project(shared: Path, tmp_path: Path) -> Project:
    """Gives a copy of a project that was made by copier once for all tests."""

    def committed(target: Path) -> None:
        start(target)

    def edited(target: Path) -> None:
        shutil.copytree(get("committed"), target)
        readme = target / "docs/update.md"
        readme.write_text("# Ours\n" + readme.read_text().split("\n", 1)[1])
        with (target / "docs/deploy.md").open("a") as guide:
            guide.write("\nOur runbook.\n")
        commit(target, "Ours")

    def cut_off(target: Path) -> None:
        """Copier has written the new release, and not yet the owner's lines."""
        shutil.copytree(get("edited"), target)
        for name in (".copier-answers.yml", "docs/update.md", "docs/operate.md"):
            shutil.copy2(get("updated") / name, target / name)
        (target / "docs/deploy.md").unlink()

    def updated(base: str, *options: str, version: str = NEXT) -> Callable[[Path], None]:
        return lambda target: update(shutil.copytree(get(base), target), *options, version=version)

    makers = {
        "committed": committed,
        "edited": edited,
        "updated": updated("committed"),
        "conflict": updated("edited"),
        "rejected": updated("edited", "--conflict=rej"),
        "reset": updated("committed", version=LATER),
        "cut off": cut_off,
        "flipped": updated("committed", "-d", "hosting=fly", version=":current:"),
    }

    def get(name: str) -> Path:
        target = shared / "check_update" / name
        return once(target, lambda: makers[name](target))

    return lambda name: shutil.copytree(get(name), tmp_path / "acme-crm")


def test_an_update_that_went_well_fits_a_screen(project: Project) -> None:
    done = subprocess.run([sys.executable, HOOK], cwd=project("updated"), capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        f"acme-crm: {TAG} → {NEXT}, from {URL}",
        "",
        "Answers: none changed",
        "Files: 1 added, 2 changed, 1 deleted",
        "  added    docs/operate.md",
        "  changed  docs/update.md, src/acme_crm/core/release.py",
        "  deleted  docs/deploy.md",
        "",
        "Nothing is left for you to do.",
    ]


def test_the_same_as_json_for_a_program(project: Project) -> None:
    folder = project("flipped")
    status, said = check(folder, "--format=json")
    assert status == 1
    found = json.loads(said)
    assert found["project"] == "acme-crm"
    assert found["version"] == {"before": TAG, "after": TAG}
    assert found["source"] == {"before": URL, "after": URL}
    assert found["answers"]["changed"] == {"hosting": {"before": "compose", "after": "fly"}}
    assert "fly.toml" in found["files"]["added"]
    assert [sentence.split(":")[0] for sentence in found["left"]] == ["Answers changed"]
    status, said = check(folder, "--format=json", "--accept=hosting")
    assert (status, json.loads(said)["left"]) == (0, [])


def test_the_same_as_markdown_for_a_request(project: Project) -> None:
    status, said = check(project("updated"), "--format=markdown")
    assert status == 0
    assert said.split("\n\n") == [
        f"### `acme-crm`: `{TAG}` → `{NEXT}`",
        f"Template: `{URL}`",
        "**Answers**: none changed",
        "**Files**: 1 added, 2 changed, 1 deleted",
        "- added: `docs/operate.md`\n"
        "- changed: `docs/update.md`, `src/acme_crm/core/release.py`\n"
        "- deleted: `docs/deploy.md`",
        "Edits in these that you committed together with a copy or an update cannot be found.",
        "Nothing is left for you to do.\n",
    ]


HOSTILE = ["@everyone", "``` `a`", "[a](https://evil.example)", "<img src=x>", "#1 **b**", "a|b", "`"]


def test_no_name_is_more_than_code_in_markdown(project: Project) -> None:
    folder = project("committed")
    for name in HOSTILE:
        (folder / name.replace("/", "-")).write_text("<<<<<<< a\n=======\n>>>>>>> b\n")
    done = subprocess.run([sys.executable, HOOK, "--format=markdown", folder], capture_output=True, text=True)
    assert done.returncode == 1
    code = re.compile(r"(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)  # CommonMark 6.1, and fences alike
    outside = code.sub("", done.stdout)
    assert not any(sign in outside for sign in ("@", "evil", "<", "#1", "a|b", "`"))
    assert outside.count("**") == 4  # ours
    within = " ".join(found[0] for found in code.finditer(done.stdout))
    assert all(within.count(name.replace("/", "-")) >= 2 for name in HOSTILE)  # as a file, and in what to do


FORMATS = ("text", "markdown", "json")


@pytest.mark.parametrize(
    "source",
    [
        " https://me:s3cret@host/x.git",
        "\u200bhttps://me:s3cret@host/x.git",
        "<https://me:s3cret@host/x.git>",
        "url=https://s3cret@host/x.git",
        "ext::https://me:s3cret@host/x.git",
        "//me:s3cret@host/x.git",
        "https:/me:s3cret@host/x.git",
        "me:s3cret@host:x.git",
        "https://me:s3cret%40host/x.git",
        "https://host/me:s3cret@host/x.git",
        "https://host/x.git#s3cret",
        ["https://me:s3cret@host/x.git"],
    ],
    ids=str,
)
def test_no_format_shows_what_may_be_a_password(project: Project, source: str | list[str]) -> None:
    folder = project("updated")
    record(folder, _src_path=source)
    for form in FORMATS:
        status, said = check(folder, f"--format={form}")
        assert status == 1
        assert "s3cret" not in said
        assert "_src_path" in said


@pytest.mark.parametrize("source", ["https://host/@scope/x.git", "git@host:group/x.git", "ssh://git@host:22/x.git"])
def test_a_source_with_a_harmless_sign_is_shown(project: Project, source: str) -> None:
    folder = project("updated")
    record(folder, _src_path=source)
    assert source in check(folder)[1]


def test_one_fault_hides_no_other(project: Project) -> None:
    folder = project("edited")
    git = rendering.git
    (folder / "own.py").write_text("ours = 1\n")
    commit(folder, "Ours")
    git("rm", "-q", "own.py", cwd=folder)
    record(folder, _src_path="https://me:s3cret@host/x.git")
    said = check(folder)[1]
    assert "Deleted with your edits: own.py." in said
    assert "has a password or token in _src_path" in said


def test_a_command_to_paste_is_one_command_whatever_a_file_is_called(project: Project) -> None:
    folder = project("committed")
    name = "b $(touch pwned) 'c'.py"
    (folder / name).write_text("ours = 1\n")
    commit(folder, "Ours")
    rendering.git("rm", "-q", name, cwd=folder)
    said = check(folder)[1]
    assert f"git show {shlex.quote(f'HEAD:./{name}')} and" in said
    assert f"--accept {shlex.quote(name)}" in said


def test_an_answer_edited_by_hand_is_advised_whole_or_left_to_fill_in(project: Project) -> None:
    folder = project("committed")
    description = "Read and change the customers, orders, invoices and tickets of Acme."
    record(folder, project_description=description)
    assert f"-d {shlex.quote(f'project_description={description}')}" in check(folder)[1]


def test_names_are_whole_and_json_is_json(project: Project) -> None:
    folder = project("committed")
    names = [f"{'x' * 200}-{end}.md" for end in ("one", "two")] + ["\udcff.py", " padded "]
    for name in names:
        (folder / os.fsdecode(os.fsencode(name))).touch()
    status, said = check(folder, "--format=json")
    assert status == 0
    assert set(names) <= set(json.loads(said)["files"]["added"])
    assert all(name in check(folder, "--format=markdown")[1] for name in names[:2])
    assert "`  padded  `" in check(folder, "--format=markdown")[1]


@pytest.mark.parametrize("written", ['"\\UFFFFFFFF"', "1.0e+999"])
def test_what_copier_does_not_write_is_one_sentence(project: Project, written: str) -> None:
    folder = project("updated")
    with (folder / ".copier-answers.yml").open("a") as file:
        file.write(f"odd: {written}\n")
    status, said = check(folder)
    assert status == 1
    assert "the value of odd in line" in said


def test_a_version_of_many_digits_is_no_release(project: Project) -> None:
    folder = project("updated")
    record(folder, _commit="v" + "9" * 5000)
    assert check(folder)[0] == 1


@pytest.mark.parametrize("form", FORMATS)
def test_a_reader_that_goes_and_a_full_disk_change_no_verdict(project: Project, form: str) -> None:
    folder = project("updated")
    command = f"{sys.executable} {HOOK} --format={form} {folder}"
    shells = (f"set -o pipefail; {command} | true", f"{command} > /dev/full")
    gone, full = (subprocess.run(["bash", "-c", text], capture_output=True, text=True) for text in shells)
    assert (gone.returncode, gone.stderr) == (0, "")
    said = "check_update: standard output cannot be written (No space left on device)\n"
    assert (full.returncode, full.stderr) == (2, said)


def test_nothing_to_update(project: Project) -> None:
    status, said = check(project("committed"))
    assert status == 0
    assert said.startswith(f"acme-crm: {TAG}, as before, from {URL}\n\nAnswers: none changed\nFiles: none changed\n")


def test_a_conflict_until_it_is_resolved(project: Project) -> None:
    folder = project("conflict")
    status, said = check(folder, "--accept=docs/deploy.md")
    assert status == 1
    sentence = "In conflict: docs/update.md. Keep the right lines, remove the markers, then git add."
    assert said.endswith(f"1 thing is left for you to do: 1. {sentence}\n")

    rendering.git("add", "docs/update.md", cwd=folder)
    assert "1. Conflict markers: docs/update.md. Keep the right lines and remove the markers." in check(folder)[1]

    text = (folder / "docs/update.md").read_text()
    (folder / "docs/update.md").write_text(re.sub(r"<{7}.*?={7}\n(.*?)>{7}[^\n]*\n", r"\1", text, flags=re.DOTALL))
    assert check(folder, "--accept=docs/deploy.md")[0] == 1  # the template's side alone was kept
    assert check(folder, "--accept=docs/deploy.md", "--accept=docs/update.md")[0] == 0


def test_a_conflict_that_was_taken_away_but_not_added(project: Project) -> None:
    folder = project("conflict")
    (folder / "docs/update.md").write_text("# Ours\n")
    assert "1. Not merged in git's index: docs/update.md. Look at each, then git add." in check(folder)[1]


def test_markers_that_were_committed_by_a_bot(project: Project) -> None:
    folder = project("conflict")
    commit(folder, "Update")
    status, said = check(folder, "--since=HEAD~1")
    assert status == 1
    assert f"{TAG} → {NEXT}" in said
    assert "Conflict markers: docs/update.md." in said


def test_markers_that_were_there_before_are_the_owner_s(project: Project) -> None:
    folder = project("committed")
    guide = folder / "docs/git.md"
    guide.write_text("A conflict looks like this:\n\n<<<<<<< ours\none\n=======\ntwo\n>>>>>>> theirs\n")
    (folder / "docs/title.rst").write_text("Title\n=======\n\n>>>>>>> not a conflict\n")
    commit(folder, "Ours")
    guide.write_text(f"{guide.read_text()}\nMore.\n")
    (folder / "docs/title.rst").write_text("Titles\n=======\n\n>>>>>>> not a conflict\n")
    assert check(folder)[0] == 0


@pytest.mark.parametrize("ignored", [False, True], ids=["seen", "ignored"])
def test_rejected_hunks(project: Project, ignored: bool) -> None:
    folder = project("rejected")
    if ignored:
        (folder / ".git/info/exclude").write_text("*.rej\n")
    assert (
        "Rejected hunks: docs/deploy.md.rej, docs/update.md.rej. "
        "Put each into its file by hand, then delete the .rej file."
    ) in check(folder)[1]
    for rejected in folder.rglob("*.rej"):
        rejected.unlink()
    assert check(folder, "--accept=docs/deploy.md", "--accept=docs/update.md")[0] == 0


def test_edits_in_a_file_that_the_template_renamed(project: Project) -> None:
    folder = project("conflict")
    assert (
        "Deleted with your edits: docs/deploy.md. Read what is gone with git show HEAD:./docs/deploy.md and move what "
        "you need, then accept the rest: --accept docs/deploy.md\n"
    ) in check(folder)[1]
    assert "Our runbook." in rendering.git("show", "HEAD:./docs/deploy.md", cwd=folder)


def test_lines_that_an_update_did_not_bring_back_because_it_was_cut_off(project: Project) -> None:
    folder = project("cut off")
    status, said = check(folder, "--accept=docs/deploy.md")
    assert status == 1
    assert "1 thing is left for you to do: 1. Lines of yours are gone: docs/update.md; git diff shows them." in said
    assert check(folder, "--accept=docs/deploy.md", "--accept=docs/update.md")[0] == 0

    with (folder / "docs/update.md").open("a") as readme:
        readme.write("# Ours\n")
    assert check(folder, "--accept=docs/deploy.md")[0] == 0


def test_a_shallow_clone_cannot_tell_whose_edits_are_gone(project: Project) -> None:
    folder = project("conflict")
    (folder / ".git/shallow").write_text(rendering.git("rev-parse", "HEAD", cwd=folder) + "\n")
    said = check(folder)[1]
    assert "This clone is shallow, so edits of yours in the deleted files cannot be found." in said
    assert "1 thing is left for you to do: 1. In conflict: docs/update.md." in said


def test_an_answer_that_an_update_replaced(project: Project) -> None:
    folder = project("reset")
    status, said = check(folder)
    assert status == 1
    assert "Answers: 1 changed changed  ci: none → github\n" in said
    assert (
        "1. Answers changed: ci. An update replaces an answer that is no longer valid. If you asked for the change, "
        "accept it: --accept ci\n"
    ) in said
    assert check(folder, "--accept=ci")[0] == 0


def test_an_answer_that_was_changed_on_purpose(project: Project) -> None:
    status, said = check(project("flipped"), "--accept=hosting")
    assert status == 0
    assert f"{TAG}, as before" in said
    assert "changed  hosting: compose → fly" in said


RENAME = 'Undo the update, and follow "Rename the package" in the template\'s docs/updates.md.\n'


def test_a_package_that_its_owner_renamed_alone(project: Project) -> None:
    folder = project("committed")
    rendering.git("mv", "src/acme_crm", "src/acme_sales", cwd=folder)
    commit(folder, "Rename the package")
    sentence = "src/acme_crm is not in HEAD, although package_name is acme_crm: "
    sentence += f"what the release changed in it did not reach your files. {RENAME}"
    assert check(folder)[1].endswith(f"1. {sentence}")
    update(folder)
    status, said = check(folder, render=True)
    assert status == 1
    assert said.endswith(f"1 thing is left for you to do: 1. {sentence}")


def test_a_package_that_an_update_renamed(project: Project) -> None:
    folder = project("committed")
    update(folder, "-d", "package_name=acme_sales", version=":current:")
    for accepted in ([], ["--accept=package_name"]):  # what the owner wrote is in the old folder still
        status, said = check(folder, *accepted)
        assert status == 1
        sentence = "package_name changed from acme_crm to acme_sales, which moves none of your own files. "
        assert sentence + RENAME in said
    shutil.rmtree(folder / "src/acme_crm")
    assert check(folder, "--accept=package_name")[0] == 0


def test_a_package_that_is_gone(project: Project) -> None:
    folder = project("committed")
    (folder / "src/acme_crm").rename(folder / "src/acme_sales")
    assert f"src/acme_crm is gone, although package_name is acme_crm. {RENAME}" in check(folder)[1]


def test_answers_that_came_and_went(project: Project) -> None:
    folder = project("flipped")
    record(folder, source=None, region="a\x1b[31mb")
    said = check(folder)[1]
    assert "Answers: 1 changed, 1 added, 1 removed" in said
    assert "added    region: a [31mb" in said
    assert "removed  source: blank" in said


def test_an_answer_edited_by_hand(project: Project) -> None:
    folder = project("committed")
    record(folder, hosting="fly")
    assert (
        ".copier-answers.yml was edited by hand (hosting), and nothing was rendered for that. Undo that, commit, "
        "and run: copier update --defaults --vcs-ref=:current: -d hosting=fly\n"
    ) in check(folder)[1]


def test_an_answer_edited_by_hand_and_committed_before_the_update(project: Project) -> None:
    folder = project("committed")
    record(folder, hosting="fly")
    commit(folder, "Move to Fly")
    update(folder)
    edit = rendering.git("rev-parse", "--short=9", "HEAD", cwd=folder)
    status, said = check(folder)
    assert status == 1
    assert f".copier-answers.yml was edited by hand in {edit} (hosting), and nothing was rendered for that." in said


def test_an_answer_edited_by_hand_and_taken_back(project: Project) -> None:
    folder = project("committed")
    record(folder, hosting="fly")
    commit(folder, "Move to Fly")
    rendering.git("revert", "--no-edit", "HEAD", cwd=folder)
    update(folder, "-d", "hosting=fly", version=":current:")
    assert check(folder, "--accept=hosting")[0] == 0


def test_what_cannot_be_read_is_said_in_one_sentence(project: Project) -> None:
    folder = project("committed") / ("x" * 300)
    status, said = check(folder)
    assert (status, said.endswith("cannot be read (File name too long).\n")) == (2, True)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            "/home/ada/template",
            "has /home/ada/template as _src_path, which others cannot reach or Renovate cannot read:",
        ),
        ("../template", "has ../template as _src_path,"),
        ("gh:acme/template", "has gh:acme/template as _src_path,"),
        ("file:///srv/template.git", "has file:///srv/template.git as _src_path,"),
        (None, "has no _src_path, so no update can start: add the template's URL, https://….git"),
        (
            "https://oauth2:glpat-SECRET@git.example.com/acme/t.git",
            "has a password or token in _src_path: revoke it, write https://git.example.com/acme/t.git there, and let",
        ),
        ("https://SECRET@git.example.com/acme/t.git", "has a password or token in _src_path"),
        ("https://git.example.com/acme/t.git?private_token=SECRET", "has a password or token in _src_path"),
        ("https://ada:a/SECRET@git.example.com/acme/t.git", "has a password or token in _src_path"),
        ("https://ada:a@SECRET@git.example.com/acme/t.git", "has a password or token in _src_path"),
        ("https://[SECRET@git", "has a password or token in _src_path"),
    ],
)
def test_a_source_that_others_cannot_use(project: Project, source: str | None, said: str) -> None:
    folder = project("updated")
    record(folder, _src_path=source)
    status, output = check(folder)
    assert status == 1
    assert f"1 thing is left for you to do: 1. .copier-answers.yml {said}" in output
    assert "SECRET" not in output


@pytest.mark.parametrize(
    "source",
    [
        URL,
        "ssh://git@git.example.com/acme/t.git",
        "git+https://git.example.com/acme/t",
        "git@git.example.com:acme/t.git",
    ],
)
def test_a_source_that_others_can_use(project: Project, source: str) -> None:
    folder = project("updated")
    record(folder, _src_path=source)
    assert check(folder)[0] == 0


def test_a_version_that_vanishes(repository: Path, tmp_path: Path) -> None:
    """Copied from a working tree with changes, which Copier commits in a clone that it throws away."""
    template = shutil.copytree(repository, tmp_path / "template")
    (template / "LICENSE").write_text("Changed.\n")
    folder = tmp_path / "project"
    arguments = [
        "copy",
        "--quiet",
        "--defaults",
        "--vcs-ref=HEAD",
        *rendering.data({**releasing.GIVEN, "ci": "github"}),
    ]
    assert rendering.copier(*arguments, template, folder).returncode == 0
    record(folder, _src_path=URL)
    rendering.git("init", "-q", cwd=folder)
    commit(folder, "start")
    status, said = check(folder)
    assert status == 1
    assert re.search(
        rf"1\. \.copier-answers\.yml has {LATER}-1-g[0-9a-f]+ as _commit, which is not a release and can vanish: "
        r"update to a release, copier update --vcs-ref=vX\.Y\.Z\n",
        said,
    )


@pytest.mark.parametrize("commit", ["287ab37", "1234567", "f84256b0c1d2e3f405162738495a6b7c8d9e0f11"])
def test_a_version_of_a_template_without_tags(project: Project, commit: str) -> None:
    """What Copier records then: a bare commit, as git abbreviates it."""
    folder = project("updated")
    record(folder, _commit=commit)
    assert (
        f"1. .copier-answers.yml has {commit} as _commit, which is not a release, because the template had no tags: "
        "whoever publishes it must run there: make tags && git push --tags. Then update again.\n"
    ) in check(folder)[1]


def test_no_version(project: Project) -> None:
    folder = project("updated")
    record(folder, _commit=None)
    assert (
        ".copier-answers.yml has no _commit, so no update can start: the copy was not of a release. Copy a release "
        "over it and look at what differs.\n"
    ) in check(folder)[1]


def test_a_version_that_went_back(project: Project) -> None:
    folder = project("updated")
    record(folder, _commit="v999.0.0")
    assert f"The version went back, from {TAG} to v999.0.0.\n" in check(folder)[1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<<<<<<< before updating\nci: none\n", "line 1 is a conflict marker"),
        ("ci: none\nci: github\n", "line 2 gives ci a second time"),
        ("things:\n  a: b\n", "the value of things in line 1 is not of a form that Copier writes"),
        ("- a\n", "line 1 is not of the form that Copier writes, `name: value`"),
    ],
)
def test_an_answers_file_that_cannot_be_read(project: Project, text: str, said: str) -> None:
    folder = project("updated")
    (folder / ".copier-answers.yml").write_text(text)
    status, output = check(folder)
    assert status == 1
    assert f"1. .copier-answers.yml cannot be read: {said}. Restore what the update wrote.\n" in output


def test_an_answers_file_that_is_gone(project: Project) -> None:
    folder = project("updated")
    (folder / ".copier-answers.yml").unlink()
    sentence = (
        ".copier-answers.yml is gone, and no update can start without it: git checkout HEAD -- .copier-answers.yml"
    )
    assert sentence in check(folder)[1]


def test_a_project_in_a_folder_of_a_worktree(project: Project, tmp_path: Path) -> None:
    """Two projects of one repository: each is judged by itself, also while a hook of git runs."""
    mono = tmp_path / "mono"
    shutil.copytree(project("conflict"), mono / "one", ignore=shutil.ignore_patterns(".git"))
    shutil.copytree(tmp_path / "acme-crm", mono / "two", ignore=shutil.ignore_patterns(".git"))
    rendering.git("init", "-q", cwd=mono)
    for folder in ("one", "two"):
        (mono / folder / "docs/update.md").write_text("# Ours\n")
    commit(mono, "start")
    rendering.git("worktree", "add", "-q", str(tmp_path / "tree"), cwd=mono)
    (tmp_path / "tree/two/docs/update.md").write_text("<<<<<<< a\n=======\n>>>>>>> b\n")
    (tmp_path / "tree/one/.copier-answers.yml").rename(tmp_path / "tree/one/.copier-answers.crm.yml")
    commit(tmp_path / "tree", "Another name")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_DIR", str(rendering.ROOT / ".git"))
        assert check(tmp_path / "tree/one")[0] == 0
        assert check(tmp_path / "tree/two")[0] == 0
        status, said = check("two", "--since=HEAD~1", cwd=tmp_path / "tree")
    assert status == 1
    assert said.startswith(f"two: {NEXT}, as before")
    assert "Files: 1 changed changed  docs/update.md\n" in said
    assert "1. Conflict markers: docs/update.md." in said


def test_of_several_answers_files_the_one_that_changed(project: Project) -> None:
    folder = project("committed")
    shutil.copy(folder / ".copier-answers.yml", folder / ".copier-answers.other.yml")
    commit(folder, "Another template")
    both = ".copier-answers.other.yml or .copier-answers.yml"
    status, said = check(folder)
    assert (status, said) == (
        2,
        f"check_update: {folder} has several answers files: choose one with --answers-file, {both}.\n",
    )
    assert check(folder, "--answers-file=.copier-answers.yml")[0] == 0
    record(folder, _commit=NEXT)
    assert f"{TAG} → {NEXT}" in check(folder)[1]


def test_where_there_is_nothing_to_check(project: Project, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    assert check(tmp_path / "none") == (2, f"check_update: {tmp_path / 'none'} is not a folder.\n")
    assert check(plain)[0] == 2
    assert "not a git repository" in check(plain)[1]
    rendering.git("init", "-q", cwd=plain)
    sentence = f"check_update: {plain} has no commit HEAD: commit the project, or fetch that commit.\n"
    assert check(plain) == (2, sentence)
    rendering.git("commit", "-q", "--allow-empty", "-m", "start", cwd=plain)
    sentence = f"check_update: {plain} has no .copier-answers.yml: name the folder of a project that Copier made.\n"
    assert check(plain) == (2, sentence)
    assert check(project("committed"), "--since=v9")[0] == 2
    (plain / ".copier-answers.yml").write_text("ci: none\n")
    sentence = ".copier-answers.yml is not in the commit HEAD: commit the project before the update."
    assert check(plain) == (2, f"check_update: {sentence}\n")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("docs/update.md", "docs/update.md is not an answers file: name the one that Copier wrote."),
        ("pyproject.toml", "pyproject.toml is not an answers file: name the one that Copier wrote."),
        ("none.yml", "{folder} has no none.yml: name its answers file, such as .copier-answers.yml."),
    ],
)
def test_a_file_that_holds_no_answers_is_refused(project: Project, name: str, said: str) -> None:
    folder = project("committed")
    assert check(folder, f"--answers-file={name}") == (2, f"check_update: {said.format(folder=folder)}\n")


def test_every_file_and_answer_of_a_great_update_is_named(project: Project) -> None:
    folder = project("conflict")
    files = [f"docs/a rather long name of a file {number}.md" for number in range(60)]
    for name in files:
        (folder / name).write_text("<<<<<<< a\n=======\n>>>>>>> b\n")
    record(folder, **{f"question_{number}": "x" * 200 for number in range(30)})
    record(folder, _src_path="gh:acme/template", _commit="v1-2-gabcdef")
    done = subprocess.run([sys.executable, HOOK, folder], capture_output=True, text=True)
    assert max(map(len, done.stdout.splitlines())) <= 120
    said = re.sub(r"\s+", " ", done.stdout)
    assert all(said.count(f" {name}") == 2 for name in files)  # as added, and as in conflict
    assert all(f"question_{number}: xxx" in said for number in range(30))


def test_every_change_to_accept_is_named(project: Project) -> None:
    folder = project("flipped")
    record(folder, auth_mode="oauth", source="rest-api", project_name="Bolt", project_description="Bolts", ci="github")
    [sentence] = [line for line in check(folder)[1].splitlines() if "Answers changed" in line]
    assert sentence.count("--accept") == 6


def test_answers_files_are_read_as_yaml_reads_them() -> None:
    chance = random.Random(20)
    pieces = [
        "Acme",
        "CRM,",
        "don't",
        "a: b",
        "#x",
        '"q"',
        "-",
        "\n",
        "\n\n",
        "  ",
        "yes",
        "null",
        "1.5",
        "é",
        "\\",
        "😀",
    ]

    def value(depth: int = 0) -> object:
        kind = chance.randrange(10)
        if kind == 0 and not depth:
            return [value(1) for _ in range(chance.randrange(4))]
        if kind == 1:
            return chance.choice([True, False, None, 5, -3, 1.5])
        joint = chance.choice(["", " "])
        return joint.join(chance.choice(pieces) for _ in range(chance.randrange(60)))

    for _ in range(1000):
        given = {name: value() for name in ("one", "two", "three")}
        for indent in (2, 4):
            text = yaml.dump(given, indent=indent, allow_unicode=True, default_flow_style=False)
            assert recorded.answers(text) == given, text


def test_versions_are_sorted_as_copier_sorts_them() -> None:
    chance = random.Random(20)
    pieces = [
        "v",
        "1",
        "0",
        ".",
        "1.0",
        "2",
        "a1",
        "b",
        "rc2",
        "-1",
        ".post2",
        ".dev3",
        "dev",
        "1!",
        "c1",
        "alpha",
        "-gab",
    ]
    tags = {"".join(chance.choice(pieces) for _ in range(chance.randrange(1, 6))) for _ in range(5000)}
    versions = {}
    for tag in tags:
        try:
            versions[tag] = Version(tag)
        except InvalidVersion:
            assert recorded.order(tag) is None
    keys = {tag: key for tag in versions if (key := recorded.order(tag))}
    assert keys.keys() == versions.keys()
    assert all(recorded.prerelease(tag) == versions[tag].is_prerelease for tag in versions)
    for _ in range(5000):
        one, other = chance.sample(sorted(versions), 2)
        assert (keys[one] < keys[other]) == (versions[one] < versions[other])
    assert recorded.order("1234567") is None
