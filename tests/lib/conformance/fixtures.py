"""What the scenarios of the official suite ask a server to have. For tests only: no connector is rendered with it.

Names, texts and keys are the suite's own (the description of each scenario in @modelcontextprotocol/conformance).
"""

import base64
import json
from collections.abc import Callable
from typing import Any

import anyio
from mcp.server import MCPServer, ServerRequestContext
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.prompts.base import Prompt, UserMessage
from mcp.shared.exceptions import MCPError
from mcp_types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    AudioContent,
    Completion,
    CompletionArgument,
    CompletionContext,
    CreateMessageRequest,
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    EmbeddedResource,
    EmptyResult,
    ImageContent,
    InputRequest,
    InputRequiredResult,
    ListRootsRequest,
    ListRootsResult,
    PromptReference,
    RequestParams,
    ResourceTemplateReference,
    SamplingMessage,
    SetLevelRequestParams,
    SubscribeRequestParams,
    TextContent,
    TextResourceContents,
    UnsubscribeRequestParams,
)
from pydantic import BaseModel

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
WAV = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA="
STEP = 0.05  # seconds between two notifications

Call = Context[Any, Any]
Answer = str | InputRequiredResult


def register(server: MCPServer[Any]) -> None:
    """Add everything beside the connector's own tools."""
    for tool in TOOLS:
        server.add_tool(tool, description=f"The suite's {tool.__name__}.")
    for prompt in PROMPTS:
        server.add_prompt(Prompt.from_function(prompt, description=f"The suite's {prompt.__name__}."))
    for uri, mime_type, resource in RESOURCES:
        server.resource(uri, mime_type=mime_type, description=f"The suite's {resource.__name__}.")(resource)
    server.completion()(complete)  # type: ignore[no-untyped-call]
    requests: dict[str, type[RequestParams]] = {
        "logging/setLevel": SetLevelRequestParams,
        "resources/subscribe": SubscribeRequestParams,
        "resources/unsubscribe": UnsubscribeRequestParams,
    }
    for method, params in requests.items():
        server._lowlevel_server.add_request_handler(method, params, accept)  # there is no public way


# What a tool returns.


def test_simple_text() -> str:
    return "This is a simple text response for testing."


def test_image_content() -> list[ImageContent]:
    return [ImageContent(data=PNG, mime_type="image/png")]


def test_audio_content() -> list[AudioContent]:
    return [AudioContent(data=WAV, mime_type="audio/wav")]


def test_embedded_resource() -> list[EmbeddedResource]:
    return [embedded("test://embedded-resource", "This is an embedded resource content.")]


def test_multiple_content_types() -> list[TextContent | ImageContent | EmbeddedResource]:
    mixed = embedded("test://mixed-content-resource", '{"test": "data", "value": 123}', "application/json")
    return [
        TextContent(text="Multiple content types test:"),
        ImageContent(data=PNG, mime_type="image/png"),
        mixed,
    ]


def test_error_handling() -> str:
    raise RuntimeError("This tool intentionally returns an error for testing")


def embedded(uri: str, text: str, mime_type: str = "text/plain") -> EmbeddedResource:
    return EmbeddedResource(resource=TextResourceContents(uri=uri, mime_type=mime_type, text=text))


# What a tool sends while it works.


async def test_tool_with_logging(ctx: Call) -> str:
    for message in ["Tool execution started", "Tool processing data", "Tool execution completed"]:
        await ctx.info(message)
        await anyio.sleep(STEP)
    return "Tool with logging executed successfully"


async def test_logging_tool(ctx: Call) -> str:
    return await test_tool_with_logging(ctx)


async def test_tool_with_progress(ctx: Call) -> str:
    for progress in [0, 50, 100]:
        await ctx.report_progress(progress, total=100)
        await anyio.sleep(STEP)
    return "Tool with progress executed successfully"


# What a tool asks of the client before 2026-07-28, over a session's back-channel.


