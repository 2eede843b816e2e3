"""Collector, two writers, one who mounts and one who deletes, all at once and each paused anywhere, held against a model.

As ``test_every_order``, with more actors: every state that they can reach together, however often each of them has to try again.
Nothing is linked at any moment that has no bytes, each answer and each link is that of whole operations one after the other
(``model``), and nothing is left in the end that nothing needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from holdfast.meta import links, removals
from storagenode.collecting import collector
from tests.unit.meta.world import OTHER, REPO, link
from tests.unit.protocol.exploring import every_end, played
from tests.unit.protocol.model import Operation
from tests.unit.protocol.registry import A, Acting, Registry
from tests.unit.protocol.test_every_order import everybody, mounter_and_deleter, two_writers, writer_and_deleter
from tests.unit.protocol.together import Totals, Wrong, explored

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.protocol.exploring import Role

    Scene = Callable[[str], Registry]


@pytest.fixture(autouse=True)
def _one_partition_and_one_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nothing in the others; and after each attempt the actor says what it still knows (``registry``)."""
    monkeypatch.setattr(collector, "PARTITIONS", 1)
    monkeypatch.setattr(links, "ATTEMPTS", 1)
    monkeypatch.setattr(removals, "ATTEMPTS", 1)


def five(without: str = "", nodes: int = 1) -> Registry:
    """A blob that one repository gives away while two others get it, one of them twice."""
    made = Registry(A, nodes=nodes, without=without)
    link(made.repos, A, repo=OTHER)
    writers = [made.writing(A), made.writing(A, OTHER)]
    made.cast = [made.collecting(), *writers, made.mounting(A, OTHER), made.deleting_blob(A, OTHER)]
    return made


def five_on_two_nodes(without: str = "") -> Registry:
    """One of them collects."""
    return five(without, nodes=2)


def six(without: str = "") -> Registry:
    """Each repository gets it and gives it away."""
    made = five(without)
    made.cast.append(made.deleting_blob(A))
    return made


def six_on_two_nodes(without: str = "") -> Registry:
    """Both collect."""
    made = five(without, nodes=2)
    made.cast.append(made.collecting(1))
    return made


def sound(scene: Scene) -> Totals:
    found = explored(lambda: scene(""))
    assert isinstance(found, Totals), f"{found.sentences}, order of steps: {found.reached.order}"
    for sample in found.samples:
        assert played(lambda: scene(""), sample.order).content() == sample.content, sample.order
    return found


@pytest.mark.parametrize(
    ("scene", "at_least"), [(five, 40_000), (five_on_two_nodes, 60_000)], ids=["one node", "two nodes"]
)
def test_all_at_once_do_what_each_would_do_alone(scene: Scene, at_least: int) -> None:
    found = sound(scene)
    assert found.states >= at_least, f"only {found.states} states: the actors hardly met"
    assert len(found.samples) >= at_least // 1000


@pytest.mark.parametrize(
    "without", ["sweep/", "stamp", "holder/", "link/", "removals/"], ids=lambda one: one.strip("/")
)
def test_five_at_once_miss_each_fence(without: str) -> None:
    found = explored(lambda: five(without))
    assert isinstance(found, Wrong), f"{found.states} states, and nothing was wrong without this fence"
    assert played(lambda: five(without), found.reached.order).content() == found.reached.content


@pytest.mark.parametrize("scene", [writer_and_deleter, mounter_and_deleter])
def test_what_is_remembered_ends_as_what_is_played(scene: Scene) -> None:
    assert sound(scene).endings == endings_played(scene)


def endings_played(scene: Scene) -> set[object]:
    worlds = (end.world for end in every_end(lambda: scene("")))
    return {(world.content(), world.summed([world.effects()])) for world in worlds}


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("scene", [two_writers, everybody])
def test_more_of_it_ends_as_what_is_played(scene: Scene) -> None:
    assert sound(scene).endings == endings_played(scene)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("scene", [six, six_on_two_nodes])
def test_six_at_once_do_what_each_would_do_alone(scene: Scene) -> None:
    found = sound(scene)
    print(f"\n{found.states} states of six actors, {found.steps} steps, {found.ends} ends: all of them sound")


# --- none of this proves anything unless it can fail


def only(actor: Callable[[Registry, Role], object], operation: Operation) -> Totals | Wrong:
    def scene() -> Registry:
        made = Registry(A)
        link(made.repos, A, repo=OTHER)
        made.cast = [Acting(lambda role: actor(made, role), operation)]
        return made

    return explored(scene)


def test_an_answer_before_the_deed_is_found() -> None:
    def boasting(made: Registry, role: Role) -> None:
        made.over(role).fence(A)
        made.acknowledged.append("link")

    found = only(boasting, Operation(adds=(REPO, A)))
    assert isinstance(found, Wrong)
    assert found.sentences == ["actor 0 was told of what has not happened"]


def test_a_refusal_without_a_reason_is_found() -> None:
    found = only(lambda made, role: made.over(role).fence(A), Operation(adds=(REPO, A), needs=(OTHER, A)))
    assert isinstance(found, Wrong)
    assert found.sentences == ["actor 0 was refused, and there was no moment for that"]


def test_a_link_that_nobody_asked_to_take_away_is_found() -> None:
    found = only(lambda made, role: made.over(role).delete_blob(OTHER, A), Operation())
    assert isinstance(found, Wrong)
    assert "which is not what" in found.sentences[0]


def test_who_makes_more_of_a_revision_than_a_name_is_found() -> None:
    def counting(made: Registry, role: Role) -> None:
        repos = made.over(role)
        repos.delete_blob(OTHER, A)
        assert repos.removals(OTHER) > 1

    found = only(counting, Operation(removes=(OTHER, A), needs=(OTHER, A)))
    assert isinstance(found, Wrong)
    assert "not supported between instances of 'Known' and 'int'" in found.sentences[0]


def test_who_begins_anew_and_knows_more_than_it_says_is_found() -> None:
    def forgetting(made: Registry, role: Role) -> None:
        repos = made.over(role)
        repos.delete_blob(OTHER, A)
        known = repos.removals(OTHER)
        role.anew("nothing")
        repos.fence(A)
        assert known

    with pytest.raises(AssertionError, match="knows more than it says"):
        only(forgetting, Operation(removes=(OTHER, A), needs=(OTHER, A)))
