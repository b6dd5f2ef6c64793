"""What a render contains: texts as they were given, the same bytes each time, and nothing that no answer uses."""

import ast
import importlib.metadata
import itertools
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from ..conftest import once
from ..lib import rendering
from ..lib.rendering import Rendered

MATRIX = [pytest.param(answers, id=rendering.label(answers)) for answers in rendering.combinations()]
# One of each kind of Python code: the pipeline changes none of it.
CODE = [
    pytest.param(answers, id=rendering.label(answers))
    for answers in rendering.combinations()
    if answers["ci"] == "none"
]
CHOICES = ["auth_mode", "hosting", "source", "ci"]
every_render = pytest.mark.parametrize("answers", MATRIX)
every_code = pytest.mark.parametrize("answers", CODE)

DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
# Seeds that are the owner's, and so no part of what a reader must take in at first.
SEEDS = re.compile(r"/tools/|/upstream\.py$|/stand_in\.py$")


parsed = cache(ast.parse)  # connectors share most of their files, and each is asked about many things


@cache
def walked(module: ast.Module) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(module))


def python_files(project: Path, folder: str = "src") -> dict[str, ast.Module]:
    return {
        path.relative_to(project).as_posix(): parsed(path.read_text(encoding="utf-8"))
        for path in sorted((project / folder).rglob("*.py"))
    }


def text_files(project: Path) -> dict[str, str]:
    """Every rendered file but the hashes of uv."""
    return {name: data.decode() for name, data in rendering.files(project).items() if name != "uv.txt"}


def pyproject(project: Path) -> dict[str, Any]:
    return tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))


# ------------------------------------------------------------------------------------------- texts that people give

DESCRIPTIONS = [
    '"double" \'single\' “curly” «quoted», C:\\new\\table, \\" and a backslash at the end \\',
    "costs $5 of $HOME, ${HOME}, ${X:-y}, $(id), `id`, $$, \\$x, %PATH%, %s and %(x)s",
    "{{ project_name }} {% raw %} {# note #} {%- endraw -%} ${{ github.token }} {0} {x}",
    "- a list: # no comment, *stars* _under_ __dunder__ ~~gone~~ | cell | [link](x) ![image](x) [ref]: x",
    "1. numbered: <b>bold</b> <!-- note --> &amp; &lt; <https://example.com> a@example.com ```code``` ~~~",
    "@at 🦊👩\u200d💻 東京 Ünï \u0301 עברית — all of it",
    "%TAG !yaml &anchor *alias ? key : value , > | [ ] { } = + ; '''\"\"\"",
    "# " + "a long sentence, " * 17 + "cut",
    "=== --- +++ ^caret H~2~O x^2^ :colon: ==mark== (c) ... 2 * 3 * 4 snake_case_name",
]
every_description = pytest.mark.parametrize("text", DESCRIPTIONS, ids=range(len(DESCRIPTIONS)))
NAME = "L'Été & Œuvre: Søk (v2) - no, @all [x] ~y~ = _z_!"


@pytest.fixture(scope="session")
def described(template: Path, shared: Path) -> Callable[[str], Path]:
    """Gives a connector of this description, and of a name that is as hard to write."""

    def get(text: str) -> Path:
        target = shared / "described" / str(DESCRIPTIONS.index(text))
        answers = {
            "project_name": NAME,
            "project_description": text,
            "auth_mode": "none",
            "hosting": "compose",
        }
        return once(target, lambda: rendering.render(template, target, answers))

    return get


@every_description
def test_the_answers_file_reads_back_the_description(described: Callable[[str], Path], text: str) -> None:
    answers = yaml.safe_load((described(text) / ".copier-answers.yml").read_text(encoding="utf-8"))
    assert answers["project_description"] == text


@every_description
def test_pyproject_reads_back_the_description(described: Callable[[str], Path], text: str) -> None:
    assert pyproject(described(text))["project"]["description"] == text


@every_description
def test_the_readme_shows_the_description(described: Callable[[str], Path], text: str) -> None:
    paragraph = (described(text) / "README.md").read_text(encoding="utf-8").split("\n\n")[1]
    assert shown(paragraph) == text


@every_description
def test_the_image_is_labelled_with_the_description(described: Callable[[str], Path], text: str) -> None:
    dockerfile = (described(text) / "Dockerfile").read_text(encoding="utf-8")
    [label] = re.findall(r"^ +org\.opencontainers\.image\.description=(.*)$", dockerfile, re.MULTILINE)
    assert docker_word(label) == text


