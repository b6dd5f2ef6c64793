"""Servers of PostgreSQL and MariaDB for tests: new ones in a temporary folder, on a free port of this machine.

They are Debian's programs, and run as a normal user. Nothing is left when the block ends.
"""

import os
import pwd
import shutil
import socket
import subprocess
import sys
import time
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PASSWORD = "secret-of-the-test"
POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
MARIADB = shutil.which("mariadbd", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
NORMAL = "nobody"  # neither server runs as root


@dataclass(frozen=True)
class Server:
    """A running server, and its superuser."""

    engine: str  # as the scheme of a URL
    port: int
    folder: Path
    process: "subprocess.Popen[bytes]"

    def url(self, user: str = "admin", database: str = "shop", password: str = PASSWORD, options: str = "") -> str:
        return f"{self.engine}://{user}:{password}@127.0.0.1:{self.port}/{database}{options}"

    def run(self, sql: str, database: str = "shop") -> str:
        """Run statements as the superuser. Returns what they print, a line for each row, cells between tabs."""
        if self.engine == "postgresql":
            command: list[Any] = [
                POSTGRES[-1] / "psql",
                "-h",
                self.folder,
                "-p",
                str(self.port),
                "-U",
                "admin",
                "-d",
                database,
            ]
            command += ["-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-f", "-"]
        else:
            command = ["mariadb", "--no-defaults", f"--socket={self.folder}/socket", "-uroot", "-N", "-B"]
            command += ["--default-character-set=utf8mb4", database]
        done = subprocess.run(
            command, input=sql, capture_output=True, text=True, env={**os.environ, "PGPASSWORD": PASSWORD}
        )
        assert done.returncode == 0, done.stderr
        return str(done.stdout)

    def load(self, table: str, rows: Sequence[tuple[object, ...]]) -> None:
        """Insert many rows."""

        def written(value: object) -> str:
            return "NULL" if value is None else str(value) if isinstance(value, int) else f"'{value}'"

        lines = [f"({', '.join(map(written, row))})" for row in rows]
        parts = [lines[at : at + 1_000] for at in range(0, len(lines), 1_000)]
        inserts = [f"INSERT INTO {table} VALUES {', '.join(part)};" for part in parts]
        self.run("\n".join(["BEGIN;", *inserts, "COMMIT;"]))


def characters() -> list[tuple[int, str, str, int | None]]:
    """Over 100,000 real rows: every character of Unicode that has a name, its category, and its value as a digit."""
    every = ((code, unicodedata.name(chr(code), ""), chr(code)) for code in range(sys.maxunicode))
    return [(code, name, unicodedata.category(one), unicodedata.digit(one, None)) for code, name, one in every if name]


def missing(engine: str) -> str | None:
    """Why a server cannot run here, or None."""
    if engine == "postgresql" and not POSTGRES:
        return "PostgreSQL is not installed: apt-get install postgresql"
    if engine == "mariadb" and not (MARIADB and shutil.which("mariadb-install-db") and shutil.which("mariadb")):
        return "MariaDB is not installed: apt-get install mariadb-server-core mariadb-client-core"
    return None


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def normal_user(folder: Path) -> dict[str, Any]:
    """Options of `subprocess` to run as a normal user, to whom the folder then belongs."""
    if os.getuid() != 0:
        return {}
    user = pwd.getpwnam(NORMAL)
    os.chown(folder, user.pw_uid, user.pw_gid)
    for parent in folder.parents:  # down to the folder, it must be possible to pass
        if parent.stat().st_mode & 0o111 != 0o111 and parent.owner() == "root":
            parent.chmod(parent.stat().st_mode | 0o111)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def given_away(path: Path) -> None:
    """Let the normal user have it."""
    if os.getuid() == 0:
        user = pwd.getpwnam(NORMAL)
        os.chown(path, user.pw_uid, user.pw_gid)


@contextmanager
def postgresql(folder: Path, *options: str) -> Iterator[Server]:
    """A server of PostgreSQL with the superuser `admin` and an empty database `shop`. Options are `name=value`."""
    folder.mkdir(parents=True)
    run_as, port, data = normal_user(folder), free_port(), folder / "data"
    (folder / "password").write_text(PASSWORD)
    at = POSTGRES[-1]
    initdb: list[Any] = [
        at / "initdb",
        "-D",
        data,
        "-U",
        "admin",
        "-A",
        "scram-sha-256",
        "--pwfile",
        folder / "password",
    ]
    initdb += ["-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
    subprocess.run(initdb, check=True, capture_output=True, cwd=folder, **run_as)
    settings = ["fsync=off", f"unix_socket_directories={folder}", "listen_addresses=127.0.0.1", *options]
    command = [at / "postgres", "-D", data, "-p", str(port), *[part for one in settings for part in ("-c", one)]]
    with _running("postgresql", command, port, folder, run_as) as server:
        _wait(server, "template1", "SELECT 1")
        server.run("CREATE DATABASE shop", "template1")
        yield server


@contextmanager
def mariadb(folder: Path, *options: str) -> Iterator[Server]:
    """A server of MariaDB with an empty database `shop`, and the user `admin` who may do everything."""
    folder.mkdir(parents=True)
    run_as, port, data = normal_user(folder), free_port(), folder / "data"
    assert MARIADB
    install = ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--skip-test-db", f"--tmpdir={folder}"]
    install += ["--auth-root-authentication-method=normal", "--skip-name-resolve"]
    subprocess.run(install, check=True, capture_output=True, cwd=folder, **run_as)
    command = [MARIADB, "--no-defaults", f"--datadir={data}", f"--port={port}", "--bind-address=127.0.0.1"]
    command += [f"--socket={folder}/socket", f"--tmpdir={folder}", f"--pid-file={folder}/pid", *options]
    with _running("mariadb", command, port, folder, run_as) as server:
        _wait(server, "mysql", "SELECT 1")
        server.run(
            "CREATE DATABASE shop CHARACTER SET utf8mb4;"
            f"CREATE USER admin@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';"
            "GRANT ALL PRIVILEGES ON *.* TO admin@'127.0.0.1' WITH GRANT OPTION;",
            "mysql",
        )
        yield server


@contextmanager
def _running(engine: str, command: list[Any], port: int, folder: Path, run_as: dict[str, Any]) -> Iterator[Server]:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, **run_as)
    try:
        yield Server(engine, port, folder, process)
    finally:
        process.terminate()  # PostgreSQL then waits for its clients
        try:
            process.wait(3)
        except subprocess.TimeoutExpired:
            process.send_signal(3)  # at once, and in order
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(server: Server, database: str, sql: str) -> None:
    """Until the server answers."""
    until = time.monotonic() + 60
    while True:
        try:
            server.run(sql, database)
            return
        except AssertionError:
            if time.monotonic() > until or server.process.poll() is not None:
                raise
            time.sleep(0.1)
