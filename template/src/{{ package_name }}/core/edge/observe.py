"""Logging, and one line for each request: its caller, method, tool and outcome. Never an argument or a credential.

`caller` is the id of an API key, or a fingerprint of the user or credential; without either, one of the IP address.
"""

import hashlib
import hmac
import json
import logging
import re
import secrets
import time
from contextvars import ContextVar
from typing import Any

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS
from pydantic import ValidationError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

requests = logging.getLogger("connector.request")

SALT = secrets.token_bytes(16)  # new in each process, so fingerprints differ between replicas and after a restart
REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
PLAIN = re.compile(r"[\w./:@*+-]+", re.ASCII)
LONGEST = 64  # characters of a value that the caller chose
HEALTH = "/health/"
REFUSED = {401: "refused_401", 403: "refused_403", 421: "refused_host", 429: "refused_429", 503: "unavailable"}
LEVELS = {"error": logging.ERROR} | dict.fromkeys(("ok", "input_required", "tool_error", "cancelled"), logging.INFO)

MAX_RECORD = 4_000  # characters of one record, including its traceback
FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
MARGIN = "\n  | "  # before each line of a traceback, so that text from a caller never begins a line

# Line breaks and other control characters, marks that change the direction of text, and lone surrogates.
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")

# The fields of the current request's line. `Observe` creates the dictionary, and inner layers add to it from any task.
current: ContextVar[dict[str, Any] | None] = ContextVar("current", default=None)


def note(**fields: object) -> None:
    """Add fields to the log line of this request; None values are left out."""
    if (record := current.get()) is not None:
        record.update({name: value for name, value in fields.items() if value is not None})


def fingerprint(*values: str) -> str:
    """Eight hex digits that distinguish callers without revealing the values."""
    return hmac.new(SALT, "\0".join(values).encode(errors="replace"), hashlib.sha256).hexdigest()[:8]


