"""A member that cannot be connected to from here, whatever it says: its address is not one, or plaintext may not go there.

One operator's mistake must not stop reads and writes that have other nodes: it is a node that never answers, and the log says why.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from holdfast.errors import NodeUnreachableError

if TYPE_CHECKING:
    from holdfast.errors import ConfigError

_LOG: Final = logging.getLogger("holdfast.cluster")


class OutOfReach:
    """Every call raises NodeUnreachableError. Stands for a ``holdfast.rpc.node.NodeClient``."""

    def __init__(self, node_id: str, reason: ConfigError) -> None:
        self.node_id = node_id
        self._reason = reason
        _LOG.error("a member cannot be reached from here", extra={"node": node_id, "reason": reason.message})

    def close(self) -> None:
        """Nothing is held."""

    def __getattr__(self, name: str) -> Any:
        def refuse(*_args: object, **_named: object) -> Any:
            raise NodeUnreachableError(self._reason.message, {"node": self.node_id})

        return refuse
