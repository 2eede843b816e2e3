"""One blob on its way from an upstream into an upload that others follow.

    look ──held by another──▶ its upload is the answer
      │ ──stored meanwhile──▶ over
      ▼
    take (the token grows), with the former holder's upload, if its node still has it; else with a new one, while the
      │ upstream is being asked
      ▼
    the upstream has answered ──▶ answer: follow this upload
      │
      ▼
    append with the token ──broken off──▶ the next source from there on, or the same node again
      │
      ▼
    finish: the node compares the digest ──▶ link ──▶ the fetch is over

Promises
    * The answer comes when an upstream has answered, so that "missing" is still an answer to a client.
    * Between a caller and the first byte lies one write to the metadata, and that while the upstream is being asked and the caller
      begins to follow. No byte is written before it.
    * Bytes go through here once, in messages; nothing is held but one of them.
    * What does not have the digest is dropped: followers break, the log says what was expected and what came.
    * What was cut off stays where it is, and the next fetch goes on there.

Never: writes after another worker has taken the fetch over: the storage node refuses its token.
"""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast.errors import (
    DigestInvalidError,
    HoldfastError,
    OffsetError,
    StaleWriterError,
    UnavailableError,
    UploadUnknownError,
    UpstreamWrongError,
)
from holdfast.rpc.node import UploadKey, Want
from syncworker.aloft import OWNER, PRINCIPAL, Trouble
from syncworker.metrics import Counter
from syncworker.opening import Opening

if TYPE_CHECKING:
    from holdfast.clock import Clock
    from holdfast.digest import Digest
    from holdfast.meta.fetches import Fetch, Fetches, Standing
    from holdfast.meta.repos import Fence, Repositories
    from holdfast.names import Repository
    from holdfast.replicas.write import ReplicaWriter
    from holdfast.rpc.node import StoredBlob
    from syncworker.aloft import Flight
    from syncworker.linking import Linking
    from syncworker.sources import Sources
    from syncworker.upstream.blobs import BlobStream
    from syncworker.upstream.pace import Pause
    from syncworker.upstream.upstream import Upstream

_log: Final = logging.getLogger("holdfast.sync")

_NODE_TRIES: Final = 20
_NODE_PAUSE_SECONDS: Final = 0.25
# For another worker that has just begun, and has not said yet where; and for its lease to end if it died.
_OTHERS_TRIES: Final = 240
_OTHERS_PAUSE_SECONDS: Final = 0.25


@dataclass(frozen=True, slots=True)
class Tools:
    """What flights work with."""

    fetches: Fetches
    repos: Repositories
    writer: ReplicaWriter
    linking: Linking
    sources: Sources
    pause: Pause
    clock: Clock


@dataclass(slots=True)
class _Hold:
    """The fetch as this worker has written it last; its token is what counts. ``is_empty``: nobody has put a byte into its
    upload.
    """

    fetch: Fetch
    is_empty: bool = False


class OthersError(Exception):
    """Another worker fetches it; ``upload_id`` may be followed."""

    def __init__(self, upload_id: str) -> None:
        super().__init__(upload_id)
        self.upload_id = upload_id


class StoredError(Exception):
    """It is stored and linked already: there is nothing to fetch."""


