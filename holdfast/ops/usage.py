"""``holdfast usage``: what repositories hold, alone and with others, and how much of each quota that is.

It reads the metadata of a cluster (cluster.etcd) or of one machine (storage.rootDirectory), also while a registry runs on it.
``--recount`` makes the counts that quotas go by what the links come to, which they are unless a version wrote that did not count.
Exit codes: 0 done, 1 the metadata does not answer, 78 the configuration is refused, or there is no registry of it yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.meta.ownership import Ownership, ownership
from holdfast.meta.usage import Usage
from holdfast.ops import console
from holdfast.ops.console import bytes_text, counted, row, table
from holdfast.ops.reach import AsJson, ConfigFile  # noqa: TC001 - typer reads annotations
from holdfast.ops.registry import opened
from holdfast.patterns.globs import Glob
from holdfast.replicas.access import new_id

if TYPE_CHECKING:
    from rich.table import Table

    from holdfast.meta.usage import Repaired
    from holdfast.ops.console import JsonObject

Recount = Annotated[bool, typer.Option("--recount", help="Set the counts that quotas go by to what is there.")]
Pattern = Annotated[str, typer.Argument(metavar="[GLOB]", help='Only repositories that it matches, such as "team/**".')]


@dataclass(frozen=True, slots=True)
class Namespace:
    """A quota, and what the repositories that it is for hold. ``counted_bytes``: by the counts that it goes by."""

    text: str
    limit_bytes: int
    repositories: int
    counted_bytes: int

    @property
    def share(self) -> float:
        return self.counted_bytes / self.limit_bytes if self.limit_bytes else 1.0


def usage(
    pattern: Pattern = "**", config_file: ConfigFile = None, recount: Recount = False, json_output: AsJson = False
) -> None:
    """Show what repositories and namespaces hold."""
    with opened(config_file) as (settings, store):
        counts = Usage(store, new_id)
        repaired = list(counts.recount()) if recount else []
        found = ownership(store)
        namespaces = [_namespace(text, limit, found, counts) for text, limit in settings.storage.quotas.items()]
        wrong = [name for name, held in found.repositories.items() if counts.of(name).size_bytes != held.size_bytes]
    glob = Glob(pattern)
    shown = {name: held for name, held in sorted(found.repositories.items()) if glob.matches(name)}
    found.repositories = shown
    if json_output:
        console.show_json(_as_json(found, namespaces, repaired))
    else:
        _show(found, namespaces, repaired)
    if wrong:
        console.warn(
            f"the counts of {counted(len(wrong), 'repository', 'repositories')} ({console.listed(wrong)}) are not what is there"
            " or changed just now; --recount sets them"
        )


def _namespace(text: str, limit_bytes: int, found: Ownership, counts: Usage) -> Namespace:
    glob = Glob(text)
    covered = sum(map(glob.matches, found.repositories))
    return Namespace(text, limit_bytes, covered, counts.counted(glob.literal, glob.matches).size_bytes)


def _show(found: Ownership, namespaces: list[Namespace], repaired: list[Repaired]) -> None:
    for one in repaired:
        console.show(
            f"{one.repository}: counted {bytes_text(one.before.size_bytes)}, is {bytes_text(one.after.size_bytes)}"
        )
    if found.repositories:
        console.show(_repositories(found))
    else:
        console.show("no repository holds anything")
    if namespaces:
        console.show(_quotas(namespaces))
    console.show(
        f"{counted(found.distinct_blobs, 'blob')} in all, {bytes_text(found.distinct_bytes)} on a disk that holds each once"
    )


def _repositories(found: Ownership) -> Table:
    made = table("repository", "blobs", "holds", "alone", "shared", right=("blobs", "holds", "alone", "shared"))
    for name, held in found.repositories.items():
        sizes = map(bytes_text, (held.size_bytes, held.own_bytes, held.shared_bytes))
        row(made, name, str(held.blobs), *sizes)
    return made


def _quotas(namespaces: list[Namespace]) -> Table:
    numbers = ("repositories", "used", "quota", "share")
    made = table("quota of", *numbers, right=numbers)
    for one in namespaces:
        sizes = map(bytes_text, (one.counted_bytes, one.limit_bytes))
        row(made, one.text, str(one.repositories), *sizes, f"{one.share:.0%}")
    return made


def _as_json(found: Ownership, namespaces: list[Namespace], repaired: list[Repaired]) -> JsonObject:
    return {
        "repositories": [
            {
                "repository": name,
                "blobs": held.blobs,
                "sizeBytes": held.size_bytes,
                "ownBytes": held.own_bytes,
                "sharedBytes": held.shared_bytes,
            }
            for name, held in found.repositories.items()
        ],
        "quotas": [
            {
                "quota": one.text,
                "repositories": one.repositories,
                "usedBytes": one.counted_bytes,
                "limitBytes": one.limit_bytes,
                "share": round(one.share, 4),
            }
            for one in namespaces
        ],
        "distinctBlobs": found.distinct_blobs,
        "distinctBytes": found.distinct_bytes,
        "repaired": [
            {"repository": one.repository, "before": one.before.size_bytes, "after": one.after.size_bytes}
            for one in repaired
        ],
    }
