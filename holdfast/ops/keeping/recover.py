"""``holdfast recover``: the metadata is lost, and there is no backup but what storage nodes have made by themselves.

On one machine, the server stopped:
    holdfast recover --config CONFIG

In a cluster, whose etcd is empty and whose processes are stopped:
    1. holdfast recover --config CONFIG --from DIR      the directory of any storage node; the newest backup in any is taken
    2. start the storage nodes (without any backup in 1: `holdfast layout apply` as well)
    3. holdfast recover --config CONFIG                 what nodes hold beyond that backup comes back as recovered/<digest>
    4. start gateways

Afterwards nodes delete nothing until `holdfast gc trust`. What comes back as ``recovered/`` has no name, because nodes know none:
copy it to where it belongs.

Promises: metadata that is there is added to, never replaced. Breaking off does no harm; the same command goes on.

Exit codes: 0 done, 1 refused or not finished (with the reason), 2 wrong usage, 78 the configuration is refused.
"""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast import __version__
from holdfast.clock import SystemClock
from holdfast.digest import PARTITIONS
from holdfast.errors import ConfigError, HoldfastError
from holdfast.meta import keys
from holdfast.meta.commit import insist
from holdfast.meta.keeping import file
from holdfast.meta.keeping.adopting import Adopting
from holdfast.meta.keeping.comparing import beyond
from holdfast.meta.repos import Repositories
from holdfast.meta.store import KeyAt, Put
from holdfast.ops import console
from holdfast.ops.accounts import ConfigFile  # noqa: TC001 - typer reads annotations
from holdfast.ops.console import counted
from holdfast.ops.keeping import shelves
from holdfast.ops.keeping.reach import as_json, audited, progress, settings_of, told
from holdfast.ops.keeping.restore import target_of
from holdfast.ops.keeping.shelves import Directories
from holdfast.ops.keeping.unpacking import unpacked
from holdfast.ops.reach import AsJson, Yes  # noqa: TC001 - typer reads annotations
from holdfast.ops.registry import database, is_cluster, metadata
from holdfast.replicas.access import new_id
from storagenode.disk.identity import seen
from storagenode.disk.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import RenderableType

    from holdfast.config import Settings
    from holdfast.meta.keeping.adopting import Recovery
    from holdfast.meta.keeping.file import Backup
    from holdfast.meta.store import Store
    from holdfast.ops.keeping.shelves import Shelf

_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Plan:
    """``backup`` None: there is metadata, which is added to."""

    backup: Backup | None
    dry_run: bool


