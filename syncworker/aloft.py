"""What is known of one blob on its way, and what those who wait for it are told.

Never: I/O. :mod:`syncworker.flight` carries it out.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from holdfast.errors import UpstreamError
from holdfast.rpc.sync import Underway

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.clock import Clock
    from holdfast.digest import Digest
    from holdfast.errors import HoldfastError, UpstreamWrongError
    from holdfast.names import Repository
    from syncworker.opening import Opening
    from syncworker.upstream.blobs import BlobStream

_log: Final = logging.getLogger("holdfast.sync")

# Neither is a repository's or a principal's name, so no client can reach the upload.
OWNER: Final = "//upstream"
PRINCIPAL: Final = "//sync"
# A node that was restarted is back within seconds, with what it had. Waiting costs its clients time, not waiting costs the upstream
# all that has come; and they are let go by their gateway after a minute.
_NODE_SECONDS: Final = 10.0


@dataclass(eq=False, slots=True)
class Flight:
    """``repositories``: those that asked for it; the first one's upstreams are asked. ``begun``: what they are answered; None: it
    is stored, and ``linked`` for these. ``opening``: those upstreams have been asked already, or are being asked. ``ended``:
    nothing more comes of it; ``failed`` says why, if it is not whole.

    ``began_at`` is of the monotonic clock. ``stream`` is what comes from upstream now, or came last, and ``first_bytes`` where the
    first one began.
    """

    digest: Digest
    size_bytes: int | None
    repositories: list[Repository]
    opening: Opening | None = None
    linked: tuple[Repository, ...] = ()
    begun: Future[Underway | None] = field(default_factory=Future)
    wrong: UpstreamWrongError | None = None
    failed: HoldfastError | None = None
    ended: threading.Event = field(default_factory=threading.Event)
    # What tells the upstreams that have given something of it that it was wrong; True: somebody else is left to be asked.
    blames: list[Callable[[], bool]] = field(default_factory=list)
    began_at: float = 0.0
    first_bytes: int = 0
    stream: BlobStream | None = None

    def tell(self, upload_id: str, size_bytes: int | None) -> None:
        """Those who wait: which upload grows. Raises nothing: two threads may have come to say the same."""
        self.size_bytes = size_bytes
        with contextlib.suppress(InvalidStateError):
            self.begun.set_result(Underway(upload_id, size_bytes or 0))

    def tell_stored(self) -> None:
        """Those who wait: there is nothing to follow."""
        with contextlib.suppress(InvalidStateError):
            self.begun.set_result(None)

    def expect_another(self) -> None:
        """Whoever was sent to an upload that is no more asks again, and is to hear of the next one."""
        if self.begun.done():
            self.begun = Future()

    def fail(self, error: HoldfastError) -> None:
        """It does not come to its end."""
        self.failed = error
        if not self.begun.done():
            self.begun.set_exception(error)
        elif isinstance(error, UpstreamError):
            _log.warning(
                "a fetch broke off; what has come is kept unless it was wrong",
                extra={"digest": str(self.digest), "reason": error.message},
            )


@dataclass(slots=True)
class Trouble:
    """Since when a fetch has come no further, in spite of tries; ``since`` None: it is in none."""

    clock: Clock
    at_bytes: int = -1
    since: float | None = None

    def passed(self, at_bytes: int) -> None:
        if at_bytes > self.at_bytes:
            self.at_bytes, self.since = at_bytes, None

    def met(self) -> None:
        if self.since is None:
            self.since = self.clock.monotonic()

    def lasts(self) -> bool:
        """Too long to go on."""
        return self.since is not None and self.clock.monotonic() - self.since > _NODE_SECONDS
