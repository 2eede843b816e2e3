"""What other registries have, as if it were here: which repositories are mirrored, and asking the sync workers for them.

Promises
    * A repository without an upstream costs one look into a table, and no upstream ever hears of it.
    * A digest is no capability (ARCHITECTURE, promise 5): what is promised of a blob that is not here comes from a manifest of the
      same repository, or from that repository's own upstream.
    * What is stored is served also when no worker answers, with a warning; what is not is a 503 then, never a 404.
    * A worker is asked about a tag only when its last answer is older than that answer said it would hold.

Never here: HTTP, and requests to other registries (the sync workers make them).
"""

from __future__ import annotations

import functools
import logging
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from holdfast.errors import MissingError, PushRefusedError, UnavailableError, UpstreamMissingError
from holdfast.rpc.sync import PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gateway.following import Following
    from holdfast.clock import Clock
    from holdfast.digest import Digest
    from holdfast.meta.repos import Repositories
    from holdfast.mirrors.policy import Policy
    from holdfast.names import Repository, Tag
    from holdfast.rpc.node import Want
    from holdfast.rpc.sync import SyncClient

_log: Final = logging.getLogger("holdfast.gateway")

_LIMIT: Final = 20_000
# For the check of a tag that could be served as it is.
_STORED_SECONDS: Final = 5.0


class Mirroring:
    """Shared by threads. ``warn`` is told the value of a Warning header for the answer that this thread makes."""

    def __init__(
        self,
        policy: Policy,
        repos: Repositories,
        workers: SyncClient,
        following: Following,
        clock: Clock,
        warn: Callable[[str], None],
    ) -> None:
        self._policy = policy
        self._repos = repos
        self._workers = workers
        self._following = following
        self._clock = clock
        self._warn = warn
        self._lock = threading.Lock()
        # Until when an answer about a tag holds, and its warning.
        self._known: OrderedDict[tuple[Repository, Tag], tuple[float, str]] = OrderedDict()
        routes = policy.routes
        self.is_mirrored: Callable[[Repository], bool] = functools.lru_cache(_LIMIT)(
            lambda name: bool(routes.asked(name))
        )
        self._docker_name: Callable[[Repository], Repository | None] = functools.lru_cache(_LIMIT)(routes.docker_name)
        self._push_refusal: Callable[[Repository], str | None] = functools.lru_cache(_LIMIT)(policy.push_refusal)

    def meant(self, repository: Repository, ns: str | None) -> Repository:
        """The repository that a pull means, which may say an upstream's host beside its name there."""
        if ns:
            return self._policy.routes.named_by(ns, repository) or repository
        other = self._docker_name(repository)
        return repository if other is None or self._repos.exists(repository) else other

    def require_pushable(self, repository: Repository) -> None:
        """Raises PushRefusedError: it is filled from an upstream, and by nobody else."""
        refusal = self._push_refusal(repository)
        if refusal is not None:
            raise PushRefusedError(refusal, {"name": repository})

    def refresh(self, repository: Repository, tag: Tag, *, anew: bool = False) -> bool:
        """See to it that a tag is as fresh as it can be. True: an earlier answer was relied on; ``anew`` does not.

        Raises:
            UpstreamMissingError: there is none, here or upstream. UpstreamError, UnavailableError: nothing is stored.
        """
        if not self.is_mirrored(repository):
            return False
        key = (repository, tag)
        if not anew:
            with self._lock:
                until, warning = self._known.get(key, (0.0, ""))
            if self._clock.monotonic() < until:
                self._note(warning)
                return True
        has = self._has(repository, tag)
        try:
            found = self._workers.resolve(repository, tag, _STORED_SECONDS if has else PATIENCE_SECONDS)
        except UnavailableError as error:
            if not has:
                raise
            self._note('111 holdfast "upstream not asked: no sync worker answers"')
            self._log_unasked(repository, tag, error)
            return False
        with self._lock:
            self._known[key] = (self._clock.monotonic() + found.fresh_seconds, found.warning)
            self._known.move_to_end(key)
            if len(self._known) > _LIMIT:
                self._known.popitem(last=False)
        self._note(found.warning)
        return False

    def bring_manifest(self, repository: Repository, digest: Digest) -> bool:
        """Have a manifest that is not here; False: no upstream is asked for this repository.

        Raises:
            UpstreamError, UnavailableError: it cannot be had.
        """
        if not self.is_mirrored(repository):
            return False
        self._workers.fetch_manifest(repository, digest)
        return True

    def expected_bytes(self, repository: Repository, digest: Digest) -> int | None:
        """The size of a blob that is not here, but will be when somebody reads it; None: nothing is known of one."""
        if not self.is_mirrored(repository):
            return None
        reference = self._repos.reference(repository, digest)
        return reference.size_bytes if reference is not None else None

    def asked_bytes(self, repository: Repository, digest: Digest) -> int | None:
        """The size of a blob that nothing here names, but the repository's own upstream has: it is on its way when this returns.

        None: no upstream is asked for this repository, none has the blob, or none says how long it is.

        Raises:
            UpstreamError, UnavailableError: it cannot be had.
        """
        if not self.is_mirrored(repository):
            return None
        try:
            underway = self._workers.fetch_blob(repository, digest)
        except UpstreamMissingError:
            return None
        if underway is not None:
            return underway.size_bytes or None
        link = self._repos.link(repository, digest)
        return link.size_bytes if link is not None else None

    def read(
        self, repository: Repository, want: Want, offset_bytes: int, length_bytes: int
    ) -> Iterator[bytes | memoryview]:
        """A blob that is not here, as its bytes come; raises as ``Following.read``."""
        return self._following.read(repository, want, offset_bytes, length_bytes)

    def _has(self, repository: Repository, tag: Tag) -> bool:
        try:
            self._repos.manifest_by_tag(repository, tag)
        except MissingError:
            return False
        return True

    def _note(self, warning: str) -> None:
        if warning:
            self._warn(warning)

    @staticmethod
    def _log_unasked(repository: Repository, tag: Tag, error: UnavailableError) -> None:
        _log.warning(
            "served a tag that could not be checked",
            extra={"repository": repository, "tag": tag, "reason": error.message},
        )