@every_description
def test_the_installed_package_has_the_description_as_its_summary(
    described: Callable[[str], Path], shared: Path, text: str
) -> None:
    site = shared / "described" / f"site-{DESCRIPTIONS.index(text)}"
    once(site, lambda: rendering.environment(described(text), site))
    [installed] = importlib.metadata.distributions(path=[str(site)])
    assert installed.metadata["Summary"] == text


def test_a_name_with_marks_and_accents_is_shown_everywhere(described: Callable[[str], Path]) -> None:
    project = described(DESCRIPTIONS[0])
    package = "lete_oeuvre_sok_v2_no_all_x_y_z"
    app = ast.parse((project / f"src/{package}/app.py").read_text(encoding="utf-8"))
    titles = [k.value for k in ast.walk(app) if isinstance(k, ast.keyword) and k.arg == "title"]
    docstring = ast.get_docstring(ast.parse((project / f"src/{package}/__init__.py").read_text(encoding="utf-8")))
    heading = (project / "README.md").read_text(encoding="utf-8").splitlines()[0]
    dockerfile = (project / "Dockerfile").read_text(encoding="utf-8")
    [label] = re.findall(r"image\.title=(.*) \\$", dockerfile, re.MULTILINE)
    assert [ast.literal_eval(title) for title in titles] == [NAME]
    assert docstring == f"{NAME}: an MCP connector."
    assert shown(heading.removeprefix("# ")) == NAME
    assert docker_word(label) == NAME
    assert (project / ".env.example").read_text(encoding="utf-8").startswith(f"# Settings of {NAME}.")


def shown(markdown: str) -> str:
    """What a paragraph of Markdown shows, if all of its markup is escaped (CommonMark 2.4)."""
    assert "\n" not in markdown
    assert not re.match(r"[-+=#>]|[0-9]+[.)]", markdown), "it would begin a block"
    marks = re.sub(r"\\[!-/:-@\[-`{-~]", "", markdown)
    # An underscore within a word cannot; the rest could begin emphasis, code, a link, HTML, an entity or a table.
    assert not re.search(r"[\\`*_\[\]<>~|&]", marks), f"markup in {marks!r}"
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", markdown)


def docker_word(word: str) -> str:
    """A double-quoted word as Docker's own shell lexer reads it; a bare `$` would be a variable."""
    assert word[0] == word[-1] == '"'
    read, characters = "", iter(word[1:-1])
    for character in characters:
        assert character not in '"$'
        if character == "\\":
            following = next(characters)
            read += following if following in '"$\\' else f"\\{following}"
        else:
            read += character
    return read


@pytest.mark.parametrize(
    ("read", "text"),
    [
        *(
            (shown, text)
            for text in [
                "*a*",
                "_a_",
                "`a`",
                "<b>",
                "&amp;",
                "[a](b)",
                "![a]",
                "~~a~~",
                "a | b",
                "- a",
                "# a",
                "1. a",
                "a\\",
            ]
        ),
        *((docker_word, text) for text in ['"$HOME"', '"${HOME}"', '"a"b"', "a"]),
    ],
)
def test_a_text_that_would_be_read_as_something_else_is_found(read: Callable[[str], str], text: str) -> None:
    with pytest.raises(AssertionError):
        read(text)


# ------------------------------------------------------------------------------------------------ the same each time


@pytest.mark.parametrize("answers", MATRIX[::7])  # each mode, source and pipeline
def test_the_command_line_renders_the_same_bytes_elsewhere(
    template: Path, rendered: Rendered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: rendering.Answers
) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", "1")
    elsewhere = rendering.render(template, tmp_path / "elsewhere" / "project", answers)
    assert rendering.files(elsewhere) == rendering.files(rendered(answers))


# ------------------------------------------------------------------------------------------------- nothing superfluous


@every_code
def test_every_setting_is_used(rendered: Rendered, answers: rendering.Answers) -> None:
    assert unused_settings(rendered(answers)) == set()


