"""The image, built from the rendered Dockerfile by a real Docker daemon: what is in it, how it runs, and how it stops.

The images that it is built on are stand-ins made here, so sizes count what comes on top. Each check is shown to reject
planted errors.
"""

import asyncio
import io
import json
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tarfile
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from ssl import create_default_context
from types import MappingProxyType
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx2
import pytest
import yaml
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from packaging.requirements import Requirement

from ..lib import docker as stand_ins
from ..lib import pipelines, probes, rendering
from ..lib.browser import follow, form, query
from ..lib.docker import Docker, Unavailable, daemon, made
from ..lib.rendering import Answers, Installed, Rendered, recorded
from ..lib.serving import free_port, serving, until
from ..oauth import test_oauth_proxy as oauth
from ..pipelines import test_pipelines as first
from ..running.test_running import ERAS, call, system

pytestmark = pytest.mark.image

UID, GRACE = 10001, 30
LIMIT = 130  # MB on top of the base
SECRET = "a-secret-that-lies-beside-the-source"
HARDENED = ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--tmpfs=/tmp"]
COMPILERS = {"cc", "gcc", "c++", "g++", "cpp", "clang", "ld", "as", "make", "cargo", "rustc", "go"}
INSTALLERS = {"pip", "pip3", "uv", "uvx", "ensurepip"}

CHOSEN: dict[str, Answers] = {
    "none": {"auth_mode": "none", "hosting": "compose", "source": "blank", "ci": "none"},
    "api-key": {"auth_mode": "api-key", "hosting": "compose", "source": "rest-api", "ci": "none"},
    "oauth-proxy": {"auth_mode": "oauth-proxy", "hosting": "compose", "source": "blank", "ci": "none"},
}
MODES = pytest.mark.parametrize("mode", CHOSEN)


@pytest.fixture(scope="module")
def docker(rendered: Rendered) -> Iterator[Docker]:
    """A daemon that has the images which the rendered files name, or a skip that says why it cannot start."""
    project = rendered(CHOSEN["oauth-proxy"])
    [base] = re.findall(r"ARG PYTHON_IMAGE=(\S+)", (project / "Dockerfile").read_text())
    composed = yaml.safe_load((project / "compose.yaml").read_text())
    services, [edge] = composed["services"], composed["networks"]["edge"]["ipam"]["config"]
    left = stand_ins.interfaces(edge["subnet"])
    assert left == [], (
        f"{edge['subnet']} is on this machine already, of a run that was killed: ip link delete {left[0]}"
    )
    try:
        with daemon() as docker:
            stand_ins.python_image(docker, base)
            stand_ins.caddy_image(docker, services["caddy"]["image"])
            stand_ins.valkey_image(docker, services["state"]["image"], base)
            yield docker
    except Unavailable as reason:
        pytest.skip(str(reason))


@dataclass(frozen=True)
class Image:
    """What was built of a project."""

    docker: Docker
    name: str
    base: str
    project: Path

    def with_(self, *instructions: str, **files: Path) -> "Image":
        """Another one, with these instructions at the end of its Dockerfile."""
        dockerfile = "\n".join([f"FROM {self.name}", "USER root", *instructions, ""])
        if not any(line.startswith("USER") for line in instructions):
            dockerfile += f"USER {UID}:{UID}\n"
        return Image(self.docker, made(self.docker, "planted", dockerfile, **files), self.base, self.project)

    def added(self) -> set[str]:
        """Paths that are not in the base."""
        return self.docker.files(self.name).keys() - self.docker.files(self.base).keys()

    def python(self, code: str) -> Any:
        """What Python code prints as JSON in it."""
        return json.loads(self.docker("run", "--rm", "--network=none", self.name, "python", "-c", code))


def source(project: Path, target: Path) -> Path:
    """A project as it lies on its owner's machine: with secrets and with history."""
    shutil.copytree(project, target)
    (target / "secrets").mkdir()
    for name in (".env", "secrets/upstream_auth_value", "src/.env"):
        (target / name).write_text(f"TOKEN={SECRET}\n")
    rendering.git("init", "-q", cwd=target)
    rendering.git("add", "--force", "-A", cwd=target)
    rendering.git("commit", "-q", "-m", SECRET, cwd=target)
    return target


@pytest.fixture(scope="module")
def build(docker: Docker, locked: Rendered, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Image]:
    """Gives the image of this mode, built once."""
    images: dict[str, Image] = {}

    def get(mode: str) -> Image:
        if mode not in images:
            project = source(locked(CHOSEN[mode]), tmp_path_factory.mktemp("source") / mode)
            [base] = re.findall(r"ARG PYTHON_IMAGE=(\S+)", (project / "Dockerfile").read_text())
            images[mode] = Image(docker, docker.build(project, mode, "--no-cache"), base, project)
        return images[mode]

    return get


# ------------------------------------------------------------------------------------------------------ what is in it


def is_small(image: Image) -> float:
    """Megabytes on top of the base."""
    sizes = [image.docker.inspect(name)["Size"] for name in (image.name, image.base)]
    added: float = (sizes[0] - sizes[1]) / 1e6
    assert added < LIMIT
    return added


