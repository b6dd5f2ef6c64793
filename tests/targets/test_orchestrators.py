"""The targets kubernetes, aws-ecs and azure-container-apps: what is rendered is valid there, and what connectors need.

For each auth mode and source. Every check is shown to reject planted errors.
"""

import ast
import itertools
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, ValidationError

from ..lib import homes, rendering
from ..lib.models import container_apps
from ..lib.models.gateway import Gateway, HTTPRoute
from ..lib.rendering import Rendered

pytestmark = pytest.mark.targets

BIN = Path(sys.executable).parent
PORT, GRACE = 8000, 30
LIVE, READY = "/health/live", "/health/ready"
KEEP_ALIVE = 130  # seconds after which the connector closes an idle connection
PING = 15  # seconds after which it sends something on a silent one

SECRET = "(secret)"  # in place of the value of a variable that a file refers to
FILES = {
    "kubernetes": "deploy",
    "aws-ecs": "cloudformation.yaml",
    "azure-container-apps": "containerapp.yaml",
}
ROUTING: dict[str, type[BaseModel]] = {"Gateway": Gateway, "HTTPRoute": HTTPRoute}


@dataclass
class Deployed:
    """What a target's files say, in the same words for all targets."""

    variables: dict[str, str]  # by name; SECRET for a reference
    port: int
    probes: dict[str, str]  # path of each kind of probe
    grace: int  # seconds from SIGTERM to SIGKILL
    least: int  # replicas
    most: int


# --------------------------------------------------------------------------------------------------------- kubernetes


@cache
def overlays(project: Path) -> dict[str, list[dict[str, Any]]]:
    """The objects that each overlay makes; kubectl refuses what Kustomize does not know."""
    objects = {}
    for overlay in ("gateway", "ingress"):
        done = run("kubectl", "kustomize", f"deploy/{overlay}", cwd=project)
        assert done.returncode == 0, done.stderr
        objects[overlay] = list(yaml.safe_load_all(done.stdout))
    return objects


def accepted_by_kubernetes(projects: Sequence[Path], scratch: Path) -> None:
    files: list[Path] = []
    number = 0
    for project in projects:
        for overlay, objects in overlays(project).items():
            known = [item for item in objects if not item["apiVersion"].startswith("gateway.")]
            for item in objects:
                if item not in known:
                    ROUTING[item["kind"]].model_validate(item)
            files.append(scratch / f"{len(files)}-{overlay}.yaml")
            files[-1].write_text(yaml.safe_dump_all(known))
            number += len(known)
    done = run("kubernetes-validate", "--strict", *map(str, files), cwd=scratch)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert said.count(" passed for resource ") == number, said  # it only warns of kinds that it does not know


def one(objects: list[dict[str, Any]], kind: str, name: str = "connector") -> dict[str, Any]:
    [found] = [o for o in objects if o["kind"] == kind and re.fullmatch(rf"{name}(-\w{{10}})?", o["metadata"]["name"])]
    return found


def read_kubernetes(project: Path) -> Deployed:
    objects = overlays(project)["gateway"]
    pod = one(objects, "Deployment")["spec"]["template"]["spec"]
    [container] = pod["containers"]
    settings = one(objects, "ConfigMap")
    assert container["envFrom"] == [{"configMapRef": {"name": settings["metadata"]["name"]}}]
    port = next(port for port in container["ports"] if port["name"] == "http")
    scaler = one(objects, "HorizontalPodAutoscaler")["spec"]
    probes = {kind: container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}
    assert {probe["port"] for probe in probes.values()} == {port["name"]}
    listed = {v["name"]: v["value"] if "value" in v else secret_of(v) for v in container.get("env", [])}
    assert not listed.keys() & settings["data"].keys()
    return Deployed(
        variables={**settings["data"], **listed},
        port=port["containerPort"],
        probes={kind: probe["path"] for kind, probe in probes.items()},
        grace=pod["terminationGracePeriodSeconds"],
        least=scaler["minReplicas"],
        most=scaler["maxReplicas"],
    )


def secret_of(variable: dict[str, Any]) -> str:
    assert variable["valueFrom"]["secretKeyRef"]["key"] == variable["name"]
    return SECRET