@every_code
def test_every_name_of_the_package_is_used(rendered: Rendered, answers: rendering.Answers) -> None:
    for_tools = {"time_limit"}  # docs/develop.md gives these to tools, and docs/connect.md the last
    for_tools |= (
        {"gathered", "by_cursor", "by_link", "by_page"} if answers["source"] in {"rest-api", "openapi"} else set()
    )
    for_tools |= {"caller_headers"} if answers["source"] == "blank" else set()
    for_tools |= {"Record", "shaped"} if answers["source"] == "openapi" else set()  # and to upstream.py
    # With which tests/test_contract.py compares modules, and what tests/test_platforms.py reads.
    for_tests = {"AuthMode", "SourceKind", "ACCEPTED"}
    assert unused_names(rendered(answers)) <= for_tools | for_tests


@every_code
def test_every_module_is_imported(rendered: Rendered, answers: rendering.Answers) -> None:
    for_tools = {"paging"} if answers["source"] == "rest-api" else set()
    assert unused_modules(rendered(answers)) == for_tools


@every_code
def test_every_dependency_is_imported(rendered: Rendered, answers: rendering.Answers) -> None:
    assert unused_dependencies(rendered(answers)) == set()


@every_code
def test_every_import_is_declared(rendered: Rendered, answers: rendering.Answers) -> None:
    assert undeclared_imports(rendered(answers)) == set()


@every_code
def test_env_example_lists_exactly_what_is_read(rendered: Rendered, answers: rendering.Answers) -> None:
    assert misplaced_variables(rendered(answers)) == set()


@every_code
def test_no_code_asks_which_answers_were_given(rendered: Rendered, answers: rendering.Answers) -> None:
    assert answers_in_code(rendered(answers)) == set()


@pytest.mark.parametrize(
    ("find", "file", "addition", "found"),
    [
        ("unused_settings", "src/acme_crm/settings.py", "class Settings(BaseSettings):\n    spare: int = 1\n", "spare"),
        ("unused_names", "src/acme_crm/app.py", "def spare() -> None:\n    pass\n", "spare"),
        ("unused_names", "src/acme_crm/app.py", "SPARE = 1\n", "SPARE"),
        ("unused_modules", "src/acme_crm/spare.py", "X = 1\n", "spare"),
        ("unused_dependencies", "pyproject.toml", None, "spare"),
        ("undeclared_imports", "src/acme_crm/app.py", "import click\n", "click"),
        ("undeclared_imports", "src/acme_crm/app.py", "import pytest\n", "pytest"),
        ("undeclared_imports", "tests/test_tools.py", "import click\n", "click"),
        ("misplaced_variables", ".env.example", "# SPARE=1\n", "SPARE"),
        ("misplaced_variables", ".env.example", "# HOST=1\n", "HOST"),
        ("misplaced_variables", "src/acme_crm/settings.py", "class Settings:\n    spare: int\n", "SPARE"),
        ("misplaced_variables", "compose.yaml", "# ${SPARE:-}\n", "SPARE"),
        ("answers_in_code", "src/acme_crm/app.py", "def f(auth_mode: str) -> None: ...\n", "auth_mode"),
        ("answers_in_code", "src/acme_crm/app.py", "x = y == 'api-key'\n", "api-key"),
    ],
)
def test_what_is_superfluous_or_missing_is_found(
    rendered: Rendered, tmp_path: Path, find: str, file: str, addition: str | None, found: str
) -> None:
    answers = {"auth_mode": "none", "hosting": "compose", "source": "blank", "ci": "none"}
    project = shutil.copytree(rendered(answers), tmp_path / "project")
    if addition is None:
        text = (project / file).read_text(encoding="utf-8")
        (project / file).write_text(text.replace('"starlette>', '"spare>=1",\n    "starlette>', 1), encoding="utf-8")
    else:
        with (project / file).open("a", encoding="utf-8") as stream:
            stream.write(addition)
    assert found in globals()[find](project)


def nodes(project: Path, *folders: str) -> list[ast.AST]:
    """Every node of the code in these folders."""
    modules = itertools.chain.from_iterable(python_files(project, folder).values() for folder in folders)
    return list(itertools.chain.from_iterable(map(walked, modules)))


def settings(project: Path) -> set[str]:
    """Names of the fields of the class Settings."""
    module = python_files(project)[f"src/{package(project)}/settings.py"]
    classes = [node for node in module.body if isinstance(node, ast.ClassDef) and node.name == "Settings"]
    fields = [field.target for cls in classes for field in cls.body if isinstance(field, ast.AnnAssign)]
    return {field.id for field in fields if isinstance(field, ast.Name)}


def package(project: Path) -> str:
    [folder] = (project / "src").iterdir()
    return folder.name


