"""Writes, counted: scenarios as tables, and what must hold after any events."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.placement.layout import Rules
from holdfast.placement.quorum import Tally

# First the rules, then the owners and (after "then") the handoffs, each with its zone. Each line below is an event and what there
# is to be asked, and to be said, after it. "fails" is for good, "stumbles" may be tried again. All in "ask" have then been asked.
SCENARIOS = """
the quorum acknowledges, and what is still on its way is marked for repair
    W=2 of 3     a/A b/B c/C then d/A
    begin        | ask a b c | repair
    a stored     |           | repair
    b stored     |           | acknowledged repair
    c stored     |           | acknowledged

a failed owner is replaced by a handoff, and the mark stays
    W=2 of 3     a/A b/B c/C then d/B e/A
    begin        | ask a b c | repair
    b fails      | ask d     | repair
    d stored     |           | repair
    a stored     |           | acknowledged repair
    c stored     |           | acknowledged repair

a failed handoff is replaced by the next one
    W=2 of 2     a/A b/A then c/A d/A
    begin        | ask a b   | repair
    a fails      | ask c     | repair
    c fails      | ask d     | repair
    b stored     |           | repair
    d stored     |           | acknowledged repair

two copies in one zone do not acknowledge while another zone may answer
    W=2 of 3     a/A b/A c/B then d/B
    begin        | ask a b c | repair
    a stored     |           | repair
    b stored     |           | repair
    c stored     |           | acknowledged

the handoff of a lost zone is sought in a zone without a copy first
    W=2 of 2     a/A b/B then c/A d/C
    begin        | ask a b   | repair
    a stored     |           | repair
    b fails      | ask d     | repair
    d stored     |           | acknowledged repair

short of zones different nodes acknowledge and the partition is marked
    W=2 of 2     a/A b/B then c/A d/B
    begin        | ask a b   | repair
    a stored     |           | repair
    b fails      | ask d     | repair
    d fails      | ask c     | repair
    c stored     |           | acknowledged repair

under zone_strict they do not
    W=2 of 2 zone_strict     a/A b/B then c/A d/B
    begin        | ask a b   | repair
    a stored     |           | repair
    b fails      | ask d     | repair
    d fails      | ask c     | repair hopeless
    c stored     |           | repair hopeless

a cluster of one zone is not short of zones
    W=2 of 3     a/A b/A c/A then d/A
    begin        | ask a b c | repair
    a stored     |           | repair
    b stored     |           | acknowledged repair

with too few nodes left it is hopeless at once
    W=2 of 3     a/A b/B c/C
    begin        | ask a b c | repair
    a fails      |           | repair
    b fails      |           | repair hopeless

one node cannot make a quorum of two
    W=2 of 3     a/A
    begin        | ask a     | repair hopeless

who stumbles is asked again when the handoffs are used up
    W=2 of 2     a/A b/A then c/A
    begin        | ask a b   | repair
    a stumbles   | ask c     | repair
    c fails      | ask a     | repair
    b stored     |           | repair
    a stored     |           | acknowledged

who stumbles twice is asked no more
    W=2 of 2     a/A b/A
    begin        | ask a b   | repair
    b stored     |           | repair
    a stumbles   | ask a     | repair
    a stumbles   |           | repair hopeless

who stumbles is asked again at once if nobody else can cover the zone
    W=2 of 2     a/A b/B then c/A
    begin        | ask a b   | repair
    a stored     |           | repair
    b stumbles   | ask b     | repair
    b fails      | ask c     | repair
    c stored     |           | acknowledged repair

a copy counts that comes after its node was given up
    W=2 of 3     a/A b/B c/C then d/A
    begin        | ask a b c | repair
    a fails      | ask d     | repair
    b stored     |           | repair
    a stored     |           | acknowledged repair

the copy of an ingest node counts although it is no owner
    W=2 of 2     a/A b/B then c/C
    begin        | ask a b   | repair
    c stored     |           | repair
    a stored     |           | acknowledged repair
    b fails      |           | acknowledged repair

a handoff that is known to be down is passed over
    W=2 of 2     a/A b/A then c/A d/A
    begin        | ask a b   | repair
    c fails      |           | repair
    a fails      | ask d     | repair

owners of two versions are all asked, and the mark goes when all have it
    W=2 of 2     a/A b/B c/A then d/B
    begin        | ask a b c | repair
    a stored     |           | repair
    b stored     |           | acknowledged repair
    c stored     |           | acknowledged

when time is up two nodes of one zone are enough
    W=2 of 3     a/A b/A c/B then d/B
    begin        | ask a b c | repair
    a stored     |           | repair
    b stored     |           | repair
    time up      |           | acknowledged repair

when time is up one node is not
    W=2 of 3     a/A b/A c/B then d/B
    begin        | ask a b c | repair
    a stored     |           | repair
    time up      |           | repair hopeless
