"""The comparison itself: it is silent about a registry that is well, and speaks of every way to be wrong."""

from __future__ import annotations

import json

import pytest

from tests.crash.compare import Comparison, Findings
from tests.crash.ledger import Content, Image, Ledger
from tests.crash.traffic import Answer

_BLOB, _GONE = Content.of(b"blob"), Content.of(b"deleted")
_SUBJECT = Image.of([_BLOB], None)
_IMAGE = Image.of([_BLOB], _SUBJECT.content)
_BASE = "/v2/crash/one"
_LISTS = {
    f"{_BASE}/tags/list": {"name": "crash/one", "tags": ["latest"]},
    f"{_BASE}/referrers/{_SUBJECT.content.digest}": {"manifests": [{"digest": _IMAGE.content.digest}]},
}


def ledger() -> Ledger:
    known = Ledger("crash/one")
    for content in (_BLOB, _GONE, _SUBJECT.content, _IMAGE.content):
        known.keep(content)
    for image in (_SUBJECT, _IMAGE):
        known.images[image.content.digest] = image
        known.manifests[image.content.digest] = {True}
    known.blobs = {_BLOB.digest: {True}, _GONE.digest: {False}}
    known.tags = {"latest": {_IMAGE.content.digest}, "former": {None}}
    return known


class Registry:
    """Answers from a table; everything else is not found."""

    def __init__(self) -> None:
        self.table: dict[str, tuple[bytes, str]] = {}
        for content in (_BLOB, _SUBJECT.content, _IMAGE.content):
            self.put(f"blobs/{content.digest}", content)
        for name in (_IMAGE.content.digest, "latest"):
            self.put(f"manifests/{name}", _IMAGE.content)
        self.put(f"manifests/{_SUBJECT.content.digest}", _SUBJECT.content)
        for path, document in _LISTS.items():
            self.table[path] = json.dumps(document).encode(), ""
        self.wrong_heads: set[str] = set()

    def put(self, path: str, content: Content) -> None:
        self.table[f"{_BASE}/{path}"] = content.data, content.digest

    def drop(self, path: str) -> None:
        del self.table[f"{_BASE}/{path}"]

    def ask(self, method: str, path: str) -> Answer:
        if path not in self.table or (method == "HEAD" and path in self.wrong_heads):
            return Answer(404)
        body, digest = self.table[path]
        headers = {"docker-content-digest": digest, "content-length": str(len(body))}
        return Answer(200, headers, b"" if method == "HEAD" else body)


def found(registry: Registry, known: Ledger | None = None) -> Findings:
    findings = Findings()
    Comparison(registry.ask, known or ledger(), findings).run()
    return findings


def test_a_registry_that_holds_what_was_acknowledged_is_well():
    assert not found(Registry())


LOSSES = {
    "a blob is gone": lambda r: r.drop(f"blobs/{_BLOB.digest}"),
    "a manifest is gone": lambda r: r.drop(f"manifests/{_SUBJECT.content.digest}"),
    "a tag is gone": lambda r: r.drop("manifests/latest"),
    "a tag is what it was not": lambda r: r.put("manifests/latest", _SUBJECT.content),
    "a deleted blob is back": lambda r: r.put(f"blobs/{_GONE.digest}", _GONE),
    "a deleted tag is back": lambda r: r.put("manifests/former", _IMAGE.content),
    "a tag that nobody made is listed": lambda r: r.table.update({f"{_BASE}/tags/list": (b'{"tags": ["other"]}', "")}),
}


@pytest.mark.parametrize("breaking", LOSSES.values(), ids=LOSSES)
def test_a_loss_is_found(breaking):
    registry = Registry()
    breaking(registry)
    assert found(registry).lost


HALVES = {
    "other bytes": lambda r: r.table.update({f"{_BASE}/blobs/{_BLOB.digest}": (b"bl0b", "")}),
    "fewer bytes": lambda r: r.table.update({f"{_BASE}/blobs/{_BLOB.digest}": (b"bl", "")}),
    "HEAD says less than GET": lambda r: r.wrong_heads.add(f"{_BASE}/blobs/{_BLOB.digest}"),
    "a manifest whose bytes no node has": lambda r: r.drop(f"blobs/{_IMAGE.content.digest}"),
    "a tag that is not listed": lambda r: r.table.update({f"{_BASE}/tags/list": (b'{"tags": []}', "")}),
    "a referrer that is not listed": lambda r: r.table.update(
        {f"{_BASE}/referrers/{_SUBJECT.content.digest}": (b'{"manifests": []}', "")}
    ),
    "a manifest that is gone and still listed as a referrer": lambda r: r.drop(f"manifests/{_IMAGE.content.digest}"),
}


@pytest.mark.parametrize("breaking", HALVES.values(), ids=HALVES)
def test_what_is_half_visible_is_found(breaking):
    registry = Registry()
    breaking(registry)
    assert found(registry).half_visible


def test_after_an_answer_that_was_lost_both_are_right_and_looking_settles_it():
    for is_there in (True, False):
        known, registry = ledger(), Registry()
        known.blobs[_GONE.digest] = {True, False}
        if is_there:
            registry.put(f"blobs/{_GONE.digest}", _GONE)
        assert not found(registry, known)
        assert known.blobs.get(_GONE.digest) == ({True} if is_there else None)