def is_not_root(image: Image) -> None:
    assert image.docker.inspect(image.name)["Config"]["User"] == f"{UID}:{UID}"
    assert image.python("import os; print([*os.getresuid(), *os.getresgid(), *os.getgroups()])") == [UID] * 7


def has_no_secrets(image: Image) -> None:
    """In no layer, even one whose files a later one takes away, nor in the history."""
    wanted, names = SECRET.encode(), {".env", ".git", "secrets"}
    with image.docker.saved("save", image.name) as archive, tarfile.open(archive) as image_files:
        for member in filter(tarfile.TarInfo.isreg, image_files):
            read = image_files.extractfile(member)
            assert read is not None
            content = read.read()
            assert wanted not in content, member.name
            with suppress(tarfile.ReadError), tarfile.open(fileobj=io.BytesIO(content)) as layer:
                assert [path for path in layer.getnames() if names & set(path.split("/"))] == []


def has_no_tools(image: Image) -> None:
    """No compiler, nothing that installs packages but what the base has, no cache of either."""
    assert [path for path in image.docker.files(image.name) if Path(path).name in COMPILERS and "bin/" in path] == []
    added = image.added()
    assert [path for path in added if INSTALLERS & set(path.split("/"))] == []
    assert [
        path for path in added if ".cache" in path.split("/") or path.startswith(("root/", "tmp/", "build", "uv"))
    ] == []


def has_what_the_lock_names(image: Image) -> None:
    """And nothing else but the connector itself."""
    uv = Path(sys.executable).with_name("uv")
    about = image.python("import json, platform; print(json.dumps(platform.python_version()))")
    options = ["--locked", "--no-dev", "--no-emit-project", "--no-hashes", "--no-annotate", "--no-header"]
    exported = subprocess.run(
        [uv, "export", "--quiet", *options], cwd=image.project, capture_output=True, text=True, check=True
    )
    here = {"python_version": ".".join(about.split(".")[:2]), "python_full_version": about}
    here |= {"sys_platform": "linux", "platform_system": "Linux", "platform_python_implementation": "CPython"}
    locked = {}
    for line in exported.stdout.splitlines():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate(here):
            locked[requirement.name] = str(requirement.specifier).removeprefix("==")
    installed = image.python(
        "import json; from importlib.metadata import distributions as d; from sysconfig import get_path;"
        "print(json.dumps([(x.name, x.version) for x in d(path=[get_path('purelib')])]))"
    )
    found = {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in installed}
    assert len(found) == len(installed)
    own = found.pop(recorded(image.project)["package_name"].replace("_", "-"))
    assert (own, found) == ("0.1.0", locked)


def has_no_development(image: Image) -> None:
    """An identity provider that lets everybody in stays out."""
    assert [path for path in image.added() if "/core/dev/" in path] == []


CHECKS: dict[str, Callable[[Image], object]] = {
    "small": is_small,
    "not root": is_not_root,
    "no secrets": has_no_secrets,
    "no tools": has_no_tools,
    "as locked": has_what_the_lock_names,
    "no development": has_no_development,
}

SITE = "/app/lib/python3.*/site-packages"
PLANTED = {
    "a large file": ("small", ["RUN head -c 130000000 /dev/zero > /large"]),
    "root": ("not root", ["USER root"]),
    "a further group": ("not root", [f"RUN groupadd more && useradd -u {UID} -G more someone", f"USER {UID}"]),
    "a copied secret": ("no secrets", ["COPY .env /app/settings"]),
    "a secret that was taken away again": ("no secrets", ["COPY .env /settings", "RUN rm /settings"]),
    "a secret in the history": ("no secrets", [f"RUN TOKEN={SECRET} true"]),
    "a compiler": ("no tools", ["RUN install /dev/null /usr/bin/gcc"]),
    "an installer": ("no tools", ["RUN install /dev/null /app/bin/uv"]),
    "a cache": ("no tools", ["RUN mkdir -p /var/.cache && touch /var/.cache/wheel"]),
    "another version": ("as locked", [f"RUN cd {SITE} && mv pydantic-2*.dist-info pydantic-2.dist-info",
                                      f"RUN sed -i 's/^Version: .*/Version: 2/' {SITE}/pydantic-2.dist-info/METADATA"]),
    "one more package": ("as locked", [f"RUN cd {SITE} && mkdir more-1.dist-info && cd more-1.dist-info && "
                                       "printf 'Name: more\\nVersion: 1\\n' > METADATA"]),
    "an identity provider": ("no development", [f"RUN cd {SITE}/acme_crm/core && mkdir dev && touch dev/idp.py"]),
}  # fmt: skip


@MODES
@pytest.mark.parametrize("check", CHECKS)
def test_the_image_holds_what_it_needs(
    check: str, mode: str, build: Callable[[str], Image], record_property: Callable[[str, object], None]
) -> None:
    measured = CHECKS[check](build(mode))
    if isinstance(measured, float):
        record_property("summary", f"image, {mode}: {measured:.0f} MB on top of the base")


@pytest.mark.parametrize("error", PLANTED)
def test_a_planted_error_is_rejected(error: str, build: Callable[[str], Image]) -> None:
    check, instructions = PLANTED[error]
    image = build("none")
    planted = image.with_(*instructions, **{".env": image.project / ".env"})
    with pytest.raises(AssertionError):
        CHECKS[check](planted)


