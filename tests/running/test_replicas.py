"""A tool that asks the user goes on at whichever replica gets the answer, in each auth mode.

The client carries the state of the question (`requestState`, MCP 2026-07-28), sealed with REQUEST_STATE_KEYS.
"""

import asyncio
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, ElicitResult, InputRequiredResult

from ..conftest import once
from ..docs.test_tools import written
from ..lib import asking, rendering
from ..lib.browser import challenge, log_in, query
from ..lib.rendering import Installed, Rendered, recorded, run
from ..lib.serving import (
    CLIENT,
    Running,
    free_port,
    identity_provider,
    issued_by,
    serving,
    state_store,
    until,
    upstream,
)
from .test_running import ERAS, RoundRobin, of

pytestmark = pytest.mark.peers

REFUSED = "Invalid or expired requestState"
RECORD = {"record": "7"}
DONE = {"result": "7: True, no longer needed"}
ANSWERS: dict[str, bool | str] = {"sure": True, "reason": "no longer needed", "agreed": True}
OLD, NEW = secrets.token_urlsafe(32), secrets.token_urlsafe(32)

AskingTool = Callable[[str], tuple[Path, dict[str, str]]]  # the fixture `asking_tool`


async def user(context: Any, params: Any) -> ElicitResult:
    """Someone who answers every question."""
    return ElicitResult(
        action="accept", content={field: ANSWERS[field] for field in params.requested_schema["properties"]}
    )


@asynccontextmanager
async def connected(url: str, *ports: int, headers: Mapping[str, str], mode: str = "2026-07-28") -> Any:
    """A client whose requests go to these ports in turn, as by a balancer in front of them."""
    transport = RoundRobin(*ports)
    async with (
        httpx2.AsyncClient(transport=transport, headers=dict(headers), timeout=30) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode, elicitation_callback=user) as client,
    ):
        yield client


class Deployment:
    """Replicas of one connector with an asking tool: who may call it, and how each is started."""

    def __init__(self, project: Path, env: Mapping[str, str], settings: Mapping[str, str]) -> None:
        self.project, self.env, self.settings = project, env, settings
        self.callers: list[Mapping[str, str]] = []
        """What two of the callers send."""

    @property
    def url(self) -> str:
        return f"{self.settings['PUBLIC_URL']}/mcp"

    @contextmanager
    def replica(self, keys: str, port: int = 0, command: Sequence[str] = ()) -> Iterator[Running]:
        chosen = {**self.settings, "PORT": str(port or free_port()), "REQUEST_STATE_KEYS": keys}
        with serving(self.project, self.env, command=command, **chosen) as running:
            yield running

    def call(
        self, *replicas: Running, mode: str = ERAS[1], tool: str = "delete", arguments: Mapping[str, Any] = RECORD
    ) -> CallToolResult | str:
        """What comes of a whole call, whose requests go to these replicas in turn; or the error that ends it."""

        async def calling() -> CallToolResult | str:
            async with connected(self.url, *map(port, replicas), headers=self.callers[0], mode=mode) as client:
                with suppressed() as error:
                    result: CallToolResult = await client.call_tool(tool, dict(arguments))
                    return result
                return error[0]

        return asyncio.run(calling())

    def ask(self, replica: Running) -> InputRequiredResult:
        """The first question of a call, and the state that the client carries until it is answered."""

        async def asking() -> InputRequiredResult:
            async with connected(self.url, port(replica), headers=self.callers[0]) as client:
                asked = await client.session.call_tool("delete", RECORD, allow_input_required=True)
                assert isinstance(asked, InputRequiredResult)
                return asked

        return asyncio.run(asking())

    def answer(
        self, asked: InputRequiredResult, replica: Running, caller: int = 0, arguments: dict[str, str] = RECORD
    ) -> InputRequiredResult | CallToolResult | str:
        """What comes of answering it at this replica; or the error that ends the call."""

        async def answering() -> InputRequiredResult | CallToolResult | str:
            async with connected(self.url, port(replica), headers=self.callers[caller]) as client:
                questions = (asked.input_requests or {}).items()
                answers = {name: await user(None, question.params) for name, question in questions}
                more = {"input_responses": answers, "request_state": asked.request_state}
                with suppressed() as error:
                    said: InputRequiredResult | CallToolResult = await client.session.call_tool(
                        "delete", arguments, allow_input_required=True, **more
                    )
                    return said
                return error[0]

        return asyncio.run(answering())


@contextmanager
def suppressed() -> Iterator[list[str]]:
    """The message of an error, in the client's block: when it leaves that, it is in a group."""
    messages: list[str] = []
    try:
        yield messages
    except MCPError as error:
        messages.append(error.error.message)


def content(result: object) -> object:
    """What a call gave."""
    assert isinstance(result, CallToolResult), result
    return result.structured_content


def port(replica: Running) -> int:
    return int(replica.origin.rpartition(":")[2])


