"""Lengths of time and amounts of bytes, as people write them.

Promises: strict, pure parsers. A duration follows Go's ``time.ParseDuration`` (``"1h30m"``, ``"250ms"``, ``"-1s"``,
``"0"``) and, as zot's own loader has it, a bare integer means nanoseconds. A byte size is a number with an optional
unit (``"64MiB"``, ``"1g"``, ``4096``).

Invariants: a duration is a whole number of nanoseconds within 64 bits; a byte size is not negative and within 63 bits.

Never: guesses a unit, rounds up, reads the locale.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_NANOSECONDS: Final = {
    "ns": 1,
    "us": 1_000,
    "\u00b5s": 1_000,  # micro sign
    "\u03bcs": 1_000,  # Greek mu: Go takes both
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_PART: Final = re.compile(r"([0-9]*)(?:\.([0-9]*))?([a-z\u00b5\u03bc]+)")
_LOWEST: Final = -(2**63)
_HIGHEST: Final = 2**63 - 1
# More digits than any value in range has; keeps the arithmetic on hostile input cheap.
_MOST_CHARACTERS: Final = 100

# K and KiB alike are 1024, as with docker's options; KB is 1000, as with disk vendors and `dd`.
_BYTES: Final = {
    "": 1,
    "b": 1,
    **{f"{letter}{end}": 1024**power for power, letter in enumerate("kmgtp", 1) for end in ("", "i", "ib")},
    **{f"{letter}b": 1000**power for power, letter in enumerate("kmgtp", 1)},
}
_SIZE: Final = re.compile(r"([0-9]+)(?:\.([0-9]+))?\s*([a-z]*)", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True, order=True)
class Duration:
    """A length of time; may be negative, because zot uses that for "none".

    Raises:
        ValueError: outside the range of 64 bits of nanoseconds.
    """

    nanoseconds: int

    def __post_init__(self) -> None:
        if not _LOWEST <= self.nanoseconds <= _HIGHEST:
            raise ValueError("longer than 64 bits of nanoseconds can hold, some 292 years")

    @property
    def seconds(self) -> float:
        return self.nanoseconds / 1_000_000_000

    def __bool__(self) -> bool:
        return self.nanoseconds != 0

    def __str__(self) -> str:
        """Go's spelling, which ``parse_duration`` reads back to the same value."""
        if not self.nanoseconds:
            return "0s"
        sign, rest = ("-" if self.nanoseconds < 0 else ""), abs(self.nanoseconds)
        for unit in ("ns", "us", "ms"):
            if rest < _NANOSECONDS[unit] * 1_000:
                return f"{sign}{_decimal(rest, _NANOSECONDS[unit])}{unit}"
        hours, rest = divmod(rest, _NANOSECONDS["h"])
        minutes, rest = divmod(rest, _NANOSECONDS["m"])
        head = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
        return f"{sign}{head}{_decimal(rest, _NANOSECONDS['s'])}s"


def _decimal(amount: int, unit: int) -> str:
    whole, rest = divmod(amount, unit)
    digits = str(rest).zfill(len(str(unit)) - 1).rstrip("0") if rest else ""
    return f"{whole}.{digits}" if digits else str(whole)


def seconds(count: float) -> Duration:
    """A duration from seconds, for constants."""
    return Duration(round(count * 1_000_000_000))


def parse_duration(value: str | int) -> Duration:
    """A duration from Go's spelling, or from nanoseconds.

    Raises:
        ValueError: any other form, a missing unit, or out of range.
    """
    if isinstance(value, bool):
        raise ValueError("a boolean is no duration")  # noqa: TRY004 - one family of errors for every bad value
    if isinstance(value, int):
        return Duration(value)
    text = value[1:] if value[:1] in {"+", "-"} else value
    sign = -1 if value.startswith("-") else 1
    if text == "0":
        return Duration(0)
    if not text or len(text) > _MOST_CHARACTERS:
        raise ValueError("empty, or too long to be a duration")
    total = position = 0
    while position < len(text):
        part = _PART.match(text, position)
        if part is None:
            raise ValueError("a number without a unit, or something that is neither number nor unit")
        total += _part_nanoseconds(part[1], part[2] or "", part[3])
        position = part.end()
    return Duration(sign * total)


def _part_nanoseconds(whole: str, fraction: str, unit: str) -> int:
    if not whole and not fraction:
        raise ValueError("a unit without a number")
    if unit not in _NANOSECONDS:
        raise ValueError("a unit other than ns, us, ms, s, m, h")
    scale = _NANOSECONDS[unit]
    return int(whole or "0") * scale + _fraction_of(scale, fraction)


def _fraction_of(scale: int, digits: str) -> int:
    """``0.digits`` of ``scale``, cut towards zero as Go does; integers only, so that nothing is lost on the way."""
    return int(digits or "0") * scale // int("1" + "0" * len(digits))


def parse_bytes(value: str | int) -> int:
    """An amount of bytes: ``4096``, ``"64MiB"``, ``"1g"`` (1024s), ``"2GB"`` (1000s), ``"1.5 GiB"``.

    Raises:
        ValueError: negative, any other form, an unknown unit, or no whole number of bytes within 63 bits.
    """
    if isinstance(value, bool):
        raise ValueError("a boolean is no amount of bytes")  # noqa: TRY004 - one family of errors for every bad value
    if isinstance(value, int):
        count = value
    else:
        match = _SIZE.fullmatch(value.strip()) if len(value) <= _MOST_CHARACTERS else None
        if match is None or match[3].lower() not in _BYTES:
            raise ValueError("neither a number of bytes nor a number with one of B, K, KiB, KB, M, MiB, MB, G ... P")
        scale, fraction = _BYTES[match[3].lower()], match[2] or ""
        count = int(match[1]) * scale + _fraction_of(scale, fraction)
    if not 0 <= count <= _HIGHEST:
        raise ValueError("negative, or more than 63 bits of bytes")
    return count
