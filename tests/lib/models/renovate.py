"""The part of Renovate's configuration that a connector has: the documentation's "Configuration Options"."""

from typing import Annotated, Literal

from pydantic import Field

from . import Strict

Text = Annotated[str, Field(min_length=1)]


class Manager(Strict):
    description: Text | None = None
    enabled: bool = True
    managerFilePatterns: list[Annotated[str, Field(pattern=r"^/.+/$")]] = Field(default_factory=list)


class PackageRule(Strict):
    description: Text
    matchFileNames: Annotated[list[Text], Field(min_length=1)]
    enabled: bool


class Renovate(Strict):
    schema_: Literal["https://docs.renovatebot.com/renovate-schema.json"] = Field(alias="$schema")
    extends: list[Text]
    copier: Manager
    packageRules: list[PackageRule]
    pip_requirements: Manager