@pytest.fixture(scope="session")
def asking_tool(installed: Installed, shared: Path) -> AskingTool:
    """Gives the connector of an auth mode with the tool that asks, as its owner would add it, and how to run it."""

    def get(mode: str) -> tuple[Path, dict[str, str]]:
        project, env = installed(of(mode, "blank"))
        site = shared / "asking" / mode

        def make() -> None:
            shutil.copytree(env["PYTHONPATH"], site)
            tools = site / recorded(project)["package_name"] / "tools"
            shutil.copy2(asking.__file__, tools)
            own = (tools / "__init__.py").read_text()
            (tools / "__init__.py").write_text(f"from .asking import add_to\n{own}    add_to(server)\n")

        return project, {**env, "PYTHONPATH": str(once(site, make))}

    return get


@contextmanager
def deployment(made: tuple[Path, dict[str, str]], folder: Path) -> Iterator[Deployment]:
    project, env = made
    mode = recorded(project)["auth_mode"]
    settings = {"PUBLIC_URL": f"http://127.0.0.1:{free_port()}"}
    with ExitStack() as stack:
        if mode == "api-key":
            settings["API_KEYS_FILE"] = str(folder / "keys.jsonl")
        if mode.startswith("oauth"):
            idp = stack.enter_context(identity_provider(opaque=mode == "oauth-introspection"))
            settings |= issued_by(idp, mode)
        if mode == "oauth-proxy":
            settings["STATE_STORE_URL"] = stack.enter_context(state_store()).url
        found = Deployment(project, env, settings)
        if mode == "oauth-proxy":
            with found.replica(OLD, int(settings["PUBLIC_URL"].rpartition(":")[2])) as running:
                places = f"{running.origin}/authorize", f"{running.origin}/token"
                found.callers = [bearer(token(person, found.url, *places)) for person in ("alice", "bob")]
        elif mode.startswith("oauth"):
            places = f"{idp.origin}/auth", f"{idp.origin}/token"
            found.callers = [
                bearer(token(person, found.url, *places, CLIENT["client_secret"])) for person in ("alice", "bob")
            ]
        elif mode == "api-key":
            found.callers = [key(project, {**env, **settings}, owner) for owner in ("alice", "bob")]
        elif mode == "headers":
            names = recorded(project)["headers_names"].split(",")
            found.callers = [{name.strip(): person for name in names} for person in ("alice", "bob")]
        else:
            found.callers = [{}]
        yield found


def key(project: Path, env: Mapping[str, str], owner: str) -> dict[str, str]:
    command = [recorded(project)["command_name"], "keys", "new", "--owner", owner, "--scopes", "read,write"]
    return bearer(run(project, env, *command).stdout.splitlines()[1])


