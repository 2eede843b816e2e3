"""What a node remembers of the metadata is where its blobs are: a directory that is brought back brings no older memory back."""

from __future__ import annotations

import shutil

import pytest

from holdfast.clock import ManualClock, SystemClock
from holdfast.errors import ReadOnlyError, RolledBackError
from holdfast.meta import keys
from holdfast.meta.sqlite import SqliteStore
from holdfast.meta.witness import Memory, Witness, trust
from storagenode.collecting.assembly import CollectOptions
from storagenode.objects.witnessbook import Books
from storagenode.options import RoomOptions
from tests.fakes.memory_store import MemoryStore
from tests.unit.meta.world import new_ids
from tests.unit.storagenode.conftest import Bench, put


def witness_of(bench) -> Witness:
    return bench.server.duties._collecting_side().witness


@pytest.fixture
def registry(bench):
    """All of it on one machine, but the blobs."""
    metadata = bench.path / "data.db"
    bench.options |= {"metadata": metadata, "collect": CollectOptions(window="00:00-00:00")}
    SqliteStore(metadata, SystemClock()).close()
    return bench


def snapshot(bench, place) -> None:
    bench.stop()
    shutil.copytree(bench.path, place, ignore=shutil.ignore_patterns("blobs", "s"))


def restore(bench, place) -> None:
    bench.stop()
    for old in bench.path.iterdir():
        shutil.rmtree(old) if old.is_dir() else old.unlink()
    shutil.copytree(place, bench.path, dirs_exist_ok=True)


@pytest.mark.parametrize("is_room", [False, True])
def test_a_directory_brought_back_beside_a_bucket_that_went_on_is_noticed(registry, tmp_path, is_room):
    if is_room:
        room = RoomOptions("/far", registry.path / "room", 0, bucket=registry.options.pop("bucket"))
        registry.options["rooms"] = (room,)
    registry.start()
    witness_of(registry).leave()
    snapshot(registry, tmp_path / "copy")
    put(registry.start(), b"pushed after the copy was made")
    witness_of(registry).leave()
    restore(registry, tmp_path / "copy")
    registry.start()
    with pytest.raises(RolledBackError):
        witness_of(registry).require_right()
    trust(registry.server.duties._metadata, new_ids())
    witness_of(registry).require_right()
    witness_of(registry).leave()


def test_what_was_left_last_is_right_also_when_the_directory_was_lost(registry):
    registry.start()
    witness_of(registry).leave()
    registry.stop()
    shutil.rmtree(registry.path / "data")
    registry.start()
    witness_of(registry).require_right()


def test_metadata_that_is_gone_with_the_directory_is_noticed(registry):
    registry.start()
    witness_of(registry).leave()
    registry.stop()
    shutil.rmtree(registry.path / "data")
    for file in registry.path.glob("data.db*"):
        file.unlink()
    SqliteStore(registry.path / "data.db", SystemClock()).close()
    registry.start()
    with pytest.raises(RolledBackError):
        witness_of(registry).require_right()


def test_a_process_that_was_replaced_leaves_nothing_its_successor_would_doubt(registry, place):
    registry.start()
    book = registry.server.duties._book()
    other = Bench(registry.path / "b", registry.files, options={**registry.options, "bucket": place.bucket()})
    shutil.copytree(
        registry.path / "data", registry.path / "b" / "data", ignore=shutil.ignore_patterns("lock", "blobs")
    )
    try:
        other.start()
        witness_of(other).leave()
        with pytest.raises(ReadOnlyError):
            book.save(Memory(("what only the former one knows",)))
        witness_of(other).require_right()
    finally:
        other.stop()


class Book:
    def __init__(self, death):
        self.memory = Memory()
        self.death = death

    def load(self):
        return self.memory

    def save(self, memory):
        self.death()
        self.memory = memory


class DiedError(BaseException):
    pass


def test_a_death_between_two_books_raises_no_doubt():
    for steps in range(12):
        left = [steps]

        def death(left=left):
            if left[0] == 0:
                raise DiedError
            left[0] -= 1

        store, new_id = MemoryStore(ManualClock()), new_ids()
        books = Books([Book(death), Book(death), Book(death)])
        witness = Witness(store, "n1", books, new_id)
        try:
            witness.leave()
            witness.leave()
        except DiedError:
            left[0] = 1000
        witness.require_right()
        witness.leave()
        witness.require_right()
        standing = store.get_many([keys.witness("n1")]).entries[keys.witness("n1")].value.hex()
        assert books.load() == Memory((standing,))
