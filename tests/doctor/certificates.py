"""Certificates for servers of the zoo: an authority of its own, and leaves with one fault each."""

import datetime
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Issued:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def issue(name: str, by: Issued | None = None, *, authority: bool = False, days: tuple[int, int] = (-1, 30)) -> Issued:
    """A certificate for a host, or of an authority; signed by itself where no authority is given."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + days[0] * DAY)
        .not_valid_after(NOW + days[1] * DAY)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if not authority:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    return Issued(builder.sign(by.key if by else key, SHA256()), key)


def make(folder: Path, host: str) -> dict[str, tuple[Path, Path]]:
    """Chain and key of each kind, and under `authority` what to trust."""
    root = issue("Zoo Root", authority=True)
    between = issue("Zoo Intermediate", root, authority=True)
    good = issue(host, between)
    private = issue("Private Root", authority=True)
    kinds = {
        "good": [good, between],
        "tls-self-signed": [issue(host)],
        "tls-expired": [issue(host, between, days=(-30, -2)), between],
        "tls-wrong-name": [issue("other.example.com", between), between],
        "tls-chain": [good],
        "tls-private": [issue(host, private), private],
        "tls-private-expired": [issue(host, private, days=(-30, -2)), private],
        "authority": [root],
    }
    made = {}
    for name, chain in kinds.items():
        made[name] = folder / f"{name}.pem", folder / f"{name}.key"
        made[name][0].write_bytes(b"".join(one.certificate.public_bytes(Encoding.PEM) for one in chain))
        key = chain[0].key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        made[name][1].write_bytes(key)
    return made