"""


def scenarios():
    for block in SCENARIOS.strip().split("\n\n"):
        name, setting, *lines = block.splitlines()
        yield pytest.param(setting, [line.split("|") for line in lines], id=name)


def begun(setting):
    rules, _, rest = setting.strip().partition("   ")
    words = rules.split()
    owners, _, handoffs = rest.partition("then")
    zones = dict(word.split("/") for word in (owners + handoffs).split())
    quorum = int(words[0].removeprefix("W="))
    return Tally.begin(
        Rules(int(words[2]), quorum, "zone_strict" in words),
        [word.split("/")[0] for word in owners.split()],
        [word.split("/")[0] for word in handoffs.split()],
        zones,
    )


def after(tally, event):
    node, what = event.split()
    match what:
        case "stored":
            return tally.stored(node)
        case "fails":
            return tally.failed(node, retryable=False)
        case "stumbles":
            return tally.failed(node, retryable=True)
        case "up":
            return tally.closed()
    raise AssertionError(event)


def said(tally):
    flags = {"acknowledged": tally.is_acknowledged, "repair": tally.needs_repair, "hopeless": tally.is_hopeless}
    return {name for name, value in flags.items() if value}


@pytest.mark.parametrize(("setting", "lines"), list(scenarios()))
def test_scenario(setting, lines):
    tally = begun(setting)
    for event, ask, flags in lines:
        if event.strip() != "begin":
            tally = after(tally.asked(), event)
        assert list(tally.to_ask) == ask.split()[1:], event
        assert said(tally) == set(flags.split()), event


@st.composite
def tallies(draw):
    nodes = [f"n{number}" for number in range(draw(st.integers(1, 8)))]
    zones = {node: draw(st.sampled_from("ABCD")) for node in nodes}
    replicas = draw(st.integers(1, 4))
    owners = nodes[: max(replicas, draw(st.integers(1, 5)))]
    rules = Rules(replicas, draw(st.integers(1, replicas)), draw(st.booleans()))
    return Tally.begin(rules, owners, nodes, zones)


OUTCOMES = st.sampled_from(["stored", "fails", "stumbles"])


def test_owners_in_too_few_zones_are_joined_by_a_node_of_another_where_zones_are_strict():
    zones = {"a": "A", "b": "A", "c": "A", "d": "B"}
    tally = Tally.begin(Rules(2, 2, zone_strict=True), ("a", "b"), ("c", "d"), zones).asked()
    tally = tally.stored("a").stored("b")
    assert (tally.to_ask, tally.is_acknowledged, tally.is_hopeless) == (("d",), False, False)
    assert tally.asked().stored("d").is_acknowledged
    assert tally.asked().failed("d", retryable=False).is_hopeless


@given(tallies(), st.data())
def test_whoever_waits_waits_for_somebody(tally, data):
    asked = list(tally.to_ask)
    tally = tally.asked()
    while tally.pending:
        tally = after(tally, f"{data.draw(st.sampled_from(tally.pending))} {data.draw(OUTCOMES)}")
        asked += tally.to_ask
        tally = tally.asked()
        assert not (tally.is_acknowledged and tally.is_hopeless)
    assert tally.is_acknowledged or tally.is_hopeless
    assert all(asked.count(node) <= 2 for node in asked)


@given(tallies(), st.data())
def test_acknowledged_means_enough_nodes_and_all_zones_that_could_be_had(tally, data):
    tally, given_up = tally.asked(), set()
    while tally.pending:
        node, outcome = data.draw(st.sampled_from(tally.pending)), data.draw(st.sampled_from(["stored", "fails"]))
        given_up |= {node} if outcome == "fails" else set()
        tally = after(tally, f"{node} {outcome}").asked()
        zones = {tally.zones[node] for node in tally.durable}
        could_be_had = {zone for node, zone in tally.zones.items() if node not in given_up}
        if tally.rules.zone_strict:
            spread = len(zones) >= tally.rules.write_quorum
        else:
            wanted = min(tally.rules.write_quorum, len({tally.zones[node] for node in tally.owners}))
            spread = len(zones) >= wanted or len(could_be_had) < wanted
        assert tally.is_acknowledged == (spread and len(tally.durable) >= tally.rules.write_quorum)


@given(tallies(), st.data())
def test_hopeless_stays_hopeless_and_acknowledged_stays_acknowledged(tally, data):
    tally = tally.asked()
    while tally.pending:
        before = tally
        tally = after(tally, f"{data.draw(st.sampled_from(tally.pending))} {data.draw(OUTCOMES)}").asked()
        assert tally.is_acknowledged or not before.is_acknowledged
        assert tally.is_hopeless or not before.is_hopeless


def test_an_event_leaves_the_tally_it_was_told_to_as_it_was():
    tally = begun("W=2 of 2     a/A b/B then c/C").asked()
    tally.stored("a")
    tally.failed("b", retryable=False)
    assert tally.pending == ("a", "b")
    assert not tally.durable


def test_the_failure_of_a_node_that_has_a_copy_is_no_news():
    tally = begun("W=1 of 1     a/A then b/A").asked().stored("a")
    assert tally.failed("a", retryable=True) == tally
