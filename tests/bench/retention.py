"""How long retention takes over one large repository, and how much memory: ``python -m tests.bench.retention [TAGS]``.

SQLite on the disk below TMPDIR. Every tag has an image of its own of ten layers, most of them shared; half of the tags go.
"""

from __future__ import annotations

import resource
import secrets
import sys
import tempfile
import time
from pathlib import Path

from holdfast import digest as digests
from holdfast.clock import ManualClock, SystemClock
from holdfast.config.storage import Storage
from holdfast.manifest import OCI_MANIFEST, Reference
from holdfast.meta.pulls import PullsSince
from holdfast.meta.repos import NewManifest, Repositories
from holdfast.meta.retiring import Retiring
from holdfast.meta.sqlite import SqliteStore
from holdfast.meta.standing import Standing
from holdfast.names import repository, tag
from holdfast.retention.planner import plan
from holdfast.retention.policies import Policies
from storagenode.collecting.deletions import Deletions
from storagenode.collecting.marks import Marks
from storagenode.collecting.retaining import Retaining, Scope
from storagenode.collecting.steadiness import Now

REPO = repository("large/app")
KEPT = {"repositories": ["**"], "keepTags": [{"patterns": ["[02468]$"]}, {"mostRecentlyPushedCount": 10}]}


def fill(store: SqliteStore, tags: int) -> None:
    repos = Repositories(store, new_id, SystemClock())
    layers = [digests.of(b"layer %d" % number) for number in range(1000)]
    for layer in layers:
        repos.add_link(REPO, layer, 1000, repos.fence(layer))
    for number in range(tags):
        references = tuple(Reference(layers[(number + n) % len(layers)], 1000) for n in range(10))
        new = NewManifest(digests.of(b"%d" % number), OCI_MANIFEST, 1000, references)
        repos.put_manifest(REPO, new, [tag(f"build-{number}")], repos.fence(new.digest), repos.removals(REPO))


def new_id() -> bytes:
    return secrets.token_bytes(16)


def timed(what: str, begun: float, count: int) -> None:
    seconds = time.perf_counter() - begun
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{what:<40} {seconds:8.2f} s   {count / seconds:10.0f} a second   at most {most} MiB", flush=True)


def main() -> None:
    tags = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    policies = Policies.of(Storage.model_validate({"retention": {"delay": "0s", "policies": [KEPT]}}))
    with tempfile.TemporaryDirectory() as directory:
        store = SqliteStore(Path(directory) / "holdfast.db", SystemClock())
        begun = time.perf_counter()
        fill(store, tags)
        timed(f"push {tags} images", begun, tags)
        begun = time.perf_counter()
        facts = Standing(store).of(REPO)
        timed("read them", begun, tags)
        begun = time.perf_counter()
        assert facts is not None
        going = plan(facts, policies.terms(REPO), SystemClock().wall()).going
        timed("decide", begun, tags)
        clock = ManualClock()
        standing, retiring, since = Standing(store), Retiring(store, new_id), PullsSince(store)
        retaining = Retaining(standing, retiring, since, Scope(policies), Deletions(None, clock), Marks(clock))
        for what in ("a pass that takes tags", "a pass that takes manifests", "a pass that takes nothing"):
            begun = time.perf_counter()
            found = retaining.cycle(Now(SystemClock().wall()), lambda: True)
            timed(what, begun, max(1, found.tags + found.manifests))
        print(f"{len(going)} steps were decided")
        store.close()


if __name__ == "__main__":
    main()
