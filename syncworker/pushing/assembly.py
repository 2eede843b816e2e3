"""From a ``direction: push`` entry of the configuration to the job that carries it out.

Never: asks the target, or reads what is here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.config.sync import PUSH
from holdfast.mirrors import ways
from holdfast.mirrors.entries import entries
from syncworker.pushing.attached import Attached
from syncworker.pushing.blobs import Blobs
from syncworker.pushing.changes import Changes
from syncworker.pushing.following import Follower, chosen, workers
from syncworker.pushing.images import Images
from syncworker.pushing.job import PushJob, way_of
from syncworker.upstream import assembly as upstreams

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from holdfast.clock import Clock
    from holdfast.config.sync import Sync, SyncRegistry
    from holdfast.meta.mirrorruns import MirrorRuns
    from holdfast.meta.store import Store
    from holdfast.mirrors.ways import Way
    from holdfast.names import Repository, Tag
    from syncworker.pushing.holdings import Holdings
    from syncworker.upstream.assembly import Surroundings
    from syncworker.upstream.target import Target


@dataclass(frozen=True, slots=True)
class Soon:
    """Changes here and who copies them, one for each entry."""

    changes: Changes
    followers: tuple[Follower, ...]

    def start(self) -> None:
        """After the worker is seen by others: they leave to it what is its own."""
        for follower in self.followers:
            follower.start()
        if self.followers:
            self.changes.start()

    def stop(self) -> None:
        self.changes.stop()
        for follower in self.followers:
            follower.stop()


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


def soon(
    sync: Sync, jobs: Mapping[int, PushJob], here: Holdings, store: Store, runs: MirrorRuns, clock: Clock, worker: str
) -> Soon:
    """What copies changes at once, in the worker with this id; ``jobs`` by the number of their entry."""

    def is_mine(repository: Repository) -> bool:
        return chosen(repository, workers(store)) == worker

    followers = tuple(
        Follower(entry, jobs[entry.number], runs, clock, is_mine, sync.registries[entry.number].sync_timeout.seconds)
        for entry in entries(sync)
        if entry.number in jobs
    )

    def tell(repository: Repository, tag: Tag) -> None:
        for follower in followers:
            follower.offer(repository, tag)

    def missed() -> None:
        for follower in followers:
            follower.wish()

    return Soon(Changes(store, here, clock, tell, missed, lambda: workers(store)), followers)