def test_without_dockerignore_and_with_all_copied_the_secrets_are_found(
    build: Callable[[str], Image], tmp_path: Path
) -> None:
    image = build("none")
    project = shutil.copytree(image.project, tmp_path / "project")
    (project / ".dockerignore").unlink()
    (project / "Dockerfile").write_text(f"FROM {image.name}\nCOPY . .\n")
    planted = Image(image.docker, image.docker.build(project, "planted"), image.base, project)
    with pytest.raises(AssertionError):
        has_no_secrets(planted)


NO_LOCK = "There is no uv.lock: run uv sync, and commit the uv.lock that it makes."


def test_without_a_lock_the_build_says_what_to_do(docker: Docker, rendered: Rendered) -> None:
    done = docker.run("build", "--network=host", rendered(CHOSEN["none"]))
    assert done.returncode != 0
    assert NO_LOCK in done.stderr


def test_a_lock_that_does_not_fit_is_refused(docker: Docker, locked: Rendered, tmp_path: Path) -> None:
    project = shutil.copytree(locked(CHOSEN["none"]), tmp_path / "project")
    file = project / "pyproject.toml"
    file.write_text(file.read_text().replace("dependencies = [", 'dependencies = [\n    "six<2",', 1))
    done = docker.run("build", "--network=host", project)
    assert done.returncode != 0
    assert "needs to be updated, but `--locked` was provided" in done.stderr


# The only difference between two builds: the time at which uv read the source.
VARIES = re.compile(r"dist-info/(uv_cache\.json|RECORD)$|\.pyc$")


@pytest.mark.parametrize("mode", ["none", "oauth-proxy"])
def test_a_second_build_gives_the_same_files(
    mode: str, build: Callable[[str], Image], record_property: Callable[[str, object], None]
) -> None:
    image = build(mode)
    again = image.docker.build(image.project, f"{mode}-again", "--no-cache")
    first, second = (image.docker.files(name) for name in (image.name, again))
    differ = {path for path in first.keys() | second.keys() if first.get(path) != second.get(path)}
    record_property(
        "summary",
        f"image, {mode}: two builds differ in {len(differ)} of {len(first)} files, all but "
        f"bytecode: {sorted(path for path in differ if not path.endswith('.pyc'))}",
    )
    assert [path for path in differ if not VARIES.search(path)] == []
    planted = image.with_("RUN echo >> $(echo /app/lib/python3.*/site-packages)/acme_crm/app.py")
    changed = image.docker.files(planted.name)
    assert [path for path in changed if changed[path] != first.get(path) and not VARIES.search(path)] != []


# ------------------------------------------------------------------------------------------------------- how it runs


def running(image: Image, *options: str) -> list[str | Path]:
    """A command that runs it as the targets do; it ends as the connector in it ends."""
    names = ["PORT", "PUBLIC_URL", "UPSTREAM_URL", "API_KEYS_FILE", "OAUTH_ISSUER", "OAUTH_CLIENT_ID", "OAUTH_SCOPES"]
    names += ["OAUTH_CLIENT_SECRET", "OAUTH_ALLOWED_USERS", "OAUTH_REDIRECT_URIS", "OAUTH_WRITE_SCOPES"]
    names += ["STATE_KEY", "SIGNING_KEY"]
    passed = [f"--env={name}" for name in names]
    return image.docker.command("run", "--rm", "--network=host", *HARDENED, *passed, *options, image.name)


