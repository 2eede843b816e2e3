"""How far a scrub is that was asked for, and what is told of it."""

from __future__ import annotations

from dataclasses import replace

from holdfast import digest as digests
from holdfast.digest import PARTITIONS
from holdfast.meta.lost import Lost
from holdfast.meta.scrubs import Finding, Report, Round, State
from holdfast.meta.touched import Touched
from holdfast.names import repository
from holdfast.ops.scrub.outcome import Outcome, as_json, describe
from holdfast.ops.scrub.progress import look

A, B = digests.of(b"a"), digests.of(b"b")
DONE = Round(1.0, 2.0, PARTITIONS)


def found(state):
    return Round(1.0, 2.0, PARTITIONS, wrong=1, findings=(Finding(A, "it is empty", state),))


def test_a_node_is_through_when_it_has_read_everything_since_it_was_asked():
    asked = {"n1": 5, "n2": 6}
    assert (look({}, asked).done, look({}, asked).is_over) == (0, False)
    at_it = Report(0, Round(1.0, partitions_done=1000), None, 5)
    before = Report(5, Round(1.0, partitions_done=4000), DONE, 5)  # of a round that began before the wish
    assert look({"n1": at_it, "n2": before}, asked).done == 1000
    over = look({"n1": Report(5, None, DONE), "n2": Report(9, None, DONE)}, asked)
    assert (over.is_over, over.text) == (True, "2 of 2 nodes have read all their copies")


def test_it_is_not_over_before_copies_are_repaired_or_beyond_repair():
    for state, is_over in ((State.OPEN, False), (State.HEALED, True), (State.LOST, True), (State.UNLINKED, True)):
        assert look({"n1": Report(5, None, found(state))}, {"n1": 5}).is_over == is_over


def told(**more):
    fields = {"reports": {"n1": Report(5, None, DONE)}, "lost": [], "more": 0, "images": []} | more
    return Outcome(**fields)


def verdict(outcome):
    return list(describe(outcome))[-1]


def test_the_verdict_says_what_to_do():
    image = Touched(A, repository("a/app"), (B,), (), is_mirrored=False)
    mirrored = Touched(A, repository("a/app"), (B,), (), is_mirrored=True)
    lost = [Lost(A, "it is empty", 1.0)]
    assert verdict(told()) == "every blob that is linked has a good copy"
    assert verdict(told(lost=lost, images=[image])).endswith("1 blob: push these images again, or delete them")
    assert verdict(told(lost=lost, images=[mirrored])).endswith("sync workers fetch it again")
    assert "1 copy not repaired yet" in verdict(told(reports={"n1": Report(5, None, found(State.OPEN))}))
    assert verdict(told(reports={"n1": Report()})) == "not everything has been read yet"


def test_copies_that_nobody_could_look_at_are_not_called_well():
    outcome = told(reports={"n1": Report(5, None, replace(DONE, unread=3))})
    assert "could not be read" in verdict(outcome)
    assert "n1 (3)" in verdict(outcome)
    assert (as_json(outcome)["well"], as_json(outcome)["nodes"][0]["last"]["unread"]) == (False, 3)


def test_programs_are_told_all_of_it():
    outcome = told(
        reports={"n1": Report(5, None, found(State.LOST)), "n2": Report()}, lost=[Lost(A, "it is empty", 1.0)]
    )
    written = as_json(outcome)
    assert written["well"] is False
    assert written["lost"] == [{"digest": str(A), "fault": "it is empty", "found": "1970-01-01 00:00:01 UTC"}]
    assert written["nodes"][0]["last"]["findings"] == [{"digest": str(A), "fault": "it is empty", "state": "lost"}]
    assert written["nodes"][1] == {"node": "n2", "last": None, "current": None}
