"""Robot accounts by namespace: what they are for, when they end, and the hash of their secret.

    robots/<namespace>//<name>

Promises: of two who add the same robot one wins, and the other is told. ``rotate`` gives it another secret in one step: the old one
ends with it. Whoever reads it after ``remove`` has returned finds none. The secret itself is nowhere here.

Never here: what the rules allow to it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from holdfast.access.robots import RobotName
from holdfast.errors import RequestInvalidError
from holdfast.meta import keys
from holdfast.meta.commit import ATTEMPTS, Change, commit, crowded, insist
from holdfast.meta.records import Codec
from holdfast.meta.store import Delete, KeyAt, Put, pages
from holdfast.wire import records_pb2 as wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from holdfast.meta.store import Entry, Store

_PAGE: Final = 200
_RECORD: Final = Codec(wire.RobotRecord)


@dataclass(frozen=True, slots=True)
class Robot:
    """``scopes`` (): what the rules allow to it. ``expires_seconds``: of the wall clock; 0 never. ``revision``: of its key in the
    metadata; 0 while it is not there.
    """

    name: RobotName
    scopes: tuple[str, ...]
    digest: bytes = field(repr=False)
    created_seconds: float
    rotated_seconds: float
    expires_seconds: float = 0.0
    description: str = ""
    revision: int = 0

    @property
    def place(self) -> bytes:
        """Its key in the metadata."""
        return keys.robot(self.name.namespace, self.name.name)

    def is_over(self, now_seconds: float) -> bool:
        return 0.0 < self.expires_seconds <= now_seconds


class RobotBook:
    """``new_id`` gives 16 random bytes. Every method may raise MetadataUnavailableError, those that change OutcomeUnknownError."""

    def __init__(self, store: Store, new_id: Callable[[], bytes]) -> None:
        self._store = store
        self._new_id = new_id

    def find(self, name: RobotName) -> Robot | None:
        entry = self._store.get(keys.robot(name.namespace, name.name))
        return None if entry is None else _decoded(entry)

    def all(self) -> Iterator[Robot]:
        """By namespace and name."""
        for entry in pages(self._store, *keys.ROBOTS, _PAGE):
            yield _decoded(entry)

    def add(self, robot: Robot) -> None:
        """Raises RequestInvalidError: there is one of that name."""
        if not self._put(robot, 0):
            raise RequestInvalidError(
                f"{robot.name.user} is there already; `holdfast robot rotate` gives it another secret"
            )

    def rotate(self, name: RobotName, digest: bytes, now_seconds: float, expires_seconds: float | None) -> Robot:
        """Another secret; None leaves its end as it is. Raises RequestInvalidError: there is no such robot."""
        for _ in range(ATTEMPTS):
            found = self.find(name)
            if found is None:
                raise RequestInvalidError(f"there is no robot {name.user}; `holdfast robot add` adds one")
            ends = found.expires_seconds if expires_seconds is None else expires_seconds
            changed = Robot(
                name, found.scopes, digest, found.created_seconds, now_seconds, ends, found.description, found.revision
            )
            if self._put(changed, found.revision):
                return changed
        raise crowded()

    def remove(self, name: RobotName) -> bool:
        """Whether it was there."""
        found = self.find(name)
        if found is None:
            return False
        insist(self._store, (), [Delete(found.place), Delete(keys.used(found.place))])
        return True

    def _put(self, robot: Robot, standing: int) -> bool:
        operation_id = self._new_id()
        record = wire.RobotRecord(
            operation_id=operation_id,
            scopes=robot.scopes,
            digest=robot.digest,
            created_seconds=robot.created_seconds,
            rotated_seconds=robot.rotated_seconds,
            expires_seconds=robot.expires_seconds,
            description=robot.description,
        )
        compares, ops = [KeyAt(robot.place, standing)], [Put(robot.place, _RECORD.encode(record))]
        return commit(self._store, Change(robot.place, standing, operation_id, compares, ops)).succeeded


def _decoded(entry: Entry) -> Robot:
    record = _RECORD.decode(entry.value)
    return Robot(
        RobotName(*keys.robot_in(entry.key)),
        tuple(record.scopes),
        record.digest,
        record.created_seconds,
        record.rotated_seconds,
        record.expires_seconds,
        record.description,
        entry.mod_revision,
    )
