"""The sync workers of a cluster as one: who is asked for what, and who after that.

Promises: whoever asks for the same thing asks the same worker while it lives (rendezvous hashing), so that most of what is shared
is shared within one process; a worker that does not answer is passed over, and rests a moment. The list is at most
``_YOUNG_SECONDS`` old, or the last that could be read.

Never: asks two workers at once.
"""

from __future__ import annotations

import hashlib
import threading
from typing import TYPE_CHECKING, Final, TypeVar

from holdfast.errors import (
    ConfigError,
    MetadataUnavailableError,
    OverloadedError,
    UnavailableError,
    WorkerUnreachableError,
)
from holdfast.rpc.sync import PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from holdfast.clock import Clock
    from holdfast.digest import Digest
    from holdfast.meta.versions import Living
    from holdfast.names import Repository, Tag
    from holdfast.rpc.sync import Listed, Resolved, SyncClient, Underway

Result = TypeVar("Result")

_NEVER: Final = float("-inf")
_YOUNG_SECONDS: Final = 2.0
_REST_SECONDS: Final = 2.0
_PAUSE_SECONDS: Final = 0.1


def _at_once(_seconds: float) -> None:
    """Where nobody is waited for."""


class Workers:
    """Implements ``holdfast.rpc.sync.SyncClient``. ``living`` reads who there is, ``connect`` makes a client of an address.

    ``restart_seconds``: how long one that does not answer is waited for where there is no other, and ``pause`` is how.
    """

    def __init__(
        self,
        living: Callable[[], Sequence[Living]],
        connect: Callable[[str], SyncClient],
        clock: Clock,
        restart_seconds: float = 0.0,
        pause: Callable[[float], object] = _at_once,
    ) -> None:
        self._restart_seconds = restart_seconds
        self._pause = pause
        self._living = living
        self._connect = connect
        self._clock = clock
        self._lock = threading.Lock()
        self._known: Sequence[Living] = ()
        self._read_at = _NEVER
        self._clients: dict[str, SyncClient] = {}
        self._rests_until: dict[str, float] = {}

    def resolve(self, repository: Repository, tag: Tag, patience_seconds: float = PATIENCE_SECONDS) -> Resolved:
        return self._ask(f"{repository}:{tag}", lambda worker: worker.resolve(repository, tag, patience_seconds))

    def fetch_manifest(self, repository: Repository, digest: Digest) -> None:
        return self._ask(str(digest), lambda worker: worker.fetch_manifest(repository, digest))

    def fetch_referrers(
        self, repository: Repository, subject: Digest, patience_seconds: float = PATIENCE_SECONDS
    ) -> Listed:
        return self._ask(str(subject), lambda worker: worker.fetch_referrers(repository, subject, patience_seconds))

    def fetch_blob(
        self, repository: Repository, digest: Digest, patience_seconds: float = PATIENCE_SECONDS
    ) -> Underway | None:
        return self._ask(str(digest), lambda worker: worker.fetch_blob(repository, digest, patience_seconds))

    def _ask(self, key: str, question: Callable[[SyncClient], Result]) -> Result:
        until = self._clock.monotonic() + self._restart_seconds
        while True:
            try:
                return self._ask_round(key, question)
            except WorkerUnreachableError:
                if self._clock.monotonic() >= until:
                    raise
                self._pause(_PAUSE_SECONDS)

    def _ask_round(self, key: str, question: Callable[[SyncClient], Result]) -> Result:
        worst: UnavailableError | None = None
        for worker in self._order(key):
            try:
                return question(self._client(worker.address))
            except (WorkerUnreachableError, OverloadedError) as error:
                self._rests_until[worker.process_id] = self._clock.monotonic() + _REST_SECONDS
                worst = error
        raise worst or WorkerUnreachableError("no sync worker is alive, so no upstream can be asked; start one")

    def _order(self, key: str) -> list[Living]:
        now = self._clock.monotonic()

        def rank(worker: Living) -> tuple[bool, bytes]:
            drawn = hashlib.blake2b(f"{key}\0{worker.process_id}".encode(), digest_size=8).digest()
            return self._rests_until.get(worker.process_id, _NEVER) > now, drawn

        return sorted((worker for worker in self._workers(now) if worker.address), key=rank)

    def _workers(self, now: float) -> Sequence[Living]:
        if now - self._read_at < _YOUNG_SECONDS and self._known:
            return self._known
        try:
            found = self._living()
        except MetadataUnavailableError:
            return self._known
        with self._lock:
            self._known, self._read_at = found, now
            ids = {worker.process_id for worker in found}
            self._rests_until = {name: until for name, until in self._rests_until.items() if name in ids}
        return found

    def _client(self, address: str) -> SyncClient:
        with self._lock:
            client = self._clients.get(address)
            if client is None:
                try:
                    client = self._clients[address] = self._connect(address)
                except ConfigError as error:
                    raise WorkerUnreachableError(error.message) from error
            return client
