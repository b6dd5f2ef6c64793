"""A Blueprint of Render: the Blueprint YAML reference, for web services from a Dockerfile or image, and Key Value."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from . import Strict

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
Region = Literal["frankfurt", "ohio", "oregon", "singapore", "virginia"]
Plan = Literal["free", "starter", "standard", "pro", "pro plus", "pro max", "pro ultra"]


class FromService(Strict):
    type: Literal["web", "pserv", "worker", "cron", "keyvalue"]
    name: Name
    property: Literal["host", "port", "hostport", "connectionString"] | None = None
    envVarKey: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.property is None) == (self.envVarKey is None):
            raise ValueError("must name a property or a variable, and not both")
        return self


class Variable(Strict):
    key: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")]
    value: str | None = None
    generateValue: Literal[True] | None = None
    sync: Literal[False] | None = None
    fromService: FromService | None = None

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if sum(origin is not None for origin in (self.value, self.generateValue, self.sync, self.fromService)) != 1:
            raise ValueError("must come from one place")
        return self


class Scaling(Strict):
    minInstances: Annotated[int, Field(ge=1, le=100)]
    maxInstances: Annotated[int, Field(ge=1, le=100)]
    targetCPUPercent: Annotated[int, Field(ge=1, le=90)] | None = None
    targetMemoryPercent: Annotated[int, Field(ge=1, le=90)] | None = None


class BuildFilter(Strict):
    paths: list[str]
    ignoredPaths: list[str]


class Named(Strict):
    name: str


class Credentials(Strict):
    fromRegistryCreds: Named


class Image(Strict):
    url: Annotated[str, Field(pattern=r"^[\w.-]+(/[\w.-]+)+:[\w.-]+$")]
    creds: Credentials | None = None


class Web(Strict):
    type: Literal["web"]
    name: Name
    runtime: Literal["docker", "image"]
    image: Image | None = None
    region: Region
    plan: Plan
    branch: str | None = None
    rootDir: str | None = None
    numInstances: Annotated[int, Field(ge=1, le=100)] | None = None
    scaling: Scaling | None = None
    dockerfilePath: str | None = None
    dockerContext: str | None = None
    dockerCommand: str | None = None
    preDeployCommand: str | None = None
    autoDeployTrigger: Literal["commit", "checksPass", "off"] | None = None
    buildFilter: BuildFilter | None = None
    healthCheckPath: Annotated[str, Field(pattern=r"^/")]
    maxShutdownDelaySeconds: Annotated[int, Field(ge=1, le=300)]
    domains: list[str] = Field(default_factory=list)
    envVars: list[Variable]

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        built = (self.runtime == "docker", self.dockerfilePath is not None, self.autoDeployTrigger is not None)
        if built not in {(True, True, True), (False, False, False)} or (self.image is None) != built[0]:
            raise ValueError("is built there from a Dockerfile, or is an image")
        return self

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        keys = [variable.key for variable in self.envVars]
        if len(set(keys)) < len(keys):
            raise ValueError("a variable is set twice")
        return self


class Source(Strict):
    source: str
    description: str | None = None


class KeyValue(Strict):
    type: Literal["keyvalue"]
    name: Name
    region: Region
    plan: Literal["free", "starter", "standard", "pro", "pro plus"]
    previewPlan: str | None = None
    maxmemoryPolicy: Literal[
        "noeviction",
        "allkeys-lru",
        "allkeys-lfu",
        "allkeys-random",
        "volatile-lru",
        "volatile-lfu",
        "volatile-random",
        "volatile-ttl",
    ]
    ipAllowList: list[Source]


class Blueprint(Strict):
    services: Annotated[list[Annotated[Web | KeyValue, Field(discriminator="type")]], Field(min_length=1)]

    @model_validator(mode="after")
    def _references_lead_somewhere(self) -> Self:
        there: dict[tuple[str, str], str] = {(service.type, service.name): service.region for service in self.services}
        for web in (service for service in self.services if isinstance(service, Web)):
            for variable in web.envVars:
                origin = variable.fromService
                # The private network ends at the region.
                if origin and there.get((origin.type, origin.name)) != web.region:
                    raise ValueError(f"{variable.key} refers to a service that is not there")
        return self
