"""The image, built from the rendered Dockerfile by a real Docker daemon: what is in it, how it runs, and how it stops.

The images that it is built on are stand-ins made here, so sizes count what comes on top. Each check is shown to reject
planted errors.
"""

import asyncio
import io
import json
import re
import shutil
import tarfile
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from ssl import create_default_context
from types import MappingProxyType
from typing import Any

import httpx2
import pytest
import yaml
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from packaging.requirements import Requirement

from . import docker as stand_ins
from . import rendering
from .docker import Docker, Unavailable, daemon, made
from .rendering import Answers, Installed, Rendered
from .serving import answers, free_port, serving
from .test_running import ERAS, call, system, until

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
    """A daemon that has the images which the rendered files name, or a skip that says why there is none."""
    project = rendered(CHOSEN["oauth-proxy"])
    [base] = re.findall(r"ARG PYTHON_IMAGE=(\S+)", (project / "Dockerfile").read_text())
    services = yaml.safe_load((project / "compose.yaml").read_text())["services"]
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
def build(docker: Docker, rendered: Rendered, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Image]:
    """Gives the image of this mode, built once."""
    images: dict[str, Image] = {}

    def get(mode: str) -> Image:
        if mode not in images:
            project = source(rendered(CHOSEN[mode]), tmp_path_factory.mktemp("source") / mode)
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
    about = image.python("import json, platform; print(json.dumps(platform.python_version()))")
    here = {"python_version": ".".join(about.split(".")[:2]), "python_full_version": about}
    here |= {"sys_platform": "linux", "platform_system": "Linux", "platform_python_implementation": "CPython"}
    locked = {}
    for line in re.findall(r"^[a-z0-9][^\\\n]*", (image.project / "requirements.lock").read_text(), re.MULTILINE):
        requirement = Requirement(line.strip())
        if requirement.marker is None or requirement.marker.evaluate(here):
            locked[requirement.name] = str(requirement.specifier).removeprefix("==")
    installed = image.python(
        "import json; from importlib.metadata import distributions as d; from sysconfig import get_path;"
        "print(json.dumps([(x.name, x.version) for x in d(path=[get_path('purelib')])]))"
    )
    found = {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in installed}
    assert len(found) == len(installed)
    own = found.pop(answers(image.project)["package_name"].replace("_", "-"))
    assert (own, found) == ("0.1.0", locked)


def has_no_development(image: Image) -> None:
    """An identity provider that lets everybody in stays out."""
    assert [path for path in image.added() if Path(path).stem.split(".")[0] in {"dev_idp", "dev_tokens"}] == []


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
    "an identity provider": ("no development", [f"RUN touch $(echo {SITE})/dev_idp.py"]),
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


# What tells two builds apart: the time at which uv read the source.
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


