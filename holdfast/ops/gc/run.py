"""``holdfast gc``: have every storage node collect garbage now, and tell what came of it.

Promises
  * A dry run changes nothing, and tells what the same command would do at that moment.
  * Nodes work at the same time; the one that looks after links comes last, so that what it does is no surprise to the others.
  * More than the usual share goes only after somebody has seen how much it is, and no more than that.

Exit 0: done; 1: a node did not answer, or refused; 3: a node holds back what would be too much at once.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from holdfast.errors import HoldfastError, NodeUnreachableError
from holdfast.ops import console
from holdfast.ops.accounts import ConfigFile  # noqa: TC001 - typer reads annotations
from holdfast.ops.gc import nodes
from holdfast.ops.gc.report import Outcome
from holdfast.ops.reach import AsJson, Yes  # noqa: TC001
from holdfast.rpc.collecting import Order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from holdfast.ops.gc.nodes import Nodes
    from holdfast.rpc.collecting import Report
    from holdfast.rpc.node import NodeClient

EXIT_HELD_BACK: Final = 3
_STEPS: Final = {
    "": "waits for a collection under way",
    "links": "looking at links",
    "blobs": "comparing blobs with links",
    "sweep": "moving to the trash",
    "rest": "uploads and trash",
}

Wanted = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NODE]...", help="Ids or addresses of nodes; all of them if none is named."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", "-n", help="Change nothing; tell what would go.")]
AllowLarge = Annotated[
    bool, typer.Option("--allow-large", help="Let what is held back for being too much go once, after showing it.")
]


def run(
    node: Wanted = None,
    config: ConfigFile = None,
    dry_run: DryRun = False,
    allow_large: AllowLarge = False,
    yes: Yes = False,
    json_output: AsJson = False,
) -> None:
    """Collect garbage now: links that nothing needs, blobs that nobody links, uploads that nobody goes on with, old trash."""
    if allow_large and dry_run:
        raise typer.BadParameter(
            "--dry-run tells what is held back anyway; --allow-large shows it and asks before it goes"
        )
    with nodes.reached(config, node or ()) as found:
        allowed = _allowed(found, yes=yes) if allow_large else {}
        outcome = _collected(found, allowed, is_dry_run=dry_run)
    if json_output:
        console.show_json(outcome.as_json())
    elif outcome.reports:
        console.show(outcome.as_table(), *outcome.sentences())
    for reason in outcome.reasons():
        console.warn(reason)
    if outcome.failed:
        raise typer.Exit(1)
    raise typer.Exit(EXIT_HELD_BACK if outcome.held_back else 0)


def _allowed(found: Nodes, *, yes: bool) -> dict[str, dict[str, int]]:
    """By node and route, what the operator has seen and agreed to."""
    held_back = _collected(found, {}, is_dry_run=True).held_back
    for name, stores in held_back.items():
        for route, amount in stores.items():
            disk = f", disk of {route}" if route else ""
            console.warn(
                f"{name}{disk}: {amount.count} blobs of {console.bytes_text(amount.size_bytes)} would go to the trash"
            )
    if held_back:
        console.require_yes("Are they garbage?", yes=yes)
    return {name: {route: amount.size_bytes for route, amount in stores.items()} for name, stores in held_back.items()}


def _collected(found: Nodes, allowed: Mapping[str, Mapping[str, int]], *, is_dry_run: bool) -> Outcome:
    outcome = Outcome(is_dry_run=is_dry_run)
    outcome.failed.update(dict.fromkeys(found.down, "it is down: what it has is collected when it is back"))
    columns = (TextColumn("{task.fields[node]}"), BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    errors = console.people(to_errors=True)
    with Progress(*columns, console=errors, disable=not errors.is_terminal) as bars:

        def one(name: str) -> None:
            order = Order(is_dry_run, allowed.get(name, {}))
            try:
                outcome.reports[name] = _follow(name, found.up[name], order, bars)
            except HoldfastError as error:
                outcome.failed[name] = error.message

        first = [name for name in found.up if name == found.first]
        _at_once(one, found.up.keys() - first)
        _at_once(one, first)
    return outcome


def _at_once(work: Callable[[str], None], names: Iterable[str]) -> None:
    names = sorted(names)
    if names:
        with ThreadPoolExecutor(len(names)) as pool:
            list(pool.map(work, names))


def _follow(name: str, node: NodeClient, order: Order, bars: Progress) -> Report:
    task = bars.add_task("", total=None, node=name)
    for news in node.collect(order):
        bars.update(task, completed=news.done, total=news.total or None, description=_STEPS.get(news.step, news.step))
        if news.report is not None:
            bars.update(task, completed=1, total=1, description="done")
            return news.report
    raise NodeUnreachableError("the storage node ended before it had told what came of it; run it again")
