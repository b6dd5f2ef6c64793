"""docs/connect.md, followed step by step for each auth mode and platform.

No platform is here: a stand-in does what its platform's documents say, and knows nothing but what the page tells its
user to choose and to enter. So a field that is missing, a redirect URI that nobody was told to add, or a header with
another name ends in a failure. What only an account can show, such as the words of a form, is out of reach.
"""

import json
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

import httpx2
import pytest

from ..lib.browser import challenge, log_in, query
from ..lib.rendering import Installed, Rendered
from ..lib.serving import Running, identity_provider, issued_by, serving
from ..render.test_connect import ROWS, answers, fields, sections, table

pytestmark = pytest.mark.peers

LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
HELLO = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "a stand-in", "version": "1"},
    },
}
BOTH = "application/json, text/event-stream"
CHALLENGE, BY_PATH, AT_ROOT = "challenge", "by path", "at the root"
OAUTH, OPENID = "oauth-authorization-server", "openid-configuration"


@dataclass(frozen=True)
class Behaviour:
    """What a platform's documents say that it does."""

    callback: str
    registers: bool = True
    secret: bool = False
    """Whether it sends one."""
    keys: bool = False
    """Whether it sends what users paste."""
    accept: str = BOTH
    looks: tuple[str, ...] = (CHALLENGE, BY_PATH, AT_ROOT)
    """Where it looks for the metadata of the resource, in this order."""
    reads: tuple[str, ...] = (OAUTH, OPENID)
    """Documents of an issuer, in this order."""
    needs_s256: bool = False
    needs_secret: bool = False
    native: bool = False


PLATFORMS = {
    "Duvo": Behaviour(ROWS["duvo"]["callbacks"][0], secret=True, keys=True),
    "Claude": Behaviour(ROWS["claude"]["callbacks"][0]),
    "ChatGPT": Behaviour(
        "https://chatgpt.com/connector/oauth/WXYZ", secret=True, needs_s256=True, looks=(CHALLENGE, AT_ROOT, BY_PATH)
    ),
    "Copilot Studio": Behaviour(
        "https://global.consent.example.com/redirect/acme", secret=True, keys=True, accept="application/json"
    ),
    "Gemini Enterprise": Behaviour(
        ROWS["gemini"]["callbacks"][0], registers=False, secret=True, needs_secret=True, accept="application/json"
    ),
    "VS Code": Behaviour(ROWS["vscode"]["callbacks"][0], keys=True, native=True, reads=(OPENID, OAUTH)),
    "Claude Code": Behaviour("http://localhost:51234/callback", keys=True, native=True),
    "Cursor": Behaviour(ROWS["cursor"]["callbacks"][0], keys=True, native=True),
    "MCP Inspector": Behaviour(ROWS["inspector"]["callbacks"][0], keys=True, native=True, looks=(BY_PATH, AT_ROOT)),
}
FORMED = [row["title"] for row in ROWS.values() if "fields" in row]


class Stuck(AssertionError):
    """The user has done what the page says, and the platform does not connect."""


@dataclass
class Connector:
    """One that runs, and its page."""

    running: Running
    page: dict[str, str]
    guide: str
    key: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    applications: Mapping[bool, Mapping[str, str]] = field(default_factory=dict)
    """Those that its owner made at the identity provider: with a secret, and without."""

    def here(self, text: str) -> str:
        return text.replace("https://YOUR-HOST", self.running.origin)


class Entered(NamedTuple):
    """What a user chose and entered, because the page says so."""

    url: str
    headers: dict[str, str]
    client: dict[str, str]
    authorize: str
    token: str
    scopes: str
    oauth: bool


def plain(value: str) -> str:
    return value.strip("`")


