"""N and N+1 run together while clients push and pull; what N could not read is written only after the minimum version was raised.

N is this program; N+1 is the same with another version and a newer form of tag records (``newer/sitecustomize.py``).
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.meta.store import pages, prefix_end
from holdfast.ops.children import EXIT_CONFIG
from tests.cluster.processes import cli, running
from tests.conformance.content import DataSet
from tests.conformance.oci import OCI_MANIFEST
from tests.serving import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.processes import Cluster, Process

NEWER = {
    "PYTHONPATH": os.pathsep.join(
        filter(None, [str(Path(__file__).parent / "newer"), os.environ.get("PYTHONPATH", "")])
    )
}
REPOSITORY = "library/rolling"
TRIES = 60


@dataclass
class Client:
    """Pushes and pulls without a pause, through one gateway after the other; a 5xx and a broken connection are tried again.

    ``refusals`` holds every answer that no retry would cure.
    """

    cluster: Cluster
    manifests: dict[str, bytes] = field(default_factory=dict)
    refusals: list[str] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def ask(self, method: str, path: str, body: bytes | None = None, kind: str = "application/octet-stream"):
        headers = {"Content-Type": kind} if body is not None else {}
        for number in range(TRIES):
            gateways = list(self.cluster.gateways.values())
            with contextlib.suppress(OSError, http.client.HTTPException):
                status, told, data = gateways[number % len(gateways)].request(method, path, body, headers)
                if status < 500:
                    if status >= 400:
                        self.refusals.append(f"{method} {path}: {status} {data[:300]!r}")
                    return status, told, data
            if self.stopping.wait(0.1):
                break
        self.refusals.append(f"{method} {path}: no answer")
        return 0, {}, b""

    def push(self, tag: str) -> None:
        made = DataSet()
        digest = made.add_image()["digest"]
        for blob, data in made.blobs.items():
            self.ask("POST", f"/v2/{REPOSITORY}/blobs/uploads/?digest={blob}", data)
        if self.ask("PUT", f"/v2/{REPOSITORY}/manifests/{tag}", made.manifests[digest], OCI_MANIFEST)[0] == 201:
            self.manifests[tag] = made.manifests[digest]

    def pull(self, tag: str) -> None:
        _, _, data = self.ask("GET", f"/v2/{REPOSITORY}/manifests/{tag}")
        if data != self.manifests[tag]:
            self.refusals.append(f"{tag}: other bytes than were pushed")

    def run(self) -> None:
        for number in itertools.count():
            if self.stopping.is_set():
                return
            self.push(f"v{number}")
            if self.manifests:
                self.pull(next(reversed(self.manifests)))

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        thread = threading.Thread(target=self.run)
        thread.start()
        try:
            yield
        finally:
            self.stopping.set()
            thread.join()
            self.stopping.clear()

    def goes_on(self) -> None:
        """Something new has been pushed since now."""
        before = len(self.manifests)
        wait_for("another push", lambda: len(self.manifests) > before or self.refusals)


def forms_of_tags(cluster: Cluster) -> set[int]:
    start = f"tag/{REPOSITORY}//".encode()
    return {entry.value[0] for entry in pages(cluster.store, start, prefix_end(start))}


def upgrade(cluster: Cluster, process: Process) -> None:
    assert process.stop() == 0
    process.environment |= NEWER
    cluster.begin(process)


def raise_version(process: Process, *words: str):
    return cli("metadata", "raise-version", "--config", str(process.config), *words, environment=NEWER)


def test_a_cluster_is_upgraded_process_by_process_while_clients_push_and_pull(tmp_path: Path) -> None:
    with running(tmp_path, ("a", "b", "c"), ("g", "h")) as cluster:
        client = Client(cluster)
        first, second = cluster.gateways.values()
        with client.at_work():
            upgrade(cluster, first)  # a new gateway over old nodes
            client.goes_on()
            refused = raise_version(first)
            assert refused.returncode == 1
            assert refused.stderr.count("(0.1.0)") >= 4, refused.stderr  # three nodes, and the workers of one gateway
            for node in cluster.nodes.values():
                upgrade(cluster, node)  # the old gateway over a mixture, then over new nodes
                client.goes_on()
            assert raise_version(first, "--dry-run").returncode == 1
            upgrade(cluster, second)
            client.goes_on()
            assert forms_of_tags(cluster) == {1}
            done = raise_version(first)
            assert done.returncode == 0, done.stderr
            wait_for("the newer form", lambda: client.goes_on() or 2 in forms_of_tags(cluster))
        assert client.refusals == []
        for tag in client.manifests:
            client.pull(tag)
        assert client.refusals == []
        print(f"{len(client.manifests)} images pushed during the roll")

        for process in (cluster.nodes["a"], second):
            process.stop()
            process.environment.pop("PYTHONPATH")
            process.begin()
            assert process.process.wait(60) == EXIT_CONFIG
            assert "minimum version is 0.2.0" in process.told()
        lowered = cli("metadata", "raise-version", "0.1.0", "--config", str(first.config))
        assert lowered.returncode == 1
        assert "never goes down" in lowered.stderr


def test_a_version_that_the_command_does_not_know_is_refused(tmp_path: Path) -> None:
    with running(tmp_path, ("a",)) as cluster:
        refused = cli("metadata", "raise-version", "9.0.0", "--config", str(cluster.nodes["a"].config))
        assert refused.returncode == 1
        assert "cannot know" in refused.stderr
