"""From where what may be done (``http.allow``): addresses by action, whoever asks.

Promises: an action without ranges may be done from anywhere; one with ranges from there only, and one with an empty list from
nowhere. A push is more than one action: whoever may not create from where they are cannot push, whatever else is allowed. What is
no address (a Unix socket's peer) is in no range.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from holdfast.networks import Ranges

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from holdfast.access.actions import Action


@dataclass(frozen=True, slots=True)
class Places:
    """Ranges by action."""

    ranges: Mapping[Action, Ranges] = field(default_factory=dict)

    @classmethod
    def of(cls, texts: Mapping[Action, Sequence[str] | None]) -> Places:
        """None: from anywhere. Raises ValueError: one is no range."""
        return cls({action: Ranges.of(some) for action, some in texts.items() if some is not None})

    def allow(self, action: Action, address: str) -> bool:
        ranges = self.ranges.get(action)
        return ranges is None or ranges.holds(address)
