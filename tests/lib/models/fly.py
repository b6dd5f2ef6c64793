"""An app of Fly.io: the reference of fly.toml, for an app with one HTTP service."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from . import Strict


def duration(value: int | str) -> int | str:
    if isinstance(value, str) and not re.fullmatch(r"(\d+(ms|s|m|h))+", value):
        raise ValueError("must be a duration such as 10s")
    return value


def not_fly(value: str) -> str:
    if value.startswith("FLY_"):
        raise ValueError("is reserved: Fly.io sets it")
    return value


Duration = Annotated[int | str, AfterValidator(duration)]
Port = Annotated[int, Field(ge=1, le=65535)]
Path = Annotated[str, Field(pattern=r"^/")]
Method = Literal["GET", "get", "HEAD", "head", "POST", "post"]
EnvironmentName = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$"), AfterValidator(not_fly)]
REGIONS = "ams arn bom cdg dfw ewr fra gru iad jnb lax lhr nrt ord sin sjc syd yyz"
Region = Annotated[str, Field(pattern=f"^({REGIONS.replace(' ', '|')})$")]


class Build(Strict):
    dockerfile: str | None = None
    image: str | None = None
    ignorefile: str | None = None
    args: dict[str, str] = Field(default_factory=dict)


class Deploy(Strict):
    strategy: Literal["rolling", "immediate", "canary", "bluegreen"] = "rolling"
    max_unavailable: Annotated[int | float, Field(gt=0)] | None = None
    release_command: str | None = None
    release_command_timeout: Duration | None = None
    wait_timeout: Duration | None = None


class Concurrency(Strict):
    type: Literal["connections", "requests"]
    soft_limit: Annotated[int, Field(ge=1)]
    hard_limit: Annotated[int, Field(ge=1)] | None = None


class HttpOptions(Strict):
    idle_timeout: Annotated[int, Field(ge=1)] | None = None
    h2_backend: bool | None = None


class ServiceCheck(Strict):
    method: Method = "GET"
    path: Path
    grace_period: Duration
    interval: Duration
    timeout: Duration
    protocol: Literal["http", "https"] | None = None
    headers: dict[str, str] = Field(default_factory=dict)


class Check(Strict):
    type: Literal["http", "tcp"]
    port: Port
    method: Method = "GET"
    path: Path
    grace_period: Duration
    interval: Duration
    timeout: Duration
    headers: dict[str, str] = Field(default_factory=dict)
    processes: list[str] = Field(default_factory=list)


class HttpService(Strict):
    internal_port: Port
    force_https: bool
    auto_start_machines: bool
    auto_stop_machines: Literal["off", "stop", "suspend"]
    min_machines_running: Annotated[int, Field(ge=0)] = 0
    processes: list[str] = Field(default_factory=list)
    concurrency: Concurrency
    http_options: HttpOptions
    checks: Annotated[list[ServiceCheck], Field(min_length=1)]


class Restart(Strict):
    policy: Literal["always", "never", "on-failure"]
    retries: int | None = None
    processes: list[str] = Field(default_factory=list)


class Machine(Strict):
    size: str | None = None
    memory: int | Annotated[str, Field(pattern=r"^\d+(mb|gb|MB|GB)$")] | None = None
    cpus: Literal[1, 2, 4, 8, 16] | None = None
    cpu_kind: Literal["shared", "performance"] | None = None
    processes: list[str] = Field(default_factory=list)


class Metrics(Strict):
    port: Port
    path: Path


class App(Strict):
    app: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    primary_region: Region
    kill_signal: Literal["SIGINT", "SIGTERM", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGKILL", "SIGSTOP"]
    kill_timeout: Annotated[int, Field(ge=1, le=300)]
    swap_size_mb: int | None = None
    console_command: str | None = None
    build: Build
    deploy: Deploy
    env: dict[EnvironmentName, str]
    http_service: HttpService
    checks: dict[str, Check]
    metrics: Metrics | None = None
    restart: list[Restart]
    vm: list[Machine]
