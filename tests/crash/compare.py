"""Compares a registry with a ledger: nothing lost, nothing half-visible. What is seen settles what was uncertain.

lost            what was acknowledged is not there, or is other bytes, or what was deleted is there again
half-visible    a manifest without its blobs, a tag without its manifest, lists that disagree with what can be read
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.crash.ledger import Content, Ledger, OpenUpload
    from tests.crash.traffic import Answer

_PATIENCE_SECONDS = 40.0


@dataclass
class Findings:
    """Both lists are empty when all is well."""

    lost: list[str] = field(default_factory=list)
    half_visible: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.lost or self.half_visible)


class Comparison:
    """``ask`` is one request to the registry; while it is not up again it is asked again."""

    def __init__(self, ask: Callable[..., Answer], ledger: Ledger, findings: Findings) -> None:
        self._send = ask
        self._ledger = ledger
        self._findings = findings

    def run(self) -> None:
        self._blobs()
        self._manifests()
        self._tags()
        self._referrers()
        self._ledger.forget_absent()

    def _ask(self, method: str, path: str) -> Answer:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            answer = self._send(method, path if path.startswith("/") else f"/v2/{self._ledger.repository}/{path}")
            if not answer.is_lost:
                return answer
            assert time.monotonic() < deadline, f"{method} {path} is not answered after the restart: {answer}"
            time.sleep(0.05)

    def _lost(self, what: str) -> None:
        self._findings.lost.append(f"{self._ledger.repository}: {what}")

    def _half(self, what: str) -> None:
        self._findings.half_visible.append(f"{self._ledger.repository}: {what}")

    def _settle(self, may: dict, name: str, found: object, answer: object) -> None:
        if found not in may[name]:
            self._lost(f"{name} is {found}, may be {may[name]}: {answer}")
        may[name] = {found}

    def _blobs(self) -> None:
        blobs, contents = self._ledger.blobs, self._ledger.contents
        for digest in list(blobs):
            answer = self._ask("GET", f"blobs/{digest}")
            self._settle(blobs, digest, answer.status == 200, answer)
            if answer.status == 200:
                self._same(digest, answer, contents[digest])
            head = self._ask("HEAD", f"blobs/{digest}")
            self._agrees(head, answer, f"HEAD blobs/{digest}")

    def _same(self, what: str, answer: Answer, content: Content) -> None:
        if answer.body != content.data:
            self._half(f"{what} has {len(answer.body)} other bytes instead of {len(content.data)}")

    def _agrees(self, head: Answer, get: Answer, what: str) -> None:
        if head.status != get.status or (get.status == 200 and int(head.headers["content-length"]) != len(get.body)):
            self._half(f"{what}: {head.status} {head.headers}, GET said {get.status} with {len(get.body)} bytes")

    def _manifests(self) -> None:
        for digest in list(self._ledger.manifests):
            answer = self._ask("GET", f"manifests/{digest}")
            self._settle(self._ledger.manifests, digest, answer.status == 200, answer)
            self._agrees(self._ask("HEAD", f"manifests/{digest}"), answer, f"HEAD manifests/{digest}")
            if answer.status == 200:
                self._same(digest, answer, self._ledger.contents[digest])
                self._whole(digest, answer)

    def _whole(self, digest: str, answer: Answer) -> None:
        """All that a visible manifest names is visible; its bytes can be read from the node, past every cache."""
        document = json.loads(answer.body)
        for descriptor in [document["config"], *document["layers"], {"digest": digest, "size": len(answer.body)}]:
            head = self._ask("HEAD", f"blobs/{descriptor['digest']}")
            if head.status != 200 or int(head.headers["content-length"]) != descriptor["size"]:
                self._half(f"{digest} names {descriptor}, which is {head.status} {head.headers}")
        stored = self._ask("GET", f"blobs/{digest}")
        self._same(f"the stored {digest}", stored, self._ledger.contents[digest])

    def _tags(self) -> None:
        tags = self._ledger.tags
        listed = self._ask("GET", "tags/list")
        names = set(json.loads(listed.body)["tags"]) if listed.status == 200 else set()
        for tag in names - set(tags):
            self._lost(f"a tag {tag} that nobody made")
        for tag in list(tags):
            answer = self._ask("GET", f"manifests/{tag}")
            found = answer.headers["docker-content-digest"] if answer.status == 200 else None
            self._settle(tags, tag, found, answer)
            if (tag in names) != (found is not None):
                self._half(f"tag {tag} is {found}, and listed are {sorted(names)}")
            if found is not None and self._ledger.manifests.get(found) != {True}:
                self._half(f"tag {tag} points to {found}, which is {self._ledger.manifests.get(found)}")

    def _referrers(self) -> None:
        images = [
            image for digest, image in self._ledger.images.items() if self._ledger.manifests.get(digest) == {True}
        ]
        subjects = {image.subject for image in self._ledger.images.values() if image.subject}
        for subject in sorted(subjects):
            answer = self._ask("GET", f"referrers/{subject}")
            listed = {entry["digest"] for entry in json.loads(answer.body)["manifests"]}
            there = {image.content.digest for image in images if image.subject == subject}
            if listed != there:
                self._half(f"referrers of {subject} are {sorted(listed)}, and there are {sorted(there)}")

    def uploads(self, stands: Callable[[OpenUpload, Answer], bool]) -> None:
        """Every upload under way stands where it may, or is gone if it may; what was cancelled is gone."""
        for upload in list(self._ledger.uploads):
            if not stands(upload, self._ask("GET", upload.location)):
                self._ledger.uploads.remove(upload)
        for location in self._ledger.cancelled:
            answer = self._ask("GET", location)
            if answer.status != 404:
                self._lost(f"the cancelled upload {location} is back: {answer}")
