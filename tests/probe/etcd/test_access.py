"""TLS, client certificates and etcd's own users, against a real etcd that insists on them."""

from __future__ import annotations

import contextlib
import dataclasses
import subprocess

import pytest

from holdfast.clock import SystemClock
from holdfast.errors import MetadataUnavailableError, UnavailableError
from holdfast.meta.etcd import EtcdStore, Login, Tls
from holdfast.meta.store import Delete, KeyAt, Put
from tests.clients.programs import need
from tests.serving import wait_for

BRIEF = {"try_seconds": 0.5, "deadline_seconds": 1.0}
# etcd calls itself by its own client certificate.
EXTENSIONS = "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """ca, server and client: PEM files made by openssl, and a stranger's ca."""
    openssl = need("openssl")
    directory = tmp_path_factory.mktemp("certificates")
    (directory / "extensions").write_text(EXTENSIONS)

    def run(*words):
        subprocess.run([openssl, *words], cwd=directory, check=True, capture_output=True, timeout=60)

    elliptic = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    for name in ("ca", "stranger"):
        run("req", "-x509", *elliptic, "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}")
    for name in ("server", "client"):
        run("req", *elliptic, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        signed_by = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "extensions")
        run("x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", *signed_by)
    return directory


def tls(certificates, ca="ca", client="client"):
    read = {name: (certificates / name).read_bytes() for name in (f"{ca}.pem", "client.pem", "client.key")}
    if client is None:
        return Tls(ca=read[f"{ca}.pem"])
    return Tls(read[f"{ca}.pem"], read["client.pem"], read["client.key"])


def etcdctl(cluster, *words, certificates=None, stdin=None):
    secure = ["--cacert", "ca.pem", "--cert", "client.pem", "--key", "client.key"] if certificates else []
    command = [need("etcdctl"), "--endpoints", ",".join(cluster.urls), *secure, *words]
    environment = {"ETCDCTL_API": "3", "PATH": "/usr/bin:/bin"}
    subprocess.run(command, cwd=certificates, env=environment, input=stdin, check=True, capture_output=True, timeout=30)


@pytest.fixture
def secure(alone, certificates):
    """An etcd that speaks TLS only, and to holders of a certificate only."""
    words = {
        "--cert-file": "server.pem",
        "--key-file": "server.key",
        "--trusted-ca-file": "ca.pem",
    }
    flat = [word for name, file in words.items() for word in (name, str(certificates / file))]
    cluster = alone(*flat, "--client-cert-auth", scheme="https", wait=False)
    with contextlib.closing(open_(cluster, tls=tls(certificates))) as store:
        wait_for("etcd", lambda: store.status().has_quorum)
    return cluster


def open_(cluster, **more):
    return EtcdStore(cluster.options(**(BRIEF | more)), SystemClock())


def whole_port(store):
    """A little of everything, through whatever is between here and etcd."""
    result = store.txn([KeyAt(b"a", 0)], [Put(b"a", b"1")])
    assert result.succeeded
    with store.watch(b"a", b"b", result.revision) as watch:
        wait_for("the event", lambda: watch.poll(0.2))
    lease = store.grant_lease(5)
    assert store.keep_alive(lease.lease_id) > 0
    store.revoke_lease(lease.lease_id)
    assert store.get(b"a").value == b"1"
    assert store.txn([], [Delete(b"a")]).succeeded


def test_everything_works_over_tls_with_a_client_certificate(secure, certificates):
    with contextlib.closing(open_(secure, tls=tls(certificates))) as store:
        whole_port(store)
        store.compact(0)
        store.defragment(store.status().members[0].endpoint)


@pytest.mark.parametrize("wrong", [{"client": None}, {"ca": "stranger"}], ids=["no certificate", "another ca"])
def test_without_trust_on_both_sides_there_is_no_connection(secure, certificates, wrong):
    with contextlib.closing(open_(secure, tls=tls(certificates, **wrong))) as store:
        with pytest.raises(MetadataUnavailableError):
            store.get(b"a")
        with pytest.raises(MetadataUnavailableError):
            store.txn([], [Put(b"a", b"")])


@pytest.fixture
def guarded(alone):
    """An etcd with its users switched on: root, and one that may use our keys only."""
    cluster = alone()
    for words in (
        ("user", "add", "root:rootpw"),
        ("user", "grant-role", "root", "root"),
        ("role", "add", "registry"),
        ("role", "grant-permission", "registry", "readwrite", "holdfast/", "holdfast0"),
        ("user", "add", "registry:secret"),
        ("user", "grant-role", "registry", "registry"),
        ("auth", "enable"),
    ):
        etcdctl(cluster, *words)
    return cluster


def test_everything_works_as_a_user_who_may_use_our_keys_only(guarded):
    with contextlib.closing(open_(guarded, login=Login("registry", "secret"))) as store:
        whole_port(store)


def test_a_token_that_etcd_forgot_is_asked_for_anew(guarded):
    with contextlib.closing(open_(guarded, login=Login("registry", "secret"), deadline_seconds=5.0)) as store:
        revision = store.txn([], [Put(b"a", b"1")]).revision
        with store.watch(b"a", b"b", revision) as watch:
            wait_for("the event", lambda: watch.poll(0.2))
            first = store._sources.tokens._token
            # Not by a restart: what it has not written to its backend yet is replayed, tokens included.
            for word in ("disable", "enable"):
                etcdctl(guarded, "--user", "root:rootpw", "auth", word)
            assert wait_for("a write", lambda: written(store, b"2"))
            assert store._sources.tokens._token != first
            wait_for("the event", lambda: polled(watch))


def written(store, value):
    with contextlib.suppress(UnavailableError):
        return store.txn([KeyAt(b"a", store.get(b"a").mod_revision)], [Put(b"a", value)]).succeeded
    return False


def polled(watch):
    with contextlib.suppress(MetadataUnavailableError):
        return watch.poll(0.2)
    return []


@pytest.mark.parametrize(
    ("login", "says"),
    [
        (Login("registry", "wrong"), "invalid user ID or password"),
        (Login("nobody", "secret"), "invalid user ID or password"),
        (None, "user name is empty"),
    ],
    ids=["wrong password", "unknown user", "no user"],
)
def test_a_wrong_login_is_refused_with_its_reason(guarded, login, says):
    with contextlib.closing(open_(guarded, login=login)) as store, pytest.raises(MetadataUnavailableError, match=says):
        store.get(b"a")


def test_keys_that_the_user_may_not_use_are_refused_with_the_reason(guarded):
    options = dataclasses.replace(guarded.options(b"foreign/"), login=Login("registry", "secret"))
    with contextlib.closing(EtcdStore(options, SystemClock())) as store:
        for question in (lambda: store.get(b"a"), lambda: store.txn([], [Put(b"a", b"")])):
            with pytest.raises(MetadataUnavailableError, match="permission denied"):
                question()


def test_a_login_is_no_harm_where_etcd_has_no_users(alone):
    with contextlib.closing(open_(alone(), login=Login("registry", "secret"))) as store:
        whole_port(store)
