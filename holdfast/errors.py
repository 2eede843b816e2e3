"""Every error of the project, in one tree.

    HoldfastError
    ├── InputError                  the caller's mistake: asking again the same way fails again
    │   ├── NameInvalidError        a repository name against the grammar
    │   ├── TagInvalidError         a tag against the grammar
    │   ├── DigestInvalidError      a digest against the grammar, an algorithm we cannot compute, or other bytes
    │   ├── ManifestInvalidError    not a manifest we accept
    │   ├── ReferencesMissingError  a manifest names content that the repository does not hold
    │   ├── SizeInvalidError        lengths that contradict each other
    │   ├── TooLargeError           more bytes than we take
    │   ├── TooManyTagsError        more ?tag= than we take
    │   ├── RangeInvalidError       no byte of what was asked for exists
    │   ├── PageInvalidError        ?n= is no number
    │   ├── LayoutInvalidError      rules, roles or a layout that contradict themselves or each other
    │   ├── RequestInvalidError     malformed in some other way
    │   ├── PushRefusedError        the repository mirrors another registry and takes no pushes
    │   └── UnsupportedError        understood and refused
    ├── AccessError                 who asks may not, or is not who it says
    │   ├── LoginNeededError        nobody in particular asks for what only somebody may do, or a token is too narrow
    │   ├── LoginRefusedError       a password or token that does not count
    │   └── DeniedError             the rules do not allow it to who asks
    ├── QuotaError                  a limit that the operator has set is reached: the same again fails until something is deleted
    │   ├── TooManyRepositoriesError  storage.maxRepos
    │   └── NamespaceFullError      storage.quotas
    ├── MissingError                not there, or not visible to the caller: both look the same
    │   ├── RepositoryUnknownError
    │   ├── ManifestUnknownError
    │   ├── BlobUnknownError
    │   ├── UploadUnknownError
    │   └── NodeUnknownError        no storage node of that name
    ├── ConflictError               the state has moved on: look again, then decide
    │   ├── OffsetError             bytes offered at another place than the upload stands at
    │   ├── StaleWriterError        a newer writer has taken the upload over
    │   ├── SweepMovedError         a sweep ran in between: stat the copies again
    │   ├── LayoutMovedError        the layout changed in between: mark the copies for repair, then link
    │   ├── RemovalsMovedError      links were removed in between: check the references again
    │   ├── TagMovedError           somebody else has set the tag in between: look at it again
    │   ├── TagTakenError           a tag names something else, and may not be moved
    │   ├── TagsShareError          several tags name what would be deleted
    │   ├── NodeTakenError          another process is alive under this storage node's id
    │   └── StillReferencedError    deleting this would leave something dangling
    ├── UnavailableError            not now: the same request may succeed later
    │   ├── StorageFullError        below the free-space reserve, or the disk said so
    │   ├── ReadOnlyError           the node stopped taking writes after a failed fsync
    │   ├── OverloadedError         a bounded pool is full
    │   │   ├── TooManyLoginsError  an address has sent too many wrong passwords
    │   │   ├── TooManyRequestsError  faster than the configured rate
    │   │   └── TooManyConnectionsError  more than the configured number
    │   ├── NodeUnreachableError    no answer from a storage node
    │   │   └── NodeSilentError     none in time: it may be slow
    │   ├── PeerRefusedError        a storage node does not serve a process with this certificate
    │   ├── WorkerUnreachableError  no answer from a sync worker
    │   ├── DirectoryUnavailableError  the directory of users (LDAP) cannot be asked
    │   ├── SessionsUnavailableError  the store of sessions (redis) cannot be asked
    │   ├── IssuerUnreachableError  no answer, or none of use, from a service that vouches for users
    │   ├── MetadataUnavailableError
    │   │   ├── MetadataFullError    the metadata store is near its quota or at it; deletions go on
    │   │   └── RolledBackError     it is in an older state than this process has seen
    │   ├── OutcomeUnknownError     a transaction may or may not have happened
    │   └── CompactedError          a watch asked for revisions that are gone
    ├── UpstreamError               a registry that is mirrored did not give what was asked for
    │   ├── UpstreamMissingError    it has none (404)
    │   ├── UpstreamDeniedError     it gives none to us (401, 403)
    │   ├── UpstreamUnavailableError  it does not answer, or says it cannot now (5xx)
    │   │   └── UpstreamThrottledError  it wants us to come back later (429)
    │   └── UpstreamWrongError      its answer is not what was asked for: other bytes, malformed, or a leap that is not taken
    ├── CorruptError                stored bytes are not what their name says
    ├── AnswerError                 another registry did not answer, or not as the protocol says
    └── ConfigError                 the configuration is refused; carries every fault

This module imports nothing of ours. Messages are written for the person who reads them: what is wrong, and what to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing import Self

_NO_SESSIONS: Final = "sessions cannot be looked up now; try again in a moment, or log in with a password or token"
_NO_DIRECTORY: Final = "the directory of users cannot be asked now; try again in a moment"


class HoldfastError(Exception):
    """Root of the tree. ``str()`` is a sentence for people, ``detail`` is for programs.

    ``detail`` ends in the ``detail`` member of an OCI error body, so it holds JSON values only and never a secret.
    """

    def __init__(self, message: str, detail: object = None) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail


class InputError(HoldfastError):
    """The caller's mistake."""


