"""What owners naturally change in a connector, as data.

An edit goes where the project says, or where anybody would put it, in connectors of its release. It leaves a project
whose own tests pass. `edit` makes all that survive an update; conflicts.toml has those of 1.x that do not.
"""

import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

from . import homes
from .rendering import interpreter, recorded

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
# How many run at least: the same.
COUNTS = [
    ("service.yaml", 'minScale: "0"', 'minScale: "1"'),
    ("render.yaml", "numInstances: 1", "numInstances: 3"),
    ("fly.toml", "auto_start_machines = true\n", "auto_start_machines = true\nmin_machines_running = 2\n"),
    ("deploy/base/connector.yaml", "minReplicas: 2", "minReplicas: 3"),
    ("containerapp.yaml", "minReplicas: 1", "minReplicas: 2"),
]
TRUSTED = """\
COPY certificates/ /usr/local/share/ca-certificates/
RUN update-ca-certificates
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt PIP_CERT=/etc/ssl/certs/ca-certificates.crt"""
# Files of the owner's that a tool reads beside the template's, by the file beside which it does.
OVERRIDES = {
    "compose.yaml": (
        "compose.override.yaml",
        """\
services:
  connector:
    image: registry.example.com/crm
    networks: [beside]
  search:
    image: registry.example.com/search:1
    networks: [beside]
networks:
  beside:
""",
    ),
    "deploy/base/kustomization.yaml": (
        "deploy/own/kustomization.yaml",
        """\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
  - ../gateway
commonAnnotations:
  team: ours
""",
    ),
    ".gitlab-ci.yml": (
        ".gitlab/own.yml",
        """\
default:
  before_script: [echo ready]
check:
  tags: [ours]
ours too:
  image: python:3.13
  script:
    - echo ours
""",
    ),
}
OURS = '''"""Code of our own."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

started = 0


async def greeting(_: Request) -> Response:
    return PlainTextResponse("Hello!")


class Stamp:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def stamped(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-ours", str(started).encode())]
            await send(message)

        await self.app(scope, receive, stamped)


@contextmanager
def counting() -> Iterator[None]:
    global started
    started += 1
    yield


def around(
    running: Callable[[Starlette], AbstractAsyncContextManager[Any]],
) -> Callable[[Starlette], AbstractAsyncContextManager[Any]]:
    @asynccontextmanager
    async def both(app: Starlette) -> AsyncIterator[Any]:
        with counting():
            async with running(app) as state:
                yield state

    return both


def add_to(commands: Any) -> None:
    commands.add_parser("export", help="print what we have").set_defaults(run=lambda _: export())


def export() -> None:
    print("ours")
'''
EXTENDED = "\nfrom starlette.routing import BaseRoute, Route\n\nfrom . import ours\n"
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
    """One of the connector's and one of its tests; `uv add` takes no project of 1.x."""
    if "managed = false" in (project / "pyproject.toml").read_text(encoding="utf-8"):
        insert(project / "pyproject.toml", '    "tenacity>=9,<10",', after='    "uvicorn')
        insert(project / "pyproject.toml", '    "respx>=0.22,<1",', after='    "uv>=')
        return
    uv = Path(sys.executable).with_name("uv")
    for added in (["tenacity>=9,<10"], ["--dev", "respx>=0.22,<1"]):
        subprocess.run([uv, "add", "--quiet", "--frozen", "--offline", *added], cwd=project, check=True)


def release_a_version(project: Path) -> None:
    replace(project / "pyproject.toml", 'version = "0.1.0"', 'version = "1.4.0"')


def set_a_variable(project: Path) -> None:
    insert(project / ".env.example", "# GREETING=Hello")
    for file, line in VARIABLE.items():
        if (project / file).exists():
            insert(project / file, line, room_in(project / file) or "      LOG_LEVEL")


def resize_and_move(project: Path) -> None:
    for file, old, new in SIZE:
        if (project / file).exists():
            replace(project / file, old, new)


def add_a_step(project: Path) -> None:
    for file, step in STEP.items():
        if (project / file).exists():
            insert(project / file, step)


def keep_more_running(project: Path) -> None:
    for file, old, new in COUNTS:
        if (project / file).exists():
            replace(project / file, old, new)


def expose_a_header(project: Path) -> None:
    replace(package(project) / "app.py", '"Mcp-Session-Id"]', '"Mcp-Session-Id", "X-Ours"]')


def add_a_script(project: Path) -> None:
    script = f'crm-export = "{package(project).name}.ours:export"'
    insert(project / "pyproject.toml", script, after="connector = ")


def bound_the_python(project: Path) -> None:
    replace(project / "pyproject.toml", 'requires-python = ">=3.11"', 'requires-python = ">=3.11,<4"')


def trust_an_authority_in_the_image(project: Path) -> None:
    (project / "certificates").mkdir()
    (project / "certificates/ours.crt").write_text("-----BEGIN CERTIFICATE-----\n", encoding="utf-8")
    insert(project / ".dockerignore", "!certificates", after="!src")
    insert(project / "Dockerfile", TRUSTED, after="FROM ${PYTHON_IMAGE} AS python")


def ignore_a_folder(project: Path) -> None:
    insert(project / ".gitignore", "ours/")


def rewrite_the_readme(project: Path) -> None:
    (project / "README.md").write_text("# Ours\n\nAsk the platform team.\n", encoding="utf-8")


def override_what_deploys(project: Path) -> None:
    """Files that a tool reads beside the template's."""
    for beside, (file, text) in OVERRIDES.items():
        if (project / beside).exists():
            (project / file).parent.mkdir(exist_ok=True)
            (project / file).write_text(text, encoding="utf-8")