def enter(connector: Connector, platform: str) -> Entered:
    """Fill in the form of a platform, and answer in its second step."""
    section = connector.page[platform] if platform in FORMED else connector.page["Programs on your own machine"]
    if platform not in FORMED:
        return enter_into_program(connector, platform, section)
    form = fields(section)
    if not form:
        return Entered(f"{connector.running.url}", {}, {}, "", "", "", True)  # as somebody who does not read
    [url] = [connector.here(plain(value)) for name, value in form.items() if name.lower().endswith("server url")]
    kind = form.get("Authorization", form.get("Authentication", ""))
    headers = {}
    if kind == "Access token / API key":
        headers = {"Authorization": f"Bearer {connector.key}"}
    elif kind == "Custom headers":
        [names] = re.findall(r"their own values? for (`.+`)\.", " ".join(section.split()))
        headers = dict.fromkeys(names.strip("`").split("`, `"), "anything")
    elif kind == "API key":
        assert form["Type"] == "Header"
        headers = {plain(form["Header name"]): connector.key or "anything"}
    asked = {name.rpartition(": ")[2].removeprefix("OAuth ").lower(): value for name, value in form.items()}
    client = {}
    if "client id" in asked:
        client["client_id"] = client_id(connector, asked["client id"], PLATFORMS[platform].secret)
    if "client secret" in asked:
        client["client_secret"] = client_secret(connector, asked["client secret"])
    return Entered(
        url,
        headers,
        client,
        connector.here(plain(form.get("Authorization URL", ""))),
        connector.here(plain(form.get("Token URL template", form.get("Token URL", "")))),
        plain(form.get("Scopes", "")),
        not headers and kind not in ("None", "No Authentication"),
    )


def client_id(connector: Connector, said: str, secret: bool) -> str:
    if said == "the value of `OAUTH_CLIENT_ID`":
        return connector.settings["OAUTH_CLIENT_ID"]
    assert said.startswith("the client ID of the application at ")
    return connector.applications[secret]["client_id"]


def client_secret(connector: Connector, said: str) -> str:
    if said.startswith("any text"):
        return "any text"
    assert said == "the secret of that application"
    return connector.applications[True]["client_secret"]


def enter_into_program(connector: Connector, program: str, section: str) -> Entered:
    """Its configuration, or its command, as the page has it."""
    [how] = re.findall(rf"^\| {program} \| (.+) \|$", section, re.MULTILINE)
    headers: dict[str, str] = {}
    url = connector.running.url
    if found := re.search(r"`(\{[^`]+\})`", how):
        [[server]] = [list(servers.values()) for servers in json.loads(found[1]).values()]
        url, headers = connector.here(server["url"]), server.get("headers", {})
    elif "claude mcp add" in how:
        headers = dict(header.split(": ", 1) for header in re.findall(r'--header "([^"]+)"', how))
        [url] = [connector.here(word) for word in re.findall(r"https://YOUR-HOST/\w+", how)]
    elif found := re.search(r"under \*\*Authentication\*\* add (`.+?`)\.", how):
        headers = dict.fromkeys(found[1].strip("`").split("`, `"), "Bearer KEY" if connector.key else "YOUR_VALUE")
    values = {name: value.replace("KEY", connector.key).replace("YOUR_VALUE", "it") for name, value in headers.items()}
    client = {} if registers(connector) else {"client_id": connector.applications[False]["client_id"]}
    return Entered(url, values, client if not values else {}, "", "", "", not values)


def registers(connector: Connector) -> bool:
    return False not in connector.applications


# ---------------------------------------------------------------------------------------------------- the stand-in


def connected(platform: Behaviour, connector: Connector, entered: Entered) -> list[str]:
    """The tools that a platform shows its user in the end."""
    with httpx2.Client(trust_env=False, timeout=30, headers={"Accept": platform.accept}) as http:
        if entered.headers and not platform.keys:
            raise Stuck("it has no field for a credential")
        if platform.needs_secret and entered.oauth and "client_secret" not in entered.client:
            raise Stuck("its form insists on a secret")
        headers = entered.headers
        if entered.oauth:
            first = http.post(entered.url, json=HELLO)
            if first.status_code == 401:
                headers = {"Authorization": f"Bearer {token(platform, http, first, entered)}"}
        for message in (HELLO, LIST):
            answer = http.post(entered.url, json=message, headers=headers)
            if answer.status_code != 200:
                raise Stuck(f"{message['method']} is answered with {answer.status_code}")
        return [tool["name"] for tool in answer.json()["result"]["tools"]]


