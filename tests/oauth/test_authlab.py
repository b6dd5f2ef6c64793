"""mcp-authlab, a scanner of MCP authorization, against rendered, running connectors of the OAuth modes."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ..lib.oauth import MODES, both
from ..lib.rendering import Installed
from ..lib.serving import access_token
from .test_oauth_peers import environment

pytestmark = pytest.mark.peers

AUTHLAB = Path(sys.executable).with_name("mcp-authlab")
CONSENT = {"OAUTH_AUTHORIZE_PARAMS": "prompt=consent"}
WARNINGS = {"TLS-01": "on loopback there is no TLS"}
NO_SESSIONS = dict.fromkeys(["SESS-01", "SESS-02"], "a stateless connector has no sessions")
NO_REFRESH = {
    "ASF-05": "it does not ask whether someone agrees, and so gets no refresh token of this identity provider"
}
NO_OTHER = {"ASF-03": "it tries that with a login for another resource, which the proxy refuses with invalid_target"}
SKIPS = {
    "oauth": NO_SESSIONS | NO_REFRESH,
    "oauth-introspection": NO_SESSIONS | NO_REFRESH,
    "oauth-proxy": NO_SESSIONS | NO_OTHER,
}


@pytest.mark.parametrize("mode", MODES)
def test_authlab_finds_nothing_wrong(
    installed: Installed, mode: str, record_property: Callable[[str, object], None], tmp_path: Path
) -> None:
    proxied = mode == "oauth-proxy"
    with both(installed, mode, settings=CONSENT if proxied else {}) as pair:
        authlab(tmp_path, "login", pair.connector.url, "--scope", "read offline_access" if proxied else "read")
        scan = [pair.connector.url, "--tool", "update_record", "--format", "json"]
        if proxied:  # it gives no tokens for another resource, but its identity provider does
            scan += ["--foreign-token", access_token(pair.idp.origin, f"{pair.connector.origin}/other")]
        report = json.loads(authlab(tmp_path, "scan", *scan))
    of: dict[str, list[str]] = {}
    for check in report["results"]:
        of.setdefault(check["status"], []).append(check["id"])
    assert of.keys() == {"pass", "warn", "skip"}, report
    assert set(of["warn"]) == WARNINGS.keys()
    assert set(of["skip"]) == SKIPS[mode].keys()
    counts = ", ".join(f"{len(of[status])} {status}" for status in ("pass", "warn", "skip"))
    record_property("summary", f"mcp-authlab, {mode}: {counts}, grade {report['grade']}")


def authlab(home: Path, *arguments: str) -> str:
    done = subprocess.run([AUTHLAB, *arguments], env=environment(home), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
