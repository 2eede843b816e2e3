"""Holdfast beside its peers on one machine, in one run: medians, ratios, targets met or missed. `make bench` runs this.

Every round starts all registries on empty directories of the same file system and goes through the figures one by one, each
registry in turn, the first of them another one each round; dirty pages are written back before each turn. Memory growth and
the repository with many tags are measured once, the latter by Holdfast against itself.

Exit codes: 0 also when targets are missed, 1 when something could not be run, 130 on Ctrl-C. A peer that is missing is
skipped and said so; with CI=true in the environment that is a failure.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import goals
import psutil
import subjects
from rich.console import Console
from rich.table import Table

from holdfast.errors import HoldfastError
from holdfast.ops.bench.endpoint import Dialer
from holdfast.ops.bench.options import Options, parse_size
from holdfast.ops.bench.run import Run, choose

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from holdfast.ops.bench.measure import Figure

MAKERS: dict[str, Callable[[], subjects.Subject]] = {
    subjects.HOLDFAST: subjects.holdfast_subject,
    subjects.DEBIAN: subjects.debian_subject,
    subjects.DISTRIBUTION: subjects.distribution_subject,
}


@dataclass(frozen=True, slots=True)
class Turn:
    """One call of the load generator and the figures that are read from it."""

    scenarios: tuple[str, ...]
    options: Options
    figures: tuple[str, ...]
    times: int = 1
    """Short ones are taken this often a round, the registries by turns: a disk's speed changes from one second to the next."""


def turns_of_a_round(*, quick: bool) -> tuple[Turn, ...]:
    base = Options(clients=1, seconds=0.5 if quick else 3.0, keep=True)
    # Pulls are short and repeated; a push takes most of the seconds, so it is done once or twice.
    big = replace(base, sizes=(parse_size("16MiB" if quick else "1GiB"),), repeat=1 if quick else 3)
    many = replace(base, repeat=1 if quick else 3, seconds=5.0)
    slow = replace(base, readers=20, seconds=1.5) if quick else replace(base, seconds=8.0)
    return (
        Turn(("push", "pull"), big, (goals.PUSH, goals.PULL)),
        Turn(("get-tag",), base, (goals.GET,)),
        Turn(("parallel-push",), many, (goals.PARALLEL,), times=1 if quick else 5),
        Turn(("slow-readers",), slow, (goals.SLOW,)),
    )


def footprint_turn(*, quick: bool) -> Turn:
    options = Options(clients=1, footprint_size=parse_size("64MiB" if quick else "4GiB"), keep=True)
    return Turn(("footprint",), options, (goals.GROWTH,))


def tags_turn(*, quick: bool) -> Turn:
    options = Options(
        tags=100 if quick else 10_000, seconds=2.0 if quick else 20.0, repeat=3 if quick else 100, keep=True
    )
    return Turn(("many-tags",), options, (goals.TAGS_GET, goals.TAGS_PUT))


