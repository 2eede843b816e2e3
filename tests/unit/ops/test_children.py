"""The supervisor's decisions, one rule a test: time is a manual clock, processes are values."""

from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from holdfast.clock import ManualClock, SystemClock
from holdfast.ops.children import EXIT_CONFIG, Backoff, Child, Supervisor


@dataclass
class FakeProcess:
    """A process that lives until ``code`` is set."""

    pid: int
    code: int | None = None
    signals: list[int] = field(default_factory=list)

    def poll(self) -> int | None:
        return self.code

    def send_signal(self, signum: int) -> None:
        self.signals.append(signum)


class FakeChild(Child):
    """Starts values instead of processes; ``lives`` are all of them."""

    lives: tuple[FakeProcess, ...] = ()

    def start(self, parent_pipe: int, now: float) -> None:
        self.process = FakeProcess(len(self.lives))
        self.lives += (self.process,)
        self.descriptor = os.open(os.devnull, os.O_RDONLY)
        self.started_seconds = now


class NotingChild(Child):
    """A real one that tells when it was started."""

    def start(self, parent_pipe: int, now: float) -> None:
        super().start(parent_pipe, now)
        self.told(self.process.pid)


class World:
    """One child, a clock, and a supervisor that is asked directly."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.child = FakeChild("storagenode", ["-m", "storagenode"], 1.0)
        self.supervisor = Supervisor([self.child], self.clock, lambda: None)
        self.look()

    def look(self) -> bool:
        return self.supervisor._look_after(self.child)

    def die_after(self, lived_seconds: float, code: int = 1) -> float:
        """The pause before the next start."""
        self.clock.advance(lived_seconds)
        self.child.process.code = code
        self.look()
        return self.child.due_seconds - self.clock.monotonic()

    def close(self) -> None:
        if self.child.descriptor >= 0:
            os.close(self.child.descriptor)
        close(self.supervisor)


def close(supervisor: Supervisor) -> None:
    """A process has one supervisor and ends with it; here are many."""
    for descriptor in (supervisor._read_end, supervisor._write_end):
        os.close(descriptor)
    for child in supervisor._children:
        if child.process is not None and child.descriptor >= 0 and isinstance(child.process, subprocess.Popen):
            os.close(child.descriptor)


@pytest.fixture
def world():
    made = World()
    yield made
    made.close()


def test_the_first_pause_is_short_and_each_early_death_doubles_it_up_to_a_bound():
    backoff = Backoff()
    pauses = [backoff.after(1.0) for _ in range(9)]
    assert pauses == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 15.0, 15.0]


def test_a_long_life_makes_the_next_pause_short_again():
    backoff = Backoff()
    for _ in range(5):
        backoff.after(1.0)
    assert backoff.after(30.0) == 0.2
    assert backoff.after(1.0) == 0.4


def test_a_dead_child_is_started_again_when_its_pause_is_over_and_not_before(world):
    pause = world.die_after(1.0, -signal.SIGKILL)
    assert pause == pytest.approx(0.2)
    world.clock.advance(0.19)
    world.look()
    assert len(world.child.lives) == 1
    world.clock.advance(0.02)
    world.look()
    assert len(world.child.lives) == 2


def test_the_supervisor_sleeps_no_longer_than_until_the_next_start(world):
    assert world.supervisor._pause_seconds() is None
    world.die_after(1.0)
    assert world.supervisor._pause_seconds() == pytest.approx(0.2)
    world.clock.advance(5.0)
    assert world.supervisor._pause_seconds() == 0.0


def test_a_child_that_lives_is_left_alone(world):
    world.clock.advance(1000.0)
    assert world.look() is False
    assert len(world.child.lives) == 1


def test_a_clean_end_that_nobody_asked_for_is_a_death_too(world):
    assert world.die_after(1.0, code=0) == pytest.approx(0.2)


def test_a_child_whose_configuration_is_refused_is_not_started_again(world):
    world.child.process.code = EXIT_CONFIG
    assert world.look() is True


def test_a_signal_for_a_child_that_is_not_there_is_no_error():
    Child("gateway", [], 1.0).send(signal.SIGHUP)


@pytest.fixture
def real_signals():
    """``run`` takes over the signals of this process; they are put back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


