"""Platforms: which of an index's images somebody wants (image-spec image-index.md, "platform").

Promises: ``os/architecture`` or ``os/architecture/variant``. Spellings that mean the same are the same: ``arm64/v8`` is
``arm64``, ``x86_64`` is ``amd64``, and 32-bit ``arm`` without a variant in an index is ``v7`` (as clients read it).

Never: judges ``os.version`` and features; whoever asks for Windows gets every build of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_WORD: Final = r"[A-Za-z0-9_.-]{1,64}"
_PLATFORM: Final = re.compile(rf"({_WORD})/({_WORD})(?:/({_WORD}))?", re.ASCII)
_ARCHITECTURES: Final = {"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64", "i386": "386", "armhf": "arm"}
# The variant that is meant when none is given, which is written as none.
_ORDINARY: Final = {("arm64", "v8"), ("arm64", "8"), ("amd64", "v1")}
_ARM: Final = "arm"
_ARM_VARIANT: Final = "v7"


@dataclass(frozen=True, slots=True, order=True)
class Platform:
    """What an image runs on. Made by ``parse`` or ``normal``, which spell it one way."""

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(filter(None, (self.os, self.architecture, self.variant)))

    def wants(self, image: Platform) -> bool:
        """Whether an image of that platform is meant. Without a variant every one is."""
        if (self.os, self.architecture) != (image.os, image.architecture):
            return False
        return not self.variant or self.variant == (
            image.variant or (_ARM_VARIANT if image.architecture == _ARM else "")
        )


def normal(os: str, architecture: str, variant: str = "") -> Platform:
    """The platform by its parts, in any spelling."""
    system, machine, kind = os.lower(), architecture.lower(), variant.lower()
    if machine == _ARM and kind.isdigit():
        kind = f"v{kind}"
    machine = _ARCHITECTURES.get(machine, machine)
    return Platform(system, machine, "" if (machine, kind) in _ORDINARY else kind)


def parse(text: str) -> Platform:
    """The platform that ``os/architecture[/variant]`` means.

    Raises:
        ValueError: any other form.
    """
    match = _PLATFORM.fullmatch(text)
    if match is None:
        raise ValueError('is no platform: write it as "linux/amd64" or "linux/arm/v7"')
    return normal(match[1], match[2], match[3] or "")
