"""A real directory (slapd) asked by the gateway's own parts: TLS, searches, passwords, and a directory that fails."""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import threading
from typing import TYPE_CHECKING

import pytest
from sansldap import LDAPResultCode, LDAPServer, SearchRequest

from gateway.access.breaker import Breaker
from gateway.access.ldap.directory import Directory
from gateway.access.ldap.entries import groups_of, mark_of, name_of
from gateway.access.ldap.options import Transport
from gateway.access.ldap.way import DirectoryLogins, Reading
from gateway.access.proving import Doorkeeper
from gateway.access.throttle import Throttle
from holdfast.clock import ManualClock, SystemClock
from holdfast.errors import DirectoryUnavailableError, LoginRefusedError
from tests.access.slapd import PEOPLE, READER, dn, person, slapd
from tests.fakes.papers import Papers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import Any

    from gateway.access.ldap.options import DirectoryOptions
    from tests.access.slapd import Slapd

# Of a directory that says nothing at all.
PATIENCE_SECONDS = 0.3
CLOCK = SystemClock()


@pytest.fixture(scope="module")
def ldap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    """One for the tests that leave alice and bob alone."""
    with slapd(tmp_path_factory.mktemp("slapd") / "d") as directory:
        yield directory


@pytest.fixture
def asking() -> Iterator[Callable[..., Directory]]:
    """Makes what asks a directory; never rests, unless told to."""
    with contextlib.ExitStack() as stack:

        def make(options: DirectoryOptions, *, seconds: float = 30.0, rest_seconds: float = 0.0) -> Directory:
            made = Directory(options, Breaker("slapd", CLOCK, rest_seconds), CLOCK, seconds)
            stack.callback(made.close)
            return made

        yield make


def refused(directory: Directory, user: str = "alice") -> str:
    """Why the directory cannot be asked."""
    with pytest.raises(DirectoryUnavailableError) as error:
        directory.find(user)
    return error.value.reason


@pytest.mark.parametrize("transport", Transport)
def test_a_user_is_found_and_proven_whatever_the_transport(
    ldap: Slapd, asking: Callable[..., Directory], transport: Transport
) -> None:
    directory = asking(ldap.options(transport=transport))
    (alice,) = directory.find("alice")
    assert alice.dn == dn("alice")
    assert {"devs", "staff"} <= groups_of(alice.texts("memberOf"))
    assert directory.proves(alice.dn, "alicepw")
    assert not directory.proves(alice.dn, "bobpw")
    assert not directory.proves(dn("nobody"), "alicepw")


@pytest.mark.parametrize("transport", [Transport.LDAPS, Transport.START_TLS])
def test_a_certificate_of_another_authority_or_host_is_refused_unless_nobody_is_to_look(
    ldap: Slapd, asking: Callable[..., Directory], transport: Transport, tmp_path: Path
) -> None:
    foreign = Papers(tmp_path).issue(hosts=["localhost"]).authority
    changes: list[dict[str, Any]] = [{"authority": foreign}, {"authority": None}, {"host": "127.0.0.1"}]
    for change in changes:
        assert "CERTIFICATE_VERIFY_FAILED" in refused(asking(ldap.options(transport=transport, **change)))
        assert asking(ldap.options(transport=transport, skip_verify=True, **change)).find("alice")


def test_a_replaced_authority_is_read_again(ldap: Slapd, asking: Callable[..., Directory], tmp_path: Path) -> None:
    foreign = Papers(tmp_path).issue(hosts=["localhost"]).authority
    directory = asking(ldap.options(authority=foreign))
    refused(directory)
    foreign.write_bytes(ldap.authority.read_bytes())
    assert directory.find("alice")


@pytest.mark.parametrize(
    "typed",
    [
        "*",
        "a*",
        "alice)(uid=*",
        "alice)(|(uid=bob",
        "*)(objectClass=*",
        "\\61lice",
        "alice\0",
        dn("alice"),
        "alice,ou=people",
    ],
)
def test_what_is_typed_is_a_value_and_never_a_part_of_the_filter(
    ldap: Slapd, asking: Callable[..., Directory], typed: str
) -> None:
    assert asking(ldap.options(user_filter="(objectClass=inetOrgPerson)")).find(typed) == []


def test_an_attribute_may_be_called_by_its_long_name(ldap: Slapd, asking: Callable[..., Directory]) -> None:
    (alice,) = asking(ldap.options(user_attribute="userid")).find("alice")
    assert name_of(alice, "userid", "ALICE") == "alice"