def bearer(credential: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {credential}"}


def token(person: str, resource: str, authorize: str, exchange: str, secret: str = "") -> str:
    """An access token of someone who logged in with the one client that all share."""
    verifier, back = secrets.token_urlsafe(48), "http://127.0.0.1:9/oauth/callback"
    asked = {
        "response_type": "code",
        "client_id": CLIENT["client_id"],
        "redirect_uri": back,
        "scope": "read write",
        "state": secrets.token_urlsafe(16),
        "resource": resource,
        "code_challenge": challenge(verifier),
        "code_challenge_method": "S256",
    }
    code = query(log_in(f"{authorize}?{urlencode(asked)}", person))["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": back, "code_verifier": verifier}
    form |= {"resource": resource} if secret else {"client_id": CLIENT["client_id"]}
    known = (CLIENT["client_id"], secret) if secret else None
    answer = httpx2.post(exchange, data=form, auth=known, trust_env=False)
    access: str = answer.raise_for_status().json()["access_token"]
    return access


@pytest.mark.parametrize("mode", rendering.choices("auth_mode"))
def test_a_tool_that_asks_the_user_goes_on_at_another_replica_and_after_a_restart(
    asking_tool: AskingTool, mode: str, tmp_path: Path
) -> None:
    with deployment(asking_tool(mode), tmp_path) as connector:
        with connector.replica(OLD) as one, connector.replica(OLD) as other:
            for replicas in ((one, other), (other, one)):
                assert content(connector.call(*replicas)) == DONE
            asked = connector.ask(one)
            for caller in range(1, len(connector.callers)):
                assert connector.answer(asked, other, caller) == REFUSED  # the question is another's
            assert connector.answer(asked, other, arguments={"record": "8"}) == REFUSED
            assert OLD not in one.log.read_text() + other.log.read_text()
        with connector.replica(OLD, port(one)) as restarted:
            asked_again = connector.answer(asked, restarted)
            assert isinstance(asked_again, InputRequiredResult)
            assert content(connector.answer(asked_again, restarted)) == DONE


def test_the_tool_that_asks_in_the_document_changes_at_another_replica_than_it_asked_at(
    rendered: Rendered, tmp_path: Path
) -> None:
    project = shutil.copytree(rendered(of("api-key", "rest-api")), tmp_path / "project")
    written(project)  # the files of docs/tools.md
    env = rendering.environment(project, tmp_path / "site")
    with upstream(project, env) as api, deployment((project, env), tmp_path) as connector:
        connector.settings = {**connector.settings, "UPSTREAM_URL": api.origin}
        with connector.replica(OLD) as one, connector.replica(OLD) as other, connector.replica(NEW) as stranger:
            record = f"{api.origin}/records/2"
            assert connector.call(one, stranger, tool="close_record", arguments={"id": "2"}) == REFUSED
            assert httpx2.get(record, trust_env=False).json()["status"] == "open"
            done = connector.call(one, other, tool="close_record", arguments={"id": "2"})
            assert isinstance(done, CallToolResult)
            assert "Done." in str(done.content)
            assert httpx2.get(record, trust_env=False).json()["status"] == "closed"


def test_a_key_is_replaced_without_the_loss_of_a_question(asking_tool: AskingTool, tmp_path: Path) -> None:
    """`old`, `old,new`, `new,old`, `new`: of two steps that follow each other, each opens what the other sealed."""
    steps = [OLD, f"{OLD},{NEW}", f" {NEW} , {OLD},", NEW]
    with deployment(asking_tool("none"), tmp_path) as connector, ExitStack() as stack:
        replicas = [stack.enter_context(connector.replica(keys)) for keys in steps]
        asked = map(connector.ask, replicas)
        opened = [[connector.answer(question, at) != REFUSED for at in replicas] for question in asked]
        assert opened == [
            # at old, both, both, new
            [True, True, True, False],
            [True, True, True, False],
            [False, True, True, True],
            [False, True, True, True],
        ]


def test_a_key_in_a_file_is_replaced_while_replicas_run(asking_tool: AskingTool, tmp_path: Path) -> None:
    project, env = asking_tool("none")
    site, mounted = tmp_path / "site", tmp_path / "secrets"
    shutil.copytree(env["PYTHONPATH"], site)
    module = site / recorded(project)["package_name"] / "settings.py"
    known = module.read_text().replace('Path("/run/secrets")', f'Path("{mounted}")')
    assert str(mounted) in known
    module.write_text(known)
    mounted.mkdir()
    file = mounted / "request_state_keys"
    file.write_text(OLD)
    with (
        deployment((project, {**env, "PYTHONPATH": str(site)}), tmp_path) as connector,
        connector.replica("") as one,
        connector.replica("") as other,
    ):
        before = connector.ask(one)
        file.write_text(f"{NEW},{OLD}")
        until(lambda: "was read again" in one.log.read_text() or not connector.ask(one))
        between = connector.ask(one)
        assert connector.answer(between, other) != REFUSED  # the other looks at the file when it meets an unknown key
        assert connector.answer(before, one) != REFUSED
        file.write_text(NEW)
        until(lambda: one.log.read_text().count("was read again") == 2 or not connector.ask(one))
        assert connector.answer(between, one) != REFUSED  # it was sealed with the new key
        assert connector.answer(before, one) == REFUSED
        assert not [key for key in (OLD, NEW) if key in one.log.read_text() + other.log.read_text()]


@pytest.mark.parametrize("keys", [(OLD, NEW), ("", "")], ids=["different", "none"])
def test_replicas_without_a_common_key_take_no_answer_for_each_other(
    asking_tool: AskingTool, keys: tuple[str, str], tmp_path: Path
) -> None:
    with (
        deployment(asking_tool("none"), tmp_path) as connector,
        connector.replica(keys[0]) as one,
        connector.replica(keys[1]) as other,
    ):
        assert connector.answer(connector.ask(one), other) == REFUSED
        assert connector.answer(connector.ask(one), one) != REFUSED
        assert connector.call(one, other) == REFUSED
        warned = [replica.log.read_text().count("REQUEST_STATE_KEYS is not set") for replica in (one, other)]
        assert warned == [0 if key else 1 for key in keys]


def test_a_question_outlives_a_reload_of_dev(asking_tool: AskingTool, tmp_path: Path) -> None:
    project, env = asking_tool("none")
    site = shutil.copytree(env["PYTHONPATH"], tmp_path / "site")
    command = [recorded(project)["command_name"], "dev"]
    with (
        deployment((project, {**env, "PYTHONPATH": str(site)}), tmp_path) as connector,
        connector.replica("", command=command) as running,
    ):
        asked = connector.ask(running)
        (site / recorded(project)["package_name"] / "tools/asking.py").touch()
        until(lambda: running.log.read_text().count("Application startup complete") == 2)
        assert connector.answer(asked, running) != REFUSED
        assert "REQUEST_STATE_KEYS" not in running.log.read_text()


def test_another_connector_with_the_same_key_takes_no_answer(asking_tool: AskingTool, tmp_path: Path) -> None:
    made = asking_tool("none")
    with (
        deployment(made, tmp_path) as connector,
        deployment(made, tmp_path) as staging,
        connector.replica(OLD) as one,
        staging.replica(OLD) as other,
    ):
        assert staging.answer(connector.ask(one), other) == REFUSED


def test_a_client_of_the_2025_versions_is_told_that_it_cannot_be_asked(asking_tool: AskingTool, tmp_path: Path) -> None:
    with deployment(asking_tool("none"), tmp_path) as connector, connector.replica(OLD) as one:
        told = connector.call(one, mode=ERAS[0])
        assert str(told).startswith("Cannot send 'elicitation/create'")
        assert "Traceback" not in one.log.read_text()
