"""Runs of configured mirrors: when one began, what came of it, and which worker copies which of its repositories.

    mirror/run/<entry>             one run after the other, numbered; the last one stays
    mirror/part/<entry>/<name>     a repository of the run under way: its holder, and the last tag that is dealt with
    task/mirror/<entry>            somebody wants a run
    task/pause/<entry>             the mirror is not to run
    process/worker/<id>            the worker lives

Promises
  * A run begins once, however many workers find that it is due, and ends once: when no part of it is left undone.
  * A part has one holder. It is taken over only from a worker whose process key is gone, or that has let go of it. Whoever was
    taken over from changes nothing any more, neither the part nor the run: each change compares the part as its holder left it.
  * What a former holder has finished stays named by the cursor, so that the next one goes on behind it.
  * Counts and failures of a run are written together with the cursor that they belong to, so none is counted twice.

Never here: upstreams, schedules, and no decision by a clock; times are for people.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Final

from holdfast.meta import keys
from holdfast.meta.commit import ATTEMPTS, Change, commit, crowded, insist
from holdfast.meta.fetches import WORKER
from holdfast.meta.records import Codec, encode_bump
from holdfast.meta.store import MAX_OPS, Delete, KeyAt, Put, pages
from holdfast.wire import records_pb2 as wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from holdfast.meta.store import Compare, Entry, Op, Store
    from holdfast.names import Repository

_RUN: Final = Codec(wire.MirrorRunRecord)
_PART: Final = Codec(wire.MirrorPartRecord)
# What an upstream's error says is ours, but may hold a long URL.
_LONGEST_MESSAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class Counts:
    """Images that were looked at, those that changed, those left out on purpose, and those that failed; bytes that came over."""

    seen: int = 0
    changed: int = 0
    skipped: int = 0
    failed: int = 0
    size_bytes: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.seen + other.seen,
            self.changed + other.changed,
            self.skipped + other.skipped,
            self.failed + other.failed,
            self.size_bytes + other.size_bytes,
        )


@dataclass(frozen=True, slots=True)
class Failure:
    """``repository`` and ``tag`` "": it is about more than one. ``seconds``: wall clock, for people."""

    message: str
    repository: str = ""
    tag: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Run:
    """A mirror's run under way, or its last one; ``number`` 0: it never ran. Times are wall clock, for people; 0: never.

    ``answered``: the revision of the wish that it began after. ``failure``: the last one, which was in the run ``failed_run``.
    ``revision``: of the record; 0: there is none.
    """

    entry: str
    title: str = ""
    number: int = 0
    is_running: bool = False
    answered: int = 0
    started_seconds: float = 0.0
    ended_seconds: float = 0.0
    succeeded_seconds: float = 0.0
    counts: Counts = field(default_factory=Counts)
    failure: Failure | None = None
    failed_run: int = 0
    revision: int = 0

    @property
    def has_failed(self) -> bool:
        """Whether something failed in this run."""
        return self.failure is not None and self.failed_run == self.number


@dataclass(frozen=True, slots=True)
class Standing:
    """A mirror as it stands. ``asked``: the revision of the last wish for a run; 0: there was none."""

    run: Run
    asked: int
    is_paused: bool


@dataclass(frozen=True, slots=True)
class Part:
    """A repository of a run. ``cursor`` "": nothing of it is dealt with yet. ``token``: the revision of the record."""

    entry: str
    number: int
    repository: Repository
    worker: str
    cursor: str
    is_done: bool
    token: int


class Refusal(Enum):
    """Why a part is not to be had."""

    DONE = "it is dealt with in this run"
    HELD = "a living worker has it"
    OVER = "the run has ended"


class MirrorRuns:
    """As one worker sees them; "" is nobody's view, which claims nothing. ``new_id`` gives 16 random bytes.

    Every method may raise MetadataUnavailableError, changes OutcomeUnknownError as well.
    """

    def __init__(self, store: Store, new_id: Callable[[], bytes], worker: str = "") -> None:
        self._store = store
        self._new_id = new_id
        self._worker = worker

    # -- what people look at, and wish for

    def look(self, entry: str) -> Standing:
        """As of one moment."""
        run, wish, pause = keys.mirror_run(entry), keys.mirror_wish(entry), keys.mirror_pause(entry)
        found = self._store.get_many([run, wish, pause]).entries
        asked = found[wish].mod_revision if wish in found else 0
        return Standing(_run(entry, found.get(run)), asked, pause in found)

    def parts(self, entry: str) -> Iterator[Part]:
        """The repositories of the run under way that somebody has begun with."""
        for found in pages(self._store, *keys.mirror_parts(entry)):
            yield _part(entry, keys.mirror_part_in(found.key), found)

    def ask(self, entry: str) -> int:
        """Have it run as soon as may be; the revision of this wish."""
        key = keys.mirror_wish(entry)
        insist(self._store, (), [Put(key, encode_bump(self._new_id()))])
        found = self._store.get(key)
        return found.mod_revision if found else 0

    def pause(self, entry: str) -> None:
        """Have it stop after the images under way, and not run until ``resume``."""
        insist(self._store, (), [Put(keys.mirror_pause(entry), encode_bump(self._new_id()))])

    def resume(self, entry: str) -> None:
        insist(self._store, (), [Delete(keys.mirror_pause(entry))])

    # -- a run

    def begin(self, standing: Standing, title: str, wall_seconds: float) -> Run | None:
        """The next run; None: somebody else has begun or ended one, or it is paused by now: look again."""
        former, paused = standing.run, keys.mirror_pause(standing.run.entry)
        run = replace(
            former,
            title=title,
            number=former.number + 1,
            is_running=True,
            answered=standing.asked,
            started_seconds=wall_seconds,
            counts=Counts(),
        )
        return self._write(run, [KeyAt(paused, 0)], [])

    def end(self, run: Run, wall_seconds: float, failure: Failure | None = None) -> Run | None:
        """It is over. None: a part is not done yet, or somebody else has ended it.

        With a ``failure`` it ends because its repositories could not be listed; not if somebody has got on with any of them.
        """
        for _ in range(ATTEMPTS):
            # The run first: a claim that comes after this changes it, so no part begins unseen.
            standing = self.look(run.entry).run
            if not _is_same(standing, run) or not self._may_end(standing, failed=failure is not None):
                return None
            ended = _with(standing, Counts(failed=1 if failure else 0), failure)
            ended = replace(ended, is_running=False, ended_seconds=wall_seconds)
            if not ended.has_failed:
                ended = replace(ended, succeeded_seconds=wall_seconds)
            written = self._write(ended, [], [])
            if written is not None:
                self._forget_parts(written)
                return written
        raise crowded()

    def note(self, run: Run, failure: Failure) -> None:
        """A failure of the run as a whole, which goes on in spite of it. Several workers that meet the same one count it once."""
        for _ in range(ATTEMPTS):
            standing = self.look(run.entry).run
            known = standing.failure.message if standing.has_failed and standing.failure else None
            if not _is_same(standing, run) or known == failure.message:
                return
            if self._write(_with(standing, Counts(failed=1), failure), [], []):
                return
        raise crowded()

    # -- a part of it

    def claim(self, run: Run, repository: Repository) -> Part | Refusal:
        """Become the holder. A part of this worker's own, from a life before, is taken as anybody's.

        Raises:
            MetadataUnavailableError: too many claim at once; try again.
        """
        key = keys.mirror_part(run.entry, repository)
        for _ in range(ATTEMPTS):
            standing = self.look(run.entry).run
            if not _is_same(standing, run):
                return Refusal.OVER
            former = self._former(run, repository)
            if former.is_done:
                return Refusal.DONE
            compares: list[Compare] = [KeyAt(key, former.token)]
            if former.worker not in {"", self._worker}:
                process = keys.process(WORKER, former.worker)
                if self._store.get(process) is not None:
                    return Refusal.HELD
                compares.append(KeyAt(process, 0))
            # The run is written as well, as it is: whoever ends it at this moment does not succeed.
            operation_id = self._new_id()
            part = replace(former, worker=self._worker)
            if self._write(standing, compares, [Put(key, _encoded(part, operation_id))], operation_id):
                return self._token(part, operation_id) or Refusal.HELD
        raise crowded()

    def is_mine(self, part: Part) -> bool:
        """Whether it still stands as this worker has left it."""
        found = self._store.get(keys.mirror_part(part.entry, part.repository))
        return found is not None and found.mod_revision == part.token

    def report(
        self, part: Part, cursor: str, counts: Counts, failure: Failure | None = None, *, is_done: bool = False
    ) -> Part | None:
        """Move on to ``cursor``; None: the part is another's by now, or the run over, and nothing was written."""
        changed = replace(part, cursor=cursor, is_done=is_done, worker="" if is_done else part.worker)
        return self._change(part, changed, counts, failure)

    def leave(self, part: Part) -> None:
        """Let go of it, for others to go on. Nothing happens if it is another's by now."""
        self._change(part, replace(part, worker=""), Counts(), None)

    def _change(self, part: Part, changed: Part, counts: Counts, failure: Failure | None) -> Part | None:
        key = keys.mirror_part(part.entry, part.repository)
        for _ in range(ATTEMPTS):
            run = self.look(part.entry).run
            if not run.is_running or run.number != part.number or not self.is_mine(part):
                return None
            operation_id = self._new_id()
            ops: list[Op] = [Put(key, _encoded(changed, operation_id))]
            if self._write(_with(run, counts, failure), [KeyAt(key, part.token)], ops, operation_id):
                return self._token(changed, operation_id)
        raise crowded()

    def _token(self, part: Part, operation_id: bytes) -> Part | None:
        """The part as it was written. Not by the answer's revision: after an answer that was lost that is of a later look."""
        found = self._store.get(keys.mirror_part(part.entry, part.repository))
        if found is None or operation_id not in found.value:
            return None
        return replace(part, token=found.mod_revision)

    def _former(self, run: Run, repository: Repository) -> Part:
        """What stands of it in this run; what is of a run before counts for nothing but its revision."""
        found = self._store.get(keys.mirror_part(run.entry, repository))
        token = found.mod_revision if found else 0
        if found is not None:
            part = _part(run.entry, repository, found)
            if part.number == run.number:
                return part
        return Part(run.entry, run.number, repository, "", "", is_done=False, token=token)

    def _may_end(self, run: Run, *, failed: bool) -> bool:
        return all(part.is_done and not failed for part in self.parts(run.entry) if part.number == run.number)

    def _forget_parts(self, run: Run) -> None:
        """Of runs up to this one, which is over. What is left behind by an interruption means nothing to the next."""
        batch: list[Part] = []
        for part in self.parts(run.entry):
            if part.number <= run.number:
                batch.append(part)
            if len(batch) == MAX_OPS:
                self._delete(batch)
                batch = []
        self._delete(batch)

    def _delete(self, parts: list[Part]) -> None:
        if parts:
            found = [keys.mirror_part(part.entry, part.repository) for part in parts]
            compares = [KeyAt(key, part.token) for key, part in zip(found, parts, strict=True)]
            insist(self._store, compares, [Delete(key) for key in found])

    def _write(self, run: Run, compares: list[Compare], ops: list[Op], operation_id: bytes | None = None) -> Run | None:
        """Write the run over what it was read as, and ``ops`` with it. None: something has moved."""
        key, operation_id = keys.mirror_run(run.entry), operation_id or self._new_id()
        put = Put(key, _encoded_run(run, operation_id))
        change = Change(key, run.revision, operation_id, [KeyAt(key, run.revision), *compares], [put, *ops])
        if not commit(self._store, change).succeeded:
            return None
        found = self._store.get(key)
        # Others may have written since; what this one wrote is what was asked for.
        return replace(run, revision=found.mod_revision if found and operation_id in found.value else 0)


