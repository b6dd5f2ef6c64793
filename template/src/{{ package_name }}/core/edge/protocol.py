"""The SDK's server, with errors that tell an agent what to do, and with states that other replicas can open."""

import asyncio
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from mimetypes import guess_type
from typing import Any

from mcp.server import MCPServer
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import principal_components
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import (
    ResourceError,
    ResourceNotFoundError,
    ToolError,
    UnexpectedResourceError,
    UnexpectedToolError,
)
from mcp.server.request_state import RequestStateSecurity
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, GetPromptResult, Icon, InputRequiredResult, Tool, ToolAnnotations
from pydantic import AnyUrl, ValidationError
from pydantic_core import ErrorDetails

from ...settings import SECRETS, Settings
from ..timing import limit_of
from .arguments import Arguments, invalid, lenient
from .observe import note, observe_message
from .schemas import readable
from .sealing import Sealing

MAX_ERROR = 2_000  # characters of an error message to an agent
NAMED = 5  # wrong arguments that one message lists

MAYBE = "A change may have been made"

UNSET = (
    "REQUEST_STATE_KEYS is not set: if a tool asks the user a question, only this process accepts the answer; "
    "other replicas, and this one after a restart, refuse it. docs/deploy.md says how to set a key"
)

# pydantic's error types, in words for an agent. The names in braces come from the error's context.
WORDS = {
    kind: words
    for words, kinds in {
        "is missing": "missing",
        "is unknown": "unexpected_keyword_argument extra_forbidden",
        "must be a string": "string_type",
        "must be a whole number": "int_type int_parsing int_from_float",
        "is too large": "int_parsing_size",
        "must be a number": "float_type float_parsing",
        "must be a finite number": "finite_number",
        "must be true or false": "bool_type bool_parsing",
        "must be a list": "list_type tuple_type set_type",
        "must be an object": "dict_type model_type model_attributes_type",
        "must be null": "none_required",
        "must be over {gt}": "greater_than",
        "must be at least {ge}": "greater_than_equal",
        "must be under {lt}": "less_than",
        "must be at most {le}": "less_than_equal",
        "must be a multiple of {multiple_of}": "multiple_of",
        "must have at least {min_length} characters": "string_too_short",
        "must have at most {max_length} characters": "string_too_long",
        "must have at least {min_length} entries": "too_short",
        "must have at most {max_length} entries": "too_long",
        "must match the pattern {pattern}": "string_pattern_mismatch",
        "must be {expected}": "literal_error enum",
    }.items()
    for kind in kinds.split()
}


class Connector(MCPServer[Any]):
    """An `MCPServer` that reads arguments as agents send them, and answers a caller's mistake with one sentence.

    It logs no traceback for a mistake. A call that takes too long is cancelled, with its requests to others.
    """

    tool_timeout: float = 120.0  # seconds for a call of a tool that has no limit of its own
    withheld: Collection[Callable[..., Any]] = ()  # functions that are not added as tools
    _registered: Sequence[object] = ()  # of these is `_listed` made
    _listed: Sequence[Tool] = ()

    def add_tool(self, fn: Callable[..., Any], *given: Any, **named: Any) -> None:
        if fn not in self.withheld:
            super().add_tool(fn, *given, **named)

    async def list_tools(self) -> list[Tool]:
        """The tools as clients see them. They are made once, because those of a large API take long."""
        registered = self._tool_manager.list_tools()  # no public way tells whether one came or went
        if registered != self._registered:
            self._listed = [readable(tool) for tool in await super().list_tools()]
            self._registered = registered
        return list(self._listed)

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        tool = self._tool_manager.get_tool(name)  # there is no public way to a tool's reader of arguments
        if tool and not isinstance(tool.fn_metadata, Arguments):
            tool.fn_metadata = lenient(tool.fn_metadata, tool.parameters)
        seconds = limit_of(tool.fn, self.tool_timeout) if tool else None
        try:
            async with asyncio.timeout(seconds):
                return await super().call_tool(name, arguments, context)
        except TimeoutError:  # not the tool's own, which is wrapped
            note(outcome="timeout", error="timeout")
            raise ToolError(too_late(name, seconds or 0, tool.annotations if tool else None)) from None
        except UnexpectedToolError as error:  # the SDK logs its cause
            note(outcome="error", error=type(error.__cause__).__qualname__)
            raise UnexpectedToolError(f"{name} failed inside the connector. Its log has the cause.") from error
        except ToolError as error:
            cause = error.__cause__
            if cause is None:
                note(error="unknown_tool")
                raise ToolError("There is no tool with this name. List the tools first.") from None
            if tool is None or not isinstance(cause, ValidationError):
                raise ToolError(str(cause)) from None
            note(error="invalid_arguments", detail=wrong(cause, tool.parameters))
            raise ToolError(f"{name} was not called: {explain(cause, tool.parameters.get('properties', ()))}") from None

    async def get_prompt(
        self, name: str, arguments: dict[str, Any] | None = None, context: Context[Any, Any] | None = None
    ) -> GetPromptResult | InputRequiredResult:
        prompts = {prompt.name: prompt for prompt in await self.list_prompts()}
        if name not in prompts:
            raise invalid("There is no prompt with this name. List the prompts first.")
        given = arguments or {}
        known = {argument.name: argument.required for argument in prompts[name].arguments or ()}
        if missing := [argument for argument, required in known.items() if required and argument not in given]:
            raise invalid(f"The prompt needs these arguments: {', '.join(missing)}.")
        if not known.keys() >= given.keys():
            raise invalid(f"The prompt takes these arguments and no others: {', '.join(known) or 'none'}.")
        try:
            return await super().get_prompt(name, arguments, context)
        except ValueError as error:
            inner = error.__cause__.__cause__ if error.__cause__ else None
            if isinstance(inner, ValidationError):
                raise invalid(f"The prompt cannot be rendered: {explain(inner)}") from None
            raise

    async def read_resource(
        self, uri: AnyUrl | str, context: Context[Any, Any] | None = None
    ) -> Iterable[ReadResourceContents] | InputRequiredResult:
        try:
            return await super().read_resource(uri, context)
        except ResourceError as error:
            unknown = isinstance(error, ResourceNotFoundError) and str(error).startswith("Unknown resource: ")
            invalid_value = isinstance(error, UnexpectedResourceError) and has_root_cause(error, ValidationError)
            if unknown or invalid_value:  # no template matches the URI, or a value in it has the wrong type
                raise ResourceNotFoundError("There is no resource at this URI. List the resources first.") from None
            raise


