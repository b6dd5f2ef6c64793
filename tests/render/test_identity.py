"""Identity providers: which auth modes can use which, in which words others are refused, and the guide for each."""

import re
import shutil
import warnings
from collections.abc import Callable, Iterator
from datetime import date
from functools import cache
from pathlib import Path

import copier
import pexpect
import pytest

from ..lib import homes, rendering
from ..lib.rendering import recorded

Render = Callable[..., Path]
Guided = Callable[[tuple[str, str]], Path]
RESOURCE = "https://YOUR-HOST/mcp"
CALLBACK = "https://YOUR-HOST/auth/callback"
GIVEN = {"project_name": "Acme CRM", "auth_mode": "oauth", "hosting": "compose"}
MODES = [mode for mode in rendering.choices("auth_mode") if mode.startswith("oauth")]
PROVIDERS = rendering.choices("identity_provider")
OPAQUE = (
    "{} issues opaque tokens without an audience, so a connector cannot check them; choose the auth_mode oauth-proxy."
)
UNASKED = (
    "{} documents no token introspection (RFC 7662), which oauth-introspection needs; "
    "choose the auth_mode oauth or oauth-proxy."
)
SCOPELESS = (
    "{} issues JWTs without scopes, so a connector cannot check them; "
    "choose the auth_mode oauth-introspection or oauth-proxy."
)
UNADDRESSED = (
    "{} issues tokens whose audience is their client, so a connector cannot check them; "
    "choose the auth_mode oauth-proxy."
)
REFUSED = {
    **{(mode, "google"): OPAQUE.format("Google") for mode in ("oauth", "oauth-introspection")},
    **{(mode, "github"): OPAQUE.format("GitHub") for mode in ("oauth", "oauth-introspection")},
    ("oauth-introspection", "auth0"): UNASKED.format("Auth0"),
    ("oauth-introspection", "entra"): UNASKED.format("Microsoft Entra ID"),
    ("oauth-introspection", "cognito"): UNASKED.format("Amazon Cognito"),
    ("oauth-introspection", "descope"): UNASKED.format("Descope"),
    ("oauth-introspection", "scalekit"): UNASKED.format("Scalekit"),
    ("oauth", "zitadel"): SCOPELESS.format("Zitadel"),
    **{(mode, "authentik"): UNADDRESSED.format("authentik") for mode in ("oauth", "oauth-introspection")},
}
PAIRS = [(mode, provider) for mode in MODES for provider in PROVIDERS]
WORKING = [pair for pair in PAIRS if pair not in REFUSED]
DIRECT = [pair for pair in WORKING if pair[0] != "oauth-proxy"]
PROXIED = [pair for pair in WORKING if pair[0] == "oauth-proxy"]
every_guide = pytest.mark.parametrize("pair", WORKING, ids="-".join)
every_direct_guide = pytest.mark.parametrize("pair", DIRECT, ids="-".join)
every_proxied_guide = pytest.mark.parametrize("pair", PROXIED, ids="-".join)