def unused_settings(project: Path) -> set[str]:
    attributes = [node for node in nodes(project, "src") if isinstance(node, ast.Attribute)]
    owners = {"settings", "self", "store"}  # as a name, or as an attribute
    return settings(project) - {n.attr for n in attributes if last_name(n.value) in owners}


def last_name(node: ast.expr) -> str | None:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else None


def unused_names(project: Path) -> set[str]:
    """Functions, classes and constants of modules that nothing refers to."""
    defined: set[str] = set()
    used = set(re.findall(r"\w+", str(pyproject(project)["project"]["scripts"])))
    for path, module in python_files(project).items():
        for statement in module.body:
            if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                if not ("/tools/" in path and statement.decorator_list):  # a decorator makes it a tool
                    defined.add(statement.name)
            elif isinstance(statement, ast.Assign) and last_name(statement.targets[0]) == "__all__":
                used |= set(ast.literal_eval(statement.value))
            elif isinstance(statement, ast.Assign | ast.AnnAssign):
                names = [node for node in ast.walk(statement) if isinstance(node, ast.Name)]
                defined |= {name.id for name in names if isinstance(name.ctx, ast.Store)}
    for node in nodes(project, "src"):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            used.add(node.id)
        elif isinstance(node, ast.Attribute):
            used.add(node.attr)
        elif isinstance(node, ast.alias):
            used.add(node.name)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            used |= set(re.findall(r":(\w+)$", node.value))  # uvicorn's "module:name"
    return defined - used