@dataclass(slots=True)
class Comparison:
    """All values so far, and what could not be run."""

    directory: Path
    values: dict[str, dict[str, list[float]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    faults: list[str] = field(default_factory=list)

    def take(self, turn: Turn, place: subjects.Running) -> None:
        """Run one turn; a fault is kept and the rest goes on."""
        name = place.subject.name
        say(f"  {name}: {', '.join(turn.scenarios)}")
        # Else the last one's dirty pages are written back, and paid for, in this one's fsync.
        os.sync()
        content = self.directory / "content"
        content.mkdir(exist_ok=True)
        run = Run(place.endpoint, Dialer(60.0), None, turn.options, choose(turn.scenarios), place.pid, content)
        try:
            figures = list(run.figures(lambda _: None))
        except HoldfastError as error:
            self.faults.append(f"{name}, {', '.join(turn.scenarios)}: {error.message}")
            return
        self.faults += [fault for figure in figures for fault in faults_of(name, figure)]
        for figure in turn.figures:
            value = goals.READ[figure](figures)
            if value is not None:
                self.values[figure][name].append(value)

    def round(self, chosen: Sequence[subjects.Subject], turns: Sequence[Turn], number: int) -> None:
        """Start all, take every turn with each, stop all."""
        with ExitStack() as guard:
            places = []
            for subject in chosen:
                try:
                    places.append(guard.enter_context(subjects.running(subject, self.directory / subject.name)))
                except subjects.SubjectError as error:
                    self.faults.append(str(error))
            for turn in turns:
                for time in range(turn.times):
                    first = (number + time) % max(1, len(places))
                    for place in places[first:] + places[:first]:
                        self.take(turn, place)


def faults_of(name: str, figure: Figure) -> list[str]:
    """Failed requests; those of slow-readers are the very thing measured."""
    if not figure.tally or figure.scenario == "slow-readers":
        return []
    reasons = ", ".join(f"{times} x {reason}" for reason, times in figure.tally.failures.items())
    return [f"{name}, {figure.scenario} {figure.case}: {reasons}"] if reasons else []


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def choose_subjects(names: Sequence[str], faults: list[str]) -> list[subjects.Subject]:
    found = []
    for name in names:
        try:
            found.append(MAKERS[name]())
        except subjects.SubjectError as error:
            say(f"SKIPPED {name}: {error}")
            if os.environ.get("CI") == "true":
                faults.append(f"{name}: {error}")
    return found


def warn_about(directory: Path) -> None:
    mounts = [p for p in psutil.disk_partitions(all=True) if directory.is_relative_to(p.mountpoint)]
    kind = max(mounts, key=lambda p: len(p.mountpoint)).fstype if mounts else "unknown"
    say(f"data under {directory} ({kind})")
    if kind == "tmpfs":
        say("WARNING: fsync costs nothing on tmpfs, so pushes are flattered; choose a disk with --directory")


def tables(values: goals.Values, outcomes: Sequence[goals.Outcome], names: Sequence[str]) -> tuple[Table, Table]:
    medians = Table(title="Medians (lowest - highest)", title_justify="left")
    medians.add_column("figure")
    for name in names:
        medians.add_column(name, justify="right")
    for figure in goals.READ:
        medians.add_row(figure, *(spread(values.get(figure, {}).get(name, ())) for name in names))
    verdicts = Table(title="Targets", title_justify="left")
    for heading in ("figure", "target", "reached", "verdict"):
        verdicts.add_column(heading)
    for outcome in outcomes:
        reached = "-" if outcome.reached is None else f"{outcome.reached:.2f}"
        verdicts.add_row(outcome.goal.figure, outcome.goal.wording, reached, outcome.verdict)
    return medians, verdicts


def spread(found: Sequence[float]) -> str:
    if not found:
        return "-"
    middle = f"{statistics.median(found):,.4g}"
    return middle if len(found) == 1 else f"{middle} ({min(found):,.4g} - {max(found):,.4g})"


def as_record(
    comparison: Comparison, outcomes: Sequence[goals.Outcome], arguments: argparse.Namespace
) -> dict[str, object]:
    return {
        "schema": 1,
        "rounds": arguments.rounds,
        "quick": arguments.quick,
        "values": comparison.values,
        "targets": [
            {
                "figure": outcome.goal.figure,
                "peer": outcome.goal.peer,
                "bound": outcome.goal.bound,
                "at_least": outcome.goal.at_least,
                "reached": outcome.reached,
                "verdict": outcome.verdict,
            }
            for outcome in outcomes
        ],
        "faults": comparison.faults,
    }


def compare(arguments: argparse.Namespace, comparison: Comparison) -> None:
    chosen = choose_subjects(arguments.subject or list(MAKERS), comparison.faults)
    turns = [turn for turn in turns_of_a_round(quick=arguments.quick) if arguments.only in {None, *turn.scenarios}]
    for number in range(arguments.rounds):
        say(f"round {number + 1} of {arguments.rounds}")
        comparison.round(chosen, turns, number)
    if arguments.only:
        return
    for subject in chosen:
        say("memory growth, one at a time")
        comparison.round([subject], [footprint_turn(quick=arguments.quick)], 0)
    ours = [subject for subject in chosen if subject.name == subjects.HOLDFAST or arguments.tags_of_peers]
    for subject in ours:
        say("a repository with many tags")
        comparison.round([subject], [tags_turn(quick=arguments.quick)], 0)


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Holdfast beside docker-registry 2.8.2 and distribution 3.")
    parser.add_argument("--rounds", type=int, help="default 5, or 1 with --quick")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: shows that everything runs, not how fast")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all values and verdicts there")
    parser.add_argument("--subject", action="append", choices=list(MAKERS), help="only this one; repeatable")
    scenarios = [name for turn in turns_of_a_round(quick=True) for name in turn.scenarios]
    parser.add_argument(
        "--only", choices=scenarios, help="the turns with this scenario alone, and nothing after the rounds"
    )
    parser.add_argument("--directory", type=Path, help="parent of the data directories; default: the temporary one")
    parser.add_argument("--tags-of-peers", action="store_true", help="many tags on the peers, too (minutes)")
    arguments = parser.parse_args(argv)
    arguments.rounds = arguments.rounds or (1 if arguments.quick else 5)
    return arguments


def main() -> int:
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory(prefix="holdfast-side-by-side-", dir=arguments.directory) as directory:
        comparison = Comparison(Path(directory))
        warn_about(comparison.directory)
        try:
            compare(arguments, comparison)
        except KeyboardInterrupt:
            say("interrupted; servers are stopped and their data is removed")
            return 130
    targets = goals.goals_against(subjects.DISTRIBUTION, subjects.DEBIAN)
    outcomes = goals.judge(targets, comparison.values, subjects.HOLDFAST)
    console = Console(width=None if sys.stdout.isatty() else 140)
    for table in tables(comparison.values, outcomes, list(MAKERS)):
        console.print(table)
    if arguments.json:
        record = as_record(comparison, outcomes, arguments)
        arguments.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    for fault in comparison.faults:
        say(f"FAULT: {fault}")
    return 1 if comparison.faults else 0


if __name__ == "__main__":
    sys.exit(main())
