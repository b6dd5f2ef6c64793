"""One line for each request: its caller, method, tool and outcome. Never an argument, a result or a credential."""

import hmac
import json
import logging
import random
import re
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, TextIO

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS
from pydantic import ValidationError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ...settings import Settings
from . import logs
from .logs import LONGEST, current, text

REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
# W3C Trace Context §3.2; a later version may say more after the flags.
TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
CLIENT = "io.modelcontextprotocol/clientInfo"  # in `_meta` of 2026-07-28; earlier versions send it once, to initialize
SALT = bytearray(secrets.token_bytes(16))
UNSALTED = "LOG_SALT is not set: fingerprints of callers differ between replicas, and after a restart"
HEALTH = "/health/"
REFUSED = {401: "refused_401", 403: "refused_403", 421: "refused_host", 429: "refused_429", 503: "unavailable"}
LEVELS = {"error": logging.ERROR} | dict.fromkeys(("ok", "input_required", "tool_error", "cancelled"), logging.INFO)
SAID = 2_048  # bytes of a refusal that are looked at for its reason
FINDING_OUT = {401, 404, 405}


class Meter(Protocol):
    """What counts requests and measures their time."""

    def expect(self, tools: Iterable[str]) -> None:
        """These are all tools."""

    def began(self) -> None: ...

    def ended(self, record: Mapping[str, Any], seconds: float) -> None: ...


def note(**fields: object) -> None:
    """Add fields to the log line of this request; None values are left out."""
    if (record := current.get()) is not None:
        for name, value in fields.items():
            if value is not None:
                record[name] = value


def fingerprint(*values: str) -> str:
    """Twelve hex digits that distinguish callers without revealing the values."""
    return hmac.digest(SALT, "\0".join(values).encode(errors="replace"), "sha256").hex()[:12]


def configure(settings: Settings, stream: TextIO) -> None:
    """Where the log goes and how it is written, and what makes its fingerprints."""
    logs.install(stream, settings.log_level, settings.log_format, settings.log_gcp_project)
    if settings.log_salt:
        SALT[:] = settings.log_salt.get_secret_value().encode()


class Observe:
    """The outermost middleware: it gives the request an id, and logs one line when the request has ended.

    An `X-Request-ID` from the caller or a proxy is kept. Health probes are logged only when they fail.
    """

    def __init__(self, app: ASGIApp, meters: Sequence[Meter] = ()) -> None:
        self.app, self.meters = app, meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        began, headers = time.perf_counter(), dict(scope["headers"])
        record: dict[str, Any] = {"id": id_of(headers)}
        if b"traceparent" in headers:
            follow(record, headers[b"traceparent"].decode("latin-1"))
        status, received, sent, left, whole, found_out = 0, 0, 0, False, False, False

        async def receiving() -> Message:
            nonlocal received, left
            message = await receive()
            if message["type"] == "http.disconnect":
                left = True
            else:
                received += len(message.get("body", b""))
            return message

        async def sending(message: Message) -> None:
            nonlocal status, sent, whole, found_out
            if message["type"] == "http.response.start":
                status = message["status"]
                found_out = status in FINDING_OUT and finds_out(message)
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", record["id"].encode())]
            else:
                body = message.get("body", b"")
                if status >= 400 and not sent and "error" not in record:
                    note_reason(record, body)
                sent, whole = sent + len(body), not message.get("more_body", False)
            await send(message)

        probe = scope["path"].startswith(HEALTH)
        meters = () if probe else self.meters
        token = current.set(record)
        for meter in meters:
            meter.began()
        try:
            await self.app(scope, receiving, sending)
        except BaseException as error:
            record["outcome"], record["error"] = failure(error)
            if isinstance(error, Exception):
                status = status or 500  # as Starlette answers, outside of this
            raise
        else:
            current.reset(token)  # after an exception, its traceback is still to be logged
        finally:
            seconds = time.perf_counter() - began
            if left and not whole:
                record["outcome"] = "cancelled"
            quiet = found_out and "method" not in record
            complete(record, scope, headers, status)
            record["ms"], record["received"], record["sent"] = round(seconds * 10_000) / 10, received, sent
            if not probe or status >= 400:
                logs.tell(logging.INFO if quiet else LEVELS.get(record["outcome"], logging.WARNING), record)
            for meter in meters:
                meter.ended(record, seconds)


def id_of(headers: Mapping[bytes, bytes]) -> str:
    """The request's id: the caller's if it is usable, else a new one."""
    given = headers.get(b"x-request-id")
    if given and REQUEST_ID.fullmatch(usable := given.decode("latin-1")):
        return usable
    return random.randbytes(8).hex()


