"""Records: every form ever written is read, and nothing else is."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast import digest as digests
from holdfast.errors import CorruptError
from holdfast.manifest import OCI_MANIFEST, Reference
from holdfast.meta.records import (
    TAG,
    Codec,
    LinkRecord,
    ManifestRecord,
    TagRecord,
    pack_digest,
    pack_references,
    unpack_digest,
    unpack_references,
)
from holdfast.wire import records_pb2 as wire

ID = bytes(range(16))
DIGEST = digests.of(b"x")
# Written by form 1, and never to change: what is stored must stay readable.
TAG_FORM_1 = bytes.fromhex(
    "010a21012d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a48811210000102030405060708090a0b0c0d0e0f"
    "1a10000102030405060708090a0b0c0d0e0f21000000000000f83f"
)
# The form before it, as a test would have it: the digest as text, nothing else.
TAG_FORM_0 = b"\x00" + str(DIGEST).encode()


def lift_tag_from_text(payload: bytes) -> bytes:
    digest = pack_digest(digests.parse(payload.decode()))
    return wire.TagRecord(digest=digest, incarnation=bytes(16)).SerializeToString()


def manifest(**fields):
    values = {
        "digest": DIGEST,
        "media_type": OCI_MANIFEST,
        "size_bytes": 7,
        "incarnation": ID,
        "operation_id": ID[::-1],
        "created_seconds": 1.5,
    }
    return ManifestRecord(**{**values, **fields})


@pytest.mark.parametrize("algorithm", ["sha256", "sha512", "blake3"])
def test_a_registered_digest_is_packed_into_its_raw_bytes_and_one(algorithm):
    digest = digests.of(b"x", algorithm)
    packed = pack_digest(digest)
    assert len(packed) == 1 + len(digest.encoded) // 2
    assert unpack_digest(packed) == digest


def test_a_digest_of_an_algorithm_that_is_merely_referenced_is_kept_as_text():
    digest = digests.parse("multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4Gx8")
    assert unpack_digest(pack_digest(digest)) == digest


@given(st.binary(max_size=70))
def test_bytes_that_are_no_digest_are_corrupt(data):
    with contextlib.suppress(CorruptError):
        assert pack_digest(unpack_digest(data)) == data


def test_a_manifest_record_comes_back_as_it_was():
    references = (Reference(DIGEST, 5), Reference(digests.of(b"y", "sha512"), 2**40, True, True))
    full = manifest(
        origin="upstream", subject=DIGEST, artifact_type="a/b", packed_references=pack_references(references)
    )
    for record in (manifest(), full):
        assert ManifestRecord.decode(DIGEST, record.encode()) == record
    assert full.references == references


def test_links_and_tags_come_back_as_they_were():
    link = LinkRecord(5, ID, 1.5, "upstream")
    assert LinkRecord.decode(link.encode()) == link
    tag = TagRecord(DIGEST, ID, ID, 1.5)
    assert TagRecord.decode(tag.encode()) == tag


def test_the_operation_id_stands_in_every_value_as_it_is():
    for record in (manifest(operation_id=b"0123456789abcdef"), LinkRecord(1, b"0123456789abcdef", 0)):
        assert b"0123456789abcdef" in record.encode()


def test_what_form_1_wrote_stays_readable():
    assert TagRecord.decode(TAG_FORM_1) == TagRecord(DIGEST, ID, ID, 1.5)
    assert TagRecord(DIGEST, ID, ID, 1.5).encode() == TAG_FORM_1


def test_an_older_form_is_lifted_step_by_step():
    codec = Codec(wire.TagRecord, form=1, lifts={0: lift_tag_from_text})
    assert codec.decode(TAG_FORM_0).digest == pack_digest(DIGEST)
    later = Codec(wire.TagRecord, form=2, lifts={0: lift_tag_from_text, 1: lambda payload: payload})
    assert later.decode(TAG_FORM_0).digest == later.decode(TAG_FORM_1).digest == pack_digest(DIGEST)
    assert later.encode(wire.TagRecord())[:1] == b"\x02"


@pytest.mark.parametrize(
    "value",
    [b"", TAG_FORM_0, b"\x02" + TAG_FORM_1[1:], TAG_FORM_1[:-3], b"\x01\xff\xff", b"\x01"],
    ids=["empty", "a form nobody wrote", "a form of the future", "cut short", "no protobuf", "no fields"],
)
def test_values_that_are_no_record_are_corrupt(value):
    with pytest.raises(CorruptError):
        TagRecord.decode(value)


def test_a_lift_that_fails_is_corrupt():
    with pytest.raises(CorruptError):
        Codec(wire.TagRecord, form=1, lifts={0: lift_tag_from_text}).decode(b"\x00\xff\xfe")


@pytest.mark.parametrize("fields", [{"media_type": ""}, {"incarnation": b"short"}])
def test_a_manifest_record_without_its_essentials_is_corrupt(fields):
    with pytest.raises(CorruptError):
        ManifestRecord.decode(DIGEST, manifest(**fields).encode())


def test_references_that_do_not_parse_are_corrupt():
    with pytest.raises(CorruptError):
        unpack_references(b"\xff\xff")
    with pytest.raises(CorruptError):
        LinkRecord.decode(TAG.encode(wire.TagRecord(digest=b"x" * 9)))


@given(st.binary(max_size=60))
def test_no_bytes_make_decoding_fail_in_another_way(data):
    for decode in (TagRecord.decode, LinkRecord.decode, lambda value: ManifestRecord.decode(DIGEST, value).references):
        with contextlib.suppress(CorruptError):
            decode(data)
