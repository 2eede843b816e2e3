"""A node that dies between any two things it does to its disk or to the object store: what was acknowledged is there, all that is
there is whole, and whoever asks again gets on.

It dies inside this process: from the chosen step on nothing it does has any effect, and the next one finds what it left.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from holdfast import digest as digests
from holdfast.rpc.node import Want
from storagenode.objects import keys
from storagenode.objects.bucket import Bucket, Writing
from tests.objects.test_tidying import tidy
from tests.unit.storagenode.conftest import begin, put, read

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.digest import Digest
    from storagenode.node import StorageNode
    from tests.unit.storagenode.conftest import Bench

BEFORE = b"acknowledged before"


class Died(BaseException):
    pass


class Fate:
    """Dies at the step of this number, counted from when it was set; None: lives."""

    def __init__(self) -> None:
        self.steps: int | None = None

    def step(self, *_: object) -> None:
        if self.steps is not None:
            if self.steps == 0:
                raise Died
            self.steps -= 1


class MortalBucket(Bucket):
    def __init__(self, living: Bucket, fate: Fate) -> None:
        super().__init__(living._store, living._part_bytes)
        self._fate = fate

    def put(self, key: str, data: bytes) -> None:
        self._fate.step()
        super().put(key, data)

    def delete(self, names) -> None:
        self._fate.step()
        super().delete(names)

    def writing(self, key: str, size_bytes: int = 0) -> Writing:
        return MortalWriting(super().writing(key, size_bytes)._writer, self._fate)


class MortalWriting(Writing):
    def __init__(self, writer, fate: Fate) -> None:
        super().__init__(writer)
        self._fate = fate

    def write(self, data) -> None:
        self._fate.step()
        super().write(data)

    def finish(self) -> None:
        self._fate.step()
        super().finish()

    def abort(self) -> None:
        if self._fate.steps is None:
            super().abort()


def by_put(node: StorageNode, data: bytes) -> None:
    node.put_blob(digests.of(data), data)


def by_upload(node: StorageNode, data: bytes) -> None:
    whole = data + bytes(5 << 20)
    key = begin(node, whole)
    node.finish_upload(key, digests.of(whole))


def again(node: StorageNode, data: bytes) -> None:
    """Over a copy that is there."""
    node.put_blob(digests.of(data), data)


def digest_of(store: Callable[..., None], data: bytes) -> Digest:
    return digests.of(data + bytes(5 << 20) if store is by_upload else data)


@pytest.fixture
def fate(bench: Bench) -> Fate:
    fate = Fate()
    bench.files.before = fate.step
    bench.options["bucket"] = MortalBucket(bench.options["bucket"], fate)
    return fate


def dies(fate: Fate, steps: int, act: Callable[[], object]) -> bool:
    """Whether it did. From then on it is dead until the next one is started."""
    fate.steps = steps
    try:
        act()
    except Died:
        return True
    fate.steps = None
    return False


def look_around(node: StorageNode, before: Digest) -> None:
    assert read(node, before) == BEFORE
    for blobs in node.list_blobs(0, 4095):
        for blob in blobs:
            assert len(read(node, blob.digest)) == blob.size_bytes


@pytest.mark.parametrize("store", [by_put, by_upload, again])
def test_a_death_while_storing_loses_nothing_and_leaves_nothing_half_done(bench, fate, store):
    node = bench.start()
    before = put(node, BEFORE)
    for steps in range(100):
        data = os.urandom(20)
        if store is again:
            put(node, data)
        has_died = dies(fate, steps, lambda data=data, node=node: store(node, data))
        bench.stop()
        fate.steps = None
        node = bench.start()
        look_around(node, before)
        digest = digest_of(store, data)
        if not has_died or store is again:
            assert read(node, digest).startswith(data)
        store(node, data)  # a retry cures it
        assert read(node, digest).startswith(data)
        if not has_died:
            break
    assert 2 <= steps < 99
    tidy(bench)
    look_around(node, before)


@pytest.mark.parametrize("for_good", [False, True])
def test_a_death_while_deleting_leaves_a_whole_blob_or_none(bench, fate, place, for_good):
    node = bench.start()
    before = put(node, BEFORE)
    for steps in range(100):
        digest = put(node, os.urandom(20))
        (stored,) = node.stat_blobs([Want(digest)])
        has_died = dies(
            fate,
            steps,
            lambda node=node, stored=stored: node.delete_blob(stored.digest, stored.stamp, for_good=for_good),
        )
        bench.stop()
        fate.steps = None
        node = bench.start()
        tidy(bench)
        look_around(node, before)
        if not has_died:
            assert node.stat_blobs([Want(digest)]) == [None]
            break
    assert 1 <= steps < 99
    named = {keys.parse(found.key).data for found in place.bucket().list(keys.BLOBS)}
    tidy(bench)
    assert {found.key for found in place.bucket().list(keys.DATA)} == named  # nothing is left over


def test_a_death_while_relying_on_what_a_former_machine_left_leaves_it_whole(bench, fate, place):
    """Whoever takes a place over names its blobs anew, one by one."""
    digest = put(bench.start(), BEFORE)
    for steps in range(100):
        bench.stop()
        record = json.loads(place.bucket().get(keys.NODE)) | {"place": "another machine"}
        place.bucket().put(keys.NODE, json.dumps(record).encode())
        node = bench.start()
        if not dies(fate, steps, lambda node=node: node.stat_blobs([Want(digest)])):
            break
        bench.stop()
        fate.steps = None
        node = bench.start()
        look_around(node, digest)
        assert node.stat_blobs([Want(digest)]) != [None]
    assert 1 <= steps < 99
    tidy(bench)
    look_around(bench.server.node, digest)
    assert len([*place.bucket().list(keys.DATA)]) == 1
