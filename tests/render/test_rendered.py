"""What is rendered passes its own checks untouched; each check is shown to reject a planted error."""

import os
import re
import shlex
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import yaml
from pytest_copie.plugin import Copie

from ..conftest import once
from ..lib import rendering
from ..lib.rendering import Installed

# The pipeline's commands, with what keeps them from writing into the render.
CHECKS = {
    "ruff check .": ["--no-cache"],
    "ruff format --check .": ["--no-cache"],
    "mypy": ["--cache-dir={cache}"],
    "pytest": ["-q", "-p", "no:cacheprovider"],
}


WORKER = os.environ.get("PYTEST_XDIST_WORKER", "alone")  # each has its own cache of types: two must not write into one

every_check = pytest.mark.parametrize("check", CHECKS)


def judge(check: str, project: Path, environment: Mapping[str, str], shared: Path) -> tuple[bool, str]:
    """Whether a check accepts a project, and what it says."""
    options = [option.format(cache=shared / f"mypy-{WORKER}") for option in CHECKS[check]]
    done = rendering.run(project, environment, *shlex.split(check), *options)
    return done.returncode == 0, done.stdout + done.stderr


def slow(answers: rendering.Answers, check: str) -> bool:
    """Whether it is one of the longest, which `peers` runs: the tests of all but the smallest connectors."""
    return check == "pytest" and answers["source"] != "blank"


# Those whose tests `tests/docs/test_docs.py` runs, by the command of the connector's README.
OF_README = ("api-key", "rest-api")
# No file depends on such a source and on the auth mode: its types are checked and its tests run in these modes.
INDEPENDENT = {"blank": {"none", "oauth"}, "database": {"none"}, "openapi": {"oauth-proxy"}}


def told(answers: rendering.Answers, check: str) -> bool:
    """Whether a check says something that it does not say of other answers."""
    mode, source = answers["auth_mode"], answers["source"]
    elsewhere = mode not in INDEPENDENT.get(source, {mode})
    of_readme = (mode, source) == OF_README
    again = (elsewhere and check in {"mypy", "pytest"}) or (of_readme and check == "pytest")
    return answers["ci"] == "none" and not again  # the pipeline changes no Python


@pytest.mark.parametrize(
    ("answers", "check"),
    [
        pytest.param(a, check, id=f"{check}-{rendering.label(a)}", marks=[pytest.mark.peers] if slow(a, check) else [])
        for check in CHECKS
        for a in rendering.combinations()
        if told(a, check)
    ],
)
def test_a_render_passes(installed: Installed, shared: Path, answers: rendering.Answers, check: str) -> None:
    accepted, said = judge(check, *installed(answers), shared)
    assert accepted, said


@pytest.mark.parametrize("hosting", rendering.choices("hosting"))
def test_the_documents_name_the_times_that_the_code_has(
    rendered: Callable[[Mapping[str, str]], Path], hosting: str
) -> None:
    project = rendered({"auth_mode": "api-key", "hosting": hosting, "source": "rest-api", "ci": "github"})
    code = "\n".join((project / "src/acme_crm" / file).read_text() for file in ("client.py", "core/edge/answering.py"))
    times = {name: int(value) for name, value in re.findall(r"^(\w+) = ([0-9]+)\.0  # seconds", code, re.MULTILINE)}
    limits, deploy = (" ".join((project / f"docs/{name}.md").read_text().split()) for name in ("operations", "deploy"))
    longest = times["RETRIED"] + times["LONGEST_WAIT"] + times["DEADLINE"]
    attempts = f"at most {times['DEADLINE']} seconds, and all attempts of one request {longest} seconds together"
    assert f"One attempt at the API takes {attempts}" in limits
    assert f"a ping every {times['QUIET']} seconds" in limits
    assert set(re.findall("alive every ([0-9]+) seconds", deploy)) <= {str(times["QUIET"])}


def test_these_are_the_checks_of_the_pipeline(rendered: Callable[[Mapping[str, str]], Path]) -> None:
    answers = {"auth_mode": "none", "hosting": "compose", "source": "blank", "ci": "github"}
    workflow = yaml.safe_load((rendered(answers) / ".github/workflows/ci.yml").read_text())
    commands = [step["run"] for step in workflow["jobs"]["check"]["steps"] if "run" in step]
    assert [command for command in commands if "\n" not in command] == [f"uv run {check}" for check in CHECKS]


# ------------------------------------------------------------------------------------------------- planted errors