def name_the_image(project: Path) -> None:
    if (project / "compose.yaml").exists():
        replace(project / "compose.yaml", "image: ${IMAGE:-acme-crm}", "image: ${IMAGE:-registry.example.com/crm}")


def tag_a_job(project: Path) -> None:
    if (project / ".gitlab-ci.yml").exists():
        insert(project / ".gitlab-ci.yml", "  tags: [ours]", after="check:")


# ---------------------------------------------------------------------------------------- code, since 2.0 and before


def list_it_in_a_catalogue(project: Path) -> None:
    file = project / "server.json"  # from 2.3 on
    if file.exists():
        replace(file, "YOUR-ORGANIZATION", "acme")
        replace(file, "https://YOUR-HOST/mcp", "https://crm.acme.test/mcp")
        replace(file, '"version": "0.1.0"', '"version": "1.4.0"')


def fill(project: Path, function: str, old: str, new: str) -> None:
    """Change what a function of extend.py does."""
    file = package(project) / "extend.py"
    before, name, after = file.read_text(encoding="utf-8").partition(f"def {function}(")
    assert name, f"extend.py has no {function}"
    assert old in after, f"{function} in extend.py has no {old.strip()}"
    file.write_text(before + name + after.replace(old, new, 1), encoding="utf-8")


def write_code(project: Path) -> None:
    """A module of ours, which the edits below use."""
    (package(project) / "ours.py").write_text(OURS, encoding="utf-8")


def extend_the_settings(project: Path) -> None:
    insert(package(project) / "extend.py", SETTING, after="    model_config = ")


def extend_routes(project: Path) -> None:
    fill(project, "routes", "    return []", '    return [Route("/greeting", ours.greeting)]')
    replace(package(project) / "extend.py", "\nfrom starlette.routing import BaseRoute\n\n", EXTENDED)


def extend_middleware(project: Path) -> None:
    fill(project, "middleware", "    return []", "    return [Middleware(ours.Stamp)]")


def extend_the_lifespan(project: Path) -> None:
    fill(project, "lifespan", "    yield", "    with ours.counting():\n        yield")


def extend_the_commands(project: Path) -> None:
    file = package(project) / "extend.py"
    file.write_text(file.read_text(encoding="utf-8") + "    ours.add_to(commands)\n", encoding="utf-8")


def add_a_setting(project: Path) -> None:
    insert(package(project) / "settings.py", SETTING, after=room_in(package(project) / "settings.py"))


def add_a_route(project: Path) -> None:
    app = package(project) / "app.py"
    insert(app, '            Route("/greeting", live),', room_in(app) or '            Route("/health/ready"')


def add_middleware(project: Path) -> None:
    write_code(project)
    app = package(project) / "app.py"
    insert(app, "            Middleware(Stamp),", "            Middleware(WholeRequest)")
    replace(app, "\nfrom .settings import", "\nfrom .ours import Stamp\nfrom .settings import")


def start_with_the_connector(project: Path) -> None:
    write_code(project)
    app = package(project) / "app.py"
    started = "    app.router.lifespan_context = around(app.router.lifespan_context)"
    insert(app, started, "    app.router.redirect_slashes")
    replace(app, "\nfrom .settings import", "\nfrom .ours import around\nfrom .settings import")


def add_a_command(project: Path) -> None:
    write_code(project)
    cli = package(project) / "cli.py"
    insert(cli, "    add_ours(commands)", "    smoke.add_to(commands)")
    replace(cli, "\nfrom .settings import", "\nfrom .ours import add_to as add_ours\nfrom .settings import")


def lock_a_dependency(project: Path) -> None:
    insert(project / "requirements-own.lock", LOCKED)


def add_a_service(project: Path) -> None:
    if (project / "compose.yaml").exists():
        service = "  search:\n    image: registry.example.com/search:1\n    networks: [edge]\n"
        replace(project / "compose.yaml", "\nnetworks:\n", f"\n{service}\nnetworks:\n")


SHARED: list[Edit] = [
    add_a_tool,
    rename_a_tool,
    remove_an_example,
    reformat_a_file,
    add_a_dependency,
    release_a_version,
    set_a_variable,
    resize_and_move,
    keep_more_running,
    add_a_step,
    expose_a_header,
    add_a_script,
    bound_the_python,
    trust_an_authority_in_the_image,
    ignore_a_folder,
    rewrite_the_readme,
    override_what_deploys,
    name_the_image,
    tag_a_job,
    list_it_in_a_catalogue,
]
EDITS: list[Edit] = [
    write_code,
    *SHARED,
    extend_the_settings,
    extend_routes,
    extend_middleware,
    extend_the_lifespan,
    extend_the_commands,
]
EDITS_OF_1: list[Edit] = [
    *SHARED,
    add_a_setting,
    add_a_route,
    add_a_service,
    add_middleware,
    start_with_the_connector,
    add_a_command,
    lock_a_dependency,
]
CONFLICTS = tomllib.loads(Path(__file__).with_name("conflicts.toml").read_text(encoding="utf-8"))["row"]


def edits_of(version: str) -> list[Edit]:
    """What owners change in connectors of a release."""
    edits = EDITS_OF_1 if version.startswith("v1.") else EDITS
    older = version.startswith(("v1.", "v2.0.", "v2.1."))
    return [change for change in edits if not (older and change is list_it_in_a_catalogue)]


def lost(version: str) -> set[str]:
    """The edits that do not survive an update from this release."""
    return {row["edit"] for row in CONFLICTS if version in row["releases"]}


def edit(project: Path, version: str = "") -> None:
    """Every edit that survives, one after the other, as in this release; in the project's own if left out."""
    version = version or recorded(project)["_commit"]
    for change in edits_of(version):
        if change.__name__ not in lost(version):
            change(project)
