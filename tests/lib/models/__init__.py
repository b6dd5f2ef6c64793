"""Files that platforms read, as their documentation describes them; what it does not name is refused."""

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
