"""The homes in hooks/: a row of data for each choice, as Copier reads it."""

import json
from functools import cache
from typing import Any

import jinja2
import yaml

from .rendering import ROOT, questions, values

HOOKS = ROOT / "hooks"
FOLDERS = {  # of the rows of a question's choices
    "auth_mode": "modes",
    "identity_provider": "providers",
    "hosting": "targets",
    "source": "sources",
    "ci": "pipelines",
    "observability": "observability",
}
GIVEN = {
    "auth_mode": "none",
    "headers_names": "X-API-Key",
    "identity_provider": "generic",
    "hosting": "compose",
    "source": "blank",
    "ci": "none",
    "observability": "none",
    "package_name": "acme_crm",
    "image_name": "acme-crm",
    "command_name": "connector",
}


def at_home(question: str) -> set[str]:
    """The choices of a question that have a home."""
    return {path.name.removesuffix(".yaml") for path in (HOOKS / FOLDERS[question]).iterdir()}


@cache
def environment() -> jinja2.Environment:
    """Jinja as Copier sets it up for this template."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(ROOT),
        extensions=["jinja2_ansible_filters.AnsibleCoreFiltersExtension"],
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def chosen(**answers: str) -> dict[str, Any]:
    """The rows for these answers, by name: mode, target, source, pipeline, idp, pins and more."""
    rows: dict[str, Any] = json.loads(environment().get_template("hooks/chosen.jinja").render({**GIVEN, **answers}))
    return rows


def provider(name: str) -> dict[str, Any]:
    """The row of an identity provider."""
    row: dict[str, Any] = chosen(auth_mode="oauth-proxy", identity_provider=name)["idp"]
    return row


def proxied() -> dict[str, Any]:
    """What a provider's row need not say under `proxy`."""
    row: dict[str, Any] = yaml.safe_load((HOOKS / "shared/proxied.yaml").read_text(encoding="utf-8"))
    return row


def targets() -> list[str]:
    """The targets, in the order of the question."""
    return values(questions()["hosting"])


@cache
def expected(target: str) -> dict[str, Any]:
    """What a target's home says of its files, for tests alone."""
    text = (HOOKS / "targets" / target / "expected.yaml").read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def programs() -> list[str]:
    """The programs that targets' pipelines and documents run, beside what every machine has."""
    return [program for target in targets() for program in expected(target).get("programs", [])]


class Tagged(yaml.SafeLoader):
    """Reads `!Sub x` of CloudFormation as `{"Sub": "x"}`."""


def tagged(loader: yaml.SafeLoader, tag: str, node: yaml.Node) -> dict[str, object]:
    if isinstance(node, yaml.ScalarNode):
        return {tag: loader.construct_scalar(node)}
    assert isinstance(node, yaml.SequenceNode)
    return {tag: loader.construct_sequence(node, deep=True)}


Tagged.add_multi_constructor("!", tagged)