def token(platform: Behaviour, http: httpx2.Client, first: httpx2.Response, entered: Entered) -> str:
    if entered.authorize and not entered.authorize.startswith("http"):  # "… of the provider's discovery document"
        said = found(platform, http, first, entered.url)
        entered = entered._replace(authorize=said["authorization_endpoint"], token=said["token_endpoint"])
    scopes = entered.scopes
    if not entered.authorize:
        said = found(platform, http, first, entered.url)
        if platform.needs_s256 and "S256" not in said.get("code_challenge_methods_supported", []):
            raise Stuck("the server must advertise PKCE with S256")
        client = entered.client if "client_id" in entered.client else registered(platform, http, said)
        entered = entered._replace(
            client=client, authorize=said["authorization_endpoint"], token=said["token_endpoint"]
        )
        scopes = wanted(first)
    verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(8)
    asked = {
        "response_type": "code",
        "client_id": entered.client["client_id"],
        "redirect_uri": platform.callback,
        "scope": scopes,
        "state": state,
        "resource": entered.url,
        "code_challenge": challenge(verifier),
        "code_challenge_method": "S256",
    }
    try:
        came = query(log_in(f"{entered.authorize}?{urlencode(asked)}"))
    except AssertionError as why:
        raise Stuck(f"the login ends elsewhere: {why}") from None
    if came.get("state") != state or "code" not in came:
        raise Stuck(f"the login ends with {came}")
    form = {
        "grant_type": "authorization_code",
        "code": came["code"],
        "redirect_uri": platform.callback,
        "code_verifier": verifier,
        "resource": entered.url,
    }
    secret = entered.client.get("client_secret") if platform.secret else None
    if secret:
        answer = http.post(entered.token, data=form, auth=(entered.client["client_id"], secret))
    else:
        answer = http.post(entered.token, data=form | {"client_id": entered.client["client_id"]})
    if answer.status_code != 200:
        raise Stuck(f"the code is refused: {answer.text}")
    given: str = answer.json()["access_token"]
    return given


def wanted(first: httpx2.Response) -> str:
    """The scopes that the challenge names."""
    found = re.search(r'scope="([^"]*)"', first.headers.get("WWW-Authenticate", ""))
    return found[1] if found else ""


def found(platform: Behaviour, http: httpx2.Client, first: httpx2.Response, url: str) -> dict[str, Any]:
    """What the authorization server says of itself, looked for in the order of the platform."""
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc}"
    named = re.search(r'resource_metadata="([^"]*)"', first.headers.get("WWW-Authenticate", ""))
    places = {
        CHALLENGE: named[1] if named else "",
        BY_PATH: f"{origin}/.well-known/oauth-protected-resource{parts.path}",
        AT_ROOT: f"{origin}/.well-known/oauth-protected-resource",
    }
    for place in filter(None, map(places.get, platform.looks)):
        answer = http.get(place)
        if answer.status_code == 200:
            assert answer.json()["resource"] == url
            issuer = answer.json()["authorization_servers"][0].rstrip("/")
            break
    else:
        raise Stuck("there is no metadata of the resource: no sign-in starts")
    for name in platform.reads:
        answer = http.get(f"{issuer}/.well-known/{name}")
        if answer.status_code == 200:
            said: dict[str, Any] = answer.json()
            return said
    raise Stuck("the authorization server has no metadata")


