import pytest

from holdfast.errors import AnswerError
from holdfast.ops.bench import endpoint as endpoints
from holdfast.ops.bench.auth import Authorizer, Challenge, Credentials, parse_challenge
from holdfast.ops.bench.content import Contents
from holdfast.ops.bench.endpoint import Dialer
from holdfast.ops.bench.registry import Client
from tests.fakes.registry import LOGIN, FakeRegistry

ALICE = Credentials("alice", "s3cret")


def client(registry, credentials):
    dialer = Dialer(5.0)
    return Client(endpoints.parse(registry.url), dialer, Authorizer(credentials, dialer))


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ('Basic realm="x"', Challenge("basic", "x")),
        (
            'Bearer realm="https://h/t",service="S",scope="repository:a/b:pull,push"',
            Challenge("bearer", "https://h/t", "S", "repository:a/b:pull,push"),
        ),
        ('BEARER Realm="r", error="invalid_token"', Challenge("bearer", "r")),
        ("", Challenge("")),
    ],
)
def test_challenges(header, wanted):
    assert parse_challenge(header) == wanted


def test_nothing_is_sent_until_it_is_asked_for():
    with FakeRegistry() as registry, client(registry, ALICE) as it:
        it.ping()
        assert registry.seen == [("GET", "/v2/", None)]


def test_basic_is_sent_with_every_request_after_the_first_401():
    with FakeRegistry(login="basic") as registry, client(registry, ALICE) as it:
        it.ping()
        it.ping()
        assert [login for *_, login in registry.seen] == [None, LOGIN, LOGIN]


def test_one_token_serves_all_requests_of_a_repository(tmp_path):
    blob = Contents(tmp_path, 1).small(1000)
    with FakeRegistry(login="bearer") as registry, client(registry, ALICE) as it:
        it.ping()
        before = registry.tokens_given
        it.push_blob("team/app", blob)
        it.pull_blob("team/app", blob, verify=True)
        assert registry.tokens_given == before + 1
        it.push_blob("team/other", blob)
        assert registry.tokens_given == before + 2


def test_tokens_can_be_had_without_credentials():
    with FakeRegistry(login="bearer") as registry, client(registry, None) as it:
        it.ping()
        assert [(path, login) for _, path, login in registry.seen][1] == ("/token", None)


def test_basic_without_credentials_says_which_options_are_missing():
    with (
        FakeRegistry(login="basic") as registry,
        client(registry, None) as it,
        pytest.raises(AnswerError, match="--user"),
    ):
        it.ping()


@pytest.mark.parametrize("login", ["basic", "bearer"])
def test_a_wrong_password_is_an_answer_error(login):
    wrong = Credentials("alice", "wrong")
    with FakeRegistry(login=login) as registry, client(registry, wrong) as it, pytest.raises(AnswerError, match="401"):
        it.ping()


def test_the_password_is_not_in_the_repr():
    assert "s3cret" not in repr(ALICE)