def test_a_star_in_a_name_is_a_star(ldap: Slapd, asking: Callable[..., Directory]) -> None:
    directory = asking(ldap.options())
    (found,) = directory.find("w*ld")
    assert directory.proves(found.dn, "w*ldpw")


def test_who_does_not_match_the_filter_is_not_there(ldap: Slapd, asking: Callable[..., Directory]) -> None:
    directory = asking(ldap.options(user_filter=f"(memberOf=cn=devs,ou=groups,{PEOPLE.partition(',')[2]})"))
    assert directory.find("alice")
    assert directory.find("bob") == []


def test_users_below_are_found_when_the_search_is_for_the_whole_tree(
    ldap: Slapd, asking: Callable[..., Directory]
) -> None:
    assert asking(ldap.options()).find("faraway") == []
    assert asking(ldap.options(subtree=True)).find("faraway")
    assert len(asking(ldap.options()).find("twice")) == 1
    assert len(asking(ldap.options(subtree=True)).find("twice")) == 2


def test_an_empty_password_reaches_no_directory(ldap: Slapd, asking: Callable[..., Directory]) -> None:
    directory = asking(ldap.options())
    for name, password in ((dn("alice"), ""), ("", "alicepw")):
        with pytest.raises(ValueError, match="needs a name and a password"):
            directory.proves(name, password)


def test_a_service_account_that_may_not_is_told_to_the_operator_without_its_password(
    ldap: Slapd, asking: Callable[..., Directory]
) -> None:
    assert "NO_SUCH_OBJECT" in refused(asking(ldap.options(credentials=None)))
    assert "NO_SUCH_OBJECT" in refused(asking(ldap.options(base="ou=none,dc=reg,dc=test")))
    directory = asking(ldap.options())
    ldap.write_credentials("no longer right")
    try:
        reason = refused(directory)
        assert "INVALID_CREDENTIALS" in reason
        assert "no longer right" not in reason
    finally:
        ldap.write_credentials("readerpw")
    assert directory.find("alice")


def test_new_credentials_are_read_where_the_old_ones_fail(tmp_path: Path, asking: Callable[..., Directory]) -> None:
    with slapd(tmp_path / "d") as ldap:
        directory = asking(ldap.options())
        assert directory.find("alice")
        ldap.change(f"dn: {READER}", "changetype: modify", "replace: userPassword", "userPassword: rotated")
        ldap.stop()
        ldap.write_credentials("rotated")
        ldap.start()
        assert directory.find("alice")


def test_a_stopped_directory_is_down_and_a_restarted_one_is_asked_again(
    tmp_path: Path, asking: Callable[..., Directory], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "holdfast.access")
    with slapd(tmp_path / "d") as ldap:
        directory = asking(ldap.options())
        assert directory.find("alice")
        ldap.stop()
        assert "Connection" in refused(directory)
        with pytest.raises(DirectoryUnavailableError):
            directory.proves(dn("alice"), "alicepw")
        assert directory.is_down
        ldap.start()
        assert directory.find("alice")
        assert directory.proves(dn("alice"), "alicepw")
        assert not directory.is_down
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]
    assert "alice" not in caplog.text


@pytest.mark.parametrize("transport", Transport)
def test_a_directory_that_hangs_is_waited_for_only_so_long(
    ldap: Slapd, asking: Callable[..., Directory], transport: Transport
) -> None:
    options = ldap.options(transport=transport)
    fresh = asking(options, seconds=PATIENCE_SECONDS)
    with ldap.frozen():
        assert "time" in refused(fresh)
        with pytest.raises(DirectoryUnavailableError):
            fresh.proves(dn("alice"), "alicepw")
    kept = asking(options)
    assert kept.find("alice")
    kept._seconds = PATIENCE_SECONDS
    with ldap.frozen():
        assert "time" in refused(kept)
    kept._seconds = 30
    assert kept.find("alice")


def test_a_rest_after_a_failure_costs_no_connection(ldap: Slapd, asking: Callable[..., Directory]) -> None:
    directory = asking(ldap.options(), seconds=PATIENCE_SECONDS, rest_seconds=3600)
    with ldap.frozen():
        refused(directory)
    assert "left alone" in refused(directory)


