"""The file of a backup: whole or not there, and refused when any byte of it is another."""

from __future__ import annotations

import random
import stat
import tracemalloc

import pytest

from holdfast.errors import ConfigError, CorruptError, UnavailableError
from holdfast.meta.keeping import file
from holdfast.meta.keeping.file import Header
from tests.crash.dying import at_every_line

HEADER = Header("cluster", 42, 1_800_000_000.0, "0.1.0")
PAIRS = [(b"cluster/id", b"cluster"), (b"link/a//sha256:00", b"\1one"), (b"tag/a//v1", b""), (b"tag/a//v2", bytes(300))]


def written(path, pairs=PAIRS):
    return file.write(path, HEADER, iter(pairs))


def test_what_was_written_is_read_again(tmp_path):
    made = written(tmp_path / "b")
    found = file.verified(tmp_path / "b")
    assert found == made
    assert list(file.pairs_of(found)) == PAIRS
    assert (found.keys, found.kinds["tag"]) == (4, 2)
    assert found.size_bytes == sum(len(key) + len(value) for key, value in PAIRS)
    assert file.glanced(tmp_path / "b") == HEADER
    assert file.content_of(tmp_path / "b") == made.content


def test_it_is_for_its_owner_alone_whatever_was_there_before(tmp_path):
    for path in (tmp_path / "b", tmp_path / "b.partial"):
        path.write_bytes(b"of a process that died")
        path.chmod(0o644)
    written(tmp_path / "b")
    assert stat.S_IMODE((tmp_path / "b").stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["b"]


def test_a_file_of_which_any_byte_is_another_is_refused(tmp_path):
    written(tmp_path / "b")
    good = (tmp_path / "b").read_bytes()
    for place in range(len(good)):
        (tmp_path / "bad").write_bytes(good[:place] + bytes([good[place] ^ 1 << place % 8]) + good[place + 1 :])
        for look in (file.verified, file.content_of):
            with pytest.raises(CorruptError, match=r"damaged|no backup"):
                look(tmp_path / "bad")


def test_a_file_that_is_cut_off_or_goes_on_is_refused(tmp_path):
    written(tmp_path / "b")
    good = (tmp_path / "b").read_bytes()
    for wrong in (*(good[:length] for length in range(len(good))), good + b"x", good + good):
        (tmp_path / "bad").write_bytes(wrong)
        with pytest.raises(CorruptError):
            file.verified(tmp_path / "bad")


def test_a_file_of_a_newer_format_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(file, "FORMAT", 2)
    written(tmp_path / "b")
    monkeypatch.undo()
    with pytest.raises(ConfigError, match="newer version"):
        file.verified(tmp_path / "b")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UnavailableError, match="nothing"):
        file.verified(tmp_path / "nothing")


def test_the_same_content_again_is_not_written(tmp_path):
    first = written(tmp_path / "b")
    assert file.write(tmp_path / "c", HEADER, iter(PAIRS), unless_content=first.content) is None
    assert [one.name for one in tmp_path.iterdir()] == ["b"]
    assert file.write(tmp_path / "c", HEADER, iter(PAIRS[:2]), unless_content=first.content) is not None


def test_two_at_once_do_not_write_into_each_other(tmp_path):
    def meddling():
        yield PAIRS[0]
        with pytest.raises(UnavailableError, match="just now"):
            written(tmp_path / "b")
        yield PAIRS[1]

    file.write(tmp_path / "b", HEADER, meddling())
    assert list(file.pairs_of(file.verified(tmp_path / "b"))) == PAIRS[:2]


def test_a_source_that_breaks_off_leaves_what_was_there(tmp_path):
    def breaking():
        yield from PAIRS[:2]
        raise UnavailableError("gone")

    old = written(tmp_path / "b")
    with pytest.raises(UnavailableError, match="gone"):
        file.write(tmp_path / "b", HEADER, breaking())
    assert file.verified(tmp_path / "b") == old
    assert [one.name for one in tmp_path.iterdir()] == ["b"]


def test_a_kill_before_any_line_leaves_the_old_file_or_the_new_one(tmp_path):
    path, before, new = tmp_path / "b", PAIRS[:1], [PAIRS[0], (b"tag/b//v1", b"new")]
    old = written(path, before)
    seen = set()
    for _ in at_every_line(["keeping/file.py"], lambda: written(path, new)):
        found = file.verified(path)
        assert list(file.pairs_of(found)) in (before, new)
        seen.add(found.content)
    assert len(seen) == 2
    assert old.content in seen


def test_memory_does_not_grow_with_what_is_in_it(tmp_path):
    chance = random.Random(1)

    def many():
        for number in range(3000):
            yield b"manifest/a//%06d" % number, chance.randbytes(1000)

    tracemalloc.start()
    file.write(tmp_path / "b", HEADER, many())
    found = file.verified(tmp_path / "b")
    assert sum(1 for _ in file.pairs_of(found)) == 3000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.file_bytes > 2_900_000
    assert peak < 1_500_000
