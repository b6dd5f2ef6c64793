"""What HTTP clients read from the environment: proxies, and certificate authorities.

A client that cannot use one of these variables raises an error when it is made, or at its first request. So `serve`,
`dev` and `smoke` check them first.
"""

import ipaddress
import os
import ssl
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import httpx2

from .parts import NotReady

PROXIES = {"http_proxy", "https_proxy", "all_proxy"}  # in either case
LOOPBACK = ("localhost", "127.0.0.1", "127.0.0.0/8", "::1")


def prepare() -> None:
    """What each command does before it sends a request.

    Raises:
        NotReady: No client can use one of these variables.
    """
    spare_loopback()
    if why := fault():
        raise NotReady(why)


def spare_loopback() -> None:
    """Let no client of this process send requests to this machine through a proxy."""
    if not any(name.lower() in PROXIES for name in os.environ):
        return  # without proxies here, a client may look for them elsewhere, but not once NO_PROXY is set
    given = os.environ.get("no_proxy") or os.environ.get("NO_PROXY", "")
    named = [entry.strip() for entry in given.split(",")]
    spared = ",".join([*filter(None, named), *(entry for entry in LOOPBACK if entry not in named)])
    os.environ |= {"no_proxy": spared, "NO_PROXY": spared}


def fault() -> str | None:
    """One sentence about a variable that no client can use, or None. Never its value, which may hold a password."""
    for name, value in sorted(os.environ.items()):
        if name.lower() in PROXIES and value and (wrong := proxy_fault(value)):
            return f"{name} {wrong}"
    try:
        httpx2.Client(verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)).close()
    except ValueError:  # of IDNA, for a name that begins with xn--
        return "NO_PROXY names a host that does not exist; correct or unset it"
    try:
        if log := os.environ.get("SSLKEYLOGFILE"):  # Python writes session keys there
            Path(log).open("ab").close()
    except OSError as error:
        return f"SSLKEYLOGFILE must be a file that can be written ({error.strerror}); correct or unset it"
    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    try:
        if file:
            ssl.create_default_context(cafile=file)
    except OSError as error:
        reason = "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
        return f"SSL_CERT_FILE must be a file of certificates in PEM format ({reason}); correct or unset it"
    if folder and not file and not Path(folder).is_dir():
        return "SSL_CERT_DIR must be a folder of certificates; correct or unset it"
    return None


def proxy_fault(value: str) -> str | None:
    """What is wrong with the URL of a proxy, and what to do."""
    try:
        url = urlsplit(value if "://" in value else f"http://{value}")
        host = url.hostname or ""
        if "[" in url.netloc:
            ipaddress.IPv6Address(host)
        elif host.replace(".", "").isdigit():
            ipaddress.IPv4Address(host)
        known = bool(host.encode("idna")) and url.port != 0 and ("://" in value or url.port is not None)
    except ValueError:
        known = False
    known = known and value.isprintable() and " " not in value
    if known and url.scheme in {"socks5", "socks5h"}:
        missing = "names a SOCKS proxy, which needs the package socksio; install it, or unset this variable"
        return None if find_spec("socksio") else missing
    if not known or url.scheme not in {"http", "https"}:
        return "must be the URL of a proxy, such as http://proxy.example.com:3128; correct or unset it"
    return None
