"""What a registry holds, in memory, and jobs that copy it elsewhere: a worker's insides without its process.

here = Here()
digest = here.image("team/app", "v1", b"layer")
here.job(target.url, prefix="team/**").copy(REPOSITORY, TAG, here.progress)
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from holdfast import digest as digests
from holdfast import manifest as manifests
from holdfast import names
from holdfast.clock import SystemClock
from holdfast.config.sync import Sync
from holdfast.meta.fetches import Fetches
from holdfast.meta.repos import NewManifest, Repositories
from holdfast.mirrors import ways
from holdfast.mirrors.freshness import Rules
from holdfast.mirrors.routes import Routes
from holdfast.replicas.directory import OneNode
from holdfast.replicas.fanout import FanOut
from holdfast.replicas.read import ReplicaReader
from holdfast.replicas.write import ReplicaWriter
from holdfast.rpc.node import UploadKey
from syncworker.fetching import Fetching
from syncworker.flight import Runner, Tools
from syncworker.linking import Linking
from syncworker.manifests import Manifests
from syncworker.pushing import assembly
from syncworker.pushing.holdings import Holdings
from syncworker.refused import Refused
from syncworker.signatures import Signatures
from syncworker.sources import Sources
from syncworker.upstream import assembly as upstreams
from syncworker.upstream.assembly import Surroundings
from syncworker.upstream.pace import Patience
from tests.fakes.memory_node import MemoryNode
from tests.fakes.memory_store import MemoryStore
from tests.sync.client import Pauses
from tests.sync.peers import image

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Self

    from holdfast.digest import Digest
    from syncworker.pushing.job import PushJob
    from syncworker.upstream.credentials import CredentialSource


@dataclass
class Watcher:
    """A progress that may be told to refuse, or to do something once, when bytes have moved."""

    size_bytes: int = 0
    refusal: Exception | None = None
    after_bytes: int = 0
    meanwhile: Callable[[], object] | None = None

    def moved(self, size_bytes: int) -> None:
        self.size_bytes += size_bytes
        if size_bytes and self.meanwhile is not None:
            now, self.meanwhile = self.meanwhile, None
            now()
        if self.refusal is not None and self.size_bytes > self.after_bytes:
            raise self.refusal


@dataclass
class Here:
    """``mirrored``: entries of ``extensions.sync`` that fill it from upstreams."""

    mirrored: Sequence[dict[str, Any]] = ()
    pauses: Pauses = field(default_factory=Pauses)
    progress: Watcher = field(default_factory=Watcher)
    jobs: list[PushJob] = field(default_factory=list)

    def __enter__(self) -> Self:
        clock = SystemClock()
        self.store, self.node = MemoryStore(clock), MemoryNode()
        self._pool = ThreadPoolExecutor(4)
        self.repos = Repositories(self.store, lambda: os.urandom(16), clock)
        nodes = OneNode(self.node)
        reader = ReplicaReader(nodes, clock)
        writer = ReplicaWriter(nodes, FanOut(nodes, self._pool, clock), lambda *_: None, reader.remember)
        sync = Sync.model_validate({"registries": list(self.mirrored)})
        self._around = Surroundings(self.pauses.time, (), Patience(silence_seconds=20.0))
        filling = {number: upstreams.upstream(entry, self._around) for number, entry in enumerate(sync.registries)}
        self.sources = Sources(
            Routes.of(sync), filling, {number: Rules.of(entry) for number, entry in enumerate(sync.registries)}
        )
        linking = Linking(self.repos, reader, writer, lambda _repository, _size: None)
        self.manifests = Manifests(
            self.repos, reader, writer, self.sources, Signatures(self.repos, clock), Refused(clock)
        )
        fetches = Fetches(self.store, lambda: os.urandom(16), "local")
        tools = Tools(fetches, self.repos, writer, linking, self.sources, self.pauses.pause, clock)
        fetching = Fetching(self.repos, linking, self.sources, Runner(tools), clock)
        self.holdings = Holdings(self.repos, reader, self.manifests, fetching, self._wait)
        return self

    def __exit__(self, *_: object) -> None:
        for job in self.jobs:
            job.close()
        self.sources.close()
        self._pool.shutdown()

    def _wait(self, seconds: float) -> None:
        # What is waited for here is another thread, not the time that is noted in ``pauses``.
        threading.Event().wait(min(seconds, 0.01))

    def job(self, url: str, logins: Sequence[CredentialSource] = (), **content: Any) -> PushJob:
        """One that copies to ``url``. ``entry`` of the content is merged into the registry entry."""
        more = content.pop("entry", {})
        content.setdefault("prefix", "**")
        entry = {"urls": [url], "direction": "push", "content": [content], "maxRetries": 2, "retryDelay": "1s", **more}
        sync = Sync.model_validate({"registries": [entry]})
        around = Surroundings(self.pauses.time, logins, Patience(silence_seconds=20.0))
        made = assembly.job(sync.registries[0], ways.pushed(sync), self.holdings, around)
        self.jobs.append(made)
        return made

    def blob(self, repository: str, data: bytes) -> Digest:
        name, digest = names.repository(repository), digests.of(data)
        fence = self.repos.fence(digest)
        key = UploadKey(self.node.start_upload(repository, "", None).upload_id, repository)
        self.node.append(key, 0, [data])
        self.node.finish_upload(key, digest)
        self.repos.add_link(name, digest, len(data), fence)
        return digest

    def manifest(self, repository: str, data: bytes, *tags: str) -> Digest:
        name = names.repository(repository)
        digest, parsed = self.blob(repository, data), manifests.parse(data, None)
        new = NewManifest(
            digest, parsed.media_type, len(data), parsed.references, parsed.subject, parsed.artifact_type or ""
        )
        self.repos.put_manifest(
            name, new, [names.tag(tag) for tag in tags], self.repos.fence(digest), self.repos.removals(name)
        )
        return digest

    def image(self, repository: str, tag: str, *layers: bytes, **members: Any) -> Digest:
        for blob in (*layers, b"{}"):
            self.blob(repository, blob)
        return self.manifest(repository, image(*layers, **members), *([tag] if tag else []))
