"""What can happen to a cluster, each as a function that breaks something under traffic and mends it again.

A fault gets a :class:`Trial`. Clients push and pull before it, while it lasts, and after it; whoever calls it compares everything.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast import digest as digests
from holdfast.errors import CorruptError, MissingError
from holdfast.rpc.client import GrpcNode
from holdfast.rpc.node import Want
from tests.crash.ledger import Content
from tests.probe.cluster import START_SECONDS
from tests.probe.hosts import Bridge, run
from tests.serving import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.probe.cluster import Cluster, Gateway, Node
    from tests.probe.traffic import Traffic

_DAY_SECONDS = 24 * 3600
_LARGE_BYTES = 1 << 20
# Memory is taken as it is used.
DISK_BYTES = 4 << 30


@dataclass
class Trial:
    """A cluster of machines under traffic. ``measure``: operations in each phase of a fault."""

    cluster: Cluster
    traffic: Traffic
    measure: int = 40
    is_broken: bool = False

    @property
    def network(self) -> Bridge:
        assert isinstance(self.cluster.network, Bridge)
        return self.cluster.network

    def go_on(self) -> None:
        self.traffic.until(self.measure)

    def node(self, name: str) -> Node:
        return self.cluster.nodes[name]

    def other_words(self, node: Node, words: Sequence[str]) -> None:
        """Kill it and begin it with another command line."""
        node.kill()
        node.words = words
        self.cluster.again(node.name)

    def repair(self) -> None:
        """While traffic goes on: every node compares, and what is missing is copied."""
        self.cluster.ask_for_repair()


# -- nodes


def node_killed(trial: Trial) -> None:
    """And missed, first by those that talk to it, then by all, when its lease ends."""
    trial.node("a").kill()
    trial.go_on()
    trial.cluster.wait_until_gone("a")
    trial.go_on()
    trial.cluster.again("a")


def node_paused(trial: Trial) -> None:
    """It goes on in the middle of what it did, its lease long gone."""
    trial.node("b").pause()
    trial.go_on()
    trial.cluster.wait_until_gone("b")
    trial.go_on()
    trial.node("b").resume()
    trial.cluster.wait_until_alive("b")


def nodes_killed_in_the_middle_of_transfers(trial: Trial) -> None:
    """A download goes on with other copies, unbroken. An upload whose node is gone is told so, and goes on once it is back."""
    gateway = trial.cluster.gateways["g1"]
    content = Content.random("read while its owners die", 24 << 20)
    assert _push(gateway, content) == 201
    download = http.client.HTTPConnection(*gateway.address, timeout=60)
    download.request("GET", f"/v2/probe/quorum/blobs/{content.digest}")
    answer, came = download.getresponse(), b""
    for name in sorted(trial.cluster.owners(content.digest)):
        trial.node(name).kill()
        came += answer.read(6 << 20)
        trial.cluster.again(name)
    came += answer.read()
    download.close()
    assert came == content.data
    another = Content.random("written while its node dies", 4 << 20)
    location = gateway.ask("POST", "/v2/probe/quorum/blobs/uploads/")[1]["location"]
    half = len(another.data) // 2
    assert gateway.ask("PATCH", location, another.data[:half], {"Content-Range": f"0-{half - 1}"})[0] == 202
    pinned_to = location.rpartition("/")[2].partition("-")[0]
    node = next(node for node in trial.cluster.nodes.values() if node.node_id == pinned_to)
    node.kill()
    headers = {"Content-Range": f"{half}-{len(another.data) - 1}"}
    status, answered, body = gateway.ask("PATCH", location, another.data[half:], headers)
    assert (status, json.loads(body)["errors"][0]["code"]) == (503, "UNAVAILABLE")
    assert int(answered["retry-after"]) >= 1
    trial.go_on()
    trial.cluster.again(node.name)
    _go_on_with(gateway, location, another)


# -- the network


def node_cut_off(trial: Trial) -> None:
    host = trial.node("c").host
    trial.network.cut(host)
    trial.go_on()
    trial.cluster.wait_until_gone("c")
    trial.go_on()
    trial.network.heal(host)
    trial.cluster.wait_until_alive("c")


def two_nodes_parted(trial: Trial) -> None:
    """From each other only: gateways and etcd hear both."""
    one, other = trial.node("a").host, trial.node("c").host
    trial.network.part(one, other)
    trial.go_on()
    trial.go_on()
    trial.network.join(one, other)


def gateway_parted_from_a_node(trial: Trial) -> None:
    gateway, node = trial.cluster.gateways["g1"].host, trial.node("d").host
    trial.network.part(gateway, node)
    trial.go_on()
    trial.network.join(gateway, node)


def slow_link(trial: Trial) -> None:
    """A tenth of a megabyte a second: a layer takes long, a request does not."""
    host = trial.node("d").host
    trial.network.slow(host, 1000)
    trial.go_on()
    trial.network.quick(host)


# -- disks


def disk_emptied(trial: Trial) -> None:
    """Its identity is left, as on a machine whose blobs are on a disk of their own."""
    node = trial.node("b")
    node.kill()
    shutil.rmtree(node.data / "blobs")
    trial.go_on()
    trial.cluster.again("b")


def disk_replaced(trial: Trial) -> None:
    """Nothing is left: what starts there is another node, and the operator puts it in the former one's place."""
    node = trial.node("a")
    trial.cluster.wait_until_alive("a")
    node.kill()
    trial.cluster.remove("a")
    for entry in node.data.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    trial.go_on()
    trial.cluster.again("a")
    trial.cluster.apply()


