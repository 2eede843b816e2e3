"""The rounds go on whatever happens in one of them."""

from __future__ import annotations

import sys
import threading

from holdfast import digest as digests
from storagenode.housekeeping import Housekeeping
from storagenode.store import UploadRecord


def test_a_round_that_breaks_is_not_the_last_one() -> None:
    again, rounds = threading.Event(), []

    def round_() -> None:
        rounds.append(None)
        if len(rounds) == 1:
            raise RuntimeError("a surprise")
        again.set()

    housekeeping = Housekeeping(round_, 0.01)
    housekeeping.start()
    assert again.wait(5)
    housekeeping.stop()


def test_what_is_staged_can_be_asked_while_uploads_begin(bench) -> None:
    store, before = bench.start()._store, sys.getswitchinterval()
    stop = threading.Event()

    def begin() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            store.new_copy(f"n-{number:032x}").destroy()

    thread = threading.Thread(target=begin)
    held = [store.new_stage(UploadRecord(f"m-{number:032x}", "a", "", digests.CANONICAL.name)) for number in range(300)]
    sys.setswitchinterval(1e-6)
    thread.start()
    try:
        for _ in range(2000):
            assert len(store.staged()) >= len(held)
    finally:
        stop.set()
        thread.join()
        sys.setswitchinterval(before)
