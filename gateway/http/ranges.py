"""Byte ranges of a stored blob (RFC 9110, sections 14.1 to 14.4 and 13.1.5): pure arithmetic.

:func:`choose` decides between the whole blob, parts of it, and 416. Headers that are malformed or of another unit are ignored,
as RFC 9110 section 14.2 wants; lists that would cost more than they are worth are answered with the whole blob.
:func:`content_range` reads the registry's own ``Content-Range: S-E`` of a chunked upload, which has no unit and no total.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from holdfast.errors import RangeInvalidError, RequestInvalidError

# Lazy-loading snapshotters ask for dozens of ranges at once; hundreds of tiny ones are an attack (CVE-2011-3192).
MAX_RANGES: Final = 128
# Possessive (*+): a header full of blanks costs one pass, not one for each blank.
_SPEC: Final = re.compile(r"[ \t]*+(\d{0,19})[ \t]*+-[ \t]*+(\d{0,19})[ \t]*+", re.ASCII)
_CHUNK: Final = re.compile(r"(\d{1,19})-(\d{1,19})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes first..last of something, both inclusive; never empty."""

    first: int
    last: int

    @property
    def length_bytes(self) -> int:
        return self.last - self.first + 1

    def of(self, size_bytes: int) -> str:
        """The value of a ``Content-Range`` header."""
        return f"bytes {self.first}-{self.last}/{size_bytes}"


def choose(header: str | None, size_bytes: int) -> tuple[Span, ...]:
    """The parts to send; empty means the whole.

    Raises:
        RangeInvalidError: well-formed, and no byte of it exists.
    """
    if not header:
        return ()
    unit, equals, rest = header.partition("=")
    if not equals or unit.strip().lower() != "bytes":
        return ()
    pieces = rest.split(",", MAX_RANGES)
    texts = [text for text in pieces if text.strip(" \t")]  # RFC 9110, section 5.6.1: empty elements count for nothing
    if len(pieces) > MAX_RANGES or not texts:
        return ()
    spans: list[Span] = []
    for text in texts:
        found = _SPEC.fullmatch(text)
        if found is None or not (found[1] or found[2]):
            return ()
        if found[1] and found[2] and int(found[2]) < int(found[1]):
            # RFC 9110 calls this invalid and lets a server ignore it; conformance asks for 416.
            raise RangeInvalidError("the range ends before it starts", size_bytes)
        span = _satisfied(found[1], found[2], size_bytes)
        if span is not None:
            spans.append(span)
    if not spans:
        raise RangeInvalidError("no byte of the range exists", size_bytes)
    # Parts that add up to more than the whole are cheaper as the whole.
    return tuple(spans) if len(spans) == 1 or sum(s.length_bytes for s in spans) <= size_bytes else ()


def _satisfied(first: str, last: str, size_bytes: int) -> Span | None:
    if not first:
        wanted = min(int(last), size_bytes)
        return Span(size_bytes - wanted, size_bytes - 1) if wanted else None
    start = int(first)
    end = min(int(last), size_bytes - 1) if last else size_bytes - 1
    return Span(start, end) if start <= end else None


def still_valid(if_range: str | None, etag: str) -> bool:
    """RFC 9110, section 13.1.5. Only a strong entity tag can hold; a date never does, for blobs have none."""
    return not if_range or if_range.strip() == etag


def content_range(header: str | None) -> tuple[int, int] | None:
    """First and last byte of an upload's chunk (distribution-spec, "Pushing a blob in chunks"); None when absent.

    Raises:
        RequestInvalidError: neither ``S-E`` nor, tolerated for older clients, ``bytes S-E/T``.
    """
    if header is None:
        return None
    text = header.strip()
    if text.lower().startswith("bytes "):
        text = text[6:].partition("/")[0].strip()
    found = _CHUNK.fullmatch(text)
    if found is None or int(found[2]) < int(found[1]):
        raise RequestInvalidError("Content-Range must be first-last, in bytes, both inclusive")
    return int(found[1]), int(found[2])
