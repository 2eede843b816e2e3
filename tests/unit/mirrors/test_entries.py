"""Mirrors keep their names when the configuration around them changes."""

from __future__ import annotations

from holdfast.config.sync import Sync
from holdfast.mirrors.entries import entries

HUB, QUAY = {"urls": ["https://docker.io"]}, {"urls": ["https://quay.io", "https://mirror"]}
PUSHED = {"urls": ["https://quay.io"], "direction": "push", "content": [{"prefix": "**"}]}


def ids(*registries: dict, **keys: object) -> list[str]:
    return [entry.id for entry in entries(Sync.model_validate({"registries": list(registries), **keys}))]


def test_entries_keep_their_ids_wherever_they_stand():
    hub, quay, pushed = ids(HUB, QUAY, PUSHED)
    assert len({hub, quay, pushed}) == 3
    assert ids(PUSHED, QUAY, HUB) == [pushed, quay, hub]
    assert ids(QUAY) == [quay]


def test_an_id_rests_on_the_first_url_and_the_direction_alone():
    assert ids(QUAY) == ids({"urls": ["https://quay.io"], "onDemand": True})
    assert ids(QUAY) != ids(PUSHED)


def test_two_entries_of_one_upstream_have_two_ids():
    first, second = ids(HUB, HUB)
    assert first != second
    assert ids(QUAY, HUB, HUB)[1:] == [first, second]


def test_what_is_switched_off_has_no_entries():
    assert ids(HUB, enable=False) == []
    assert entries(None) == ()