PLANTED = {
    "ruff check .": ("src/acme_crm/tools/text.py", "\n\nimport os\n", "F401"),
    "ruff format --check .": ("src/acme_crm/tools/text.py", "\n\nLIMIT = {'words':1}\n", "1 file would be reformatted"),
    "mypy": (
        "src/acme_crm/tools/text.py",
        "\n\ndef limit() -> int:\n    return 'words'\n",
        "Incompatible return value",
    ),
    "pytest": ("tests/test_a_planted_error.py", "def test_it() -> None:\n    assert False\n", "1 failed"),
}


@every_check
def test_a_planted_error_is_rejected(installed: Installed, shared: Path, tmp_path: Path, check: str) -> None:
    answers = {"auth_mode": "none", "hosting": "compose", "source": "blank", "ci": "none"}
    source, environment = installed(answers)
    project = shutil.copytree(source, tmp_path / "project")
    file, addition, finding = PLANTED[check]
    with (project / file).open("a", encoding="utf-8") as text:
        text.write(addition)
    accepted, said = judge(check, project, {**environment, "PYTEST_ADDOPTS": "--exitfirst"}, shared)
    assert not accepted
    assert finding in said


# ------------------------------------------------------------------------------------------------------ the fixtures

OWN_TESTS = """
import time

import httpx2
import pytest
import uvicorn
from acme_crm.app import create_app
from acme_crm.settings import Settings

pytestmark = pytest.mark.anyio
PORTS, SHARED, OVERRIDDEN = [], [], []


@pytest.fixture(scope="module", autouse=True)
def _servers():
    serve = uvicorn.Server.serve

    def serving(server, **options):
        PORTS.append(server.config.port)
        return serve(server, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uvicorn.Server, "serve", serving)
        yield


@pytest.mark.parametrize("number", range(3))
def test_tests_share_an_application(origin, app, headers, number):
    SHARED.append(app)
    assert httpx2.get(f"{origin}/health/live").status_code == 200
    assert "X-Left-Behind" not in headers
    headers["X-Left-Behind"] = "by another test"


class TestSettingsCopied:
    @pytest.fixture
    def settings(self, settings):
        return settings.model_copy(update={"allowed_origins": ("https://mine.example",)})

    @pytest.mark.parametrize("number", range(2))
    def test_each_test_gets_its_own_application(self, app, origin, number):
        OVERRIDDEN.append(app)
        asked = {"Origin": "https://mine.example", "Access-Control-Request-Method": "POST"}
        assert httpx2.options(f"{origin}/mcp", headers=asked).status_code == 200


class TestSettingsFromTheEnvironment:
    @pytest.fixture
    def settings(self, settings):
        more = {"upstream_url": settings.upstream_url} if "upstream_url" in Settings.model_fields else {}
        return Settings(public_url=settings.public_url, port=settings.port, **more)

    async def test_they_let_the_caller_in(self, app, client):
        OVERRIDDEN.append(app)
        assert (await client.list_tools()).tools


class TestApplication:
    @pytest.fixture
    def app(self, settings, monkeypatch):
        monkeypatch.setattr("acme_crm.app.register", lambda server: None)
        return create_app(settings)

    async def test_it_is_used(self, app, client):
        OVERRIDDEN.append(app)
        assert not (await client.list_tools()).tools


class TestHeaders:
    @pytest.fixture
    def headers(self):
        return {"X-Mine": "yes"}

    def test_they_are_used(self, origin, app, headers):
        SHARED.append(app)
        assert headers == {"X-Mine": "yes"}


def test_a_server_stops_although_the_clock_was_replaced(origin, monkeypatch):
    clock = time.monotonic
    monkeypatch.setattr("time.monotonic", lambda: clock() + 3600)
    time.sleep(0.3)  # in which the server sets its next timer


async def test_afterwards_the_shared_application_answers_again(client, app):
    SHARED.append(app)
    assert (await client.list_tools()).tools


def test_one_server_served_them_all(settings):
    assert PORTS.count(settings.port) == 1  # an identity provider has another
    assert len(set(SHARED)) == 1
    assert len({*SHARED, *OVERRIDDEN}) == 1 + len(OVERRIDDEN) == 7
"""