def disk_full(trial: Trial) -> None:
    """Node e is on a file system of its own, which is cut down to what is in it."""
    data = trial.node("e").data
    resize(data, os.statvfs(data).f_frsize)
    trial.go_on()
    trial.go_on()
    resize(data, DISK_BYTES)


def disk_read_only(trial: Trial) -> None:
    """The node may not write, although it is root: it gave up what makes root special."""
    node = trial.node("d")
    usual = node.words
    without = ("setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner")
    trial.other_words(node, [*without, *usual])
    places = [path for path in (*(node.data / "blobs").iterdir(), *node.data.iterdir()) if path.is_dir()]
    for place in places:
        place.chmod(0o500)
    trial.go_on()
    for place in places:
        place.chmod(0o700)
    trial.go_on()
    trial.other_words(node, usual)


def files_corrupted(trial: Trial) -> None:
    """A byte in the middle of every large copy on one node. Whoever reads it whole finds out, and repair puts a good one there."""
    damaged = _damage(trial, trial.node("c"), _flip)
    trial.go_on()
    _scrub(trial.node("c"), damaged)
    trial.repair()


def files_truncated(trial: Trial) -> None:
    damaged = _damage(trial, trial.node("d"), lambda path: os.truncate(path, path.stat().st_size // 2))
    trial.go_on()
    _scrub(trial.node("d"), damaged)
    trial.repair()


@contextlib.contextmanager
def _still(trial: Trial) -> Iterator[None]:
    """Clients wait: no file is replaced or given away while it is chosen."""
    trial.traffic.pause()
    trial.cluster.settle()
    yield
    trial.traffic.go()


def _damage(trial: Trial, node: Node, damage: Callable[[Path], None]) -> list[Content]:
    """Every large copy on the node that clients count on."""
    with _still(trial):
        found = [
            client.ledger.contents[digest]
            for client in trial.traffic.clients
            for digest in client.ledger.present(client.ledger.blobs)
            if len(client.ledger.contents[digest].data) > _LARGE_BYTES and node.holds(digest)
        ]
        assert found, "no large blob is on this node"
        for content in found:
            damage(node.path(content.digest))
    return found


def _flip(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))


def _scrub(node: Node, contents: Sequence[Content]) -> None:
    """Read the copies whole, of this node: pulls may have gone to the other owners only."""
    with contextlib.closing(GrpcNode(node.listen, host_id="", node_id=node.node_id, insecure=True)) as client:
        for content in contents:
            with contextlib.suppress(MissingError, CorruptError):
                for _ in client.read_blob(Want(digests.parse(content.digest), len(content.data)), 0, None):
                    pass


def clock_jumps(trial: Trial) -> None:
    """The wall clock of a node and of a gateway goes forth by a day, then back by two, while they run."""
    shift = trial.cluster.directory / "shift"
    _set(shift, 0)
    node, gateway = trial.node("b"), trial.cluster.gateways["g2"]
    usual = {process.name: process.words for process in (node, gateway)}
    program = [sys.executable, str(Path(__file__).with_name("shifted.py")), str(shift)]
    gateway.kill()
    gateway.words = [*program, "gateway", "--config", gateway.words[-1]]
    gateway.begin()
    trial.other_words(node, [*program, "storagenode", "--config", node.words[-1]])
    trial.cluster.wait_until_ready("g2")
    for seconds in (_DAY_SECONDS, -_DAY_SECONDS):
        _set(shift, seconds)
        trial.go_on()
    trial.other_words(node, usual["b"])
    gateway.kill()
    gateway.words = usual["g2"]
    gateway.begin()
    trial.cluster.wait_until_ready("g2")


def _set(shift: Path, seconds: int) -> None:
    """At once: it is read at any moment."""
    new = shift.with_suffix(".new")
    new.write_text(str(seconds), encoding="ascii")
    new.replace(shift)


# -- etcd


def etcd_leader_killed(trial: Trial) -> None:
    leader = trial.cluster.etcd.leader()
    leader.kill()
    trial.go_on()
    leader.begin()
    trial.cluster.etcd.wait_until_healthy()


def etcd_without_quorum(trial: Trial) -> None:
    """What is known is read, and the answer says how old it may be; nothing is written; after it all is as before."""
    known = Content.random("known before the quorum was lost", 5000)
    gateways = list(trial.cluster.gateways.values())
    assert _push(gateways[0], known) == 201
    lost = trial.cluster.etcd.followers()
    with trial.traffic.refusals():
        for member in lost:
            member.kill()
        for gateway in gateways:
            wait_for("an answer that says that it may be old", lambda gateway=gateway: _is_stale(gateway, known))
            assert _push(gateway, Content.random("refused", 5000)) == 503
        warned = trial.traffic.tally.warnings
        wait_for("pulls by the clients", lambda: trial.traffic.tally.warnings > warned + 5)
        for member in lost:
            member.begin()
        trial.cluster.etcd.wait_until_healthy()
        trial.cluster.wait_until_ready()
    trial.cluster.wait_until_alive()
    for gateway in gateways:
        wait_for("an answer that is of now", lambda gateway=gateway: not _is_stale(gateway, known))


def _push(gateway: Gateway, content: Content) -> int:
    return gateway.ask("POST", f"/v2/probe/quorum/blobs/uploads/?digest={content.digest}", content.data)[0]


def _is_stale(gateway: Gateway, content: Content) -> bool:
    status, headers, body = gateway.ask("GET", f"/v2/probe/quorum/blobs/{content.digest}")
    assert (status, body) == (200, content.data), (status, body[:300])
    return headers.get("warning", "").startswith("110 ")


# -- gateways


def gateway_killed_in_the_middle_of_transfers(trial: Trial) -> None:
    """An upload and a download break; both go on through another gateway where they stood."""
    victim, other = trial.cluster.gateways["g1"], trial.cluster.gateways["g2"]
    content = Content.random("in the middle", 24 << 20)
    assert _push(other, content) == 201
    location = other.ask("POST", "/v2/probe/quorum/blobs/uploads/")[1]["location"]
    half = len(content.data) // 2
    another = Content.random("also in the middle", 24 << 20)
    upload, download = (http.client.HTTPConnection(*victim.address, timeout=30) for _ in range(2))
    upload.putrequest("PATCH", location)
    upload.putheader("Content-Length", str(len(another.data)))
    upload.putheader("Content-Range", f"0-{len(another.data) - 1}")
    upload.endheaders(another.data[:half])
    download.request("GET", f"/v2/probe/quorum/blobs/{content.digest}")
    answer = download.getresponse()
    came = answer.read(1 << 20)
    wait_for("bytes of the upload", lambda: _offset(other, location) > 0)
    victim.kill()
    with contextlib.suppress(http.client.IncompleteRead, OSError):
        came += answer.read()
    for connection in (upload, download):
        connection.close()
    trial.go_on()
    assert len(came) < len(content.data), "the gateway was killed too late"
    status, _, rest = other.ask(
        "GET", f"/v2/probe/quorum/blobs/{content.digest}", None, {"Range": f"bytes={len(came)}-"}
    )
    assert (status, came + rest == content.data) == (206, True)
    _go_on_with(other, location, another)
    victim.begin()
    trial.cluster.wait_until_ready(victim.name)


def _offset(gateway: Gateway, location: str) -> int:
    """Where the upload stands; asked again while its node has not answered the gateway yet."""

    def ask() -> str | None:
        status, headers, body = gateway.ask("GET", location)
        assert status in {204, 503}, (status, body)
        return headers["range"] if status == 204 else None

    found: str = wait_for("the state of the upload", ask)
    return int(found.partition("-")[2])


def _go_on_with(gateway: Gateway, location: str, content: Content) -> None:
    first = _offset(gateway, location) + 1
    headers = {"Content-Range": f"{first}-{len(content.data) - 1}"}
    status, _, body = gateway.ask("PATCH", location, content.data[first:], headers)
    assert status == 202, body
    assert gateway.ask("PUT", f"{location}?digest={content.digest}", b"")[0] == 201
    assert gateway.ask("GET", f"/v2/probe/quorum/blobs/{content.digest}")[2] == content.data


# -- several


def two_faults_with_repair_between(trial: Trial) -> None:
    """One disk after the other loses all; with three copies and no repair the second would not matter, the third would."""
    for name in ("a", "b", "c"):
        node = trial.node(name)
        node.kill()
        shutil.rmtree(node.data / "blobs")
        trial.cluster.again(name)
        trial.go_on()
        trial.traffic.pause()
        trial.traffic.settle()
        trial.traffic.go()


def layout_changed(trial: Trial) -> None:
    """A node comes, another is left out and gives away all that it has, and comes back; clients go on."""
    if "f" not in trial.cluster.nodes:
        trial.cluster.add_node("f", "z")
    trial.cluster.wait_until_alive("f")
    everybody = list(trial.cluster.nodes)
    trial.cluster.apply(*everybody)
    trial.go_on()
    trial.cluster.apply(*(name for name in everybody if name != "a"))
    trial.go_on()
    trial.traffic.pause()
    trial.traffic.settle()  # copies move at a fifth of their speed beside clients
    wait_for("node a to give everything away", lambda: not trial.node("a").held(), 2 * START_SECONDS)
    trial.traffic.go()
    trial.cluster.apply(*(name for name in everybody if name != "f"))
    trial.go_on()


def power_cycled(trial: Trial) -> None:
    """Everything at once, etcd too."""
    with trial.traffic.refusals():
        trial.cluster.kill_everything()
        trial.cluster.begin_everything()
        trial.cluster.etcd.wait_until_healthy()
        trial.cluster.wait_until_alive()
        trial.cluster.wait_until_ready()


NETWORK = (node_cut_off, two_nodes_parted, gateway_parted_from_a_node, slow_link)
NODES = (
    node_killed,
    node_paused,
    nodes_killed_in_the_middle_of_transfers,
    clock_jumps,
)
DISKS = (disk_emptied, disk_full, disk_read_only, files_corrupted, files_truncated, disk_replaced)
NAMES = (etcd_leader_killed, etcd_without_quorum)
OTHERS = (gateway_killed_in_the_middle_of_transfers, two_faults_with_repair_between, layout_changed, power_cycled)
EVERY = (*NODES, *NETWORK, *DISKS, *NAMES, *OTHERS)


@contextlib.contextmanager
def disk_of_its_own(path: Path) -> Iterator[Path]:
    """A file system of which ``resize`` changes the size."""
    path.mkdir(parents=True)
    run("mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=0700", "holdfast-probe", str(path))
    try:
        yield path
    finally:
        run("umount", "--lazy", str(path))


def resize(path: Path, size_bytes: int) -> None:
    """To what is used at least."""
    used = os.statvfs(path)
    least = (used.f_blocks - used.f_bfree) * used.f_frsize
    mount = next(one for one in (path, *path.parents) if one.is_mount())
    run("mount", "-o", f"remount,size={max(size_bytes, least)}", str(mount))
