"""The connection to a server with a certificate of an authority of one's own."""

import datetime
import ipaddress
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ..lib import databases
from ..lib.databases import PASSWORD, Server
from .conftest import Check

pytestmark = pytest.mark.databases

SETUP = {
    "postgresql": f"CREATE TABLE t (id int PRIMARY KEY); CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}';"
    " GRANT SELECT ON t TO reader;",
    "mariadb": f"CREATE TABLE t (id int PRIMARY KEY); CREATE USER reader@'%' IDENTIFIED BY '{PASSWORD}' REQUIRE SSL;"
    " GRANT SELECT ON shop.t TO reader@'%';",
}


def written(folder: Path) -> None:
    """The files ca.pem, cert.pem and key.pem: a certificate for 127.0.0.1, and not for localhost."""
    now = datetime.datetime.now(datetime.UTC)

    def made(name: str, issuer: str, key: Any, signer: Any, *extensions: Any) -> x509.Certificate:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        by = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)])
        builder = x509.CertificateBuilder(by, subject, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - datetime.timedelta(days=1))
        builder = builder.not_valid_after(now + datetime.timedelta(days=1))
        for extension in extensions:
            builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        return builder.sign(signer, hashes.SHA256())

    authority, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    usage = x509.KeyUsage(*(name in {5, 6} for name in range(9)))
    identity = x509.SubjectKeyIdentifier.from_public_key(authority.public_key())
    ca = made("Own CA", "Own CA", authority, authority, x509.BasicConstraints(True, None), usage, identity)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    by = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key())
    cert = made("server", "Own CA", key, authority, names, by)
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(ca.public_bytes(pem))
    (folder / "cert.pem").write_bytes(cert.public_bytes(pem))
    plain = serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(pem, *plain))


@pytest.fixture(scope="module", params=["postgresql", "mariadb"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if why := databases.missing(request.param):
        pytest.skip(why)
    folder = tmp_path_factory.mktemp("tls")
    written(folder)
    for file in [folder, *folder.iterdir()]:
        databases.given_away(file)
    (folder / "key.pem").chmod(0o600)
    cert, key = folder / "cert.pem", folder / "key.pem"
    if request.param == "postgresql":
        started = databases.postgresql(folder / "server", "ssl=on", f"ssl_cert_file={cert}", f"ssl_key_file={key}")
    else:
        started = databases.mariadb(folder / "server", f"--ssl-cert={cert}", f"--ssl-key={key}")
    with started as server:
        server.run(SETUP[server.engine])
        yield server


def test_the_certificate_of_an_own_authority_is_checked(server: Server, check: Check) -> None:
    ca = server.folder.parent / "ca.pem"
    url = server.url("reader")
    assert check(database_url=url, database_ca=str(ca)) is None
    assert check(database_url=url, database_ca=ca.read_text()) is None
    assert check(database_url=url, database_ca=ca.read_text().replace("\n", "\\n")) is None
    said = check(database_url=server.url("reader", options="?sslmode=verify-full"))
    assert "certificate verify failed" in str(said)
    assert check(database_url=server.url("reader", options="?sslmode=require")) is None


def test_the_name_of_the_server_is_checked(server: Server, check: Check) -> None:
    ca = str(server.folder.parent / "ca.pem")
    other = server.url("reader").replace("127.0.0.1", "localhost")
    assert "certificate" in str(check(database_url=other, database_ca=ca))
    assert check(database_url=f"{other}?sslmode=verify-ca", database_ca=ca) is None
    assert "certificate" in str(check(database_url=f"{other}?sslmode=verify-ca"))


def test_an_authority_that_cannot_be_read_ends_the_start(server: Server, check: Check) -> None:
    for authority in ("/nowhere/ca.pem", str(server.folder.parent / "key.pem"), "-----BEGIN CERTIFICATE-----\nx"):
        assert "DATABASE_CA is neither" in str(check(database_url=server.url("reader"), database_ca=authority))


def test_a_connection_is_encrypted_where_the_server_asks_for_it(server: Server, check: Check) -> None:
    if server.engine == "mariadb":
        assert check(database_url=server.url("reader", options="?sslmode=disable"))
