"""What clients will ask for next, fetched before they do: ``prefetch``.

    a manifest was asked for ──▶ a job, unless it was one lately ──▶ its registry's queue ──▶ holdfast.mirrors.plan, step by step

Promises
    * No client waits for it. For each registry one image at a time is fetched, one blob after the other, so that clients have the
      rest of ``reqConcurrent`` for themselves; and through the same single flight, so that nothing comes twice.
    * Bounded: what does not fit into a queue is left to its clients, and the log says so. An image gets ``syncTimeout``.
    * With ``image`` the blobs of an image that was asked for come, with ``all`` those of an index's children too, as far as
      ``platforms`` names them; and what refers to any of it, cosign's tags included.

Never: fails a request; fetches for repositories whose configuration says nothing of ``prefetch``.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast.config.sync import NOTHING
from holdfast.errors import HoldfastError, UpstreamMissingError
from holdfast.mirrors.plan import Depth, FetchBlob, FetchManifest, FetchReferrers, Stored, Wanted, plan
from holdfast.replicas.remembered import Remembered

if TYPE_CHECKING:
    from holdfast.digest import Digest
    from holdfast.mirrors.plan import Instruction
    from holdfast.mirrors.ways import Way
    from holdfast.names import Repository
    from syncworker.fetching import Fetching
    from syncworker.manifests import Manifests
    from syncworker.referrers import Referrers
    from syncworker.sources import Sources
    from syncworker.tags import Tags
    from syncworker.upstream.pace import Time

_log: Final = logging.getLogger("holdfast.sync")

_QUEUED: Final = 1_000
# Whoever pulls a moving tag all day asks for the same manifest all day.
_DONE_SECONDS: Final = 600.0
_DONE_LIMIT: Final = 20_000
_FIRST_PAUSE_SECONDS: Final = 0.05
_LONGEST_PAUSE_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class _Job:
    repository: Repository
    digest: Digest
    way: Way


class Ahead:
    """Shared by threads; has one of its own for each registry that it fetches from."""

    def __init__(
        self,
        manifests: Manifests,
        tags: Tags,
        referrers: Referrers,
        fetching: Fetching,
        sources: Sources,
        time: Time,
    ) -> None:
        self._manifests = manifests
        self._tags = tags
        self._referrers = referrers
        self._fetching = fetching
        self._sources = sources
        self._time = time
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._queues: dict[int, queue.Queue[_Job]] = {}
        self._known: Remembered[tuple[Repository, Digest], bool] = Remembered(time.clock, _DONE_SECONDS, _DONE_LIMIT)

    def consider(self, repository: Repository, digest: Digest) -> None:
        """Somebody has asked for this manifest, which is stored."""
        ways = self._sources.ways(repository)
        if not ways or ways[0].prefetch == NOTHING or self._known.get((repository, digest)):
            return
        try:
            self._queue(ways[0].registry).put_nowait(_Job(repository, digest, ways[0]))
        except queue.Full:
            _log.warning(
                "too much to fetch ahead; this is left to its clients",
                extra={"repository": repository, "digest": str(digest)},
            )
        else:
            self._known.put((repository, digest), value=True)

    def end(self) -> None:
        """Begin nothing more."""
        self._ended.set()

    def _queue(self, registry: int) -> queue.Queue[_Job]:
        with self._lock:
            found = self._queues.get(registry)
            if found is None:
                found = self._queues[registry] = queue.Queue(_QUEUED)
                threading.Thread(target=self._work, args=(found,), name=f"ahead-{registry}", daemon=True).start()
        return found

    def _work(self, jobs: queue.Queue[_Job]) -> None:
        while not self._ended.is_set():
            job = jobs.get()
            named = {"repository": job.repository, "digest": str(job.digest)}
            try:
                self._bring(job)
            except HoldfastError as error:
                self._known.forget((job.repository, job.digest))
                _log.warning("what was to be fetched ahead cannot be had", extra={**named, "reason": error.message})
            except Exception:  # noqa: BLE001 - nobody else is there to notice, and the next job is no worse
                _log.exception("fetching ahead broke", extra=named)
            else:
                _log.info("fetched ahead", extra=named)

    def _bring(self, job: _Job) -> None:
        if self._manifests.is_pushed(job.repository, job.digest):
            return  # no upstream is to hear of it
        run = _Run(job, self._time.clock.monotonic() + job.way.patience_seconds)
        while run.roots and not self._is_over(run):
            root = run.roots.pop()
            held: dict[Digest, bytes] = {}
            fetched = True
            while fetched and not self._is_over(run):
                fetched = False
                for step in plan(root, run.wanted, Stored(held)):
                    fetched |= isinstance(step, FetchManifest)
                    self._carry_out(run, step, held)

    def _is_over(self, run: _Run) -> bool:
        return self._ended.is_set() or self._time.clock.monotonic() > run.until

    def _carry_out(self, run: _Run, step: Instruction, held: dict[Digest, bytes]) -> None:
        repository = run.job.repository
        if isinstance(step, FetchManifest):
            self._manifests.have(repository, step.digest)
            held[step.digest] = self._manifests.read(repository, step.digest)
        elif isinstance(step, FetchBlob):
            self._blob(run, step.digest)
        elif isinstance(step, FetchReferrers):
            self._referring(run, step)

    def _blob(self, run: _Run, digest: Digest) -> None:
        """Wait until it is stored: the next one is not begun before."""
        pause_seconds = _FIRST_PAUSE_SECONDS
        while not self._is_over(run) and self._fetching.fetch(run.job.repository, digest) is not None:
            self._time.pause(pause_seconds)
            pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)

    def _referring(self, run: _Run, step: FetchReferrers) -> None:
        repository = run.job.repository
        self._referrers.have(repository, step.subject)
        run.add(*self._referrers.stored(repository, step.subject))
        for tag in step.tags:
            with contextlib.suppress(UpstreamMissingError):
                run.add(self._tags.resolve(repository, tag).digest)


class _Run:
    """One job under way: ``roots`` are still to be fetched."""

    def __init__(self, job: _Job, until: float) -> None:
        self.job = job
        self.until = until
        self.roots = [job.digest]
        self.wanted = Wanted(Depth(job.way.prefetch), job.way.platforms, cosign_tags=job.way.cosign_tags)
        self._seen = {job.digest}

    def add(self, *digests: Digest) -> None:
        """What belongs to it, unless that was seen before."""
        self.roots += [digest for digest in digests if digest not in self._seen]
        self._seen.update(digests)
