"""A service of Cloud Run: the YAML reference and the schema `Service` of its Admin API, version 1.

Left out are fields that they call unsupported, deprecated or output.
"""

import json
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from . import Strict


def number(low: int, high: int) -> AfterValidator:
    """An annotation is text, also where it means a number."""

    def check(value: str) -> str:
        if not value.isdecimal() or not low <= int(value) <= high:
            raise ValueError(f"must be a number from {low} to {high}, as text")
        return value

    return AfterValidator(check)


def check_networks(value: str) -> str:
    for network in json.loads(value):
        if not set(network) <= {"network", "subnetwork", "tags"} or not {"network", "subnetwork"} & set(network):
            raise ValueError("must name a network or a subnetwork")
    return value


def free(path: str) -> str:
    if path.split("/")[1] in {"dev", "proc", "sys"}:
        raise ValueError("must not be below /dev, /proc or /sys")
    return path


Instances = Annotated[str, number(0, 1000)]
Flag = Literal["true", "false"]
Name = Annotated[str, Field(pattern=r"^[a-z]([a-z0-9-]*[a-z0-9])?$")]
Quantity = Annotated[str, Field(pattern=r"^\d+(m|Mi|Gi)?$")]


class HttpGet(Strict):
    path: Annotated[str, Field(pattern=r"^/")] = "/"
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    httpHeaders: list[dict[Literal["name", "value"], str]] = Field(default_factory=list)


class Probe(Strict):
    httpGet: HttpGet
    initialDelaySeconds: Annotated[int, Field(ge=0, le=240)] = 0
    periodSeconds: Annotated[int, Field(ge=1, le=240)] = 10
    timeoutSeconds: Annotated[int, Field(ge=1, le=240)] = 1
    failureThreshold: Annotated[int, Field(ge=1)] = 3
    successThreshold: Literal[1] = 1

    @model_validator(mode="after")
    def _in_time(self) -> Self:
        if self.timeoutSeconds > self.periodSeconds:
            raise ValueError("timeoutSeconds must not be longer than periodSeconds")
        return self


class StartupProbe(Probe):
    @model_validator(mode="after")
    def _within_four_minutes(self) -> Self:
        if self.periodSeconds * self.failureThreshold > 240:
            raise ValueError("an instance has 240 seconds to start")
        return self


class SecretKeyRef(Strict):
    name: Name
    key: Annotated[str, Field(pattern=r"^(latest|[1-9]\d*)$")]


class ValueFrom(Strict):
    secretKeyRef: SecretKeyRef


class Variable(Strict):
    name: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")]
    value: str | None = None
    valueFrom: ValueFrom | None = None

    @model_validator(mode="after")
    def _settable(self) -> Self:
        if (self.value is None) == (self.valueFrom is None):
            raise ValueError("must have a value or a reference, and not both")
        if self.name in {"PORT", "K_SERVICE", "K_REVISION", "K_CONFIGURATION"}:
            raise ValueError("is reserved: Cloud Run sets it")
        return self


class Port(Strict):
    name: Literal["http1", "h2c"]
    containerPort: Annotated[int, Field(ge=1, le=65535)]


class Limits(Strict):
    cpu: Quantity
    memory: Quantity


class Resources(Strict):
    limits: Limits


class Mount(Strict):
    name: Name
    mountPath: Annotated[str, Field(pattern=r"^/[^:]+$"), AfterValidator(free)]
    readOnly: bool | None = None


class Container(Strict):
    name: Name | None = None
    image: Annotated[str, Field(pattern=r"^[^:@\s]+(:[\w.-]+|@sha256:[0-9a-f]{64})$")]
    command: list[str] | None = None
    args: list[str] | None = None
    workingDir: str | None = None
    ports: Annotated[list[Port], Field(min_length=1, max_length=1)]
    env: list[Variable]
    resources: Resources
    startupProbe: StartupProbe
    livenessProbe: Probe
    readinessProbe: Probe | None = None
    volumeMounts: list[Mount] = Field(default_factory=list)

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        names = [variable.name for variable in self.env]
        if len(set(names)) < len(names):
            raise ValueError("a variable is set twice")
        return self


class Item(Strict):
    key: Annotated[str, Field(pattern=r"^(latest|[1-9]\d*)$")]
    path: Annotated[str, Field(pattern=r"^[\w-][\w./-]*$")]


class SecretVolume(Strict):
    secretName: Name
    items: list[Item]
    defaultMode: int | None = None


class Volume(Strict):
    name: Name
    secret: SecretVolume


class RevisionSpec(Strict):
    containerConcurrency: Annotated[int, Field(ge=1, le=1000)]
    timeoutSeconds: Annotated[int, Field(ge=1, le=3600)]
    serviceAccountName: Annotated[
        str, Field(pattern=r"^[a-z][a-z0-9-]{4,28}[a-z0-9]@[\w-]+\.iam\.gserviceaccount\.com$")
    ]
    containers: Annotated[list[Container], Field(min_length=1, max_length=1)]
    volumes: list[Volume] = Field(default_factory=list)

    @model_validator(mode="after")
    def _mounts_have_volumes(self) -> Self:
        if {mount.name for c in self.containers for mount in c.volumeMounts} != {
            volume.name for volume in self.volumes
        }:
            raise ValueError("mounts and volumes differ")
        return self


class RevisionAnnotations(Strict):
    min_scale: Annotated[Instances | None, Field(alias="autoscaling.knative.dev/minScale")] = None
    max_scale: Annotated[Instances, Field(alias="autoscaling.knative.dev/maxScale")]
    boost: Annotated[Flag | None, Field(alias="run.googleapis.com/startup-cpu-boost")] = None
    throttling: Annotated[Flag | None, Field(alias="run.googleapis.com/cpu-throttling")] = None
    environment: Annotated[Literal["gen1", "gen2"] | None, Field(alias="run.googleapis.com/execution-environment")] = (
        None
    )
    networks: Annotated[
        Annotated[str, AfterValidator(check_networks)] | None, Field(alias="run.googleapis.com/network-interfaces")
    ] = None
    egress: Annotated[
        Literal["all-traffic", "private-ranges-only"] | None, Field(alias="run.googleapis.com/vpc-access-egress")
    ] = None


class RevisionMetadata(Strict):
    name: Name | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: RevisionAnnotations


class Revision(Strict):
    metadata: RevisionMetadata
    spec: RevisionSpec


class Traffic(Strict):
    latestRevision: bool | None = None
    revisionName: str | None = None
    percent: Annotated[int, Field(ge=0, le=100)]
    tag: str | None = None


class ServiceSpec(Strict):
    template: Revision
    traffic: list[Traffic] = Field(default_factory=list)


class ServiceAnnotations(Strict):
    ingress: Annotated[
        Literal["all", "internal", "internal-and-cloud-load-balancing"], Field(alias="run.googleapis.com/ingress")
    ] = "all"
    invoker_check_off: Annotated[Flag, Field(alias="run.googleapis.com/invoker-iam-disabled")]
    min_scale: Annotated[Instances | None, Field(alias="run.googleapis.com/minScale")] = None
    description: Annotated[str | None, Field(alias="run.googleapis.com/description")] = None


class ServiceMetadata(Strict):
    name: Annotated[Name, Field(max_length=49)]
    namespace: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: ServiceAnnotations


class Service(Strict):
    apiVersion: Literal["serving.knative.dev/v1"]
    kind: Literal["Service"]
    metadata: ServiceMetadata
    spec: ServiceSpec
