"""What every scenario is given, and how jobs are timed on it.

A wave is one job for each client, started together by a barrier. Content is prepared between waves, so the time of a wave
is the registry's alone; throughput is all bytes over all waves' wall clock.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from holdfast.errors import AnswerError
from holdfast.ops.bench.measure import Figure, Tally
from holdfast.ops.bench.registry import Client

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from holdfast.ops.bench.auth import Authorizer
    from holdfast.ops.bench.content import Blob, Contents, Manifest
    from holdfast.ops.bench.endpoint import Dialer, Endpoint
    from holdfast.ops.bench.options import Options, Size
    from holdfast.ops.bench.registry import Timing
    from holdfast.ops.bench.watch import Sampling, ServerWatch

# Longer than any wave may take to gather: only threads that never start could miss it.
_GATHER_SECONDS: Final = 30.0
# A registry may take longer to delete ten thousand manifests than it took to store them.
_TIDY_SECONDS: Final = 30.0
_BLOBS: Final = "blobs"


@dataclass(frozen=True, slots=True)
class Target:
    """The registry under test and everything needed to talk to it."""

    endpoint: Endpoint
    dialer: Dialer
    authorizer: Authorizer

    def client(self) -> Client:
        return Client(self.endpoint, self.dialer, self.authorizer)


@dataclass(frozen=True, slots=True)
class Job:
    """One client's work in a wave: what it does and how many bytes that moves."""

    run: Callable[[Client], Timing]
    moved_bytes: int = 0


@dataclass(slots=True)
class Stage:
    """Options, registry, content, server watch, and a line that tells people what is going on."""

    options: Options
    target: Target
    contents: Contents
    watch: ServerWatch
    say: Callable[[str], None]
    _pushed: dict[str, None] = field(default_factory=dict)
    _stored: dict[int, Blob] = field(default_factory=dict)

    def repository(self, scenario: str) -> str:
        """A repository that no other run has used."""
        return f"{self.options.repository}/{self.contents.run_name}/{scenario}"

    def note(self, repository: str, what: str) -> None:
        """Remember something pushed, for :meth:`tidy`."""
        self._pushed[f"{repository} {what}"] = None

    def store(self, client: Client, repository: str, blob: Blob) -> Blob:
        """Push outside any measurement."""
        client.push_blob(repository, blob)
        self.note(repository, f"blobs/{blob.digest}")
        return blob

    def store_image(self, client: Client, repository: str, tag: str, layer_bytes: int = 4096) -> Manifest:
        """Push a small image outside any measurement."""
        config, layer = self.contents.small(256), self.contents.small(layer_bytes)
        for blob in (config, layer):
            self.store(client, repository, blob)
        manifest = self.contents.manifest(config, (layer,))
        client.put_manifest(repository, tag, manifest)
        self.note(repository, f"manifests/{manifest.digest}")
        return manifest

    @property
    def blobs_repository(self) -> str:
        """Where pushes leave blobs and pulls find them; no manifest names any of them."""
        return self.repository(_BLOBS)

    def stored_for_pulls(self, client: Client, size: Size) -> tuple[str, Blob]:
        """A blob of that size in the repository for pulls: what a push just left there, or pushed now and read once."""
        repository = self.blobs_repository
        blob = self._stored.get(size.size_bytes)
        if blob is None:
            blob = self.store(client, repository, self.contents.fresh("client-0", size.size_bytes))
            self.keep_for_pulls(blob)
        client.pull_blob(repository, blob, verify=True)
        return repository, blob

    def keep_for_pulls(self, blob: Blob) -> None:
        self._stored[blob.size_bytes] = blob

    def forget_for_pulls(self, size: Size) -> None:
        """A push went wrong: what is kept may not be there."""
        self._stored.pop(size.size_bytes, None)

    def waves(self, plan: Callable[[], Sequence[Job]], repeat: int, tallies: Sequence[Tally]) -> None:
        """Run up to ``repeat`` waves within the run's seconds, at least one; the n-th job counts on the n-th tally."""
        seconds = 0.0
        with ExitStack() as guard:
            clients = [guard.enter_context(self.target.client()) for _ in tallies]
            pool = guard.enter_context(ThreadPoolExecutor(len(tallies)))
            for number in range(repeat):
                self.say(f"wave {number + 1} of at most {repeat}")
                jobs = plan()
                barrier = threading.Barrier(len(jobs), timeout=_GATHER_SECONDS)
                starts = [pool.submit(_one, *work, barrier) for work in zip(jobs, clients, tallies, strict=True)]
                spans = [start.result() for start in starts]
                seconds += max(end for _, end in spans) - min(begin for begin, _ in spans)
                if seconds >= self.options.seconds:
                    break
        for tally in tallies:
            tally.seconds = seconds

    def tidy(self) -> None:
        """Delete what was pushed, as far as the registry lets us and time allows; never a failure of the run."""
        if self.options.keep:
            return
        ends_at = time.perf_counter() + _TIDY_SECONDS
        # The big blobs, which no manifest names, come first; then the last before the first: manifests before their blobs.
        entries = sorted(map(str.split, reversed(self._pushed)), key=lambda entry: not entry[0].endswith(f"/{_BLOBS}"))
        with self.target.client() as client, suppress(AnswerError):
            for number, (repository, what) in enumerate(entries):
                self.say(f"deleting what was pushed: {number + 1} of {len(entries)}")
                refused = client.delete(repository, what) in {401, 403, 405}
                if refused or time.perf_counter() >= ends_at:
                    return


def _one(job: Job, client: Client, tally: Tally, barrier: threading.Barrier) -> tuple[float, float]:
    barrier.wait()
    began = time.perf_counter()
    count(tally, lambda: job.run(client), job.moved_bytes)
    return began, time.perf_counter()


def count(tally: Tally, run: Callable[[], Timing], moved_bytes: int = 0) -> None:
    """Run one operation and count how it went."""
    try:
        timing = run()
    except AnswerError as error:
        tally.fail(error.reason)
    else:
        tally.succeed(timing.seconds, moved_bytes, timing.first_byte_seconds)


def figure(scenario: str, case: str, tallies: Sequence[Tally], sampling: Sampling, **facts: float) -> Figure:
    """One figure of what several clients saw; their seconds are the same wall clock."""
    whole = Tally(seconds=tallies[0].seconds)
    for tally in tallies:
        whole.merge(tally)
    return Figure(scenario, case, whole, sampling.use, facts)
