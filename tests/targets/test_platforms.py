"""What Cloud Run, Railway, Render and Fly.io read is as their documentation has it, and sets what the connector needs.

None of them has a checker that works without an account; tests/models/ has what their documentation says instead.
"""

import re
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from ..docs.test_docs import blocks
from ..lib import homes, rendering
from ..lib.models import cloud_run, fly, railway, render
from ..lib.rendering import Rendered

pytestmark = pytest.mark.targets


class Deployed(NamedTuple):
    """What a target's file says about the connector."""

    plain: dict[str, str]  # variables with their values
    referenced: set[str]  # variables whose values are in the platform's store
    port: int
    grace: int | None  # seconds between SIGTERM and the end; None where the platform fixes them
    paths: set[str]  # what the platform asks, to see how the connector is
    longest: int | None = None  # seconds; None where the platform fixes them


def read_cloud_run(text: str, _: Path) -> Deployed:
    spec = cloud_run.Service.model_validate(yaml.safe_load(text)).spec.template.spec
    [container] = spec.containers
    plain = {variable.name: variable.value for variable in container.env if variable.value is not None}
    referenced = {variable.name for variable in container.env if variable.valueFrom}
    files = {
        f"{mount.mountPath}/{item.path}"
        for mount in container.volumeMounts
        for volume in spec.volumes
        if volume.name == mount.name
        for item in volume.secret.items
    }
    assert files == {value for name, value in plain.items() if name.endswith("_FILE")}
    paths = {container.startupProbe.httpGet.path, container.livenessProbe.httpGet.path}
    return Deployed(plain, referenced, container.ports[0].containerPort, None, paths, spec.timeoutSeconds)


def read_railway(text: str, folder: Path) -> Deployed:
    project = railway.Project.model_validate(railway.evaluate(text, folder))
    [config] = [resource.config for resource in project.resources if isinstance(resource, railway.Service)]
    plain = {name: value for name, value in config.env.items() if isinstance(value, str)}
    referenced = set(config.env) - set(plain)
    return Deployed(plain, referenced, int(plain["PORT"]), config.deploy.drainingSeconds, {config.healthcheck})


def read_render(text: str, _: Path) -> Deployed:
    blueprint = render.Blueprint.model_validate(yaml.safe_load(text))
    [web] = [service for service in blueprint.services if isinstance(service, render.Web)]
    stores = [service for service in blueprint.services if isinstance(service, render.KeyValue)]
    assert all(store.ipAllowList == [] and store.maxmemoryPolicy == "noeviction" for store in stores)
    plain = {variable.key: variable.value for variable in web.envVars if variable.value is not None}
    referenced = {variable.key for variable in web.envVars} - set(plain)
    return Deployed(plain, referenced, int(plain["PORT"]), web.maxShutdownDelaySeconds, {web.healthCheckPath})


def read_fly(text: str, _: Path) -> Deployed:
    app = fly.App.model_validate(tomllib.loads(text))
    assert app.kill_signal == "SIGTERM"
    assert app.http_service.force_https
    assert app.http_service.auto_stop_machines == "off"  # it would stop one whose calls are few, and long
    named = re.search(r"^# Set by `fly secrets`, never here: (.+)\.$", text, re.MULTILINE)
    referenced = set(named[1].split(", ")) if named else set()
    ports = {app.http_service.internal_port, *(check.port for check in app.checks.values())}
    [port] = ports
    paths = {check.path for check in app.http_service.checks} | {check.path for check in app.checks.values()}
    return Deployed(app.env, referenced, port, app.kill_timeout, paths, app.http_service.http_options.idle_timeout)


LIVE, READY = "/health/live", "/health/ready"
READ: dict[str, Callable[[str, Path], Deployed]] = {
    "cloud-run": read_cloud_run,
    "railway": read_railway,
    "render": read_render,
    "fly": read_fly,
}
TARGETS = [target for target in homes.targets() if homes.expected(target).get("checker") == "platform"]


def file_of(project: Path, target: str) -> str:
    name: str
    [name] = homes.expected(target)["files"]
    return (project / name).read_text(encoding="utf-8")


