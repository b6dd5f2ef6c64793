"""The part of Renovate's configuration that a connector has: the documentation's "Configuration Options"."""

from typing import Annotated, Literal

from pydantic import Field

from . import Strict

Text = Annotated[str, Field(min_length=1)]


class Manager(Strict):
    description: Text | None = None
    enabled: bool = True
    managerFilePatterns: list[Annotated[str, Field(pattern=r"^/.+/$")]] = Field(default_factory=list)


class LockFiles(Strict):
    enabled: bool


class PackageRule(Strict):
    description: Text
    matchFileNames: Annotated[list[Text], Field(min_length=1)] | None = None
    matchManagers: Annotated[list[Text], Field(min_length=1)] | None = None
    matchDepNames: Annotated[list[Text], Field(min_length=1)] | None = None
    enabled: bool = True
    rangeStrategy: Literal["auto", "bump", "in-range-only", "pin", "replace", "update-lockfile", "widen"] = "auto"


class Renovate(Strict):
    schema_: Literal["https://docs.renovatebot.com/renovate-schema.json"] = Field(alias="$schema")
    extends: list[Text]
    copier: Manager
    lockFileMaintenance: LockFiles
    packageRules: list[PackageRule]