# A real child: ends when it is told to, or with the pipe's other end.
_PATIENT = "import os, sys; os.read(int(sys.argv[-1]), 1)"


def supervised(*code: str, drain_seconds: float = 20.0) -> tuple[Supervisor, list[Child], list[str]]:
    children = [Child(f"child{number}", ["-c", text], drain_seconds) for number, text in enumerate(code)]
    reloads: list[str] = []
    return Supervisor(children, SystemClock(), lambda: reloads.append("asked")), children, reloads


@pytest.mark.usefixtures("real_signals")
def test_sigterm_stops_all_children_and_gives_zero():
    supervisor, children, _reloads = supervised(_PATIENT, _PATIENT)
    assert supervisor.run(lambda: os.kill(os.getpid(), signal.SIGTERM)) == 0
    assert [child.process.returncode for child in children] == [-signal.SIGTERM] * 2
    close(supervisor)


@pytest.mark.usefixtures("real_signals")
def test_sighup_asks_for_a_reload_and_stops_nothing():
    supervisor, _children, reloads = supervised(_PATIENT)

    def signals() -> None:
        os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGTERM)

    assert supervisor.run(signals) == 0
    assert reloads == ["asked"]
    close(supervisor)


@pytest.mark.usefixtures("real_signals")
def test_a_child_that_does_not_stop_in_time_is_killed():
    deaf = "import os, signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); os.write(1, b'.'); signal.pause()"
    supervisor, (child,), _reloads = supervised(deaf, drain_seconds=0.5)

    def when_it_is_deaf() -> None:
        status = Path(f"/proc/{child.process.pid}/status")
        while True:
            ignored = next(line for line in status.read_text().splitlines() if line.startswith("SigIgn:"))
            if int(ignored.split()[1], 16) >> (signal.SIGTERM - 1) & 1:
                break
        os.kill(os.getpid(), signal.SIGTERM)

    assert supervisor.run(when_it_is_deaf) == 0
    assert child.process.returncode == -signal.SIGKILL
    close(supervisor)


@pytest.mark.usefixtures("real_signals")
def test_a_child_that_says_that_it_cannot_run_ends_everything():
    supervisor, children, _reloads = supervised(f"import sys; sys.exit({EXIT_CONFIG})", _PATIENT)
    assert supervisor.run(lambda: None) == EXIT_CONFIG
    assert children[1].process.returncode == -signal.SIGTERM
    close(supervisor)


@pytest.mark.usefixtures("real_signals")
def test_a_child_that_is_killed_is_started_again():
    supervisor, _children, _reloads = supervised()
    pids: list[int] = []

    def told(pid: int) -> None:
        pids.append(pid)
        if len(pids) == 1:
            os.kill(pid, signal.SIGKILL)
        else:
            os.kill(os.getpid(), signal.SIGTERM)

    child = NotingChild("storagenode", ["-c", _PATIENT], 20.0)
    child.told = told
    supervisor._children = [child]
    assert supervisor.run(lambda: None) == 0
    assert len(set(pids)) == 2
    close(supervisor)


@pytest.mark.usefixtures("real_signals")
def test_children_can_tell_when_the_supervisor_is_gone():
    """Nobody writes into the pipe; it ends when the process that holds the other end does."""
    supervisor, (child,), _reloads = supervised(_PATIENT)

    def vanish() -> None:
        os.dup2(supervisor._read_end, supervisor._write_end)  # the writing end is closed, the number stays taken
        assert child.process.wait(20) == 0
        os.kill(os.getpid(), signal.SIGTERM)

    assert supervisor.run(vanish) == 0
    close(supervisor)