class Variables(NamedTuple):
    """What .env.example says of a connector's variables."""

    known: set[str]
    required: set[str]
    secret: set[str]
    examples: set[str]  # values of secrets


def variables(project: Path) -> Variables:
    text = (project / ".env.example").read_text(encoding="utf-8")
    rows = re.findall(r"^# (.+)\n# ([A-Z][A-Z0-9_]*)=(.*)$", text, re.MULTILINE)
    known = {name for _, name, _ in rows}
    required = {name for help, name, _ in rows if re.search(r"\. Required\.", help)}
    secret = {name for help, name, _ in rows if help.endswith("Secret.")}
    examples = {value for _, name, value in rows if name in secret and value}
    # Keys of callers are a setting without value here; a store of logins is needed wherever the connector is public.
    stored = {"STATE_STORE_URL"} if "STATE_KEY" in known else set()
    return Variables(known, required | stored, secret | ({"API_KEYS"} & known), examples)


def constant(project: Path, file: str, pattern: str) -> int:
    found = re.search(pattern, (project / file).read_text(encoding="utf-8"), re.MULTILINE)
    assert found
    return int(found[1])


def judge(target: str, text: str, project: Path, folder: Path) -> None:
    """Refuse a target's file that the platform would not take, or that does not fit the connector.

    Raises:
        ValueError, AssertionError: What is wrong.
    """
    deployed = READ[target](text, folder)
    wanted = variables(project)
    names = {*deployed.plain, *deployed.referenced}

    assert not set(deployed.plain) & deployed.referenced
    assert wanted.required <= names, "a variable that the settings require is not set"
    assert names <= wanted.known, "a variable is set that the connector does not know"
    assert not wanted.known & {"API_KEYS"} or names & {"API_KEYS", "API_KEYS_FILE"}
    assert not set(deployed.plain) & wanted.secret, "the value of a secret is in the file"
    assert not [value for value in wanted.examples if value in text], "a secret is in the file"
    assert deployed.plain["PUBLIC_URL"].startswith("https://")

    assert deployed.port == constant(project, "Dockerfile", r" PORT=(\d+)\b")
    assert deployed.grace is None or deployed.grace >= constant(project, cli(project), r"^GRACE = (\d+)") + 5
    assert deployed.paths == set(homes.expected(target)["probes"])
    assert deployed.longest is None or deployed.longest >= 15 * 60


def cli(project: Path) -> str:
    [package] = (project / "src").iterdir()
    return f"src/{package.name}/core/command/serve.py"


def connectors(target: str, rendered: Rendered) -> Iterator[Path]:
    """A connector for every auth mode and source, and one that is watched."""
    for mode in rendering.choices("auth_mode"):
        for source in rendering.choices("source"):
            answers = {"auth_mode": mode, "hosting": target, "source": source, "ci": "none"}
            yield rendered(answers)
    yield rendered({**answers, "observability": "prometheus"})


def test_each_home_that_names_this_checker_has_a_reader() -> None:
    assert list(READ) == TARGETS


@pytest.mark.parametrize("target", TARGETS)
def test_every_file_is_accepted_and_fits_the_connector(target: str, rendered: Rendered, tmp_path: Path) -> None:
    for project in connectors(target, rendered):
        text = file_of(project, target)
        judge(target, text, project, tmp_path)


ERRORS = [(target, *row.values()) for target in TARGETS for row in homes.expected(target)["planted"]]


@pytest.mark.parametrize(("target", "error", "right", "wrong"), ERRORS, ids=[f"{t}-{e}" for t, e, _, _ in ERRORS])
def test_a_planted_error_is_refused(
    target: str, error: str, right: str, wrong: str, rendered: Rendered, tmp_path: Path
) -> None:
    project = rendered({"auth_mode": "oauth-proxy", "hosting": target, "source": "rest-api", "ci": "none"})
    text = file_of(project, target)
    judge(target, text, project, tmp_path)
    assert right in text
    with pytest.raises((ValueError, AssertionError)):
        judge(target, text.replace(right, wrong, 1), project, tmp_path)


