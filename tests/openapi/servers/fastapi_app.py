"""A FastAPI application with every trap: it answers with what it got. Run by `documents/.venv`."""

from enum import StrEnum
from typing import Annotated

from fastapi import Body, Cookie, Depends, FastAPI, File, Form, Header, HTTPException, Query, Response, UploadFile
from fastapi.security import HTTPBearer
from pydantic import BaseModel

bearer = HTTPBearer()


def credential(token: Annotated[object, Depends(bearer)]) -> None:
    if getattr(token, "credentials", "") != "secret-of-the-connector":
        raise HTTPException(403, "This token is not known.")


app = FastAPI(title="Traps", dependencies=[Depends(credential)])


class Color(StrEnum):
    red = "red"
    blue = "blue"


class Node(BaseModel):
    name: str
    children: list["Node"] = []


class Cat(BaseModel):
    kind: str = "cat"
    lives: int


class Dog(BaseModel):
    kind: str = "dog"
    barks: bool


class Thing(BaseModel):
    id: str
    note: str | None = None
    color: Color | None = None
    pet: Cat | Dog | None = None
    labels: dict[str, str] = {}


THINGS: dict[str, Thing] = {"7": Thing(id="7", note="put there by the test")}


@app.get("/things", tags=["things"])
def list_things(
    response: Response,
    ids: Annotated[list[str] | None, Query(alias="id[]")] = None,
    color: Color | None = None,
    pageSize: Annotated[int, Query(ge=1, le=100)] = 10,
    page: int = 1,
) -> dict[str, object]:
    response.headers["Link"] = f'<http://api.example/things?pageSize={pageSize}&page={page + 1}>; rel="next"'
    return {"ids": ids, "color": color, "size": pageSize, "page": page}


@app.get("/things/{thing_id}", tags=["things"])
def get_thing(thing_id: str) -> Thing:
    if thing_id not in THINGS:
        raise HTTPException(404, "no such thing")
    return THINGS[thing_id]


@app.put("/things/{thing_id}", tags=["things"])
def put_thing(thing_id: str, thing: Thing) -> dict[str, object]:
    THINGS[thing_id] = thing
    return {"path": thing_id, "thing": thing}


@app.delete("/things/{thing_id}", tags=["things"], status_code=204)
def delete_thing(thing_id: str) -> None:
    THINGS.pop(thing_id, None)


@app.post("/nodes", tags=["things"])
def create_node(node: Node) -> Node:
    return node


@app.post("/both", tags=["things"])
def same_name(id: int, body: Annotated[dict[str, object], Body()]) -> dict[str, object]:
    return {"query": id, "body": body}


@app.get("/headers", tags=["things"])
def headers(x_trace: Annotated[str, Header()], session: Annotated[str | None, Cookie()] = None) -> dict[str, object]:
    return {"header": x_trace, "cookie": session}


@app.post("/login", tags=["things"])
def form(name: Annotated[str, Form()], tags: Annotated[list[str], Form()]) -> dict[str, object]:
    return {"name": name, "tags": tags}


@app.post("/upload", tags=["things"])
async def upload(photo: Annotated[UploadFile, File()], note: Annotated[str, Form()] = "") -> dict[str, object]:
    content = await photo.read()
    return {"name": photo.filename, "size": len(content), "start": content[:5].decode(), "note": note}


@app.get("/image", tags=["things"])
def image() -> Response:
    return Response(b"\x89PNG", media_type="image/png")


@app.get("/large", tags=["things"])
def large(count: int) -> list[dict[str, object]]:
    return [{"id": number, "text": "ø" * 100} for number in range(count)]


@app.get("/test", tags=["things"], operation_id="test_it_test_get")
def try_it(filters: str | None = None) -> dict[str, object]:
    return {"filters": filters}
