import importlib.util
import sys
from pathlib import Path

import pytest

from holdfast.ops.bench.measure import Figure, ServerUse, Tally

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture(scope="module")
def goals():
    specification = importlib.util.spec_from_file_location("bench_goals", BENCH / "goals.py")
    module = importlib.util.module_from_spec(specification)
    sys.modules["bench_goals"] = module
    specification.loader.exec_module(module)
    yield module
    del sys.modules["bench_goals"]


def tally(seconds, times=10):
    made = Tally(seconds=1.0)
    for _ in range(times):
        made.succeed(seconds)
    return made


def test_a_ratio_is_of_medians(goals):
    values = {"push": {"ours": [10, 30, 20], "theirs": [5, 100, 10]}}
    (outcome,) = goals.judge([goals.Goal("push", 2.0, "theirs")], values, "ours")
    assert (outcome.reached, outcome.verdict) == (2.0, "met")


@pytest.mark.parametrize(("bound", "verdict"), [(64, "met"), (63, "missed")])
def test_a_bound_without_a_peer_is_of_our_own_median(goals, bound, verdict):
    (outcome,) = goals.judge([goals.Goal("growth", bound, at_least=False)], {"growth": {"ours": [64]}}, "ours")
    assert outcome.verdict == verdict


@pytest.mark.parametrize("values", [{}, {"push": {"ours": [1]}}, {"push": {"theirs": [1]}}])
def test_what_is_missing_on_one_side_is_not_measured(goals, values):
    (outcome,) = goals.judge([goals.Goal("push", 2.0, "theirs")], values, "ours")
    assert outcome.verdict == "not measured"


def test_every_goal_has_a_figure_that_is_read(goals):
    assert {goal.figure for goal in goals.goals_against("d", "r")} == set(goals.READ)


def test_growth_is_the_peak_of_both_ways_over_the_time_before_the_push(goals):
    mib = 1 << 20
    figures = [
        Figure("footprint", "push", None, ServerUse(1, 100 * mib, 120 * mib)),
        Figure("footprint", "pull", None, ServerUse(1, 118 * mib, 150 * mib)),
    ]
    assert goals.growth_mebibytes(figures) == 50


def test_the_slowdown_is_many_over_few(goals):
    figures = [Figure("many-tags", case, tally(t)) for case, t in (("GET, 10 tags", 0.001), ("GET, 10000 tags", 0.002))]
    assert goals.tag_slowdown("GET")(figures) == pytest.approx(2.0, rel=0.02)


def test_readers_and_requests_left_out_add_up(goals):
    fast = tally(0.01)
    fast.fail("timeout")
    figures = [Figure("slow-readers", "", fast, facts={"readers": 200, "served": 197})]
    assert goals.left_out(figures) == 4
