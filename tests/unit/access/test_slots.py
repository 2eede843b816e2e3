"""Places that processes share."""

from __future__ import annotations

import os
import signal

import pytest

from gateway.access.slots import Slots


def held_by_a_child(slots: Slots) -> tuple[int, int]:
    """A process that holds one until it is killed, and what tells that it has it."""
    told, tells = os.pipe()
    pid = os.fork()
    if pid == 0:
        with slots.one():
            os.write(tells, b"!")
            signal.pause()
        os._exit(0)
    os.close(tells)
    return pid, told


def test_a_slot_is_held_by_one_process_and_comes_back_with_its_death() -> None:
    slots = Slots(1)
    first, told = held_by_a_child(slots)
    assert os.read(told, 1) == b"!"
    second, waiting = held_by_a_child(slots)
    os.set_blocking(waiting, False)
    try:
        with pytest.raises(BlockingIOError):
            os.read(waiting, 1)
        os.kill(first, signal.SIGKILL)
        os.waitpid(first, 0)
        os.set_blocking(waiting, True)
        assert os.read(waiting, 1) == b"!"
    finally:
        os.kill(second, signal.SIGKILL)
        os.waitpid(second, 0)
        os.close(told)
        os.close(waiting)


def test_the_same_process_goes_on_at_once_and_there_is_one_at_least() -> None:
    slots = Slots(1)
    for _ in range(3):
        with slots.one():
            pass
    with pytest.raises(ValueError, match="one slot"):
        Slots(0)
