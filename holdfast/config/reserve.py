"""How much of a disk stays free: an amount of bytes or a share of the whole.

Invariant: a share lies between 0 and 100 percent; one of the two is always zero.

Never: asks a disk how large it is; the caller tells.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from pydantic_core import PydanticCustomError

from holdfast.durations import parse_bytes

_PERCENT: Final = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?)\s*%", re.ASCII)


@dataclass(frozen=True, slots=True)
class Reserve:
    """Free space to keep."""

    size_bytes: int = 0
    percent: float = 0.0

    def bytes_of(self, total_bytes: int) -> int:
        """The reserve on a file system of this size."""
        return max(self.size_bytes, int(total_bytes * self.percent / 100))

    def __str__(self) -> str:
        mebibytes, rest = divmod(self.size_bytes, 1 << 20)
        return f"{self.percent:g}%" if self.percent else str(self.size_bytes) if rest else f"{mebibytes}MiB"


def read_reserve(value: Any) -> Reserve:
    """From ``"256MiB"``, ``"1%"`` or a number of bytes.

    Raises:
        PydanticCustomError: of type ``reserve``, for anything else.
    """
    if isinstance(value, Reserve):
        return value
    if isinstance(value, str) and (match := _PERCENT.fullmatch(value.strip())):
        if float(match[1]) <= 100:
            return Reserve(percent=float(match[1]))
    elif isinstance(value, str | int):
        try:
            return Reserve(parse_bytes(value))
        except ValueError:
            pass
    raise PydanticCustomError("reserve", "neither an amount of bytes nor a share of 0% to 100%")