def test_dev_is_refused_in_one_sentence(build: Callable[[str], Image]) -> None:
    image = build("oauth-proxy")
    done = image.docker.run("run", "--rm", *HARDENED, "--network=none", image.name, "connector", "dev")
    assert (done.returncode, done.stderr.splitlines()) == (
        1,
        ["The image has no development identity provider. Use `serve`, or run `dev` from the source."],
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


@dataclass(frozen=True)
class Deployment:
    """A project that Compose started, with Caddy in front."""

    docker: Docker
    name: str
    port: int
    authority: Path
    headers: Mapping[str, str]

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
) -> Iterator[Deployment]:
    """A project by the commands of its docs/deploy.md, at https://localhost; the override publishes one port only."""
    port, name = free_port(), f"deployed-{project.name}"
    override = f"""services:
  connector:
    build:
      network: host
  caddy:
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
        if (folder := project / "secrets").is_dir() and answers(project)["auth_mode"] == "api-key":
            (folder / "keys").mkdir()
            mounted = [f"--volume={folder}/keys:/keys", "--env=API_KEYS_FILE=/keys/keys.jsonl", "--user=0:0"]
            new = ["connector", "keys", "new", "--owner", "NAME", "--scopes", "read,write"]
            printed = docker("run", "--rm", *mounted, answers(project)["image_name"], *new)
            headers["Authorization"] = f"Bearer {printed.splitlines()[1]}"
        compose("up", "--detach", "--wait", f"--scale=connector={scale}")
        authority = project / "authority.crt"
        inside = "/data/caddy/pki/authorities/local/root.crt"
        until(lambda: docker.run("cp", f"{name}-caddy-1:{inside}", authority).returncode == 0)
        yield Deployment(docker, name, port, authority, headers)
    finally:
        docker.compose(project, override, settings, "down", "--volumes", "--timeout=5")


def test_compose_up_serves_both_eras_behind_caddy(docker: Docker, rendered: Rendered, tmp_path: Path) -> None:
    project = source(rendered(CHOSEN["none"]), tmp_path / "none")
    with deployed(docker, project) as deployment:
        assert [deployment.calls("count_words", {"text": "a b"}, era) for era in ERAS] == [1, 1]
        secured = deployment.ask("GET", "/health/ready")
        assert (secured.status_code, secured.headers["strict-transport-security"]) == (200, "max-age=31536000")


def stand_in(project: Path) -> str:
    """The system behind a connector with the source rest-api, as a service for the override."""
    recorded = answers(project)
    command = ["python", "-m", "uvicorn", f"{recorded['package_name']}.stand_in:app", "--host=0.0.0.0"]
    return (
        f"  behind:\n    image: {recorded['image_name']}\n    command: {json.dumps(command)}\n    networks: [edge]\n"
        "    healthcheck: {test: [CMD, 'true'], interval: 1s}\n"  # the image's asks the connector
    )


def test_compose_up_takes_the_key_of_the_documented_command(docker: Docker, rendered: Rendered, tmp_path: Path) -> None:
    project = source(rendered(CHOSEN["api-key"]), tmp_path / "api-key")
    with deployed(docker, project, {"UPSTREAM_URL": "http://behind:8000"}, stand_in(project)) as deployment:
        assert [deployment.calls("search_records", {}, era) for era in ERAS] == [1, 1]
        without = deployment.ask("POST", "/mcp", headers={"Authorization": ""}, json={})
        assert without.status_code == 401


def test_the_state_store_is_healthy_without_any_right(docker: Docker, rendered: Rendered, tmp_path: Path) -> None:
    project = source(rendered(CHOSEN["oauth-proxy"]), tmp_path / "store")
    for name in ("oauth_client_secret", "state_key", "signing_key"):
        (project / "secrets" / name).touch()
    settings = {"OAUTH_ISSUER": "https://login.example.com", "OAUTH_CLIENT_ID": "x", "OAUTH_ALLOWED_USERS": "*"}
    settings["PUBLIC_HOST"] = "localhost"
    try:
        done = docker.compose(project, "{}", settings, "up", "--detach", "--wait", "state")
        assert done.returncode == 0, done.stderr
    finally:
        docker.compose(project, "{}", settings, "down", "--volumes", "--timeout=5")


def stopped_amid_calls(docker: Docker, deployment: Deployment, tool: str, signal: str, replica: int = 1) -> str:
    """Calls of both eras from before a replica gets a signal until it has ended; none may be lost."""
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
            docker("kill", f"--signal={signal}", name)
            until(lambda: not docker.inspect(name)["State"]["Running"], GRACE + 10)
        finally:
            ended.set()
        answered = [each.result(60) for each in calling]
    assert docker.inspect(name)["State"]["ExitCode"] == 0
    assert sum(answered) == len(told) >= workers * times
    return f"{len(told)} calls, {before} answered when one of two replicas was told to stop, none lost"


@pytest.mark.parametrize("mode", ["none", "api-key"])
def test_no_call_is_lost_when_a_replica_stops(
    mode: str, docker: Docker, rendered: Rendered, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    project = source(rendered(CHOSEN[mode]), tmp_path / f"replicas-{mode}")
    behind = stand_in(project) if mode == "api-key" else ""
    settings = {"UPSTREAM_URL": "http://behind:8000"} if behind else {}
    tool = "search_records" if behind else "count_words"
    with deployed(docker, project, settings, behind, scale=2) as deployment:
        record_property("summary", f"{mode}: {stopped_amid_calls(docker, deployment, tool, 'TERM')}")
        with pytest.raises((AssertionError, ExceptionGroup)):  # a replica that ends at once loses what it had
            stopped_amid_calls(docker, deployment, tool, "KILL", replica=2)
