"""A staging file that the caller writes itself, and the calls that tell the node how far it goes.

Promises: one announcement is under way at a time, and whoever writes goes on meanwhile. The node hears that the file is closed also
when an announcement has failed. Its errors are those of ``holdfast.errors``.

Never: touches the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import grpc

from holdfast.errors import HoldfastError, NodeUnreachableError
from holdfast.rpc import convert, failures
from holdfast.wire import storage_pb2 as wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.rpc.link import Link
    from holdfast.rpc.node import StagingFile, UploadKey, UploadState

_FAREWELL_SECONDS: Final = 10.0


class LocalFile:
    """Implements ``holdfast.rpc.node.LocalAppend``. For one thread."""

    def __init__(
        self, advance: Callable[[wire.AdvanceRequest], tuple[Any, Link]], key: UploadKey, file: StagingFile
    ) -> None:
        """``advance`` begins a call: a future of the node's answer, and the link to hold until it is there."""
        self._advance = advance
        self._key = convert.key_to_wire(key)
        self._file = file
        self._pending: Any = None
        self._link: Link | None = None

    @property
    def file(self) -> StagingFile:
        return self._file

    def advance(self, offset_bytes: int) -> None:
        self._settle()
        self._pending = self._announce(offset_bytes, last=False)

    def close(self, offset_bytes: int) -> UploadState:
        try:
            self._settle()
        except HoldfastError:
            # The node must hear all the same that the descriptor is closed, and a call that nobody waits for is cancelled.
            settle(self._announce(offset_bytes, last=True), _FAREWELL_SECONDS)
            raise
        return convert.state(_result(self._announce(offset_bytes, last=True)))

    def _announce(self, offset_bytes: int, *, last: bool) -> Any:
        call, self._link = self._advance(
            wire.AdvanceRequest(key=self._key, token=self._file.token, offset_bytes=offset_bytes, last=last)
        )
        return call

    def _settle(self) -> None:
        pending, self._pending = self._pending, None
        if pending is not None:
            _result(pending)


def _result(call: Any) -> Any:
    try:
        return call.result()
    except grpc.RpcError as error:
        raise failures.from_rpc_error(error) from error
    except grpc.FutureCancelledError as error:
        raise NodeUnreachableError("the connection to the storage node was closed; try again") from error


def settle(call: Any, seconds: float) -> None:
    """Wait until a call is over, however it ends: its caller has a better error to raise."""
    try:
        call.exception(timeout=seconds)
    except grpc.FutureTimeoutError:
        call.cancel()
    except grpc.FutureCancelledError:
        return
