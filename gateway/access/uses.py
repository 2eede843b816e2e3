"""When API keys and robots were used last. How: :mod:`gateway.batches`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.batches import Batches

if TYPE_CHECKING:
    from holdfast.clock import Clock
    from holdfast.meta.uses import Place, UseTimes

REFRESH_SECONDS: Final = 60.0
_FLUSH_SECONDS: Final = 5.0


class Uses:
    """Shared by threads."""

    def __init__(self, times: UseTimes, clock: Clock) -> None:
        self._batches: Batches[Place] = Batches(
            "uses", lambda pending: times.write(pending, REFRESH_SECONDS), clock, REFRESH_SECONDS, _FLUSH_SECONDS
        )
        self.start, self.stop, self.flush = self._batches.start, self._batches.stop, self._batches.flush

    def note(self, place: bytes, revision: int) -> None:
        """This one is used now."""
        self._batches.note((place, revision))