class Observe:
    """The outermost middleware: it gives the request an id, and logs one line when the request has ended.

    An `X-Request-ID` from the caller or a proxy is kept. Health probes are logged only when they fail.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"").decode("latin-1")
        record: dict[str, Any] = {"id": given if REQUEST_ID.fullmatch(given) else secrets.token_hex(8)}
        began = time.perf_counter()
        status, left, whole, found_out = 0, False, False, False

        async def receiving() -> Message:
            nonlocal left
            message = await receive()
            left = left or message["type"] == "http.disconnect"
            return message

        async def sending(message: Message) -> None:
            nonlocal status, whole, found_out
            if message["type"] == "http.response.start":
                status, found_out = message["status"], finds_out(message)
                headers = [*message.get("headers", []), (b"x-request-id", record["id"].encode())]
                message = {**message, "headers": headers}
            else:
                whole = not message.get("more_body", False)
            await send(message)

        token = current.set(record)
        try:
            await self.app(scope, receiving, sending)
        except BaseException as error:
            record["outcome"], record["error"] = failure(error)
            raise
        finally:
            current.reset(token)
            record.setdefault("caller", fingerprint(scope["client"][0] if scope.get("client") else ""))
            if left and not whole:
                record["outcome"] = "cancelled"
            usual = "ok" if status < 400 else "invalid" if status < 500 else "error"
            record.setdefault("outcome", REFUSED.get(status, usual))
            if not scope["path"].startswith(HEALTH) or status >= 400:
                quiet = found_out and "method" not in record
                level = logging.INFO if quiet else LEVELS.get(record["outcome"], logging.WARNING)
                requests.log(level, "%s", line(scope, record, status, time.perf_counter() - began))


def finds_out(answer: Message) -> bool:
    """Whether clients usually get this answer while they find out how to connect.

    They look for documents that may not be there, and ask without a credential: the challenge then names no error
    (RFC 6750 §3.1).
    """
    challenges = [value for name, value in answer.get("headers", ()) if name.lower() == b"www-authenticate"]
    return answer["status"] in (404, 405) or (answer["status"] == 401 and not any(b"error=" in c for c in challenges))


def line(scope: Scope, record: dict[str, Any], status: int, seconds: float) -> str:
    """`tools/call get_record caller=3f9c1a2b outcome=ok status=200 ms=12.3 id=…`"""
    asked = record.get("method")
    words = [plain(asked)] if asked else [scope["method"], plain(scope["path"])]
    if record.get("tool") is not None:
        words.append(plain(record["tool"]))
    rest = {name: record.get(name) for name in ("caller", "outcome", "error")}
    rest |= {"status": status or None, "ms": f"{seconds * 1000:.1f}", "id": record["id"]}
    return " ".join([*words, *(f"{name}={plain(str(value))}" for name, value in rest.items() if value is not None)])


def plain(value: str) -> str:
    """The value, shortened; quoted as a JSON string unless it is one plain word."""
    short = value if len(value) <= LONGEST else value[:LONGEST] + "…"
    return short if PLAIN.fullmatch(short) else json.dumps(short)


async def observe_message(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """The outermost server middleware: it notes the outcome of a message."""
    try:
        result = await call_next(ctx)
    except BaseException as error:
        outcome, code = failure(error)
        note(outcome=outcome, error=code)
        raise
    if isinstance(result, dict):
        failed, kind = result.get("isError") is True, result.get("resultType")
    else:
        failed, kind = getattr(result, "is_error", False) is True, getattr(result, "result_type", None)
    if (current.get() or {}).get("outcome") != "timeout":  # noted where the tool was stopped
        note(outcome="tool_error" if failed else "input_required" if kind == "input_required" else "ok")
    return result


def failure(error: BaseException) -> tuple[str, str]:
    """The outcome, and the JSON-RPC code or the name of the exception."""
    if isinstance(error, MCPError):
        return "error" if error.code == INTERNAL_ERROR else "invalid", str(error.code)
    if isinstance(error, ValidationError):
        return "invalid", str(INVALID_PARAMS)
    return "error" if isinstance(error, Exception) else "cancelled", type(error).__qualname__


class Lines(logging.Formatter):
    """Escapes control characters, and shortens long records in the middle: the end of a traceback matters most."""

    def format(self, record: logging.LogRecord) -> str:
        bare = {"msg": cut(record.getMessage()), "args": (), "exc_info": None, "exc_text": None, "stack_info": None}
        text = escaped(super().format(logging.makeLogRecord(record.__dict__ | bare)))
        if record.exc_info and record.exc_info[0]:
            text += MARGIN + MARGIN.join(map(escaped, cut(self.formatException(record.exc_info)).split("\n")))
        return cut(text)


def escaped(text: str) -> str:
    return CONTROL.sub(lambda found: found[0].encode("unicode_escape", "surrogatepass").decode(), text)


def cut(text: str) -> str:
    if len(text) <= MAX_RECORD:
        return text
    note = f" … ({len(text):,} characters) … "
    kept = MAX_RECORD - len(note)
    return text[: kept // 2] + note + text[kept // 2 - kept :]


def configure(level: str) -> None:
    """Send all logs to standard error. Below INFO, only the connector's own loggers and its package's write.

    Libraries write arguments, results, headers and bodies there.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(Lines(FORMAT))
    logging.basicConfig(level=max(logging.INFO, logging.getLevelNamesMapping()[level]), handlers=[handler])
    logging.captureWarnings(True)
    for name in ("connector", __name__.partition(".")[0]):
        logging.getLogger(name).setLevel(level)
    for name in ("httpx2", "httpcore2", "uvicorn.access", "mcp.server.streamable_http"):
        logging.getLogger(name).setLevel(logging.WARNING)  # below: URLs, a line for each request
    logging.getLogger("mcp.server.mcpserver.server").addFilter(lambda record: record.levelno > logging.INFO)
    logging.getLogger("mcp.server.transport_security").setLevel(logging.ERROR)  # Observe logs it
