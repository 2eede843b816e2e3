"""Whoever is stopped at the worst moment, and goes on when the world has changed, does no harm (ARCHITECTURE 3b).

Four real storage nodes with two copies of everything, both of which must be durable; gateways ``paused`` and ``other``.
The collector is played here, step by step: listing, sweep, deletes under the stamps as listed.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from holdfast import digest as digests
from holdfast import names
from holdfast.clock import SystemClock
from holdfast.meta.members import Intent
from holdfast.meta.repos import Repositories
from holdfast.placement.layout import Rules
from holdfast.rpc.client import GrpcNode
from holdfast.rpc.node import Want
from tests.cluster.pausing import Pause
from tests.cluster.processes import running
from tests.conformance.content import DataSet
from tests.conformance.oci import OCI_MANIFEST
from tests.serving import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    from holdfast.digest import Digest
    from holdfast.rpc.node import ListedBlob
    from tests.cluster.processes import Cluster, NodeProcess, Process

MIB = 1 << 20
OCTETS = {"Content-Type": "application/octet-stream"}
TWO = Rules(2, 2)
NAMES = ("a", "b", "c", "d")
SETTLE_SECONDS = 120.0

pytestmark = pytest.mark.timeout(300)


class World:
    """The cluster, and what tests do to it."""

    def __init__(self, cluster: Cluster, pauses: dict[str, Pause]) -> None:
        self.cluster = cluster
        self.pauses = pauses
        self.paused: Process = cluster.gateways["paused"]
        self.other: Process = cluster.gateways["other"]
        self.repos = Repositories(cluster.store, lambda: os.urandom(16), SystemClock())
        self.pool = ThreadPoolExecutor(8)

    @property
    def pause(self) -> Pause:
        """Of the gateway."""
        return self.pauses["paused"]

    @contextlib.contextmanager
    def client(self, node: str) -> Iterator[GrpcNode]:
        made = GrpcNode(self.cluster.nodes[node].host, host_id="")
        try:
            yield made
        finally:
            made.close()

    def begin(self, method: str, path: str, body: bytes | None = None, kind: str = "") -> Future:
        """A request to the gateway that will be stopped."""
        headers = {"Content-Type": kind} if kind else OCTETS
        return self.pool.submit(self.paused.request, method, path, body, headers)

    def start_upload(self, gateway: Process, repo: str, data: bytes) -> str:
        """An upload with all its bytes in it; its path."""
        _, headers, _ = gateway.request("POST", f"/v2/{repo}/blobs/uploads/")
        place = headers["location"]
        assert gateway.request("PATCH", place, data, OCTETS)[0] == 202
        return place

    def push(self, repo: str, data: bytes, gateway: Process | None = None) -> Digest:
        """As a client does that tries again."""
        digest = digests.of(data)
        path = f"/v2/{repo}/blobs/uploads/?digest={digest}"
        wait_for("the push", lambda: (gateway or self.other).request("POST", path, data, OCTETS)[0] == 201)
        return digest

    def listing(self, digest: Digest) -> dict[str, ListedBlob]:
        """What the collector is told, node by node."""
        found = {}
        for name in self.cluster.nodes:
            with self.client(name) as node:
                for blob in node.list_blobs(digest.partition, digest.partition):
                    if blob.digest == digest:
                        found[name] = blob
        return found

    def collect(self, digest: Digest, listed: dict[str, ListedBlob]) -> set[str]:
        """Sweep, then delete what was listed; where a copy went."""
        assert self.repos.begin_sweep([digest]) == [digest], "something links it"
        gone = set()
        for name, blob in listed.items():
            with self.client(name) as node:
                if node.delete_blob(digest, blob.stamp):
                    gone.add(name)
        return gone

    def is_linked(self, repo: str, digest: Digest) -> bool:
        return self.repos.link(names.repository(repo), digest) is not None

    def require_stored(self, repo: str, data: bytes) -> None:
        """Linked, on two disks at least, and pulled through the gateway that was not stopped."""
        digest = digests.of(data)
        assert self.is_linked(repo, digest)
        assert len(self.cluster.holders(digest)) >= 2
        status, _, body = self.other.request("GET", f"/v2/{repo}/blobs/{digest}")
        assert (status, body) == (200, data)

    def apply(self, *chosen: str) -> None:
        self.cluster.apply(names=chosen, rules=TWO)

    def settle(self) -> None:
        """One layout is live, nothing is marked, and no disk holds what is not its own."""
        wait_for("the older layouts to be retired", self._is_alone, SETTLE_SECONDS)
        wait_for("repair to be done", lambda: not self.cluster.book.dirty(), SETTLE_SECONDS)

    def _is_alone(self) -> bool:
        layouts = self.cluster.book.live().layouts
        return layouts is not None and len(layouts.live) == 1

    def rest(self, digest: Digest) -> tuple[str, ...]:
        """The nodes that own no copy."""
        owners = self.cluster.owners(digest)
        return tuple(name for name in NAMES if name not in owners)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("paused")
    pauses = {name: Pause(directory / f"pause-{name}") for name in (*NAMES, "paused")}
    with running(directory) as cluster:
        cluster.begin(*(cluster.node(name, environment=pauses[name].environment) for name in NAMES))
        cluster.apply(rules=TWO)
        cluster.begin(cluster.gateway("paused", pauses["paused"].environment), cluster.gateway("other"))
        world = World(cluster, pauses)
        yield world
        world.pool.shutdown(cancel_futures=True)


@pytest.fixture
def repo() -> str:
    return f"library/r{secrets.token_hex(4)}"


@pytest.fixture
def all_four(world: World) -> Iterator[None]:
    """The layout of all four nodes again, afterwards."""
    yield
    world.apply(*NAMES)
    world.settle()


# -- a gateway between fence and link, while a sweep runs


@pytest.mark.parametrize("point", ["gateway.fence.after", "gateway.link.before"])
def test_a_blob_pushed_in_one_request_is_there_although_a_sweep_came_in_between(world, repo, point):
    data = os.urandom(1000)
    digest = world.push(repo, data)  # a copy that nothing links any more, so that there is something to sweep
    assert world.other.request("DELETE", f"/v2/{repo}/blobs/{digest}")[0] == 202
    world.pause.arm(point, digest.encoded)
    push = world.begin("POST", f"/v2/{repo}/blobs/uploads/?digest={digest}", data)
    world.pause.wait()
    listed = world.listing(digest)
    assert world.collect(digest, listed) == set(listed) == world.cluster.owners(digest)
    world.pause.go_on()
    assert push.result(60)[0] == 201
    world.require_stored(repo, data)


def test_an_upload_whose_copies_were_all_swept_is_not_acknowledged_and_comes_through_when_pushed_again(world, repo):
    data = os.urandom(2 * MIB)
    digest = digests.of(data)
    place = world.start_upload(world.paused, repo, data)
    world.pause.arm("gateway.link.before", digest.encoded)
    push = world.begin("PUT", f"{place}?digest={digest}")
    world.pause.wait()
    listed = world.listing(digest)
    assert world.collect(digest, listed) == set(listed)
    world.pause.go_on()
    assert push.result(60)[0] == 503
    assert not world.is_linked(repo, digest)
    world.push(repo, data)
    world.require_stored(repo, data)


def test_an_upload_of_which_a_sweep_left_one_copy_is_acknowledged_only_with_enough_again(world, repo):
    data = os.urandom(2 * MIB)
    digest = digests.of(data)
    place = world.start_upload(world.paused, repo, data)
    world.pause.arm("gateway.link.before", digest.encoded)
    push = world.begin("PUT", f"{place}?digest={digest}")
    world.pause.wait()
    # As when the collector listed one node before the last copy was made there, and the others after.
    listed = world.listing(digest)
    listed.pop(max(listed))
    assert world.collect(digest, listed) == set(listed)
    world.pause.go_on()
    status, _, body = push.result(60)
    # The upload's node makes the others again if the one that is left is its own; else the client pushes again.
    assert status in {201, 503}, body
    assert world.is_linked(repo, digest) == (status == 201)
    if status == 503:
        world.push(repo, data)
    world.require_stored(repo, data)


def test_a_collector_that_listed_before_the_push_deletes_nothing_of_it(world, repo):
    data = os.urandom(1000)
    digest = world.push(repo, data)
    assert world.other.request("DELETE", f"/v2/{repo}/blobs/{digest}")[0] == 202
    listed = world.listing(digest)
    world.pause.arm("gateway.link.before", digest.encoded)
    push = world.begin("POST", f"/v2/{repo}/blobs/uploads/?digest={digest}", data)
    world.pause.wait()  # both nodes have just said "have it" to this gateway
    assert world.collect(digest, listed) == set()
    world.pause.go_on()
    assert push.result(60)[0] == 201
    world.require_stored(repo, data)


def test_a_blob_that_was_unlinked_and_swept_meanwhile_is_not_mounted(world, repo):
    data, target = os.urandom(1000), f"{repo}/target"
    digest = world.push(repo, data)
    world.pause.arm("gateway.mount.before", digest.encoded)
    mount = world.begin("POST", f"/v2/{target}/blobs/uploads/?mount={digest}&from={repo}")
    world.pause.wait()
    assert world.other.request("DELETE", f"/v2/{repo}/blobs/{digest}")[0] == 202
    assert world.collect(digest, world.listing(digest))
    world.pause.go_on()
    assert mount.result(60)[0] == 202, "an upload is offered instead"
    assert not world.is_linked(target, digest)


def pushed_image(world: World, repo: str) -> tuple[bytes, list[Digest]]:
    """The manifest of an image whose blobs are there, and those."""
    made = DataSet()
    digest = made.add_image()["digest"]
    blobs = [world.push(repo, data) for data in made.blobs.values()]
    return made.manifests[digest], blobs


def test_a_manifest_whose_layer_was_unlinked_and_swept_meanwhile_does_not_become_visible(world, repo):
    manifest, blobs = pushed_image(world, repo)
    digest, layer = digests.of(manifest), blobs[-1]
    world.pause.arm("gateway.manifest.before", digest.encoded)
    push = world.begin("PUT", f"/v2/{repo}/manifests/v1", manifest, OCI_MANIFEST)
    world.pause.wait()
    assert world.other.request("DELETE", f"/v2/{repo}/blobs/{layer}")[0] == 202
    assert world.collect(layer, world.listing(layer))
    world.pause.go_on()
    assert push.result(60)[0] == 400
    for reference in ("v1", digest):
        assert world.other.request("GET", f"/v2/{repo}/manifests/{reference}")[0] == 404


def test_a_manifest_whose_own_bytes_were_swept_meanwhile_is_stored_again(world, repo):
    manifest, _ = pushed_image(world, repo)
    digest = digests.of(manifest)
    world.pause.arm("gateway.manifest.before", digest.encoded)
    push = world.begin("PUT", f"/v2/{repo}/manifests/v1", manifest, OCI_MANIFEST)
    world.pause.wait()
    assert world.collect(digest, world.listing(digest)) == world.cluster.owners(digest)
    world.pause.go_on()
    assert push.result(60)[0] == 201
    assert world.other.request("GET", f"/v2/{repo}/manifests/v1")[2] == manifest
    assert world.cluster.holders(digest) == world.cluster.owners(digest)


# -- a gateway, or the node that spreads copies, while the layout changes


def require_at_home(world: World, repo: str, data: bytes) -> None:
    """With everything settled, the copies lie with the owners of the newest layout and nowhere else."""
    digest = digests.of(data)
    world.settle()
    wait_for(
        "every copy to be at home",
        lambda: world.cluster.holders(digest) == world.cluster.owners(digest),
        SETTLE_SECONDS,
    )
    world.require_stored(repo, data)


@pytest.mark.usefixtures("all_four")
def test_copies_made_by_a_layout_that_was_retired_meanwhile_are_linked_and_brought_home(world, repo):
    data = os.urandom(2 * MIB)
    digest = digests.of(data)
    place = world.start_upload(world.paused, repo, data)
    world.pause.arm("gateway.link.before", digest.encoded)
    push = world.begin("PUT", f"{place}?digest={digest}")
    world.pause.wait()
    before = world.cluster.owners(digest)
    world.apply(*world.rest(digest))
    assert not world.cluster.owners(digest) & before
    world.settle()
    world.pause.go_on()
    assert push.result(60)[0] == 201
    require_at_home(world, repo, data)


@pytest.mark.usefixtures("all_four")
def test_copies_sent_to_former_owners_by_a_gateway_that_knew_no_better_are_brought_home(world, repo):
    data = os.urandom(1000)
    digest = digests.of(data)
    world.pause.arm("gateway.spread.before")
    push = world.begin("POST", f"/v2/{repo}/blobs/uploads/?digest={digest}", data)
    world.pause.wait()
    world.apply(*world.rest(digest))
    world.settle()
    world.pause.go_on()
    assert push.result(60)[0] == 201
    require_at_home(world, repo, data)


# -- an old writer of an upload


def stream(host: str, path: str, size_bytes: int) -> http.client.HTTPConnection:
    """A PATCH whose head is sent."""
    connection = http.client.HTTPConnection(host, timeout=60)
    connection.putrequest("PATCH", path)
    connection.putheader("Content-Type", "application/octet-stream")
    connection.putheader("Content-Length", str(size_bytes))
    connection.endheaders()
    return connection


def test_an_old_writer_that_goes_on_changes_nothing_of_what_a_newer_one_wrote(world, repo):
    half = 8 * MIB
    data = os.urandom(2 * half)
    digest = digests.of(data)
    _, headers, _ = world.other.request("POST", f"/v2/{repo}/blobs/uploads/")
    place = headers["location"]
    old = stream(world.paused.host, place, 2 * half)

    def reached() -> int:
        return int(world.other.request("GET", place)[1]["range"].partition("-")[2]) + 1

    with contextlib.closing(old):
        old.send(data[:half])
        wait_for("some of it to arrive", lambda: reached() > 1)
        world.paused.pause()
        at = reached()
        rest = {**OCTETS, "Content-Range": f"{at}-{2 * half - 1}"}
        assert world.other.request("PATCH", place, data[at:], rest)[0] == 202
        world.paused.resume()
        with contextlib.suppress(OSError, http.client.HTTPException):
            old.send(os.urandom(half))  # what it writes now would be other bytes
            assert old.getresponse().status == 416
    assert world.other.request("PUT", f"{place}?digest={digest}")[0] == 201
    world.require_stored(repo, data)


# -- a node without its lease


@pytest.mark.usefixtures("all_four")
def test_a_node_that_spreads_copies_after_its_lease_and_its_layout_are_gone_loses_nothing(world, repo):
    data = os.urandom(2 * MIB)
    digest = digests.of(data)
    place = world.start_upload(world.other, repo, data)
    node_id = place.rpartition("/")[2].partition("-")[0]
    name = next(name for name in NAMES if world.cluster.nodes[name].node_id == node_id)
    node: NodeProcess = world.cluster.nodes[name]
    pause = world.pauses[name]
    pause.arm("node.spread.before")
    push = world.pool.submit(world.other.request, "PUT", f"{place}?digest={digest}")
    pause.wait()
    wait_for("its lease to end", lambda: node_id not in world.cluster.members.alive(), 60)
    others = tuple(other for other in NAMES if other != name)
    world.apply(*others)
    again = world.push(repo, data, world.paused)  # the client has given up and tries elsewhere
    assert again == digest
    pause.go_on()
    assert push.result(120)[0] in (201, 503)
    wait_for("it to be alive again", lambda: node_id in world.cluster.members.alive(), 60)
    require_at_home(world, repo, data)
    assert not node.holds(digest)


# -- a repairer between the owners' word and its own drop


def move_away(world: World, digest: Digest, mode: str) -> str:
    """A layout without one owner, which is stopped when it is about to let go of its copy; who that is."""
    name = min(world.cluster.owners(digest))
    world.pauses[name].arm("node.discard.before", digest.encoded, mode)
    world.apply(*(other for other in NAMES if other != name))
    world.pauses[name].wait(SETTLE_SECONDS)
    return name


@pytest.mark.usefixtures("all_four")
def test_a_copy_that_somebody_was_told_of_meanwhile_is_not_dropped(world, repo):
    data = os.urandom(1000)
    digest = world.push(repo, data)
    name = move_away(world, digest, "hold")
    with world.client(name) as node:
        assert node.stat_blobs([Want(digest, len(data))])[0] is not None
    world.pauses[name].go_on()
    assert world.pauses[name].result() == "False"
    require_at_home(world, repo, data)


@pytest.mark.usefixtures("all_four")
def test_a_copy_is_not_lost_when_its_node_owns_it_again_before_it_lets_go(world, repo):
    data = os.urandom(1000)
    digest = world.push(repo, data)
    name = move_away(world, digest, "stop")
    keepers = world.cluster.owners(digest)
    # Now the stopped node is to have it, and one of those that confirmed their copy is not.
    world.apply(name, min(keepers))
    world.pauses[name].go_on()
    require_at_home(world, repo, data)


@pytest.mark.usefixtures("all_four")
def test_an_operator_can_remove_a_stopped_node_and_its_return_changes_nothing(world, repo):
    data = os.urandom(1000)
    digest = world.push(repo, data)
    name = min(world.cluster.owners(digest))
    node = world.cluster.nodes[name]
    node.pause()
    wait_for("its lease to end", lambda: node.node_id not in world.cluster.members.alive(), 60)
    world.cluster.members.order(node.node_id, intent=Intent.REMOVED)
    try:
        world.apply(*(other for other in NAMES if other != name))
        world.settle()
        node.resume()
        wait_for("it to be alive again", lambda: node.node_id in world.cluster.members.alive(), 60)
        world.require_stored(repo, data)
        assert len(world.cluster.holders(digest) - {name}) == 2
    finally:
        node.resume()
        world.cluster.members.order(node.node_id, intent=Intent.PRESENT)