class Runner:
    """Runs flights, each in a thread of its own."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def run(self, flight: Flight) -> Counter:
        """To its end, however it ends, and what it has come to; ``flight.begun`` is set in any case."""
        try:
            self._run(flight)
        except OthersError as others:
            flight.tell(others.upload_id, flight.size_bytes)
            return Counter.FETCHES_ELSEWHERE
        except HoldfastError as error:
            flight.fail(error)
        except Exception:  # noqa: BLE001 - nobody else is there to notice, and callers wait
            _log.exception("a fetch broke")
            flight.fail(UnavailableError("the fetch broke; the sync worker's log has it"))
        else:
            return Counter.FETCHES_STORED
        finally:
            if flight.opening is not None:
                flight.opening.close()
        return Counter.FETCHES_FAILED

    def _run(self, flight: Flight) -> None:
        hold = self._take(flight)
        if hold is None:
            flight.tell_stored()
            return
        try:
            stored, fence = self._bring(flight, hold)
        except StoredError:
            self._tools.fetches.end(hold.fetch)
            flight.tell_stored()
            return
        except StaleWriterError:
            _log.warning("another worker has taken a fetch over", extra={"digest": str(flight.digest)})
            raise
        except UpstreamWrongError as error:
            # Every one is told. Whoever asks again is not kept waiting where another URL may be right.
            others = [blame() for blame in flight.blames]
            flight.wrong = None if any(others) else error
            self._drop(hold.fetch)
            raise
        except BaseException:
            # What has come stays; it is gone on with when somebody asks again. Without that word the fetch stays this worker's.
            with contextlib.suppress(UnavailableError):
                self._drop(hold.fetch) if hold.is_empty else self._tools.fetches.leave(hold.fetch)
            raise
        try:
            self._tools.linking.link(tuple(flight.repositories), stored, fence)
        finally:
            self._tools.fetches.end(hold.fetch)
        _log.info(
            "fetched a blob",
            extra={"digest": str(flight.digest), "size": stored.size_bytes, "repositories": list(flight.repositories)},
        )

    # -- whose fetch it is

    def _take(self, flight: Flight) -> _Hold | None:
        """None: it is stored, and linked for those who have asked."""
        for _ in range(_OTHERS_TRIES):
            standing = self._tools.fetches.look(flight.digest)
            if standing.is_held:
                _follow_others(standing)
            elif standing.fetch is not None and standing.fetch.upload_id:
                fetch = self._tools.fetches.take(flight.digest, standing)
                if fetch is not None:
                    return _Hold(fetch)
            elif self._is_done(flight):
                self._forget(flight.digest, standing)
                return None
            else:
                hold = self._begin_anew(flight, standing)
                if hold is not None:
                    return hold
            self._tools.pause(_OTHERS_PAUSE_SECONDS)
        raise UnavailableError("another sync worker fetches this and has not begun; try again")

    def _forget(self, digest: Digest, standing: Standing) -> None:
        """What somebody has left who never brought anything."""
        left = self._tools.fetches.take(digest, standing) if standing.fetch is not None else None
        if left is not None:
            self._tools.fetches.end(left)

    def _begin_anew(self, flight: Flight, standing: Standing) -> _Hold | None:
        """With an upload that nobody knows yet, while the upstream is being asked. None: somebody else was faster."""
        if flight.opening is None:
            flight.opening = Opening(flight.digest, flight.size_bytes)
            flight.opening.begin(self._tools.sources, flight.repositories[0])
        upload_id = ""
        # Where no node takes it now, one is waited for when the upstream has answered.
        with contextlib.suppress(UnavailableError):
            upload_id = self._start(flight)
        if upload_id:
            # Whoever follows finds nothing in it before the claim is made. If that fails, it is dropped, and they ask again.
            flight.opening.then(lambda size_bytes: flight.tell(upload_id, size_bytes))
        fetch = None
        try:
            fetch = self._tools.fetches.take(flight.digest, standing, upload_id)
        finally:
            if fetch is None and upload_id:
                flight.opening.then(_tell_nobody)
                flight.expect_another()
                self._cancel(upload_id)
        return _Hold(fetch, is_empty=True) if fetch is not None else None

    def _is_done(self, flight: Flight) -> bool:
        """Whether it is stored: since long, or because another worker has come to the end a moment ago."""
        want = Want(flight.digest, flight.size_bytes)
        repositories = tuple(flight.repositories)
        if not all(self._tools.linking.adopt(repository, want) for repository in repositories):
            return False
        flight.linked = repositories
        return True

    def _rename(self, hold: _Hold, upload_id: str) -> None:
        """Say which upload grows. Raises StaleWriterError: the fetch is another's by now."""
        named = self._tools.fetches.name(hold.fetch, upload_id)
        if named is None:
            raise StaleWriterError("another sync worker has taken this fetch over")
        hold.fetch = named

    def _drop(self, fetch: Fetch) -> None:
        """Nothing of it may be used. The fetch goes first: who takes it over in between must not lose what is right."""
        if self._tools.fetches.end(fetch) and fetch.upload_id:
            self._cancel(fetch.upload_id)

    def _cancel(self, upload_id: str) -> None:
        """One that nobody is to use. Where the node does not hear of it, it ends by itself."""
        with contextlib.suppress(UploadUnknownError, UnavailableError):
            self._tools.writer.cancel(_key(upload_id))

    # -- the bytes

    def _bring(self, flight: Flight, hold: _Hold) -> tuple[StoredBlob, Fence]:
        """All of them, compared and durable. Raises StoredError."""
        if not hold.fetch.upload_id and self._is_done(flight):
            raise StoredError
        trouble = Trouble(self._tools.clock)
        while not trouble.lasts():
            try:
                at_bytes = self._standing(flight, hold)
                trouble.passed(at_bytes)
                self._pour(flight, hold, at_bytes)
                fence = self._tools.repos.fence(flight.digest)
                return self._finish(flight, hold.fetch.upload_id), fence
            except (OffsetError, UploadUnknownError, UnavailableError) as error:
                trouble.met()
                _log.warning("looking again where a fetch stands", extra={"reason": error.message})
                self._tools.pause(_NODE_PAUSE_SECONDS)
        if hold.fetch.upload_id:
            self._move_on(flight, hold)
        raise UnavailableError("the storage nodes do not keep what is fetched; try again")

    def _standing(self, flight: Flight, hold: _Hold) -> int:
        """How much has come."""
        if hold.is_empty or not hold.fetch.upload_id:
            return 0
        try:
            return self._tools.writer.state(_key(hold.fetch.upload_id)).offset_bytes
        except UploadUnknownError:
            if self._is_done(flight):
                raise StoredError from None  # the node died before it could say so
            self._rename(hold, "")
            flight.expect_another()
            return 0

    def _pour(self, flight: Flight, hold: _Hold, offset_bytes: int) -> None:
        """From the sources of the repository that asked, in their order, each going on where the one before broke off."""
        if offset_bytes and offset_bytes == flight.size_bytes:
            flight.tell(hold.fetch.upload_id, flight.size_bytes)
            return

        def pour(upstream: Upstream, name: Repository) -> bool:
            at_bytes = self._standing(flight, hold)
            with _opened(flight, upstream, name, at_bytes) as stream:
                if not hold.fetch.upload_id:
                    self._begin(flight, hold)
                flight.blames.append(lambda: upstream.distrust(stream))
                if flight.stream is None:
                    flight.first_bytes = at_bytes
                flight.stream = stream
                flight.tell(hold.fetch.upload_id, stream.total_bytes)
                hold.is_empty = False
                self._tools.writer.append(_key(hold.fetch.upload_id), at_bytes, stream, hold.fetch.token)
            return True

        self._tools.sources.ask(flight.repositories[0], pour)

    def _begin(self, flight: Flight, hold: _Hold) -> None:
        upload_id = self._start(flight)
        try:
            self._rename(hold, upload_id)
        except StaleWriterError:
            self._cancel(upload_id)
            raise

    def _start(self, flight: Flight) -> str:
        """An upload, whose bytes lie where those of the repository belong that asked first."""
        started = self._tools.writer.start(OWNER, PRINCIPAL, flight.digest.algorithm, flight.repositories[0])
        return started.upload_id

    def _move_on(self, flight: Flight, hold: _Hold) -> None:
        """The node stays away with what it has: the next fetch begins at another one. Where there is none, it goes on with this one
        whenever that is back.

        Raises:
            UnavailableError: no node takes it.
        """
        former = hold.fetch.upload_id
        self._begin(flight, hold)
        if _node_of(hold.fetch.upload_id) == _node_of(former):
            # Back at this very moment, with what it had.
            useless = hold.fetch.upload_id
            self._rename(hold, former)
            self._cancel(useless)

    def _finish(self, flight: Flight, upload_id: str) -> StoredBlob:
        for _ in range(_NODE_TRIES):
            try:
                return self._compared(flight, upload_id)
            except UnavailableError as error:
                # The bytes are there: asking again joins what was begun, and copies what is short.
                _log.warning("a fetched blob waits for its copies", extra={"reason": error.message})
                self._tools.pause(_NODE_PAUSE_SECONDS)
        return self._compared(flight, upload_id)

    def _compared(self, flight: Flight, upload_id: str) -> StoredBlob:
        try:
            return self._tools.writer.finish(_key(upload_id), flight.digest)
        except DigestInvalidError as error:
            seen = error.detail if isinstance(error.detail, dict) else {}
            _log.error(
                "an upstream sent other bytes than it was asked for; nothing of them is kept",
                extra={
                    "repository": flight.repositories[0],
                    "expected": str(flight.digest),
                    "seen": seen.get("found"),
                    "size": seen.get("size"),
                },
            )
            if flight.stream is not None:
                flight.stream.ledger.failed("it sent other bytes than a digest names")
            raise UpstreamWrongError(
                "the upstream sent other bytes than the digest names", {"digest": str(flight.digest)}
            ) from error


def _key(upload_id: str) -> UploadKey:
    return UploadKey(upload_id, OWNER, PRINCIPAL)


def _opened(flight: Flight, upstream: Upstream, name: Repository, at_bytes: int) -> BlobStream:
    """As it was opened ahead, if it was; what the source said then is raised here."""
    ahead = flight.opening.of(upstream, name) if flight.opening is not None and not at_bytes else None
    return ahead or upstream.blob(name, flight.digest, at_bytes, size_bytes=flight.size_bytes, verify=False)


def _node_of(upload_id: str) -> str:
    return upload_id.partition("-")[0]


def _follow_others(standing: Standing) -> None:
    if standing.fetch is not None and standing.fetch.upload_id:
        raise OthersError(standing.fetch.upload_id)


def _tell_nobody(_size_bytes: int | None) -> None:
    """The upload that they would be told of is gone."""
