"""Name, address, certificate and the first answer."""

from collections.abc import Iterator

from .. import addresses
from ..evidence import Evidence
from ..exchange import Trouble
from ..findings import Seen
from ..text import clean

CERTIFICATES = {
    "tls-expired": (9, 10),
    "tls-self-signed": (18,),
    "tls-authority": (19,),
    "tls-chain": (2, 20, 21),
    "tls-name": (62, 64),
}
SAID = {"tls-expired": "the certificate is not valid at this time", "tls-name": "the certificate names other hosts"}
COLD = 5.0  # seconds
SECRET_NAMES = ("token", "key", "secret", "password", "auth", "sig", "signature")


def url(heard: Evidence) -> Iterator[Seen]:
    """What the URL alone says, as platforms read it. A URL of this machine is taken as one behind public HTTPS."""
    target = heard.target
    if target.user_info:
        yield Seen("url-user", "a user name before the host")
    query = target.path.partition("?")[2]
    if any(part.partition("=")[0].lower().endswith(SECRET_NAMES) for part in query.split("&")):
        yield Seen("url-secret", "a query that seems to hold a credential")
    if not heard.addresses or heard.kind == addresses.LOOPBACK:
        return
    if heard.kind == addresses.PRIVATE:
        yield Seen("address-private", clean(", ".join(heard.addresses)))
    elif heard.kind == addresses.OTHER:
        yield Seen("address-special", clean(", ".join(heard.addresses)))
    elif all(":" in address for address in heard.addresses):
        yield Seen("address-ipv6", clean(", ".join(heard.addresses)))
    if target.scheme == "http":
        yield Seen("url-http", target.shown)
    elif target.port != 443:
        yield Seen("url-port", f"port {target.port}")


def reached(heard: Evidence) -> Iterator[Seen]:
    """Whether there is an answer at all."""
    bare = heard.answers["bare"]
    host = {"host": clean(heard.target.host)}
    if bare.trouble is Trouble.NAME:
        yield Seen("name", f"{host['host']} has no address", host)
    elif bare.trouble is Trouble.TLS:
        names = [certificate(code) for code in bare.codes]
        names = names or ["tls-client" if "certificate required" in bare.detail else "tls"]
        yield from (Seen(name, SAID.get(name, clean(bare.detail)), host) for name in dict.fromkeys(names))
    elif bare.trouble is Trouble.GARBLED:
        yield Seen("not-http", clean(bare.detail))
    elif bare.trouble in (Trouble.SILENT, Trouble.SPENT):
        yield Seen("silent", f"nothing in {bare.seconds:.0f} s")
    elif bare.trouble:
        detail = f" ({clean(bare.detail, 60)})" if bare.detail else ""
        yield Seen("refused", f"{bare.trouble}{detail}")


def certificate(code: int) -> str:
    """The probe for one of OpenSSL's numbers (x509_vfy.h)."""
    return next((name for name, codes in CERTIFICATES.items() if code in codes), "tls")


def start(heard: Evidence) -> Iterator[Seen]:
    """Whether the first answer came late and later ones do not."""
    first, again = heard.heard("bare"), heard.heard("again")
    if first and again and first.seconds > COLD and again.seconds < first.seconds / 3:
        yield Seen("cold-start", f"the first answer after {first.seconds:.0f} s, the next after {again.seconds:.1f} s")
