"""What hooks/changelog.py takes from a changelog for the request of an update."""

import subprocess
import sys
from pathlib import Path

import pytest

from ..lib import rendering

HOOK = rendering.ROOT / "hooks/changelog.py"
CHANGELOG = """# Changelog

Each release says what to do.

## 1.2.0

Two lines
of an introduction.

**What is new**

- One thing,
  on two lines.
- Another. **By hand, on `fly`:** set `A`.

  ```sh
  # By hand: this is a command.

  fly secrets set A
  ```

**What to do by hand**

1. First
   - with a part,
     on two lines.

   And a paragraph.
2. Second.

| A | B |
|---|---|
| 1 | 2 |

**The rest**

Delete it if you update by hand.

## 1.1.0.post1

- Nothing to do.

## 1.1.0

**What to do by hand**

1. Older.

## 1.0.0

- Oldest.
"""


def news(folder: Path, old: str, new: str, text: str = CHANGELOG) -> str:
    file = folder / "CHANGELOG.md"
    file.write_text(text, encoding="utf-8")
    done = subprocess.run([sys.executable, HOOK, file, old, new], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_what_to_do_by_hand_comes_first_of_every_version_and_the_rest_follows(tmp_path: Path) -> None:
    assert (
        news(tmp_path, "v1.0.0", "v1.2.0")
        == """## What to do by hand

### 1.2.0

- Another. **By hand, on `fly`:** set `A`.

  ```sh
  # By hand: this is a command.

  fly secrets set A
  ```

1. First
   - with a part, on two lines.

   And a paragraph.
2. Second.

| A | B |
|---|---|
| 1 | 2 |

### 1.1.0

1. Older.

## What changes

### 1.2.0

Two lines of an introduction.

**What is new**

- One thing, on two lines.

**The rest**

Delete it if you update by hand.

### 1.1.0.post1

- Nothing to do.
"""
    )


TORN = """## 1.1.0

**A title, which says much** (`source=rest-api`; and
a remark)

- One.

**What to do by hand**

**Bold words** begin this paragraph, which
**goes on** in two more
lines.

**The rest**
- Two.
"""


def test_a_paragraph_that_begins_in_bold_is_whole(tmp_path: Path) -> None:
    assert (
        news(tmp_path, "v1.0.0", "v1.1.0", TORN)
        == """## What to do by hand

### 1.1.0

**Bold words** begin this paragraph, which **goes on** in two more lines.

## What changes

### 1.1.0

**A title, which says much** (`source=rest-api`; and a remark)

- One.

**The rest**

- Two.
"""
    )


@pytest.mark.parametrize(
    ("old", "new", "versions"),
    [
        ("v1.1.0", "v1.2.0", ["1.2.0", "1.1.0.post1"]),
        ("v1.1.0", "v1.1.0.post1", ["1.1.0.post1"]),
        ("1.0.0", "1.1.0", ["1.1.0"]),
        ("v0.9", "v1.1.0", ["1.1.0", "1.0.0"]),
        ("287ab37", "v1.1.0", ["1.1.0"]),  # a commit, of a template that had no tags
        ("v1.2.0", "v1.2.0", []),
        ("v1.2.0", "v1.3.0", []),
        ("v1.1.0", "287ab37", []),
    ],
)
def test_the_versions_after_the_old_one_up_to_the_new_one(
    tmp_path: Path, old: str, new: str, versions: list[str]
) -> None:
    said = news(tmp_path, old, new)
    found = {line.removeprefix("### ") for line in said.splitlines() if line.startswith("### ")}
    assert found == set(versions)
    assert (said == f"CHANGELOG.md of the template has no section about {new}.\n") == (not versions)


def test_where_nothing_is_to_be_done_by_hand_it_says_so(tmp_path: Path) -> None:
    assert news(tmp_path, "v1.1.0", "v1.1.0.post1").startswith("## What to do by hand\n\nNothing.\n\n## What changes\n")


@pytest.mark.parametrize("text", ["", "Nothing.\n", "## Unreleased\n\n- A.\n", "# 1.2.0\n", "##1.2.0\n"])
def test_a_file_without_such_a_section(tmp_path: Path, text: str) -> None:
    assert news(tmp_path, "v1.1.0", "v1.2.0", text) == "CHANGELOG.md of the template has no section about v1.2.0.\n"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, HOOK, tmp_path / "none", "v1", "v2"], capture_output=True, text=True)
    sentence = f"changelog: {tmp_path / 'none'} cannot be read (No such file or directory).\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", sentence)


def test_no_line_of_the_real_changelog_is_lost() -> None:
    file = rendering.ROOT / "CHANGELOG.md"
    done = subprocess.run([sys.executable, HOOK, file, "v0.0.1", "v999"], capture_output=True, text=True)
    said = " ".join(done.stdout.split())
    lines = file.read_text(encoding="utf-8").split("\n## ", 1)[1].splitlines()
    lines = [line.removeprefix("## ").strip() for line in lines]
    assert [line for line in lines if line not in said and line != "**What to do by hand**"] == []


def test_a_version_before_the_old_one_is_said(tmp_path: Path) -> None:
    assert (
        news(tmp_path, "v1.2.0", "v1.1.0") == "v1.1.0 comes before v1.2.0, so there is nothing to say of an update.\n"
    )
