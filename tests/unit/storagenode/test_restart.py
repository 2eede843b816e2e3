"""What a node knows after a restart, and what it forgets in time."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from holdfast import digest as digests
from holdfast.errors import OffsetError, OverloadedError, StaleWriterError, UploadUnknownError
from holdfast.rpc.collecting import Amount
from holdfast.rpc.node import UploadKey, Want
from storagenode.disk.trash import Trash
from storagenode.disk.uploadlog import UploadLog
from storagenode.store import UploadRecord
from tests.unit.storagenode.conftest import REPOSITORY, begin, put, read

DAY = 24 * 3600.0


def test_an_upload_goes_on_after_a_restart(bench, node):
    key = begin(node, b"before ")
    node = bench.restart()
    assert node.upload_state(key).offset_bytes == 7
    with pytest.raises(UploadUnknownError):
        node.upload_state(UploadKey(key.upload_id, "another/repository"))
    with pytest.raises(OffsetError):
        node.append(key, 0, [b"x"], lambda: None)
    node.append(key, 7, [b"after"], lambda: None)
    node.finish_upload(key, digests.of(b"before after"))
    assert read(node, digests.of(b"before after")) == b"before after"


def test_the_announced_algorithm_survives_a_restart(bench, node):
    key = begin(node, b"before ", algorithm="sha512")
    node = bench.restart()
    node.append(key, 7, [b"after"], lambda: None)
    assert next(iter(node._uploads)).hashing.algorithm == "sha512"
    node.finish_upload(key, digests.of(b"before after", "sha512"))


def test_a_writer_that_was_taken_over_from_is_refused_after_a_restart_too(bench, node):
    key = begin(node)
    node.append(key, 0, [b"by the first, "], lambda: None, 5)
    node.append(key, 14, [b"by the second, "], lambda: None, 9)
    node = bench.restart()
    with pytest.raises(StaleWriterError):
        node.append(key, 29, [b"by the first, late"], lambda: None, 5)
    node.append(key, 29, [b"by the second"], lambda: None, 9)
    node = bench.restart()
    with pytest.raises(StaleWriterError):
        node.append(key, 42, [b"by the first, later still"], lambda: None, 8)
    digest = digests.of(b"by the first, by the second, by the second")
    assert node.finish_upload(key, digest).digest == digest


def test_what_a_node_of_an_older_version_noted_is_known_again(bench, node):
    key = begin(node, b"before")
    log = Path(bench.tree.upload_log)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    log.write_text("".join(json.dumps({k: v for k, v in line.items() if k != "fence"}) + "\n" for line in lines))
    node = bench.restart()
    assert node.append(key, 6, [b" after"], lambda: None, 1).offset_bytes == 12


def test_a_former_process_leaves_no_rubbish(bench, node):
    staging = Path(bench.tree.staging)
    kept, empty, moving = begin(node, b"kept"), begin(node, b"x"), begin(node, b"x")
    Path(f"{bench.tree.upload(empty.upload_id)}.data.0").unlink()
    Path(f"{bench.tree.upload(moving.upload_id)}.data.1").write_bytes(b"half of what is mov")
    (staging / f"nobody-{'0' * 32}.data.0").write_bytes(b"an upload that nobody was told of")
    (staging / f"put.{'0' * 32}").write_bytes(b"half a blob")
    (staging / f"former-{'0' * 32}").mkdir()
    (staging / f"former-{'0' * 32}" / "state.json").write_text("as former versions kept it")
    node = bench.restart()
    there = {"uploads", f"{kept.upload_id}.data.0", f"{moving.upload_id}.data.0"}
    assert set(os.listdir(staging)) == there  # noqa: PTH208
    assert {found.key.upload_id for found in node.list_uploads()} == {kept.upload_id, moving.upload_id}


def test_a_line_that_was_cut_off_costs_no_other_upload(bench, node):
    first = begin(node, b"first")
    log = Path(bench.tree.upload_log)
    log.write_bytes(log.read_bytes() + b'{"id": "half a li')
    node = bench.restart()
    second = begin(node, b"second")
    node = bench.restart()
    assert {found.key.upload_id for found in node.list_uploads()} == {first.upload_id, second.upload_id}


def test_the_log_of_uploads_keeps_those_that_go_on_and_stays_small(bench, files):
    log = UploadLog(bench.tree, files, most_lines=10)
    records = [UploadRecord(f"n1-{number:032x}", "library/alpine", "", "sha256") for number in range(100)]
    going_on = records[::25]
    Path(bench.tree.staging).mkdir(parents=True, exist_ok=True)
    for record in going_on:
        Path(f"{bench.tree.upload(record.upload_id)}.data.0").touch()
    for record in records:
        log.note(record)
    assert len(log.read()) <= 11
    assert set(going_on) <= set(log.read())


def test_of_what_was_noted_of_an_upload_the_last_counts(bench, files):
    log = UploadLog(bench.tree, files, most_lines=10)
    Path(bench.tree.staging).mkdir(parents=True, exist_ok=True)
    record = UploadRecord(f"n1-{7:032x}", "library/alpine", "", "sha256")
    Path(f"{bench.tree.upload(record.upload_id)}.data.0").touch()
    for fence in range(25):
        log.note(replace(record, fence=fence))
    assert log.read() == [replace(record, fence=24)]


def test_abandoned_uploads_expire(bench, node):
    old = begin(node, b"old")
    bench.clock.advance(DAY - 10)
    young = begin(node, b"young")
    bench.clock.advance(10)
    assert node.expire_uploads(DAY) == 1
    with pytest.raises(UploadUnknownError):
        node.upload_state(old)
    assert node.upload_state(young).offset_bytes == 5
    assert set(os.listdir(bench.tree.staging)) == {"uploads", f"{young.upload_id}.data.0"}  # noqa: PTH208
    node.append(young, 5, [b"er"], lambda: None)
    bench.clock.advance(DAY - 1)
    assert node.expire_uploads(DAY) == 0


def test_no_wall_clock_ends_an_upload_after_a_restart(bench, node):
    key = begin(node, b"written a moment ago")
    os.utime(f"{bench.tree.upload(key.upload_id)}.data.0", (0, 0))  # as if the clock had jumped by decades since
    node = bench.restart()
    assert node.expire_uploads(DAY) == 0
    bench.clock.advance(DAY)
    assert node.expire_uploads(DAY) == 1


def test_have_it_is_answered_only_after_one_fsync_of_a_copy_that_another_process_left(bench, node, files):
    digest = put(node, b"left behind")
    node = bench.restart()
    synced = []
    files.before = lambda operation, path: synced.append((operation, path)) if "sync" in operation else None
    for _ in range(3):
        assert node.stat_blobs([Want(digest)])[0] is not None
    blob = bench.tree.blob(digest)
    assert synced == [("sync", blob), ("sync_directory", os.path.dirname(blob))]  # noqa: PTH120


def test_a_restart_makes_outstanding_listings_stale(bench, node):
    digest = put(node, b"listed")
    ((listed,),) = node.list_blobs(0, 4095)
    node = bench.restart()
    assert node.delete_blob(digest, listed.stamp) is False
    ((listed,),) = node.list_blobs(0, 4095)
    assert node.delete_blob(digest, listed.stamp) is True


def test_a_copy_that_is_deleted_for_good_leaves_nothing_in_the_trash(bench, node):
    blob = node.put_blob(digests.of(b"deleted"), b"deleted")
    assert node.delete_blob(blob.digest, "another stamp", for_good=True) is False
    assert node.delete_blob(blob.digest, blob.stamp, for_good=True) is True
    assert os.listdir(bench.tree.trash) == []  # noqa: PTH208
    assert list(node.list_blobs(0, 4095)) == []


def test_deleted_copies_lie_in_the_trash_for_a_while(bench, node, files):
    blob = node.put_blob(digests.of(b"deleted"), b"deleted")
    node.delete_blob(blob.digest, blob.stamp)
    trash = Trash(bench.tree, files, bench.clock)
    assert trash.empty(60) == Amount()
    bench.clock.advance(59)
    assert trash.empty(60) == Amount()
    bench.clock.advance(1)
    assert trash.empty(60) == Amount(1, len(b"deleted"))
    assert os.listdir(bench.tree.trash) == []  # noqa: PTH208


def test_there_may_be_only_so_many_uploads(bench):
    bench.options["max_uploads"] = 2
    node = bench.start()
    first = begin(node)
    begin(node)
    with pytest.raises(OverloadedError):
        node.start_upload(REPOSITORY, "", None)
    node.cancel_upload(first)
    begin(node)
