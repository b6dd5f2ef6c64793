"""Log records as lines: a JSON object each, or text for a terminal. No value from outside forges a line or a field."""

import json
import logging
import re
import sys
import time
from collections.abc import Mapping
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, TextIO

from pydantic_core import SchemaSerializer, core_schema

requests = logging.getLogger("connector.request")

# What the layers note, and its name in a line. OpenTelemetry may still rename those of `mcp` and `gen_ai`.
NAMES = {
    "outcome": "outcome",
    "error": "error.type",
    "detail": "error.message",
    "method": "mcp.method.name",
    "tool": "gen_ai.tool.name",
    "prompt": "gen_ai.prompt.name",
    "protocol": "mcp.protocol.version",
    "message_id": "jsonrpc.request.id",
    "client": "mcp.client.name",
    "client_version": "mcp.client.version",
    "caller": "enduser.id",
    "person": "enduser.pseudo.id",
    "oauth_client": "oauth.client.id",
    "scopes": "oauth.scopes",
    "verb": "http.request.method",
    "path": "url.path",
    "template": "url.template",
    "host": "server.address",
    "status": "http.response.status_code",
    "received": "http.request.body.size",
    "sent": "http.response.body.size",
    "address": "client.address",
    "agent": "user_agent.original",
    "ms": "duration_ms",
    "resent": "http.request.resend_count",
    "id": "http.request.id",
    "trace": "trace_id",
    "span": "span_id",
    "upstream_requests": "upstream.requests",
    "upstream_ms": "upstream.duration_ms",
    "exception": "exception.type",
    "stacktrace": "exception.stacktrace",
    "google_trace": "logging.googleapis.com/trace",
    "google_span": "logging.googleapis.com/spanId",
    "message": "message",
}

# It renames while it writes, and leaves out what has no name: in Python, this would cost as much as writing.
WRITER = SchemaSerializer(
    core_schema.typed_dict_schema(
        {
            field: core_schema.typed_dict_field(core_schema.any_schema(), serialization_alias=name, required=False)
            for field, name in NAMES.items()
        }
    )
)

LONGEST = 128  # characters of what a caller sent
SHOWN = 64  # of them in the summary
TIGHT = 32  # of all fields but WHOLE, where a line would be too long
WHOLE = {"id", "google_trace"}  # they find a line, and hold no signs beyond ASCII
MAX_RECORD = 4_000  # characters of a message or a traceback
MAX_LINE = 8_000  # bytes; container runtimes split lines at 16 KiB
UNWRITABLE = (OSError, ValueError)  # the disk is full, or the stream is closed
MARGIN = "\n  | "  # before each line of a traceback, so that text from a caller never begins a line

PLAIN = re.compile(r"[\w./:@*+-]+", re.ASCII)
# Line breaks and other control characters, marks that change the direction of text, and lone surrogates.
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")

# What is known of the current request. `Observe` creates the dictionary, and inner layers add to it from any task.
current: ContextVar[dict[str, Any] | None] = ContextVar("current", default=None)


def ids() -> dict[str, Any]:
    """The ids of the current request, for every record that is written meanwhile."""
    known = current.get() or {}
    return {name: known[name] for name in ("id", "trace", "span") if name in known}


