"""One request and its answer over a connection of its own, whatever the other side does.

No proxy, cookie, cache or redirect takes part. The connection goes to an address that was looked at before, so that a
name cannot lead elsewhere in between.
"""

import asyncio
import ssl
import time
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum

import certifi
import h11

from .documents import replied
from .target import Url

LARGEST = 1_000_000  # bytes of an answer that are read
HEAD = 64 * 1024  # bytes of a header section
BODY = 8.0  # seconds
UNTRUSTED = (2, 18, 19, 20, 21)  # OpenSSL: nobody who is trusted signed this certificate


class Trouble(StrEnum):
    """Why there is no answer."""

    NAME = "the name has no address"
    FORBIDDEN = "the address is not called"
    REFUSED = "the connection is refused"
    TLS = "the TLS handshake fails"
    SILENT = "no answer in time"
    CLOSED = "the connection is closed without an answer"
    GARBLED = "the answer is not HTTP"
    SPENT = "the time or the requests of this run are used up"


@dataclass(frozen=True)
class Request:
    method: str
    url: Url
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    linger: float = BODY
    """Seconds for the body, after its head."""


@dataclass(frozen=True)
class Answer:
    """What came back. Without `trouble` there is a status; `cut` says why a body is not whole."""

    request: Request
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    """By lower-case name; several of one name are joined by commas (RFC 9110 §5.3)."""
    body: bytes = b""
    trouble: Trouble | None = None
    detail: str = ""
    codes: tuple[int, ...] = ()
    """OpenSSL's numbers for what is wrong with the certificate (x509_vfy.h)."""
    cut: str = ""
    """`size`, `time`, `broken`, or `coding` for a content coding that cannot be undone."""
    seconds: float = 0.0
    """Until the header section was there."""
    whole: float = 0.0
    """Until the body was."""

    @property
    def said(self) -> bool:
        return self.trouble is None

    @property
    def type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


class Reading:
    """An answer as it arrives, so that what came before a time-out is kept."""

    def __init__(self, request: Request) -> None:
        self.request, self.began = request, time.monotonic()
        self.status, self.headers = 0, dict[str, str]()
        self.body, self.cut, self.seconds = bytearray(), "", 0.0
        self.limit: asyncio.Timeout | None = None

    def head(self, response: h11.Response) -> None:
        self.status, self.seconds = response.status_code, time.monotonic() - self.began
        if self.limit:
            self.limit.reschedule(min(self.limit.when() or 0, asyncio.get_running_loop().time() + self.request.linger))
        for raw, value in response.headers:
            name, text = raw.decode("latin-1").lower(), value.decode("latin-1")
            self.headers[name] = f"{self.headers[name]}, {text}" if name in self.headers else text

    def enough(self) -> bool:
        """Whether nothing that is still to come matters."""
        if len(self.body) > LARGEST:
            self.cut = "size"
            return True
        return self.headers.get("content-type", "").startswith("text/event-stream") and replied(bytes(self.body))

    def answer(self, trouble: Trouble | None = None, detail: str = "", codes: tuple[int, ...] = ()) -> Answer:
        took = time.monotonic() - self.began
        if not self.status:
            return Answer(self.request, trouble=trouble or Trouble.CLOSED, detail=detail, codes=codes, seconds=took)
        cut = self.cut or {None: "", Trouble.SILENT: "time"}.get(trouble, "broken")
        try:
            body = decoded(bytes(self.body[:LARGEST]), self.headers.get("content-encoding", ""))
        except ValueError:
            body, cut = b"", cut or "coding"
        return Answer(
            self.request, self.status, self.headers, body, detail=detail, cut=cut, seconds=self.seconds, whole=took
        )


def decoded(body: bytes, encoding: str) -> bytes:
    """A body that was compressed though nobody asked for it, up to the same limit; ValueError where it is not that."""
    encoding = encoding.strip().lower()
    if encoding in ("", "identity") or not body:
        return body
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise ValueError(encoding)
    try:
        return zlib.decompressobj(47).decompress(body, LARGEST)
    except zlib.error:
        raise ValueError(encoding) from None


