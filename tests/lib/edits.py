"""What owners naturally change in a connector, as data.

An edit goes where the project says, or where anybody would put it, in connectors of every release. It leaves a project
whose own tests pass.
"""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

from . import homes
from .rendering import interpreter

Edit = Callable[[Path], None]

TOOL = '''"""A tool of our own."""


def greet(name: str) -> str:
    """Greet someone."""
    return f"Hello, {name}!"
'''
REGISTERED = """    server.add_tool(
        greet, title="Greet", annotations=ToolAnnotations(read_only_hint=True, open_world_hint=False)
    )"""
TEST = """

async def test_someone_is_greeted(client: Client) -> None:
    result = await client.call_tool("greet", {"name": "Ada"})
    assert result.structured_content == {"result": "Hello, Ada!"}
"""
SETTING = '''
    greeting: str = "Hello"
    """What to say first."""'''
LOCKED = f"""tenacity==9.1.2 \\
    --hash=sha256:{"0" * 64}"""
STEP = {
    ".github/workflows/ci.yml": "      - name: Ours\n        run: echo ours",
    ".gitlab-ci.yml": "\nours:\n  image: python:3.13\n  script:\n    - echo ours",
}
# For each target, a variable of the owner's.
VARIABLE = {row["file"]: row["lines"] for row in (homes.expected(target)["variable"] for target in homes.targets())}
# How big it is, and where: file, what stands there, what owners write in each place.
SIZE = [
    (row["file"], row["old"], row["new"])
    for target in homes.targets()
    for row in homes.expected(target).get("sizes", [])
]


def package(project: Path) -> Path:
    [folder] = (project / "src").iterdir()
    return folder


def insert(file: Path, line: str, after: str = "") -> None:
    """Put a line after the last that begins so, with its indentation; at the end where none is named."""
    lines = file.read_text(encoding="utf-8").splitlines()
    places = [number for number, text in enumerate(lines, 1) if text.startswith(after)]
    assert places, f"{file.name} has no line {after}"
    file.write_text("\n".join([*lines[: places[-1]], line, *lines[places[-1] :], ""]), encoding="utf-8")


def room_in(file: Path) -> str:
    """The line that says where the owner's lines go; nothing in releases that had none."""
    found = re.search(
        r"^ *(#|//) (Settings|Routes) of your own go\b.*$", file.read_text(encoding="utf-8"), re.MULTILINE
    )
    return found[0] if found else ""


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text, f"{file.name} has no {old}"
    file.write_text(text.replace(old, new), encoding="utf-8")


# ------------------------------------------------------------------------------------------------------- the edits


def add_a_tool(project: Path) -> None:
    tools = package(project) / "tools"
    (tools / "greeting.py").write_text(TOOL, encoding="utf-8")
    replace(tools / "__init__.py", "\n\n\ndef register", "\nfrom .greeting import greet\n\n\ndef register")
    insert(tools / "__init__.py", REGISTERED)
    with (project / "tests/test_tools.py").open("a", encoding="utf-8") as tests:
        tests.write(TEST)


def rename_a_tool(project: Path) -> None:
    for file in [*(package(project) / "tools").glob("*.py"), project / "tests/test_tools.py"]:
        text = file.read_text(encoding="utf-8")
        file.write_text(re.sub(r"\b(count_words|search_records)\b", r"our_\1", text), encoding="utf-8")


def remove_an_example(project: Path) -> None:
    """A test of the examples, and of an API's client what is not needed."""
    tests = project / "tests/test_tools.py"
    examples = re.compile(r"\n\nasync def test_(an_empty_text|a_record_is_read).*?(?=\n\n\n)", re.DOTALL)
    text = examples.sub("", tests.read_text(encoding="utf-8"))
    tests.write_text(text, encoding="utf-8")


def reformat_a_file(project: Path) -> None:
    """Ours, with shorter lines; the template's own files are formatted already."""
    files = [*(package(project) / "tools").glob("*.py"), project / "tests/test_tools.py"]
    ruff = interpreter().with_name("ruff")
    subprocess.run([ruff, "format", "--quiet", "--no-cache", "--isolated", "--line-length=88", *files], check=True)
    subprocess.run(
        [ruff, "format", "--quiet", "--no-cache", "--line-length=120", project / "src", project / "tests"], check=True
    )


def add_a_dependency(project: Path) -> None:
    insert(project / "pyproject.toml", '    "tenacity>=9,<10",', after='    "uvicorn')
    own = project / "requirements-own.lock"
    if own.exists():  # up to 1.2.0
        insert(own, LOCKED)


def release_a_version(project: Path) -> None:
    replace(project / "pyproject.toml", 'version = "0.1.0"', 'version = "1.4.0"')


def add_a_setting(project: Path) -> None:
    insert(package(project) / "settings.py", SETTING, after=room_in(package(project) / "settings.py"))
    insert(project / ".env.example", "# GREETING=Hello")
    for file, line in VARIABLE.items():
        if (project / file).exists():
            insert(project / file, line, room_in(project / file) or "      LOG_LEVEL")


def resize_and_move(project: Path) -> None:
    for file, old, new in SIZE:
        if (project / file).exists():
            replace(project / file, old, new)


def add_a_route(project: Path) -> None:
    app, route = package(project) / "app.py", '            Route("/greeting", live),'
    insert(app, route, room_in(app) or '            Route("/health/ready"')


def add_a_step(project: Path) -> None:
    for file, step in STEP.items():
        if (project / file).exists():
            insert(project / file, step)


def say_more_in_the_readme(project: Path) -> None:
    insert(project / "README.md", "\n## Who to ask\n\nThe platform team.")
    insert(project / ".gitignore", "ours/")


EDITS: list[Edit] = [
    add_a_tool,
    rename_a_tool,
    remove_an_example,
    reformat_a_file,
    add_a_dependency,
    release_a_version,
    add_a_setting,
    resize_and_move,
    add_a_route,
    add_a_step,
    say_more_in_the_readme,
]


def edit(project: Path) -> None:
    """Every edit, one after the other."""
    for change in EDITS:
        change(project)