def recover(
    config_file: ConfigFile = None,
    sources: Annotated[
        list[Path] | None,
        typer.Option("--from", metavar="DIR", help="A storage node's data directory; of one machine they are known."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would come back, change nothing.")] = False,
    yes: Yes = False,
    json_output: AsJson = False,
) -> None:
    """Make the metadata anew from what storage nodes hold: the last resort, when no backup is left."""
    with settings_of(config_file) as settings, audited(settings) as note, contextlib.ExitStack() as held:
        backup = _restored(settings, sources or [], held, yes=yes, dry_run=dry_run)
        plan = Plan(backup, dry_run)
        recovery = _adopted(settings, plan, held)
        if not dry_run:
            note("recover", "metadata")
    if json_output:
        console.show_json(
            {
                "backup": as_json(backup) if backup else None,
                "dryRun": dry_run,
                "recovered": recovery
                and [{"repository": one.repository, "digest": str(one.digest)} for one in recovery.first],
                "images": recovery and recovery.adopted,
                "incomplete": recovery and recovery.incomplete,
                "lacking": recovery and [str(digest) for digest in recovery.lacking],
            }
        )
    else:
        console.show(*_described(recovery, plan))


def _restored(
    settings: Settings, sources: Sequence[Path], held: contextlib.ExitStack, *, yes: bool, dry_run: bool
) -> Backup | None:
    """What was restored because nothing was there. The machine's directories are held until the end."""
    target = held.enter_context(target_of(settings))
    trees = [Tree(str(path.absolute())) for path in sources]
    if not trees and not is_cluster(settings):
        trees = list(Directories.of(settings).trees)
    standing = _standing(settings)
    if standing is not None and _is_theirs(standing, trees):
        console.require_yes("Everything without a name gets one below recovered/. Go on?", yes=yes or dry_run)
        return None
    backup = _newest(trees, Path(held.enter_context(tempfile.TemporaryDirectory(prefix="holdfast-recover-"))))
    typer.echo(f"the metadata is empty; taking {told(backup)}", err=True)
    replace = standing is not None
    target.check(backup, replace=replace)
    if not dry_run:
        console.require_yes("Restore it?", yes=yes)
        with progress("restoring", backup.keys) as moved:
            target.restore(backup, moved, replace=replace)
    return backup


@dataclass(frozen=True, slots=True)
class Standing:
    """Metadata that is there. ``names``: whether it holds any repository."""

    cluster_id: str
    names: bool


def _standing(settings: Settings) -> Standing | None:
    if not is_cluster(settings) and not database(settings).exists():
        return None
    with contextlib.closing(metadata(settings)) as store:
        found = store.get_many([keys.CLUSTER_ID, keys.CLUSTER_COPYING]).entries
        if keys.CLUSTER_ID not in found or keys.CLUSTER_COPYING in found:
            return None
        names = store.range(*keys.repositories_after(""), 1, keys_only=True).entries
        return Standing(found[keys.CLUSTER_ID].value.decode(), bool(names))


def _is_theirs(standing: Standing, trees: Sequence[Tree]) -> bool:
    """False: a process came to where the metadata had been and began another registry, which holds nothing yet.

    Raises:
        ConfigError: it holds something.
    """
    owners = _owners(trees)
    if not owners or standing.cluster_id in owners:
        return True
    if standing.names:
        raise ConfigError(
            f"the metadata is of registry {standing.cluster_id} and holds repositories, and the bytes are of {', '.join(owners)}"
        )
    return False


def _owners(trees: Sequence[Tree]) -> set[str]:
    return {identity.cluster_id for tree in trees if (identity := seen(tree)) is not None}


def _newest(trees: Sequence[Tree], scratch: Path) -> Backup:
    """The newest whole backup in any of the directories; if there is none, one that says only whose they are.

    Raises:
        ConfigError: there is no storage node's directory, or they are of several registries.
    """
    identities = _owners(trees)
    if len(identities) != 1:
        of = "of several registries" if identities else "no storage node's"
        raise ConfigError(
            f"the metadata is empty, and the directories given are {of}; name the data directory of a node by --from DIR"
        )
    (cluster_id,) = identities
    for header, path in sorted(_backups(trees), key=lambda found: found[0].made_seconds, reverse=True):
        if header.cluster_id == cluster_id:
            with contextlib.suppress(HoldfastError):
                return file.verified(path)
            console.warn(f"{path} is damaged; an older one is taken")
    header = file.Header(cluster_id, 1, SystemClock().wall(), __version__)
    made = file.write(scratch / "none.backup", header, [(keys.CLUSTER_ID, cluster_id.encode())])
    if made is None:
        raise AssertionError("every content is another than none")
    return made


def _backups(trees: Sequence[Tree]) -> Iterator[tuple[file.Header, Path]]:
    for tree in trees:
        for path in sorted(Path(tree.backups).glob("*.backup")):
            with contextlib.suppress(HoldfastError):
                yield file.glanced(path), path


def _adopted(settings: Settings, plan: Plan, held: contextlib.ExitStack) -> Recovery | None:
    """None: of a cluster, whose nodes are not there yet."""
    shelf, live = held.enter_context(shelves.opened(settings))
    if plan.backup is not None and live is not None:
        return None
    store = live or held.enter_context(_names(settings, plan))
    if not plan.dry_run:
        _doubt(store)
    with progress("looking", 2 * PARTITIONS) as bar:
        done = 0

        def walked(_partition: int) -> None:
            nonlocal done
            done += 1
            bar(done)

        adopting = Adopting(
            Repositories(store, new_id, SystemClock()),
            lambda: beyond(store, shelf.listing, walked),
            shelf.read,
            shelf.has,
        )
        recovery = adopting.run(dry_run=plan.dry_run)
    _require_all(shelf)
    return recovery


def _doubt(store: Store) -> None:
    """Nothing is deleted until an operator says so, also where the metadata stood: what is incomplete has no name yet."""
    when = datetime.fromtimestamp(SystemClock().wall(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    insist(
        store,
        [KeyAt(keys.CLUSTER_RESTORED, 0)],
        [Put(keys.CLUSTER_RESTORED, f"{when}, by `holdfast recover`".encode())],
    )


@contextlib.contextmanager
def _names(settings: Settings, plan: Plan) -> Iterator[Store]:
    if plan.dry_run and plan.backup is not None:
        with unpacked(plan.backup) as store:
            yield store
    else:
        with contextlib.closing(metadata(settings)) as store:
            yield store


def _require_all(shelf: Shelf) -> None:
    if shelf.silent:
        console.warn(f"could not be asked: {console.listed(sorted(shelf.silent))}; do it again when they are there")


def _described(recovery: Recovery | None, plan: Plan) -> Iterator[RenderableType]:
    if recovery is None:
        yield "start the storage nodes now, and then do this again, for what they hold beyond the backup"
        return
    if recovery.first:
        made = console.table("recovered", "digest", "manifests", right=("manifests",))
        for one in recovery.first[:_SHOWN]:
            console.row(made, one.repository, one.digest, one.manifests)
        yield made
    verb = "would come back" if plan.dry_run else "came back"
    yield f"{counted(recovery.adopted, 'image')} without a name {verb}, {recovery.manifests} manifests and {recovery.blobs} blobs"
    if recovery.incomplete:
        names = console.listed(map(str, recovery.lacking), 3)
        yield f"{counted(recovery.incomplete, 'manifest')} incomplete and left as they are: {names}"
    yield "nodes delete nothing until you say that this is right: `holdfast gc trust`"
