"""What the etcd adapter makes of lost answers and refusals: one member that fails as ordered, no network."""

from __future__ import annotations

import grpc
import pytest
from pyetcd import etcdrpc

from holdfast.clock import ManualClock
from holdfast.errors import MetadataFullError, MetadataUnavailableError, OutcomeUnknownError
from holdfast.meta.etcd import EtcdOptions, EtcdStore, Login, Tls, endpoint
from holdfast.meta.store import Delete, KeyAt, Put, RangeNotAfter
from tests.fakes.failed_calls import (
    BAD_TOKEN,
    DEADLINE,
    DENIED,
    NEW_WORDS,
    NO_LEADER,
    NO_LEASE,
    NO_SPACE,
    REFUSED_CONNECTION,
    SOCKET_CLOSED,
    STOPPED,
    TIMED_OUT,
)

GUARDED = [KeyAt(b"a", 7)], [Put(b"a", b"2")]
CREATION = [KeyAt(b"a", 0)], [Put(b"a", b"2")]
ELSEWHERE = [KeyAt(b"b", 7)], [Put(b"a", b"2")]
FENCED = [RangeNotAfter(b"a", b"b", 7)], [Put(b"a", b"2")]
BLIND = [], [Put(b"a", b"2")]
REMOVAL = [KeyAt(b"a", 7)], [Delete(b"a")]


LOST = [TIMED_OUT, SOCKET_CLOSED, DEADLINE, STOPPED, NEW_WORDS]


def named(error):
    return error.details().removeprefix("etcdserver: ")


class ScriptedMember:
    """Answers changes as the script says, then with success; reads always with ``entry``."""

    def __init__(self, endpoint, *script):
        self.endpoint = endpoint
        self.script = list(script)
        self.changes = 0
        self.entry = None
        self.tokens = []
        self.logins = 0
        self.kv = self.auth = self

    def Txn(self, request, timeout, metadata):  # noqa: N802 - gRPC's name
        header = etcdrpc.ResponseHeader(revision=9)
        if any(op.HasField("request_range") for op in request.success):
            found = [etcdrpc.ResponseOp(response_range=etcdrpc.RangeResponse(kvs=self.entry or []))]
            return etcdrpc.TxnResponse(header=header, succeeded=True, responses=found)
        self.changes += 1
        self.tokens.append(dict(metadata).get("token"))
        step = self.script.pop(0) if self.script else True
        if isinstance(step, grpc.RpcError):
            raise step
        return etcdrpc.TxnResponse(header=header, succeeded=step)

    def Authenticate(self, request, timeout):  # noqa: N802
        self.logins += 1
        return etcdrpc.AuthenticateResponse(token=f"token {self.logins}")

    def close(self):
        pass


def scripted(*script, **options):
    """A store with one member that follows the script."""
    known = EtcdOptions((endpoint("http://127.0.0.1:1"),), **options)
    store = EtcdStore(known, ManualClock())
    member = ScriptedMember(known.endpoints[0], *script)
    store._members.connected([member])
    return store, member


@pytest.mark.parametrize("change", [GUARDED, CREATION, ELSEWHERE, FENCED, BLIND, REMOVAL])
@pytest.mark.parametrize("error", [NO_LEADER, REFUSED_CONNECTION], ids=named)
def test_what_was_certainly_not_done_is_tried_again(change, error):
    store, member = scripted(error, error)
    assert store.txn(*change).succeeded
    assert member.changes == 3


@pytest.mark.parametrize("error", LOST, ids=named)
@pytest.mark.parametrize("change", [GUARDED, REMOVAL])
def test_a_lost_answer_is_asked_for_again_where_the_change_cannot_happen_twice(change, error):
    store, member = scripted(error)
    assert store.txn(*change).succeeded
    assert member.changes == 2


@pytest.mark.parametrize("error", LOST, ids=named)
@pytest.mark.parametrize("change", [CREATION, ELSEWHERE, FENCED, BLIND])
def test_a_change_that_could_happen_twice_is_not_repeated_after_a_lost_answer(change, error):
    store, member = scripted(error)
    with pytest.raises(OutcomeUnknownError):
        store.txn(*change)
    assert member.changes == 1


def test_a_repeated_change_whose_compare_fails_may_have_been_our_own():
    store, _ = scripted(DEADLINE, False)
    with pytest.raises(OutcomeUnknownError):
        store.txn(*GUARDED)


def test_a_compare_that_fails_at_once_is_no_mystery():
    store, _ = scripted(NO_LEADER, False)
    assert not store.txn(*GUARDED).succeeded


