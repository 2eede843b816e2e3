"""One replicated write, counted.

A :class:`Tally` is told what becomes of the copies and says whom to ask, and whether the write may be acknowledged. It never
changes: each event gives another tally. Who runs it asks everyone in ``to_ask``, says ``asked()``, and reports each outcome, until
it ``is_acknowledged`` or ``is_hopeless``. A node that is known to be down is best reported as failed before it is asked.

Promises
  * Acknowledged means ``write_quorum`` copies on different nodes, in as many different zones as the owners' zones and the quorum
    allow. Only if these zones can no longer be reached do different nodes suffice; with ``zone_strict`` not even then.
  * Every node that fails is replaced by a handoff, first by one whose zone has no copy and expects none, else in handoff order.
    A node whose failure may pass is asked once more when it is its turn again, after all handoffs.
  * It never waits for nobody: when no answer is outstanding, the write is acknowledged or hopeless. (A failure uncovers one zone
    at most, and if any node is left in such a zone, it is asked at once. With ``zone_strict`` the owners of an old layout may lie
    in too few zones: then a node of another zone is asked for one copy more.)
  * A copy counts whenever its news comes, also from a node that had been given up, or was never asked (the ingest node).

Never here: time-outs, health, I/O.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from holdfast.placement.layout import Rules


@dataclass(frozen=True, slots=True)
class Tally:
    """The state of one write. Made by :meth:`begin`.

    ``to_ask``: to be asked now. ``pending``: asked, no outcome yet. ``untried``: who may be asked yet, in order. ``again``: who
    stands there, or stood, for the second time. ``durable``: who has a copy. ``vacant``: see :meth:`begin`.
    """

    rules: Rules
    owners: tuple[str, ...]
    zones: Mapping[str, str]
    to_ask: tuple[str, ...]
    untried: tuple[str, ...]
    pending: tuple[str, ...] = ()
    again: frozenset[str] = frozenset()
    durable: frozenset[str] = frozenset()
    vacant: int = 0

    @classmethod
    def begin(
        cls, rules: Rules, owners: Sequence[str], handoffs: Iterable[str], zones: Mapping[str, str], vacant: int = 0
    ) -> Tally:
        """Before anyone is asked. ``handoffs`` may name owners; ``zones`` has every node. ``vacant``: owners that are gone for good
        and not in ``owners``; handoffs take their places.
        """
        others = tuple(node for node in dict.fromkeys(handoffs) if node not in owners)
        tally = cls(rules, tuple(owners), zones, tuple(owners), others, vacant=vacant)
        for _ in range(vacant):
            tally = _with_substitute(tally)
        return tally

    @property
    def is_acknowledged(self) -> bool:
        """The copies that there are suffice."""
        if len(self.durable) < self.rules.write_quorum:
            return False
        return len(self._zones_of(self.durable)) >= self._zones_wanted or self._goes_without_zones

    @property
    def is_hopeless(self) -> bool:
        """Whatever comes, it will not be acknowledged."""
        if self.is_acknowledged:
            return False
        short_of_zones = self.rules.zone_strict and len(self._zones_of(self._reachable)) < self._zones_wanted
        return short_of_zones or len(self._reachable) < self.rules.write_quorum

    @property
    def needs_repair(self) -> bool:
        """Some owner has no copy, as far as is known: a write that is answered now leaves a mark.

        An owner that is gone for good has none, whoever stands in for it: the next layout names another.
        """
        return self.vacant > 0 or not self.durable.issuperset(self.owners)

    @property
    def _zones_wanted(self) -> int:
        quorum = self.rules.write_quorum
        return quorum if self.rules.zone_strict else min(quorum, len(self._zones_of(self.owners)))

    @property
    def _goes_without_zones(self) -> bool:
        return not self.rules.zone_strict and len(self._zones_of(self._reachable)) < self._zones_wanted

    @property
    def _reachable(self) -> set[str]:
        return {*self.durable, *self.pending, *self.to_ask, *self.untried}

    def _zones_of(self, nodes: Iterable[str]) -> set[str]:
        return {self.zones[node] for node in nodes}

    def asked(self) -> Tally:
        """All in ``to_ask`` have been asked."""
        return replace(self, pending=self.pending + self.to_ask, to_ask=())

    def stored(self, node: str) -> Tally:
        """The node has a durable copy."""
        after = replace(self._without(node), durable=self.durable | {node})
        waits = after.pending or after.to_ask or after.is_acknowledged or after.is_hopeless
        return after if waits else _with_substitute(after)

    def failed(self, node: str, *, retryable: bool) -> Tally:
        """The node did not make a copy. ``retryable``: it might if it were asked again. Of a settled node it is no news."""
        was_asked = node in self.pending or node in self.to_ask
        if not was_asked and node not in self.untried:
            return self
        after = self._without(node)
        if retryable and node not in self.again:
            after = replace(after, untried=(*after.untried, node), again=after.again | {node})
        return _with_substitute(after) if was_asked else after

    def closed(self) -> Tally:
        """Time is up: whoever has not answered has failed, and nobody else is asked."""
        return replace(self, to_ask=(), pending=(), untried=())

    def _without(self, node: str) -> Tally:
        return replace(
            self,
            to_ask=tuple(other for other in self.to_ask if other != node),
            pending=tuple(other for other in self.pending if other != node),
            untried=tuple(other for other in self.untried if other != node),
        )


def _with_substitute(tally: Tally) -> Tally:
    """One more is asked: the first in a zone that has no copy and expects none, else the first of all."""
    if not tally.untried:
        return tally
    covered = {tally.zones[node] for node in (*tally.durable, *tally.pending, *tally.to_ask)}
    chosen = next((node for node in tally.untried if tally.zones[node] not in covered), tally.untried[0])
    return replace(
        tally, to_ask=(*tally.to_ask, chosen), untried=tuple(node for node in tally.untried if node != chosen)
    )
