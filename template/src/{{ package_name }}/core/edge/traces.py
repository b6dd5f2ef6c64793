"""OpenTelemetry, set by its own variables `OTEL_*`: a span for each message, and how long it took. Off by default."""

import logging
import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from mcp.server import MCPServer
from mcp.server.context import CallNext, HandlerResult, ServerMiddleware, ServerRequestContext
from opentelemetry import metrics, trace

from .logs import current
from .metrics import BUCKETS, METHODS, OTHER, labels

logger = logging.getLogger("connector.telemetry")

NAMES = ("mcp.method.name", "gen_ai.tool.name", "outcome")
NOWHERE = "none"  # as an exporter
SPAN = "OpenTelemetryMiddleware"  # the SDK's own, first in `server.middleware`; no public module has its name
MISSING = "OTEL_EXPORTER_OTLP_ENDPOINT is set, but OpenTelemetry is not installed: install the extra `otel`"


def wanted(signal: str) -> bool:
    """Whether `TRACES` or `METRICS` go to a collector."""
    endpoint = any(os.environ.get(f"OTEL_EXPORTER_OTLP{of}_ENDPOINT") for of in ("", f"_{signal}"))
    disabled = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    return endpoint and not disabled and os.environ.get(f"OTEL_{signal}_EXPORTER") != NOWHERE


def start(name: str, version: str) -> set[str]:
    """Send `TRACES` and `METRICS` while this process runs, as far as they are wanted. Gives those that are sent.

    Only here is the extra `otel` imported.
    """
    signals = {signal for signal in ("TRACES", "METRICS") if wanted(signal)}
    if not signals:
        return signals
    try:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError:
        logger.warning(MISSING)
        return set()
    about = {"service.name": os.environ.get("OTEL_SERVICE_NAME") or name, "service.version": version}
    resource = Resource.create(about)
    if "TRACES" in signals and not isinstance(trace.get_tracer_provider(), TracerProvider):
        tracers = TracerProvider(resource=resource)
        tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        trace.set_tracer_provider(tracers)
    if "METRICS" in signals and not isinstance(metrics.get_meter_provider(), MeterProvider):
        reader = PeriodicExportingMetricReader(OTLPMetricExporter())
        metrics.set_meter_provider(MeterProvider([reader], resource=resource))
    return signals


def trace_messages(server: MCPServer[Any], traced: bool) -> None:
    """Let the SDK's span around each message be bounded, or take it away where nobody gets it: it costs 5%."""
    [span] = [layer for layer in server.middleware if type(layer).__name__ == SPAN]
    place = server.middleware.index(span)
    server.middleware[place : place + 1] = [spanned(span, server)] if traced else []


def spanned(span: ServerMiddleware[Any], server: MCPServer[Any]) -> ServerMiddleware[Any]:
    """The SDK's span with bounded names, in the trace of the HTTP request; its ids are noted for the log."""
    known: set[str] = set()

    async def layer(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        async def inner(_: ServerRequestContext[Any, Any]) -> HandlerResult:
            note_span()
            return await call_next(ctx)

        params = dict(ctx.params or {})
        if isinstance(params.get("name"), str) and params["name"] not in known:
            known.update(tool.name for tool in await server.list_tools())
            known.update(prompt.name for prompt in await server.list_prompts())
            params["name"] = params["name"] if params["name"] in known else OTHER
        record = current.get() or {}
        meta: Any = dict(ctx.meta or {})
        if "parent" in record:
            meta["traceparent"] = f"00-{record['trace']}-{record['parent']}-{record['flags']}"
        method = ctx.method if ctx.method in METHODS else OTHER
        return await span(replace(ctx, method=method, params=params, meta=meta), inner)

    return layer


def note_span() -> None:
    context, record = trace.get_current_span().get_span_context(), current.get()
    if record is not None and context.is_valid:
        record["trace"], record["span"] = f"{context.trace_id:032x}", f"{context.span_id:016x}"
        record["flags"] = f"{context.trace_flags:02x}"


class Operations:
    """The duration of messages, as OpenTelemetry's conventions name it."""

    def __init__(self) -> None:
        self.tools: Collection[str] = ()
        self.durations = metrics.get_meter("connector").create_histogram(
            "mcp.server.operation.duration",
            "s",
            "Messages, until their answer has gone.",
            explicit_bucket_boundaries_advisory=BUCKETS,
        )

    def expect(self, tools: Iterable[str]) -> None:
        self.tools = frozenset(tools)

    def began(self) -> None:
        """Nothing is known yet."""

    def ended(self, record: Mapping[str, Any], seconds: float) -> None:
        if "protocol" in record:
            self.durations.record(seconds, dict(zip(NAMES, labels(record, self.tools), strict=True)))
