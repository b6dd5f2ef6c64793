"""Where the connector listens: on IPv4, on IPv6, or on both."""

import errno
import ipaddress
import os
import re
import socket
from contextlib import ExitStack
from typing import Annotated

from pydantic import AfterValidator

LABEL = "[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
NAME = re.compile("(?=.{1,253}$)" + rf"{LABEL}(\.{LABEL})*", re.IGNORECASE)
# Each has a socket of its own: on one for both, the address of an IPv4 caller would look like ::ffff:10.0.0.1.
EVERYWHERE = ["::", "0.0.0.0"]  # noqa: S104
Address = tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]
ABSENT = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}


class CannotListen(Exception):
    """The setting that is wrong, and what to do."""


def host(value: str) -> str:
    """A host name, or an IP address in its usual form; brackets around it are left out."""
    bare = value.strip()
    bare = bare[1:-1] if bare.startswith("[") and bare.endswith("]") else bare
    try:
        if ":" in bare:
            return str(ipaddress.IPv6Address(bare))
    except ValueError:
        bare = ""
    if not NAME.fullmatch(bare):
        raise ValueError("must be an IP address or a host name, such as 127.0.0.1, or :: for all addresses")
    return bare


def bound(name: str, port: int) -> list[socket.socket]:
    """Sockets at all addresses of a host, to be listened on; for `::`, at all of IPv6 and of IPv4.

    Where this machine lacks one of both, the other is enough.

    Raises:
        CannotListen: An address cannot be used, or there is none.
    """
    sockets: list[socket.socket] = []
    absent: OSError | None = None
    with ExitStack() as unless_all:
        for family, address in dict.fromkeys(addresses(name, port)):
            try:
                sockets.append(unless_all.enter_context(bind(family, address)))
            except OSError as error:
                if error.errno not in ABSENT:
                    raise CannotListen(reason(name, port, error)) from error
                absent = error
        if absent and not sockets:
            raise CannotListen(reason(name, port, absent)) from absent
        unless_all.pop_all()
    return sockets


def bind(family: socket.AddressFamily, address: Address) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # elsewhere this would let two processes share a port
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)
    except OSError:
        made.close()
        raise
    return made


def addresses(name: str, port: int) -> list[tuple[socket.AddressFamily, Address]]:
    try:
        found = [
            socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            for host in (EVERYWHERE if name == "::" else [name])
        ]
    except OSError as error:
        raise CannotListen(f"HOST is {name}, which cannot be resolved ({error.strerror}); use an IP address") from error
    return [(family, address) for several in found for family, _, _, _, address in several]


def reason(name: str, port: int, error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"PORT is {port}, which another process uses; stop that process or choose another port"
        case errno.EACCES:
            return f"PORT is {port}, for which this user lacks the right; choose a port over 1023"
        case errno.EADDRNOTAVAIL:
            return f"HOST is {name}, which is not an address of this machine; use 127.0.0.1, or :: for all addresses"
        case errno.EAFNOSUPPORT:
            return f"HOST is {name}, and this machine has no IPv6; use 0.0.0.0"
    return f"HOST is {name} and PORT is {port}, where it cannot listen ({error.strerror}); choose others"


Host = Annotated[str, AfterValidator(host)]
