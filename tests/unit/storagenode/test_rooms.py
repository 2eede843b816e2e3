"""One node with several disks: what goes where, what is found, and what one of them being away means."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from holdfast import digest as digests
from holdfast.errors import (
    BlobUnknownError,
    ConfigError,
    CorruptError,
    ReadOnlyError,
    StorageFullError,
    UnavailableError,
)
from holdfast.rpc import convert
from holdfast.rpc.node import UploadKey, Want
from storagenode.disk.fsio import SyncFailedError
from storagenode.disk.tree import Tree
from storagenode.options import NodeOptions, RoomOptions
from tests.serving import wait_for
from tests.unit.storagenode.conftest import HOST, Bench, read

if TYPE_CHECKING:
    from holdfast.digest import Digest
    from storagenode.node import StorageNode
    from tests.fakes.files import HookedFiles

DATA = b"a stored blob"
DIGEST = digests.of(DATA)
ROUTES = {"main": "", "hub": "/hub", "infra": "/hub/infra"}


@pytest.fixture
def bench(bench: Bench) -> Bench:
    bench.options["rooms"] = tuple(
        RoomOptions(route, bench.path / name, reserve_bytes=0) for name, route in ROUTES.items() if route
    )
    return bench


def tree(bench: Bench, name: str) -> Tree:
    return bench.tree if name == "main" else Tree(str(bench.path / name))


def homes(bench: Bench, digest: Digest = DIGEST) -> set[str]:
    return {name for name in ROUTES if Path(tree(bench, name).blob(digest)).exists()}


def put(node: StorageNode, place: str, data: bytes = DATA) -> Digest:
    return node.put_blob(digests.of(data), data, place).digest


def begin(node: StorageNode, repository: str, data: bytes = b"", place: str = "") -> UploadKey:
    key = UploadKey(node.start_upload(repository, "", None, place).upload_id, repository)
    node.append(key, 0, [data] if data else [], lambda: None)
    return key


def listed(node: StorageNode) -> dict[Digest, str]:
    return {blob.digest: blob.stamp for blobs in node.list_blobs(0, 4095) for blob in blobs}


def damage(bench: Bench, name: str, data: bytes = b"another  blob") -> None:
    Path(tree(bench, name).blob(DIGEST)).write_bytes(data)


def test_a_blob_goes_to_the_disk_with_the_longest_route_that_its_repository_is_below(bench, node):
    expected = {
        "hub": "hub",
        "hub/library/alpine": "hub",
        "hub/infra": "infra",
        "hub/infra/dns": "infra",
        "hub/infrastructure": "hub",
        "hubble": "main",
        "team/hub": "main",
        "": "main",
    }
    for repository, home in expected.items():
        was_put, uploaded = put(node, repository, f"put into {repository}".encode()), f"sent to {repository}".encode()
        node.finish_upload(begin(node, repository, uploaded), digests.of(uploaded))
        assert homes(bench, was_put) == homes(bench, digests.of(uploaded)) == {home}, repository


def test_the_case_of_a_route_does_not_count_as_nowhere_in_a_configuration(bench):
    bench.options["rooms"] = (RoomOptions("/Hub", bench.path / "hub", 0),)
    put(bench.start(), "hub/library/alpine")
    assert homes(bench) == {"hub"}


def test_a_fetch_goes_where_the_repository_belongs_that_it_is_for(bench, node):
    key = begin(node, "//upstream", DATA, place="hub/library/alpine")
    with pytest.raises(BlobUnknownError):
        read(node, DIGEST)
    node.finish_upload(key, DIGEST)
    assert homes(bench) == {"hub"}


@pytest.mark.parametrize("place", ["", "hub/a", "hub/infra/a"])
def test_what_lies_on_any_disk_is_found(bench, node, place):
    put(node, place)
    ((home,),) = [homes(bench)]
    assert node.stat_blobs([Want(DIGEST, len(DATA))])[0].size_bytes == len(DATA)
    assert read(node, DIGEST) == DATA
    assert b"".join(node.read_blob(Want(DIGEST), 2, 3)) == DATA[2:5]
    assert node.open_blob(Want(DIGEST), HOST).path == tree(bench, home).blob(DIGEST)
    assert list(listed(node)) == [DIGEST]
    ((total,),) = [node.sum_partitions(0, 4095)]
    assert (total.copies, total.size_bytes) == (1, len(DATA))


def test_an_empty_blob_is_read_as_one(bench, node):
    put(node, "hub/a", b"")
    assert read(node, digests.of(b"")) == b""


def test_what_lies_nowhere_is_not_found(node):
    assert node.stat_blobs([Want(DIGEST)]) == [None]
    with pytest.raises(BlobUnknownError):
        read(node, DIGEST)
    with pytest.raises(BlobUnknownError):
        node.open_blob(Want(DIGEST), HOST)
    assert node.sum_partitions(0, 4095) == []
    assert node.delete_blob(DIGEST, "some stamp") is False


def test_two_copies_are_listed_once_and_in_order_and_add_up_as_one(bench, node):
    for place in ("", "hub/a"):
        put(node, place)
    alone = node.sum_partitions(DIGEST.partition, DIGEST.partition)
    shutil.copy(tree(bench, "main").blob(DIGEST), tree(bench, "infra").blob(DIGEST))
    assert node.sum_partitions(DIGEST.partition, DIGEST.partition) == alone
    assert alone[0].copies == 1
    others = [put(node, f"{place}a", bytes([number])) for number, place in enumerate(["", "hub/", "hub/infra/"] * 7)]
    found = list(listed(node))
    assert sorted([DIGEST, *others], key=lambda digest: (digest.partition, str(digest))) == found


@pytest.mark.parametrize("for_good", [True, False])
def test_a_delete_takes_every_copy_that_was_listed(bench, node, for_good):
    for place in ("", "hub/a", "hub/infra/a"):
        put(node, place)
    assert node.delete_blob(DIGEST, listed(node)[DIGEST], for_good=for_good) is True
    assert homes(bench) == set()
    in_trash = [len(list(Path(tree(bench, name).trash).iterdir())) for name in ROUTES]
    assert in_trash == [0, 0, 0] if for_good else [1, 1, 1]


@pytest.mark.parametrize("place", ["", "hub/a", "hub/infra/a"])
def test_a_copy_that_was_written_since_the_listing_keeps_the_blob(bench, node, place):
    put(node, "hub/a")
    stamp = listed(node)[DIGEST]
    put(node, place)
    assert node.delete_blob(DIGEST, stamp) is False
    assert read(node, DIGEST) == DATA


def test_a_copy_that_somebody_was_told_of_since_the_listing_keeps_the_blob(bench, node):
    for place in ("", "hub/a"):
        put(node, place)
    stamp = listed(node)[DIGEST]
    node.stat_blobs([Want(DIGEST)])
    assert node.delete_blob(DIGEST, stamp) is False
    assert homes(bench) == {"main", "hub"}


def test_who_was_told_of_one_copy_while_another_was_written_keeps_the_blob(bench, node, files: HookedFiles):
    put(node, "")

    def meanwhile(operation: str, path: str) -> None:
        if operation == "rename" and path.startswith(tree(bench, "hub").root):
            files.before = lambda *_: None
            assert node.stat_blobs([Want(DIGEST)])[0] is not None

    files.before = meanwhile
    stamp = node.put_blob(DIGEST, DATA, "hub/a").stamp
    assert node.delete_blob(DIGEST, stamp) is False
    assert "main" in homes(bench)


@pytest.mark.parametrize("told", ["put", "stat", "prove"])
def test_the_stamp_of_an_answer_is_good_for_a_delete_of_all_copies(bench, node, told):
    for place in ("", "hub/a"):
        found = node.put_blob(DIGEST, DATA, place)
    if told == "stat":
        (found,) = node.stat_blobs([Want(DIGEST)])
    elif told == "prove":
        found = _end(node.prove_blob(Want(DIGEST)))
    assert node.delete_blob(DIGEST, found.stamp) is True
    assert homes(bench) == set()


def _end(proving):
    try:
        while True:
            next(proving)
    except StopIteration as end:
        return end.value


@pytest.mark.parametrize("bad", ["main", "hub"])
def test_of_two_copies_the_good_one_is_read_and_the_other_set_aside(bench, node, bad):
    for place in ("", "hub/a"):
        put(node, place)
    damage(bench, bad)
    for _ in range(2):
        assert read(node, DIGEST) == DATA
    if bad == "main":  # the first that is asked
        assert (homes(bench), node.status().quarantined) == ({"hub"}, 1)


def test_of_two_copies_the_one_of_the_right_size_counts(bench, node):
    for place in ("", "hub/a"):
        put(node, place)
    damage(bench, "main", b"cut")
    assert node.open_blob(Want(DIGEST, len(DATA)), HOST).path == tree(bench, "hub").blob(DIGEST)
    assert node.stat_blobs([Want(DIGEST, len(DATA))])[0].size_bytes == len(DATA)
    wait_for("the cut one to be found out", lambda: node.status().quarantined == 1)


def test_a_copy_is_proven_where_a_good_one_lies(bench, node):
    for place in ("", "hub/a"):
        put(node, place)
    damage(bench, "main")
    assert _end(node.prove_blob(Want(DIGEST))).digest == DIGEST
    assert homes(bench) == {"hub"}


def test_where_only_bad_copies_lie_the_answer_says_so(bench, node):
    for place in ("", "hub/a"):
        put(node, place)
    for name in ("main", "hub"):
        damage(bench, name)
    with pytest.raises(CorruptError):
        read(node, DIGEST)
    assert node.status().quarantined == 2
    assert node._store.take_bereft() == {DIGEST.partition}
    assert node.stat_blobs([Want(DIGEST)]) == [None]


def test_nothing_is_called_missing_while_a_disk_cannot_be_asked(bench, node, monkeypatch):
    put(node, "", b"on another disk")
    real = os.stat

    def failing(path, *args, **more):
        if str(path).startswith(str(bench.path / "hub")):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(path, *args, **more)

    monkeypatch.setattr(os, "stat", failing)
    with pytest.raises(UnavailableError):
        node.stat_blobs([Want(DIGEST)])
    assert node.stat_blobs([Want(digests.of(b"on another disk"))])[0] is not None


def test_what_lies_on_one_disk_is_read_and_proven_while_another_cannot_be_asked(bench, node, monkeypatch):
    put(node, "hub/a")
    real = os.open

    def failing(path, *args, **more):
        if str(path).startswith(bench.tree.blobs):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(path, *args, **more)

    monkeypatch.setattr(os, "open", failing)
    assert read(node, DIGEST) == DATA
    assert _end(node.prove_blob(Want(DIGEST))).digest == DIGEST
    assert node.open_blob(Want(DIGEST), HOST).path == tree(bench, "hub").blob(DIGEST)
    with pytest.raises(UnavailableError):
        read(node, digests.of(b"nowhere"))


def test_uploads_on_every_disk_go_on_after_a_restart_whatever_the_routes_say_then(bench, node):
    keys = {place: begin(node, f"{place}a", place.encode() or b"x") for place in ("", "hub/", "hub/infra/")}
    rooms = bench.options["rooms"]
    bench.options["rooms"] = tuple(RoomOptions(f"/not{room.route}", room.directory, 0) for room in rooms)
    node = bench.restart()
    for place, name in zip(keys, ROUTES, strict=True):
        key, data = keys[place], (place.encode() or b"x") + b" and more"
        node.append(key, len(data) - 9, [b" and more"], lambda: None, 5)
        digest = digests.of(data)
        node.finish_upload(key, digest)
        assert homes(bench, digest) == {name}


def test_the_order_of_writers_holds_over_restarts_on_every_disk(bench, node):
    key = begin(node, "hub/a")
    node.append(key, 0, [b"first"], lambda: None, 9)
    assert json.loads(Path(tree(bench, "hub").upload_log).read_text().splitlines()[-1])["fence"] == 9
    assert bench.restart().upload_state(key).offset_bytes == 5


def test_a_full_disk_refuses_what_belongs_there_and_the_others_go_on(bench, node):
    going_on = begin(node, "hub/a", b"before")
    (room,) = [room for room in node._store._rooms if room.route == "/hub"]
    room.space.reserve_bytes = 1 << 60
    for refused in (
        lambda: put(node, "hub/a"),
        lambda: begin(node, "hub/a"),
        lambda: node.append(going_on, 6, [b"more"], lambda: None),
    ):
        with pytest.raises(StorageFullError):
            refused()
    put(node, "hub/infra/a")
    put(node, "team/a")
    assert homes(bench) == {"main", "infra"}


def test_a_disk_that_fails_takes_nothing_more_and_the_others_go_on(bench, node, files: HookedFiles):
    put(node, "hub/a", b"stored before")

    def failing(operation: str, path: str) -> None:
        if operation == "sync" and path.startswith(tree(bench, "hub").root):
            raise SyncFailedError("no")

    files.before = failing
    with pytest.raises(SyncFailedError):
        put(node, "hub/a")
    files.before = lambda *_: None
    with pytest.raises(ReadOnlyError):
        put(node, "hub/a")
    put(node, "team/a")
    assert read(node, digests.of(b"stored before")) == b"stored before"
    status = node.status()
    assert status.read_only is False
    assert {room.route: room.read_only for room in status.rooms} == {"/hub": True, "/hub/infra": False}


def test_have_it_is_answered_only_after_one_fsync_on_the_disk_where_it_lies(bench, node, files: HookedFiles):
    put(node, "hub/a")
    node = bench.restart()
    synced: list[tuple[str, str]] = []
    files.before = lambda operation, path: synced.append((operation, path)) if "sync" in operation else None
    for _ in range(3):
        node.stat_blobs([Want(DIGEST)])
    hub = tree(bench, "hub")
    assert synced == [("sync", hub.blob(DIGEST)), ("sync_directory", hub.partition(DIGEST.partition))]


def test_a_copy_whose_directory_was_not_fsynced_is_not_called_durable(bench, node, files: HookedFiles):
    def failing(operation: str, path: str) -> None:
        if operation == "sync_directory" and path.startswith(tree(bench, "hub").root):
            raise SyncFailedError("no")

    files.before = failing
    with pytest.raises(SyncFailedError):
        put(node, "hub/a")
    assert homes(bench) == {"hub"}
    with pytest.raises(UnavailableError):
        node.stat_blobs([Want(DIGEST)])


def test_the_trash_of_every_disk_is_emptied(bench, node):
    for place in ("", "hub/a"):
        put(node, place)
    node.delete_blob(DIGEST, listed(node)[DIGEST])
    round_ = bench.server.duties._housekeeping._round
    round_()
    bench.clock.advance(24 * 3600.0)
    round_()
    assert [list(Path(tree(bench, name).trash).iterdir()) for name in ROUTES] == [[], [], []]


def test_the_trash_of_a_disk_is_emptied_also_when_another_one_fails(bench, node, caplog):
    put(node, "hub/a")
    node.delete_blob(DIGEST, listed(node)[DIGEST])
    for name in ("main", "infra"):
        Path(tree(bench, name).trash).rename(bench.path / f"trash of {name}")
    for _ in range(2):
        bench.server.duties._housekeeping._round()
        bench.clock.advance(24 * 3600.0)
    assert list(Path(tree(bench, "hub").trash).iterdir()) == []
    assert {record.route for record in caplog.records if "not tidied up" in record.message} == {
        "",
        "/hub/infra",
    }


def test_the_status_tells_of_each_disk(bench, node):
    status = node.status()
    assert convert.status(convert.status_to_wire(status)) == status
    rooms = {room.route: room for room in status.rooms}
    assert list(rooms) == ["/hub", "/hub/infra"]
    assert all(0 < room.free_bytes <= room.capacity_bytes for room in rooms.values())


# -- whose a disk is


def test_what_was_stored_is_there_after_a_restart(bench, node):
    put(node, "hub/a")
    assert read(bench.restart(), DIGEST) == DATA


def test_a_node_without_further_disks_notes_none(folder, files):
    bench = Bench(folder, files)
    bench.start()
    bench.stop()
    assert not Path(bench.tree.rooms_file).exists()


def test_a_disk_that_is_not_mounted_is_refused_by_its_path_and_nothing_is_made_there(bench, node):
    bench.stop()
    (bench.path / "hub").rename(bench.path / "elsewhere")
    with pytest.raises(ConfigError, match=rf"{bench.path}/hub does not hold .*mounted"):
        bench.start()
    assert not (bench.path / "hub").exists()
    (bench.path / "elsewhere").rename(bench.path / "hub")
    bench.start()


def test_an_empty_disk_in_place_of_one_that_held_something_is_refused(bench, node):
    bench.stop()
    shutil.rmtree(bench.path / "infra")
    (bench.path / "infra").mkdir()
    with pytest.raises(ConfigError, match="/infra does not hold"):
        bench.start()


@pytest.mark.parametrize("left", [0, 1])
def test_a_disk_that_is_not_configured_any_more_is_refused(bench, node, left):
    bench.stop()
    bench.options["rooms"] = bench.options["rooms"][:left]
    with pytest.raises(ConfigError, match="does not name it any more"):
        bench.start()


def test_a_disk_may_move_and_be_for_another_route(bench, node):
    put(node, "hub/a")
    bench.stop()
    (bench.path / "hub").rename(bench.path / "moved")
    bench.options["rooms"] = (RoomOptions("/ghcr", bench.path / "moved", 0), bench.options["rooms"][1])
    node = bench.start()
    assert read(node, DIGEST) == DATA
    put(node, "ghcr/a", b"more")
    assert Path(Tree(str(bench.path / "moved")).blob(digests.of(b"more"))).exists()
    bench.stop()
    (bench.path / "moved").rename(bench.path / "away")
    with pytest.raises(ConfigError, match="stored there for /ghcr"):
        bench.start()


def test_a_disk_whose_note_a_crash_took_is_known_again(bench, node):
    put(node, "hub/a")
    bench.stop()
    Path(bench.tree.rooms_file).unlink()
    assert read(bench.start(), DIGEST) == DATA
    assert set(json.loads(Path(bench.tree.rooms_file).read_text())["rooms"].values()) == {"/hub", "/hub/infra"}


def test_a_disk_of_another_node_is_refused(bench, node, files):
    bench.stop()
    other = Bench(bench.path / "other", files, options=dict(bench.options))
    other.path.mkdir()
    with pytest.raises(ConfigError, match="belongs to the storage node"):
        other.start()


def test_a_main_directory_is_no_further_disk_and_the_other_way_round(bench, node, files):
    bench.stop()
    other = Bench(bench.path / "other", files)
    other.path.mkdir()
    other.options["data_dir"] = bench.path / "hub"
    with pytest.raises(ConfigError, match="is a further disk"):
        other.start()
    del other.options["data_dir"]
    other.start()
    other.stop()
    bench.options["rooms"] = (*bench.options["rooms"], RoomOptions("/ghcr", other.path / "data", 0))
    with pytest.raises(ConfigError, match="is the main directory"):
        bench.start()


def test_a_copy_of_a_disk_is_refused_beside_it(bench, node):
    bench.stop()
    shutil.copytree(bench.path / "hub", bench.path / "copy")
    bench.options["rooms"] = (*bench.options["rooms"], RoomOptions("/ghcr", bench.path / "copy", 0))
    with pytest.raises(ConfigError, match="the same, or copies"):
        bench.start()


def test_a_disk_that_another_process_has_is_refused_and_all_are_let_go(bench, node, files):
    with pytest.raises(ConfigError, match="another storage node is running"):
        Bench(bench.path, files, options={**bench.options, "data_dir": bench.path / "hub"}).start()
    bench.stop()
    bench.start()


@pytest.mark.parametrize("content", ["", "{", '{"format": 1, "rooms": []}', '{"format": 2, "rooms": {}}'])
def test_a_note_that_is_damaged_or_newer_is_refused(bench, node, content):
    bench.stop()
    Path(bench.tree.rooms_file).write_text(content)
    with pytest.raises(ConfigError, match=r"rooms\.json"):
        bench.start()


def test_nothing_on_a_disk_names_its_own_place(bench, node):
    begin(node, "hub/a", b"staged")
    put(node, "hub/a")
    files = [path for name in ROUTES for path in Path(tree(bench, name).root).rglob("*") if path.is_file()]
    assert len(files) > 5
    assert not [path for path in files if str(bench.path).encode() in path.read_bytes()]


@pytest.mark.parametrize(("route", "reserve"), [("hub", 0), ("/", 0), ("/hub", -1)])
def test_a_room_that_makes_no_sense_is_refused(folder, route, reserve):
    with pytest.raises(ConfigError):
        NodeOptions(folder, f"unix:{folder}/s", rooms=(RoomOptions(route, folder, reserve),))