async def test_sampling(prompt: str, ctx: Call) -> str:
    message = SamplingMessage(role="user", content=TextContent(text=prompt))
    result = await ctx.session.create_message([message], max_tokens=100, related_request_id=ctx.request_id)
    return f"LLM response: {result.content}"


class Name(BaseModel):
    name: str


async def test_elicitation(message: str, ctx: Call) -> str:
    result = await ctx.elicit(message, Name)
    return f"User response: action={result.action}"


async def test_elicitation_sep1034_defaults(ctx: Call) -> str:
    return await test_elicitation("Without a back-channel it ends before the schema matters", ctx)


async def test_elicitation_sep1330_enums(ctx: Call) -> str:
    return await test_elicitation("Without a back-channel it ends before the schema matters", ctx)


# What a tool asks of the client from 2026-07-28 on, with a result that requires input (SEP-2322).


async def test_missing_capability(ctx: Call) -> str:
    if ctx.client_capabilities is None or ctx.client_capabilities.sampling is None:
        needed: dict[str, object] = {"sampling": {}}
        raise MCPError(MISSING_REQUIRED_CLIENT_CAPABILITY, "Sampling is needed.", {"requiredCapabilities": needed})
    return "The client can sample."


async def test_streaming_elicitation(ctx: Call) -> Answer:
    await ctx.report_progress(50, total=100)
    return await test_input_required_result_elicitation(ctx)


async def test_input_required_result_elicitation(ctx: Call) -> Answer:
    if answered(ctx, "user_name"):
        return f"Hello, {elicited(ctx, 'user_name', 'name')}!"
    return InputRequiredResult(input_requests={"user_name": question("What is your name?", "name")})


async def test_input_required_result_sampling(ctx: Call) -> Answer:
    if answered(ctx, "capital_question"):
        result = responses(ctx)["capital_question"]
        assert isinstance(result, CreateMessageResult)
        return f"Model said: {result.content}"
    return InputRequiredResult(input_requests={"capital_question": sampling("What is the capital of France?")})


async def test_input_required_result_list_roots(ctx: Call) -> Answer:
    if answered(ctx, "client_roots"):
        result = responses(ctx)["client_roots"]
        assert isinstance(result, ListRootsResult)
        return f"Roots: {[str(root.uri) for root in result.roots]}"
    return InputRequiredResult(input_requests={"client_roots": ListRootsRequest()})


async def test_input_required_result_request_state(ctx: Call) -> Answer:
    if answered(ctx, "confirm") and ctx.request_state == "first round":
        return "state-ok"
    return InputRequiredResult(
        input_requests={"confirm": question("Please confirm", "ok", "boolean")}, request_state="first round"
    )


async def test_input_required_result_tampered_state(ctx: Call) -> Answer:
    return await test_input_required_result_request_state(ctx)


async def test_input_required_result_multiple_inputs(ctx: Call) -> Answer:
    asked: dict[str, InputRequest] = {
        "user_name": question("What is your name?", "name"),
        "greeting": sampling("Generate a greeting"),
        "client_roots": ListRootsRequest(),
    }
    if answered(ctx, *asked):
        return "All inputs received."
    return InputRequiredResult(input_requests=asked, request_state="multiple inputs")


async def test_input_required_result_multi_round(ctx: Call) -> Answer:
    state = json.loads(ctx.request_state or "{}")
    if "name" in state and answered(ctx, "step2"):
        return f"{state['name']} likes {elicited(ctx, 'step2', 'color')}."
    if state and answered(ctx, "step1"):
        return InputRequiredResult(
            input_requests={"step2": question("Step 2: What is your favorite color?", "color")},
            request_state=json.dumps({"name": elicited(ctx, "step1", "name")}),
        )
    return InputRequiredResult(
        input_requests={"step1": question("Step 1: What is your name?", "name")}, request_state='{"round": 1}'
    )


