"""One URL of an upstream and the distribution API there (distribution-spec, "Endpoints"): every call is one answer, judged.

Promises: manifests are returned only when their bytes have the digest that was asked for or announced, are of an accepted type, and
parse. A HEAD's word is taken for a digest only in strict form, and never against the digest that was asked for.

Never: tries again, follows ``urls`` of layers, takes bytes of unknown length unchecked.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from holdfast import digest as digests
from holdfast import manifest as manifests
from holdfast import names
from holdfast.digest import Digest
from holdfast.errors import InputError, NameInvalidError, TagInvalidError, UpstreamMissingError
from syncworker.upstream import headers as fields
from syncworker.upstream import lists
from syncworker.upstream.authorized import Asking, Door
from syncworker.upstream.parts import Part
from syncworker.upstream.values import ACCEPT, Descriptor, Fetched, fallback_tag
from syncworker.upstream.verdict import verdict

if TYPE_CHECKING:
    from holdfast.names import Repository, Tag
    from syncworker.upstream.exchange import Answer
    from syncworker.upstream.gate import Gate
    from syncworker.upstream.pace import Time

    Reference = Tag | Digest

CATALOG_SCOPE: Final = "registry:catalog:*"
# How registries and what stands before them say that they do not do HEAD.
_HEAD_REFUSED: Final = frozenset({400, 405, 501})
# ... and that they have no referrers API; a page for people counts as that, too.
_NO_REFERRERS: Final = frozenset({400, 404, 405, 406, 501})
# Types that say nothing: file servers give them to all files.
_VAGUE: Final = frozenset({"application/json", "application/octet-stream", "binary/octet-stream", "text/plain"})
_REFERRERS_BYTES: Final = 16 << 20


class Registry:
    """One URL. ``prefix`` is put before every repository's name, ``actions`` are what tokens are asked for. Shared by threads."""

    def __init__(self, door: Door, time: Time, gate: Gate, prefix: str = "", actions: str = "pull") -> None:
        self.door = door
        self._time = time
        self._gate = gate
        self.prefix = prefix
        self._actions = actions
        self.home = door.home

    def head(self, repository: Repository, reference: Reference) -> Descriptor:
        """What a tag or digest stands for, without its bytes where the upstream can.

        Raises:
            UpstreamError: as the class says; UpstreamMissingError where there is none.
        """
        target = self._manifest_target(repository, reference)
        with self._send("HEAD", target, self._scope(repository), (("Accept", ACCEPT),)) as answer:
            if answer.status not in {200, *_HEAD_REFUSED}:
                raise verdict(answer, self.home, _what(reference), self._time.clock.wall())
            described = self._described(answer, reference) if answer.status == 200 else None
        if described is not None:
            return described
        fetched = self.manifest(repository, reference, None)
        if fetched is None:
            raise AssertionError("an unconditional request is never answered by nothing")
        return fetched.descriptor

    def manifest(self, repository: Repository, reference: Reference, if_digest: Digest | None) -> Fetched | None:
        """A manifest; None where it still has the digest ``if_digest``.

        Raises:
            UpstreamError: as the class says; UpstreamWrongError where bytes, digest and type do not belong together.
        """
        headers = [("Accept", ACCEPT)]
        if if_digest is not None:
            headers.append(("If-None-Match", f'"{if_digest}"'))
        target = self._manifest_target(repository, reference)
        with self._send("GET", target, self._scope(repository), tuple(headers)) as answer:
            if answer.status == 304 and if_digest is not None:
                return None
            if answer.status != 200:
                raise verdict(answer, self.home, _what(reference), self._time.clock.wall())
            return self._fetched(answer, reference)

    def part(self, repository: Repository, digest: Digest, offset_bytes: int) -> Part:
        """A blob's bytes from ``offset_bytes`` on, or from the start where the upstream does no ranges; to be closed.

        Raises:
            UpstreamError: as the class says.
        """
        target = f"/v2/{self.prefix}{repository}/blobs/{digest}"
        # No If-Range: behind this name there are no other bytes. Copies in a content network bear different tags, and each
        # change of the copy would cost the whole blob again. Offset and length are compared, and the digest in the end.
        headers = (("Range", f"bytes={offset_bytes}-"),) if offset_bytes else ()
        answer = self._gate.through(lambda: self._send("GET", target, self._scope(repository), headers))
        if answer.status not in {200, 206, 416}:
            raise verdict(answer, self.home, "a blob", self._time.clock.wall())
        try:
            return Part.of(answer, offset_bytes)
        except BaseException:
            answer.close()
            raise

    def tags(self, repository: Repository) -> tuple[Tag, ...]:
        """All tags, in the upstream's order. Those against the grammar are left out: nothing here could name them.

        Raises:
            UpstreamError: as the class says.
        """
        found: dict[Tag, None] = {}
        first = f"/v2/{self.prefix}{repository}/tags/list?n={lists.PAGE}"
        for text in self._listed(first, self._scope(repository), "tags"):
            try:
                found[names.tag(text)] = None
            except TagInvalidError:
                continue
        return tuple(found)

    def catalog(self) -> tuple[Repository, ...]:
        """All repositories below the prefix, without it; raises as :meth:`tags`."""
        found: dict[Repository, None] = {}
        for text in self._listed(f"/v2/_catalog?n={lists.PAGE}", CATALOG_SCOPE, "repositories"):
            try:
                if text.startswith(self.prefix):
                    found[names.repository(text.removeprefix(self.prefix))] = None
            except NameInvalidError:
                continue
        return tuple(found)

    def referrers(self, repository: Repository, subject: Digest) -> tuple[Descriptor, ...]:
        """What refers to ``subject``: by the API, else by the fallback tag; empty where there is neither.

        Raises:
            UpstreamError: as the class says.
        """
        scope = self._scope(repository)
        first = f"/v2/{self.prefix}{repository}/referrers/{subject}"
        with self._send("GET", first, scope, (("Accept", manifests.OCI_INDEX),)) as answer:
            content_type = manifests.media_type_of(answer.header("Content-Type"))
            if answer.status == 200 and content_type == manifests.OCI_INDEX:
                link = fields.next_link(answer.header("Link"))
                found = _children(answer, answer.whole(_REFERRERS_BYTES))
                # Else the next page could wait for the connection that this one still has.
                answer.close()
                return (*found, *self._more(answer, link, scope)) if link else found
            if answer.status != 200 and answer.status not in _NO_REFERRERS:
                raise verdict(answer, self.home, "referrers", self._time.clock.wall())
        try:
            fetched = self.manifest(repository, fallback_tag(subject), None)
        except UpstreamMissingError:
            return ()
        if fetched is None or fetched.media_type != manifests.OCI_INDEX:
            return ()
        return _described_children(json.loads(fetched.data))

    def close(self) -> None:
        """Close idle connections."""
        self.door.close()

    def _more(self, answer: Answer, link: str, scope: str) -> tuple[Descriptor, ...]:
        found: list[Descriptor] = []
        for page in lists.pages(lists.next_target(answer, link), lambda target: self._get(target, scope)):
            try:
                manifests.parse(json.dumps(page).encode(), manifests.OCI_INDEX)
            except InputError as error:
                raise answer.wrong(f"a list of referrers that is refused: {error}") from error
            found += _described_children(page)
        return tuple(found)

    def _listed(self, first: str, scope: str, member: str) -> list[str]:
        found: list[str] = []
        for page in lists.pages(first, lambda target: self._get(target, scope)):
            found += lists.strings(page, member, self.home)
        return found

    def _get(self, target: str, scope: str) -> Answer:
        answer = self._send("GET", target, scope, (("Accept", "application/json"),))
        if answer.status != 200:
            raise verdict(answer, self.home, "a list", self._time.clock.wall())
        return answer

    def _send(self, method: str, target: str, scope: str, headers: tuple[tuple[str, str], ...]) -> Answer:
        return self.door.send(Asking(method, target, scope, headers))

    def _scope(self, repository: Repository) -> str:
        return f"repository:{self.prefix}{repository}:{self._actions}"

    def _manifest_target(self, repository: Repository, reference: Reference) -> str:
        return f"/v2/{self.prefix}{repository}/manifests/{reference}"

    def _described(self, answer: Answer, reference: Reference) -> Descriptor | None:
        """What the headers of a HEAD tell; None when they do not tell enough."""
        announced = digest_said(answer)
        size_bytes = answer.length()
        media_type = manifests.media_type_of(answer.header("Content-Type"))
        if announced is None or size_bytes is None or media_type not in manifests.ACCEPTED:
            return None
        if isinstance(reference, Digest) and announced != reference:
            raise answer.wrong(f"a HEAD for {reference} was answered with {announced}")
        if size_bytes > manifests.MAX_BYTES:
            raise answer.wrong(f"a manifest of {size_bytes} bytes; at most {manifests.MAX_BYTES} are taken")
        return Descriptor(media_type, announced, size_bytes)

    def _fetched(self, answer: Answer, reference: Reference) -> Fetched:
        data = answer.whole(manifests.MAX_BYTES)
        announced = digest_said(answer)
        digest = reference if isinstance(reference, Digest) else announced or digests.of(data)
        if announced is not None and announced.algorithm == digest.algorithm and announced != digest:
            raise answer.wrong(f"a GET for {digest} was answered with {announced}")
        seen = digests.of(data, digest.algorithm)
        if seen != digest:
            raise answer.wrong(
                f"the {len(data)} bytes of the manifest {reference} have the digest {seen}, not {digest}"
            )
        content_type = manifests.media_type_of(answer.header("Content-Type"))
        try:
            parsed = manifests.parse(data, None if content_type in _VAGUE else content_type)
        except InputError as error:
            raise answer.wrong(f"the manifest {reference} is refused: {error}") from error
        return Fetched(data, digest, parsed)