def registered(platform: Behaviour, http: httpx2.Client, said: Mapping[str, Any]) -> dict[str, str]:
    if not platform.registers or "registration_endpoint" not in said:
        raise Stuck("it asks for a client ID")
    method = "client_secret_basic" if platform.secret else "none"
    asked = {
        "client_name": "a stand-in",
        "application_type": "native" if platform.native else "web",
        "redirect_uris": [platform.callback],
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": method,
    }
    answer = http.post(said["registration_endpoint"], json=asked)
    if answer.status_code != 201:
        raise Stuck(f"the registration is refused: {answer.text}")
    client: dict[str, str] = answer.json()
    return client


# ------------------------------------------------------------------------------------------------- each connector

SETUPS = {  # a mode, and the provider whose page its user reads
    "none": ("none", "generic"),
    "api-key": ("api-key", "generic"),
    "headers": ("headers", "generic"),
    "oauth, registration": ("oauth", "keycloak"),
    "oauth, by hand": ("oauth", "okta"),
    "oauth-introspection, by hand": ("oauth-introspection", "okta"),
    "oauth-proxy": ("oauth-proxy", "google"),
}


def redirects_of(guide: str, public: bool) -> list[str]:
    """Redirect URIs that a guide tells its reader to add for such clients; a form shows its own."""
    found = []
    for title, client, uris in re.findall(r"^\| Redirect URIs? of (.+?)(, a public client)? \| (.+) \|$", guide, re.M):
        if bool(client) == public:
            shown = (
                [PLATFORMS[title].callback] if uris.startswith("Its form shows one") else re.findall(r"`(.+?)`", uris)
            )
            found += [uri.replace("PORT", "51234") for uri in shown]
    return [uri for uri in found if not uri.startswith("cursor:")]  # this provider takes only schemes with a dot


def listed(page: Mapping[str, str]) -> str:
    """OAUTH_REDIRECT_URIS as the page says: the default, and what its table and its sections add."""
    rows = dict(re.findall(r"^\| (.+?) \| (.+) \|$", page["Redirect URIs"], re.MULTILINE))
    uris = [*ROWS["duvo"]["callbacks"], *ROWS["claude"]["callbacks"]]
    for title, platform in PLATFORMS.items():
        said = rows.get(title, "")
        uris += [platform.callback] if "form shows" in said else " ".join(re.findall(r"`(.+?)`", said)).split()
    return " ".join(dict.fromkeys(uris))


@pytest.fixture(scope="module", params=[*SETUPS.values()], ids=[*SETUPS])
def connector(request: pytest.FixtureRequest, installed: Installed, rendered: Rendered) -> Iterator[Connector]:
    mode, provider = request.param
    read = rendered(answers(mode, provider))
    page = sections(read)
    guide = read / "docs/identity-provider.md"
    text = guide.read_text(encoding="utf-8") if guide.is_file() else ""
    project, env = installed({"auth_mode": mode, "hosting": "compose", "source": "rest-api"})
    settings: dict[str, str] = {}
    applications: dict[bool, dict[str, str]] = {}
    with ExitStack() as stack:
        if mode.startswith("oauth"):
            by_hand = "by hand" in request.node.name or "okta" in provider
            common = {"application_type": "native", "grant_types": ["authorization_code", "refresh_token"]}
            with_secret = {"client_id": "with-a-secret", "client_secret": "its secret, which is long"}
            applications = {True: with_secret} | ({False: {"client_id": "public"}} if by_hand else {})
            clients = [
                {**common, **with_secret, "redirect_uris": redirects_of(text, public=False)},
                {
                    **common,
                    "client_id": "public",
                    "token_endpoint_auth_method": "none",
                    "redirect_uris": redirects_of(text, public=True),
                },
            ]
            idp = stack.enter_context(
                identity_provider(
                    registration=not by_hand and mode != "oauth-proxy",
                    opaque=mode == "oauth-introspection",
                    scopes=("crm:read", "crm:write", "mcp:tools", "mcp:write"),
                    clients=clients if mode != "oauth-proxy" else (),
                )
            )
            settings = issued_by(idp, mode)
            if mode == "oauth-proxy":
                settings["OAUTH_REDIRECT_URIS"] = listed(page)
            else:
                said = dict(re.findall(r"^   (OAUTH_\w*SCOPES)=(.+)$", text, re.MULTILINE))
                settings |= said
        running = stack.enter_context(serving(project, env, **settings))
        key = running.headers.get("Authorization", "").removeprefix("Bearer ") if mode == "api-key" else ""
        yield Connector(running, page, text, key, settings, applications)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_who_follows_the_page_sees_the_tools_or_was_told_that_it_cannot_work(
    connector: Connector, platform: str, request: pytest.FixtureRequest
) -> None:
    behaviour = PLATFORMS[platform]
    oauth = bool(connector.settings)
    if platform == "Cursor" and oauth and "OAUTH_REDIRECT_URIS" not in connector.settings:
        pytest.skip("oidc-provider takes only redirect URIs whose scheme has a dot")
    entered = enter(connector, platform)
    told = platform in FORMED and not fields(connector.page[platform])
    if told:
        assert not oauth
        if "is not known to work" not in " ".join(connector.page[platform].split()):
            with pytest.raises(Stuck):
                connected(behaviour, connector, entered)
        return
    assert "search_records" in connected(behaviour, connector, entered)


