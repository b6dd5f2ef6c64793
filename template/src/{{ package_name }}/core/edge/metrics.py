"""Metrics for Prometheus, on a port of their own. Nothing that a caller chooses becomes a label."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from .connections import EVERYWHERE

ANYWHERE, IPV4 = EVERYWHERE

BUCKETS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300)  # seconds, as OpenTelemetry's convention
METHODS = frozenset(
    {
        "completion/complete",
        "initialize",
        "notifications/cancelled",
        "notifications/initialized",
        "ping",
        "prompts/get",
        "prompts/list",
        "resources/list",
        "resources/read",
        "resources/templates/list",
        "server/discover",
        "tools/call",
        "tools/list",
    }
)
OTHER = "_OTHER"
# Series that are there from the start: a ratio of errors would otherwise be empty until the first one.
FAULTS = ("tool_error", "error", "timeout", "cancelled")
REFUSALS = (401, 403, 421, 429, 500, 503)


class Asked(NamedTuple):
    """The series of what tools ask for their answers: its name, its label, and the values that are there at 0."""

    series: str
    what: str
    label: str
    kinds: Iterable[str]
    results: Iterable[str]


def labels(record: Mapping[str, Any], tools: Iterable[str]) -> tuple[str, str, str]:
    """Method, tool and outcome of a message: each is one of few values, whatever a caller sends."""
    method, tool = record["method"], record.get("tool", "")
    return method if method in METHODS else OTHER, tool if not tool or tool in tools else OTHER, record["outcome"]


class Prometheus:
    """Counts requests, and measures how long they take."""

    def __init__(self, about: Mapping[str, str], asked: Asked) -> None:
        from prometheus_client import (
            CollectorRegistry,
            Counter,
            Gauge,
            Histogram,
            ProcessCollector,
            disable_created_metrics,
        )

        # A second series beside each, which no query reads.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.tools: frozenset[str] = frozenset()
        self.in_flight = 0
        self.asked = asked
        self.operations = Histogram(
            "mcp_server_operation_duration_seconds",
            "Messages that reached the protocol, until their answer has gone.",
            ["mcp_method_name", "gen_ai_tool_name", "outcome"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.refused = Counter(
            "connector_http_refused",
            "Requests that were refused before they reached the protocol.",
            ["status"],
            registry=self.registry,
        )
        self.upstream = Histogram(
            asked.series,
            asked.what,
            [asked.label, "result"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.gauge("connector_active_requests", "Requests in flight.", lambda: self.in_flight)
        build = Gauge("connector_build_info", "What runs.", list(about), registry=self.registry)
        build.labels(**about).set(1)
        self._children: dict[tuple[Any, ...], Any] = {}

    def gauge(self, name: str, help: str, value: Callable[[], float], **labels: str) -> None:
        """A value that is asked for whenever the metrics are."""
        from prometheus_client import Gauge

        gauge = Gauge(name, help, list(labels), registry=self.registry)
        (gauge.labels(**labels) if labels else gauge).set_function(value)

    def began(self) -> None:
        self.in_flight += 1

    def ended(self, record: Mapping[str, Any], seconds: float) -> None:
        self.in_flight -= 1
        if "protocol" in record:
            self._child(self.operations, *labels(record, self.tools)).observe(seconds)
        elif record.get("status", 0) >= 400:
            self._child(self.refused, str(record["status"])).inc()
        for method, result, took in record.get("attempts", ()):
            self._child(self.upstream, method, result).observe(took)

    def _child(self, parent: Any, *values: str) -> Any:
        """The series with these labels: looking it up here costs a fifth of `labels()`."""
        key = (parent, *values)
        if (child := self._children.get(key)) is None:
            child = self._children[key] = parent.labels(*values)
        return child

    def expect(self, tools: Iterable[str]) -> None:
        """Begin the series of these tools, and those of faults, at 0."""
        self.tools = frozenset(tools)
        for tool in self.tools:
            for outcome in FAULTS:
                self._child(self.operations, "tools/call", tool, outcome)
        for status in REFUSALS:
            self._child(self.refused, str(status))
        for kind in self.asked.kinds:
            for result in self.asked.results:
                self._child(self.upstream, kind, result)

    @contextmanager
    def served(self, host: str, port: int) -> Iterator[None]:
        """Answer Prometheus there, in threads of its own."""
        from prometheus_client import start_http_server

        try:
            server, thread = start_http_server(port, host, self.registry)
        except OSError:
            if host != ANYWHERE:
                raise
            server, thread = start_http_server(port, IPV4, self.registry)  # this machine has no IPv6
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