def digest_said(answer: Answer) -> Digest | None:
    """``Docker-Content-Digest``; None when absent.

    Raises:
        UpstreamWrongError: it is no digest, or one that cannot be checked here.
    """
    text = answer.header("Docker-Content-Digest")
    if text is None:
        return None
    try:
        return digests.parse_computable(text)
    except InputError as error:
        raise answer.wrong(f"a Docker-Content-Digest that is refused: {error}") from error


def _children(answer: Answer, data: bytes) -> tuple[Descriptor, ...]:
    try:
        manifests.parse(data, manifests.OCI_INDEX)
    except InputError as error:
        raise answer.wrong(f"a list of referrers that is refused: {error}") from error
    return _described_children(json.loads(data))


def _described_children(index: dict[str, object]) -> tuple[Descriptor, ...]:
    """The descriptors of an index that has been parsed, hence has well-formed ones."""
    children = index.get("manifests")
    found = []
    for child in children if isinstance(children, list) else ():
        kind, notes = child.get("artifactType"), child.get("annotations")
        found.append(
            Descriptor(
                child["mediaType"],
                digests.parse(child["digest"]),
                child["size"],
                kind if isinstance(kind, str) else None,
                {k: v for k, v in notes.items() if isinstance(v, str)} if isinstance(notes, dict) else {},
            )
        )
    return tuple(found)


def _what(reference: Reference) -> str:
    return f"the manifest {reference}"
