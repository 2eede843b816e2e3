"""Scrub of what lies in an object store: all of it is read when somebody wants that, and else at least missed."""

from __future__ import annotations

import pytest

from holdfast import digest as digests
from holdfast.config import parse
from holdfast.errors import UnavailableError
from storagenode.configured import scrub_options
from storagenode.objects import keys
from storagenode.scrubbing.assembly import Scrub, ScrubOptions
from storagenode.scrubbing.book import ScrubBook
from storagenode.scrubbing.pace import StoppedError
from tests.unit.storagenode.conftest import put, read

DATA = [b"copy number %d" % number for number in range(6)]


def scrub_of(bench, *, pays: bool) -> Scrub:
    book = ScrubBook(bench.tree, bench.files)
    scrub = Scrub(ScrubOptions(bytes_per_second=0, pays=pays), [bench.server.node._store], book, None, bench.clock)
    scrub.loop._walk = scrub._walk
    scrub.loop._due = bench.clock.monotonic()
    return scrub


def round_of(bench, *, pays: bool):
    scrub = scrub_of(bench, pays=pays)
    scrub.loop.look()
    return scrub.loop.report.last


def spoil(place, wrong) -> None:
    """A bit turned, one cut, one empty, one gone."""
    (turned, cut, empty, gone) = wrong
    place.damage(digests.of(turned), turned[:-1] + b"?")
    place.damage(digests.of(cut), cut[:-1])
    place.damage(digests.of(empty), b"")
    place.bucket().delete(place.data_of(digests.of(gone)))


def test_a_scrub_that_somebody_wants_reads_everything_and_sets_aside_what_is_wrong(bench, place):
    node = bench.start()
    for data in DATA:
        put(node, data)
    spoil(place, DATA[:4])
    done = round_of(bench, pays=True)
    assert {found.digest for found in done.findings} == {digests.of(data) for data in DATA[:4]}
    assert (done.blobs, done.wrong) == (6, 4)
    assert node._store.take_bereft() == {digests.of(data).partition for data in DATA[:4]}
    assert node._store.quarantined == len([*place.bucket().list(keys.QUARANTINE)]) == 4
    assert [read(node, digests.of(data)) for data in DATA[4:]] == DATA[4:]
    for data in DATA[:4]:
        put(node, data)  # a push heals it
    assert round_of(bench, pays=True).wrong == 0


def test_a_round_that_nobody_asked_for_misses_what_is_not_there_and_reads_no_bytes(bench, place):
    node = bench.start()
    for data in DATA:
        put(node, data)
    spoil(place, DATA[:4])
    place.server.asked()
    done = round_of(bench, pays=False)
    assert not [line for line in place.server.asked() if line.startswith("GET") and "/data/" in line]
    assert {found.digest for found in done.findings} == {digests.of(data) for data in DATA[1:4]}
    assert (done.blobs, done.size_bytes) == (6, 0)


def test_a_server_that_does_not_answer_is_no_fault_of_a_copys(bench, place):
    node = bench.start()
    put(node, DATA[0])
    with place.server.fault("GET", "/data/", "503"), pytest.raises(UnavailableError):
        round_of(bench, pays=True)
    assert node._store.quarantined == 0
    assert round_of(bench, pays=True).wrong == 0


def test_bytes_are_read_at_the_bounded_pace_and_a_stop_ends_it_in_the_middle_of_a_blob(bench):
    node = bench.start()
    digest = put(node, bytes(3 << 20))
    moved = []

    def stop(count):
        moved.append(count)
        raise StoppedError

    with pytest.raises(StoppedError):
        node._store.examine(digest, stop)
    assert moved == [1 << 20]
    assert node._store.examine(digest, moved.append).fault == ""
    assert sum(moved[1:]) == 3 << 20


@pytest.mark.parametrize(("given", "pays"), [({}, False), ({"scrub": {}}, True), ({"scrub": {"enable": False}}, True)])
def test_whoever_configures_scrub_pays_for_it_in_every_round(given, pays):
    assert scrub_options(parse({"storage": {"rootDirectory": "/data"}, "extensions": given})).pays is pays
