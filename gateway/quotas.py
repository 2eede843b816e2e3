"""How many bytes the repositories of a namespace may hold (``storage.quotas``), asked before anything is stored or linked.

Every quota whose glob matches a repository counts. What a repository holds is what it links (:mod:`holdfast.meta.usage`): a blob
counts once in each, mirrored content counts as well but is never refused (a cache has limits of its own).

Promises
  * Nothing is refused on what is remembered: a refusal has read the counts after the request came. So what a deletion frees can be
    used at once.
  * What fits is taken, but for what is being committed at this moment: that counts before it is there.
  * Through one process nothing is taken that does not fit. Through several, too much can be what the others are committing at the
    same moment, and what they take on a sum that they remember: each at most a sixteenth of what was free when it was read, within
    a second (in a namespace that takes long to read, within twenty times as long, at most ten seconds).
  * What the repository links already is never refused, so an image can be pushed again, and tagged, in a full namespace.

Never: a key that all pushes write, and none that is read where no quota is set.
"""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn

from holdfast.clock import SystemClock
from holdfast.errors import NamespaceFullError
from holdfast.patterns.globs import Glob

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from holdfast.clock import Clock
    from holdfast.digest import Digest
    from holdfast.meta.usage import Counted
    from holdfast.names import Repository

_REMEMBERED_SECONDS: Final = 1.0
# Reading takes at most a twentieth of the time, however large a namespace is; but nothing is older than this.
_READS_APART: Final = 20
_OLDEST_SECONDS: Final = 10.0
_SHARE: Final = 16


class Quotas:
    """``counted`` sums what the repositories below a path hold; ``is_linked`` tells whether one holds a digest."""

    def __init__(
        self,
        limits: Mapping[str, int],
        counted: Callable[[str, Callable[[Repository], bool]], Counted],
        is_linked: Callable[[Repository, Digest], bool],
        clock: Clock,
    ) -> None:
        self._namespaces = [_Namespace(Glob(text), limit, counted, clock) for text, limit in limits.items()]
        self._is_linked = is_linked

    def applies(self, repository: Repository) -> bool:
        """Whether there is any quota for it."""
        return any(namespace.glob.matches(repository) for namespace in self._namespaces)

    def require(self, repository: Repository, size_bytes: int = 1) -> None:
        """Before bytes are taken in whose digest is not known. Raises NamespaceFullError: so many more do not fit."""
        for namespace in self._of(repository):
            namespace.take(size_bytes)
            namespace.settle(size_bytes, kept=False)

    @contextlib.contextmanager
    def room(self, repository: Repository, digest: Digest, size_bytes: int) -> Iterator[None]:
        """Around what links a digest: the room is taken before, and given back when that fails.

        Raises:
            NamespaceFullError: it does not fit, and the repository does not link it yet.
        """
        namespaces = self._of(repository)
        if not namespaces or not self._take(namespaces, repository, digest, size_bytes):
            yield
            return
        kept = False
        try:
            yield
            kept = True
        finally:
            for namespace in namespaces:
                namespace.settle(size_bytes, kept=kept)

    def _take(self, namespaces: list[_Namespace], repository: Repository, digest: Digest, size_bytes: int) -> bool:
        """Of all of them; False: it is there already."""
        taken: list[_Namespace] = []
        try:
            for namespace in namespaces:
                namespace.take(size_bytes)
                taken.append(namespace)
        except NamespaceFullError:
            for namespace in taken:
                namespace.settle(size_bytes, kept=False)
            if self._is_linked(repository, digest):
                return False
            raise
        return True

    def _of(self, repository: Repository) -> list[_Namespace]:
        return [namespace for namespace in self._namespaces if namespace.glob.matches(repository)]


def _never_asked(*_: object) -> NoReturn:
    raise AssertionError("there is no quota to ask for")


UNLIMITED: Final = Quotas({}, _never_asked, _never_asked, SystemClock())


@dataclass(frozen=True, slots=True)
class _Known:
    """A sum as it was read, when, and how long that took."""

    size_bytes: int
    at_seconds: float
    cost_seconds: float


class _Namespace:
    """One quota. Counts under a lock that nobody holds while reading."""

    def __init__(
        self,
        glob: Glob,
        limit_bytes: int,
        counted: Callable[[str, Callable[[Repository], bool]], Counted],
        clock: Clock,
    ) -> None:
        self.glob = glob
        self._limit_bytes = limit_bytes
        self._counted = counted
        self._clock = clock
        self._lock = threading.Lock()
        self._reading = threading.Lock()
        self._begun = 0  # readings
        self._known: _Known | None = None
        self._pending_bytes = 0  # being stored or linked at this moment
        self._settled_bytes = 0  # linked since the last reading began

    def take(self, size_bytes: int) -> None:
        """Raises NamespaceFullError, MetadataUnavailableError."""
        with self._lock:
            if self._is_known(size_bytes):
                self._pending_bytes += size_bytes
                return
            wanted = self._begun + 1
        self._read(wanted)
        with self._lock:
            if not self._fits(size_bytes):
                raise self._full(size_bytes)
            self._pending_bytes += size_bytes

    def settle(self, size_bytes: int, *, kept: bool) -> None:
        """What was taken is linked now, or never will be."""
        with self._lock:
            self._pending_bytes -= size_bytes
            if kept:
                self._settled_bytes += size_bytes

    def _read(self, wanted: int) -> None:
        """At least the ``wanted``-th reading; those who wait for it share one."""
        with self._reading:
            with self._lock:
                if self._begun >= wanted:
                    return
                self._begun += 1
                in_it = self._settled_bytes
            begun = self._clock.monotonic()
            total = self._counted(self.glob.literal, self.glob.matches)
            now = self._clock.monotonic()
            with self._lock:
                self._known = _Known(total.size_bytes, now, now - begun)
                self._settled_bytes -= in_it

    @property
    def _used_bytes(self) -> int:
        known = self._known.size_bytes if self._known else 0
        return known + self._settled_bytes + self._pending_bytes

    def _fits(self, size_bytes: int) -> bool:
        return self._used_bytes + size_bytes <= self._limit_bytes

    def _is_known(self, size_bytes: int) -> bool:
        """Whether it fits by what is remembered, and others may remember the same."""
        known = self._known
        if known is None:
            return False
        age = self._clock.monotonic() - known.at_seconds
        lasts = max(_REMEMBERED_SECONDS, min(known.cost_seconds * _READS_APART, _OLDEST_SECONDS))
        taken = self._settled_bytes + self._pending_bytes + size_bytes
        return age < lasts and taken * _SHARE <= self._limit_bytes - known.size_bytes

    def _full(self, size_bytes: int) -> NamespaceFullError:
        limit, used = self._limit_bytes, self._used_bytes
        return NamespaceFullError(
            f"the quota of {self.glob.text} is {limit:,} bytes, of which {used:,} are used, and {size_bytes:,} more do not fit;"
            " delete images that nobody needs, or ask for more",
            {"quota": self.glob.text, "limit": limit, "used": used, "asked": size_bytes},
        )
