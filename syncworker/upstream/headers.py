"""Headers of an upstream's answers, read strictly and without I/O.

Promises: a value against its grammar is a ``ValueError`` or counts as absent, as each function says; no input of any length
makes one of them slow.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final

# RFC 9110, section 14.4. A length of more than 18 digits is no length.
_CONTENT_RANGE: Final = re.compile(r"bytes[ ]+([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)", re.ASCII | re.IGNORECASE)
_UNSATISFIED: Final = re.compile(r"bytes[ ]+\*/([0-9]{1,18})", re.ASCII | re.IGNORECASE)
_SECONDS: Final = re.compile(r"[0-9]{1,9}", re.ASCII)
_LENGTH: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
_MAX_LINK_CHARACTERS: Final = 8192
# RFC 8288, section 3, as far as a registry needs it: targets hold no ">" and parameters no quoted semicolon or comma of use.
_LINK: Final = re.compile(r"<([^<>]*)>([^<>]*)")
_NEXT: Final = re.compile(r';[ \t]*rel[ \t]*=[ \t]*(?:"([^"]*)"|([^\s;,"]+))', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ContentRange:
    """``first`` to ``last``, both included, of ``total_bytes`` (None where the sender does not know)."""

    first: int
    last: int
    total_bytes: int | None

    def __post_init__(self) -> None:
        if self.last < self.first or (self.total_bytes is not None and self.last >= self.total_bytes):
            raise ValueError("a range that ends before it begins, or behind the end")


def content_range(text: str) -> ContentRange:
    """``Content-Range`` of a 206.

    Raises:
        ValueError: another unit or form, or numbers that contradict each other.
    """
    found = _CONTENT_RANGE.fullmatch(text.strip())
    if not found:
        raise ValueError("no Content-Range of one range of bytes")
    first, last, total = found.groups()
    return ContentRange(int(first), int(last), None if total == "*" else int(total))


def unsatisfied_length(text: str) -> int | None:
    """The whole length that a 416 tells in its ``Content-Range``; None when it tells none."""
    found = _UNSATISFIED.fullmatch(text.strip())
    return int(found[1]) if found else None


def content_length(text: str | None) -> int | None:
    """``Content-Length``; None when absent.

    Raises:
        ValueError: no number.
    """
    if text is None:
        return None
    if not _LENGTH.fullmatch(text.strip()):
        raise ValueError("Content-Length is no number")
    return int(text)


def retry_after_seconds(text: str | None, now_wall: float) -> float | None:
    """``Retry-After`` (RFC 9110, section 10.2.3), seconds or a date; None when absent or not understood, never negative."""
    if text is None:
        return None
    text = text.strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        at = parsedate_to_datetime(text[:64])
        return max(0.0, at.timestamp() - now_wall)
    except (ValueError, OverflowError, IndexError):
        return None


def next_link(text: str | None) -> str | None:
    """The target of ``rel="next"`` in a ``Link`` header; None when there is none."""
    if not text or len(text) > _MAX_LINK_CHARACTERS:
        return None
    for target, parameters in _LINK.findall(text):
        for quoted, bare in _NEXT.findall(parameters):
            if "next" in (quoted or bare).lower().split():
                return str(target)
    return None
