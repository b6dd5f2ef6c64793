"""Who may write with what a target's deploy file sets, and where the scopes of the identity provider's guide stand."""

import json
import re
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import copier
import httpx2
import pytest

from ..lib import rendering
from ..lib.rendering import Installed, Rendered
from ..lib.serving import INTROSPECTION, Running, access_token, free_port, identity_provider, serving
from ..render.test_identity import DIRECT, variables
from . import test_orchestrators, test_platforms
from .test_deploy_files import COMPOSE, prepared

pytestmark = pytest.mark.targets

MODES = ["oauth", "oauth-introspection"]
TARGETS = rendering.choices("hosting")
HOST = "connector.test"  # of a deployment
GUIDE = {"OAUTH_SCOPES": "crm:read", "OAUTH_WRITE_SCOPES": "crm:write"}  # what the guide for any provider creates

Variables = Mapping[str, str]

# ------------------------------------------------------------------------------------- what a deploy file sets


def compose(project: Path, scratch: Path) -> Variables:
    """What Compose gives the container when `.env` is the example with what is required filled in."""
    folder = prepared(project, scratch / "compose")
    example = (folder / ".env.example").read_text(encoding="utf-8")
    required = re.findall(r"Required\..*\n# (OAUTH_\w+|UPSTREAM_\w+)=(.+)$", example, re.MULTILINE)
    filled = {**dict(required), "PUBLIC_HOST": HOST}
    (folder / ".env").write_text(example + "".join(f"{name}={value}\n" for name, value in filled.items()))
    done = rendering.run(folder, {"PATH": "/usr/bin:/bin"}, COMPOSE, "config", "--format", "json")
    assert done.returncode == 0, done.stderr
    environment: Variables = json.loads(done.stdout)["services"]["connector"]["environment"]
    return environment


def deployed(project: Path, target: str, scratch: Path) -> dict[str, str]:
    """The variables that the platform would read from a target's file, with the host name of a deployment."""
    if target == "compose":
        given = compose(project, scratch)
    elif target in test_platforms.TARGETS:
        given = test_platforms.READ[target](test_platforms.file_of(project, target), scratch).plain
    else:
        known = test_orchestrators.READ[target](project).variables
        given = {name: value for name, value in known.items() if value != test_orchestrators.SECRET}
    return {name: in_place(value) for name, value in given.items() if value}


def in_place(value: str) -> str:
    """A value once the platform, or a command of docs/deploy.md, has put the host name in."""
    substituted = re.fullmatch(r"\{'Sub': '(.+)'\}", value)
    host = r"\$\{PublicHost\}|\$\{\{RAILWAY_PUBLIC_DOMAIN\}\}|acme-crm[\w.-]*|connector\.(example\.com|YOUR_DOMAIN)"
    return re.sub(f"^https://({host})(?=/|$)", f"https://{HOST}", substituted[1] if substituted else value)


# ------------------------------------------------------------------------------------- the connector, run with it