@pytest.fixture(scope="session")
def guides(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template with nothing to render but what names the identity provider."""
    folder = tmp_path_factory.mktemp("guides")
    shutil.copy(rendering.ROOT / "copier.yml", folder)
    rendering.copy_working_tree(folder, "hooks", "mcp_connector/platforms.yaml")
    (folder / "template").mkdir()
    for name in ["{{ _copier_conf.answers_file }}.jinja", ".env.example.jinja"]:
        shutil.copy(rendering.TEMPLATE / name, folder / "template")
    for guide in rendering.TEMPLATE.glob("*/docs/identity-provider.md.jinja"):
        group = guide.parent.relative_to(rendering.TEMPLATE)
        shutil.copytree(rendering.TEMPLATE / group, folder / "template" / group)
    return folder


@pytest.fixture
def render(guides: Path, tmp_path: Path) -> Render:
    def project(**given: str) -> Path:
        copier.run_copy(str(guides), tmp_path, data={**GIVEN, **given}, defaults=True, quiet=True)
        return tmp_path

    return project


@pytest.fixture(scope="session")
def guided(guides: Path, tmp_path_factory: pytest.TempPathFactory) -> Guided:
    """Gives what names the identity provider, rendered once for each pair."""

    @cache
    def project(pair: tuple[str, str]) -> Path:
        target = tmp_path_factory.mktemp("-".join(pair))
        answers = {**GIVEN, "auth_mode": pair[0], "identity_provider": pair[1]}
        copier.run_copy(str(guides), target, data=answers, defaults=True, quiet=True)
        return target

    return project


# ------------------------------------------------------------------------------------------------------ which pairs


@pytest.mark.parametrize("pair", REFUSED, ids="-".join)
def test_a_pair_that_cannot_work_is_refused_with_the_reason(render: Render, pair: tuple[str, str]) -> None:
    mode, provider = pair
    with pytest.raises(ValueError, match="Invalid choice") as caught:
        render(auth_mode=mode, identity_provider=provider)
    assert str(caught.value) == f"Invalid choice for 'identity_provider': {REFUSED[mode, provider]}"


def test_the_proxy_can_use_every_provider() -> None:
    refused = {provider: homes.provider(provider).get("refused", {}) for provider in PROVIDERS}
    assert {provider for provider in PROVIDERS if "oauth-proxy" in refused[provider]} == set()


def test_a_provider_that_is_no_choice_is_refused_with_the_choices(render: Render) -> None:
    with pytest.raises(ValueError, match=r"'identity_provider': 'bogus' is not in \['generic', 'keycloak', "):
        render(identity_provider="bogus")


@pytest.mark.parametrize("mode", MODES)
def test_any_provider_is_meant_unless_one_is_named(render: Render, mode: str) -> None:
    assert recorded(render(auth_mode=mode))["identity_provider"] == "generic"


@pytest.mark.parametrize("mode", [mode for mode in rendering.choices("auth_mode") if mode not in MODES])
def test_nobody_is_asked_for_a_provider_that_no_token_comes_from(render: Render, mode: str) -> None:
    project = render(auth_mode=mode, identity_provider="google")
    assert "identity_provider" not in recorded(project)
    assert not (project / "docs").exists()


def test_a_wrong_pair_on_the_command_line_ends_with_the_reason_and_writes_nothing(guides: Path, tmp_path: Path) -> None:
    data = [f"--data={name}={value}" for name, value in {**GIVEN, "identity_provider": "google"}.items()]
    done = rendering.copier("copy", "--defaults", *data, guides, tmp_path / "project")
    assert done.returncode == 1
    words = f"ValueError: Invalid choice for 'identity_provider': {OPAQUE.format('Google')}"
    assert done.stderr.splitlines()[-1] == words
    assert not (tmp_path / "project").exists()


@pytest.fixture
def terminal(guides: Path, tmp_path: Path) -> Iterator["pexpect.spawn[str]"]:
    """`copier copy` in a terminal, where only the identity provider is left to ask for."""
    known = {**GIVEN, "project_description": "Finds.", "source": "blank", "ci": "none", "observability": "none"}
    with rendering.terminal(guides, tmp_path / "project", known) as child:
        yield child


def test_a_person_sees_the_reason_and_cannot_choose_it(terminal: "pexpect.spawn[str]", tmp_path: Path) -> None:
    terminal.expect("Which identity provider do users log in at?")
    terminal.expect(r"google - Google \(works with oauth-proxy\)")
    terminal.send("\x1b[B" * 5 + "\r")  # five down from generic: Google and GitHub are stepped over
    terminal.expect("Next:")
    terminal.expect(pexpect.EOF)
    assert recorded(tmp_path / "project")["identity_provider"] == "workos"


# ------------------------------------------------------------------------------------------------------- the guides


def variables(text: str) -> dict[str, str]:
    """The lines `NAME=value` of a guide or of .env.example."""
    return dict(re.findall(r"^(?:   |# )?([A-Z][A-Z0-9_]*)=(.*)$", text, re.MULTILINE))


@every_direct_guide
def test_a_guide_names_every_value_to_paste(guided: Guided, pair: tuple[str, str]) -> None:
    project = guided(pair)
    guide = (project / "docs/identity-provider.md").read_text(encoding="utf-8")
    issuer = homes.provider(pair[1])["issuer"]
    for value in [
        f"| `{issuer}` |",
        "| `https://YOUR-HOST/mcp` |",
        "`https://platform.duvo.ai/v1/oauth/mcp/callback`",
        "`https://claude.ai/api/mcp/auth_callback`",
        f"   OAUTH_ISSUER={issuer}\n",
    ]:
        assert value in guide
    assert variables((project / ".env.example").read_text(encoding="utf-8"))["OAUTH_ISSUER"] == issuer


@every_proxied_guide
def test_a_guide_for_the_proxy_names_every_value_to_paste(guided: Guided, pair: tuple[str, str]) -> None:
    project = guided(pair)
    guide = (project / "docs/identity-provider.md").read_text(encoding="utf-8")
    row = homes.provider(pair[1])
    front = {**homes.proxied(), **row["proxy"]}
    example = variables((project / ".env.example").read_text(encoding="utf-8"))
    assert f"| Issuer | `{front['issuer'] or row['issuer']}` |" in guide
    assert "| Redirect URI | `https://YOUR-HOST/auth/callback` |" in guide
    assert f"| Scopes | `{' '.join(front['scopes'])}` |" in guide
    assert "openssl rand -base64 32" in guide
    assert example["OAUTH_UPSTREAM_SCOPES"] == " ".join(front["scopes"])
    assert example["OAUTH_CLIENT_AUTH"] == front["client_auth"]
    pasted = variables(guide)
    assert {"OAUTH_CLIENT_ID", "OAUTH_CLIENT_SECRET", "OAUTH_ALLOWED_USERS"} <= set(pasted)
    assert "STATE_STORE_URL" not in pasted, "compose.yaml sets it"
    assert ("OAUTH_ISSUER" in pasted) == ("endpoints" not in front), "known endpoints need no discovery"
    assert pasted.items() <= example.items()
    assert "/v1/oauth/mcp/callback" not in guide, "the provider knows the connector alone"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_a_row_says_of_the_proxy_is_known_and_complete(provider: str) -> None:
    row = homes.provider(provider)["proxy"]
    assert set(row) <= {*homes.proxied(), "endpoints"}, "a misspelt key would be ignored"
    front = {**homes.proxied(), **row}
    assert all(front[name] for name in ("steps", "errors", "links"))
    assert CALLBACK in " ".join(front["steps"])
    assert front["client_auth"] in {"client_secret_basic", "client_secret_post"}
    if "endpoints" not in front:  # OpenID Connect Core §5.3: its userinfo endpoint answers to tokens with this scope
        assert "openid" in front["scopes"]


@every_guide
def test_a_guide_says_what_was_not_verified_and_against_which_pages_it_was_checked(
    guided: Guided, pair: tuple[str, str]
) -> None:
    project = guided(pair)
    row = homes.provider(pair[1])
    guide = (project / "docs/identity-provider.md").read_text(encoding="utf-8")
    assert "not verified against a live tenant" in " ".join(guide.split())
    links = row["proxy"]["links"] if pair[0] == "oauth-proxy" else row["links"]
    assert guide.endswith(f"Checked {row['checked']} against:\n\n" + "".join(f"- <{link}>\n" for link in links))
    assert "](identity-provider.md)" in (project / "docs/connect.md").read_text(encoding="utf-8")


def aged(checked: str, today: date) -> bool:
    """Whether a row was compared with its pages more than six months ago.

    Raises:
        ValueError: `checked` is not a month such as 2026-11, or lies ahead.
    """
    year, month = map(int, checked.split("-"))
    months = (today.year - date(year, month, 1).year) * 12 + today.month - month
    if months < 0:
        raise ValueError(f"{checked} lies ahead")
    return months > 6


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_row_was_compared_with_its_pages_lately(provider: str) -> None:
    checked = homes.provider(provider)["checked"]
    if aged(checked, date.today()):
        warnings.warn(f"compare hooks/providers/{provider}.yaml with its pages again: {checked}", stacklevel=1)


def test_an_old_row_is_found_and_one_that_lies_ahead_is_refused() -> None:
    assert [aged("2026-05", day) for day in (date(2026, 11, 30), date(2026, 12, 1))] == [False, True]
    for wrong in ("2026-12", "2026-13", "2026", "November"):
        with pytest.raises(ValueError):  # noqa: PT011  (of `date`, `int` and `split`)
            aged(wrong, date(2026, 11, 30))


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_a_row_says_of_registration_has_a_page(provider: str) -> None:
    row = homes.provider(provider)
    direct = [row[name] for name in ("dcr", "cimd") if any(pair[1] == provider for pair in DIRECT)]
    for says, link in direct:
        assert says.endswith(".")
        assert link.startswith("https://")
    for link in [*row.get("links", []), *row["proxy"]["links"]]:
        assert link.startswith("https://")


@pytest.mark.parametrize("provider", dict.fromkeys(provider for _, provider in DIRECT))
def test_a_guide_has_its_reader_tell_the_provider_the_url_of_the_connector(provider: str) -> None:
    """Without it, tokens do not name the connector in `aud`, and every call is answered with 401.

    Where `aud` is something else, the steps say what to set.
    """
    row = homes.provider(provider)
    steps = " ".join(row["steps"])
    assert f"`{RESOURCE}`" in steps or (row["audience"] and "as `OAUTH_AUDIENCE`" in steps)


@every_guide
@pytest.mark.parametrize("page", ["identity-provider.md", "connect.md"])
def test_a_page_reads_as_written_by_hand(guided: Guided, pair: tuple[str, str], page: str) -> None:
    text = (guided(pair) / "docs" / page).read_text(encoding="utf-8")
    lines = text.splitlines()
    assert not re.search(r"\{\{|\{%|\{#|\bNone\b|connector\.example\.com", text)
    assert not re.search(r"\S  +\S|[ \t]$|\n\n\n", text, re.MULTILINE)
    assert text.count("`") % 2 == 0
    assert max(len(line) for line in lines if not line.startswith("|")) <= 150
    numbers = [int(number) for number in re.findall(r"^(\d+)\. ", text, re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert all(int(number) < len(numbers) for number in re.findall(r"\bstep (\d+)", text)), "a step that is not there"
    assert all(line.count(" | ") == 1 for line in lines if line.startswith("| "))
    assert text.endswith((".\n", "|\n", ">\n"))


@every_guide
def test_every_variable_of_a_page_is_one_of_the_connector(guided: Guided, pair: tuple[str, str]) -> None:
    project = guided(pair)
    example = (project / ".env.example").read_text(encoding="utf-8")
    listed = set(variables(example))
    required = set(re.findall(r"Required\..*\n# (\w+)=", example)) - {"PUBLIC_HOST"}
    assert required >= {"OAUTH_CLIENT_SECRET"} if pair[0] != "oauth" else {"OAUTH_ISSUER"}
    for page in (project / "docs").iterdir():
        text = page.read_text(encoding="utf-8")
        assert set(re.findall(r"\b(?:OAUTH|STATE|SIGNING)_[A-Z_]+\b", text)) <= listed
        set_here = re.findall(r"^   ([A-Z_]+)=", text, re.MULTILINE)
        assert len(set_here) == len(set(set_here)), "a variable is set twice"
    assert required <= set(variables((project / "docs/identity-provider.md").read_text(encoding="utf-8")))


@every_direct_guide
def test_guide_and_example_give_the_same_values(guided: Guided, pair: tuple[str, str]) -> None:
    project = guided(pair)
    guide = (project / "docs/identity-provider.md").read_text(encoding="utf-8")
    example = (project / ".env.example").read_text(encoding="utf-8").replace("connector.example.com", "YOUR-HOST")
    examples = dict(re.findall(r"^(?:# )?(OAUTH_\w+)=(.*)$", example, re.MULTILINE))
    given = dict(re.findall(r"^   (OAUTH_\w+)=(.*)$", guide, re.MULTILINE))
    assert given["OAUTH_SCOPES"]
    assert given.items() <= examples.items()
    assert given.keys() >= {name for name, value in examples.items() if name.endswith("_SCOPES") and value}
    if pair[0] == "oauth-introspection":
        assert f"`{examples['OAUTH_INTROSPECTION_URL']}`" in guide
