"""Probes, platforms, projects and the zoo agree with each other and with what the template renders."""

import re
from collections import Counter

import pytest

from mcp_connector.doctor import PLATFORMS
from mcp_connector.doctor.data import platforms, table
from mcp_connector.doctor.verdicts import CLOUD, EVERYBODY

from ..lib import rendering
from ..lib.rendering import Rendered
from .visiting import ROWS
from .zoo import FAULTS

PROBES = table("probes")
CODE = [*(rendering.ROOT / "mcp_connector/doctor/probes").glob("*.py")]

NOT_PLANTED = {
    2: "a rule by address: the doctor says that it cannot be seen",
    34: "said with registration-none",
    40: "a verdict, and not a fault",
    41: "needs calls of tools with such arguments",
    42: "needs an authorization request without a scope, which the provider shows to users alone",
    44: "allowed: the healthy server `lazy`",
}


def test_the_words_of_a_probe_are_complete() -> None:
    names = {"everybody", "cloud", *PLATFORMS}
    assert {EVERYBODY, CLOUD} < names
    for name, said in PROBES.items():
        assert {"title", "level", "expected", "cure", "source"} <= said.keys(), name
        assert said.keys() <= {"title", "row", "level", "stops", "unknown", "expected", "cure", "here", "source"}, name
        assert said["level"] in ("fail", "warn")
        assert {*said.get("stops", ()), *said.get("unknown", ())} <= names
        assert said["source"].startswith("https://")


def test_a_warning_turns_no_verdict_to_no() -> None:
    assert [name for name, said in PROBES.items() if said["level"] == "warn" and said.get("stops")] == []


def test_every_probe_is_tried_by_a_planted_fault() -> None:
    planted = {row["probe"] for row in ROWS.values()}
    not_here = {"call", "call-error", "login-waited"}  # test_command.py has these
    assert planted | not_here == PROBES.keys()


def test_every_fault_of_the_zoo_has_a_row() -> None:
    assert FAULTS.keys() - ROWS.keys() == {"lazy", "odd none", "odd key", "odd oauth"}


def test_every_symptom_that_can_be_seen_has_a_fault() -> None:
    symptoms = Counter(row["row"] for row in ROWS.values() if "row" in row)
    assert {*range(1, 51)} - symptoms.keys() == NOT_PLANTED.keys()


def test_probes_are_named_in_the_code_as_in_the_data() -> None:
    code = "".join(file.read_text() for file in CODE)
    named = {*re.findall(r'"([a-z0-9]+(?:-[a-z0-9]+)*)"', code)}
    computed = {name for name in PROBES if name.endswith("-all")}  # the name without it, where every tool is concerned
    assert PROBES.keys() - named == computed


def test_platforms_are_those_of_the_option() -> None:
    assert tuple(platforms()) == PLATFORMS
    for row in platforms().values():
        assert {"title", "none", "key", "dcr", "cimd", "paste", "source", "read"} <= row.keys()
        for way in ("none", "key", "dcr", "cimd", "paste"):
            value, why = row[way]
            assert value in ("yes", "no", "unknown")
            assert why.endswith(".")


@pytest.mark.parametrize("target", rendering.choices("hosting"))
def test_the_files_that_cures_name_are_rendered(rendered: Rendered, target: str) -> None:
    project = rendered({"auth_mode": "oauth", "hosting": target, "source": "blank"})
    places = table("projects")[target]
    settings = "compose.yaml" if places["settings"] == ".env" else places["settings"]
    text = (project / settings).read_text()
    assert "OAUTH_ISSUER" in text
    name, _, file = places["public_url"].partition(" in ")
    assert name == "the host name" or name in (project / settings).read_text()
    assert file.removeprefix("the parameters of ") == places["settings"]
    assert (project / "docs/connect.md").is_file()
    assert (project / "docs/identity-provider.md").is_file()


@pytest.mark.parametrize("mode", ["oauth", "oauth-proxy"])
def test_the_settings_that_cures_name_are_those_of_a_connector(rendered: Rendered, mode: str) -> None:
    example = (rendered({"auth_mode": mode, "hosting": "compose", "source": "blank"}) / ".env.example").read_text()
    of_proxy = {"OAUTH_REDIRECT_URIS"}
    named = {name for said in PROBES.values() for name in re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", said.get("here", ""))}
    assert named >= {"OAUTH_ISSUER", "RATE_LIMIT", *of_proxy}
    lacking = of_proxy if mode == "oauth" else {"OAUTH_AUDIENCE"}
    assert {name for name in named if f"# {name}=" not in example} <= lacking | {"PUBLIC_URL"}
