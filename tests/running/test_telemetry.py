"""What a connector tells of itself, in every mode: lines, metrics and traces, and no secret in any of them."""

import json
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2
import pytest

from ..lib import rendering
from ..lib.rendering import Installed
from ..lib.serving import Running, free_port, serving
from ..lib.wire import META, STATELESS, entries

CANARY = "canary"
SECRETS = {
    "LOG_SALT": f"{CANARY}-of-16-characters",
    "REQUEST_STATE_KEYS": f"{CANARY}-of-32-characters-or-more-1234",
    "LOG_LEVEL": "DEBUG",
}
SENT = {"X-Canary": CANARY, "Cookie": f"a={CANARY}", "Accept": "application/json, text/event-stream"}
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
ARGUMENTS: list[tuple[str, dict[str, Any]]] = [
    ("search_records", {}),
    ("search_records", {"query": CANARY}),
    ("search_records", {"query": CANARY, "limit": CANARY, CANARY: CANARY}),
    ("get_record", {"record_id": CANARY}),
    ("update_record", {"record_id": CANARY, "changes": {CANARY: CANARY}}),
    ("no_such_tool", {CANARY: CANARY}),
]
# Prints what a collector got: names, traces and parents of spans, and names of metrics with their labels.
DECODE = """
import json, sys
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
spans, points = [], []
for path, body in json.load(sys.stdin):
    if path.endswith("/traces"):
        for resource in ExportTraceServiceRequest.FromString(bytes.fromhex(body)).resource_spans:
            spans += [(s.name, s.trace_id.hex(), s.parent_span_id.hex()) for o in resource.scope_spans for s in o.spans]
    else:
        for resource in ExportMetricsServiceRequest.FromString(bytes.fromhex(body)).resource_metrics:
            for metric in (metric for scope in resource.scope_metrics for metric in scope.metrics):
                for point in metric.histogram.data_points:
                    labels = {label.key: label.value.string_value for label in point.attributes}
                    points.append((metric.name, labels))
print(json.dumps([spans, points]))
"""


class Collector(ThreadingHTTPServer):
    """Takes what OpenTelemetry sends over HTTP."""

    def __init__(self) -> None:
        self.got: list[tuple[str, bytes]] = []
        super().__init__(("127.0.0.1", 0), Taking)

    @property
    def settings(self) -> dict[str, str]:
        """Variables that send everything here at once."""
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self.server_port}",
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "OTEL_METRIC_EXPORT_INTERVAL": "300",
            "NO_PROXY": "127.0.0.1",
        }


class Taking(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        thread = threading.Thread(target=collector.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield collector
        collector.shutdown()
        thread.join()


@contextmanager
def telling(installed: Installed, mode: str, **settings: str) -> Iterator[tuple[Running, Callable[[], str]]]:
    """A connector with all secrets, and what gives its metrics."""
    project, env = installed({"auth_mode": mode, "hosting": "compose", "source": "rest-api", "ci": "none"})
    port = free_port()
    with serving(project, env, **SECRETS, METRICS_PORT=str(port), **settings) as connector:
        yield connector, lambda: httpx2.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text


def call(connector: Running, tool: str, arguments: Mapping[str, Any], stateless: bool, **headers: str) -> str:
    params = {"name": tool, "arguments": arguments, **({"_meta": META} if stateless else {})}
    named = {"MCP-Protocol-Version": STATELESS, "Mcp-Method": "tools/call", "Mcp-Name": tool} if stateless else {}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    sent = {**SENT, **named, **headers}
    return httpx2.post(f"{connector.url}?q={CANARY}", json=message, headers=sent, trust_env=False, timeout=30).text


def eventually(get: Callable[[], Any], enough: Callable[[Any], bool]) -> Any:
    deadline = time.monotonic() + 20
    while not enough(found := get()):
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    return found


@pytest.mark.parametrize("mode", rendering.choices("auth_mode"))
def test_no_secret_is_in_a_line_or_a_metric(installed: Installed, mode: str) -> None:
    own = {"UPSTREAM_AUTH_VALUE": f"Bearer {CANARY}"} if mode != "headers" else {}
    with telling(installed, mode, **own) as (connector, metrics):
        answers = [
            call(connector, tool, arguments, stateless, **connector.headers)
            for stateless in (False, True)
            for tool, arguments in ARGUMENTS
        ]
        call(connector, "get_record", {}, False, **dict.fromkeys(connector.headers, f"Bearer {CANARY}"))
        log = eventually(connector.log.read_text, lambda log: len(requests(log)) > len(answers))
        told, shown = entries(log), metrics()
    assert len(told) == len([line for line in log.splitlines() if line])
    assert len(requests(log)) == len(answers) + 1
    assert {line["outcome"] for line in requests(log)} >= {"ok", "tool_error"}
    kept = [word for value in connector.headers.values() for word in value.split() if len(word) > 8]
    results = re.findall(r'\\"name\\":\s*\\"([^"\\]+)', "".join(answers))
    assert results
    assert [word for word in (CANARY, *kept, *results) if word in log or word in shown] == []


def requests(log: str) -> list[dict[str, Any]]:
    """The lines of messages, without those of a login before them."""
    return [line for line in entries(log) if line["logger"] == "connector.request" and line["url.path"] == "/mcp"]


def test_spans_and_durations_reach_a_collector(installed: Installed, collector: Collector) -> None:
    parent = f"00-{TRACE}-{PARENT}-01"
    with telling(installed, "api-key", **collector.settings) as (connector, _):
        for stateless in (False, True):
            call(connector, "get_record", {"record_id": CANARY}, stateless, **connector.headers, traceparent=parent)
            call(connector, f"x {CANARY}", {}, stateless, **connector.headers)
        log = eventually(connector.log.read_text, lambda log: len(requests(log)) == 4)

        def decoded() -> Any:
            got = json.dumps([(path, body.hex()) for path, body in collector.got])
            done = subprocess.run(
                [rendering.interpreter(), "-c", DECODE], input=got, capture_output=True, text=True, check=True
            )
            return json.loads(done.stdout)

        spans, points = eventually(decoded, lambda got: len(got[0]) >= 4 and len(got[1]) >= 2)
    assert CANARY.encode() not in b"".join(body for _, body in collector.got)
    assert sorted(name for name, _, _ in spans) == ["tools/call _OTHER"] * 2 + ["tools/call get_record"] * 2
    assert [(trace, up) for name, trace, up in spans if "get_record" in name] == [(TRACE, PARENT)] * 2
    assert {line["trace_id"] for line in requests(log)} == {trace for _, trace, _ in spans}
    assert {name for name, _ in points} == {"mcp.server.operation.duration"}
    assert {labels["gen_ai.tool.name"] for _, labels in points} == {"get_record", "_OTHER"}


def test_a_collector_that_is_down_costs_no_call_and_no_time_at_the_end(installed: Installed) -> None:
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_port()}", "NO_PROXY": "127.0.0.1"}
    with telling(installed, "none", **endpoint) as (connector, _):
        assert '"isError":true' not in call(connector, "search_records", {}, True).replace(" ", "")
        began = time.monotonic()
        connector.process.terminate()
        connector.process.wait(30)
        assert time.monotonic() - began < 20
