"""Asking a deployed connector, as `smoke` and the checks of an auth mode do."""

import json
import ssl
from collections.abc import Mapping
from email.message import Message
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

SECONDS = 4.5  # for all checks together
REMEDIES = {
    401: "the credentials are refused, or something in front of the connector asks for some",
    404: "check the host, and that what is in front of the connector passes every path on",
    421: "set PUBLIC_URL to the origin of this URL",
    503: "something that the connector needs does not answer; its log says what",
}


class Failed(Exception):
    """What is wrong and what to do. Never a credential."""


def read(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise Failed("the answer is not a JSON object; see whether this URL is the connector's")
    return document


def ask(
    url: str,
    path: str,
    headers: Mapping[str, str] | None = None,
    method: str = "",
    params: object = None,
    expected: int | None = 200,
) -> tuple[Message, str]:
    """Headers and content of an answer: to a request of MCP, or else to GET. Redirects are not followed."""
    to = urlsplit(url)
    host = str(to.hostname)
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}}
    sent = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream", **(headers or {})}
    connection = (HTTPSConnection if to.scheme == "https" else HTTPConnection)(host, to.port, timeout=SECONDS)
    try:
        connection.request("POST" if method else "GET", path, json.dumps(message) if method else None, sent)
        answer = connection.getresponse()
        text = answer.read(1024 * 1024).decode(errors="replace")
    except ssl.SSLCertVerificationError as error:
        raise Failed(f"the certificate of {host} is not trusted here: {error.verify_message}") from error
    except (OSError, HTTPException) as error:
        what = error if isinstance(error, OSError) else type(error).__name__
        raise Failed(f"{host} gives no answer ({what}); check the host, its DNS record, and that it runs") from error
    finally:
        connection.close()
    if expected and answer.status != expected:
        redirect = "clients lose what they send at a redirect; have the path passed on as it is"
        remedy = redirect if answer.status // 100 == 3 else REMEDIES.get(answer.status, "see the connector's log")
        raise Failed(f"{path} answers {answer.status}, not {expected}: {remedy}")
    return answer.headers, text
