"""A client that registers itself, and a user who logs in and agrees to what pages ask."""

import json
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import httpx2

REDIRECT_URI = "http://127.0.0.1:53682/callback"


def register(http: httpx2.Client, *redirect_uris: str) -> httpx2.Response:
    client = {"redirect_uris": redirect_uris or [REDIRECT_URI], "client_name": "Example client"}
    return http.post("/register", json=client)


def authorization(origin: str, client_id: str, verifier: str, **further: str) -> str:
    """The URL that a client opens (RFC 6749 §4.1.1, RFC 7636 §4.3)."""
    digest = urlsafe_b64encode(sha256(verifier.encode()).digest()).decode().rstrip("=")
    asked = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": REDIRECT_URI,
        "state": "of-the-client",
        "code_challenge": digest,
        "code_challenge_method": "S256",
        **further,
    }
    return f"{origin}/authorize?{urlencode(asked)}"


def browse(browser: httpx2.Client, url: str, person: str = "alice", to: str = REDIRECT_URI) -> dict[str, str]:
    """What the client is sent in the end, after every form on the way was filled in and agreed to."""
    answer = browser.get(url)
    for _ in range(10):
        if location := answer.headers.get("location"):
            target = urljoin(str(answer.url), location)
            if target.startswith(to):
                return {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}
            answer = browser.get(target)
        else:
            place, fields = filled(answer, person)
            answer = browser.post(place, data=fields)
    raise AssertionError(f"{url} leads nowhere")


def filled(answer: httpx2.Response, person: str) -> tuple[str, dict[str, list[str]]]:
    """Where the form of a page goes, and its fields with the button that agrees."""
    form = re.search(r'<form[^>]*method="post"[^>]*>', answer.text, re.I)
    assert form, f"{answer.url} answers {answer.status_code}: {answer.text}"
    place = re.search(r'action="([^"]*)"', form[0])
    tags = re.findall(r"<input[^>]*>|<button[^>]*approve[^>]*>", answer.text)
    fields: dict[str, list[str]] = {}
    for field in (dict(re.findall(r'(\w+)="([^"]*)"', tag)) for tag in tags):
        fields.setdefault(field["name"], []).append(unescape(field.get("value", "")))
    if "person" in fields:
        fields["person"] = [person]
    return urljoin(str(answer.url), unescape(place[1]) if place else ""), fields


def exchange(http: httpx2.Client, client_id: str, code: str, verifier: str) -> httpx2.Response:
    """Tokens for a code (RFC 6749 §4.1.3)."""
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT_URI, "code_verifier": verifier}
    return http.post("/token", data={**form, "client_id": client_id})


def log_in(origin: str, scope: str = "read write", person: str = "alice") -> dict[str, Any]:
    """The tokens of a new client that a user let in."""
    with httpx2.Client(base_url=origin) as http, httpx2.Client() as browser:
        client_id = register(http).raise_for_status().json()["client_id"]
        verifier = secrets.token_urlsafe(48)
        code = browse(browser, authorization(origin, client_id, verifier, scope=scope), person)["code"]
        tokens: dict[str, Any] = exchange(http, client_id, code, verifier).raise_for_status().json()
        return tokens


def jwt_claims(token: str) -> dict[str, Any]:
    """What a token says, unverified."""
    part = token.split(".")[1]
    claims: dict[str, Any] = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims
