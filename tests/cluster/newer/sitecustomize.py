"""Makes the next version of the programs out of this one; nothing of it is in the product.

Python imports a module of this name at its start, so with this directory on PYTHONPATH every process is "version N+1": it says so,
and it knows a form of tag records that version N would misread (the fields have other numbers), declared as every new form must be.
"""

from __future__ import annotations

import types

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

import holdfast

NEWER = "0.2.0"
holdfast.__version__ = NEWER

from holdfast.meta import forms, records  # noqa: E402 - they must find the newer version
from holdfast.wire import records_pb2 as wire  # noqa: E402

_SHIFT = 20


def _renumbered():
    """TagRecord with its fields at other numbers."""
    shape = descriptor_pb2.DescriptorProto()
    wire.TagRecord.DESCRIPTOR.CopyToProto(shape)
    shape.name = "NewerTagRecord"
    for field in shape.field:
        field.number += _SHIFT
    file = descriptor_pb2.FileDescriptorProto(
        name="newer.proto", package="newer", syntax="proto3", message_type=[shape]
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("newer.NewerTagRecord"))


NewerTag = _renumbered()


def _through(source, target):
    def convert(payload: bytes) -> bytes:
        old = source.FromString(payload)
        return target(
            **{field.name: getattr(old, field.name) for field in source.DESCRIPTOR.fields}
        ).SerializeToString()

    return convert


records.wire = types.SimpleNamespace(**(vars(wire) | {"TagRecord": NewerTag}))
records.TAG = records.Codec(
    NewerTag,
    form=2,
    lifts={1: _through(wire.TagRecord, NewerTag)},
    lowers={2: _through(NewerTag, wire.TagRecord)},
    since={2: forms.parse(NEWER)},
)
