"""Writing: what is acknowledged is on as many nodes as the layout asks for, and what is short is marked before the answer."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from holdfast import digest as digests
from holdfast.clock import ManualClock
from holdfast.errors import MetadataUnavailableError, NodeUnreachableError, StorageFullError, UnavailableError
from holdfast.placement.layout import Rules
from holdfast.replicas.fanout import FanOut
from holdfast.replicas.write import ReplicaWriter
from tests.fakes.memory_node import MemoryNode
from tests.fakes.several import Several

DATA = b"some bytes"
DIGEST = digests.of(DATA)


@pytest.fixture
def make():
    with ThreadPoolExecutor(8) as pool:

        def writer(directory, marks=None, heard=None):
            def mark(*what):
                (marks if marks is not None else []).append(what)

            on_stored = None if heard is None else heard.append
            return ReplicaWriter(directory, FanOut(directory, pool, ManualClock()), mark, on_stored)

        yield writer


def several(*names: str, **how) -> Several:
    return Several(*(MemoryNode(name) for name in names), **how)


def test_a_small_blob_goes_to_all_owners_and_names_the_layout_it_was_placed_by(make):
    directory, marks, heard = several("a", "b", "c"), [], []
    stored = make(directory, marks, heard).put(DIGEST, DATA, "library/alpine")
    assert (stored.digest, stored.size_bytes, stored.layout_revision) == (DIGEST, len(DATA), directory.layout_revision)
    assert all(DIGEST in node.blobs for node in directory.nodes.values())
    assert (marks, heard) == ([], [stored])


def test_what_is_short_of_a_copy_is_marked(make):
    directory, marks = several("a", "b", "c"), []
    directory.nodes["b"].fail_with = NodeUnreachableError("no answer")
    make(directory, marks).put(DIGEST, DATA, "library/alpine")
    assert marks == [(DIGEST.partition, 3)]


@pytest.mark.parametrize("quorum", [1, 2])
def test_what_an_owner_would_have_that_was_removed_is_marked(make, quorum):
    directory, marks = several(*"ab"[:quorum], rules=Rules(quorum + 1, quorum)), []
    directory.vacant = 1
    make(directory, marks).put(DIGEST, DATA, "library/alpine")
    assert marks == [(DIGEST.partition, 3)]


def test_without_its_mark_a_write_that_is_short_is_not_acknowledged(make):
    directory, heard = several("a", "b", "c"), []
    directory.nodes["b"].fail_with = NodeUnreachableError("no answer")
    writer = make(directory, heard=heard)

    def refuse(*_what):
        raise MetadataUnavailableError("down")

    writer._mark_dirty = refuse
    with pytest.raises(MetadataUnavailableError):
        writer.put(DIGEST, DATA, "library/alpine")
    assert heard == []


def test_the_only_node_there_is_does_not_do_for_two(make):
    with pytest.raises(UnavailableError):
        make(several("a", rules=Rules(3, 2))).put(DIGEST, DATA, "library/alpine")
    alone = several("a", rules=Rules(1, 1))
    assert make(alone).put(DIGEST, DATA, "library/alpine").layout_revision == alone.layout_revision


def test_an_upload_begins_on_the_first_node_that_takes_it(make):
    directory = several("a", "b", "c")
    directory.nodes["a"].fail_with = NodeUnreachableError("no answer")
    directory.nodes["b"].fail_with = StorageFullError("full")
    assert make(directory).start("r", "", None).upload_id.startswith("c-")
    assert directory.failed_by == ["a"]  # a full node has answered
    directory.nodes["c"].fail_with = NodeUnreachableError("no answer")
    with pytest.raises(NodeUnreachableError):
        make(directory).start("r", "", None)


def test_copies_that_were_made_by_an_older_layout_are_marked_for_the_one_of_now(make):
    directory, marks = several("a", "b", "c"), []
    directory.layout_revision = 9
    assert make(directory, marks).misplaced(DIGEST) == 9
    assert marks == [(DIGEST.partition, 3)]