def unused_modules(project: Path) -> set[str]:
    imported = {"__init__", "__main__", "health"}  # the command's, and that of a container's health check
    for node in nodes(project, "src"):
        if isinstance(node, ast.ImportFrom) and node.level:
            imported |= {*(node.module or "").split("."), *(alias.name for alias in node.names)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            imported |= set(re.findall(r"\.(\w+):\w+$", node.value))  # uvicorn's "module:name"
    paths = (project / "src" / package(project)).rglob("*")
    return {path.stem for path in paths if path.suffix == ".py" or path.is_dir()} - imported


def declared(project: Path) -> tuple[set[str], set[str]]:
    """Names of the dependencies with those of extras, and of those for development alone."""
    table = pyproject(project)
    extras = table["project"]["optional-dependencies"].values()
    lists = [[*table["project"]["dependencies"], *itertools.chain(*extras)], table["dependency-groups"]["dev"]]
    runtime, dev = ({re.split(r"[\[<>=~!]", line)[0] for line in lines} for lines in lists)
    return runtime, dev


def unused_dependencies(project: Path) -> set[str]:
    runtime, dev = declared(project)
    texts = {str(node.value) for node in nodes(project, "src") if isinstance(node, ast.Constant)}
    through_others = {"httptools"}  # uvicorn parses with it where it is installed
    through_others |= {text.partition("+")[2] for text in texts}  # SQLAlchemy's "dialect+driver"
    commands = {"mypy", "pytest", "ruff", "uv"}  # of the pipeline and the README
    unused = runtime - imports(project, "src") - through_others
    return unused | dev - imports(project, "tests") - commands


def undeclared_imports(project: Path) -> set[str]:
    runtime, dev = declared(project)
    known = runtime | pinned_by(runtime, rendering.python(project))
    return imports(project, "src") - known | imports(project, "tests") - known - dev


def imports(project: Path, folder: str) -> set[str]:
    """Distributions whose modules are imported."""
    found = set()
    for node in nodes(project, folder):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    of = asked("m.packages_distributions()", rendering.python(project))
    helpers = {path.stem for path in (project / "tests").iterdir()}
    known = sys.stdlib_module_names | {package(project)} | helpers
    foreign = {module for module in found if module.split(".")[0] not in known}
    return {distribution(module, of[module.split(".")[0]]) for module in foreign}


def distribution(module: str, candidates: list[str]) -> str:
    """Which of several has the module: those of OpenTelemetry share a name, and its API has what no other names."""
    names = sorted({name.lower().replace("_", "-") for name in candidates}, key=len, reverse=True)
    path = module.replace(".", "-").replace("_", "-")
    return next(
        (name for name in names if path.startswith(name)), next((n for n in names if n.endswith("-api")), names[0])
    )


def pinned_by(names: set[str], python: Path) -> set[str]:
    """Parts that these ship separately and pin to one version, such as pydantic-core: declaring them adds nothing."""
    lines = itertools.chain.from_iterable(
        asked("{d.name.lower().replace('_', '-'): d.requires or [] for d in m.distributions()}", python)[n]
        for n in names
    )
    return {line.split("==")[0].replace("_", "-") for line in lines if re.fullmatch(r"[\w-]+==[\d.]+", line)}


@cache
def asked(program: str, python: Path) -> dict[str, list[str]]:
    """The JSON that a program prints in a connector's environment."""
    program = f"import importlib.metadata as m, json; print(json.dumps({program}))"
    done = subprocess.run([python, "-c", program], capture_output=True, text=True, check=True)
    answer: dict[str, list[str]] = json.loads(done.stdout)
    return answer


def misplaced_variables(project: Path) -> set[str]:
    """Variables that .env.example lists and nothing reads, or the other way round, or twice."""
    example = (project / ".env.example").read_text(encoding="utf-8")
    listed = re.findall(r"^(?:# )?([A-Z][A-Z0-9_]*)=", example, re.MULTILINE)
    deploy = [path for path in [project / "compose.yaml"] if path.exists()]
    read = {name.upper() for name in settings(project)}
    for path in deploy:
        read |= set(re.findall(r"\$\{(\w+)", path.read_text(encoding="utf-8")))
    return set(listed) ^ read | {name for name in listed if listed.count(name) > 1}


def answers_in_code(project: Path) -> set[str]:
    """Questions that code has as names, and choices that it compares with."""
    questions = {"auth_mode", "hosting", "headers_names", "ci"}
    choices = {value for question in CHOICES for value in rendering.choices(question)}
    found: set[str] = set()
    for node in nodes(project, "src", "tests"):
        names = {getattr(node, field, None) for field in ("id", "attr", "arg", "name")}
        found |= {name for name in names if name in questions}
        if isinstance(node, ast.Compare | ast.MatchValue):
            parts = list(ast.walk(node))
            keys = [key for part in parts if isinstance(part, ast.Dict) for key in part.keys]
            constants = [part.value for part in parts if isinstance(part, ast.Constant) and part not in keys]
            found |= {value for value in constants if isinstance(value, str) and value in choices}
    return found


@pytest.mark.parametrize(
    "answers",
    [pytest.param(a, id=rendering.label(a)) for a in rendering.combinations() if a["ci"] != "none"],
)
def test_a_pipeline_changes_no_other_file(rendered: Rendered, answers: rendering.Answers) -> None:
    # The pipeline's files, what keeps Renovate off them, what records the choice, and the documents that name it.
    folder = {"github": ".github/", "gitlab": ".gitlab"}[answers["ci"]]
    own = (folder, "renovate.json", ".copier-answers.yml", "docs/deploy.md", "docs/develop.md", "docs/update.md")

    def rest(ci: str) -> dict[str, bytes]:
        files = rendering.files(rendered({**answers, "ci": ci}))
        return {name: data for name, data in files.items() if not name.startswith(own)}

    assert rest(answers["ci"]) == rest("none")


# ------------------------------------------------------------------------------------------------------------- owners


@pytest.mark.parametrize("source", rendering.choices("source"))
def test_seeds_depend_on_the_source_alone(rendered: Rendered, source: str) -> None:
    seen = set()
    for answers in rendering.combinations():
        if answers["source"] == source:
            files = rendering.files(rendered(answers))
            seeds = [item for item in files.items() if SEEDS.search(item[0]) or item[0] == "tests/test_tools.py"]
            seen.add(tuple(seeds))
    assert len(seen) == 1
    assert seen != {()}


@every_render
def test_what_git_ignores_is_never_rendered(rendered: Rendered, tmp_path: Path, answers: rendering.Answers) -> None:
    project = shutil.copytree(rendered(answers), tmp_path / "project")
    rendering.git("init", "-q", cwd=project)
    listed = rendering.git("status", "--porcelain", "--ignored=matching", "-uall", cwd=project).splitlines()
    assert [line for line in listed if line.startswith("!!")] == []


@every_code
def test_what_any_mode_keeps_secret_is_ignored_in_each(rendered: Rendered, answers: rendering.Answers) -> None:
    """What one answer left behind is still there when there is another."""
    ignored = (rendered(answers) / ".gitignore").read_text().splitlines()
    assert {".env", ".state/", "keys.jsonl", "secrets/"} <= set(ignored)


# ---------------------------------------------------------------------------------------------------------------- size


@every_render
def test_a_connector_has_few_files(rendered: Rendered, answers: rendering.Answers) -> None:
    bounds = {"none": 102, "headers": 106, "api-key": 112, "oauth": 126, "oauth-introspection": 128, "oauth-proxy": 133}
    most = bounds[answers["auth_mode"]] + {"rest-api": 20, "openapi": 26, "database": 13}.get(answers["source"], 0)
    apart = ("/deploy.yml", "/update.yml", "renovate.json")
    files = [name for name in rendering.files(rendered(answers)) if not name.endswith(apart)]
    assert len(files) <= most


# ------------------------------------------------------------------------------------------------ paths and white space


def test_template_paths_can_be_checked_out_on_windows() -> None:
    listed = rendering.git("ls-files", "--cached", "--others", "--exclude-standard", "-z", cwd=rendering.ROOT)
    check_paths(list(filter(None, listed.split("\0"))))


@every_render
def test_rendered_paths_can_be_checked_out_on_windows(rendered: Rendered, answers: rendering.Answers) -> None:
    check_paths(list(rendering.files(rendered(answers))))


def check_paths(paths: list[str]) -> None:
    assert len({path.lower() for path in paths}) == len(paths), "two paths differ only by case"
    for path in paths:
        assert len(path) < 160, path  # of 260, with a folder before it
        for part in PurePosixPath(path).parts:
            assert not re.search(r'[<>:"|?*\\\x00-\x1f]|[. ]$', part), path
            assert not DEVICES.fullmatch(part), path


@pytest.mark.parametrize(
    "path", ["a/con", "aux.py", "a?b", "a:b", 'a"b', "a|b", "a<b", "a*b", "folder./x", "folder /x", "a\\b", "x" * 170]
)
def test_a_path_that_windows_refuses_is_found(path: str) -> None:
    with pytest.raises(AssertionError):
        check_paths([path])


@every_render
def test_files_are_clean_text(rendered: Rendered, answers: rendering.Answers) -> None:
    for name, data in rendering.files(rendered(answers)).items():
        check_text(name, data.decode())


def check_text(name: str, text: str) -> None:
    assert text.strip(), f"{name} is empty"
    assert text.endswith("\n"), name
    assert not text.endswith("\n\n"), name
    assert not text.startswith("\n"), name
    assert "\r" not in text, name
    assert not re.search(r"[ \t]$", text, re.MULTILINE), name
    assert "\ufeff" not in text, name
    if name != "Caddyfile":
        assert "\t" not in text, name
    if not name.endswith(".py"):  # Python's are the formatter's to judge, also in Markdown
        assert "\n\n\n" not in re.sub("^```python\n.*?^```$", "code", text, flags=re.DOTALL | re.MULTILINE), name


@every_render
def test_nothing_of_jinja_is_left(rendered: Rendered, answers: rendering.Answers) -> None:
    for name, text in text_files(rendered(answers)).items():
        check_leftovers(name, text)


def check_leftovers(name: str, text: str) -> None:
    assert not re.search(r"\{%|%\}|(?<!\$)\{\{|\{#(?!\w)|#\}", text), name
    if not name.endswith(".py"):
        # A variable that held nothing, a Python value in place of text, or an object; not a job without permissions.
        text = re.sub(r"^ *permissions: \{\}$", "", text, flags=re.MULTILINE)
        assert not re.search(
            r"[=:] *(None|True|False|\[\]|\{\})$|\bUndefined\b|<\w+ object|Macro ", text, re.MULTILINE
        ), name


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "x",
        "x\n\n",
        "\nx\n",
        "x \n",
        "x\r\n",
        "a:\n\tb\n",
        "a\n\n\nb\n",
        "{{ x }}\n",
        "{% x %}\n",
        "a: None\n",
    ],
    ids=ascii,
)
def test_an_unclean_file_is_found(text: str) -> None:
    with pytest.raises(AssertionError):  # noqa: PT012
        check_text("file.yaml", text)
        check_leftovers("file.yaml", text)


@pytest.mark.parametrize("question", CHOICES)
def test_every_choice_says_what_it_is(question: str) -> None:
    offered = rendering.questions()[question]["choices"]
    assert isinstance(offered, dict)
    for title, value in zip(offered, rendering.choices(question), strict=True):
        assert re.fullmatch(rf"{value} - .{{3,120}}[^.]", title), title
