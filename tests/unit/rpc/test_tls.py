"""Mutual TLS between real programs on loopback: who is served, who is not, and certificates renewed while all runs."""

from __future__ import annotations

import contextlib
import gc
import os
from typing import TYPE_CHECKING

import grpc
import pytest

from holdfast import digest as digests
from holdfast.certs.peer import Role
from holdfast.config import parse
from holdfast.errors import ConfigError, NodeUnreachableError, PeerRefusedError
from holdfast.rpc import failures
from holdfast.rpc import methods as m
from holdfast.rpc.channel import open_channel
from holdfast.rpc.client import GrpcNode
from holdfast.rpc.credentials import Credentials, TlsFiles, configured_files
from holdfast.rpc.node import UploadKey, Want
from holdfast.wire import storage_pb2 as wire
from storagenode.options import NodeOptions
from storagenode.server import NodeServer
from tests.fakes.papers import CLUSTER, Bearer, Papers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Connect = Callable[..., GrpcNode]

MIB = 1 << 20
HERE = "127.0.0.1"


@pytest.fixture
def papers(tmp_path: Path) -> Papers:
    return Papers(tmp_path / "certs")


@pytest.fixture
def strangers(tmp_path: Path) -> Papers:
    """Another authority for a cluster of the same name."""
    return Papers(tmp_path / "strangers")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One data directory for one node after the other: making one takes seconds, and nothing here depends on its contents."""
    return tmp_path_factory.mktemp("node") / "data"


@contextlib.contextmanager
def listening(options: NodeOptions) -> Iterator[str]:
    server = NodeServer(options)
    try:
        yield server.start()
    finally:
        server.stop(0)


@pytest.fixture
def target(data: Path, papers: Papers) -> Iterator[str]:
    tls = papers.issue(Role.NODE, [HERE], name="store")
    with listening(NodeOptions(data, f"{HERE}:0", reserve_bytes=0, tls=tls)) as address:
        yield address


@pytest.fixture
def connect() -> Iterator[Connect]:
    with contextlib.ExitStack() as stack:

        def make(target: str, credentials: Credentials | None, **how: object) -> GrpcNode:
            node = GrpcNode(target, host_id="", credentials=credentials, **how)  # type: ignore[arg-type]
            stack.callback(node.close)
            return node

        yield make


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.ETCD}))
def test_every_role_of_the_cluster_is_served(target, papers, connect, role):
    assert connect(target, papers.credentials(role)).status().cluster_id == "local"


def test_the_certificate_of_an_etcd_member_opens_no_storage_node(target, papers, connect):
    node = connect(target, papers.credentials(Role.ETCD))
    for call in (node.status, lambda: b"".join(node.read_blob(Want(digests.of(b"x")), 0, None))):
        with pytest.raises(PeerRefusedError, match="etcd one of cluster west may not call"):
            call()


def test_an_operator_reads_and_brings_no_bytes(target, papers, connect):
    digest = connect(target, papers.credentials(Role.GATEWAY)).put_blob(digests.of(b"served"), b"served").digest
    node = connect(target, papers.credentials(Role.OPS))
    assert b"".join(node.read_blob(Want(digest), 0, None)) == b"served"
    for bring in (
        lambda: node.put_blob(digests.of(b"brought"), b"brought"),
        lambda: node.start_upload("a/b", "", None),
        lambda: node.append(UploadKey("x", "a/b"), 0, [b"brought"]),
    ):
        with pytest.raises(PeerRefusedError, match="ops one of cluster west may not call"):
            bring()


def test_only_operators_learn_whose_uploads_there_are(target, papers, connect):
    assert list(connect(target, papers.credentials(Role.OPS)).list_uploads()) == []
    for role in set(Role) - {Role.OPS}:
        with pytest.raises(PeerRefusedError, match="may not call ListUploads; that is for the roles ops"):
            connect(target, papers.credentials(role)).list_uploads()


@pytest.mark.parametrize(
    "bearer",
    [
        Bearer(CLUSTER, "auditor", "one", f"holdfast://{CLUSTER}/auditor/one"),
        Bearer(CLUSTER, "node", "one", "https://store.example"),
        Bearer(CLUSTER, "node", "one", f"holdfast://{CLUSTER}/node"),
    ],
    ids=["a role that nobody has", "no process of ours", "a process without a name"],
)
def test_a_certificate_of_the_authority_that_names_no_process_is_refused(target, papers, connect, bearer):
    node = connect(target, ReadBySomebodyElse(papers.issue(bearer=bearer)))
    for call in (node.status, lambda: list(node.list_blobs(0, 4095))):
        with pytest.raises(PeerRefusedError, match="names no process of a cluster"):
            call()


def test_a_process_of_another_cluster_is_refused_though_the_authority_is_the_same(target, papers, connect):
    node = connect(target, papers.credentials(cluster="east"))
    with pytest.raises(PeerRefusedError, match="gateway one of cluster east has no business in cluster west"):
        node.status()


def test_a_refusal_is_permission_denied_with_our_error_in_it(target, papers):
    with open_channel(target, papers.credentials(cluster="east")) as channel:
        call = channel.unary_unary(m.GET_NODE_STATUS.path)
        with pytest.raises(grpc.RpcError) as refused:
            call(wire.NodeStatusRequest().SerializeToString(), timeout=10)
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert isinstance(failures.from_rpc_error(refused.value), PeerRefusedError)


@pytest.fixture
def serving_target(target, papers, connect) -> Iterator[str]:
    """A node that closes doors on strangers and, as is seen afterwards, on nobody else."""
    yield target
    assert connect(target, papers.credentials(name="afterwards")).status()


def test_nobody_is_served_without_a_certificate(serving_target, papers):
    trusting = grpc.ssl_channel_credentials(papers.issue().authority.read_bytes())
    with grpc.secure_channel(serving_target, trusting) as channel, pytest.raises(grpc.RpcError) as refused:
        channel.unary_unary(m.GET_NODE_STATUS.path)(b"", timeout=10)
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


def test_nobody_is_served_in_plaintext(serving_target, connect):
    with pytest.raises(NodeUnreachableError):
        connect(serving_target, None).status()


def test_a_certificate_of_another_authority_is_refused(serving_target, papers, strangers, connect):
    ours, theirs = papers.issue(), strangers.issue()
    mixed = Credentials(TlsFiles(ours.authority, theirs.certificate, theirs.key))
    with pytest.raises(NodeUnreachableError):
        connect(serving_target, mixed).status()


def test_a_certificate_that_has_ended_is_refused(serving_target, papers, connect):
    with pytest.raises(NodeUnreachableError):
        connect(serving_target, papers.credentials(ended=True)).status()


@pytest.mark.parametrize("why", ["other authority", "ended", "other host", "no server"])
def test_a_client_refuses_a_node_that_it_cannot_trust(data, papers, strangers, connect, why):
    tls = {
        "other authority": lambda: strangers.issue(Role.NODE, [HERE]),
        "ended": lambda: papers.issue(Role.NODE, [HERE], ended=True),
        # Its common name is no host's either: clients would take that where no DNS name is given.
        "other host": lambda: papers.issue(Role.NODE, ["127.0.0.3", "store.example"]),
        "no server": lambda: papers.issue(Role.OPS),
    }[why]()
    # Were the client to go on, the node would take it: it trusts our authority in every case.
    tls = TlsFiles(papers.issue().authority, tls.certificate, tls.key)
    options = NodeOptions(data, f"{HERE}:0", reserve_bytes=0, tls=tls)
    with (
        listening(options) as target,
        pytest.raises(NodeUnreachableError, match="not trusted, has ended or names other"),
    ):
        connect(target, papers.credentials()).status()


def test_a_node_on_every_address_is_reached_by_those_in_its_certificate(data, papers, connect):
    tls = papers.issue(Role.NODE, ["127.0.0.2"])
    with listening(NodeOptions(data, "0.0.0.0:0", reserve_bytes=0, tls=tls)) as address:
        port = address.rpartition(":")[2]
        assert connect(f"127.0.0.2:{port}", papers.credentials()).status()
        with pytest.raises(NodeUnreachableError, match="not trusted"):
            connect(f"127.0.0.3:{port}", papers.credentials()).status()


def test_a_unix_socket_stays_plaintext(tmp_path, data, papers, connect):
    options = NodeOptions(data, f"unix:{tmp_path}/s", reserve_bytes=0, tls=papers.issue(Role.NODE))
    with listening(options) as target:
        assert connect(target, papers.credentials()).status()
        assert connect(target, None).status()


@pytest.mark.parametrize(
    "address", ["10.0.0.1:5100", "0.0.0.0:5100", "[::]:5100", "store.example:5100", "localhost:1", "x"]
)
def test_plaintext_beyond_this_machine_is_refused_before_a_connection_is_made(tmp_path, papers, address):
    for refused in (
        lambda: GrpcNode(address, host_id=""),
        lambda: open_channel(address),
        lambda: NodeOptions(tmp_path, address),
    ):
        with pytest.raises(ConfigError, match="holdfast certs"):
            refused()
    GrpcNode(address, host_id="", insecure=True)
    GrpcNode(address, host_id="", credentials=papers.credentials())
    NodeOptions(tmp_path, address, insecure=True)
    NodeOptions(tmp_path, address, tls=papers.issue())
    open_channel(address, insecure=True).close()


@pytest.mark.parametrize("address", [f"{HERE}:1", "127.9.9.9:1", "[::1]:1", "unix:/s", "unix:s"])
def test_plaintext_on_this_machine_is_allowed(tmp_path, address):
    NodeOptions(tmp_path, address)
    open_channel(address).close()


def test_a_node_shows_its_renewed_certificate_without_a_restart(data, papers, connect):
    tls = papers.issue(Role.NODE, ["127.0.0.3"])
    with listening(NodeOptions(data, f"{HERE}:0", reserve_bytes=0, tls=tls)) as target:
        with pytest.raises(NodeUnreachableError, match="not trusted"):
            connect(target, papers.credentials()).status()
        papers.issue(Role.NODE, [HERE])
        assert connect(target, papers.credentials()).status()


def test_a_node_trusts_a_renewed_authority_without_a_restart(data, papers, strangers, connect):
    tls = papers.issue(Role.NODE, [HERE])
    theirs = strangers.issue()
    both = tls.authority.read_bytes() + theirs.authority.read_bytes()
    with listening(NodeOptions(data, f"{HERE}:0", reserve_bytes=0, tls=tls)) as target:
        tls.authority.write_bytes(both)
        assert connect(target, Credentials(TlsFiles(tls.authority, theirs.certificate, theirs.key))).status()


@pytest.mark.parametrize("step", ["the key alone", "rubbish", "nothing"])
def test_a_renewal_that_is_not_whole_leaves_the_former_certificate(data, papers, connect, step):
    tls = papers.issue(Role.NODE, [HERE])
    with listening(NodeOptions(data, f"{HERE}:0", reserve_bytes=0, tls=tls)) as target:
        other = papers.issue(Role.NODE, ["127.0.0.3"], name="other")
        if step == "the key alone":
            other.key.replace(tls.key)
        elif step == "rubbish":
            tls.certificate.write_bytes(b"-----BEGIN CERTIFICATE-----\n")
        else:
            tls.certificate.unlink()
        assert connect(target, papers.credentials()).status()
        other.certificate.replace(tls.certificate)
        if step == "the key alone":
            with pytest.raises(NodeUnreachableError, match="not trusted"):
                connect(target, papers.credentials()).status()
        else:
            assert connect(target, papers.credentials()).status()


def test_a_client_uses_its_renewed_certificate_without_a_restart(target, papers, connect):
    node = connect(target, papers.credentials(cluster="east"))
    with pytest.raises(PeerRefusedError):
        node.status()
    papers.issue()
    assert node.status()


def test_what_is_under_way_when_a_client_renews_goes_on_and_its_channel_is_closed_after(target, papers, connect):
    content = os.urandom(64 * MIB)
    node = connect(target, papers.credentials())
    key = UploadKey(node.start_upload("a/b", "", None).upload_id, "a/b")
    node.append(key, 0, [content])
    digest = node.finish_upload(key, digests.of(content)).digest
    stream = node.read_blob(Want(digest), 0, None)
    came = bytearray(next(stream))
    former = node._link
    papers.issue()
    assert node.status()
    assert node._link is not former
    assert not former.is_closed
    for message in stream:
        came += message
    assert came == content
    ended = former._end
    del former, stream
    gc.collect()
    assert not ended.alive


def test_closing_a_client_ends_what_is_under_way_on_a_former_certificate(target, papers, connect):
    node = connect(target, papers.credentials())
    key = UploadKey(node.start_upload("a/b", "", None).upload_id, "a/b")
    node.append(key, 0, [b"more will come"])
    stream = node.follow_upload(key.upload_id, 0)
    next(stream)
    papers.issue()
    assert node.status()
    node.close()
    with pytest.raises(NodeUnreachableError):
        next(stream)


def test_files_that_were_only_touched_cost_no_connection(target, papers, connect):
    tls = papers.issue()
    node = connect(target, Credentials(tls))
    node.status()
    link = node._link
    os.utime(tls.certificate, (1, 1))
    node.status()
    assert node._link is link


@pytest.mark.parametrize("broken", ["authority", "certificate", "key"])
@pytest.mark.parametrize("how", ["missing", "rubbish"])
def test_a_file_of_no_use_is_refused_by_its_name(papers, broken, how):
    tls = papers.issue()
    path = getattr(tls, broken)
    if how == "missing":
        path.unlink()
    else:
        path.write_bytes(b"rubbish")
    with pytest.raises(ConfigError, match=path.name):
        Credentials(tls)


def test_a_configuration_names_the_files(papers):
    tls = papers.issue()
    etcd = {"endpoints": "http://127.0.0.1:2379"}
    files = {"caFile": str(tls.authority), "certFile": str(tls.certificate), "keyFile": str(tls.key)}
    storage = {"rootDirectory": "/data"}
    assert configured_files(parse({"storage": storage, "cluster": {"etcd": etcd, **files}}).cluster) == tls
    assert configured_files(parse({"storage": storage, "cluster": {"etcd": etcd}}).cluster) is None
    assert configured_files(None) is None


def test_a_key_of_another_certificate_is_refused(papers):
    one, other = papers.issue(), papers.issue(name="other")
    with pytest.raises(ConfigError, match="does not belong"):
        Credentials(TlsFiles(one.authority, one.certificate, other.key))


def test_a_node_without_a_process_in_its_certificate_does_not_start(data, papers):
    tls = papers.issue(bearer=Bearer(CLUSTER, "node", "one", "https://store.example"))
    with pytest.raises(ConfigError, match="names no process"):
        NodeServer(NodeOptions(data, f"{HERE}:0", tls=tls))


def test_no_key_is_shown(papers, caplog):
    tls = papers.issue()
    credentials = Credentials(tls)
    with caplog.at_level("INFO"):
        papers.issue()
        assert credentials.version == 1
    assert "certificate renewed" in caplog.text
    assert "PRIVATE" not in repr(credentials._material) + caplog.text


class ReadBySomebodyElse:
    """Credentials of a program that does not look whom its certificate names."""

    version = 0

    def __init__(self, tls: TlsFiles) -> None:
        self._tls = tls

    def for_channel(self) -> grpc.ChannelCredentials:
        authority, certificate, key = (
            path.read_bytes() for path in (self._tls.authority, self._tls.certificate, self._tls.key)
        )
        return grpc.ssl_channel_credentials(authority, key, certificate)
