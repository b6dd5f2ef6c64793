"""A project of Railway: what `.railway/railway.ts` hands to the functions of `railway/iac`.

Written from the reference of Infrastructure as Code; `build` and `deploy` from the types of npm's `railway` 3.11.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from . import Strict

NODE = Path(sys.executable).with_name("node")

# The functions of the package, which give back what they are given.
FUNCTIONS = """
const outputs = (resource) => new Proxy({}, { get: (_, output) => ({ type: "reference", resource, output }) });
export const defineRailway = (program) => program;
export const preserve = () => ({ type: "preserve" });
export const project = (name, definition) => ({ name, ...definition });
export const service = (name, config = {}) => ({ kind: "service", name, config });
export const redis = (name, config = {}) =>
  Object.defineProperty({ kind: "redis", name, config }, "env", { value: outputs(name), enumerable: false });
"""
PROGRAM = (
    'import program from "./railway.ts"; console.log(JSON.stringify(await program({ environment: "production" })));'
)

Region = Literal["us-west2", "us-east4-eqdc4a", "europe-west4-drams3a", "asia-southeast1-eqsg3a"]
Seconds = Annotated[int, Field(ge=0)]


class Build(Strict):
    builder: Literal["RAILPACK", "DOCKERFILE"]
    dockerfilePath: str | None = None
    watchPatterns: list[str] | None = None


class Deploy(Strict):
    overlapSeconds: Seconds
    drainingSeconds: Seconds
    restartPolicyType: Literal["ON_FAILURE", "ALWAYS", "NEVER"]
    restartPolicyMaxRetries: int | None = None
    sleepApplication: bool | None = None


class Preserved(Strict):
    type: Literal["preserve"]


class Reference(Strict):
    type: Literal["reference"]
    resource: str
    output: Literal["REDIS_URL", "REDISHOST", "REDISPORT", "REDISUSER", "REDISPASSWORD"]


class ServiceConfig(Strict):
    build: Build
    deploy: Deploy
    healthcheck: Annotated[str, Field(pattern=r"^/")]
    healthcheckTimeout: Annotated[int, Field(ge=1)] = 300
    replicas: dict[Region, Annotated[int, Field(ge=1, le=50)]]
    domains: list[str] = Field(default_factory=list)
    env: dict[Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")], str | Preserved | Reference]


class RedisConfig(Strict):
    region: Region | None = None


class Service(Strict):
    kind: Literal["service"]
    name: str
    config: ServiceConfig


class Redis(Strict):
    kind: Literal["redis"]
    name: str
    config: RedisConfig


class Project(Strict):
    name: str
    resources: list[Annotated[Service | Redis, Field(discriminator="kind")]]

    @model_validator(mode="after")
    def _references_lead_somewhere(self) -> Self:
        names = {resource.name for resource in self.resources}
        for service in (resource for resource in self.resources if isinstance(resource, Service)):
            for name, value in service.config.env.items():
                if isinstance(value, Reference) and value.resource not in names:
                    raise ValueError(f"{name} refers to what is not in the project")
        return self


def evaluate(text: str, folder: Path) -> Any:
    """What the program in `railway.ts` describes.

    Raises:
        ValueError: It does not run.
    """
    package = folder / "node_modules/railway"
    package.mkdir(parents=True, exist_ok=True)
    (package / "package.json").write_text('{"name": "railway", "type": "module", "exports": {"./iac": "./iac.js"}}')
    (package / "iac.js").write_text(FUNCTIONS)
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "railway.ts").write_text(text)
    (folder / "run.js").write_text(PROGRAM)
    done = subprocess.run([NODE, "run.js"], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise ValueError(done.stderr)
    return json.loads(done.stdout)
