"""What a gateway counts: requests by route, method and status, how long they took, bytes in and out, refusals, transfers under way.

Promises: to note a request costs about a microsecond: one look into a table, some additions under a lock. Labels are few: routes,
methods and statuses that the gateway knows. Names are zot's where ours mean the same, so that its dashboards go on.

Never: repositories, users, addresses.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from typing import TYPE_CHECKING, Final

from holdfast.meters import Family

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 600.0)
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# What a request leaves in its environment for whoever counts it.
ROUTE: Final = "holdfast.route"
REFUSED: Final = "holdfast.refused"
# Where in a cell what is: how many, bytes out, bytes in, seconds, and then the histogram.
_COUNT, _SENT, _RECEIVED, _SECONDS, _BUCKETS = range(5)


class RequestMeter:
    """Shared by the threads of a worker."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cells: dict[tuple[str, str, str], list[float]] = {}
        self._refused: dict[str, float] = {}

    def note(
        self, environ: Mapping[str, object], method: str, status: str, sent: int, received: int, seconds: float
    ) -> None:
        """A request is over. ``status``: its three digits."""
        refused = environ.get(REFUSED)
        key = (str(environ.get(ROUTE, "other")), method if method in _METHODS else "other", status)
        bucket = _BUCKETS + bisect_left(BOUNDS, seconds)
        with self._lock:
            cell = self._cells.get(key)
            if cell is None:
                cell = self._cells[key] = [0.0] * (_BUCKETS + len(BOUNDS) + 1)
            cell[_COUNT] += 1
            cell[_SENT] += sent
            cell[_RECEIVED] += received
            cell[_SECONDS] += seconds
            cell[bucket] += 1
            if refused is not None:
                self._refused[str(refused)] = self._refused.get(str(refused), 0.0) + 1

    def families(self) -> Iterable[Family]:
        with self._lock:
            cells = {key: list(cell) for key, cell in self._cells.items()}
            refused = dict(self._refused)
        requests = Family("counter", "zot_http_requests", "Requests.", ("method", "code", "route"))
        sent = Family("counter", "holdfast_http_sent_bytes", "Bytes of answers' bodies.", ("route",))
        received = Family("counter", "holdfast_http_received_bytes", "Bytes of requests' bodies.", ("route",))
        seconds = Family(
            "histogram", "zot_http_method_latency_seconds", "From head to end.", ("method", "route"), BOUNDS
        )
        for (route, method, status), cell in cells.items():
            requests.add((method, status, route), [cell[_COUNT]])
            sent.add((route,), [cell[_SENT]])
            received.add((route,), [cell[_RECEIVED]])
            seconds.add((method, route), [cell[_SECONDS], *cell[_BUCKETS:]])
        refusals = Family("counter", "holdfast_refusals", "Requests that were refused, by why.", ("reason",))
        for reason, count in refused.items():
            refusals.add((reason,), [count])
        return (requests, sent, received, seconds, refusals)


def transfers(taken: Callable[[], Mapping[str, int]]) -> Callable[[], Iterable[Family]]:
    """Pulls and pushes under way; ``taken`` tells how many of each."""

    def families() -> Iterable[Family]:
        found = Family("level", "holdfast_transfers_in_flight", "Large pulls and pushes under way.", ("lane",))
        for lane, count in taken().items():
            found.add((lane,), [count])
        return (found,)

    return families


def node_errors(counted: Callable[[], Mapping[str, int]]) -> Callable[[], Iterable[Family]]:
    """Calls to storage nodes that failed; ``counted`` tells how many by the class of the error."""

    def families() -> Iterable[Family]:
        found = Family("counter", "holdfast_node_errors", "Calls to storage nodes that failed.", ("error",))
        for name, count in counted().items():
            found.add((name,), [count])
        return (found,)

    return families
