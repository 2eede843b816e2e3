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
    from collections.abc import Callable, Collection, Iterator

    from gateway.following import Following
    from holdfast.clock import Clock
    from holdfast.digest import Digest
    from holdfast.meta.repos import Repositories
    from holdfast.mirrors.policy import Policy
    from holdfast.names import Repository, Tag
    from holdfast.rpc.node import Want
    from holdfast.rpc.sync import Listed, Resolved, SyncClient

_log: Final = logging.getLogger("holdfast.gateway")

_LIMIT: Final = 20_000
# For the check of a tag that could be served as it is.
_STORED_SECONDS: Final = 5.0
# For what a push names and an upstream has. Clients and proxies give an answer about a minute.
_COMPLETE_SECONDS: Final = 45.0
# How many digests an error names; a manifest may have thousands.
_NAMED: Final = 20


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
        # Until when an answer about a tag, or about what refers to a digest, holds; and its warning.
        self._known: OrderedDict[tuple[Repository, Tag | Digest], tuple[float, str]] = OrderedDict()
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
        if not anew and self._is_fresh(repository, tag):
            return True
        has = self._has(repository, tag)
        try:
            found = self._workers.resolve(repository, tag, _STORED_SECONDS if has else PATIENCE_SECONDS)
        except UnavailableError as error:
            if not has:
                raise
            self._log_unasked(repository, tag, error)
            return False
        self._remember(repository, tag, found)
        return False

    def refresh_referrers(self, repository: Repository, subject: Digest) -> None:
        """See to it that what refers to a manifest is here as the upstream has it.

        Raises:
            UpstreamError, UnavailableError: nothing is known of it here, so that an empty list would be a claim.
        """
        if not self.is_mirrored(repository) or self._is_fresh(repository, subject):
            return
        try:
            self._remember(repository, subject, self._workers.fetch_referrers(repository, subject))
        except UnavailableError as error:
            if not self._repos.manifests(repository, [subject]) and not self._repos.referrers(repository, subject):
                raise
            self._log_unasked(repository, subject, error)

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

    def complete(self, repository: Repository, digests: Collection[Digest]) -> None:
        """Have the blobs that a push names, that are not here, and that were said to be there because a manifest here names them.

        A client that was told so has not sent them. All others are the client's to send.

        Raises:
            UnavailableError: they are still coming; what has come stays. UpstreamError: they cannot be had.
        """
        if not self.is_mirrored(repository):
            return
        named = [digest for digest in digests if self._is_promised(repository, digest)]
        coming = self._following.until_whole(repository, named, _COMPLETE_SECONDS)
        if coming:
            raise UnavailableError(
                f"{len(coming)} of the blobs that the manifest names are still being fetched from upstream; push it again",
                [{"digest": str(digest)} for digest in coming[:_NAMED]],
            )

    def _is_promised(self, repository: Repository, digest: Digest) -> bool:
        """Whether it is a blob that was said to be there. Manifests are not: what is said of them is said when they are stored."""
        reference = self._repos.reference(repository, digest)
        return reference is not None and not reference.is_manifest

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

    def _is_fresh(self, repository: Repository, reference: Tag | Digest) -> bool:
        """Whether the worker's last answer still holds; what it warned of is noted again then."""
        with self._lock:
            until, warning = self._known.get((repository, reference), (0.0, ""))
        if self._clock.monotonic() >= until:
            return False
        self._note(warning)
        return True

    def _remember(self, repository: Repository, reference: Tag | Digest, found: Resolved | Listed) -> None:
        key = (repository, reference)
        with self._lock:
            self._known[key] = (self._clock.monotonic() + found.fresh_seconds, found.warning)
            self._known.move_to_end(key)
            if len(self._known) > _LIMIT:
                self._known.popitem(last=False)
        self._note(found.warning)

    def _log_unasked(self, repository: Repository, reference: Tag | Digest, error: UnavailableError) -> None:
        self._note('111 holdfast "upstream not asked: no sync worker answers"')
        _log.warning(
            "served a tag that could not be checked",
            extra={"repository": repository, "tag": str(reference), "reason": error.message},
        )