# ------------------------------------------------------------------------------------------------------------ aws-ecs


def stack(project: Path) -> dict[str, Any]:
    template: dict[str, Any] = yaml.load((project / "cloudformation.yaml").read_text(), homes.Tagged)
    return template


def accepted_by_aws(projects: Sequence[Path], scratch: Path) -> None:
    templates = [str(project / "cloudformation.yaml") for project in projects]
    done = run("cfn-lint", "--include-checks", "I", "--", *templates, cwd=scratch)
    assert done.returncode == 0, done.stdout + done.stderr


def read_aws(project: Path) -> Deployed:
    resources = {name: item.get("Properties", {}) for name, item in stack(project)["Resources"].items()}
    [container] = resources["Task"]["ContainerDefinitions"]
    [port] = container["PortMappings"]
    kept = [secret["If"][1] if "If" in secret else secret for secret in container.get("Secrets", [])]
    for secret in kept:
        assert secret["ValueFrom"]["Sub"].endswith(f":parameter/acme-crm/{secret['Name']}")
    plain = {v["Name"]: str(v["Value"]) for v in container["Environment"]}
    secrets = {v["Name"]: SECRET for v in kept}
    assert not plain.keys() & secrets.keys()
    [*command, module] = container["HealthCheck"]["Command"]
    assert command == ["CMD", "python", "-m"]
    source = (project / "src" / module.replace(".", "/")).with_suffix(".py").read_text()
    [probe] = re.findall(r'^PATH = "(/[\w/]+)"', source, re.MULTILINE)
    assert (
        resources["Target"]["Port"]
        == port["ContainerPort"]
        == resources["Service"]["LoadBalancers"][0]["ContainerPort"]
    )
    return Deployed(
        variables={**plain, **secrets},
        port=port["ContainerPort"],
        probes={"container": probe, "balancer": resources["Target"]["HealthCheckPath"]},
        grace=container["StopTimeout"],
        least=resources["Scaling"]["MinCapacity"],
        most=resources["Scaling"]["MaxCapacity"],
    )


# ----------------------------------------------------------------------------------------------- azure-container-apps


def container_app(project: Path) -> dict[str, Any]:
    app: dict[str, Any] = yaml.safe_load((project / "containerapp.yaml").read_text())
    return app


def accepted_by_azure(projects: Sequence[Path], scratch: Path) -> None:
    for project in projects:
        assert list(container_apps.faults(container_app(project))) == []


def read_azure(project: Path) -> Deployed:
    app = container_app(project)
    properties = app["properties"]
    template, configuration = properties["template"], properties["configuration"]
    [container] = template["containers"]
    [identity] = app["identity"]["userAssignedIdentities"]
    kept = {secret["name"]: secret for secret in configuration.get("secrets", [])}
    for name, secret in kept.items():
        assert secret == {
            "name": name,
            "keyVaultUrl": f"https://YOUR_NAME.vault.azure.net/secrets/{name}",
            "identity": identity,
        }
    used = {v["name"]: v["secretRef"] for v in container["env"] if "secretRef" in v}
    assert sorted(used.values()) == sorted(kept)
    plain = {v["name"]: v["value"] for v in container["env"] if "value" in v}
    assert len(plain) + len(used) == len(container["env"])
    assert {probe["httpGet"]["port"] for probe in container["probes"]} == {configuration["ingress"]["targetPort"]}
    return Deployed(
        variables={**plain, **dict.fromkeys(used, SECRET)},
        port=configuration["ingress"]["targetPort"],
        probes={probe["type"].lower(): probe["httpGet"]["path"] for probe in container["probes"]},
        grace=template["terminationGracePeriodSeconds"],
        least=template["scale"]["minReplicas"],
        most=template["scale"]["maxReplicas"],
    )


# ------------------------------------------------------------------------------------------------- what all must have

# Of all projects at once: most of the time of such a program is its start.
ACCEPTED: dict[str, Callable[[Sequence[Path], Path], None]] = {
    "kubernetes": accepted_by_kubernetes,
    "aws-ecs": accepted_by_aws,
    "azure-container-apps": accepted_by_azure,
}
READ: dict[str, Callable[[Path], Deployed]] = {
    "kubernetes": read_kubernetes,
    "aws-ecs": read_aws,
    "azure-container-apps": read_azure,
}
TARGETS = [target for target in homes.targets() if homes.expected(target).get("checker") == "orchestrator"]