class NameInvalidError(InputError):
    """A repository name against the grammar of distribution-spec, "Pulling manifests"."""


class TagInvalidError(InputError):
    """A tag against the grammar."""


class DigestInvalidError(InputError):
    """A digest against the grammar, of an algorithm that cannot be computed here, or of other bytes than were sent."""


class ManifestInvalidError(InputError):
    """Not a manifest that is accepted. Clients may retry in another format, so it is used for nothing else."""


class ReferencesMissingError(InputError):
    """A manifest references content that the repository does not hold. ``detail`` lists the digests."""


class SizeInvalidError(InputError):
    """Lengths that contradict each other, or a body that ended early."""


class TooLargeError(InputError):
    """More bytes than are taken."""


class TooManyTagsError(InputError):
    """More ``tag`` parameters than are taken."""


class RangeInvalidError(InputError):
    """No byte of the range exists. ``size_bytes`` is the length of what was asked of."""

    def __init__(self, message: str, size_bytes: int) -> None:
        super().__init__(message, {"size": size_bytes})
        self.size_bytes = size_bytes


class PageInvalidError(InputError):
    """``n`` is no number, or negative."""


class LayoutInvalidError(InputError):
    """Rules, roles or a layout that contradict themselves or each other: an operator's mistake, refused before it is used."""


class RequestInvalidError(InputError):
    """Malformed in a way that has no class of its own."""


class PushRefusedError(InputError):
    """The repository is filled from another registry, and by nobody else."""


class UnsupportedError(InputError):
    """Understood and refused."""


class AccessError(HoldfastError):
    """Who asks may not, or is not who it says. ``scope``: what a token would have to be for; "" if none would help."""

    def __init__(self, message: str, detail: object = None, *, scope: str = "") -> None:
        super().__init__(message, detail)
        self.scope = scope


class LoginNeededError(AccessError):
    """Nobody in particular asks, or somebody with a token that is too narrow."""


class LoginRefusedError(AccessError):
    """A password or a token that does not count."""


class DeniedError(AccessError):
    """The rules do not allow it to who asks."""


class QuotaError(HoldfastError):
    """A limit that the operator has set is reached. Asking again fails until something is deleted, or the limit raised."""


class TooManyRepositoriesError(QuotaError):
    """One repository more than the store may hold."""


class NamespaceFullError(QuotaError):
    """More bytes than the repositories of a namespace may hold."""


class MissingError(HoldfastError):
    """Not there, or not visible to the caller; the two look the same."""


class RepositoryUnknownError(MissingError):
    """No such repository."""


class ManifestUnknownError(MissingError):
    """No such manifest or tag in the repository."""


class BlobUnknownError(MissingError):
    """The repository does not link such a blob, or no copy of it is left."""


class UploadUnknownError(MissingError):
    """No such upload in this repository for this caller."""


class NodeUnknownError(MissingError):
    """No storage node of that name is a member."""


class ConflictError(HoldfastError):
    """The state has moved on since the caller looked."""


class OffsetError(ConflictError):
    """Bytes were offered at another offset than the upload stands at; the upload is unchanged."""

    def __init__(self, message: str, offset_bytes: int) -> None:
        super().__init__(message, {"offset": offset_bytes})
        self.offset_bytes = offset_bytes


class StaleWriterError(ConflictError):
    """A newer writer has taken the upload over."""


class SweepMovedError(ConflictError):
    """``sweep/<partition>`` changed between the fence and the commit."""


class LayoutMovedError(ConflictError):
    """``layout/current`` is not what copies were placed by, or what a change of it was planned on."""


class TagTakenError(ConflictError):
    """A tag names something else, and may not be moved."""


class TagsShareError(ConflictError):
    """Several tags name what would be deleted."""


class NodeTakenError(ConflictError):
    """Another process is alive under the id of this storage node. ``detail`` is the same until it is heard of again."""


class RemovalsMovedError(ConflictError):
    """``removals/<repository>`` changed between the reference check and the commit."""


class TagMovedError(ConflictError):
    """``tag/<repository>//<tag>`` is not what it was when the caller decided to move it."""


