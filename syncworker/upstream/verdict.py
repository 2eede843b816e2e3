"""Statuses to errors: what an answer that is not the wanted one means for whoever asked.

    404, 410            missing
    401, 403, 451       denied
    429                 throttled, until when it says
    408, 425, 5xx       unavailable; with ``down`` where the whole upstream is meant and not this one name
    anything else       wrong

Never: an upstream's own words. They may hold anything; its error code is kept where it has the form of one.
"""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Final

from holdfast.errors import (
    UpstreamDeniedError,
    UpstreamError,
    UpstreamMissingError,
    UpstreamThrottledError,
    UpstreamUnavailableError,
    UpstreamWrongError,
)
from syncworker.upstream import headers as fields
from syncworker.upstream.exchange import detail

if TYPE_CHECKING:
    from syncworker.upstream.exchange import Answer
    from syncworker.upstream.place import Origin

_MISSING: Final = frozenset({404, 410})
_DENIED: Final = frozenset({401, 403, 451})
_LATER: Final = frozenset({408, 425})
_DOWN: Final = frozenset({502, 503, 504})
# Docker Hub counts pulls over six hours; nobody is obeyed for longer than that.
_LONGEST_RETRY_SECONDS: Final = 6 * 3600
_UNNAMED_THROTTLE_SECONDS: Final = 10
_CODE: Final = re.compile(r"[A-Z][A-Z_]{1,39}", re.ASCII)
_ERROR_BYTES: Final = 16 << 10


def verdict(answer: Answer, home: Origin, what: str, now_wall: float) -> UpstreamError:
    """The error that an unwanted answer to a request for ``what`` becomes. Reads and closes the answer."""
    status = answer.status
    said = f"{home.authority} answered {status}{_code_of(answer)} for {what}"
    if status in _MISSING:
        return UpstreamMissingError(said, detail(home))
    if status in _DENIED:
        return UpstreamDeniedError(said, detail(home))
    if status != 429 and status not in _LATER and status < 500:
        return UpstreamWrongError(said, detail(home))
    told = fields.retry_after_seconds(answer.header("Retry-After"), now_wall)
    seconds = None if told is None else min(math.ceil(told), _LONGEST_RETRY_SECONDS)
    if status == 429:
        return UpstreamThrottledError(
            said, detail(home, retryAfter=_UNNAMED_THROTTLE_SECONDS if seconds is None else seconds)
        )
    more: dict[str, object] = {} if seconds is None else {"retryAfter": seconds}
    return UpstreamUnavailableError(said, detail(home, **more, **({"down": True} if status in _DOWN else {})))


def _code_of(answer: Answer) -> str:
    """The first OCI error code of the body, with a space before it; nothing if there is none."""
    try:
        if answer.header("Content-Length") is None:
            return ""
        code = json.loads(answer.whole(_ERROR_BYTES))["errors"][0]["code"]
    except (UpstreamError, ValueError, KeyError, IndexError, TypeError, RecursionError):
        return ""
    finally:
        answer.close()
    return f" {code}" if isinstance(code, str) and _CODE.fullmatch(code) else ""
