"""When a key ends, as people write it: ``90d``, ``12h``, ``2027-01-31``, ``2027-01-31T12:00:00Z``, ``never``."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from holdfast.durations import parse_duration
from holdfast.errors import RequestInvalidError

NEVER: Final = 0.0
_DAYS: Final = re.compile(r"([0-9]{1,5})d", re.ASCII)
_DAY_SECONDS: Final = 86_400.0


def parse_expiry(text: str, now_seconds: float) -> float:
    """Seconds of the wall clock; NEVER for ``never``.

    Raises:
        RequestInvalidError: none of these, or over already.
    """
    if text.strip().lower() == "never":
        return NEVER
    found = _parsed(text.strip(), now_seconds)
    if found <= now_seconds:
        raise RequestInvalidError(f"{text!r} is over already; a key ends in the future, or never")
    return found


def _parsed(text: str, now_seconds: float) -> float:
    days = _DAYS.fullmatch(text)
    if days:
        return now_seconds + int(days[1]) * _DAY_SECONDS
    try:
        if "-" in text[1:]:
            moment = datetime.fromisoformat(text)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        return now_seconds + parse_duration(text).seconds
    except (ValueError, OverflowError) as error:
        raise RequestInvalidError(
            f"{text[:64]!r} is no time to end; write 90d, 12h, 2027-01-31, 2027-01-31T12:00:00Z or never"
        ) from error
