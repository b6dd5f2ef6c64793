"""A browser, and a user who logs in wherever they are asked and agrees to everything.

$BROWSER URL, with this module run as $BROWSER, prints where the user was sent in the end, and goes there. With the
further argument `--stay` it goes nowhere, for a client that reads what is printed and listens to nothing.
"""

import re
import sys
import time
from base64 import urlsafe_b64encode
from contextlib import suppress
from hashlib import sha256
from html import unescape
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2


def log_in(url: str, person: str = "alice") -> str:
    """Where someone is sent back to who opened `url`, by whatever hosts, and did all that the pages there ask for."""
    with httpx2.Client(trust_env=False, timeout=10) as http:
        return follow(http, url, query(url)["redirect_uri"], person)


def follow(http: httpx2.Client, url: str, client: str, person: str = "alice") -> str:
    """The same, in this browser and until `client` is reached."""
    answer = http.get(url)
    for _ in range(15):
        if location := answer.headers.get("location"):
            target = urljoin(str(answer.url), location)
            if target.startswith(f"{client}?"):
                return target
            answer = http.get(target)
        else:
            action, fields = form(answer, person)
            answer = http.post(action, data=fields)
    raise AssertionError(f"{url} leads nowhere")


def form(answer: httpx2.Response, person: str) -> tuple[str, dict[str, str]]:
    """The form of a page, filled in: where it goes, and its fields."""
    page = answer.text
    found = re.search(r"<form[^>]*>", page)
    assert found, f"{answer.url} answers {answer.status_code}: {page}"
    action = re.search(r' action="([^"]*)"', found[0])  # without one it goes to where the page is from
    tags = re.findall(r"<input[^>]*>|<button[^>]*approve[^>]*>", page)
    inputs = [dict(re.findall(r'(\w+)="([^"]*)"', tag)) for tag in tags]
    fields = {field["name"]: unescape(field.get("value", person)) for field in inputs if "name" in field}
    return urljoin(str(answer.url), unescape(action[1] if action else "")), fields


def query(url: str) -> dict[str, str]:
    """What a URL carries, such as the code and state of a callback."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def challenge(verifier: str) -> str:
    """What a client sends first of this secret of its own (RFC 7636 §4.2, S256)."""
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).decode().rstrip("=")


if __name__ == "__main__":
    reached = log_in(sys.argv[1])
    print(reached, flush=True)
    for _ in range(0 if "--stay" in sys.argv else 50):  # some clients listen only after they have opened the browser
        with suppress(httpx2.ConnectError):
            httpx2.get(reached, trust_env=False, timeout=10)
            break
        time.sleep(0.1)