async def exchange(request: Request, address: tuple[str, int], trust: ssl.SSLContext, patience: float) -> Answer:
    """Send a request to an address and read the answer: `patience` seconds for its head, `linger` for the rest."""
    reading = Reading(request)
    try:
        async with asyncio.timeout(patience) as reading.limit:
            await converse(reading, address, trust)
    except TimeoutError:
        return reading.answer(Trouble.SILENT, f"{patience:.0f} s")
    except ssl.SSLCertVerificationError as error:
        also = await looking_again(request, address, patience) if error.verify_code in UNTRUSTED else ()
        return reading.answer(Trouble.TLS, error.verify_message, (error.verify_code, *also))
    except ssl.SSLError as error:
        return reading.answer(Trouble.TLS, (error.reason or "handshake failure").replace("_", " ").lower())
    except h11.ProtocolError as error:
        return reading.answer(Trouble.GARBLED, str(error))
    except ConnectionRefusedError:
        return reading.answer(Trouble.REFUSED)
    except ConnectionError:
        return reading.answer(Trouble.CLOSED)
    except OSError as error:
        return reading.answer(Trouble.REFUSED, error.strerror or "")
    return reading.answer()


async def looking_again(request: Request, address: tuple[str, int], patience: float) -> tuple[int, ...]:
    """What else is wrong with a certificate that is not trusted: OpenSSL stops at the first fault.

    The certificate itself is trusted for this one handshake, in which nothing is sent.
    """
    blind = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    blind.check_hostname, blind.verify_mode = False, ssl.CERT_NONE
    try:
        async with asyncio.timeout(patience):
            trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            trust.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            trust.load_verify_locations(cadata=await handshake(request, address, blind))
            await handshake(request, address, trust)
    except ssl.SSLCertVerificationError as error:
        return (error.verify_code,)
    except (OSError, ValueError, TimeoutError):
        pass
    return ()


async def handshake(request: Request, address: tuple[str, int], trust: ssl.SSLContext) -> bytes:
    """The certificate of the other side, in DER."""
    _, writer = await asyncio.open_connection(*address, ssl=trust, server_hostname=request.url.host)
    try:
        found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return found if isinstance(found, bytes) else b""
    finally:
        writer.transport.abort()


async def converse(reading: Reading, address: tuple[str, int], trust: ssl.SSLContext) -> None:
    url = reading.request.url
    tls, name = (trust, url.host) if url.scheme == "https" else (None, None)
    reader, writer = await asyncio.open_connection(*address, ssl=tls, server_hostname=name)
    try:
        wire = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD)
        writer.write(sent(wire, reading.request))
        while not reading.enough():
            event = wire.next_event()
            if event is h11.NEED_DATA:
                data = await reader.read(64 * 1024)
                if not data and not reading.status and not wire.trailing_data[0]:
                    raise ConnectionResetError  # politely, and yet without an answer
                wire.receive_data(data)
            elif isinstance(event, h11.Response):
                reading.head(event)
            elif isinstance(event, h11.Data):
                reading.body += event.data
            elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
                return
    finally:
        with suppress(Exception):
            writer.transport.abort()  # a polite end would wait for the other side


def sent(wire: h11.Connection, request: Request) -> bytes:
    """The bytes of a request."""
    url = request.url
    host = url.origin.partition("://")[2]
    headers = {"Host": host, "Accept-Encoding": "identity", "Connection": "close", **request.headers}
    if request.body or request.method == "POST":
        headers["Content-Length"] = str(len(request.body))
    pairs = [(name.encode("ascii"), value.encode("latin-1", "replace")) for name, value in headers.items()]
    data = wire.send(h11.Request(method=request.method, target=url.path, headers=pairs)) or b""
    if request.body:
        data += wire.send(h11.Data(data=request.body)) or b""
    return data + (wire.send(h11.EndOfMessage()) or b"")


def trusting(extra: str | None) -> ssl.SSLContext:
    """What platforms trust: the public certification authorities, and no others of this machine.

    `extra` is a file of certificates that is used in their place.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # create_default_context differs between versions of Python
    context.load_verify_locations(extra or certifi.where())
    context.set_alpn_protocols(["http/1.1"])
    return context
