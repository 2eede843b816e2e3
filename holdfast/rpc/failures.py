"""Errors on the wire: ``holdfast.errors`` to gRPC statuses and back, as one table.

The class's name and its detail travel in trailing metadata, so every class survives the round trip with its fields. A status
without them comes from gRPC itself or from the network and becomes an UnavailableError. Nothing of a stack trace ever travels.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from typing import TYPE_CHECKING, Final

import grpc
from google.protobuf.message import DecodeError

from holdfast import errors
from holdfast.wire import storage_pb2 as wire

if TYPE_CHECKING:
    from collections.abc import Iterator

ERROR_KEY: Final = "holdfast-error-bin"

# HTTP/2 header lists are limited to 8 KiB by default; beyond this the detail is left out and the message is cut.
_MAX_DETAIL_BYTES: Final = 4096
_MAX_MESSAGE_CHARACTERS: Final = 1024

# The most specific class of a row's ancestors decides. Codes matter only to programs that do not read the metadata.
_STATUS: Final[dict[type[errors.HoldfastError], grpc.StatusCode]] = {
    errors.HoldfastError: grpc.StatusCode.UNKNOWN,
    errors.InputError: grpc.StatusCode.INVALID_ARGUMENT,
    errors.RangeInvalidError: grpc.StatusCode.OUT_OF_RANGE,
    errors.UnsupportedError: grpc.StatusCode.UNIMPLEMENTED,
    errors.QuotaError: grpc.StatusCode.FAILED_PRECONDITION,
    errors.MissingError: grpc.StatusCode.NOT_FOUND,
    errors.ConflictError: grpc.StatusCode.ABORTED,
    errors.OffsetError: grpc.StatusCode.FAILED_PRECONDITION,
    errors.UnavailableError: grpc.StatusCode.UNAVAILABLE,
    errors.StorageFullError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.OverloadedError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.PeerRefusedError: grpc.StatusCode.PERMISSION_DENIED,
    errors.UpstreamError: grpc.StatusCode.UNAVAILABLE,
    errors.UpstreamMissingError: grpc.StatusCode.NOT_FOUND,
    errors.UpstreamDeniedError: grpc.StatusCode.PERMISSION_DENIED,
    errors.UpstreamWrongError: grpc.StatusCode.DATA_LOSS,
    errors.CorruptError: grpc.StatusCode.DATA_LOSS,
    errors.ConfigError: grpc.StatusCode.FAILED_PRECONDITION,
}

# Statuses that gRPC gives by itself. What is not named means: no answer from the node.
_BARE: Final[dict[grpc.StatusCode, type[errors.UnavailableError]]] = {
    grpc.StatusCode.RESOURCE_EXHAUSTED: errors.OverloadedError,
}

# What gRPC says in its details when it was this side that ended the handshake. The other side's refusal looks like any
# closed connection.
_NOT_TRUSTED: Final = ("CERTIFICATE_VERIFY_FAILED", "Hostname Verification Check failed")


def _tree(root: type[errors.HoldfastError]) -> Iterator[type[errors.HoldfastError]]:
    yield root
    for child in root.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from _tree(child)


# AnswerError is for programs that ask other registries; no node raises it.
CLASSES: Final = {cls.__name__: cls for cls in _tree(errors.HoldfastError) if cls is not errors.AnswerError}


def status_of(error: errors.HoldfastError) -> grpc.StatusCode:
    """The status code of an error: that of its nearest ancestor in the table."""
    return next(_STATUS[cls] for cls in type(error).__mro__ if cls in _STATUS)


def to_failure(error: errors.HoldfastError) -> wire.Failure:
    """The wire form. A class that is not of the tree itself travels as its nearest ancestor that is."""
    name = next(cls.__name__ for cls in type(error).__mro__ if cls.__name__ in CLASSES)
    detail = "" if error.detail is None else json.dumps(error.detail)
    if len(detail) > _MAX_DETAIL_BYTES:
        detail = ""
    return wire.Failure(error=name, message=error.message[:_MAX_MESSAGE_CHARACTERS], detail=detail)


def from_failure(failure: wire.Failure) -> errors.HoldfastError:
    """The error that travelled; a class unknown here (a newer node's) becomes an UnavailableError."""
    detail = json.loads(failure.detail) if failure.detail else None
    cls = CLASSES.get(failure.error, errors.UnavailableError)
    if cls is errors.OffsetError:
        return errors.OffsetError(failure.message, _number(detail, "offset"))
    if cls is errors.RangeInvalidError:
        return errors.RangeInvalidError(failure.message, _number(detail, "size"))
    return cls(failure.message, detail)


def _number(detail: object, member: str) -> int:
    value = detail.get(member) if isinstance(detail, dict) else None
    return value if isinstance(value, int) else 0


def travelled(error: grpc.RpcError) -> errors.HoldfastError | None:
    """The error that the other side raised; None when the call failed in another way."""
    for item in error.trailing_metadata() or ():
        if item.key == ERROR_KEY and isinstance(item.value, bytes):
            try:
                return from_failure(wire.Failure.FromString(item.value))
            except (DecodeError, ValueError):
                break
    return None


class Seen:
    """How many calls failed in which way, for whoever counts. What the caller did wrong is no failure of a node."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def note(self, error: errors.HoldfastError) -> None:
        if isinstance(error, errors.UnavailableError | errors.CorruptError):
            with self._lock:
                self._counts[type(error).__name__] += 1

    def counts(self) -> dict[str, int]:
        with self._lock:
            return dict(self._counts)


# One for the process, because every client in it passes here.
SEEN: Final = Seen()


def from_rpc_error(error: grpc.RpcError) -> errors.HoldfastError:
    """What a failed call to a storage node means: the error that travelled, or how the network failed."""
    found = _meaning(error)
    SEEN.note(found)
    return found


def _meaning(error: grpc.RpcError) -> errors.HoldfastError:
    told = travelled(error)
    if told is not None:
        return told
    code = error.code()
    cls = _BARE.get(code, errors.NodeUnreachableError)
    if code is grpc.StatusCode.UNAVAILABLE and any(sign in (error.details() or "") for sign in _NOT_TRUSTED):
        message = (
            "the storage node's certificate is not trusted, has ended or names other hosts; see `holdfast certs show`"
        )
        return cls(message, {"status": code.name})
    return cls(f"the storage node did not answer ({code.name.lower()}); try again", {"status": code.name})
