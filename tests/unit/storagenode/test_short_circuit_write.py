"""The short-circuit write: another process writes the file, the node hashes behind it and never trusts it longer than it must."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from holdfast import digest as digests
from holdfast.errors import OffsetError, StaleWriterError
from tests.unit.storagenode.conftest import HOST, begin, read

MIB = 1 << 20


def lent(node, key, offset=0):
    file = node.open_append(key, offset, HOST)
    assert file is not None
    descriptor = os.open(file.path, os.O_WRONLY)
    found = os.fstat(descriptor)
    assert (found.st_dev, found.st_ino) == (file.device, file.inode)
    return file, descriptor


def inode_of(bench, digest):
    return Path(bench.tree.blob(digest)).stat().st_ino


def test_the_node_hashes_behind_and_commits_the_very_file(bench, node):
    key = begin(node)
    file, descriptor = lent(node, key)
    data = os.urandom(3 * MIB)
    for end in (MIB, 2 * MIB, 3 * MIB):
        os.pwrite(descriptor, data[end - MIB : end], end - MIB)
        assert node.advance(key, file.token, end, is_last=False).offset_bytes == end
    os.close(descriptor)
    assert node.advance(key, file.token, 3 * MIB, is_last=True).offset_bytes == 3 * MIB
    digest = digests.of(data)
    assert node.finish_upload(key, digest).size_bytes == 3 * MIB
    assert inode_of(bench, digest) == file.inode
    assert read(node, digest) == data


def test_the_state_is_what_was_announced_not_what_was_written(node):
    key = begin(node)
    file, descriptor = lent(node, key)
    os.write(descriptor, b"announced, and more")
    node.advance(key, file.token, 9, is_last=False)
    assert node.upload_state(key).offset_bytes == 9
    os.close(descriptor)
    node.advance(key, file.token, 9, is_last=True)
    assert node.finish_upload(key, digests.of(b"announced")).size_bytes == 9


def test_a_paused_writer_cannot_change_what_a_newer_stream_appended(bench, node):
    key = begin(node)
    file, descriptor = lent(node, key)
    os.pwrite(descriptor, b"confirmed", 0)
    node.advance(key, file.token, 9, is_last=False)
    assert node.append(key, 9, [b" new"], lambda: None).offset_bytes == 13
    os.pwrite(descriptor, b"EVIL EVIL EVIL", 0)  # it wakes up an hour later
    digest = digests.of(b"confirmed new")
    node.finish_upload(key, digest)
    os.pwrite(descriptor, b"EVIL EVIL EVIL", 0)
    os.close(descriptor)
    assert inode_of(bench, digest) != file.inode
    assert read(node, digest) == b"confirmed new"


def test_a_finish_never_commits_a_file_that_somebody_may_still_write(bench, node):
    key = begin(node)
    file, descriptor = lent(node, key)
    os.pwrite(descriptor, b"confirmed", 0)
    node.advance(key, file.token, 9, is_last=False)
    digest = digests.of(b"confirmed")
    node.finish_upload(key, digest)
    os.pwrite(descriptor, b"EVIL", 0)
    os.close(descriptor)
    assert inode_of(bench, digest) != file.inode
    assert read(node, digest) == b"confirmed"


def test_a_second_short_circuit_write_gets_another_file(node):
    key = begin(node)
    first, old = lent(node, key)
    os.pwrite(old, b"one", 0)
    node.advance(key, first.token, 3, is_last=False)
    second, new = lent(node, key, 3)
    assert second.inode != first.inode
    assert second.token > first.token
    os.pwrite(new, b"two", 3)
    os.close(new)
    node.advance(key, second.token, 6, is_last=True)
    os.pwrite(old, b"EVIL", 0)
    os.close(old)
    digest = digests.of(b"onetwo")
    node.finish_upload(key, digest)
    assert read(node, digest) == b"onetwo"


def test_a_displaced_writer_hears_so_and_changes_nothing(node):
    key = begin(node)
    file, descriptor = lent(node, key)
    node.append(key, 0, [b"stream"], lambda: None)
    os.pwrite(descriptor, b"a longer text than that", 0)
    for last in (False, True):
        with pytest.raises(StaleWriterError):
            node.advance(key, file.token, 20, is_last=last)
    os.close(descriptor)
    assert node.upload_state(key).offset_bytes == 6
    node.finish_upload(key, digests.of(b"stream"))


def test_announcing_more_than_is_there_is_refused_and_says_where_it_stands(node):
    key = begin(node)
    file, descriptor = lent(node, key)
    os.pwrite(descriptor, b"abc", 0)
    with pytest.raises(OffsetError) as refused:
        node.advance(key, file.token, 10, is_last=False)
    assert refused.value.offset_bytes == 3
    os.pwrite(descriptor, b"def", 3)
    os.close(descriptor)
    assert node.advance(key, file.token, 6, is_last=True).offset_bytes == 6
    node.finish_upload(key, digests.of(b"abcdef"))


def test_a_stream_goes_on_in_the_same_file_after_a_writer_that_closed(bench, node):
    key = begin(node)
    file, descriptor = lent(node, key)
    os.pwrite(descriptor, b"abc and what nobody announced", 0)
    os.close(descriptor)
    node.advance(key, file.token, 3, is_last=True)
    node.append(key, 3, [b"def"], lambda: None)
    digest = digests.of(b"abcdef")
    assert node.finish_upload(key, digest).size_bytes == 6
    assert inode_of(bench, digest) == file.inode
    assert read(node, digest) == b"abcdef"


def test_a_file_lent_by_a_former_process_is_left_behind(bench, node):
    key = begin(node)
    file, descriptor = lent(node, key)
    os.pwrite(descriptor, b"before the restart", 0)
    node.advance(key, file.token, 18, is_last=False)
    node = bench.restart()
    assert node.upload_state(key).offset_bytes == 18
    with pytest.raises(StaleWriterError):
        node.advance(key, file.token, 18, is_last=True)
    os.pwrite(descriptor, b"EVIL", 18)
    digest = digests.of(b"before the restart")
    node.finish_upload(key, digest)
    os.pwrite(descriptor, b"EVIL", 0)
    os.close(descriptor)
    assert inode_of(bench, digest) != file.inode
    assert read(node, digest) == b"before the restart"


def test_another_host_is_not_offered_a_file(node):
    key = begin(node, b"abc")
    assert node.open_append(key, 3, "another-host") is None
    assert node.open_append(key, 3, "") is None
    with pytest.raises(OffsetError):
        node.open_append(key, 2, HOST)


def test_a_new_algorithm_reads_a_short_circuit_write_once_more(node):
    key = begin(node)
    file, descriptor = lent(node, key)
    os.pwrite(descriptor, b"bytes", 0)
    os.close(descriptor)
    node.advance(key, file.token, 5, is_last=True)
    digest = digests.of(b"bytes", "sha512")
    node.finish_upload(key, digest)
    assert read(node, digest) == b"bytes"


def test_followers_follow_a_short_circuit_write_across_a_move(node):
    class Caller:
        def is_active(self):
            return True

        def add_callback(self, _callback):
            return True

    key = begin(node)
    file, descriptor = lent(node, key)
    os.pwrite(descriptor, b"0123456789", 0)
    node.advance(key, file.token, 10, is_last=False)
    stream = node.follow_upload(key.upload_id, 0, Caller())
    assert next(stream) == b"012345678"
    node.append(key, 10, [b"abcdef"], lambda: None)
    os.pwrite(descriptor, b"EVIL EVIL EVIL EVIL", 0)
    os.close(descriptor)
    assert next(stream) == b"9abcde"
    node.finish_upload(key, digests.of(b"0123456789abcdef"))
    assert list(stream) == [b"f"]
