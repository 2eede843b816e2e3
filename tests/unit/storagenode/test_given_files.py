"""A file that somebody else has put beside an upload becomes its bytes: read, compared, never written, never trusted by a path."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import pytest

from holdfast import digest as digests
from holdfast.errors import DigestInvalidError, OffsetError, RequestInvalidError, StaleWriterError, UploadUnknownError
from tests.unit.storagenode.conftest import HOST, begin, read


def give(node, key, source):
    """Put a further name of ``source`` where the node looks for it."""
    place = node.offer_place(key.upload_id, HOST)
    assert place is not None
    found = Path(place.directory).stat()
    assert (found.st_dev, found.st_ino) == (place.device, place.inode)
    given = Path(place.directory) / place.name
    given.hardlink_to(source)
    return given


def file_of(folder, data):
    path = folder / secrets.token_hex(4)
    path.write_bytes(data)
    return path


def test_the_blob_is_the_very_file(bench, node, folder):
    source = file_of(folder, b"of somebody else")
    before = source.stat()
    key, digest = begin(node), digests.of(b"of somebody else")
    give(node, key, source)
    assert node.adopt(key.upload_id, HOST).offset_bytes == 16
    node.finish_upload(key, digest)
    after = Path(bench.tree.blob(digest)).stat()
    assert (after.st_ino, after.st_mode, after.st_mtime_ns) == (before.st_ino, before.st_mode, before.st_mtime_ns)
    assert read(node, digest) == source.read_bytes() == b"of somebody else"
    assert [path.name for path in Path(bench.tree.staging).iterdir()] == ["uploads"]


def test_other_bytes_than_named_are_refused_and_the_file_stays(bench, node, folder):
    source, key = file_of(folder, b"damaged"), begin(node)
    give(node, key, source)
    node.adopt(key.upload_id, HOST)
    with pytest.raises(DigestInvalidError):
        node.finish_upload(key, digests.of(b"as it was"))
    assert source.read_bytes() == b"damaged"
    assert source.stat().st_nlink == 1


def test_nothing_is_ever_written_into_the_file(node, folder):
    source, key = file_of(folder, b"given"), begin(node)
    give(node, key, source)
    node.adopt(key.upload_id, HOST)
    with pytest.raises(StaleWriterError):
        node.append(key, 5, [b" and more"], lambda: None)
    with pytest.raises(StaleWriterError):
        node.open_append(key, 5, HOST)
    assert source.read_bytes() == b"given"
    assert node.finish_upload(key, digests.of(b"given")).size_bytes == 5


@pytest.mark.parametrize("change", [lambda file: file.write_bytes(b"given and"), lambda file: os.truncate(file, 2)])
def test_a_file_that_changed_its_length_since_is_no_blob_and_is_not_cut(node, folder, change):
    source, key = file_of(folder, b"given"), begin(node)
    give(node, key, source)
    node.adopt(key.upload_id, HOST)
    change(source)
    changed = source.read_bytes()
    with pytest.raises(StaleWriterError):
        node.finish_upload(key, digests.of(b"given"))
    assert source.read_bytes() == changed
    node.cancel_upload(key)
    assert source.stat().st_nlink == 1


def test_an_upload_that_has_bytes_already_takes_no_file(node, folder):
    source, key = file_of(folder, b"given"), begin(node, b"sent")
    give(node, key, source)
    with pytest.raises(OffsetError):
        node.adopt(key.upload_id, HOST)
    assert node.finish_upload(key, digests.of(b"sent")).size_bytes == 4


def test_what_is_no_plain_file_is_not_taken_and_the_upload_goes_on(node, folder):
    source, key = file_of(folder, b"secret"), begin(node)
    place = node.offer_place(key.upload_id, HOST)
    given = Path(place.directory) / place.name
    for make in (lambda: given.symlink_to(source), given.mkdir):
        make()
        with pytest.raises(RequestInvalidError):
            node.adopt(key.upload_id, HOST)
        given.rmdir() if given.is_dir() and not given.is_symlink() else given.unlink()
    with pytest.raises(RequestInvalidError):
        node.adopt(key.upload_id, HOST)
    node.append(key, 0, [b"sent"], lambda: None)
    assert node.finish_upload(key, digests.of(b"sent")).size_bytes == 4


def test_a_caller_on_another_host_is_offered_nothing(node):
    assert node.offer_place(begin(node).upload_id, "another-host") is None


@pytest.mark.parametrize("is_adopted", [False, True])
def test_a_restart_ends_the_upload_and_leaves_no_name_behind(bench, node, folder, is_adopted):
    source, key = file_of(folder, b"given"), begin(node)
    give(node, key, source)
    if is_adopted:
        node.adopt(key.upload_id, HOST)
    node = bench.restart()
    assert source.stat().st_nlink == 1
    if is_adopted:
        with pytest.raises(UploadUnknownError):
            node.upload_state(key)
    else:
        assert node.upload_state(key).offset_bytes == 0


def test_a_cancelled_upload_leaves_no_name_behind(node, folder):
    for is_adopted in (False, True):
        source, key = file_of(folder, b"given"), begin(node)
        give(node, key, source)
        if is_adopted:
            node.adopt(key.upload_id, HOST)
        node.cancel_upload(key)
        assert source.stat().st_nlink == 1


def test_a_blob_that_is_deleted_leaves_the_file_alone(bench, node, folder):
    source, key, digest = file_of(folder, b"given"), begin(node), digests.of(b"given")
    give(node, key, source)
    node.adopt(key.upload_id, HOST)
    stamp = node.finish_upload(key, digest).stamp
    assert node.delete_blob(digest, stamp, for_good=True)
    assert (source.read_bytes(), source.stat().st_nlink) == (b"given", 1)
