"""What a run is asked to do: sizes, counts and times, checked once.

Sizes are written for people: ``1MB`` is a million bytes, ``1MiB`` is 2**20.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from holdfast import names
from holdfast.errors import InputError, RequestInvalidError

_SIZE: Final = re.compile(r"(\d+)\s*([kKMG]?i?B?)")
_UNITS: Final = {"": 1, "B": 1} | {
    f"{prefix}{middle}B": base**power
    for power, prefix in enumerate("KMG", 1)
    for middle, base in (("", 1000), ("i", 1024))
}


@dataclass(frozen=True, slots=True)
class Size:
    """A number of bytes and how it was written."""

    label: str
    size_bytes: int


def parse_size(text: str) -> Size:
    """``10MB``, ``1GiB``, ``4096``.

    Raises:
        RequestInvalidError: anything else, or nothing at all.
    """
    match = _SIZE.fullmatch(text.strip())
    unit = match[2].replace("k", "K") if match else "?"
    size_bytes = int(match[1]) * _UNITS.get(unit, 0) if match else 0
    if not size_bytes:
        raise RequestInvalidError(f"{text!r} is not a size; write 10MB, 1GiB or a number of bytes")
    return Size(text.strip(), size_bytes)


DEFAULT_SIZES: Final = ("1MB", "10MB", "100MB", "1GB")
_DEFAULT_SIZES: Final = tuple(map(parse_size, DEFAULT_SIZES))
_TEN_MEGABYTES: Final = parse_size("10MB")
_FIFTY_MEGABYTES: Final = parse_size("50MB")
_FOUR_GIBIBYTES: Final = parse_size("4GiB")


@dataclass(frozen=True, slots=True)
class Options:
    """One run. Every scenario stops at ``seconds`` or at its count, whichever comes first."""

    repository: str = "bench"
    sizes: tuple[Size, ...] = _DEFAULT_SIZES
    clients: int = 4
    connections: int = 16
    processes: int = 1
    seconds: float = 5.0
    repeat: int = 20
    seed: int | None = None
    tags: int = 10_000
    parallel: int = 16
    parallel_size: Size = _TEN_MEGABYTES
    layers: int = 20
    readers: int = 200
    reader_bytes_per_second: int = 100_000
    reader_size: Size = _FIFTY_MEGABYTES
    patience_seconds: float = 3.0
    footprint_size: Size = _FOUR_GIBIBYTES
    wrk: bool = False
    keep: bool = False

    def __post_init__(self) -> None:
        try:
            names.repository(self.repository)
        except InputError as error:
            raise RequestInvalidError(f"--repository: {error.message}") from error
        counts = {
            "--clients": self.clients,
            "--connections": self.connections,
            "--processes": self.processes,
            "--repeat": self.repeat,
            "--tags": self.tags,
            "--parallel": self.parallel,
            "--layers": self.layers,
            "--readers": self.readers,
            "--reader-rate": self.reader_bytes_per_second,
        }
        low = [name for name, value in counts.items() if value < 1]
        if low or not self.sizes or self.seconds <= 0:
            raise RequestInvalidError(f"{', '.join(low) or '--seconds and --size'}: at least one is needed")