def test_a_changed_password_a_lock_and_a_removal_act_within_a_minute(
    tmp_path: Path, asking: Callable[..., Directory]
) -> None:
    clock = ManualClock()
    with slapd(tmp_path / "d") as ldap:
        keeper = Doorkeeper(Throttle(clock), clock, b"k" * 32, lambda: None)
        logins = DirectoryLogins(asking(ldap.options()), keeper, Reading("uid", "memberOf", PEOPLE))

        def enters(password: str) -> bool:
            try:
                return logins.check("alice", password, "192.0.2.1") is not None
            except LoginRefusedError:
                return False

        assert enters("alicepw")
        first = logins.standing("alice")
        ldap.set_password("alice", "newer")
        assert enters("newer")
        second = logins.standing("alice")
        assert first is not None
        assert second is not None
        assert first.mark != second.mark
        assert not enters("alicepw")
        ldap.remove("alice")
        clock.advance(61)
        assert not enters("newer")
        assert logins.standing("alice") is None
        ldap.change(*person("alice").replace("\n", "\nchangetype: add\n", 1).split("\n"))
        clock.advance(11)
        third = logins.standing("alice")
        assert third is not None
        assert third.mark != second.mark


def test_an_entry_that_nothing_was_done_to_keeps_its_mark(ldap: Slapd, asking: Callable[..., Directory]) -> None:
    directory = asking(ldap.options())
    (before,) = directory.find("bob")
    directory.proves(before.dn, "bobpw")
    directory.proves(before.dn, "wrong")
    (after,) = directory.find("bob")
    assert mark_of(after) == mark_of(before)


def test_answers_of_a_directory_that_cheats_are_refused(asking: Callable[..., Directory], ldap: Slapd) -> None:
    def found(request: SearchRequest, server: LDAPServer, number: int) -> bytes:
        server.search_result_done(number, LDAPResultCode.SUCCESS)
        return server.data_to_send()

    def other_number(request: SearchRequest, server: LDAPServer, number: int) -> bytes:
        return found(request, server, number).replace(b"\x02\x01\x01", b"\x02\x01\x07", 1)

    cheats: dict[str, Callable[[Any, LDAPServer, int], bytes]] = {
        "invalid": lambda *_: b"\x04\x02no",
        "unexpected": other_number,
        "too long": lambda *_: b"\x30\x84\x7f\xff\xff\xff" + b"x" * (5 * 1024 * 1024),
        "ended": lambda *_: b"",
    }
    for word, cheat in cheats.items():
        with answering(cheat) as port:
            options = ldap.options(transport=Transport.PLAIN, host="127.0.0.1", port=port, credentials=None)
            assert word in refused(asking(options)), word


def test_an_answer_that_trickles_in_is_waited_for_no_longer_than_one_that_does_not_come(ldap: Slapd) -> None:
    clock = ManualClock()

    def trickle(client: socket.socket) -> None:
        for byte in b"\x30\x7f" + b"x" * 50:
            client.sendall(bytes([byte]))
            clock.advance(10)
        client.recv(1)

    with serving_one(trickle) as port:
        options = ldap.options(transport=Transport.PLAIN, host="127.0.0.1", port=port, credentials=None)
        assert "did not answer in time" in refused(Directory(options, Breaker("slapd", clock), clock, 30.0))


def test_what_comes_in_plain_with_the_answer_to_starttls_counts_for_nothing(
    asking: Callable[..., Directory], ldap: Slapd
) -> None:
    """A man in the middle adds to it: a whole answer ends the conversation, the beginning of one is dropped."""
    whole = b"\x30\x0c\x02\x01\x02\x65\x07\x0a\x01\x00\x04\x00\x04\x00"
    with injecting(ldap.port, whole) as port:
        assert "unexpected message id" in refused(asking(ldap.options(transport=Transport.START_TLS, port=port)))
    with injecting(ldap.port, whole[:-1]) as port:
        directory = asking(ldap.options(transport=Transport.START_TLS, port=port))
        assert directory.find("alice")
        directory.close()


@contextlib.contextmanager
def answering(cheat: Callable[[Any, LDAPServer, int], bytes]) -> Iterator[int]:
    """A server for one connection and one request; its port."""

    def serve(client: socket.socket) -> None:
        server = LDAPServer()
        (request,) = server.receive(client.recv(65536))
        client.sendall(cheat(request, server, request.message_id))

    with serving_one(serve) as port:
        yield port


@contextlib.contextmanager
def injecting(behind: int, extra: bytes) -> Iterator[int]:
    """Stands before a directory, adds to its first answer, and passes on the rest of one conversation."""

    def serve(client: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", behind)) as real:
            real.sendall(client.recv(65536))
            client.sendall(real.recv(65536) + extra)
            while True:
                for end in select.select([client, real], [], [], 30)[0]:
                    data = end.recv(65536)
                    if not data:
                        return
                    (real if end is client else client).sendall(data)

    with serving_one(serve) as port:
        yield port


@contextlib.contextmanager
def serving_one(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server for one connection; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            client, _ = listener.accept()
            with client, contextlib.suppress(OSError):
                serve(client)

        thread = threading.Thread(target=accept)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(30)
