"""Types of the settings that say how tokens are checked."""

from typing import Annotated

from pydantic import AfterValidator, Field

from .words import Words


def algorithms(value: tuple[str, ...]) -> tuple[str, ...]:
    usable = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
    if unusable := set(value) - usable:
        others = ", ".join(sorted(unusable))
        raise ValueError(f"must name signature algorithms with public keys, such as RS256; remove {others}")
    return value


Algorithms = Annotated[Words, AfterValidator(algorithms), Field(min_length=1)]
