"""The tables of methods and the .proto files say the same."""

from __future__ import annotations

import pytest

from holdfast.rpc import methods as m
from holdfast.wire import storage_pb2 as wire
from holdfast.wire import sync_pb2

TABLES = [
    (wire.DESCRIPTOR.services_by_name["Storage"], m.SERVICE, m.METHODS),
    (sync_pb2.DESCRIPTOR.services_by_name["Sync"], m.SYNC_SERVICE, m.SYNC_METHODS),
]


def described(message_type) -> str:
    return "Raw" if message_type is m.RAW else message_type.DESCRIPTOR.name


@pytest.mark.parametrize(("service", "name", "table"), TABLES, ids=["storage", "sync"])
def test_the_table_has_every_method_of_the_service_and_no_other(service, name, table):
    assert service.full_name == name
    assert set(table) == {method.name for method in service.methods}
    assert {row.path for row in table.values()} == {f"/{name}/{method.name}" for method in service.methods}


@pytest.mark.parametrize(
    ("row", "told"),
    [(row, service.methods_by_name[row.name]) for service, _, table in TABLES for row in table.values()],
    ids=[row.name for _, _, table in TABLES for row in table.values()],
)
def test_kinds_and_types_are_those_of_the_service(row, told):
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
