"""Orders. Yours: an import never overwrites a function that you edited."""

from typing import Annotated, Any, Literal, Required

from pydantic import Field, with_config
from typing_extensions import TypedDict

from ..core.source import api

Filter = TypedDict(
    "Filter",
    {
        "from": Annotated[str, Field(description="Format: date.")],
        "to": Annotated[str, Field(description="Format: date.")],
    },
    total=False,
)


@with_config(extra="allow")
class AddressGeo(TypedDict, total=False):
    lat: float
    lon: float


@with_config(extra="allow")
class Address(TypedDict, total=False):
    street: Required[Annotated[str, Field(max_length=100)]]
    country: Required[Annotated[Literal["DE", "NO", "SE"], Field(description="ISO 3166-1 alpha-2")]]
    geo: AddressGeo


@with_config(extra="forbid")
class CreateOrderLinesItem(TypedDict, total=False):
    sku: Required[str]
    count: Annotated[int, Field(ge=1, le=99)]


@api.reads("List orders")
async def list_orders(
    ctx: api.Call,
    x_request_id: Annotated[str | None, Field(description="Repeated in the answer. Format: uuid.")] = None,
    status: list[Literal["open", "paid", "shipped"]] | None = None,
    filter: Filter | None = None,
    page_size: Annotated[int | None, Field(ge=1, le=100, description="Orders on a page. Default: 20.")] = None,
    page_token: str | None = None,
) -> list[api.Content]:
    """Lists orders, the newest first. See the guide."""
    return await api.request(
        ctx,
        "GET",
        "/orders",
        query=[
            api.form("status", status, explode=False),
            api.deep("filter", filter),
            api.form("pageSize", page_size),
            api.form("pageToken", page_token),
        ],
        headers=api.header("X-Request-Id", x_request_id),
    )


@api.changes("Place an order")
async def create_order(
    ctx: api.Call,
    customer: Annotated[str, Field(description="Id of the customer")],
    lines: Annotated[list[CreateOrderLinesItem], Field(min_length=1)],
    x_request_id: Annotated[str | None, Field(description="Repeated in the answer. Format: uuid.")] = None,
    note: Annotated[str | None, Field(description="Shown on the invoice")] = None,
    express: Annotated[bool | None, Field(description="Default: false.")] = None,
    address: Address | None = None,
    labels: Annotated[dict[str, str] | None, Field(description="Anything, for your own use")] = None,
) -> list[api.Content]:
    """Place an order."""
    return await api.request(
        ctx,
        "POST",
        "/orders",
        headers=api.header("X-Request-Id", x_request_id),
        body=api.given(customer=customer, note=note, express=express, address=address, lines=lines, labels=labels),
    )


@api.changes("Orders remove line", repeatable=True)
async def orders_remove_line(
    ctx: api.Call,
    order_id: str,
    line_no: Annotated[int, Field(ge=1)],
    reason: Annotated[str, Field(max_length=200, description="Why the line is removed")],
) -> list[api.Content]:
    """Deprecated. Orders remove line."""
    return await api.request(
        ctx,
        "DELETE",
        api.path("/orders/{order_id}/lines/{line_no}", order_id=order_id, line_no=line_no),
        query=[api.form("reason", reason)],
    )


@api.changes("Pay an order", repeatable=True)
async def put_orders_order_id_payment(
    ctx: api.Call,
    order_id: str,
    body: Annotated[dict[str, Any] | None, Field(description="kind says which kind it is: Card, Invoice.")] = None,
) -> list[api.Content]:
    """Pay an order."""
    return await api.request(ctx, "PUT", api.path("/orders/{order_id}/payment", order_id=order_id), body=body)
