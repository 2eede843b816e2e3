"""One copy read for its own sake: what counts against it, what does not, and what becomes of it then."""

from __future__ import annotations

import errno
import mmap
import os
from pathlib import Path

import pytest

from holdfast import digest as digests
from holdfast.errors import UnavailableError
from holdfast.rpc.node import Want
from storagenode.disk import examining
from storagenode.disk.examining import examine
from tests.unit.storagenode.conftest import put, read

DATA = b"a stored blob"
DIGEST = digests.of(DATA)
MIB = 1 << 20


def nothing(_size_bytes: int) -> None:
    """Nobody counts."""


def written(path: Path, data: bytes) -> digests.Digest:
    path.write_bytes(data)
    return digests.of(data)


@pytest.fixture(params=["past the cache", "through it"])
def way(request, monkeypatch):
    """File systems differ in whether they let a reader past the page cache."""
    if request.param == "through it":
        monkeypatch.setattr(examining, "_open", lambda path: (os.open(path, os.O_RDONLY), False))
    return request.param


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("size", [0, 1, mmap.PAGESIZE, mmap.PAGESIZE + 1, MIB, MIB + 512, 3 * MIB + 7])
def test_all_of_a_copy_is_read_whatever_its_size(tmp_path, size):
    digest = written(tmp_path / "copy", os.urandom(size))
    pieces = []
    found = examine(str(tmp_path / "copy"), digest, pieces.append)
    assert (found.fault, found.size_bytes, sum(pieces)) == ("", size, size)


def test_every_algorithm_is_hashed_by_its_own(tmp_path):
    (tmp_path / "copy").write_bytes(DATA)
    for algorithm in digests.ALGORITHMS:
        assert examine(str(tmp_path / "copy"), digests.of(DATA, algorithm), nothing).fault == ""


def test_a_file_system_that_takes_the_flag_and_then_no_reading_is_read_through_its_cache(tmp_path, monkeypatch):
    digest = written(tmp_path / "copy", os.urandom(2 * MIB))
    real, refused = os.preadv, []

    def picky(descriptor, buffers, offset):
        if not refused:
            refused.append(descriptor)
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return real(descriptor, buffers, offset)

    monkeypatch.setattr(examining, "_open", lambda path: (os.open(path, os.O_RDONLY), True))
    monkeypatch.setattr(os, "preadv", picky)
    assert examine(str(tmp_path / "copy"), digest, nothing).fault == ""
    assert refused


def test_what_was_read_through_the_cache_does_not_stay_there(tmp_path, monkeypatch):
    digest, dropped = written(tmp_path / "copy", os.urandom(2 * MIB + 5)), []
    monkeypatch.setattr(examining, "_open", lambda path: (os.open(path, os.O_RDONLY), False))
    monkeypatch.setattr(os, "posix_fadvise", lambda _fd, at, size, advice: dropped.append((at, size, advice)))
    assert examine(str(tmp_path / "copy"), digest, nothing).fault == ""
    assert sum(size for _, size, _ in dropped) == 2 * MIB + 5
    assert {advice for *_, advice in dropped} == {os.POSIX_FADV_DONTNEED}


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_link(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(DATA)
    path.symlink_to(other)


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (lambda path: path.write_bytes(DATA[:-1] + b"!"), "another digest"),
        (lambda path: path.write_bytes(DATA[:-1]), "another digest"),
        (lambda path: path.write_bytes(b""), "empty"),
        (Path.mkdir, "no file"),
        (make_pipe, "no file"),
        (make_link, "no file"),
    ],
    ids=["flipped", "cut", "emptied", "a directory", "a pipe", "a link"],
)
def test_what_is_wrong_is_said_and_set_aside(bench, node, damage, fault):
    put(node, DATA)
    path = Path(bench.tree.blob(DIGEST))
    path.unlink()
    damage(path)
    assert fault in node._store.examine(DIGEST, nothing).fault
    assert not os.path.lexists(path)
    assert node.status().quarantined == 1
    assert node.stat_blobs([Want(DIGEST)]) == [None]
    assert node._store.take_bereft() == {DIGEST.partition}
    put(node, DATA)
    assert read(node, DIGEST) == DATA


def test_what_the_disk_cannot_read_is_the_copy_s_fault(node, monkeypatch):
    put(node, DATA)

    def fail(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "preadv", fail)
    found = node._store.examine(DIGEST, nothing)
    assert (found.is_unreadable, "Input/output error" in found.fault) == (True, True)
    assert node.status().quarantined == 1


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOMEM, errno.ENFILE])
def test_what_the_node_lacks_is_not_the_copy_s_fault(node, monkeypatch, number):
    put(node, DATA)

    def fail(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(examining, "_open", fail)
    with pytest.raises(UnavailableError):
        node._store.examine(DIGEST, nothing)
    assert node.status().quarantined == 0


def test_a_copy_that_reads_wrong_once_and_right_the_next_time_stays(node, monkeypatch):
    put(node, DATA)
    real, reads = os.preadv, []

    def flaky(descriptor, buffers, offset):
        count = real(descriptor, buffers, offset)
        if not reads:
            buffers[0][0:1] = b"!"
        reads.append(count)
        return count

    monkeypatch.setattr(os, "preadv", flaky)
    assert node._store.examine(DIGEST, nothing).fault == ""
    assert node.status().quarantined == 0


def test_a_copy_that_is_healed_while_it_is_read_stays(bench, node):
    put(node, DATA)
    path = Path(bench.tree.blob(DIGEST))
    path.write_bytes(b"rotten")
    reads = []

    def heal(size_bytes: int) -> None:
        reads.append(size_bytes)
        if len(reads) == 2:  # it was found wrong once, and is being read again
            put(node, DATA)

    assert node._store.examine(DIGEST, heal) is None
    assert path.read_bytes() == DATA
    assert node.status().quarantined == 0


def test_a_copy_that_goes_meanwhile_is_nobody_s_fault(bench, node):
    put(node, DATA)
    Path(bench.tree.blob(DIGEST)).unlink()
    assert node._store.examine(DIGEST, nothing) is None
