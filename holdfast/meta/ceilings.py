"""How many repositories there may be: ``storage.maxRepos``, and that of each of ``storage.subPaths`` for those below its route.

Promises: exact, however many first pushes come at once, through whatever gateways and sync workers. Who makes a repository counts
them, and its transaction compares that none has appeared since; who pushes into one that stands reads and compares nothing more.

Never here: what a repository is made of (``holdfast.meta.counting``). A repository goes with its last link
(``holdfast.meta.removals``), and makes room.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from holdfast.errors import TooManyRepositoriesError
from holdfast.meta import keys
from holdfast.meta.store import RangeNotAfter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from holdfast.meta.store import Compare, Store
    from holdfast.names import Repository

    # What holds while there is room for this repository. Raises TooManyRepositoriesError.
    Room: TypeAlias = Callable[[Repository], Sequence[Compare]]

_PAGE: Final = 1000


def unlimited(_repository: Repository) -> Sequence[Compare]:
    """There always is."""
    return ()


class Ceilings:
    """``most`` by route, "" for all repositories that are below none; 0: no limit."""

    def __init__(self, store: Store, most: Mapping[str, int]) -> None:
        self._store = store
        self._most = {route.lower().strip("/"): count for route, count in most.items()}
        self._routes = sorted((route for route in self._most if route), key=len, reverse=True)

    def room(self, repository: Repository) -> Sequence[Compare]:
        route = self._route_of(repository)
        most = self._most.get(route, 0)
        if not most:
            return ()
        start, end = keys.repositories_below(route)
        begun, count, at = 0, 0, start
        while True:
            page = self._store.range(at, end, _PAGE, keys_only=True)
            begun = begun or page.revision
            count += sum(self._route_of(keys.repository_in(entry.key)) == route for entry in page.entries)
            if count >= most:
                raise _too_many(repository, route, most)
            if not page.more:
                return (RangeNotAfter(start, end, begun),)
            at = page.entries[-1].key + b"\0"

    def _route_of(self, repository: Repository) -> str:
        return next((route for route in self._routes if f"{repository}/".startswith(f"{route}/")), "")


def _too_many(repository: Repository, route: str, most: int) -> TooManyRepositoriesError:
    where = f" below /{route}" if route else ""
    return TooManyRepositoriesError(
        f"there are {most} repositories{where} and may be no more, so {repository} is not made; delete what one of them holds",
        {"name": repository, "maxRepos": most},
    )