@pytest.mark.parametrize("error", [NO_LEASE, DENIED, NO_SPACE], ids=named)
def test_a_refusal_says_nothing_about_an_earlier_lost_answer(error):
    store, _ = scripted(DEADLINE, error)
    with pytest.raises(OutcomeUnknownError):
        store.txn(*GUARDED)


def test_a_refusal_is_not_tried_again():
    store, member = scripted(DENIED)
    with pytest.raises(MetadataUnavailableError, match="permission denied"):
        store.txn(*BLIND)
    assert member.changes == 1


def test_under_a_lease_that_is_gone_a_change_does_not_succeed():
    store, _ = scripted(NO_LEASE)
    result = store.txn([], [Put(b"a", b"2", 5)], [b"a"])
    assert (result.succeeded, result.revision, result.found) == (False, 9, {})


def test_no_space_is_a_refusal_when_nothing_of_the_change_stands():
    store, _ = scripted(NO_SPACE)
    with pytest.raises(MetadataFullError):
        store.txn(*BLIND)


def test_no_space_is_unknown_when_the_change_stands():
    """The transaction that crosses the quota is carried out, and answered with the same error."""
    store, member = scripted(NO_SPACE)
    member.entry = [{"key": b"holdfast/a", "value": b"2", "mod_revision": 9}]
    with pytest.raises(OutcomeUnknownError):
        store.txn(*BLIND)


def test_an_expired_token_is_renewed_once_and_the_change_made_with_the_new_one():
    store, member = scripted(BAD_TOKEN, login=Login("root", "secret"))
    assert store.txn(*BLIND).succeeded
    assert member.tokens == ["token 1", "token 2"]
    assert store.txn(*BLIND).succeeded
    assert member.logins == 2


def test_a_member_that_used_up_a_whole_call_is_asked_last_by_the_next():
    store, slow = scripted(DEADLINE)
    quick = ScriptedMember(slow.endpoint)
    store._members.connected([slow, quick])
    answer = slow.Txn

    def late(request, timeout, metadata):
        store._sources.clock.advance(60.0)
        return answer(request, timeout, metadata)

    slow.Txn = late
    with pytest.raises(OutcomeUnknownError):
        store.txn(*GUARDED)
    assert store.txn(*GUARDED).succeeded
    assert (slow.changes, quick.changes) == (1, 1)


def test_a_refusal_does_not_change_who_is_asked():
    store, member = scripted(DENIED, NO_LEASE)
    store._members.connected([member, ScriptedMember(member.endpoint)])
    with pytest.raises(MetadataUnavailableError):
        store.txn(*BLIND)
    assert not store.txn(*BLIND).succeeded
    assert member.changes == 2


def test_a_closed_store_gives_up_at_once():
    store, _ = scripted()
    store.close()
    with pytest.raises(MetadataUnavailableError, match="closed"):
        store.txn(*BLIND)


def test_a_store_that_was_connected_before_a_fork_refuses():
    store, _ = scripted()
    store._members._process += 1
    with pytest.raises(MetadataUnavailableError, match="fork"):
        store.get(b"a")


@pytest.mark.parametrize(
    "url",
    ["127.0.0.1:2379", "unix:///run/etcd", "http://", "http://u:p@host:2379", "http://host/path", "http://host?x=1"],
)
def test_an_endpoint_is_a_plain_url(url):
    with pytest.raises(ValueError):
        endpoint(url)


def test_an_endpoint_has_the_usual_port_and_may_be_a_bare_address():
    assert endpoint("https://etcd.example").target == "etcd.example:2379"
    assert str(endpoint("http://[::1]:23790")) == "http://[::1]:23790"


@pytest.mark.parametrize(
    "wrong",
    [
        {"endpoints": ()},
        {"endpoints": (endpoint("http://a"), endpoint("https://b"))},
        {"tls": Tls(ca=b"pem")},
        {"prefix": b""},
        {"prefix": b"x" * 65},
        {"prefix": b"\xff"},
        {"try_seconds": 6.0},
        {"quota_bytes": 0},
    ],
    ids=str,
)
def test_options_that_contradict_each_other_are_refused(wrong):
    with pytest.raises(ValueError):
        EtcdOptions(**({"endpoints": (endpoint("http://a"),)} | wrong))


def test_a_certificate_comes_with_its_key_and_secrets_are_not_shown():
    with pytest.raises(ValueError):
        Tls(certificate=b"pem")
    assert "secret" not in repr(EtcdOptions((endpoint("http://a"),), login=Login("root", "secret")))