async def test_input_required_result_capabilities(ctx: Call) -> Answer:
    able = ctx.client_capabilities
    asked: dict[str, InputRequest] = {}
    if able and able.sampling is not None:
        asked["sample"] = sampling("Say hello")
    if able and able.elicitation is not None:
        asked["ask"] = question("What is your name?", "name")
    return InputRequiredResult(input_requests=asked, request_state="capabilities")


async def test_input_required_result_prompt(ctx: Call) -> list[UserMessage] | InputRequiredResult:
    if answered(ctx, "user_context"):
        return [UserMessage(f"Use the following context: {elicited(ctx, 'user_context', 'context')}")]
    return InputRequiredResult(
        input_requests={"user_context": question("What context should the prompt use?", "context")}
    )


def question(message: str, field: str, type: str = "string") -> ElicitRequest:
    schema = {"type": "object", "properties": {field: {"type": type}}, "required": [field]}
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


def sampling(text: str) -> CreateMessageRequest:
    message = SamplingMessage(role="user", content=TextContent(text=text))
    return CreateMessageRequest(params=CreateMessageRequestParams(messages=[message], max_tokens=100))


def responses(ctx: Call) -> dict[str, Any]:
    return dict(ctx.input_responses or {})


def answered(ctx: Call, *keys: str) -> bool:
    return set(keys) <= responses(ctx).keys()


def elicited(ctx: Call, key: str, field: str) -> object:
    result = responses(ctx)[key]
    return result.content.get(field) if isinstance(result, ElicitResult) and result.content else None


# Prompts, resources and the rest.


def test_simple_prompt() -> list[UserMessage]:
    return [UserMessage("This is a simple prompt for testing.")]


def test_prompt_with_arguments(arg1: str, arg2: str) -> list[UserMessage]:
    return [UserMessage(f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'")]


def test_prompt_with_embedded_resource(resourceUri: str) -> list[UserMessage]:
    resource = embedded(resourceUri, "Embedded resource content for testing.")
    return [UserMessage(resource), UserMessage("Please process the embedded resource above.")]


def test_prompt_with_image() -> list[UserMessage]:
    return [UserMessage(ImageContent(data=PNG, mime_type="image/png")), UserMessage("Please analyze the image above.")]


def static_text() -> str:
    return "This is the content of the static text resource."


def static_binary() -> bytes:
    return base64.b64decode(PNG)


def template(id: str) -> str:
    return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})


async def complete(
    ref: PromptReference | ResourceTemplateReference, argument: CompletionArgument, context: CompletionContext | None
) -> Completion:
    return Completion(values=["paris", "park", "party"], total=3, has_more=False)


async def accept(ctx: ServerRequestContext[Any, Any], params: RequestParams) -> EmptyResult:
    return EmptyResult()


TOOLS: list[Callable[..., Any]] = [
    test_simple_text,
    test_image_content,
    test_audio_content,
    test_embedded_resource,
    test_multiple_content_types,
    test_error_handling,
    test_tool_with_logging,
    test_logging_tool,
    test_tool_with_progress,
    test_sampling,
    test_elicitation,
    test_elicitation_sep1034_defaults,
    test_elicitation_sep1330_enums,
    test_missing_capability,
    test_streaming_elicitation,
    test_input_required_result_elicitation,
    test_input_required_result_sampling,
    test_input_required_result_list_roots,
    test_input_required_result_request_state,
    test_input_required_result_tampered_state,
    test_input_required_result_multiple_inputs,
    test_input_required_result_multi_round,
    test_input_required_result_capabilities,
]
PROMPTS: list[Callable[..., Any]] = [
    test_simple_prompt,
    test_prompt_with_arguments,
    test_prompt_with_embedded_resource,
    test_prompt_with_image,
    test_input_required_result_prompt,
]
RESOURCES: list[tuple[str, str, Callable[..., str | bytes]]] = [
    ("test://static-text", "text/plain", static_text),
    ("test://static-binary", "image/png", static_binary),
    ("test://watched-resource", "text/plain", static_text),
    ("test://template/{id}/data", "application/json", template),
]