def too_late(name: str, seconds: float, hints: ToolAnnotations | None) -> str:
    """What to do after a call that was cancelled: one that only reads can be repeated."""
    reads = hints is not None and hints.read_only_hint
    remedy = "Ask for less, or call again later." if reads else f"{MAYBE}: check before calling again."
    return f"{name} took longer than {seconds:g} second{'s' * (seconds != 1)} and was stopped. {remedy}"


def has_root_cause(error: BaseException, kind: type[BaseException]) -> bool:
    """Whether the first error in the chain of causes is of this type."""
    while error.__cause__:
        error = error.__cause__
    return isinstance(error, kind)


def explain(error: ValidationError, known: Collection[str] | None = None) -> str:
    """Which arguments are wrong, and what they must be. Never their values, which may be secret.

    `known` are those that a tool has; they are listed if one is not among them.
    """
    found = error.errors(include_url=False, include_input=False)[:1000]
    problems = list(dict.fromkeys(misspelt(each, known) or problem(each) for each in found))
    more = f", and {error.error_count() - NAMED:,} more" if len(problems) > NAMED else ""
    strange = any(misspelt(each, known) for each in found)
    takes = f" It takes {', '.join(known or ()) or 'no arguments'}." if strange else ""
    return f"{'; '.join(problems[:NAMED])}{more}. Correct this and call again.{takes}"


def misspelt(found: ErrorDetails, known: Collection[str] | None) -> str | None:
    """That the tool has no such argument, and which of its own may be meant; None for another problem."""
    if known is None or found["type"] != "extra_forbidden" or len(found["loc"]) > 1:
        return None
    name = str(found["loc"][0])[:64]
    near = get_close_matches(name.lower(), known, n=1)
    return f"it has no argument {name!r}{f', perhaps {near[0]} is meant' if near else ''}"


def wrong(error: ValidationError, schema: Mapping[str, Any]) -> str:
    """For the log, the tool's parameters that are wrong, with pydantic's word for it: nothing that a caller chose."""
    known = schema.get("properties", {})
    found = error.errors(include_url=False, include_input=False, include_context=False)[:NAMED]
    named = [f"{each['loc'][0]} {each['type']}" for each in found if each["loc"] and each["loc"][0] in known]
    return ", ".join(named) or ("unknown argument" if found[0]["type"] == "extra_forbidden" else "")


def problem(found: ErrorDetails, whole: str = "the arguments") -> str:
    """What pydantic found, in words that do not depend on it. `whole` names what has no field that is wrong."""
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part[:64]}" for part in found["loc"])
    where = where.removeprefix(".") or whole
    context = found.get("ctx", {})
    if found["type"] in {"value_error", "assertion_error"}:  # the message is from the tool's author
        return f"{where}: {context.get('error', 'is not valid')}"[:300]
    words = WORDS.get(found["type"], "does not match the input schema")
    return f"{where} {words.format_map({name: str(value)[:200] for name, value in context.items()})}"


def icons(urls: Iterable[str]) -> list[Icon] | None:
    """Icons as clients get them, or None: without one, a client may show its own."""
    return [Icon(src=url, mime_type=guess_type(url)[0]) for url in urls] or None


def limit_messages(server: MCPServer[Any]) -> None:
    """Add the middleware that logs and limits messages, around all other middleware of the server."""
    server.middleware[:0] = [observe_message, brief_errors]


async def brief_errors(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Server middleware: shorten long errors, which would fill the context of an agent."""
    try:
        result = await call_next(ctx)
    except ValidationError as error:
        raise invalid(shortened(f"The parameters are not valid: {explain(error)}")) from None
    except MCPError as error:
        if len(error.message) <= MAX_ERROR and len(str(error.data)) <= MAX_ERROR:
            raise
        data = error.data if len(str(error.data)) <= MAX_ERROR else None
        raise MCPError(error.code, shortened(error.message), data) from None
    if isinstance(result, dict) and result.get("isError") is True:
        for block in result.get("content", ()):
            if isinstance(block, dict) and isinstance(block.get("text"), str):
                block["text"] = shortened(block["text"])
    return result


def shortened(text: str) -> str:
    return text if len(text) <= MAX_ERROR else f"{text[: MAX_ERROR - 40]}… ({len(text):,} characters)"


def token_owner() -> tuple[str | None, ...] | None:
    """The user and client of this request's access token; a token without a subject counts as its own user."""
    token = get_access_token()
    if token is None:
        return None
    return *principal_components(token), None if token.subject else token.token


def request_state(settings: Settings, caller: Callable[[], object] = token_owner) -> RequestStateSecurity:
    """How to seal states: for this connector and one caller. Without keys in the settings, for this process only.

    `caller` returns the identity of the current caller, in JSON types. Only that caller can use the state.
    """
    return RequestStateSecurity(
        codec=Sealing(settings.request_state_keys, SECRETS / "request_state_keys"),
        bind_principal=lambda _: json.dumps(caller(), sort_keys=True),
        audience=settings.public_url,
    )
