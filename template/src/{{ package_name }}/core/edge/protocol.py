"""The SDK's server, with limits on JSON inside strings, and errors that tell an agent what to do."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from mcp.server import MCPServer
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
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, CallToolResult, GetPromptResult, InputRequiredResult
from pydantic import AnyUrl, ValidationError
from pydantic_core import ErrorDetails

from .arguments import Arguments, lenient, texts
from .limits import Refused, measure
from .observe import observe_message

MAX_ERROR = 2_000  # characters of an error message to an agent
NAMED = 5  # wrong arguments that one message lists

# pydantic's error types, in words for an agent. The names in braces come from the error's context.
WORDS = {
    "missing": "is missing",
    "unexpected_keyword_argument": "is unknown",
    "extra_forbidden": "is unknown",
    "string_type": "must be a string",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "is too large",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "set_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "none_required": "must be null",
    "greater_than": "must be over {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be under {lt}",
    "less_than_equal": "must be at most {le}",
    "multiple_of": "must be a multiple of {multiple_of}",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must have at least {min_length} entries",
    "too_long": "must have at most {max_length} entries",
    "string_pattern_mismatch": "must match the pattern {pattern}",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
}


class Connector(MCPServer[Any]):
    """An `MCPServer` that reads arguments as agents send them, and answers a caller's mistake with one sentence.

    It logs no traceback for a mistake.
    """

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        tool = self._tool_manager.get_tool(name)  # there is no public way to a tool's reader of arguments
        if tool and not isinstance(tool.fn_metadata, Arguments):
            tool.fn_metadata = lenient(tool.fn_metadata, tool.parameters)
        try:
            return await super().call_tool(name, arguments, context)
        except UnexpectedToolError as error:  # the SDK logs its cause
            raise UnexpectedToolError(f"{name} failed inside the connector. Its log has the cause.") from error
        except ToolError as error:
            cause = error.__cause__
            if cause is None:
                raise ToolError("There is no tool with this name. List the tools first.") from None
            if tool is None or not isinstance(cause, ValidationError):
                raise ToolError(str(cause)) from None
            why = f"{name} was not called: {explain(cause)}{unknown(arguments, tool.parameters)}"
            raise ToolError(why) from None

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


def invalid(why: str) -> MCPError:
    return MCPError(code=INVALID_PARAMS, message=why)


def has_root_cause(error: BaseException, kind: type[BaseException]) -> bool:
    """Whether the first error in the chain of causes is of this type."""
    while error.__cause__:
        error = error.__cause__
    return isinstance(error, kind)


def explain(error: ValidationError) -> str:
    """Which arguments are wrong, and what they must be. Never their values, which may be secret."""
    problems = list(dict.fromkeys(map(problem, error.errors(include_url=False, include_input=False)[:1000])))
    more = f", and {error.error_count() - NAMED:,} more" if len(problems) > NAMED else ""
    return f"{'; '.join(problems[:NAMED])}{more}. Correct this and call again."


def problem(found: ErrorDetails, whole: str = "the arguments") -> str:
    """What pydantic found, in words that do not depend on it. `whole` names what has no field that is wrong."""
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part[:64]}" for part in found["loc"])
    where = where.removeprefix(".") or whole
    context = found.get("ctx", {})
    if found["type"] in {"value_error", "assertion_error"}:  # the message is from the tool's author
        return f"{where}: {context.get('error', 'is not valid')}"[:300]
    words = WORDS.get(found["type"], "does not match the input schema")
    return f"{where} {words.format_map({name: str(value)[:200] for name, value in context.items()})}"


def unknown(arguments: Iterable[str], schema: Mapping[str, Any]) -> str:
    """A sentence about arguments that a tool does not have, which the SDK ignores: one of them may be misspelt."""
    others = [repr(name[:64]) for name in arguments if name not in schema.get("properties", {})]
    return f" It has no argument {' or '.join(others[:NAMED])}." if others else ""


def limit_messages(server: MCPServer[Any]) -> None:
    """Add the middleware that logs and limits messages, around all other middleware of the server."""
    server.middleware[:0] = [observe_message, brief_errors, bounded_texts(server)]


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


def repeatable(text: str) -> bool:
    """Whether what the SDK reads in a string can be sent on: it also takes NaN, infinity and lone surrogates."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return True  # the SDK leaves it a string
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except ValueError:
        return False
    return True


def bounded_texts(server: MCPServer[Any]) -> Any:
    """Server middleware: apply the limits on JSON to JSON inside strings too.

    If a parameter is not text, the SDK parses an argument such as `"[1, 2]"` as JSON. The limits on the body count
    such a string as one value.
    """
    plain: dict[str, set[str]] = {}  # for each tool, its parameters that are text

    async def check(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        arguments = (ctx.params or {}).get("arguments")
        if ctx.method == "tools/call" and isinstance(arguments, Mapping):
            if not plain:
                plain.update({tool.name: texts(tool.input_schema) for tool in await server.list_tools()})
            kept = plain.get(str((ctx.params or {}).get("name")), set())
            given = [value for name, value in arguments.items() if isinstance(value, str) and name not in kept]
            read = [text for text in given if text.lstrip()[:1] in ("[", "{")]
            try:
                measure(*(text.encode(errors="replace") for text in read))
            except Refused as refused:
                raise invalid(refused.why) from None
            if not all(map(repeatable, read)):
                raise invalid("The JSON in a string has a number or a character that JSON cannot have. Correct it.")
        return await call_next(ctx)

    return check
