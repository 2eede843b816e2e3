"""How few copies could move: a bound that can be checked without trusting the search.

Promise: no table for this shape and these quotas moves fewer copies than ``fewest_moves`` says, *whatever the prices are*. That is
weak duality of linear programs: paying for each copy the rise in price from source to sink, and getting back on each step what it
costs less than the rise in price along it, never comes to more than the true cost. With the prices at which the search ends it
comes to just that, so the search needs no other witness.

Never here: flow. Who holds what now is of no interest to the proof.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import TYPE_CHECKING

from holdfast.placement.network import ANY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from holdfast.placement.shape import Shape


def fewest_moves(
    shape: Shape,
    quota: Sequence[int],
    before: Sequence[Sequence[int]],
    node_price: Sequence[int],
    place_price: Sequence[Mapping[int, int]],
    sink_price: int,
) -> int:
    """The bound. ``place_price``: for each partition, zone -> price; ``ANY`` -> price of itself and of all zones not named."""
    prices_in = [Counter(node_price[node] for node in nodes) for nodes in shape.by_zone()]
    extra = shape.extra

    @cache
    def zone_refund(zone: int, price: int, any_price: int) -> int:
        """On the steps into (partition, zone), and on those from it to nodes, as if each had to be paid for."""
        steps_in = min(0, -price) * shape.low[zone] + min(0, any_price - price) * (shape.high[zone] - shape.low[zone])
        return steps_in + sum(min(0, 1 + price - there) * nodes for there, nodes in prices_in[zone].items())

    @cache
    def unnamed_refund(any_price: int) -> int:
        """As if no zone were named."""
        return min(0, -any_price) * extra + sum(zone_refund(zone, any_price, any_price) for zone in range(shape.zones))

    def partition_refund(prices: Mapping[int, int], old: Sequence[int]) -> int:
        any_price = prices[ANY]
        refund = unnamed_refund(any_price)
        for zone, price in prices.items():
            if zone != ANY:
                refund += zone_refund(zone, price, any_price) - zone_refund(zone, any_price, any_price)
        for node in old:
            price = prices.get(shape.zone_of[node], any_price)
            refund += min(0, price - node_price[node]) - min(0, 1 + price - node_price[node])
        return refund

    paid = sum(quota) * sink_price
    node_refund = sum(min(0, price - sink_price) * copies for price, copies in zip(node_price, quota, strict=True))
    return paid + node_refund + sum(map(partition_refund, place_price, before))
