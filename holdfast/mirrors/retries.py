"""How often something that failed is tried again, and after which pauses: ``maxRetries``, ``retryDelay``, ``maxRetryDelay``.

Promises: pauses double from the first up to the longest; without a longest they stay the same (zot's meaning). What the
upstream asked for (``Retry-After``) is kept to, within ``MOST_PATIENCE_SECONDS``.

Never: adds chance; whoever starts many at once spreads them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from holdfast.config.sync import SyncRegistry

# An upstream that wants longer than this is a failure to report, not one to wait for.
MOST_PATIENCE_SECONDS: Final = 3600.0
# 2 to the power of more than this is longer than any longest pause.
_MOST_DOUBLINGS: Final = 40


@dataclass(frozen=True, slots=True)
class Retries:
    """A schedule. The defaults are ours, for a registry that says nothing.

    Raises:
        ValueError: a negative number, or a longest pause below zero.
    """

    most: int = 3
    first_pause_seconds: float = 1.0
    longest_pause_seconds: float | None = 30.0

    def __post_init__(self) -> None:
        if self.most < 0 or self.first_pause_seconds < 0 or (self.longest_pause_seconds or 0) < 0:
            raise ValueError("a schedule of retries has no negative numbers")

    @classmethod
    def of(cls, registry: SyncRegistry) -> Retries:
        most = cls().most if registry.max_retries is None else registry.max_retries
        if registry.retry_delay is None:
            return cls(most)
        longest = registry.max_retry_delay
        return cls(most, registry.retry_delay.seconds, longest.seconds if longest is not None else None)

    def pause_seconds(self, failures: int, told_seconds: float | None = None) -> float | None:
        """The pause after this many failures in a row, one or more; None when it is given up.

        ``told_seconds`` is the upstream's ``Retry-After``.
        """
        if failures > self.most:
            return None
        pause = self.first_pause_seconds
        if self.longest_pause_seconds is not None:
            # The first pause is kept even where the longest is shorter: that is a mistake, and verify warns of it.
            doubled = pause * 2.0 ** min(failures - 1, _MOST_DOUBLINGS)
            pause = max(pause, min(doubled, self.longest_pause_seconds))
        return min(max(pause, told_seconds or 0.0), max(pause, MOST_PATIENCE_SECONDS))