class Json(logging.Formatter):
    """A JSON object for each record: ASCII only, and at most `MAX_LINE` bytes.

    With the id of a project of Google Cloud, its log links each line to its trace.
    """

    def __init__(self, project: str = "") -> None:
        super().__init__()
        self.project = project

    def format(self, record: logging.LogRecord) -> str:
        fields, message, trace = {**ids(), **getattr(record, "fields", {})}, record.getMessage(), ""
        if record.exc_info and record.exc_info[0]:
            fields["exception"], trace = record.exc_info[0].__qualname__, self.formatException(record.exc_info)
        content, start = self.content(fields), beginning(record.created, record.levelname, record.name)
        for most in (MAX_RECORD, MAX_RECORD // 4, MAX_RECORD // 16):
            content["message"] = cut(message, most)
            if trace:
                content["stacktrace"] = cut(trace, most)
            if len(line := start + encoded(content)) <= MAX_LINE:
                break
            content = tight(content)
        return line

    def line(self, created: float, level: str, logger: str, message: str, fields: Mapping[str, Any]) -> str:
        content, start = self.content(fields), beginning(created, level, logger)
        content["message"] = message
        line = start + encoded(content)
        if len(line) > MAX_LINE:
            line = start + encoded(tight(content))
        return line

    def content(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        if self.project and "trace" in fields:
            trace = f"projects/{self.project}/traces/{fields['trace']}"
            return {**fields, "google_trace": trace, "google_span": fields["span"]}
        return dict(fields)


class Text(logging.Formatter):
    """A line for each record, and those of a traceback after it."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {**ids(), **getattr(record, "fields", {})}
        text = self.line(record.created, record.levelname, record.name, cut(record.getMessage()), fields)
        if record.exc_info and record.exc_info[0]:
            text += MARGIN + MARGIN.join(map(escaped, cut(self.formatException(record.exc_info)).split("\n")))
        return cut(text)

    def line(self, created: float, level: str, logger: str, message: str, fields: Mapping[str, Any]) -> str:
        moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(created))
        more = {"caller": fields.get("caller") or fields.get("person"), "id": fields.get("id")}
        words = [f"{name}={plain(value)}" for name, value in more.items() if value]
        if "outcome" in fields and "detail" in fields:
            words.insert(0, f"why={json.dumps(fields['detail'])}")
        start = f"{moment},{int(created % 1 * 1000):03} {level} {logger}:"
        return escaped(" ".join([start, message, *words]))


class Out(logging.StreamHandler[TextIO]):
    """Where all lines go."""

    def __init__(self, stream: TextIO, lines: Json | Text) -> None:
        super().__init__(stream)
        self.setFormatter(lines)
        self.lines = lines

    def tell(self, level: int, fields: Mapping[str, Any]) -> None:
        """Write the line of a request: with `logging` around it, it would cost twice as much.

        A disk that is full, or a reader who has left, fails no request.
        """
        line = self.lines.line(time.time(), logging.getLevelName(level), requests.name, summary(fields), fields)
        try:
            self.stream.write(line + "\n")
            self.stream.flush()
        except UNWRITABLE:
            return

    def handleError(self, record: logging.LogRecord) -> None:
        """Otherwise each line that cannot be written would be 30 on standard error, with its values as they came."""
        if not isinstance(sys.exception(), UNWRITABLE):
            super().handleError(record)


def tell(level: int, fields: Mapping[str, Any]) -> None:
    """Log the line of a request; through `logging` where somebody else listens, too."""
    if not requests.isEnabledFor(level):
        return
    handlers = logging.root.handlers
    if len(handlers) == 1 and isinstance(handlers[0], Out):
        handlers[0].tell(level, fields)
    else:
        requests.log(level, "%s", summary(fields), extra={"fields": dict(fields)})


def summary(fields: Mapping[str, Any]) -> str:
    """`tool_error tools/call get_record 2071.3 ms upstream 3x 4.9 ms (upstream_503)`"""
    words = [fields["outcome"]]
    if method := fields.get("method"):
        words.append(plain(method))
        if (tool := fields.get("tool")) is not None:
            words.append(plain(tool))
    else:
        words += [fields["verb"], plain(fields["path"])]
    words.append(f"{fields['ms']:.1f} ms")
    if times := fields.get("upstream_requests"):
        words.append(f"upstream {times}x {fields['upstream_ms']} ms")
    if error := fields.get("error"):
        words.append(f"({plain(error)})")
    return " ".join(words)


def tight(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content with short texts, for a line with many signs beyond ASCII, each of which takes up to twelve bytes."""
    return {
        name: value[:TIGHT] if isinstance(value, str) and name not in WHOLE else value
        for name, value in content.items()
    }


def text(value: object) -> str | None:
    """What a caller sent, if it is text."""
    return value[:LONGEST] if isinstance(value, str) and value else None


@lru_cache(1_000)
def plain(value: str) -> str:
    """The value, shortened; quoted as a JSON string unless it is one plain word."""
    shown = value if len(value) <= SHOWN else value[:SHOWN] + "…"
    return shown if PLAIN.fullmatch(shown) else json.dumps(shown)


def beginning(created: float, level: str, logger: str) -> str:
    moment = f"{second(int(created))}.{int(created % 1 * 1000):03}Z"
    return '{"timestamp":"' + moment + '",' + origin(level, logger) + ","


@lru_cache(1)
def second(moment: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment))


@lru_cache(256)
def origin(level: str, logger: str) -> str:
    return json.dumps({"severity": level, "level": level.lower(), "logger": logger}, separators=(",", ":"))[1:-1]


def encoded(content: Mapping[str, Any]) -> str:
    """The members of a JSON object, and its end; they follow its beginning."""
    try:
        line = WRITER.to_json(content, by_alias=True)
        if line.isascii() and b"\x7f" not in line:
            return line[1:].decode()
        # To ask for ASCII at once would cost half as much again, and few lines need it.
        text = WRITER.to_json(content, by_alias=True, ensure_ascii=True).decode()
    except ValueError:  # a lone surrogate, or an object
        renamed = {NAMES[name]: value for name, value in content.items() if name in NAMES}
        text = json.dumps(renamed, separators=(",", ":"), default=repr)
    return text[1:].replace("\x7f", r"\u007f")


def escaped(text: str) -> str:
    return CONTROL.sub(lambda found: found[0].encode("unicode_escape", "surrogatepass").decode(), text)


def cut(text: str, most: int = MAX_RECORD) -> str:
    """The text, shortened in the middle: the end of a traceback matters most."""
    if len(text) <= most:
        return text
    note = f" … ({len(text):,} characters) … "
    kept = most - len(note)
    return text[: kept // 2] + note + text[kept // 2 - kept :]


def install(stream: TextIO, level: str, style: str | None = None, project: str = "") -> None:
    """Send all logs there: as text to a terminal, else as JSON, unless `style` names one of both.

    Below INFO, only the connector's own loggers and its package's write: libraries write arguments, results, headers
    and bodies there.
    """
    style = style or usual(stream)
    out = Out(stream, Text() if style == "text" else Json(project))
    root = logging.getLogger()
    root.handlers[:] = [handler for handler in root.handlers if not isinstance(handler, Out)] + [out]
    root.setLevel(max(logging.INFO, logging.getLevelNamesMapping()[level]))
    logging.captureWarnings(True)
    for name in [name for name in logging.root.manager.loggerDict if name.partition(".")[0] in ("uvicorn", "fastmcp")]:
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    for name in ("connector", __name__.partition(".")[0]):
        logging.getLogger(name).setLevel(level)
    for name in ("httpx2", "httpcore2", "uvicorn.access", "mcp.server.streamable_http"):
        logging.getLogger(name).setLevel(logging.WARNING)  # below: URLs, a line for each request
    logging.getLogger("mcp.server.mcpserver.server").addFilter(errors_alone)
    logging.getLogger("mcp.server.transport_security").setLevel(logging.ERROR)  # Observe logs it


def usual(stream: TextIO) -> str:
    """How lines are written there unless LOG_FORMAT says it."""
    return "text" if stream.isatty() else "json"


def errors_alone(record: logging.LogRecord) -> bool:
    return record.levelno > logging.INFO
