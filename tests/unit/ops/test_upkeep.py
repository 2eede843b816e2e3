"""Etcd's members take turns, waits end, uploads are chosen."""

from __future__ import annotations

from dataclasses import replace

from holdfast.errors import MetadataUnavailableError
from holdfast.meta.etcd.operate import EtcdStatus, MemberStatus
from holdfast.meta.etcd.options import endpoint
from holdfast.meta.members import Progress
from holdfast.ops.layout.progress import look_at as look_at_change
from holdfast.ops.metadata.defragment import reasons_against, turns
from holdfast.ops.repair.progress import look_at as look_at_repair
from holdfast.ops.upload.found import Uploads, chosen
from holdfast.ops.waiting import Look, follow
from holdfast.rpc.node import OpenUpload, UploadKey
from tests.unit.ops.pictures import alive, layout, picture


class Ticks:
    """A clock that moves when somebody sleeps."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now

    def wall(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


def member(name, *, leader=False, trouble=None):
    return MemberStatus(endpoint(f"http://{name}:2379"), trouble, 1, "3.5", leader)


def test_the_leader_defragments_last_and_who_does_not_answer_is_left_out():
    etcd = EtcdStatus((member("a", leader=True), member("b"), member("c", trouble="gone")), 1, True, (), None)
    assert [one.endpoint.host for one in turns(etcd)] == ["b", "a"]


def test_nothing_is_defragmented_while_a_member_is_down():
    well = EtcdStatus((member("a", leader=True), member("b"), member("c")), 1, True, (), None)
    assert reasons_against(well) == []
    assert "c:2379" in reasons_against(replace(well, members=(*well.members[:2], member("c", trouble="gone"))))[0]
    assert "no quorum" in reasons_against(replace(well, has_quorum=False))[0]


def test_a_wait_ends_when_it_is_over_through_moments_without_metadata():
    clock, looks = Ticks(), iter([Look(0, 2, "none"), MetadataUnavailableError("gone"), Look(2, 2, "all")])

    def look():
        found = next(looks)
        if isinstance(found, Exception):
            raise found
        return found

    assert follow(look, clock, clock.sleep)
    assert next(looks, None) is None


def test_a_wait_ends_when_its_time_is_out():
    clock = Ticks()
    assert not follow(lambda: Look(0, 1, "none"), clock, clock.sleep, 5.0)
    assert clock.now >= 5.0


def test_a_change_is_followed_until_the_older_layout_is_gone():
    first = layout(1, "a", "b", "c")
    second = layout(2, "a", "b", "c", "d", previous=first)
    nodes = ("a", "b", "c", "d")
    assert not look_at_change(picture(*nodes, layouts=[first]), 2).is_over
    waiting = look_at_change(picture(*nodes, layouts=[first, second], waited_for=["c", "d"]), 2)
    assert (waiting.done, waiting.is_over) == (2, False)
    assert not look_at_change(picture(*nodes, layouts=[first, second]), 2).is_over
    assert look_at_change(picture(*nodes, layouts=[second]), 2).is_over


def test_a_repair_is_over_when_every_living_node_had_a_round_after_the_wish():
    done, old = (replace(alive(), repair=Progress(answered=revision)) for revision in (9, 8))
    at_it = replace(alive(), repair=Progress(done=100, total=4096, answered=8))
    assert look_at_repair(picture("a", "b", "c", down=["c"], says={"a": done, "b": done}), 9).is_over
    half = look_at_repair(picture("a", "b", says={"a": done, "b": at_it}), 9)
    assert (half.done, half.total, half.is_over) == (4196, 8192, False)
    assert look_at_repair(picture("a", "b", says={"a": done, "b": old}), 9).done == 4096


def test_uploads_are_chosen_by_id_and_by_how_long_nobody_touched_them():
    one, two = (OpenUpload(UploadKey(name, "r"), 0, idle) for name, idle in (("one", 5.0), ("two", 50.0)))
    uploads = Uploads({"n": [one, two]}, {})
    assert chosen(uploads, (), 0.0) == [("n", one), ("n", two)]
    assert chosen(uploads, {"one"}, 0.0) == [("n", one)]
    assert chosen(uploads, (), 10.0) == [("n", two)]
    assert chosen(uploads, {"one"}, 10.0) == []