def run(program: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([BIN / program, *arguments], cwd=cwd, capture_output=True, text=True)


def settings(project: Path) -> dict[str, bool]:
    """Name of each variable that the connector reads, and whether it must be set."""
    [file] = project.glob("src/*/settings.py")
    classes = [node for node in ast.parse(file.read_text()).body if isinstance(node, ast.ClassDef)]
    [fields] = [node.body for node in classes if node.name == "Settings"]
    return {ast.unparse(f.target).upper(): f.value is None for f in fields if isinstance(f, ast.AnnAssign)}


def described(project: Path) -> Iterator[tuple[str, str, str]]:
    """Name, help and example of each variable in .env.example."""
    text = (project / ".env.example").read_text()
    yield from ((m[2], m[1], m[3]) for m in re.finditer(r"^# (.*)\n# ([A-Z_]+)=(.*)$", text, re.MULTILINE))


def secrets(project: Path) -> set[str]:
    """Names of the variables that are secret."""
    return {name for name, help, _ in described(project) if help.endswith("Secret.")} | {"API_KEYS"}


def files(project: Path, target: str) -> str:
    """The text of all files that deploy."""
    path = project / FILES[target]
    return "\n".join(p.read_text() for p in (sorted(path.rglob("*.yaml")) if path.is_dir() else [path]))


def check_variables(project: Path, target: str) -> None:
    """All that the settings require is set, nothing that they do not know is, and no secret stands in a file."""
    given, known = READ[target](project).variables, settings(project)
    required = {name for name, must in known.items() if must}
    if "API_KEYS" in known:
        required.add("API_KEYS_FILE" if target == "kubernetes" else "API_KEYS")
    if "STATE_KEY" in known:  # logins are stored
        required.add("STATE_STORE_URL")
    assert required <= given.keys() <= known.keys(), (required - given.keys(), given.keys() - known.keys())
    for name in secrets(project) & given.keys():
        if given[name] != SECRET:
            # A store that only the connector reaches asks for no password, so its address is not secret.
            assert name == "STATE_STORE_URL"
            assert "@" not in given[name]
    text = files(project, target)
    assert not re.search(r"^kind: Secret$", text, re.MULTILINE)
    for name, help, example in described(project):
        assert not help.endswith("Secret.") or name == "STATE_STORE_URL" or example not in text, name


def check_running(project: Path, target: str) -> None:
    """Port, probes, time to stop and replicas are what the connector needs."""
    deployed = READ[target](project)
    assert deployed.port == PORT
    assert deployed.probes == homes.expected(target)["probes"]
    assert deployed.grace >= GRACE + 5
    assert 1 <= deployed.least < deployed.most
    assert deployed.variables["PUBLIC_URL"].startswith(("https://", "{'Sub': 'https://"))
    assert "*" not in deployed.variables["FORWARDED_ALLOW_IPS"]


def check_kubernetes(project: Path) -> None:
    """What keeps calls whole while pods come and go, and what keeps others out."""
    for overlay, objects in overlays(project).items():
        deployment = one(objects, "Deployment")["spec"]
        assert deployment["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
        assert "replicas" not in deployment  # the HorizontalPodAutoscaler's
        assert one(objects, "HorizontalPodAutoscaler")["spec"]["minReplicas"] >= 2
        assert one(objects, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
        assert one(objects, "ServiceAccount")["automountServiceAccountToken"] is False
        entries = one(objects, "NetworkPolicy")["spec"]["ingress"]
        assert all(entry["from"] for entry in entries)
        named = [port["name"] for port in deployment["template"]["spec"]["containers"][0]["ports"]]
        assert [port["port"] for entry in entries for port in entry["ports"]] == named
        pods = [o["spec"]["template"]["spec"] for o in objects if o["kind"] in {"Deployment", "StatefulSet"}]
        for pod in pods:
            assert pod["securityContext"]["runAsNonRoot"] is True
            assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
            for container in pod["containers"]:
                assert container["securityContext"] == {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                }
        assert pods[0]["securityContext"]["runAsUser"] == 10001
        host = one(objects, "ConfigMap")["data"]["PUBLIC_URL"].removeprefix("https://")
        if overlay == "gateway":
            route = one(objects, "HTTPRoute")["spec"]
            assert [rule["timeouts"] for rule in route["rules"]] == [{"request": "0s"}]
            assert route["hostnames"] == [host]
            assert {listener["hostname"] for listener in one(objects, "Gateway")["spec"]["listeners"]} == {host}
            assert route["parentRefs"] == [{"name": "connector", "sectionName": "https"}]
        else:
            ingress = one(objects, "Ingress")["spec"]
            assert [rule["host"] for rule in ingress["rules"]] == [host]
            assert [tls["hosts"] for tls in ingress["tls"]] == [[host]]


def check_aws(project: Path) -> None:
    """Long calls and new versions pass the load balancer, and the connector is reached through it alone."""
    resources = {name: item.get("Properties", {}) for name, item in stack(project)["Resources"].items()}
    balancer = {a["Key"]: a["Value"] for a in resources["LoadBalancer"]["LoadBalancerAttributes"]}
    assert 2 * PING < int(balancer["idle_timeout.timeout_seconds"]) < KEEP_ALIVE
    target = {a["Key"]: a["Value"] for a in resources["Target"]["TargetGroupAttributes"]}
    assert int(target["deregistration_delay.timeout_seconds"]) == 900
    deployment = resources["Service"]["DeploymentConfiguration"]
    assert (deployment["MinimumHealthyPercent"], deployment["MaximumPercent"]) == (100, 200)
    assert deployment["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}
    assert "DesiredCount" not in resources["Service"]  # scaling's
    [entry] = resources["ConnectorGroup"]["SecurityGroupIngress"]
    assert entry["SourceSecurityGroupId"] == {"Ref": "LoadBalancerGroup"}
    [container] = resources["Task"]["ContainerDefinitions"]
    assert container["ReadonlyRootFilesystem"] is True
    assert container["LinuxParameters"]["Capabilities"] == {"Drop": ["ALL"]}
    assert ("State" in resources) == (rendering.recorded(project)["auth_mode"] == "oauth-proxy")
    if "State" in resources:
        assert resources["State"]["TransitEncryptionEnabled"] is True
        [entry] = resources["StateGroup"]["SecurityGroupIngress"]
        assert entry["SourceSecurityGroupId"] == {"Ref": "ConnectorGroup"}


def check_azure(project: Path) -> None:
    """HTTPS alone, and one revision at a time."""
    configuration = container_app(project)["properties"]["configuration"]
    assert configuration["activeRevisionsMode"] == "Single"
    ingress = configuration["ingress"]
    assert (ingress["external"], ingress["allowInsecure"], ingress["transport"]) == (True, False, "http")


ESPECIALLY: dict[str, Callable[[Path], None]] = {
    "kubernetes": check_kubernetes,
    "aws-ecs": check_aws,
    "azure-container-apps": check_azure,
}


def check(target: str, scratch: Path, *projects: Path) -> None:
    ACCEPTED[target](projects, scratch)
    for project in projects:
        check_variables(project, target)
        check_running(project, target)
        ESPECIALLY[target](project)


# ------------------------------------------------------------------------------------------------------------- tests


def answers(target: str, mode: str, source: str) -> rendering.Answers:
    return {"auth_mode": mode, "hosting": target, "source": source, "ci": "none"}


def projects(rendered: Rendered, target: str) -> list[Path]:
    """A connector for each auth mode and source, and one that is watched; of those whose files are the same, one."""
    different: dict[str, Path] = {}
    pairs = itertools.product(rendering.choices("auth_mode"), rendering.choices("source"))
    every = [answers(target, mode, source) for mode, source in pairs]
    for given in [*every, {**every[-1], "observability": "prometheus"}]:
        project = rendered(given)
        different.setdefault(files(project, target) + (project / ".env.example").read_text(), project)
    return list(different.values())


def test_each_home_that_names_this_checker_has_a_reader() -> None:
    assert list(FILES) == list(READ) == TARGETS


@pytest.mark.parametrize("target", FILES)
def test_every_rendered_file_is_accepted_and_complete(rendered: Rendered, target: str, tmp_path: Path) -> None:
    check(target, tmp_path, *projects(rendered, target))


# Target, file, what stands there, and what must be refused in its place.
PLANTED = [
    (target, row.get("file", FILES[target]), row["right"], row["wrong"])
    for target in TARGETS
    for row in homes.expected(target)["planted"]
]


@pytest.mark.parametrize(("target", "file", "right", "wrong"), PLANTED)
def test_a_planted_error_is_rejected(
    rendered: Rendered, tmp_path: Path, target: str, file: str, right: str, wrong: str
) -> None:
    project = shutil.copytree(rendered(answers(target, "oauth-proxy", "rest-api")), tmp_path / "project")
    path = project / file
    text = path.read_text()
    assert right in text
    path.write_text(text.replace(right, wrong, 1))
    with pytest.raises((AssertionError, KeyError, ValueError, ValidationError)):
        check(target, tmp_path, project)


def test_keys_are_mounted_as_a_folder_so_that_a_revoked_one_ends_at_once(rendered: Rendered) -> None:
    objects = overlays(rendered(answers("kubernetes", "api-key", "blank")))["gateway"]
    [container] = one(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    [file] = [v["value"] for v in container["env"] if v["name"] == "API_KEYS_FILE"]
    [mount] = [m for m in container["volumeMounts"] if file.startswith(f"{m['mountPath']}/")]
    assert mount["readOnly"] is True
    assert "subPath" not in mount


def test_a_secret_that_may_be_missing_does_not_keep_a_deployment_from_starting(rendered: Rendered) -> None:
    """Kubernetes has optional references. AWS and Azure have none, so a deployment lacks it until the owner says so."""
    for mode, source in itertools.product(rendering.choices("auth_mode"), rendering.choices("source")):
        kubernetes, aws, azure = (rendered(answers(target, mode, source)) for target in FILES)
        [container] = one(overlays(kubernetes)["gateway"], "Deployment")["spec"]["template"]["spec"]["containers"]
        may_be_missing = {"RequestStateKeys": "REQUEST_STATE_KEYS", "LogSalt": "LOG_SALT"}
        if (kubernetes / "tests/test_client_credentials.py").is_file():
            may_be_missing["UpstreamClientSecret"] = "UPSTREAM_CLIENT_SECRET"
        for name in may_be_missing.values():
            [reference] = [v["valueFrom"]["secretKeyRef"] for v in container["env"] if v["name"] == name]
            assert reference == {"name": "connector", "key": name, "optional": True}

        template = stack(aws)
        assert {template["Parameters"][name]["Default"] for name in may_be_missing} == {"no"}
        assert template["Conditions"] == {f"Has{name}": {"Equals": [{"Ref": name}, "yes"]} for name in may_be_missing}
        [container] = template["Resources"]["Task"]["Properties"]["ContainerDefinitions"]
        conditional = [secret["If"] for secret in container["Secrets"] if "If" in secret]
        assert [(condition, secret["Name"], other) for condition, secret, other in conditional] == [
            (f"Has{name}", variable, {"Ref": "AWS::NoValue"}) for name, variable in may_be_missing.items()
        ]

        for name in may_be_missing.values():
            assert name.lower().replace("_", "-") not in (azure / "containerapp.yaml").read_text()


def test_the_lines_for_a_secret_that_may_be_missing_fit_azure(rendered: Rendered, tmp_path: Path) -> None:
    for mode in rendering.choices("auth_mode"):
        project = shutil.copytree(rendered(answers("azure-container-apps", mode, "blank")), tmp_path / mode)
        file = project / "containerapp.yaml"
        text = file.read_text()
        filled_in = document(project).replace("YOUR_GROUP", "acme-crm")  # as a command has in the file
        secret, variable = re.findall(r"^```yaml\n(.+?)^```$", filled_in, re.MULTILINE | re.DOTALL)
        for place, lines in {"  template:\n": secret, "          - name: PUBLIC_URL\n": variable}.items():
            assert text.count(place) == 1
            text = text.replace(place, lines + place)
        file.write_text(text)
        check("azure-container-apps", tmp_path, project)
        assert read_azure(project).variables["REQUEST_STATE_KEYS"] == SECRET


# --------------------------------------------------------------------------------------------------------- documents


def document(project: Path) -> str:
    return (project / "docs/deploy.md").read_text()


def commands(markdown: str) -> list[str]:
    found = re.findall(r"^( *)```sh\n(.*?)^ *```$", markdown, flags=re.DOTALL | re.MULTILINE)
    return [re.sub(rf"^{indent}", "", block, flags=re.MULTILINE) for indent, block in found]


def check_document(project: Path, target: str) -> None:
    """It names every variable and every value to replace, and its commands are commands."""
    text = document(project)
    assert {name for name in settings(project) if f"`{name}`" not in text} <= {"API_KEYS", "API_KEYS_FILE"}
    for placeholder in re.findall(r"\b(?:YOUR_[A-Z]+|your-[a-z-]+)\b", files(project, target)):
        if placeholder not in {"YOUR_CLIENT_ID", "YOUR_CLIENT"}:  # examples, which it says to correct
            assert placeholder in text, placeholder
    for subject in (
        "**A new version:**",
        "**Rollback:**",
        "**Logs:**",
        "ost name",
        "**Cost:**",
        "## Limits",
        "In Duvo, add",
    ):
        assert subject in text, subject
    for block in commands(text):
        done = subprocess.run(["bash", "-n"], input=block, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    # A variable that no line sets would be empty.
    set_here = set(re.findall(r"(?:^|\s|\b(?:export|read -rs) )([A-Z_]+)=|read -rs ([A-Z_]+)", text))
    names = {name for pair in set_here for name in pair if name}
    assert set(re.findall(r"\$\{?([A-Z_]+)", "\n".join(commands(text)))) <= names
    if target == "aws-ecs":
        asked = {name for name, asked in stack(project)["Parameters"].items() if "Default" not in asked}
        [deploy] = [block for block in commands(text) if "cloudformation deploy" in block]
        assert set(re.findall(r"\b([A-Z]\w+)=\"", deploy)) == asked


@pytest.mark.parametrize("target", FILES)
def test_the_document_fits_the_files(rendered: Rendered, target: str) -> None:
    for project in projects(rendered, target):
        check_document(project, target)


@pytest.mark.parametrize(
    ("target", "right", "wrong"),
    [
        ("kubernetes", "`LOG_LEVEL`", "`LOG`"),
        ("kubernetes", "your-proxy-namespace", "its namespace"),
        ("kubernetes", "read -rs OAUTH_CLIENT_SECRET", "read -rs CLIENT_SECRET"),
        ("aws-ecs", "UpstreamUrl=", "Upstream="),
        ("aws-ecs", "**Rollback:**", "**Back:**"),
        ("azure-container-apps", "YOUR_DOMAIN", "DOMAIN"),
        ("azure-container-apps", "done\n", ""),
    ],
)
def test_a_document_that_does_not_fit_is_found(
    rendered: Rendered, tmp_path: Path, target: str, right: str, wrong: str
) -> None:
    project = shutil.copytree(rendered(answers(target, "oauth-proxy", "rest-api")), tmp_path / "project")
    path = project / "docs/deploy.md"
    text = path.read_text()
    assert right in text
    path.write_text(text.replace(right, wrong))
    with pytest.raises(AssertionError):
        check_document(project, target)


def test_the_models_name_what_is_wrong() -> None:
    def said(data: Mapping[str, object]) -> list[str]:
        return list(container_apps.faults({"location": "westeurope", **data}))

    assert said({}) == []
    assert said({"propertys": {}}) == ["propertys is unknown"]
    assert said({"properties": {"provisioningState": "Succeeded"}}) == [
        "properties.provisioningState is the service's to set"
    ]
    assert said({"identity": {}}) == ["identity.type is missing"]
    assert said({"properties": {"template": {"scale": {"minReplicas": True}}}}) == [
        "properties.template.scale.minReplicas is True, no int"
    ]
    assert said({"properties": {"template": {"containers": {}}}}) == ["properties.template.containers is not a list"]