def complete(record: dict[str, Any], scope: Scope, headers: Mapping[bytes, bytes], status: int) -> None:
    """Add what is known of the request without its message."""
    if "outcome" not in record:
        usual = "ok" if status < 400 else "invalid" if status < 500 else "error"
        record["outcome"] = REFUSED.get(status, usual)
    if "method" not in record and b"mcp-method" in headers:  # it was refused before it was read
        record["method"] = headers[b"mcp-method"].decode("latin-1")[:LONGEST]
    if attempts := record.get("attempts"):
        record["upstream_requests"] = len(attempts)
        record["upstream_ms"] = round(sum(seconds for _, _, seconds in attempts) * 1000, 1)
    if status:
        record["status"] = status
    record["verb"], record["path"] = scope["method"], scope["path"][:LONGEST]
    if client := scope.get("client"):
        record["address"] = client[0][:LONGEST]
    if b"user-agent" in headers:
        record["agent"] = headers[b"user-agent"].decode("latin-1")[:LONGEST]


def follow(record: dict[str, Any], traceparent: str) -> None:
    """Continue a trace: the line has its id, and a new span id, which what is asked upstream names as its parent."""
    if found := TRACEPARENT.fullmatch(traceparent):
        record["trace"], record["parent"], record["flags"] = found.groups()
        record["span"] = f"{random.getrandbits(64) or 1:016x}"


def finds_out(answer: Message) -> bool:
    """Whether clients usually get an answer with this status of `FINDING_OUT` while they find out how to connect.

    They look for documents that may not be there, and ask without a credential: the challenge then names no error
    (RFC 6750 §3.1).
    """
    challenges = [value for name, value in answer.get("headers", ()) if name.lower() == b"www-authenticate"]
    return answer["status"] != 401 or not any(b"error=" in challenge for challenge in challenges)


def note_reason(record: dict[str, Any], body: bytes) -> None:
    """The code of a refusal, from its own JSON: of JSON-RPC, or in the words of an auth mode."""
    try:
        error = json.loads(body)["error"] if len(body) <= SAID else None
    except (ValueError, TypeError, KeyError):
        return
    if isinstance(error, dict):
        error = str(error.get("code"))
    if code := text(error):
        record["error"] = code


async def observe_message(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """The outermost server middleware: it notes what the message is, and how it ended."""
    record = current.get()
    if record is None:
        return await call_next(ctx)
    note_message(record, ctx)
    try:
        result = await call_next(ctx)
    except BaseException as error:
        outcome, code = failure(error)
        record.setdefault("outcome", outcome)
        record.setdefault("error", code)
        raise
    if isinstance(result, dict):
        failed, kind = result.get("isError") is True, result.get("resultType")
        if agreed := text(result.get("protocolVersion")):  # of `initialize`, whose own request has none yet
            record["protocol"] = agreed
    else:
        failed, kind = getattr(result, "is_error", False) is True, getattr(result, "result_type", None)
    if failed:
        cause = record.get("upstream", "tool_error")
        record.setdefault("error", f"upstream_{cause}" if isinstance(cause, int) else cause)
    record.setdefault("outcome", "tool_error" if failed else "input_required" if kind == "input_required" else "ok")
    return result


def note_message(record: dict[str, Any], ctx: ServerRequestContext[Any, Any]) -> None:
    record["method"], record["protocol"] = ctx.method[:LONGEST], ctx.protocol_version[:LONGEST]
    if ctx.method != "tools/call" and (name := record.pop("tool", None)) and ctx.method == "prompts/get":
        record["prompt"] = name
    if ctx.request_id is not None:
        record["message_id"] = str(ctx.request_id)[:LONGEST]
    meta: Mapping[str, Any] = ctx.meta or {}
    info = (ctx.params or {}).get("clientInfo") if ctx.method == "initialize" else meta.get(CLIENT)
    if isinstance(info, dict):
        if name := text(info.get("name")):
            record["client"] = name
        if version := text(info.get("version")):
            record["client_version"] = version
    if isinstance(parent := meta.get("traceparent"), str):
        follow(record, parent)


def failure(error: BaseException) -> tuple[str, str]:
    """The outcome, and the JSON-RPC code or the name of the exception."""
    if isinstance(error, MCPError):
        return "error" if error.code == INTERNAL_ERROR else "invalid", str(error.code)
    if isinstance(error, ValidationError):
        return "invalid", str(INVALID_PARAMS)
    return "error" if isinstance(error, Exception) else "cancelled", type(error).__qualname__
