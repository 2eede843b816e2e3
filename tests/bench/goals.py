"""What is measured side by side, what is aimed at, and how close it came. No I/O here.

A value is one number of one round; a ratio compares medians. Nothing in here fails anything: a missed target is a line in
a table.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

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


Reading = Callable[[Sequence[Figure]], float | None]  # None: the scenario did not come that far


def _of(figures: Sequence[Figure], scenario: str) -> Figure | None:
    return next((f for f in figures if f.scenario == scenario and f.tally and f.tally.requests), None)


def _megabytes_per_second(scenario: str) -> Reading:
    def read(figures: Sequence[Figure]) -> float | None:
        found = _of(figures, scenario)
        return found.bytes_per_second / 1e6 if found and found.bytes_per_second else None

    return read


def requests_per_second(figures: Sequence[Figure]) -> float | None:
    found = _of(figures, "get-tag")
    return found.requests_per_second if found else None


def left_out(figures: Sequence[Figure]) -> float | None:
    """Readers not served, and requests of the fast client that nobody answered."""
    found = next((figure for figure in figures if "readers" in figure.facts), None)
    return found.facts["readers"] - found.facts["served"] + found.failed if found else None


def growth_mebibytes(figures: Sequence[Figure]) -> float | None:
    """Peak of push and pull over what was there before the push."""
    uses = [figure.server for figure in figures if figure.scenario == "footprint" and figure.server]
    return (max(use.rss_peak_bytes for use in uses) - uses[0].rss_before_bytes) / MIB if len(uses) == 2 else None


def tag_slowdown(method: str) -> Reading:
    """Median latency with many tags over that with few."""

    def read(figures: Sequence[Figure]) -> float | None:
        tallies = [
            f.tally for f in figures if f.scenario == "many-tags" and f.case.startswith(f"{method}, ") and f.tally
        ]
        medians = [tally.latency.quantile(0.5) for tally in tallies]
        few, many = medians if len(medians) == 2 else (None, None)
        return many / few if few and many else None

    return read


PUSH, PULL, GET = "push, MB/s", "pull, MB/s", "manifest GET by tag, req/s"
PARALLEL, SLOW, GROWTH = "parallel pushes, MB/s", "beside slow readers, left out", "RSS growth, MiB"
TAGS_GET, TAGS_PUT = "many tags: GET slowdown", "many tags: PUT slowdown"

READ: Mapping[str, Reading] = {
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
