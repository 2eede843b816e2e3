"""What is measured side by side, what is aimed at, and how close it came. No I/O here.

A value is one number of one round; a ratio compares medians. Nothing in here fails anything: a missed target is a line in
a table.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holdfast.ops.bench.measure import Figure

MIB = 1 << 20
Values = Mapping[str, Mapping[str, Sequence[float]]]  # figure -> subject -> one value a round


@dataclass(frozen=True, slots=True)
class Goal:
    """``figure`` of ours against the peer's (or as it is, without one): at least or at most ``bound``."""

    figure: str
    bound: float
    peer: str | None = None
    at_least: bool = True
    unit: str = "x"

    def met(self, reached: float) -> bool:
        return reached >= self.bound if self.at_least else reached <= self.bound

    @property
    def wording(self) -> str:
        unit = self.unit if self.unit == "x" else f" {self.unit}".rstrip()
        of = f" {self.peer}" if self.peer else ""
        return f"{'>=' if self.at_least else '<='} {self.bound:g}{unit}{of}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A goal and what was reached; None when one side was not measured."""

    goal: Goal
    reached: float | None

    @property
    def verdict(self) -> str:
        if self.reached is None:
            return "not measured"
        return "met" if self.goal.met(self.reached) else "missed"


def judge(goals: Sequence[Goal], values: Values, subject: str) -> list[Outcome]:
    """Every goal against the medians."""
    return [Outcome(goal, _reached(goal, values, subject)) for goal in goals]


def _reached(goal: Goal, values: Values, subject: str) -> float | None:
    ours = values.get(goal.figure, {}).get(subject)
    if not ours:
        return None
    if goal.peer is None:
        return statistics.median(ours)
    theirs = values.get(goal.figure, {}).get(goal.peer)
    if not theirs or not statistics.median(theirs):
        return None
    return statistics.median(ours) / statistics.median(theirs)


def _of(figures: Sequence[Figure], scenario: str, case: str = "") -> Figure:
    return next(f for f in figures if f.scenario == scenario and f.case.startswith(case))


def _megabytes_per_second(scenario: str) -> Callable[[Sequence[Figure]], float]:
    return lambda figures: (_of(figures, scenario).bytes_per_second or 0.0) / 1e6


def requests_per_second(figures: Sequence[Figure]) -> float:
    return _of(figures, "get-tag").requests_per_second or 0.0


def left_out(figures: Sequence[Figure]) -> float:
    """Readers not served, and requests of the fast client that nobody answered."""
    found = _of(figures, "slow-readers")
    return found.facts["readers"] - found.facts["served"] + found.failed


def growth_mebibytes(figures: Sequence[Figure]) -> float:
    """Peak of push and pull over what was there before the push."""
    uses = [figure.server for figure in figures if figure.scenario == "footprint" and figure.server]
    return (max(use.rss_peak_bytes for use in uses) - uses[0].rss_before_bytes) / MIB


def tag_slowdown(method: str) -> Callable[[Sequence[Figure]], float]:
    """Median latency with many tags over that with few."""

    def ratio(figures: Sequence[Figure]) -> float:
        few, many = (f.tally for f in figures if f.scenario == "many-tags" and f.case.startswith(method))
        fast, slow = (tally.latency.quantile(0.5) if tally else None for tally in (few, many))
        return slow / fast if slow and fast else 0.0

    return ratio


PUSH, PULL, GET = "push, MB/s", "pull, MB/s", "manifest GET by tag, req/s"
PARALLEL, SLOW, GROWTH = "parallel pushes, MB/s", "beside slow readers, left out", "RSS growth, MiB"
TAGS_GET, TAGS_PUT = "many tags: GET slowdown", "many tags: PUT slowdown"

READ: Mapping[str, Callable[[Sequence[Figure]], float]] = {
    PULL: _megabytes_per_second("pull"),
    PUSH: _megabytes_per_second("push"),
    GET: requests_per_second,
    PARALLEL: _megabytes_per_second("parallel-push"),
    SLOW: left_out,
    TAGS_GET: tag_slowdown("GET"),
    TAGS_PUT: tag_slowdown("PUT"),
    GROWTH: growth_mebibytes,
}


def goals_against(distribution: str, debian: str) -> tuple[Goal, ...]:
    """The figures this project promises, with the names that the peers go by."""
    return (
        Goal(PULL, 1.0, distribution),
        Goal(PUSH, 1.5, distribution),
        Goal(PUSH, 2.0, debian),
        Goal(GET, 1.2, distribution),
        Goal(GET, 3.0, debian),
        Goal(PARALLEL, 1.2, distribution),
        Goal(SLOW, 0, at_least=False, unit=""),
        Goal(TAGS_GET, 1.2, at_least=False),
        Goal(TAGS_PUT, 1.2, at_least=False),
        Goal(GROWTH, 64, at_least=False, unit="MiB"),
    )
