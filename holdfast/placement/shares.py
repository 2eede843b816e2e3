"""How many copies each node should hold.

Promises
  * ``ideal``: copies in proportion to weight, as far as the shape allows. No node holds more than one copy of each partition and
    no zone more or less than the shape says; what a full node or zone cannot take goes to the others in proportion to their weight.
  * ``quotas``: the ideal in whole copies. Each node's quota and each zone's sum is the ideal, rounded down or up. Who is rounded
    up is decided by who holds that much already, so that rounding alone moves nothing.

Why a table for these quotas always exists: giving every partition the same fraction of every node satisfies every bound of the
shape, and in a network whose bounds are whole numbers a fractional solution implies a whole one.
Never here: floating point. Fractions are exact, so every machine rounds alike.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from holdfast.placement.shape import Shape


def ideal(shape: Shape, weights: Sequence[int]) -> list[Fraction]:
    """Each node's share of ``partitions * copies``.

    One rate for all, in copies per unit of weight; a zone departs from it as little as it must to stay within its bounds.
    """
    bounds = [
        _rates_within(shape, zone, [weights[node] for node in nodes]) for zone, nodes in enumerate(shape.by_zone())
    ]

    def shares(rate: Fraction) -> list[Fraction]:
        return [
            min(Fraction(shape.partitions), weight * min(max(rate, bounds[zone][0]), bounds[zone][1]))
            for zone, weight in zip(shape.zone_of, weights, strict=True)
        ]

    bends = {rate for both in bounds for rate in both} | {Fraction(shape.partitions, weight) for weight in weights}
    return shares(_solve(lambda rate: sum(shares(rate), Fraction()), shape.partitions * shape.copies, bends))


def _rates_within(shape: Shape, zone: int, weights: list[int]) -> tuple[Fraction, Fraction]:
    """The rates at which a zone holds the least and the most that it may."""
    return (
        _rate(weights, shape.low[zone] * shape.partitions, shape.partitions),
        _rate(weights, shape.high[zone] * shape.partitions, shape.partitions),
    )


def _rate(weights: list[int], total: int, limit: int) -> Fraction:
    """The rate at which nodes of these weights hold ``total`` copies, none of them more than ``limit``."""
    rest, weight_left = total, sum(weights)
    for weight in sorted(weights, reverse=True):
        if weight * rest <= limit * weight_left:
            break
        rest -= limit
        weight_left -= weight
    return Fraction(rest, weight_left)


def _solve(total_at: Callable[[Fraction], Fraction], wanted: int, bends: set[Fraction]) -> Fraction:
    """Where a rising function that is straight between its bends reaches ``wanted``; it starts at or below it."""
    rates = [Fraction(), *sorted(bends - {Fraction()})]
    first, last = 0, len(rates) - 1
    while first < last:
        middle = (first + last) // 2
        if total_at(rates[middle]) < wanted:
            first = middle + 1
        else:
            last = middle
    above = total_at(rates[first])
    if above == wanted:
        return rates[first]
    low, high = rates[first - 1], rates[first]
    below = total_at(low)
    return low + (high - low) * (wanted - below) / (above - below)


def quotas(shape: Shape, shares: Sequence[Fraction], held: Sequence[int]) -> list[int]:
    """Whole copies for each node. ``held``: how many each holds now.

    Rounding up is granted one copy at a time to the most deserving node of a zone that may still grow: first until every zone has
    its own share rounded down, then until all copies are given.
    """
    given = [floor(share) for share in shares]
    members = shape.by_zone()
    zone_shares = [sum((shares[node] for node in nodes), Fraction()) for nodes in members]
    zone_given = [sum(given[node] for node in nodes) for nodes in members]
    deserving = sorted(
        (node for node, share in enumerate(shares) if share > given[node]),
        key=lambda node: (held[node] <= given[node], given[node] - shares[node], node),
    )

    def grant(limits: list[int], copies: int) -> None:
        for node in deserving:
            zone = shape.zone_of[node]
            if copies and given[node] < shares[node] and zone_given[zone] < limits[zone]:
                given[node] += 1
                zone_given[zone] += 1
                copies -= 1

    least = [floor(share) for share in zone_shares]
    grant(least, sum(least) - sum(zone_given))
    grant([ceil(share) for share in zone_shares], shape.partitions * shape.copies - sum(zone_given))
    return given