def _is_same(standing: Run, run: Run) -> bool:
    return standing.is_running and standing.number == run.number


def _with(run: Run, counts: Counts, failure: Failure | None) -> Run:
    changed = replace(run, counts=run.counts + counts)
    return changed if failure is None else replace(changed, failure=failure, failed_run=run.number)


def _run(entry: str, found: Entry | None) -> Run:
    if found is None:
        return Run(entry)
    record = _RUN.decode(found.value)
    counts, failure = record.counts, record.failure
    return Run(
        entry=entry,
        title=record.title,
        number=record.number,
        is_running=record.is_running,
        answered=record.answered,
        started_seconds=record.started_seconds,
        ended_seconds=record.ended_seconds,
        succeeded_seconds=record.succeeded_seconds,
        counts=Counts(counts.seen, counts.changed, counts.skipped, counts.failed, counts.size_bytes),
        failure=Failure(failure.message, failure.repository, failure.tag, failure.seconds)
        if record.HasField("failure")
        else None,
        failed_run=record.failed_run,
        revision=found.mod_revision,
    )


def _encoded_run(run: Run, operation_id: bytes) -> bytes:
    counts, failure = run.counts, run.failure
    record = wire.MirrorRunRecord(
        operation_id=operation_id,
        number=run.number,
        is_running=run.is_running,
        answered=run.answered,
        started_seconds=run.started_seconds,
        ended_seconds=run.ended_seconds,
        succeeded_seconds=run.succeeded_seconds,
        counts=wire.MirrorCounts(
            seen=counts.seen,
            changed=counts.changed,
            skipped=counts.skipped,
            failed=counts.failed,
            size_bytes=counts.size_bytes,
        ),
        failed_run=run.failed_run,
        title=run.title,
    )
    if failure is not None:
        record.failure.CopyFrom(
            wire.MirrorFailure(
                message=failure.message[:_LONGEST_MESSAGE],
                repository=failure.repository,
                tag=failure.tag,
                seconds=failure.seconds,
            )
        )
    return _RUN.encode(record)


def _part(entry: str, repository: Repository, found: Entry) -> Part:
    record = _PART.decode(found.value)
    return Part(entry, record.number, repository, record.worker, record.cursor, record.is_done, found.mod_revision)


def _encoded(part: Part, operation_id: bytes) -> bytes:
    record = wire.MirrorPartRecord(
        operation_id=operation_id, number=part.number, worker=part.worker, cursor=part.cursor, is_done=part.is_done
    )
    return _PART.encode(record)
