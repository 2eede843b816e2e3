"""The four rules that keep something for its age or its rank, alike for tags and for manifests.

Never: I/O, a clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from holdfast.durations import seconds as duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from holdfast.retention.policies import Keep

# A pull is written down at most every five minutes and a few seconds later, so what is known may be so much older than the pull.
PULL_LAG_SECONDS: Final = 305.0
CLOCK_IN_DOUBT: Final = "the clock is in doubt"

K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class Candidate(Generic[K]):
    """``pulled_seconds`` 0: never, as far as anybody knows."""

    name: K
    pushed_seconds: float
    pulled_seconds: float


@dataclass(frozen=True, slots=True)
class Moment:
    """Now, and since when pulls have been counted; None: they begin to be now. ``is_doubted``: the clock may be wrong, and nobody
    knows how old anything is.
    """

    now_seconds: float
    pulls_since_seconds: float | None = None
    is_doubted: bool = False

    def is_within(self, seconds: float, within_seconds: float) -> bool:
        return self.now_seconds - seconds < within_seconds

    def is_unknown(self, within_seconds: float) -> bool:
        """Whether a pull so recent may have happened without being counted."""
        return self.pulls_since_seconds is None or self.is_within(self.pulls_since_seconds, within_seconds)

    def may_be_older(self, candidate: Candidate[Any]) -> bool:
        """Whether it may have been pulled before pulls were counted."""
        return self.pulls_since_seconds is None or candidate.pushed_seconds < self.pulls_since_seconds


def kept(keep: Keep, candidates: Sequence[Candidate[K]], moment: Moment) -> Iterator[tuple[K, str]]:
    """Those that stay, with the rule, some more than once. Without any rule all of them do."""
    if not keep.has_rules:
        for candidate in candidates:
            yield candidate.name, "patterns"
    for candidate in candidates:
        rule = _by_time(keep, candidate, moment)
        if rule:
            yield candidate.name, rule
    for count, name, order in (
        (keep.most_recently_pushed, "mostRecentlyPushedCount", _pushed),
        (keep.most_recently_pulled, "mostRecentlyPulledCount", _pulled),
    ):
        if count:
            for candidate in _latest(candidates, count, order):
                yield candidate.name, f"{name} {count}"
    count = keep.most_recently_pulled
    # Once so many were pulled since pulls are counted, these are the last. Until then any older one may be among them.
    if sum(candidate.pulled_seconds > 0 for candidate in candidates) < count:
        for candidate in filter(moment.may_be_older, candidates):
            yield candidate.name, f"mostRecentlyPulledCount {count} (not known yet)"


def _by_time(keep: Keep, candidate: Candidate[K], moment: Moment) -> str:
    pushed, pulled = keep.pushed_within_seconds, keep.pulled_within_seconds
    if moment.is_doubted and keep.uses_time:
        return CLOCK_IN_DOUBT
    if pushed is not None and moment.is_within(candidate.pushed_seconds, pushed):
        return f"pushedWithin {_text(pushed)}"
    if pulled is None:
        return ""
    rule = f"pulledWithin {_text(pulled)}"
    if moment.is_within(candidate.pulled_seconds, pulled + PULL_LAG_SECONDS):
        return rule
    if moment.is_within(candidate.pushed_seconds, pulled):
        return f"{rule} (pushed)"
    return f"{rule} (not known yet)" if moment.is_unknown(pulled) else ""


def _latest(
    candidates: Sequence[Candidate[K]], count: int, order: Callable[[Candidate[K]], tuple[float, float]]
) -> list[Candidate[K]]:
    """Equal ones by name, so that two who look agree."""
    by_name = sorted(candidates, key=lambda candidate: str(candidate.name))
    return sorted(by_name, key=order, reverse=True)[:count]


def _pushed(candidate: Candidate[K]) -> tuple[float, float]:
    return candidate.pushed_seconds, candidate.pulled_seconds


def _pulled(candidate: Candidate[K]) -> tuple[float, float]:
    return candidate.pulled_seconds, candidate.pushed_seconds


def _text(seconds: float) -> str:
    return str(duration(seconds))
