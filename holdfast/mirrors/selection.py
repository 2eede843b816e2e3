"""What of a repository is mirrored: which tags, which platforms, only what is signed; and what belongs to an image.

Promises: zot's meaning of ``regex``, ``excludeRegex`` (found anywhere in the tag) and ``semver``. Tags that belong to a digest
(cosign's, and the referrers tag schema) are no images: they are never selected, and come with the image they belong to.

Never: checks a signature; it only says whether there is one (as zot's ``onlySigned``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from holdfast import digest as digests
from holdfast.errors import DigestInvalidError
from holdfast.names import Tag
from holdfast.patterns.expressions import Expression

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from holdfast.config.sync import SyncTags
    from holdfast.digest import Digest
    from holdfast.patterns.platforms import Platform

# What zot's library takes for a semantic version: a leading v, and a missing minor or patch version, are fine. A library that
# keeps to semver.org would leave v1.2 out.
_PART: Final = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
_SEMVER: Final = re.compile(rf"v?[0-9]+(?:\.[0-9]+){{0,2}}(?:-{_PART})?(?:\+{_PART})?", re.ASCII)

# cosign: signatures, attestations, bills of material. No suffix: distribution-spec, "Referrers Tag Schema".
_SIGNATURE: Final = ".sig"
_SUFFIXES: Final = (_SIGNATURE, ".att", ".sbom")
_LONGEST_TAG: Final = 128
_ATTACHED: Final = re.compile(r"([a-z0-9]+)-([0-9a-f]{64,128})(?:\.(?:sig|att|sbom))?", re.ASCII)

_SIGNATURE_TYPES: Final = frozenset(
    {
        "application/vnd.dev.cosign.artifact.sig.v1+json",
        "application/vnd.dev.cosign.simplesigning.v1+json",
        "application/vnd.cncf.notary.signature",
    }
)
# A bundle holds a signature of the image or a statement about it; only its annotations tell.
_BUNDLE: Final = "application/vnd.dev.sigstore.bundle."
_PREDICATE: Final = "dev.sigstore.bundle.predicateType"
_SIGNS: Final = "https://sigstore.dev/cosign/sign/v1"


@dataclass(frozen=True, slots=True)
class TagRule:
    """Which tags are meant; all of them by default."""

    regex: Expression | None = None
    exclude: Expression | None = None
    semver: bool = False

    @classmethod
    def of(cls, tags: SyncTags | None) -> TagRule:
        if tags is None:
            return cls()
        return cls(
            Expression(tags.regex) if tags.regex else None,
            Expression(tags.exclude_regex) if tags.exclude_regex else None,
            tags.semver,
        )

    def selects(self, tag: str) -> bool:
        if self.regex is not None and not self.regex.found_in(tag):
            return False
        if self.exclude is not None and self.exclude.found_in(tag):
            return False
        return not self.semver or is_semver(tag)

    def selected(self, tags: Iterable[Tag]) -> tuple[Tag, ...]:
        """The images among an upstream's tags that are meant, in the upstream's order."""
        return tuple(tag for tag in tags if not is_attached(tag) and self.selects(tag))


def is_semver(tag: str) -> bool:
    return _SEMVER.fullmatch(tag) is not None


def wanted(image: Platform | None, platforms: Collection[Platform]) -> bool:
    """Whether a child of an index is meant. One that names no platform cannot be left out on account of it."""
    return not platforms or image is None or any(platform.wants(image) for platform in platforms)


def attached_tags(subject: Digest) -> tuple[Tag, ...]:
    """Cosign's tags of an image: where its signature, its attestations and its bill of material would be."""
    tags = [f"{subject.algorithm}-{subject.encoded}{suffix}" for suffix in _SUFFIXES]
    return tuple(Tag(tag) for tag in tags if len(tag) <= _LONGEST_TAG)


def is_attached(tag: str) -> bool:
    """Whether a tag only says to which digest something belongs."""
    match = _ATTACHED.fullmatch(tag)
    return match is not None and match[1] in digests.ALGORITHMS


def is_cosign(tag: str) -> bool:
    """Whether a tag is one of cosign's for a digest; the referrers tag schema has no suffix."""
    return is_attached(tag) and tag.endswith(_SUFFIXES)


def signature_tag(subject: Digest) -> Tag | None:
    """Where cosign's signature of an image would be; None for a digest that is too long for a tag."""
    text = f"{subject.algorithm}-{subject.encoded}{_SIGNATURE}"
    return Tag(text) if len(text) <= _LONGEST_TAG else None


def subject_of(tag: str) -> Digest | None:
    """The digest that a tag belongs to; None for a tag of its own, and for one that holds half of a digest."""
    match = _ATTACHED.fullmatch(tag)
    if match is None or not is_attached(tag):
        return None
    try:
        return digests.parse(f"{match[1]}:{match[2]}")
    except DigestInvalidError:
        return None


@dataclass(frozen=True, slots=True)
class Referrer:
    """What a list of referrers says of one."""

    artifact_type: str | None
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def signs(self) -> bool:
        """Whether it is a signature of its subject."""
        kind = (self.artifact_type or "").lower()
        if kind.startswith(_BUNDLE):
            return self.annotations.get(_PREDICATE, _SIGNS) == _SIGNS
        return kind in _SIGNATURE_TYPES


def is_signed(image: Digest, tags: Collection[str], referrers: Iterable[Referrer]) -> bool:
    """Whether an image has a signature of cosign's or notation's, by the upstream's tags and its list of referrers."""
    return f"{image.algorithm}-{image.encoded}{_SIGNATURE}" in tags or any(referrer.signs for referrer in referrers)