class StillReferencedError(ConflictError):
    """Something in the repository still references this. ``detail`` names it."""


class UnavailableError(HoldfastError):
    """Not now. ``retry_after_seconds`` is a hint for the caller."""

    retry_after_seconds = 1


class StorageFullError(UnavailableError):
    """Below the free-space reserve, or the file system is full."""

    retry_after_seconds = 30


class ReadOnlyError(UnavailableError):
    """The node takes no more writes since an fsync failed (an fsync that failed is never retried)."""

    retry_after_seconds = 30


class OverloadedError(UnavailableError):
    """A bounded pool is full: try another copy, or later."""


class TooManyLoginsError(OverloadedError):
    """An address has sent too many wrong passwords."""

    retry_after_seconds = 60


class TooManyRequestsError(OverloadedError):
    """Requests come faster than is allowed; ``retry_after_seconds`` is when one would be taken."""

    @classmethod
    def until(cls, retry_after_seconds: int) -> Self:
        made = cls(f"too many requests; the next one is taken in {retry_after_seconds} s")
        made.retry_after_seconds = retry_after_seconds
        return made


class TooManyConnectionsError(OverloadedError):
    """There is no place for another connection."""


class NodeUnreachableError(UnavailableError):
    """A storage node did not answer."""


class PeerRefusedError(UnavailableError):
    """A storage node does not take this call from a process with this certificate. An operator can cure that, no client."""

    retry_after_seconds = 30


class WorkerUnreachableError(UnavailableError):
    """No sync worker answered, so no upstream could be asked. What is stored may be served instead."""

    retry_after_seconds = 5


class DirectoryUnavailableError(UnavailableError):
    """The directory of users cannot be asked. ``reason`` is the operator's; whoever logs in is told that it is so, not why."""

    retry_after_seconds = 5

    def __init__(self, message: str = _NO_DIRECTORY, detail: object = None, *, reason: str = "") -> None:
        super().__init__(message, detail)
        self.reason = reason


class SessionsUnavailableError(UnavailableError):
    """The store of sessions did not answer: whether a cookie counts is not known. Nobody without one is concerned."""

    retry_after_seconds = 5

    def __init__(self, message: str = _NO_SESSIONS, detail: object = None, *, reason: str = "") -> None:
        super().__init__(message, detail)
        self.reason = reason


class NodeSilentError(NodeUnreachableError):
    """A storage node said nothing for longer than the caller would wait. With more patience it might."""


class IssuerUnreachableError(UnavailableError):
    """No answer, or none of use, from a service that vouches for users: who asks cannot be told from who does not."""

    retry_after_seconds = 5


class MetadataUnavailableError(UnavailableError):
    """The metadata store did not answer; nothing was changed."""


class RolledBackError(MetadataUnavailableError):
    """The metadata is in an older state than this process has seen. Nothing may be deleted for its word."""


class MetadataFullError(MetadataUnavailableError):
    """The metadata store has no room for what is new; nothing was changed. Deletions go on."""

    retry_after_seconds = 30


class OutcomeUnknownError(UnavailableError):
    """The metadata store did not say whether a transaction happened. Nothing may be undone on this ground."""


class CompactedError(UnavailableError):
    """A watch asked for a revision that is gone: read the range again, then watch from there."""


class UpstreamError(HoldfastError):
    """A registry that is mirrored did not give what was asked for. ``detail`` names its host, and never holds what it said."""


class UpstreamMissingError(UpstreamError):
    """It has none. Its answer for this one name; nothing is said about others."""


class UpstreamDeniedError(UpstreamError):
    """It gives none to us. Many registries answer so for what they do not have, too."""


class UpstreamUnavailableError(UpstreamError):
    """It does not answer, or says that it cannot now. What is stored may be served instead."""

    @property
    def retry_after_seconds(self) -> int:
        """When to come back; 1 if it did not say."""
        value = self.detail.get("retryAfter") if isinstance(self.detail, dict) else None
        return value if isinstance(value, int) else 1


class UpstreamThrottledError(UpstreamUnavailableError):
    """It is there, and wants fewer requests of us. To ask again before ``retry_after_seconds`` makes it worse."""


class UpstreamWrongError(UpstreamError):
    """Its answer is not what was asked for: other bytes, another size, malformed, or a leap to where we do not go.

    Asking again is no cure. Nothing of such an answer may be stored.
    """


class CorruptError(HoldfastError):
    """Stored bytes are not what their name says. The copy has been quarantined where that was possible."""


class AnswerError(HoldfastError):
    """A registry that we asked as a client did not answer, or not as the protocol says.

    ``reason`` is a few words without names or numbers of the one request, so that failures can be counted by it.
    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class ConfigError(HoldfastError):
    """A configuration is refused. ``detail`` holds every fault found."""
