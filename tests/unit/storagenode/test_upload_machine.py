"""The upload's rules against a model: an array of bytes, and writers that wake up whenever they like.

Streams, short-circuit writers that close or not, restarts and late writes by anybody whose descriptor is still open, in any order:
what is confirmed is what the model says, and the blob has exactly those bytes, for ever.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from holdfast import digest as digests
from holdfast.errors import OffsetError, StaleWriterError
from holdfast.rpc.node import Want
from storagenode.disk.fsio import Files
from tests.unit.storagenode.conftest import HOST, Bench, begin

PIECES = st.binary(min_size=1, max_size=40)


class UploadMachine(RuleBasedStateMachine):
    bench: Bench  # one directory for all runs, a new process's view of it for each

    def __init__(self) -> None:
        super().__init__()
        self.node = self.bench.restart()
        self.blobs = {}
        self.open_descriptors = []
        self.direct = None
        self.lent = False

    @initialize()
    def start(self) -> None:
        self.key = begin(self.node)
        self.data = b""
        self.direct = None
        self.lent = False

    @rule(piece=PIECES)
    def stream(self, piece: bytes) -> None:
        self.data += piece
        self.direct = None
        self.lent = False  # whoever writes next has left a borrower's file behind
        assert self.node.append(self.key, None, [piece], lambda: None).offset_bytes == len(self.data)

    @rule(piece=PIECES, away=st.sampled_from([-1, 1, 1000]))
    def stream_elsewhere(self, piece: bytes, away: int) -> None:
        if len(self.data) + away >= 0:
            with pytest.raises(OffsetError) as refused:
                self.node.append(self.key, len(self.data) + away, [piece], lambda: None)
            assert refused.value.offset_bytes == len(self.data)
            if away > 0:
                self.direct = None  # it was ended before the offset could be judged

    @rule()
    def borrow(self) -> None:
        file = self.node.open_append(self.key, len(self.data), HOST)
        descriptor = os.open(file.path, os.O_WRONLY)
        assert os.fstat(descriptor).st_ino == file.inode
        self.open_descriptors.append(descriptor)
        self.direct = (file, descriptor)
        self.lent = True

    @precondition(lambda self: self.direct)
    @rule(piece=PIECES, more=st.binary(max_size=10))
    def write_and_announce(self, piece: bytes, more: bytes) -> None:
        file, descriptor = self.direct
        os.pwrite(descriptor, piece + more, len(self.data))
        self.data += piece
        assert self.node.advance(self.key, file.token, len(self.data), is_last=False).offset_bytes == len(self.data)

    @precondition(lambda self: self.direct)
    @rule()
    def give_back(self) -> None:
        file, descriptor = self.direct
        os.close(descriptor)
        self.open_descriptors.remove(descriptor)
        self.node.advance(self.key, file.token, len(self.data), is_last=True)
        with pytest.raises(StaleWriterError):
            self.node.advance(self.key, file.token, len(self.data), is_last=True)
        self.direct = None
        self.lent = False

    @precondition(lambda self: self.open_descriptors)
    @rule(which=st.integers(0, 100), junk=PIECES, at=st.integers(0, 100))
    def wake_up_and_write(self, which: int, junk: bytes, at: int) -> None:
        descriptor = self.open_descriptors[which % len(self.open_descriptors)]
        current = self.direct and self.direct[1] == descriptor
        # The rightful writer writes beyond what it has announced; all others do as they please.
        os.pwrite(descriptor, junk, len(self.data) + at if current else at)

    # What was announced of a file that is still lent dies with the process: the file's length stands for it then, and what a
    # borrower wrote without announcing it is caught by the digest at the end.
    @precondition(lambda self: not self.lent)
    @rule()
    def restart(self) -> None:
        self.node = self.bench.restart()

    @rule(algorithm=st.sampled_from(["sha256", "sha256", "blake3"]))
    def finish(self, algorithm: str) -> None:
        digest = digests.of(self.data, algorithm)
        assert self.node.finish_upload(self.key, digest).size_bytes == len(self.data)
        self.blobs[digest] = self.data
        self.start()

    @invariant()
    def confirmed_is_what_the_model_says(self) -> None:
        if hasattr(self, "key"):
            assert self.node.upload_state(self.key).offset_bytes == len(self.data)

    @invariant()
    def blobs_never_change(self) -> None:
        for digest, data in self.blobs.items():
            assert b"".join(self.node.read_blob(Want(digest, len(data)), 0, None)) == data

    def teardown(self) -> None:
        for descriptor in self.open_descriptors:
            os.close(descriptor)


class TestUploadMachine(UploadMachine.TestCase):
    settings = settings(
        max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )

    @classmethod
    def setUpClass(cls) -> None:
        shared = Path("/dev/shm")
        cls.folder = Path(tempfile.mkdtemp(dir=shared if shared.is_dir() else None))
        UploadMachine.bench = Bench(cls.folder, Files())

    @classmethod
    def tearDownClass(cls) -> None:
        UploadMachine.bench.stop()
        shutil.rmtree(cls.folder)