@MODES
def test_it_turns_healthy_without_any_right_and_answers_both_eras(
    mode: str, build: Callable[[str], Image], installed: Installed, tmp_path: Path
) -> None:
    image, tool = build(mode), "search_records" if CHOSEN[mode]["source"] == "rest-api" else "count_words"
    settings = {"API_KEYS_FILE": str(shared(tmp_path) / "keys.jsonl")} if mode == "api-key" else {}
    # As a volume in place of a store, which keeps logins where PUBLIC_URL is this machine.
    options = [f"--name={mode}", f"--volume={tmp_path}:{tmp_path}:ro", "--workdir=/tmp"]
    project, env = installed(CHOSEN[mode])
    with serving(project, env, command=running(image, *options), **settings) as connector:
        for era in ERAS:
            assert not call(connector, tool, {"text": "a b"} if tool == "count_words" else {}, era).is_error
        process = dict(
            re.findall(r"^(\w+):\s+(.+)$", image.docker("exec", mode, "cat", "/proc/1/status"), re.MULTILINE)
        )
        assert (process["Uid"].split(), process["Gid"].split()) == ([str(UID)] * 4, [str(UID)] * 4)
        assert {int(process[kind], 16) for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
        assert process["NoNewPrivs"] == "1"
        assert image.docker.run("exec", "--user=0", mode, "touch", "/app/file").returncode != 0
        until(lambda: image.docker.inspect(mode)["State"]["Health"]["Status"] == "healthy", 40)
        [kind, *check] = image.docker.inspect(image.name)["Config"]["Healthcheck"]["Test"]
        assert kind == "CMD"
        image.docker("exec", mode, *check)
        assert image.docker.run("exec", "--env=PORT=9", mode, *check).returncode != 0


def shared(folder: Path) -> Path:
    """A folder that the container's user can read too."""
    folder.chmod(0o755)
    return folder


def test_a_call_in_flight_finishes_after_sigterm(
    build: Callable[[str], Image], installed: Installed, tmp_path: Path
) -> None:
    keys = shared(tmp_path) / "keys.jsonl"
    command = running(build("api-key"), f"--volume={tmp_path}:{tmp_path}:ro")
    with (
        system(seconds=8) as behind,
        serving(
            *installed(CHOSEN["api-key"]), command=command, UPSTREAM_URL=behind.origin, API_KEYS_FILE=str(keys)
        ) as connector,
        ThreadPoolExecutor() as pool,
    ):
        calls = [pool.submit(call, connector, "search_records", {}, era) for era in ERAS]
        until(lambda: len(behind.received) == len(ERAS))
        connector.process.terminate()
        for answer in calls:
            assert answer.result(GRACE).structured_content == {"records": [{"id": "1"}], "next_cursor": None}
        assert connector.process.wait(GRACE) == 0


def test_it_stops_at_once_while_it_starts(build: Callable[[str], Image]) -> None:
    image = build("oauth-proxy")

    def status(*command: str) -> int | None:
        """What it ends with when it is told to stop while its identity provider does not answer."""
        with socket.create_server(("127.0.0.1", 0)) as silent:
            silent.settimeout(30)
            port = silent.getsockname()[1]
            settings = {"PUBLIC_URL": "http://127.0.0.1:9", "OAUTH_ISSUER": f"https://127.0.0.1:{port}"}
            settings |= {"OAUTH_CLIENT_ID": "a", "OAUTH_CLIENT_SECRET": "b", "OAUTH_ALLOWED_USERS": "*"}
            settings["STATE_STORE_URL"] = "redis://127.0.0.1:9"
            settings |= {name: b64encode(secrets.token_bytes(32)).decode() for name in ("STATE_KEY", "SIGNING_KEY")}
            options = [*HARDENED, "--network=host", *(f"--env={name}={value}" for name, value in settings.items())]
            container = image.docker("run", "--detach", *options, image.name, *command)
            try:
                asking, _ = silent.accept()
                with asking:
                    image.docker("kill", "--signal=TERM", container)
                    with suppress(AssertionError):
                        until(lambda: not image.docker.inspect(container)["State"]["Running"], 3)
                    state = image.docker.inspect(container)["State"]
                return None if state["Running"] else int(state["ExitCode"])
            finally:
                image.docker("rm", "--force", container)

    assert status() == 0
    assert (
        status(
            "python", "-c", "import sys; sys.argv[1:] = ['serve']; from acme_crm.core.command import cli; cli.main()"
        )
        is None
    )


def test_dev_is_refused_in_one_sentence(build: Callable[[str], Image]) -> None:
    image = build("oauth-proxy")
    done = image.docker.run("run", "--rm", *HARDENED, "--network=none", image.name, "connector", "dev")
    assert (done.returncode, done.stderr.splitlines()) == (
        1,
        [
            "connector cannot start: the image has no development identity provider; "
            "use `serve`, or run `dev` from the source."
        ],
    )


# ------------------------------------------------------------------------------------------------ compose up --wait


class Published(httpx2.AsyncHTTPTransport):
    """Sends what is for port 443 to the port where a test has it."""

    def __init__(self, port: int, **options: Any) -> None:
        super().__init__(**options)
        self.port = port

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        request.url = request.url.copy_with(port=self.port)  # the Host header stays
        return await super().handle_async_request(request)


class Browsed(httpx2.HTTPTransport):
    """Sends what is for these hosts to the ports of this machine where a test has them."""

    def __init__(self, ports: Mapping[str, int], **options: Any) -> None:
        super().__init__(**options)
        self.ports = ports

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        place = request.url.copy_with(host="localhost", port=self.ports[request.url.host])
        sent = httpx2.Request(request.method, place, headers=request.headers, stream=request.stream)
        return super().handle_request(sent)


@dataclass(frozen=True)
class Deployment:
    """A project that Compose started, with Caddy in front."""

    docker: Docker
    project: Path
    name: str
    port: int
    authority: Path
    headers: Mapping[str, str]
    compose: Callable[..., str]

    def client(self) -> httpx2.AsyncClient:
        trusted = create_default_context(cafile=str(self.authority))
        transport = Published(self.port, verify=trusted)
        return httpx2.AsyncClient(transport=transport, headers=dict(self.headers), timeout=30, trust_env=False)

    def calls(self, tool: str, arguments: dict[str, Any], era: str) -> int:
        """How many calls were answered: one."""
        return self.calls_while(lambda: False, tool, arguments, era, 1, [])

    def calls_while(
        self,
        going: Callable[[], bool],
        tool: str,
        arguments: dict[str, Any],
        era: str,
        times: int,
        told: list[bool],
    ) -> int:
        """How many calls were answered, one after the other by one client, at least `times` and then while `going`.

        `told` learns of each at once; the first that is not answered ends it.
        """

        async def calling() -> int:
            async with (
                self.client() as http,
                Client(streamable_http_client("https://localhost/mcp", http_client=http), mode=era) as client,
            ):
                await client.list_tools()
                count = 0
                while count < times or going():
                    told.append(not (await client.call_tool(tool, arguments)).is_error)
                    assert told[-1]
                    count += 1
                return count

        return asyncio.run(calling())

    @contextmanager
    def caddy_with(self, right: str, wrong: str) -> Iterator[None]:
        """For the time of the block, Caddy with a planted error."""
        file = self.project / "Caddyfile"
        before = file.read_text()
        assert right in before
        reload = ["exec", f"{self.name}-caddy-1", "caddy", "reload", "--config", "/etc/caddy/Caddyfile"]
        file.write_text(before.replace(right, wrong))
        self.docker(*reload, "--adapter=caddyfile")
        try:
            yield
        finally:
            file.write_text(before)
            self.docker(*reload, "--adapter=caddyfile")

    def ask(self, method: str, path: str, **options: Any) -> httpx2.Response:
        async def asking() -> httpx2.Response:
            async with self.client() as http:
                return await http.request(method, f"https://localhost{path}", **options)

        return asyncio.run(asking())


@contextmanager
def deployed(
    docker: Docker,
    project: Path,
    settings: Mapping[str, str] = MappingProxyType({}),
    services: str = "",
    scale: int = 1,
    connector: str = "",
) -> Iterator[Deployment]:
    """A project by the commands of its docs/deploy.md, at https://localhost; the override publishes one port only."""
    port, name = free_port(), f"deployed-{project.name}"
    override = f"""services:
  connector:
    build:
      network: host
{connector}  caddy:
    ports: !override ["127.0.0.1:{port}:443"]
{services}"""
    settings = {"PUBLIC_HOST": "localhost", "COMPOSE_PROJECT_NAME": name, **settings}

    def compose(*arguments: str) -> str:
        done = docker.compose(project, override, settings, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr + logs()
        return done.stdout

    def logs() -> str:
        return docker.compose(project, override, settings, "logs", "--no-color").stdout

    try:
        compose("build")
        headers: dict[str, str] = {}
        if (folder := project / "secrets").is_dir() and recorded(project)["auth_mode"] == "api-key":
            (folder / "keys").mkdir()
            mounted = [f"--volume={folder}/keys:/keys", "--env=API_KEYS_FILE=/keys/keys.jsonl", "--user=0:0"]
            new = ["connector", "keys", "new", "--owner", "NAME", "--scopes", "read,write"]
            printed = docker("run", "--rm", *mounted, recorded(project)["image_name"], *new)
            headers["Authorization"] = f"Bearer {printed.splitlines()[1]}"
        compose("up", "--detach", "--wait", f"--scale=connector={scale}")
        authority = project / "authority.crt"
        inside = "/data/caddy/pki/authorities/local/root.crt"
        until(lambda: docker.run("cp", f"{name}-caddy-1:{inside}", authority).returncode == 0)
        yield Deployment(docker, project, name, port, authority, headers, compose)
    finally:
        docker.compose(project, override, settings, "down", "--volumes", "--timeout=5")


@pytest.fixture(scope="class")
def probed(docker: Docker, locked: Rendered, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A deployment behind Caddy, with tools of a test."""
    project = source(locked(CHOSEN["none"]), tmp_path_factory.mktemp("probed") / "probed")
    tools = project / "src" / recorded(project)["package_name"] / "tools"
    shutil.copy2(probes.__file__, tools)
    own = (tools / "__init__.py").read_text()
    (tools / "__init__.py").write_text(f"from .probes import add_to\n{own}    add_to(server)\n")
    with deployed(docker, project) as deployment:
        yield deployment


def result(deployment: Deployment, tool: str, era: str, **arguments: Any) -> Any:
    """Of one call, which forges what proxies say; whoever sees a step of the tool lets it go on."""
    forged = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "attacker.example"}

    async def calling() -> Any:
        async with (
            deployment.client() as http,
            deployment.client() as other,
            Client(streamable_http_client("https://localhost/mcp", http_client=http), mode=era) as client,
            Client(streamable_http_client("https://localhost/mcp", http_client=other), mode=era) as beside,
        ):
            http.headers.update(forged)

            async def on_progress(progress: float, total: float | None, message: str | None) -> None:
                await beside.call_tool("proceed", {})

            answer = await client.call_tool(tool, arguments, progress_callback=on_progress)
            assert not answer.is_error, answer.content
            return answer.structured_content

    return asyncio.run(calling())


LOST = (AssertionError, ExceptionGroup)


def stopped_amid_calls(deployment: Deployment, tool: str, signal: str, replica: int = 1) -> str:
    """Calls of both protocol versions from before a replica gets a signal until it has ended; none may be lost."""
    workers, times, told = 8, 25, list[bool]()
    arguments = {"text": "a b"} if tool == "count_words" else {}
    name = f"{deployment.name}-connector-{replica}"
    ended = threading.Event()
    with ThreadPoolExecutor(workers) as pool:
        calling = [
            pool.submit(deployment.calls_while, lambda: not ended.is_set(), tool, arguments, era, times, told)
            for era in ERAS * (workers // 2)
        ]
        try:
            until(lambda: len(told) >= 40, 60)
            before = len(told)
            deployment.docker("kill", f"--signal={signal}", name)
            until(lambda: not deployment.docker.inspect(name)["State"]["Running"], GRACE + 10)
        finally:
            ended.set()
        answered = [each.result(60) for each in calling]
    assert deployment.docker.inspect(name)["State"]["ExitCode"] == 0
    assert sum(answered) == len(told) >= workers * times
    return f"{len(told)} calls, {before} answered when one of two replicas was told to stop, none lost"


class TestBehindCaddy:
    def test_compose_up_serves_both_eras_behind_caddy(self, probed: Deployment) -> None:
        assert [probed.calls("count_words", {"text": "a b"}, era) for era in ERAS] == [1, 1]
        secured = probed.ask("GET", "/health/ready")
        assert (secured.status_code, secured.headers["strict-transport-security"]) == (200, "max-age=31536000")

    def test_a_silent_call_is_answered_behind_caddy(self, probed: Deployment) -> None:
        def silent(era: str, seconds: int = 20) -> Any:
            return result(probed, "wait", era, seconds=seconds)["result"]

        with ThreadPoolExecutor() as pool:
            assert list(pool.map(silent, ERAS)) == [20, 20]
        with probed.caddy_with("keepalive 2s", "read_timeout 3s"), pytest.raises(LOST):
            silent(ERAS[0], seconds=6)

    @pytest.mark.parametrize("era", ERAS)
    def test_caddy_passes_each_event_on_before_the_next_is_made(self, probed: Deployment, era: str) -> None:
        assert result(probed, "steps", era)["result"]
        with probed.caddy_with("flush_interval -1", "response_buffers 1MiB"), pytest.raises(LOST):
            result(probed, "steps", era)

    @pytest.mark.parametrize("era", ERAS)
    def test_caddy_replaces_what_callers_say_about_themselves(self, probed: Deployment, era: str) -> None:
        def believed() -> None:
            told = result(probed, "received", era)
            assert (told["scheme"], told["x-forwarded-proto"], told["x-forwarded-host"]) == (
                "https",
                "https",
                "localhost",
            )
            assert told["client"] == told["x-forwarded-for"] != "203.0.113.9"

        believed()
        with probed.caddy_with("flush_interval -1", "trusted_proxies 0.0.0.0/0"), pytest.raises(AssertionError):
            believed()

    def test_who_calls_while_the_connector_is_replaced_waits_for_the_new_one(self, probed: Deployment) -> None:
        def replaced_amid_calls() -> None:
            """While one call keeps the old one for longer than it takes others."""
            words, again = {"text": "a b"}, ["up", "--detach", "--wait", "--no-deps", "--force-recreate", "connector"]
            with ThreadPoolExecutor() as pool:
                long = pool.submit(result, probed, "wait", ERAS[0], seconds=14)
                replaced = pool.submit(probed.compose, *again)
                calling = [
                    pool.submit(probed.calls_while, lambda: not replaced.done(), "count_words", words, era, 1, [])
                    for era in ERAS
                ]
                assert long.result()["result"] == 14
                replaced.result()
                assert [each.result() >= 1 for each in calling] == [True, True]

        replaced_amid_calls()
        with probed.caddy_with("lb_try_duration 40s", "lb_try_duration 5s"), pytest.raises(LOST):
            replaced_amid_calls()

    def test_no_call_is_lost_when_a_replica_stops(
        self, probed: Deployment, record_property: Callable[[str, object], None]
    ) -> None:
        probed.compose("up", "--detach", "--wait", "--no-recreate", "--scale=connector=2")
        record_property("summary", f"none: {stopped_amid_calls(probed, 'count_words', 'TERM')}")
        with pytest.raises(LOST):  # a replica that ends at once loses what it had
            stopped_amid_calls(probed, "count_words", "KILL", replica=2)


def stand_in(project: Path) -> str:
    """The upstream API of a connector with the source rest-api, as a service for the override."""
    given = recorded(project)
    command = ["python", "-m", "uvicorn", f"{given['package_name']}.stand_in:app", "--host=0.0.0.0"]
    return (
        f"  behind:\n    image: {given['image_name']}\n    command: {json.dumps(command)}\n    networks: [edge]\n"
        "    healthcheck: {test: [CMD, 'true'], interval: 1s}\n"  # the image's asks the connector
    )


@pytest.fixture(scope="class")
def keyed(docker: Docker, locked: Rendered, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Two replicas behind Caddy, with a key by the documented command and an upstream API."""
    project = source(locked(CHOSEN["api-key"]), tmp_path_factory.mktemp("keyed") / "keyed")
    with deployed(docker, project, {"UPSTREAM_URL": "http://behind:8000"}, stand_in(project), scale=2) as deployment:
        yield deployment


class TestWithKeys:
    def test_the_key_of_the_documented_command_is_taken(self, keyed: Deployment) -> None:
        assert [keyed.calls("search_records", {}, era) for era in ERAS] == [1, 1]
        without = keyed.ask("POST", "/mcp", headers={"Authorization": ""}, json={})
        assert without.status_code == 401

    def test_no_refusal_is_lost_behind_caddy(self, keyed: Deployment) -> None:
        async def asking() -> set[int]:
            async with keyed.client() as http:
                del http.headers["Authorization"]
                return {(await http.post("https://localhost/mcp", json={})).status_code for _ in range(500)}

        assert asyncio.run(asking()) == {401}

    def test_no_call_is_lost_when_a_replica_stops(
        self, keyed: Deployment, record_property: Callable[[str, object], None]
    ) -> None:
        record_property("summary", f"api-key: {stopped_amid_calls(keyed, 'search_records', 'TERM')}")


IDP = "login.test"
PROVIDER = """
import sys, uvicorn
from {package}.core.dev.idp import Provider, create_idp
provider = Provider("https://{host}", "", ["openid", "email"])
back = ["https://localhost/auth/callback"]
provider.clients["developer"] = {{"client_name": "The connector", "redirect_uris": back, "client_id": "developer"}}
tls = {{"ssl_certfile": "/trust/certificate.pem", "ssl_keyfile": "/trust/key.pem"}}
uvicorn.run(create_idp(provider), host="0.0.0.0", port=443, **tls)
"""


@dataclass(frozen=True)
class LoggedIn:
    """A deployment where people log in, and a client that one of them let in."""

    deployment: Deployment
    client: oauth.Client
    browser: httpx2.Client


def certificate(folder: Path) -> None:
    """One of its own authority for the identity provider, which tests reach as localhost."""
    folder.mkdir()
    names = f"subjectAltName=DNS:{IDP},DNS:localhost"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-noenc", "-subj", "/CN=test", "-addext", names]
    files: list[str | Path] = ["-keyout", folder / "key.pem", "-out", folder / "certificate.pem"]
    subprocess.run([*made, *files], check=True, capture_output=True)
    (folder / "key.pem").chmod(0o644)


@pytest.fixture(scope="class")
def logged_in(docker: Docker, locked: Rendered, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoggedIn]:
    """Two replicas of a connector behind Caddy, with its store and an identity provider on its network."""
    project = source(locked(CHOSEN["oauth-proxy"]), tmp_path_factory.mktemp("login") / "login")
    certificate(trust := project / "trust")
    code = PROVIDER.format(package=recorded(project)["package_name"], host=IDP)
    port, image = free_port(), recorded(project)["image_name"]
    idp = f"""  idp:
    image: {image}
    command: {json.dumps(["python", "-c", code])}
    user: "0:0"
    environment: {{PYTHONPATH: /src}}
    volumes: ["{project}/src:/src:ro", "{trust}:/trust:ro"]
    ports: ["127.0.0.1:{port}:443"]
    networks: {{edge: {{aliases: [{IDP}]}}}}
    healthcheck:
      test: [CMD, python, -c, "import socket; socket.create_connection(('127.0.0.1', 443))"]
      interval: 1s
"""
    trusting = f"""    environment: {{SSL_CERT_FILE: /trust/certificate.pem}}
    volumes: ["{trust}:/trust:ro"]
    depends_on: {{idp: {{condition: service_healthy}}}}
"""
    keys = {name: b64encode(secrets.token_bytes(32)).decode() for name in ("state_key", "signing_key")}
    for name, value in {**keys, "oauth_client_secret": "developer-secret"}.items():
        (project / "secrets" / name).write_text(value)
    settings = {"OAUTH_ISSUER": f"https://{IDP}", "OAUTH_CLIENT_ID": "developer", "OAUTH_ALLOWED_USERS": "*"}
    settings |= {"OAUTH_CLIENT_AUTH": "client_secret_post", "OAUTH_UPSTREAM_SCOPES": "openid email"}
    settings["OAUTH_REDIRECT_URIS"] = "http://127.0.0.1/oauth/callback"
    with deployed(docker, project, settings, idp, scale=2, connector=trusting) as deployment:
        known = create_default_context(cafile=str(deployment.authority))
        known.load_verify_locations(trust / "certificate.pem")
        ports = {"localhost": deployment.port, IDP: port}
        with httpx2.Client(transport=Browsed(ports, verify=known), trust_env=False, timeout=15) as browser:
            client = oauth.Client("https://localhost")
            client.http = browser
            assert client.register().status_code == 201
            client.code = query(follow(browser, client.authorization, oauth.BACK))["code"]
            assert client.exchange().status_code == 200
            headers = {"Authorization": f"Bearer {client.tokens['access_token']}"}
            yield LoggedIn(replace(deployment, headers=headers), client, browser)


class TestWhereSomeoneLoggedIn:
    def test_who_logged_in_through_caddy_calls_in_both_eras(self, logged_in: LoggedIn) -> None:
        assert [logged_in.deployment.calls("count_words", {"text": "a b"}, era) for era in ERAS] == [1, 1]
        without = logged_in.deployment.ask("POST", "/mcp", headers={"Authorization": ""}, json={})
        assert without.status_code == 401

    def test_every_url_that_it_emits_behind_caddy_is_https(self, logged_in: LoggedIn) -> None:
        def emitted() -> list[str]:
            http, client = logged_in.browser, logged_in.client
            metadata = ["oauth-authorization-server", "oauth-protected-resource/mcp"]
            answers = [http.get(f"https://localhost/.well-known/{name}") for name in metadata]
            answers += [http.post("https://localhost/mcp", json={}), http.get(client.authorization)]
            page = http.get(urljoin("https://localhost", answers[-1].headers["location"]))
            action, fields = form(page, "alice")
            answers += [page, http.post(action, data=fields)]
            assert answers[2].headers["www-authenticate"]
            assert urlsplit(answers[-1].headers["location"]).hostname == IDP
            told = " ".join(f"{dict(answer.headers)} {answer.text}" for answer in answers)
            return re.findall(rf"\bhttps?(?:://|%3A%2F%2F)(?:localhost|{re.escape(IDP)})", told)

        def plain() -> list[str]:
            return [url for url in emitted() if not url.startswith("https")]

        assert len(emitted()) >= 10
        assert plain() == []
        with logged_in.deployment.caddy_with("flush_interval -1", "header_down WWW-Authenticate https:// http://"):
            assert plain() != []

    def test_a_login_outlives_a_restart_of_the_connector(self, logged_in: LoggedIn) -> None:
        logged_in.deployment.compose("restart", "connector")
        logged_in.deployment.compose("up", "--detach", "--wait", "--no-recreate", "--scale=connector=2")
        until(lambda: logged_in.client.call() == 200, 30)
        assert logged_in.client.refresh().status_code == 200

    def test_nobody_who_logged_in_loses_a_call_when_a_replica_stops(
        self, logged_in: LoggedIn, record_property: Callable[[str, object], None]
    ) -> None:
        told = logged_in.client.tokens["access_token"]  # another one since it was renewed
        deployment = replace(logged_in.deployment, headers={"Authorization": f"Bearer {told}"})
        record_property("summary", f"oauth-proxy: {stopped_amid_calls(deployment, 'count_words', 'TERM')}")


# ------------------------------------------------------------------- pipelines, on the Python that they ask for


@pytest.fixture(scope="module")
def python_and_git(docker: Docker, rendered: Rendered) -> str:
    """An image with that Python, and git, which both hosts have too."""
    [base] = re.findall(r"ARG PYTHON_IMAGE=(\S+)", (rendered(CHOSEN["none"]) / "Dockerfile").read_text())
    return made(
        docker, "runner", f"FROM {base}\nRUN apt-get update && apt-get install -y --no-install-recommends git\n"
    )


def first_push(ci: str, locks: str, locked: Rendered, docker: Docker, image: str, folder: Path) -> None:
    """The pipeline of a new connector is green; on GitHub jobs are not root."""
    folder.mkdir()
    project = first.project_for(locked, ci, locks=locks)
    machine = pipelines.Container.started(folder, docker, image, user=1001 if ci == "github" else 0)
    try:
        [asked] = re.findall(
            r'(?:python-version: "|^  image: python:)(\d[.\d]*)', read_check(project, ci), re.MULTILINE
        )
        assert docker("exec", machine.name, "python3", "--version").startswith(f"Python {asked}.")
        source = pipelines.origin(project, folder)
        if ci == "github":
            first.assert_github_is_green(pipelines.GitHub(source, machine))
        else:
            first.assert_gitlab_is_green(pipelines.GitLab(source, machine))
    finally:
        machine.stop()


def read_check(project: Path, ci: str) -> str:
    return (project / {"github": ".github/workflows/ci.yml", "gitlab": ".gitlab-ci.yml"}[ci]).read_text()


def test_a_first_push_is_green_on_the_python_that_its_pipeline_asks_for(
    docker: Docker, python_and_git: str, locked: Rendered, tmp_path: Path
) -> None:
    tmp_path.chmod(0o755)
    with ThreadPoolExecutor(2) as pool:
        runs = [  # on another Python, test_pipelines.py has every pair
            pool.submit(first_push, ci, locks, locked, docker, python_and_git, tmp_path / f"{ci}-{locks}")
            for locks, ci in zip(first.CONNECTORS, first.STARTED, strict=True)
        ]
        for run in runs:
            run.result()


@pytest.mark.parametrize("ci", ["github", "gitlab"])
def test_a_request_builds_the_image(docker: Docker, locked: Rendered, tmp_path: Path, ci: str) -> None:
    """By the pipeline's own command. GitLab's service with a daemon never starts: the daemon is the one that runs here.

    It has no network of its own, so builds take this machine's.
    """
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "docker").write_text(
        f'#!/bin/sh\nif [ "$1" = build ]; then shift; else echo \'[{{"Config": {{}}}}]\'; exit; fi\n'
        f'DOCKER_BUILDKIT=1 exec {stand_ins.DOCKER} --host {docker.host} build --network=host "$@"\n'
    )
    (programs / "docker").chmod(0o755)
    machine = pipelines.Here(tmp_path)
    source = pipelines.origin(first.project_for(locked, ci), tmp_path)
    if ci == "github":
        run = pipelines.GitHub(source, machine, "pull_request", programs=programs)
        workflow = pipelines.read(tmp_path / "first-commit/.github/workflows/ci.yml")
        job = run.job("image", workflow, workflow["jobs"]["image"])
        status, said = int(job.outcome != "success"), job.said
    else:
        status, said = pipelines.GitLab(source, machine, "pull_request", programs=programs)("build")
    assert not status, said
    assert docker.inspect("acme-crm")["Config"]["User"] == f"{UID}:{UID}"
    docker("rmi", "acme-crm")
