"""The parts by themselves: the limit of bytes, files that are given or not, a layout that is written."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from holdfast import digest as digests
from holdfast.clock import ManualClock
from holdfast.errors import (
    CorruptError,
    NodeUnreachableError,
    RequestInvalidError,
    UnavailableError,
    UpstreamUnavailableError,
)
from holdfast.manifest import OCI_MANIFEST
from holdfast.names import tag
from holdfast.ops.moving.giving import Giving
from holdfast.ops.moving.meter import Meter
from holdfast.ops.moving.shelving import Shelf
from holdfast.ops.moving.trees import Node
from holdfast.rpc.node import GivenPlace, UploadState
from syncworker.upstream.pace import Time

if TYPE_CHECKING:
    from pathlib import Path

    from holdfast.rpc.node import LocalBlob, Want


def test_the_limit_holds_for_all_bytes_together() -> None:
    clock, pauses = ManualClock(), []
    meter = Meter(Time(clock, pauses.append, lambda: 0.0), 1000, shown=False)
    for piece in meter.counted([b"x" * 500] * 4):
        assert len(piece) == 500
    # The first goes at once; nobody's clock goes on meanwhile, so each waits for all before it.
    assert pauses == [0.5, 1.0, 1.5]
    assert meter.sent_bytes == 2000


def test_whoever_is_stopped_ends_with_the_next_piece() -> None:
    meter = Meter(Time(ManualClock(), lambda _: None, lambda: 0.0), shown=False)
    pieces = meter.counted([b"first", b"second"])
    assert next(pieces) == b"first"
    meter.stop()
    with pytest.raises(UnavailableError):
        next(pieces)


@dataclass
class Taker:
    """A node that looks for files in ``directory``, and says ``error`` to what it finds there."""

    directory: Path
    error: Exception | None = None
    inode_off: int = 0
    adopted: list[bytes] = field(default_factory=list)

    def offer_place(self, upload_id: str) -> GivenPlace:
        found = self.directory.stat()
        return GivenPlace(str(self.directory), f"{upload_id}.given", found.st_dev, found.st_ino + self.inode_off)

    def adopt(self, upload_id: str) -> UploadState:
        if self.error is not None:
            raise self.error
        self.adopted.append((self.directory / f"{upload_id}.given").read_bytes())
        return UploadState(upload_id, len(self.adopted[-1]))

    def open_blob(self, want: Want) -> LocalBlob | None:
        return None


@pytest.fixture
def taker(tmp_path: Path) -> Taker:
    (tmp_path / "staging").mkdir()
    return Taker(tmp_path / "staging")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "source").write_bytes(b"bytes")
    return tmp_path / "source"


def give(taker: Taker, source: Path, giving: Giving | None = None) -> bool:
    with source.open("rb") as file:
        return (giving or Giving(taker)).give(file.fileno(), "/v2/app/blobs/uploads/n1-0?state=x")


def test_file_is_given_by_what_is_open_and_not_by_its_name(taker: Taker, source: Path) -> None:
    with source.open("rb") as file:
        source.rename(source.with_name("moved"))
        source.write_bytes(b"another file of that name")
        assert Giving(taker).give(file.fileno(), "/v2/app/blobs/uploads/n1-0")
    assert taker.adopted == [b"bytes"]


def test_directory_that_is_another_one_here_gets_nothing(taker: Taker, source: Path) -> None:
    taker.inode_off = 1
    assert not give(taker, source)
    assert list(taker.directory.iterdir()) == []


def test_what_a_node_does_not_take_leaves_no_name_behind(taker: Taker, source: Path) -> None:
    taker.error = RequestInvalidError("no plain file")
    assert not give(taker, source)
    assert list(taker.directory.iterdir()) == []
    assert source.stat().st_nlink == 1


def test_what_a_node_may_have_taken_is_not_taken_away_from_it(taker: Taker, source: Path) -> None:
    taker.error = NodeUnreachableError("gone")
    with pytest.raises(UpstreamUnavailableError):
        give(taker, source)
    assert source.stat().st_nlink == 2


def test_file_system_without_links_is_asked_once(
    taker: Taker, source: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = []

    def link(*words: object, **_: object) -> None:
        asked.append(words)
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "link", link)
    giving = Giving(taker)
    assert [give(taker, source, giving) for _ in range(3)] == [False, False, False]
    assert len(asked) == 1
    assert capsys.readouterr().err.count("no hard links") == 1


def node(data: bytes) -> Node:
    return Node(digests.of(data), OCI_MANIFEST, len(data), (), (), None)


def test_file_has_its_name_only_when_it_is_right(tmp_path: Path) -> None:
    shelf, digest = Shelf(tmp_path), digests.of(b"right")
    for pieces in ([b"wr", b"ong"], [b"righ"]):
        with pytest.raises(CorruptError):
            shelf.store(digest, pieces)
        assert not shelf.has(digest, 5)
    shelf.store(digest, [b"ri", b"ght"])
    assert shelf.has(digest, 5)
    assert not shelf.has(digest, 6)


def test_layout_keeps_what_it_had_but_for_tags_that_are_set_anew(tmp_path: Path) -> None:
    shelf, one, two = Shelf(tmp_path), node(b"one"), node(b"two")
    shelf.close({tag("v1"): one, tag("v2"): one}, [two])
    shelf.close({tag("v1"): two}, [one, two])
    index = json.loads((tmp_path / "index.json").read_text())
    named = [(entry["digest"], *(entry.get("annotations") or {}).values()) for entry in index["manifests"]]
    assert named == [(str(one.digest), "v2"), (str(two.digest),), (str(two.digest), "v1")]
    (tmp_path / "index.json").write_text("no index")
    with pytest.raises(RequestInvalidError):
        shelf.close({tag("v1"): one}, [])
