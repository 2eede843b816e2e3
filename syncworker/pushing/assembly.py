"""From a ``direction: push`` entry of the configuration to the job that carries it out.

Never: asks the target, or reads what is here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.config.sync import PUSH
from holdfast.mirrors import ways
from syncworker.pushing.attached import Attached
from syncworker.pushing.blobs import Blobs
from syncworker.pushing.images import Images
from syncworker.pushing.job import PushJob, way_of
from syncworker.upstream import assembly as upstreams

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.config.sync import Sync, SyncRegistry
    from holdfast.mirrors.ways import Way
    from holdfast.names import Repository
    from syncworker.pushing.holdings import Holdings
    from syncworker.upstream.assembly import Surroundings
    from syncworker.upstream.target import Target


@dataclass(frozen=True, slots=True)
class Parts:
    """What a job stands on."""

    here: Holdings
    target: Target
    blobs: Blobs
    images: Images
    attached: Attached


def jobs(sync: Sync, here: Holdings, around: Surroundings) -> dict[int, PushJob]:
    """The jobs of all entries that push, by the number of the entry.

    Raises:
        ConfigError: a URL or certificates that cannot be used.
    """
    found = ways.pushed(sync)
    pushed = {number: entry for number, entry in enumerate(sync.registries) if entry.direction == PUSH}
    return {
        number: job(entry, [way for way in found if way.registry == number], here, around)
        for number, entry in pushed.items()
    }


def job(entry: SyncRegistry, chosen: Sequence[Way], here: Holdings, around: Surroundings) -> PushJob:
    """The job of one entry; ``chosen`` are its ways. Raises as :func:`jobs`."""
    clock = around.time.clock

    def renamed(repository: Repository) -> Repository | None:
        way = way_of(chosen, repository)
        return way.renaming.forward(repository) if way else None

    target = upstreams.target(entry, around)
    blobs = Blobs(here, target, renamed, entry.req_concurrent, clock)
    images = Images(here, target, blobs)
    attached = Attached(here, target, images, cosign_tags=entry.sync_legacy_cosign_tags)
    return PushJob(chosen, Parts(here, target, blobs, images, attached), clock, only_signed=entry.only_signed)
