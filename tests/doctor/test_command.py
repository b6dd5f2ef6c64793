"""The command as users type it."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from ..lib.rendering import ROOT, Rendered
from .visiting import ROWS
from .zoo import CLIENT, TOKEN, Server, zoo

BROWSER = f"{sys.executable} -m tests.doctor.browser %s"


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, Server]]:
    with zoo() as running:
        yield running


def doctor(*arguments: str | Path, cwd: Path = ROOT, **variables: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "COLUMNS": "80", **variables}
    command = [sys.executable, "-m", "mcp_connector", "doctor", *arguments]
    done = subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True, timeout=60)
    assert "Traceback" not in done.stdout + done.stderr
    return done


def said(done: subprocess.CompletedProcess[str]) -> str:
    """The output without line breaks."""
    return " ".join(done.stdout.split())


def test_a_healthy_server_connects_everywhere(servers: dict[str, Server]) -> None:
    done = doctor(servers["oauth"].url)
    assert (done.returncode, done.stderr) == (0, "")
    assert "judged as if it stood behind public HTTPS" in said(done)
    rows = dict(re.findall(r"^  (\S.*?)  +(yes|no|unknown)  ", done.stdout, re.MULTILINE))
    assert rows == dict.fromkeys(["Duvo", "Claude", "ChatGPT", "Copilot Studio", "Gemini Enterprise", "VS Code"], "yes")
    assert "No failure was found." in done.stdout
    assert "a firewall's rule by address cannot be seen" in said(done)


def test_json_has_the_shape_that_programs_rely_on(servers: dict[str, Server]) -> None:
    done = doctor(servers["tools-129"].url, "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found.keys()) == (1, {"target", "verdicts", "findings"})
    assert found["target"] == servers["tools-129"].url
    assert found["verdicts"] == {
        "duvo": "yes",
        "claude": "yes",
        "chatgpt": "no",
        "copilot-studio": "no",
        "gemini": "no",
        "vscode": "yes",
    }
    [finding] = found["findings"]
    assert finding.keys() == {"probe", "level", "seen", "expected", "cure", "source"}
    assert (finding["probe"], finding["level"], finding["seen"]) == ("tools-most", "fail", "129 tools")


@pytest.mark.parametrize(
    ("name", "platform", "status"),
    [
        ("key", "duvo", 0),
        ("key", "claude", 1),
        ("key", "gemini", 2),
        ("schema-ref", "copilot-studio", 1),
        ("schema-ref", "duvo", 0),
        ("no-s256", "chatgpt", 1),
        ("no-s256", "duvo", 0),
        ("garbage-accepted", "duvo", 1),
        ("slow-list", "duvo", 2),
        ("limited", "vscode", 2),
    ],
)
def test_with_a_platform_in_mind_the_others_do_not_count(
    servers: dict[str, Server], name: str, platform: str, status: int
) -> None:
    done = doctor(servers[name].url, "--for", platform)
    assert done.returncode == status
    assert len(re.findall(r"^  \S.*?  +(?:yes|no|unknown)  ", done.stdout, re.MULTILINE)) == 1


@pytest.mark.parametrize("name", ["escapes-in-error", "issuer-link-local", "own-token-403", "redirect-loop"])
@pytest.mark.parametrize("format", [[], ["--markdown"], ["--json"]])
def test_what_others_say_is_harmless(servers: dict[str, Server], name: str, format: list[str]) -> None:
    done = doctor(servers[name].url, *format, MCP_TOKEN=TOKEN)
    assert done.returncode == 1
    assert TOKEN not in done.stdout + done.stderr
    assert all(character.isprintable() or character == "\n" for character in done.stdout)
    if format == ["--markdown"]:
        outside = re.sub(r"`+.*?`+", "", done.stdout)
        assert not re.search(r"(?<!\\)@|<b>|\]\(", outside)
    elif not format:
        assert [line for line in done.stdout.splitlines() if len(line) > 80 and "https://" not in line] == []


def test_a_callback_to_copy_stays_whole(servers: dict[str, Server]) -> None:
    shown = doctor(servers["no-registration"].url).stdout
    for callback in (
        "https://vertexaisearch.cloud.google.com/oauth-redirect.",
        "https://platform.duvo.ai/v1/oauth/mcp/callback.",
    ):
        assert callback in shown.split()


def test_a_source_is_the_only_line_over_80_columns(servers: dict[str, Server]) -> None:
    for name in ("challenge-link-local", "tools-129", "lost-sessions"):
        lines = doctor(servers[name].url).stdout.splitlines()
        assert all(line.startswith("   Source:   https://") for line in lines if len(line) > 80)


# -------------------------------------------------------------------------------------------------------- credentials


def test_a_key_comes_from_the_environment_or_from_a_file(servers: dict[str, Server], tmp_path: Path) -> None:
    (tmp_path / "headers").write_text(f"# ours\nAuthorization: Bearer {TOKEN}\n")
    url = servers["key"].url
    by_key, by_token = doctor(url, MCP_API_KEY=TOKEN), doctor(url, MCP_TOKEN=TOKEN)
    for done in (by_key, by_token, doctor(url, "--header-file", tmp_path / "headers")):
        assert "It has 2 tools." in said(done)
        assert re.search(r"was used \(fingerprint [0-9a-f]{8}\)", said(done))
        assert TOKEN not in done.stdout + done.stderr
    assert "It has 2 tools." not in said(doctor(url))


@pytest.mark.parametrize("content", ["no colon", "Key:", "Näme: x", "", "Bad Name: x"])
def test_a_header_file_that_is_none_is_refused_without_its_content(tmp_path: Path, content: str) -> None:
    (tmp_path / "headers").write_text(content)
    done = doctor("http://127.0.0.1:9/mcp", "--header-file", tmp_path / "headers")
    assert (done.returncode, done.stdout) == (2, "")
    assert "as Name: value" in done.stderr
    assert not content or content not in done.stderr


def test_somebody_at_a_terminal_is_asked(servers: dict[str, Server]) -> None:
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TERM": "dumb"}
    command = ["-m", "mcp_connector", "doctor", servers["key"].url]
    with pexpect.spawn(sys.executable, command, cwd=str(ROOT), env=env, encoding="utf-8", timeout=30) as terminal:
        terminal.expect("Key or token")
        terminal.sendline(TOKEN)
        terminal.expect(r"It has\s+2\s+tools")
        terminal.expect(pexpect.EOF)
        shown = terminal.before
        assert TOKEN not in shown
    assert terminal.wait() == 0


def test_a_login_goes_through_the_browser(servers: dict[str, Server]) -> None:
    done = doctor(servers["oauth"].url, "--login", "--call", "count_animals", BROWSER=BROWSER)
    assert done.returncode == 0, done.stdout
    assert "Sign in in your browser" in done.stderr
    assert "It has 2 tools." in said(done)
    assert TOKEN not in done.stdout + done.stderr


def test_a_client_that_is_known_needs_no_registration(servers: dict[str, Server]) -> None:
    done = doctor(servers["oauth"].url, "--client-id", CLIENT, "--json")
    assert (done.returncode, json.loads(done.stdout)["findings"]) == (0, [])


@pytest.mark.parametrize(
    ("tool", "status", "probe"), [("count_animals", 0, None), ("find_animal", 0, "call-error"), ("none", 1, "call")]
)
def test_a_tool_is_called_by_its_name_only(
    servers: dict[str, Server], tool: str, status: int, probe: str | None
) -> None:
    done = doctor(servers["none"].url, "--json", "--call", tool)
    assert done.returncode == status
    assert [finding["probe"] for finding in json.loads(done.stdout)["findings"]] == [probe] * bool(probe)


# ------------------------------------------------------------------------------------------------------------ projects


def test_in_a_project_a_cure_names_its_variable_and_file(
    servers: dict[str, Server], rendered: Rendered, tmp_path: Path
) -> None:
    project = rendered({"auth_mode": "oauth", "hosting": "fly", "source": "blank"})
    for name, words in {
        "internal-challenge": "PUBLIC_URL in fly.toml to http://127.0.0.1:",
        "issuer-slash": "Set OAUTH_ISSUER to http://127.0.0.1:",
        "no-registration": "docs/identity-provider.md has the steps",
    }.items():
        cure = said(doctor(servers[name].url, cwd=project))
        assert "In Acme CRM: " in cure
        assert words in cure
    assert "In Acme CRM" not in doctor(servers["issuer-slash"].url, cwd=tmp_path).stdout


def test_an_answers_file_that_cannot_be_read_changes_nothing(servers: dict[str, Server], tmp_path: Path) -> None:
    (tmp_path / ".copier-answers.yml").write_text("{{{{ not ours")
    assert doctor(servers["none"].url, cwd=tmp_path).returncode == 0


# ----------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize("url", ["", "pyproject.toml", "/etc/passwd", "connector.example.com/mcp", "https://exa mple"])
def test_what_is_not_a_url_is_refused(url: str) -> None:
    done = doctor(url)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"mcp-connector doctor: .+ https://connector\.example\.com/mcp\.\n", done.stderr) or not url


def test_without_a_url_the_usage_is_shown() -> None:
    done = doctor()
    assert done.returncode == 2
    assert "required: URL" in done.stderr


@pytest.mark.parametrize("missing", ["h11", "certifi"])
def test_the_other_commands_run_without_what_the_doctor_needs(missing: str) -> None:
    block = f"import sys; sys.modules[{missing!r}] = None; from mcp_connector.command import main; sys.exit(main())"
    for line, status in (("fleet --help", 0), ("check --help", 0), ("doctor http://127.0.0.1:9", 2)):
        done = subprocess.run([sys.executable, "-c", block, *line.split()], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == status, done.stderr
        assert "Traceback" not in done.stderr
    assert f"It needs the package {missing}" in done.stderr


def test_an_interrupt_says_nothing_more(servers: dict[str, Server]) -> None:
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    command = ["-m", "mcp_connector", "doctor", servers["silent"].url]
    with pexpect.spawn(sys.executable, command, cwd=str(ROOT), env=env, encoding="utf-8", timeout=30) as terminal:
        terminal.expect(pexpect.TIMEOUT, timeout=3)  # it has started, and waits
        terminal.sendintr()
        terminal.expect(pexpect.EOF)
        assert "Traceback" not in (terminal.before or "")


def test_the_zoo_s_exit_statuses_are_those_of_the_command(servers: dict[str, Server]) -> None:
    """A few of each, because a process costs more than a visit."""
    for name in ("bot-page", "no-tools", "deep-json", "offline-access", "limited", "refusal-200"):
        assert doctor(servers[name].url).returncode == ROWS[name]["exit"], name