@pytest.mark.parametrize("source", ["blank", "rest-api"])
@pytest.mark.parametrize("mode", rendering.choices("auth_mode"))
def test_tests_of_a_module_share_a_server_and_owners_override_what_it_is_made_of(
    installed: Installed, shared: Path, tmp_path: Path, mode: str, source: str
) -> None:
    rendered, environment = installed({"auth_mode": mode, "hosting": "compose", "source": source, "ci": "none"})
    project = shutil.copytree(rendered, tmp_path / "project")
    (project / "tests/test_own.py").write_text(OWN_TESTS)
    ending = "-o faulthandler_timeout=60 -o faulthandler_exit_on_timeout=true"  # also if a server does not stop
    accepted, said = judge("pytest", project, {**environment, "PYTEST_ADDOPTS": f"{ending} tests/test_own.py"}, shared)
    assert accepted, said


# -------------------------------------------------------------------------------------------------- what owners extend

OWN = {
    "    model_config = Settings.model_config\n": "    model_config = Settings.model_config\n\n    greeting: str\n",
    "    return []\n\n\ndef middleware": """    return [
        Route("/", welcome),
        Route("/mcp", welcome),
        Route("/health/ready", welcome),
    ]


def middleware""",
    "    return []\n\n\n@async": "    return [Middleware(Signed)]\n\n\n@async",
    "    yield\n": '    STATE.append("started")\n    yield\n    STATE.append("ended")\n',
    'for each wrong one.\n    """\n': '''for each wrong one.
    """
    commands.add_parser("greet").set_defaults(run=lambda _: print(load().log_level, Own().greeting))
''',
    "from .settings import Settings\n": """from .core.command.environment import load
from .settings import Settings
""",
    "from starlette.routing import BaseRoute\n": """from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
""",
    "class Own(": """STATE: list[str] = []


async def welcome(_: Request) -> Response:
    return PlainTextResponse(Own().greeting)


class Signed:
    \"\"\"Signs each answer, and adds to what is read of the request.\"\"\"

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def signed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-signed", b"ours")]
            await send(message)

        await self.app(scope, receive, signed)


class Own(""",
}
OWN_CHECKS = """
import httpx2
import pytest
from acme_crm import extend
from acme_crm.app import create_app
from acme_crm.core.command import cli, environment
from starlette.testclient import TestClient


@pytest.fixture(autouse=True)
def _greeting(monkeypatch):
    monkeypatch.setenv("GREETING", "Welcome")


def test_a_route_of_ours_takes_no_path_of_the_connector(origin):
    assert httpx2.get(f"{origin}/").text == "Welcome"
    assert httpx2.get(f"{origin}/mcp").status_code == 405
    assert httpx2.get(f"{origin}/health/ready").json() == {"status": "ok"}


def test_our_middleware_sees_every_answer_also_those_to_other_origins(origin):
    asked = {"Origin": "https://other.example", "Access-Control-Request-Method": "POST"}
    for answer in (httpx2.get(f"{origin}/"), httpx2.post(f"{origin}/mcp"), httpx2.options(f"{origin}/", headers=asked)):
        assert answer.headers["x-signed"] == "ours"
        assert answer.headers["x-request-id"]


def test_what_we_start_runs_as_long_as_the_connector(settings):
    extend.STATE.clear()
    with TestClient(create_app(settings)):
        assert extend.STATE == ["started"]
    assert extend.STATE == ["started", "ended"]


def test_our_command_is_one_of_the_connectors(monkeypatch, capsys):
    monkeypatch.setenv("PUBLIC_URL", "http://127.0.0.1:8000")
    monkeypatch.setattr("sys.argv", ["connector", "greet"])
    cli.main()
    assert capsys.readouterr().out == "INFO Welcome\\n"


def test_a_missing_setting_of_ours_is_named_before_the_connector_starts(monkeypatch):
    monkeypatch.setenv("PUBLIC_URL", "http://127.0.0.1:8000")
    monkeypatch.setenv("GREETING", "")
    with pytest.raises(SystemExit, match="GREETING is missing"):
        environment.load()
"""


def test_what_owners_put_into_extend_is_all_used(installed: Installed, shared: Path, tmp_path: Path) -> None:
    rendered, environment = installed({"auth_mode": "none", "hosting": "compose", "source": "blank", "ci": "none"})
    project = shutil.copytree(rendered, tmp_path / "project")
    file = project / "src/acme_crm/extend.py"
    text = file.read_text()
    for old, new in OWN.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    file.write_text(text)
    (project / "tests/test_own.py").write_text(OWN_CHECKS)
    path = {"PYTHONPATH": f"{project / 'src'}:{environment.get('PYTHONPATH', '')}"}
    accepted, said = judge("pytest", project, {**environment, **path, "PYTEST_ADDOPTS": "tests/test_own.py"}, shared)
    assert accepted, said


