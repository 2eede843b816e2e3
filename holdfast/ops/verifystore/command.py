"""``holdfast verify-store DIR|CONFIG``: is everything right in the directory of a storage node that is stopped?

    holdfast verify-store /var/lib/holdfast            a registry of one machine: copies, and what its metadata link
    holdfast verify-store /var/lib/holdfast/node       a node's directory alone: copies
    holdfast verify-store /etc/holdfast/config.json    with further disks, and with what a cluster's metadata say

Changes nothing. Exit codes: 0 all is right, 1 something is wrong (all of it is told), 2 wrong usage, 78 there is no such store, or
its node is running.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from holdfast.clock import SystemClock
from holdfast.digest import PARTITIONS
from holdfast.errors import ConfigError, HoldfastError
from holdfast.meta.dangling import dangling
from holdfast.meta.lost import LostBook
from holdfast.meta.repos import Repositories
from holdfast.meta.touched import touched
from holdfast.ops import console
from holdfast.ops.children import EXIT_CONFIG
from holdfast.ops.reach import AsJson  # noqa: TC001 - typer reads annotations
from holdfast.ops.starting import report_refusal
from holdfast.ops.verifystore import checking, places
from holdfast.ops.verifystore.checking import Disk
from holdfast.ops.verifystore.outcome import Verified, as_json, describe
from holdfast.replicas.access import new_id

if TYPE_CHECKING:
    from holdfast.ops.verifystore.places import Place

Target = Annotated[
    Path, typer.Argument(metavar="DIR|CONFIG", help="A node's or registry's directory, or a configuration.")
]


def verify_store(target: Target, json_output: AsJson = False) -> None:
    """Check the directory of a storage node that is stopped; change nothing.

    Example: holdfast verify-store /var/lib/holdfast
    """
    with contextlib.ExitStack() as held:
        try:
            place = places.find(target, held)
            for tree in place.trees:
                checking.hold(tree, held)
        except ConfigError as error:
            report_refusal(error)
            raise typer.Exit(EXIT_CONFIG) from None
        try:
            found = _checked(place)
        except HoldfastError as error:
            raise console.refuse([error.message]) from error
        except OSError as error:
            raise console.refuse([f"{error.filename}: {error.strerror}"]) from error
    if json_output:
        console.show_json(as_json(found))
    else:
        console.show(*describe(found))
    raise typer.Exit(0 if found.is_well else 1)


def _checked(place: Place) -> Verified:
    """Raises HoldfastError, OSError."""
    found = Verified(place.node_id, [Disk(tree) for tree in place.trees], place.store is not None, place.why)
    for disk in found.disks:
        checking.look_around(disk)
    people = console.people(to_errors=True)
    columns = (BarColumn(), TextColumn("partitions"), TimeElapsedColumn())
    with Progress(*columns, console=people, disable=not people.is_terminal) as bar:
        task = bar.add_task("", total=PARTITIONS)
        for number, good in enumerate(checking.partitions(found.disks, lambda _: None)):
            if place.store is not None:
                linked = set(LostBook(place.store, new_id).linked(number))
                found.unlinked += len(good - linked)
                found.missing += sorted(linked - good) if place.is_ours(number) else []
            bar.advance(task)
    if place.store is not None:
        found.dangling = list(dangling(place.store))
        found.images = touched(place.store, Repositories(place.store, new_id, SystemClock()), found.missing)
    return found
