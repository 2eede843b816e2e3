"""One channel to a node, and what can be called on it.

A client opens another when its certificate was renewed; streams under way keep the former one until they end. Never here: errors.
"""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, Any

from holdfast.rpc import methods as m

if TYPE_CHECKING:
    import grpc


class Link:
    """One channel and what can be called on it. The channel is closed when nobody holds the link any more."""

    def __init__(self, channel: grpc.Channel, version: int) -> None:
        self.version = version
        self._channel = channel
        self._lock = threading.Lock()
        self._calls: dict[str, Any] = {}
        self._end = weakref.finalize(self, channel.close)
        self._end.atexit = False  # gRPC has its own end by then

    @property
    def is_closed(self) -> bool:
        return not self._end.alive

    def callable(self, method: m.Method) -> Any:
        with self._lock:
            found = self._calls.get(method.name)
            if found is None:
                found = self._calls[method.name] = _bind(self._channel, method)
            return found

    def close(self) -> None:
        """Ends what is under way."""
        self._end()


def _bind(channel: grpc.Channel, method: m.Method) -> Any:
    make = {
        m.Kind.UNARY: channel.unary_unary,
        m.Kind.STREAM_IN: channel.stream_unary,
        m.Kind.STREAM_OUT: channel.unary_stream,
    }
    return make[method.kind](
        method.path,
        request_serializer=m.serializer(method.request),
        response_deserializer=m.deserializer(method.response),
    )
