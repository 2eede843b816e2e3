"""Every error of the tree survives the wire."""

from __future__ import annotations

import grpc
import pytest

from holdfast import errors
from holdfast.rpc import failures
from holdfast.wire import storage_pb2 as wire

DETAIL = {"digest": "sha256:00", "sizes": [1, None, True]}


def made(cls):
    if cls in {errors.OffsetError, errors.RangeInvalidError}:
        return cls("told", 42)
    return cls("told", DETAIL)


@pytest.mark.parametrize("cls", failures.CLASSES.values(), ids=lambda cls: cls.__name__)
def test_a_round_trip_keeps_class_message_and_fields(cls):
    error = made(cls)
    back = failures.from_failure(wire.Failure.FromString(failures.to_failure(error).SerializeToString()))
    assert type(back) is cls
    assert back.message == error.message
    assert back.detail == error.detail
    assert vars(back) == vars(error)
    assert isinstance(failures.status_of(error), grpc.StatusCode)


def test_a_class_of_a_service_travels_as_its_ancestor():
    class LocalError(errors.ReadOnlyError):
        pass

    assert type(failures.from_failure(failures.to_failure(LocalError("told")))) is errors.ReadOnlyError


def test_a_class_of_a_newer_node_is_unavailable():
    assert type(failures.from_failure(wire.Failure(error="NewError", message="told"))) is errors.UnavailableError


def test_long_details_are_left_out_and_long_messages_cut():
    failure = failures.to_failure(errors.InputError("m" * 5000, ["d" * 5000]))
    assert failure.ByteSize() < 8192
    assert failures.from_failure(failure).detail is None


class Bare(grpc.RpcError):
    """What gRPC raises by itself."""

    def __init__(self, code, metadata=()):
        self._code, self._metadata = code, metadata

    def code(self):
        return self._code

    def details(self):
        return None

    def trailing_metadata(self):
        return self._metadata


@pytest.mark.parametrize("code", list(grpc.StatusCode))
def test_a_bare_status_is_unavailable_in_some_way(code):
    error = failures.from_rpc_error(Bare(code))
    full = code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert type(error) is (errors.OverloadedError if full else errors.NodeUnreachableError)
