"""Everything that can happen to a cluster, while clients push and pull. See ``faults`` for what happens.

Nothing acknowledged is lost, there is no error that a retry does not cure, and in the end every copy is on every owner's disk.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from tests.probe import cluster as clusters
from tests.probe import faults
from tests.probe.traffic import Traffic

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SOAK_OPERATIONS = 20_000


@contextlib.contextmanager
def under_traffic(directory: Path, clients: int = 4, measure: int = 40) -> Iterator[faults.Trial]:
    """Five nodes in three zones, one of them on a small disk, two gateways, three etcds."""
    with contextlib.ExitStack() as stack:
        disk = stack.enter_context(faults.disk_of_its_own(directory / "disk"))
        cluster = stack.enter_context(clusters.running(directory, ("a@x", "b@x", "c@y", "d@y"), etcd=3))
        cluster.add_node("e", "z", disk / "data")
        cluster.wait_until_alive("e")
        cluster.apply()
        traffic = Traffic(cluster, clients)
        stack.callback(traffic.close)
        yield faults.Trial(cluster, traffic, measure)
        print(f"\n{traffic.tally}")


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[faults.Trial]:
    """One cluster for all: what one fault leaves behind the next one meets."""
    with under_traffic(tmp_path_factory.mktemp("cluster")) as found:
        yield found


def survive(trial: faults.Trial, fault) -> None:
    assert not trial.is_broken, "what an earlier fault broke was not mended"
    trial.is_broken = True
    trial.traffic.go()
    try:
        trial.go_on()
        fault(trial)
        trial.go_on()
    finally:
        trial.traffic.pause()
    trial.traffic.check()
    trial.is_broken = False


@pytest.mark.parametrize("fault", faults.EVERY, ids=lambda fault: fault.__name__)
def test_nothing_is_lost_and_no_error_stays(trial, fault):
    survive(trial, fault)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_20_000_operations_lose_nothing(tmp_path, capsys):
    with under_traffic(tmp_path, clients=6, measure=300) as trial:
        while trial.traffic.tally.operations < _SOAK_OPERATIONS:
            for fault in faults.EVERY:
                survive(trial, fault)
                with capsys.disabled():
                    print(f"{fault.__name__}: {trial.traffic.tally}", flush=True)
        with capsys.disabled():
            print(f"\n{trial.traffic.tally}")
