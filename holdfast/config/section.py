"""What every block of the configuration is.

Promises: a block is frozen, refuses keys it does not know, spells its keys as zot does (camelCase) and its fields as
Python does. ``field`` makes a documented field: a setting without a description cannot be declared.

Never: looks at the environment, at files, or at another block; rules between blocks live in ``rules``.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from holdfast.config.scalars import Flag


class Section(BaseModel):
    """A block of settings."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, hide_input_in_errors=True)

    @classmethod
    def spelling(cls, name: str) -> str:
        """The key under which a field stands in a file."""
        return cls.model_fields[name].alias or name


def field(default: Any, description: str, *, alias: str | None = None) -> Any:
    """A documented setting. ``default`` may be a class, which is then called for each block."""
    if isinstance(default, type):
        return Field(default_factory=default, description=description, alias=alias)
    return Field(default, description=description, alias=alias)


class Switched(Section):
    """A block whose presence turns a feature on, unless it says ``"enable": false``; ``{}`` means on."""

    enable: Flag = field(True, "Whether the feature runs. On as soon as the block is there, an empty block included.")