@pytest.mark.parametrize("target", TARGETS)
def test_the_document_says_how_each_secret_is_set(target: str, rendered: Rendered, tmp_path: Path) -> None:
    expected = homes.expected(target)
    for project in connectors(target, rendered):
        text = file_of(project, target)
        document = (project / "docs/deploy.md").read_text(encoding="utf-8")
        deployed = READ[target](text, tmp_path)
        missing = {
            name
            for name in deployed.referenced
            if not re.search(expected["secret_command"].format(name=name, key=name.lower().replace("_", "-")), document)
        }
        missing -= set(re.findall(r"^Set `(\w+)` in the same way", document, re.MULTILINE))
        assert missing <= set(expected.get("makes_secrets", []))
        assert {*deployed.plain, *deployed.referenced} <= set(re.findall(r"^\| `(\w+)` \|", document, re.MULTILINE))


@pytest.mark.parametrize("target", ["compose", *TARGETS])
def test_every_document_covers_the_life_of_a_deployment(target: str, rendered: Rendered) -> None:
    for project in connectors(target, rendered):
        document = (project / "docs/deploy.md").read_text(encoding="utf-8")
        headings = re.findall(r"^## (.+)$", document, re.MULTILINE)
        assert {"The first time", "Settings", "Logs, rollback, domain", "Limits", "Cost"} < set(headings)
        assert all(words in document for words in ("longest call", "longest silent call", "/mcp`", READY))
        for chapter in re.split(r"^## ", document, flags=re.MULTILINE):
            steps = re.findall(r"^(\d+)\. ", chapter, re.MULTILINE)
            assert steps == [str(number + 1) for number in range(len(steps))], chapter
        missing = (
            variables(project).known - set(re.findall(r"`([A-Z][A-Z0-9_]*)`", document)) - {"API_KEYS", "API_KEYS_FILE"}
        )
        assert not missing
        for block in blocks(document):
            assert subprocess.run(["bash", "-n"], input=block, text=True, capture_output=True).returncode == 0, block


def test_the_lines_for_a_secret_that_may_be_missing_fit_cloud_run(rendered: Rendered, tmp_path: Path) -> None:
    """Cloud Run refuses a reference to a secret that does not exist, so the document has it and the file has not."""
    for project in connectors("cloud-run", rendered):
        text = (project / "service.yaml").read_text(encoding="utf-8")
        document = (project / "docs/deploy.md").read_text(encoding="utf-8")
        [lines] = re.findall(r"^```yaml\n(.+?)^```$", document, re.MULTILINE | re.DOTALL)
        assert "REQUEST_STATE_KEYS" not in text
        room = "            # Settings of your own go here.\n"
        assert room in text
        text = text.replace(room, room + lines)
        judge("cloud-run", text, project, tmp_path)
        assert "REQUEST_STATE_KEYS" in read_cloud_run(text, tmp_path).referenced
        assert "gcloud secrets create acme-crm-request-state-keys " in document


@pytest.mark.parametrize("target", ["railway", "render", "fly"])
def test_a_deployment_without_the_optional_secret_names_it_and_needs_nothing_of_its_owner(
    target: str, rendered: Rendered, tmp_path: Path
) -> None:
    """Railway skips what it does not have, Render makes it, and Fly.io sets what there is."""
    for project in connectors(target, rendered):
        text = file_of(project, target)
        assert "REQUEST_STATE_KEYS" in READ[target](text, tmp_path).referenced


def test_no_target_has_its_way_into_the_code(rendered: Rendered) -> None:
    def code(target: str) -> dict[str, bytes]:
        answers = {"auth_mode": "oauth-proxy", "hosting": target, "source": "rest-api", "ci": "none"}
        files = rendering.files(rendered(answers))
        return {
            name: data for name, data in files.items() if name.startswith(("src/", "tests/", "Dockerfile", "pyproject"))
        }

    assert all(code(target) == code("compose") for target in TARGETS)
