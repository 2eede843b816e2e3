"""A worker, or the node that it writes to, is killed between any two steps of a fetch. See ``trials`` for what must hold.

``tests.crash.points`` names the steps. ``make soak`` kills at both sides of each, at several passages.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tests.crash import points
from tests.serving import wait_for
from tests.sync.test_faults import Machine, machine
from tests.sync.trials import Fault, suffer, summary

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.crash.control import Control
    from tests.sync.trials import Trial

_PASSAGES = (1, 2, 5)
# Passed more than once by one fetch.
_REPEATED = ("sync.upstream.chunk", "node.pwrite.data")
# Killed here, nobody knows the upload's name: it stays until it expires.
_NAMELESS = (
    "sync.writer.start.after",
    "sync.fetches.take.before",
    "node.rpc.StartUpload.after",
    "node.pwrite.uploads.after",
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, control: Control) -> Iterator[Machine]:
    with machine(tmp_path_factory.mktemp("machine")) as site:
        site.stock.rate_bytes = 8 << 20
        yield site


def killed_at(point: str, control: Control, passages: int = 1) -> Fault:
    def act(_site: Machine, _trial: Trial) -> None:
        wait_for(f"a kill at {point}", lambda: control.fired == point)

    return Fault(
        f"killed at {point}, passage {passages}",
        before=lambda: control.arm(point, passages),
        act=act,
        leaves=point in _NAMELESS,
        is_untidy=True,
    )


def one_side_of_each() -> list[str]:
    chance = random.Random(4)
    names = dict.fromkeys(point.rpartition(".")[0] for point in points.FETCHING)
    return [chance.choice([point for point in points.FETCHING if point.rpartition(".")[0] == name]) for name in names]


@pytest.mark.parametrize("point", one_side_of_each())
def test_a_kill_between_two_steps_loses_nothing(site: Machine, control: Control, point: str) -> None:
    passages = 3 if point.startswith(_REPEATED) else 1
    suffer(site, killed_at(point, control, passages), share=0.0)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_kills_between_any_two_steps_lose_nothing(
    site: Machine, control: Control, capsys: pytest.CaptureFixture[str]
) -> None:
    reports = []
    for point in points.FETCHING:
        for passages in _PASSAGES if point.startswith(_REPEATED) else (1,):
            reports.append(suffer(site, killed_at(point, control, passages), share=0.0))
            with capsys.disabled():
                print(reports[-1], flush=True)
    with capsys.disabled():
        print(summary(reports))
