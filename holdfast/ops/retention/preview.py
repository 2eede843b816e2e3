"""``holdfast retention preview``: which tags and manifests go with the next passes of the collector, which stay, and why.

It reads the metadata of a cluster or of one machine, also while a registry runs on it, and asks the planner that the collector
asks, with the policies of the configuration that it is given: try a new one before the registry has it. Nothing is changed.

Manifests that merely belong to an index that stays are left out of the table; JSON has them.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress

from holdfast.clock import SystemClock
from holdfast.errors import CorruptError
from holdfast.meta.standing import Standing
from holdfast.ops import console
from holdfast.ops.console import bytes_text, counted, row, table
from holdfast.ops.reach import DEFAULT_FILE, AsJson
from holdfast.ops.registry import opened
from holdfast.patterns.globs import Glob
from holdfast.patterns.routes import route_of
from holdfast.retention.planner import plan
from holdfast.retention.policies import Policies

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.table import Table

    from holdfast.config import Settings
    from holdfast.meta.store import Store
    from holdfast.names import Repository, Tag
    from holdfast.ops.console import JsonObject
    from holdfast.retention.facts import Facts
    from holdfast.retention.planner import Verdict

ConfigArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="[CONFIG]",
        envvar="HOLDFAST_CONFIG",
        help=f"The registry's configuration; without it {DEFAULT_FILE}, or ./data.",
    ),
]
Pattern = Annotated[
    str,
    typer.Option("--repository", "-r", metavar="GLOB", help='Only repositories that it matches, such as "team/**".'),
]


@dataclass(frozen=True, slots=True)
class Row:
    """One verdict with what a person wants to know beside it. Times in seconds, 0 for never."""

    repository: Repository
    verdict: Verdict
    size_bytes: int
    pushed_seconds: float
    pulled_seconds: float

    @property
    def is_shown(self) -> bool:
        verdict = self.verdict
        return verdict.tag is not None or not verdict.stays or not verdict.rule.startswith("part of ")


def preview(config_file: ConfigArgument = None, repository: Pattern = "**", json_output: AsJson = False) -> None:
    """Show what retention would take, what it leaves, and by which rule. Nothing is changed."""
    unread: list[str] = []
    with opened(config_file) as (settings, store):
        rows = list(_rows(store, Policies.of(settings.storage), _glob(repository), unread))
    if json_output:
        console.show_json(_as_json(settings, rows, unread))
    else:
        _show(settings, rows)
    if unread:
        console.warn(f"too large or damaged, so that nothing is taken from them: {console.listed(unread)}")


def _glob(text: str) -> Glob:
    try:
        return Glob(text)
    except ValueError as error:
        raise typer.BadParameter(f"the glob {text!r} {error}") from error


def _rows(store: Store, policies: Policies, glob: Glob, unread: list[str]) -> Iterator[Row]:
    standing, clock = Standing(store), SystemClock()
    wanted = [name for name in standing.repositories() if glob.matches(name)]
    with Progress(console=console.people(to_errors=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        for name in progress.track(wanted, description="reading repositories"):
            facts = _facts(standing, name)
            if facts is None:
                unread.append(name)
                continue
            tagged_seconds = {fact.tag: fact.pushed_seconds for fact in facts.tags}
            for verdict in plan(facts, policies.terms(name), clock.wall()).verdicts:
                yield _row(facts, verdict, tagged_seconds)


def _facts(standing: Standing, name: Repository) -> Facts | None:
    try:
        return standing.of(name)
    except CorruptError:
        return None


def _row(facts: Facts, verdict: Verdict, tagged_seconds: dict[Tag, float]) -> Row:
    pushed = facts.manifests[verdict.digest].pushed_seconds if verdict.tag is None else tagged_seconds[verdict.tag]
    size_bytes = facts.size_of(verdict.digest)
    return Row(facts.repository, verdict, size_bytes, pushed, facts.pulled(verdict.digest).seconds)


def _show(settings: Settings, rows: list[Row]) -> None:
    shown = [one for one in rows if one.is_shown]
    if shown:
        console.show(_table(shown))
    going = [one.verdict for one in rows if not one.verdict.stays]
    tags = sum(verdict.tag is not None for verdict in going)
    manifests = len(going) - tags
    staying = counted(len(rows) - len(going), "other")
    console.show(f"{counted(tags, 'tag')} and {counted(manifests, 'manifest')} would go, {staying} would stay")
    for route in sorted({"", *(_route(settings, one) for one in rows if not one.verdict.stays)}):
        _tell_of_store(settings, route, [one for one in rows if _route(settings, one) == route])


def _route(settings: Settings, one: Row) -> str:
    return route_of(one.repository, settings.storage.stores)


def _tell_of_store(settings: Settings, route: str, rows: list[Row]) -> None:
    """Each of ``storage.subPaths`` has its own switches and delay."""
    store = settings.storage.stores[route]
    path, below = (f"storage.subPaths.{route}", f" below {route}") if route else ("storage", "")
    if any(one.verdict.tag is None and not one.verdict.stays for one in rows):
        console.show(
            f"a manifest{below} goes once the collector has seen it so for the delay, tags at once"
            f" (delay: {store.retention_delay})"
        )
    policies = Policies.of(settings.storage)
    if any(not one.verdict.stays and policies.uses_time(one.repository) for one in rows):
        console.show(f"what goes{below} for its age goes once the collector has seen its clock go evenly for an hour")
    if not store.gc:
        console.show(f"{path}.gc is off: nothing{below} goes")
    elif store.retention.dry_run:
        console.show(f"{path}.retention.dryRun is on: what would go{below} is only logged")


def _table(rows: list[Row]) -> Table:
    made = table("repository", "tag or digest", "size", "pushed", "pulled", "", "rule", right=("size",))
    for one in rows:
        verdict = one.verdict
        times = (_time(one.pushed_seconds), _time(one.pulled_seconds))
        fate = "stays" if verdict.stays else "goes"
        row(made, one.repository, verdict.tag or verdict.digest, bytes_text(one.size_bytes), *times, fate, verdict.rule)
    return made


def _time(when_seconds: float) -> str:
    return datetime.fromtimestamp(when_seconds, UTC).strftime("%Y-%m-%d %H:%M:%S") if when_seconds else ""


def _as_json(settings: Settings, rows: list[Row], unread: list[str]) -> JsonObject:
    return {
        "gc": settings.storage.gc,
        "dryRun": settings.storage.retention.dry_run,
        "verdicts": [
            {
                "repository": one.repository,
                "tag": one.verdict.tag,
                "digest": str(one.verdict.digest),
                "sizeBytes": one.size_bytes,
                "pushedSeconds": one.pushed_seconds,
                "pulledSeconds": one.pulled_seconds,
                "stays": one.verdict.stays,
                "rule": one.verdict.rule,
            }
            for one in rows
        ],
        "unread": unread,
    }
