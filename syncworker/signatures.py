"""Whether an image may come here from an upstream that mirrors only what is signed.

    what is asked for                                   why it may come
    an image that has a signature upstream              it is signed
    a manifest that one which is stored here names      it belongs to it: signatures are made of indexes as a whole
    a manifest whose subject is stored here             it belongs to it: a signature, an attestation
    a tag of cosign's or of the referrers tag schema    it is what signatures are found by

Promises: with ``onlySigned`` nothing else is stored, asked for by tag or by digest. What is stored stays, and is served.

Never: checks a signature; whoever pulls does, with keys that are not ours to choose (as zot's ``onlySigned``).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from holdfast.errors import UpstreamMissingError
from holdfast.mirrors.selection import Referrer, is_signed, signature_tag
from holdfast.replicas.remembered import Remembered

if TYPE_CHECKING:
    from holdfast.clock import Clock
    from holdfast.digest import Digest
    from holdfast.manifest import Manifest
    from holdfast.meta.repos import Repositories
    from holdfast.names import Repository
    from syncworker.sources import Source
    from syncworker.upstream.values import Fetched

_log: Final = logging.getLogger("holdfast.sync")

# A signature that is withdrawn stops what has not come yet, soon enough; what is here is here.
_SIGNED_SECONDS: Final = 60.0
_SIGNED_LIMIT: Final = 10_000


class UnsignedError(UpstreamMissingError):
    """It is there, and does not come. To clients that is the same."""


class Signatures:
    """Shared by threads."""

    def __init__(self, repos: Repositories, clock: Clock) -> None:
        self._repos = repos
        self._signed: Remembered[tuple[int, Repository, Digest], bool] = Remembered(
            clock, _SIGNED_SECONDS, _SIGNED_LIMIT
        )

    def admit(self, source: Source, repository: Repository, fetched: Fetched) -> Fetched:
        """What was fetched, if it may come.

        Raises:
            UnsignedError: it is not signed. UpstreamError: the upstream cannot tell.
        """
        if not source.way.only_signed or self._belongs(repository, fetched.digest, fetched.manifest):
            return fetched
        self.require(source, repository, fetched.digest)
        return fetched

    def require(self, source: Source, repository: Repository, digest: Digest) -> None:
        """Raises as ``admit``, for an image of which the digest alone is known."""
        if not source.way.only_signed or self.is_signed(source, digest):
            return
        _log.warning(
            "an image is not signed, and only signed ones are mirrored",
            extra={"repository": repository, "digest": str(digest), "upstream": source.upstream.name},
        )
        raise UnsignedError(
            "the image has no signature upstream, and onlySigned mirrors none without",
            {"digest": str(digest), "reason": "onlySigned"},
        )

    def is_signed(self, source: Source, digest: Digest) -> bool:
        """Whether the upstream has a signature of it: cosign's tag, or a referrer that signs.

        Raises:
            UpstreamError: it cannot tell.
        """
        key = (source.way.registry, source.name, digest)
        if self._signed.get(key):
            return True
        signed = self._has_tag(source, digest) or self._has_referrer(source, digest)
        if signed:
            self._signed.put(key, value=True)
        return signed

    def _belongs(self, repository: Repository, digest: Digest, manifest: Manifest) -> bool:
        if self._repos.reference(repository, digest) is not None:
            return True
        return manifest.subject is not None and bool(self._repos.manifests(repository, [manifest.subject]))

    @staticmethod
    def _has_tag(source: Source, digest: Digest) -> bool:
        tag = signature_tag(digest) if source.way.cosign_tags else None
        return tag is not None and source.upstream.head(source.name, tag) is not None

    @staticmethod
    def _has_referrer(source: Source, digest: Digest) -> bool:
        found = source.upstream.referrers(source.name, digest)
        return is_signed(digest, (), (Referrer(one.artifact_type, one.annotations) for one in found))
