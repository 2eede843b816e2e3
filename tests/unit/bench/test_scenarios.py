"""Every scenario against a registry in memory, with tiny sizes."""

import time

import pytest

from holdfast.errors import AnswerError, RequestInvalidError
from holdfast.ops.bench import endpoint as endpoints
from holdfast.ops.bench.auth import Credentials
from holdfast.ops.bench.endpoint import Dialer
from holdfast.ops.bench.options import Options, parse_size
from holdfast.ops.bench.run import SCENARIOS, Run, choose
from tests.fakes.registry import FakeRegistry

TINY = {
    "sizes": (parse_size("3000000"),),
    "clients": 2,
    "connections": 3,
    "seconds": 0.2,
    "repeat": 2,
    "tags": 12,
    "parallel": 3,
    "parallel_size": parse_size("100KB"),
    "layers": 3,
    "readers": 5,
    "reader_size": parse_size("2MB"),
    "patience_seconds": 5.0,
    "footprint_size": parse_size("2MiB"),
    "seed": 7,
}


def run(registry, *names, directory=None, credentials=None, server_pid=None, **changes):
    options = Options(**(TINY | changes))
    made = Run(endpoints.parse(registry.url), Dialer(5.0), credentials, options, choose(names), server_pid, directory)
    return list(made.figures(lambda _: None))


@pytest.mark.parametrize("name", list(SCENARIOS))
def test_every_scenario_measures_without_a_failure(name):
    with FakeRegistry() as registry:
        figures = run(registry, name)
    assert figures
    for figure in figures:
        assert figure.scenario == name
        assert not figure.tally.failures
        assert figure.tally.requests > 0
        assert figure.tally.seconds > 0


@pytest.mark.parametrize("name", ["push", "pull", "get-tag", "tags", "slow-readers", "known-layers"])
@pytest.mark.parametrize("login", ["basic", "bearer"])
def test_scenarios_log_in(name, login):
    with FakeRegistry(login=login) as registry:
        figures = run(registry, name, credentials=Credentials("alice", "s3cret"))
    assert all(figure.tally.requests and not figure.failed for figure in figures)


def test_without_a_name_the_usual_ones_run():
    assert [s.name for s in choose(())] == [name for name in SCENARIOS if name != "footprint"]


def test_an_unknown_scenario_is_refused_with_the_known_ones():
    with pytest.raises(RequestInvalidError, match="get-digest"):
        choose(["pull", "fly"])


def test_pushes_arrive_whole_and_pulls_bring_the_same_bytes():
    with FakeRegistry() as registry:
        figures = run(registry, "push", "pull", keep=True, clients=1)
        assert {len(data) for data in registry.blobs.values()} == {3_000_000}
    assert figures[1].tally.moved_bytes == 3_000_000 * figures[1].tally.requests


def test_a_seed_gives_the_same_content_and_no_seed_other_content(tmp_path):
    def pushed(seed, repeat=2):
        with FakeRegistry() as registry:
            run(registry, "push", seed=seed, keep=True, seconds=9.0, repeat=repeat)
            return set(registry.blobs)

    assert pushed(1) == pushed(1)
    assert not pushed(None) & pushed(None)


def test_what_was_pushed_is_deleted_unless_it_is_to_be_kept():
    with FakeRegistry() as registry:
        run(registry, "push", "get-tag", "known-layers")
        assert not registry.blobs
        run(registry, "push", keep=True)
        assert registry.blobs


def test_a_registry_that_refuses_deletes_is_left_alone():
    with FakeRegistry() as registry:
        registry.refuse["DELETE"] = 405
        figures = run(registry, "push")
        assert len([entry for entry in registry.seen if entry[0] == "DELETE"]) == 1
    assert not any(figure.failed for figure in figures)


def test_failures_are_counted_by_reason_and_the_upload_is_cancelled():
    with FakeRegistry() as registry:
        registry.refuse["PATCH"] = 500
        (figure,) = run(registry, "parallel-push", repeat=1)
        assert registry.uploads == {}
    assert figure.tally.failures == {"PATCH upload 500": 3}
    assert figure.tally.requests == 0
    assert figure.bytes_per_second is None


def test_a_scenario_that_cannot_be_prepared_fails_and_the_next_one_runs():
    with FakeRegistry() as registry:
        registry.refuse["PUT"] = 503
        first, *rest = run(registry, "pull", "push")
    assert first.failed == 1
    assert rest
    assert rest[0].scenario == "push"


def test_flood_counts_unexpected_statuses():
    with FakeRegistry() as registry:
        registry.refuse["HEAD"] = 429
        (figure,) = run(registry, "head-tag")
    assert set(figure.tally.failures) == {"status 429"}
    assert figure.tally.requests == 0


def test_a_connection_closed_between_requests_is_reopened_and_is_no_failure():
    with FakeRegistry(close_after=5) as registry:
        lookups, *transfers = run(registry, "get-tag", "push", "known-layers")
    assert lookups.tally.reconnects > 0
    assert not lookups.tally.failures
    assert not any(figure.failed for figure in transfers)


def test_lists_in_chunks_are_read():
    with FakeRegistry(chunked_lists=True) as registry:
        figures = run(registry, "tags", "catalog")
    assert all(figure.tally.requests and not figure.failed for figure in figures)


def test_redirected_blobs_are_followed_without_credentials():
    with FakeRegistry(redirect_blobs=True, login="basic") as registry:
        figures = run(registry, "pull", credentials=Credentials("alice", "s3cret"))
        elsewhere = [login for _, path, login in registry.seen if path.startswith("/elsewhere/")]
    assert not any(figure.failed for figure in figures)
    assert elsewhere
    assert set(elsewhere) == {None}


def test_rate_scenarios_end_with_their_time():
    with FakeRegistry() as registry:
        began = time.monotonic()
        (figure,) = run(registry, "get-tag", seconds=0.5)
        assert time.monotonic() - began < 10
    assert 0.4 < figure.tally.seconds < 5


def test_a_catalog_that_is_not_offered_is_skipped():
    with FakeRegistry() as registry:
        registry.offers_lists = False
        (figure,) = run(registry, "catalog")
    assert "404" in figure.skipped
    assert figure.tally is None


def test_slow_readers_that_shut_somebody_out_are_noticed():
    with FakeRegistry(one_at_a_time=True) as registry:
        (figure,) = run(registry, "slow-readers", reader_size=parse_size("40MB"), patience_seconds=0.3)
    assert figure.tally.failures["timeout"] > 0
    assert figure.facts["served"] < figure.facts["readers"] == TINY["readers"]


def test_several_load_processes_share_the_connections():
    with FakeRegistry() as registry:
        (figure,) = run(registry, "get-digest", processes=2)
    assert figure.tally.requests > 0
    assert not figure.failed


def test_no_registry_is_an_answer_error():
    with FakeRegistry() as registry:
        pass
    with pytest.raises(AnswerError, match="cannot connect"):
        run(registry, "push")


def test_a_server_pid_that_is_nobodys_is_refused():
    with FakeRegistry() as registry, pytest.raises(RequestInvalidError, match="no process"):
        run(registry, "push", server_pid=2**22 + 1)


def test_big_blobs_of_a_given_directory_are_kept_for_the_next_run(tmp_path):
    with FakeRegistry() as registry:
        run(registry, "push", directory=tmp_path, clients=1)
        (file,) = tmp_path.iterdir()
        inode = file.stat().st_ino
        run(registry, "push", directory=tmp_path, clients=1, seed=None)
    assert file.stat().st_ino == inode
