"""A gateway comes into its cluster beside serving its health: step by step, for as long as it takes, unless it is refused."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from gateway.arrival import Arrival
from gateway.health import Health
from holdfast.errors import ConfigError, CorruptError, MetadataUnavailableError, OutcomeUnknownError

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_SECONDS = 30.0


class Steps:
    """Notes each try. A step named in ``absent`` does not answer; it is told when it is tried."""

    def __init__(self) -> None:
        self.tries: list[str] = []
        self.absent: dict[str, Exception] = {}
        self.tried = threading.Event()
        self.refusals = threading.Semaphore(0)

    def step(self, name: str) -> Callable[[], None]:
        def take() -> None:
            self.tries.append(name)
            self.tried.set()
            if name in self.absent:
                raise self.absent[name]

        return take

    def arrival(self, *names: str) -> Arrival:
        return Arrival([self.step(name) for name in names], self.refusals.release, retry_seconds=0.001)


@pytest.fixture
def steps() -> Steps:
    return Steps()


def come(arrival: Arrival) -> None:
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "arrival"]
    thread.join(PATIENCE_SECONDS)
    assert arrival.has_come


def test_without_anything_to_wait_for_a_gateway_has_come(steps: Steps) -> None:
    arrival = steps.arrival()
    arrival.begin(0)
    arrival.require()
    assert arrival.has_come


def test_where_all_answers_at_once_nobody_is_turned_away(steps: Steps) -> None:
    arrival = steps.arrival("presence", "directory")
    with pytest.raises(MetadataUnavailableError):
        arrival.require()
    arrival.begin(PATIENCE_SECONDS)
    arrival.require()
    assert steps.tries == ["presence", "directory"]


@pytest.mark.parametrize("away", [MetadataUnavailableError("no leader"), OutcomeUnknownError("no leader")])
def test_what_does_not_answer_is_tried_again_and_what_is_done_is_done_once(steps: Steps, away: Exception) -> None:
    steps.absent["directory"] = away
    arrival = steps.arrival("presence", "directory")
    arrival.begin(PATIENCE_SECONDS)
    assert not arrival.has_come
    with pytest.raises(MetadataUnavailableError, match="waits for its cluster's metadata: no leader"):
        arrival.require()
    steps.absent.clear()
    come(arrival)
    arrival.require()
    assert steps.tries.count("presence") == 1
    assert steps.tries.count("directory") >= 2


def test_a_step_that_hangs_is_not_waited_for(steps: Steps) -> None:
    go_on = threading.Event()
    arrival = Arrival([go_on.wait], steps.refusals.release)  # type: ignore[list-item]
    arrival.begin(0.001)
    with pytest.raises(MetadataUnavailableError):
        arrival.require()
    go_on.set()
    come(arrival)


@pytest.mark.parametrize(
    "refusal", [ConfigError("too old"), CorruptError("unreadable"), ValueError("a mistake of ours")]
)
def test_whom_the_cluster_will_never_take_is_told_once_and_never_serves(steps: Steps, refusal: Exception) -> None:
    steps.absent["presence"] = refusal
    arrival = steps.arrival("presence", "directory")
    arrival.begin(PATIENCE_SECONDS)
    assert steps.refusals.acquire(timeout=PATIENCE_SECONDS)
    assert steps.tries == ["presence"]
    with pytest.raises(MetadataUnavailableError):
        arrival.require()


def test_told_to_stop_it_tries_no_more(steps: Steps) -> None:
    steps.absent["presence"] = MetadataUnavailableError("no leader")
    arrival = steps.arrival("presence")
    arrival.begin(PATIENCE_SECONDS)
    arrival.stop()
    for thread in threading.enumerate():
        if thread.name == "arrival":
            thread.join(PATIENCE_SECONDS)
    steps.tried.clear()
    assert not steps.tried.wait(0.01)
    assert not arrival.has_come


def test_health_says_what_is_waited_for_and_asks_nobody_before() -> None:
    asked: list[str] = []
    missing = [MetadataUnavailableError("etcd is away")]

    def admit() -> None:
        for error in missing:
            raise error

    health = Health({"storage": lambda: asked.append("storage")}, admit)
    health.look()
    assert health.answer("/livez")[0]
    for path in ("/readyz", "/startupz"):
        is_well, body = health.answer(path)
        assert not is_well
        assert b'"cluster": "etcd is away"' in body
    assert asked == []
    missing.clear()
    health.look()
    assert asked == ["storage"]
    assert health.answer("/readyz")[0]
    assert health.answer("/startupz")[0]