@contextmanager
def changes() -> Iterator[tuple[str, list[str]]]:
    """An upstream API at a URL, and the requests that would have changed something there."""
    seen: list[str] = []

    class Records(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.command != "GET":
                seen.append(f"{self.command} {self.path}")
            body = b'{"id": "1", "name": "Ada"}'
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PATCH = do_POST = do_PUT = do_DELETE = answer

        def log_message(self, format: str, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Records) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", seen
        server.shutdown()


@pytest.fixture(scope="module", params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def idp(mode: str) -> Iterator[Running]:
    scopes = ["crm:read", "crm:write", "profile", "email"]
    with identity_provider(opaque=mode == "oauth-introspection", scopes=scopes) as idp:
        yield idp


def filled_in(mode: str, idp: Running, upstream: str) -> dict[str, str]:
    """What the owner puts in place of examples, and the secrets."""
    client = {"OAUTH_CLIENT_ID": INTROSPECTION["client_id"], "OAUTH_CLIENT_SECRET": INTROSPECTION["client_secret"]}
    port = free_port()
    here = {"PUBLIC_URL": f"http://127.0.0.1:{port}", "PORT": str(port), "FORWARDED_ALLOW_IPS": "127.0.0.1"}
    return {**here, "OAUTH_ISSUER": idp.origin, "UPSTREAM_URL": upstream, **(client if mode != "oauth" else {})}


def update(connector: Running, idp: Running, scope: str) -> httpx2.Response:
    """What a tool that writes answers to a token with these scopes."""
    headers = {
        "Authorization": f"Bearer {access_token(idp.origin, connector.url, scope)}",
        "Accept": "application/json, text/event-stream",
    }
    params = {"name": "update_record", "arguments": {"record_id": "1", "changes": {"name": "Ada"}}}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    return httpx2.post(connector.url, json=body, headers=headers, trust_env=False)


def judge(installed: Installed, mode: str, idp: Running, given: Variables) -> None:
    """Refuse variables with which a login alone reaches a tool that writes, or the guide's scopes do not.

    Raises:
        AssertionError: What is wrong.
    """
    project, env = installed({"auth_mode": mode, "hosting": "compose", "source": "rest-api"})
    with (
        changes() as (upstream, written),
        serving(project, env, **{**given, **filled_in(mode, idp, upstream)}) as connector,
    ):
        metadata = f"{connector.origin}/.well-known/oauth-protected-resource/mcp"
        challenge = f'error="insufficient_scope", scope="crm:read crm:write", resource_metadata="{metadata}"'
        for scope in ("openid", "openid profile email", "openid crm:read", "openid crm:write"):
            answer = update(connector, idp, scope)
            assert (answer.status_code, answer.json()) == (403, {"error": "insufficient_scope"}), scope
            assert answer.headers["WWW-Authenticate"] == f"Bearer {challenge}"
        assert written == [], "a tool that writes was reached"
        answer = update(connector, idp, "openid crm:read crm:write")
        assert answer.status_code == 200, answer.text
        assert len(written) == 1
        assert httpx2.get(metadata, trust_env=False).json()["scopes_supported"] == ["crm:read", "crm:write"]


@pytest.fixture(scope="module")
def judged(mode: str) -> list[Variables]:
    """Variables that were tried: most targets set the same, and a server takes seconds to start."""
    return []


@pytest.mark.parametrize("target", TARGETS)
def test_a_login_alone_does_not_write_and_the_scopes_of_the_guide_do(
    installed: Installed,
    rendered: Rendered,
    mode: str,
    idp: Running,
    judged: list[Variables],
    target: str,
    tmp_path: Path,
) -> None:
    project = rendered({"auth_mode": mode, "hosting": target, "source": "rest-api", "ci": "none"})
    given = deployed(project, target, tmp_path)
    assert given["PUBLIC_URL"] == f"https://{HOST}"
    relevant = {name: value for name, value in given.items() if name not in filled_in(mode, idp, "")}
    if relevant not in judged:
        judge(installed, mode, idp, relevant)
        judged.append(relevant)


@pytest.mark.parametrize(
    "planted", [{"OAUTH_WRITE_SCOPES": "*"}, {"OAUTH_WRITE_SCOPES": "crm:read"}, {"OAUTH_SCOPES": ""}]
)
def test_variables_that_let_others_write_are_found(
    installed: Installed, mode: str, idp: Running, planted: Variables
) -> None:
    with pytest.raises(AssertionError):
        judge(installed, mode, idp, {**GUIDE, **planted})


@pytest.mark.parametrize("write_scopes", ["", " ", ",", "openid", "openid,profile"])
def test_serve_ends_with_one_sentence_while_any_login_could_write(
    installed: Installed, mode: str, idp: Running, write_scopes: str
) -> None:
    project, env = installed({"auth_mode": mode, "hosting": "compose", "source": "rest-api"})
    given = filled_in(mode, idp, "http://127.0.0.1:9") | {
        "OAUTH_SCOPES": "crm:read",
        "OAUTH_WRITE_SCOPES": write_scopes,
    }
    done = rendering.run(project, {**env, **given}, "connector", "serve")
    assert done.returncode == 1
    assert done.stderr.startswith("connector cannot start: OAUTH_WRITE_SCOPES ")
    assert "these tools write: update_record;" in done.stderr
    assert done.stderr.count("\n") == 1


# ------------------------------------------------------------------------------------- the guide and the deploy file


@pytest.fixture(scope="module")
def guided(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Gives the guide and the deploy file for a mode, a provider and a target, rendered without the rest."""
    source = tmp_path_factory.mktemp("template")
    shutil.copy(rendering.ROOT / "copier.yml", source)
    rendering.copy_working_tree(source, "hooks", "mcp_connector/platforms.yaml")
    for name in [*rendering.choices("hosting"), "idp_tokens"]:
        group = rendering.group(name)
        shutil.copytree(group, source / "template" / group.name, ignore=shutil.ignore_patterns("src", "tests"))
    health = "src/{{ package_name }}/core/health.py.jinja"  # AWS's deploy file has the path of its check from there
    for name in ["{{ _copier_conf.answers_file }}.jinja", ".env.example.jinja", health]:
        (source / "template" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(rendering.TEMPLATE / name, source / "template" / name)

    @cache
    def project(mode: str, provider: str, target: str) -> Path:
        folder = tmp_path_factory.mktemp(f"{mode}-{provider}-{target}")
        answers = {"auth_mode": mode, "identity_provider": provider, "hosting": target, "source": "rest-api"}
        given = {"project_name": "Acme CRM", "ci": "none", **answers}
        copier.run_copy(str(source), folder, data=given, defaults=True, quiet=True)
        return folder

    return project


def fits(project: Path, target: str, scratch: Path) -> None:
    """Refuse a deploy file without what the guide has its reader create.

    Raises:
        AssertionError: What is missing, or another value.
    """
    guide = (project / "docs/identity-provider.md").read_text(encoding="utf-8")
    told = {name: value.replace("YOUR-HOST", HOST) for name, value in variables(guide).items()}
    wanted = {name: told[name] for name in ("OAUTH_AUDIENCE", "OAUTH_SCOPES", "OAUTH_WRITE_SCOPES") if name in told}
    given = deployed(project, target, scratch)
    if target == "aws-ecs" and "OAUTH_AUDIENCE" in wanted:  # a parameter, which the command of docs/deploy.md gives
        assert given["OAUTH_AUDIENCE"] == "{'Ref': 'OauthAudience'}"
        given["OAUTH_AUDIENCE"] = wanted["OAUTH_AUDIENCE"]
    assert wanted["OAUTH_SCOPES"]
    assert {name: given.get(name) for name in ("OAUTH_AUDIENCE", "OAUTH_SCOPES", "OAUTH_WRITE_SCOPES")} == {
        name: wanted.get(name) for name in ("OAUTH_AUDIENCE", "OAUTH_SCOPES", "OAUTH_WRITE_SCOPES")
    }


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("pair", DIRECT, ids="-".join)
def test_a_deploy_file_sets_what_the_guide_creates(
    guided: Callable[..., Path], pair: tuple[str, str], target: str, tmp_path: Path
) -> None:
    fits(guided(*pair, target), target, tmp_path)


@pytest.mark.parametrize("target", TARGETS)
def test_a_deploy_file_without_the_scopes_of_the_guide_is_found(
    guided: Callable[..., Path], target: str, tmp_path: Path
) -> None:
    project = shutil.copytree(guided("oauth", "keycloak", target), tmp_path / "project")
    planted = 0
    for file in project.rglob("*"):
        if file.suffix in {".yaml", ".toml", ".ts"} and "mcp:write" in (text := file.read_text(encoding="utf-8")):
            file.write_text(text.replace("mcp:write", "openid"))
            planted += 1
    assert planted == 1
    with pytest.raises(AssertionError):
        fits(project, target, tmp_path)


@pytest.mark.parametrize("pair", DIRECT, ids="-".join)
def test_a_guide_has_its_reader_create_each_scope_that_it_sets(
    guided: Callable[..., Path], pair: tuple[str, str]
) -> None:
    guide = (guided(*pair, "compose") / "docs/identity-provider.md").read_text(encoding="utf-8")
    steps = guide.partition("## Steps")[2].partition("Set the variables of the connector")[0]
    given = variables(guide)
    for scope in [given["OAUTH_SCOPES"], given.get("OAUTH_WRITE_SCOPES", "OAUTH_WRITE_SCOPES=*")]:
        assert f"`{scope.removeprefix('https://YOUR-HOST/mcp/')}`" in steps
