"""Gateway and HTTPRoute of the Gateway API v1, as far as the template uses them: no package has a schema of them.

Written from the API reference of gateway.networking.k8s.io/v1; every key that is not named here is refused.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", max_length=253)]
SectionName = Name
Hostname = Annotated[
    str, StringConstraints(pattern=r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
]
Port = Annotated[int, Field(ge=1, le=65535)]
# GEP-2257: up to four of hours, minutes, seconds and milliseconds, each at most five digits.
Duration = Annotated[str, StringConstraints(pattern=r"^([0-9]{1,5}(h|m|s|ms)){1,4}$")]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Metadata(Strict):
    name: Name
    namespace: Name
    annotations: dict[str, str] = {}
    labels: dict[str, str] = {}


class SecretReference(Strict):
    name: Name
    namespace: Name | None = None


class ListenerTls(Strict):
    mode: Literal["Terminate", "Passthrough"] = "Terminate"
    certificateRefs: Annotated[list[SecretReference], Field(min_length=1, max_length=64)]


class HttpListener(Strict):
    name: SectionName
    protocol: Literal["HTTP"]
    port: Port
    hostname: Hostname


class HttpsListener(Strict):
    name: SectionName
    protocol: Literal["HTTPS"]
    port: Port
    hostname: Hostname
    tls: ListenerTls


Listener = Annotated[HttpListener | HttpsListener, Field(discriminator="protocol")]


class GatewaySpec(Strict):
    gatewayClassName: Name
    listeners: Annotated[list[Listener], Field(min_length=1, max_length=64)]


class Gateway(Strict):
    apiVersion: Literal["gateway.networking.k8s.io/v1"]
    kind: Literal["Gateway"]
    metadata: Metadata
    spec: GatewaySpec


class ParentReference(Strict):
    name: Name
    namespace: Name | None = None
    sectionName: SectionName


class PathMatch(Strict):
    type: Literal["Exact", "PathPrefix", "RegularExpression"]
    value: Annotated[str, StringConstraints(pattern=r"^/", max_length=1024)]


class Match(Strict):
    path: PathMatch


class Timeouts(Strict):
    request: Duration
    backendRequest: Duration | None = None


class BackendReference(Strict):
    name: Name
    port: Port
    weight: int = 1


class Rule(Strict):
    matches: Annotated[list[Match], Field(min_length=1, max_length=64)]
    timeouts: Timeouts
    backendRefs: Annotated[list[BackendReference], Field(min_length=1, max_length=16)]


class HTTPRouteSpec(Strict):
    parentRefs: Annotated[list[ParentReference], Field(min_length=1, max_length=32)]
    hostnames: Annotated[list[Hostname], Field(min_length=1, max_length=16)]
    rules: Annotated[list[Rule], Field(min_length=1, max_length=16)]


class HTTPRoute(Strict):
    apiVersion: Literal["gateway.networking.k8s.io/v1"]
    kind: Literal["HTTPRoute"]
    metadata: Metadata
    spec: HTTPRouteSpec