def test_every_platform_of_the_data_has_a_stand_in() -> None:
    assert PLATFORMS.keys() == {row["title"] for row in ROWS.values()}
    assert {title for title, cells in table(ROWS).items() if cells[1] == "no"} == {"Claude", "ChatGPT"}
    for row in ROWS.values():
        assert PLATFORMS[row["title"]].secret == row["secret"]


# ------------------------------------------------------------------------------------------------- planted errors


def without(connector: Connector, platform: str, *pairs: tuple[str, str]) -> Connector:
    section = connector.page[platform]
    for old, new in pairs:
        assert old in section, section
        section = section.replace(old, new)
    return replace(connector, page={**connector.page, platform: section})


PLANTED = {
    "api-key": ("Copilot Studio", ("`X-API-Key`", "`X-Api`"), "is answered with 401"),
    "headers": ("Duvo", ("values for `X-API-Key`", "values for `X-Key`"), "is answered with 401"),
    "none": ("Duvo", ("https://YOUR-HOST/mcp", "https://YOUR-HOST/api"), "is answered with 404"),
    "oauth, registration": ("Gemini Enterprise", ("| Client secret |", "| Password |"), "insists on a secret"),
    "oauth, by hand": (
        "Duvo",
        ("| Advanced settings: Client ID |", "| Advanced settings: Name |"),
        "asks for a client",
    ),
    "oauth-introspection, by hand": ("Copilot Studio", ("`crm:read crm:write`", "`openid`"), "is answered with 403"),
    "oauth-proxy": ("Gemini Enterprise", ("https://YOUR-HOST/token", "https://YOUR-HOST/oauth/token"), "the code is"),
}


def test_a_page_with_an_error_does_not_lead_there(connector: Connector, request: pytest.FixtureRequest) -> None:
    [name] = [name for name in SETUPS if f"[{name}]" in request.node.name]
    platform, pair, said = PLANTED[name]
    wrong = without(connector, platform, pair)
    with pytest.raises(Stuck, match=said):
        connected(PLATFORMS[platform], wrong, enter(wrong, platform))


def test_a_redirect_uri_that_nobody_was_told_to_add_is_found(connector: Connector) -> None:
    if not connector.settings:
        pytest.skip("nobody is redirected")
    strange = replace(PLATFORMS["Gemini Enterprise"], callback="https://gemini.example.com/oauth-redirect")
    with pytest.raises(Stuck, match="login ends elsewhere"):
        connected(strange, connector, enter(connector, "Gemini Enterprise"))