def test_a_required_setting_of_ours_fails_no_test_of_the_template(
    installed: Installed, shared: Path, tmp_path: Path
) -> None:
    answers = {"auth_mode": "oauth", "hosting": "compose", "source": "rest-api", "ci": "none"}
    rendered, environment = installed(answers)
    project = shutil.copytree(rendered, tmp_path / "project")
    file, line = project / "src/acme_crm/extend.py", "    model_config = Settings.model_config\n"
    file.write_text(file.read_text().replace(line, OWN[line]))
    path = {"PYTHONPATH": f"{project / 'src'}:{environment.get('PYTHONPATH', '')}"}
    commands = "tests/test_outbound.py tests/test_settings.py tests/test_state_keys.py tests/test_write_scopes.py"
    commands += " tests/test_settings_command.py"
    accepted, said = judge("pytest", project, {**environment, **path, "PYTEST_ADDOPTS": commands}, shared)
    assert accepted, said


# -------------------------------------------------------------------------------------------------- names at the limit

LONG_HEADERS = ", ".join(f"X-{number}-{'Abc' * 18}-Token"[:60] for number in range(8))
EXTREMES = {
    "headers": {
        "project_name": "L'Été & Œuvre d'Ångström: Søk (v2) - Ça va, naïf!?",
        "package_name": "p" + "_q2" * 13,
        "image_name": "i" + "-j2" * 19 + "-k",
        "command_name": "c" + "-d3" * 9 + "-e",
        "auth_mode": "headers",
        "headers_names": LONG_HEADERS,
        "hosting": "compose",
        "source": "rest-api",
        "ci": "none",
    },
    "api-key": {
        "project_name": "I" * 40,
        "command_name": "c" * 30,
        "auth_mode": "api-key",
        "hosting": "compose",
        "source": "rest-api",
        "ci": "none",
    },
    "none": {
        "project_name": "It's " + "j" * 30 + " & Cie. (v.) =)",
        "command_name": "c" * 30,
        "auth_mode": "none",
        "hosting": "compose",
        "source": "blank",
        "ci": "none",
    },
    "short": {"project_name": "A", "command_name": "z", "auth_mode": "api-key", "hosting": "compose", "ci": "none"},
}


@pytest.fixture(scope="session")
def extreme(template: Path, shared: Path) -> Callable[[str], tuple[Path, dict[str, str]]]:
    def get(name: str) -> tuple[Path, dict[str, str]]:
        target = shared / "extreme" / name
        once(target, lambda: rendering.render(template, target, EXTREMES[name]))
        site = shared / "extreme" / f"{name}-site"
        once(site, lambda: rendering.environment(target, site))
        return target, rendering.variables(target, site)

    return get


def test_the_names_are_at_the_limit() -> None:
    lengths = {name: len(value) for name, value in EXTREMES["headers"].items() if name.endswith("_name")}
    assert lengths == {"project_name": 50, "package_name": 40, "image_name": 60, "command_name": 30}
    assert {len(header) for header in LONG_HEADERS.split(", ")} == {60}


@pytest.mark.parametrize("name", EXTREMES)
@pytest.mark.parametrize("check", ["ruff check .", "ruff format --check ."])
def test_a_render_with_names_at_the_limit_is_clean(
    extreme: Callable[[str], tuple[Path, dict[str, str]]], shared: Path, name: str, check: str
) -> None:
    accepted, said = judge(check, *extreme(name), shared)
    assert accepted, said


@pytest.mark.parametrize("check", ["mypy", "pytest"])
def test_a_render_with_names_at_the_limit_works(
    extreme: Callable[[str], tuple[Path, dict[str, str]]], shared: Path, check: str
) -> None:
    project, environment = extreme("headers")
    accepted, said = judge(check, project, {**environment, "PYTEST_ADDOPTS": "tests/test_contract.py"}, shared)
    assert accepted, said


@pytest.mark.parametrize("name", ["L\u2019Oréal", "Iş\u0131k"], ids=ascii)
def test_letters_that_resemble_others_pass_the_linter(copie: Copie, tmp_path: Path, name: str) -> None:
    result = copie.copy({"project_name": name, "auth_mode": "none", "hosting": "compose"})
    assert result.exception is None
    project = result.project_dir
    assert project is not None
    accepted, said = judge(
        "ruff check .", project, {"PATH": f"{rendering.python(project).parent}:{os.environ['PATH']}"}, tmp_path
    )
    assert accepted, said
