"""The table of methods and the .proto say the same."""

from __future__ import annotations

import pytest

from holdfast.rpc import methods as m
from holdfast.wire import storage_pb2 as wire

SERVICE = wire.DESCRIPTOR.services_by_name["Storage"]


def described(message_type) -> str:
    return "Raw" if message_type is m.RAW else message_type.DESCRIPTOR.name


def test_the_table_has_every_method_of_the_service_and_no_other():
    assert SERVICE.full_name == m.SERVICE
    assert set(m.METHODS) == {method.name for method in SERVICE.methods}


@pytest.mark.parametrize("name", sorted(m.METHODS))
def test_kinds_and_types_are_those_of_the_service(name):
    row, told = m.METHODS[name], SERVICE.methods_by_name[name]
    kinds = {(False, False): m.Kind.UNARY, (True, False): m.Kind.STREAM_IN, (False, True): m.Kind.STREAM_OUT}
    assert row.kind is kinds[told.client_streaming, told.server_streaming]
    assert described(row.request) == told.input_type.name
    assert described(row.response) == told.output_type.name


def test_raw_messages_are_bytes_and_nothing_else():
    assert m.serializer(m.RAW)(b"abc") == b"abc"
    with pytest.raises(TypeError):
        m.serializer(m.RAW)(bytearray(b"abc"))


def test_copies_between_nodes_share_no_lane_with_the_finishes_that_wait_for_them():
    copies = {m.METHODS[name].lane for name in ("PutBlob", "Receive", "StatBlobs", "SumPartitions")}
    assert m.METHODS["FinishUpload"].lane not in copies
