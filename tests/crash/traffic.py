"""A client that pushes, deletes, retags, mounts and goes on with uploads, and writes down what was acknowledged.

It works on one repository, at most a handful of images at a time. A broken connection and a 5xx are to be expected when servers
are killed; every other answer that was not earned is a :class:`WrongAnswerError`.
"""

from __future__ import annotations

import contextlib
import http.client
import random
from itertools import pairwise
from typing import TYPE_CHECKING

from tests.atwork import AtWork
from tests.crash.ledger import MANIFEST_TYPE, Content, Image, Ledger, OpenUpload

if TYPE_CHECKING:
    from collections.abc import Callable

_SOCKET_SECONDS = 30.0
_IMAGES = 5
_SHELF = 20
_UNUSED = 8
_TAGS = 4
# Beyond the size up to which a body is sent on in one message: these go the short way, by splice.
LARGE_BYTES = 1_500_000


class WrongAnswerError(Exception):
    """The registry said what cannot be."""


class Answer:
    """One answer, or none. ``is_lost``: nobody knows what has happened."""

    def __init__(self, status: int = 0, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
        self.status = status
        self.headers = headers or {}
        self.body = body

    @property
    def is_lost(self) -> bool:
        return self.status == 0 or self.status >= 500 or self.status == 429

    def __repr__(self) -> str:
        return f"{self.status} {self.body[:300]!r}"


class Http:
    """A connection that is made again when it breaks."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connection: http.client.HTTPConnection | None = None

    def ask(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_SOCKET_SECONDS)
        try:
            self._connection.request(method, path, body, headers or {})
            answer = self._connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        except (OSError, http.client.HTTPException):
            self.close()
            return Answer()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Client(AtWork):
    """One repository, one thread. ``others`` are the repositories to mount from."""

    def __init__(self, port: int, name: str, others: list[str], seed: int) -> None:
        self.port = port
        self.http = Http(port)
        self.ledger = Ledger(f"crash/{name}")
        super().__init__(self.ledger.repository)
        self._others = [f"crash/{other}" for other in others]
        self._random = random.Random(seed)
        self._shelf: list[str] = []

    def stock(self) -> None:
        """Something to lose, some of which stays to the end."""
        for number in range(_SHELF):
            content = Content.random(f"{self.ledger.repository} {number}", 5000)
            if self._push_blob(content):
                self._shelf.append(content.digest)
        for _ in range(_IMAGES):
            self.push()

    def step(self) -> None:
        """One operation of some kind."""
        ledger = self.ledger
        images = ledger.present(ledger.manifests)
        choices: list[tuple[int, Callable[[], None]]] = [(6, self.push), (1, self.cancel), (2, self.mount)]
        if self._shelf:
            choices += [(1, self.look)]
        if images:
            choices += [(2, self.retag), (2, self.untag), (2, self.read)]
        if len(images) >= _IMAGES:
            choices += [(12, self.remove)]
        if ledger.uploads:
            choices += [(6, self.resume)]
        unused = len(self._unused())
        choices += [(3 if unused < _UNUSED else 20, self.remove_blob)] * bool(unused)
        self._random.choices([call for _, call in choices], [weight for weight, _ in choices])[0]()

    # -- sending, and what an answer means

    def _change(self, may: dict, name: str, new: object, statuses: tuple[int, ...], *request) -> bool:
        """Send what would make ``may[name]`` be ``new``; True when it was acknowledged."""
        before = may.get(name)
        absent = None if may is self.ledger.tags else False
        may[name] = (before or {absent}) | {new}
        answer = self.http.ask(*request)
        if answer.status in statuses:
            may[name] = {new}
            self.ledger.acknowledged += 1
            return True
        if not answer.is_lost:
            raise WrongAnswerError(f"{request[:2]}: {answer}, though {name} was {before}")
        return False

    def _path(self, rest: str) -> str:
        return f"/v2/{self.ledger.repository}/{rest}"

    # -- what a client does

    def _content(self) -> Content:
        """Some are pushed by several clients, at the same time if it so happens."""
        chance = self._random.random()
        if chance < 0.25:
            return Content.random(f"shared {self._random.randrange(6)}", 3000)
        size = LARGE_BYTES if chance > 0.9 else self._random.randrange(100, 20_000)
        return Content.random(self._random.random(), size)

    def push(self) -> None:
        blobs = [content for content in (self._content() for _ in range(2)) if self._push_blob(content)]
        if len(blobs) < 2:
            return
        subjects = self.ledger.present(self.ledger.manifests)
        subject = (
            self.ledger.contents[self._random.choice(subjects)] if self._random.random() < 0.3 and subjects else None
        )
        image = Image.of(blobs, subject)
        self.ledger.images[image.content.digest] = image
        self._push_image(image, self._random.choice(["", *(f"t{n}" for n in range(_TAGS))]))

    def _push_blob(self, content: Content) -> bool:
        self.ledger.keep(content)
        way = self._random.randrange(3)
        if way == 0:
            path = self._path(f"blobs/uploads/?digest={content.digest}")
            return self._change(self.ledger.blobs, content.digest, True, (201,), "POST", path, content.data)
        upload = self._begin(content)
        if upload is None:
            return False
        pieces = 2 if way == 1 or len(content.data) == LARGE_BYTES else 1
        return self._send(upload, pieces) and self._finish(upload)

    def _begin(self, content: Content) -> OpenUpload | None:
        answer = self.http.ask("POST", self._path("blobs/uploads/"))
        if answer.is_lost:
            return None
        if answer.status != 202:
            raise WrongAnswerError(f"beginning an upload: {answer}")
        upload = OpenUpload(answer.headers["location"], content)
        self.ledger.uploads.append(upload)
        return upload

    def _send(self, upload: OpenUpload, pieces: int) -> bool:
        """The rest of it, from what was acknowledged; False: the answer was lost."""
        data, start = upload.content.data, upload.acked_bytes
        # A small piece and the rest, so that a large upload has gone both ways.
        bounds = [start, start + (len(data) - start) // 8, len(data)] if pieces == 2 else [start, len(data)]
        for first, end in pairwise(bounds):
            if first == end:
                continue
            upload.sent_bytes = end
            headers = {"Content-Range": f"{first}-{end - 1}", "Content-Type": "application/octet-stream"}
            answer = self.http.ask("PATCH", upload.location, data[first:end], headers)
            if answer.is_lost:
                return False
            if answer.status != 202 or answer.headers["range"] != f"0-{end - 1}":
                raise WrongAnswerError(f"appending {first}-{end}: {answer} {answer.headers}")
            upload.acked_bytes = end
            self.ledger.acknowledged += 1
        return True

    def _finish(self, upload: OpenUpload) -> bool:
        upload.may_be_gone = True
        digest = upload.content.digest
        self.ledger.keep(upload.content)
        path = f"{upload.location}?digest={digest}"
        if not self._change(self.ledger.blobs, digest, True, (201,), "PUT", path, b""):
            return False
        self.ledger.uploads.remove(upload)
        return True

    def _push_image(self, image: Image, tag: str) -> bool:
        """By digest, and the tag with it, if any: both at once or neither."""
        digest, tags = image.content.digest, self.ledger.tags
        self.ledger.keep(image.content)
        before = tags.get(tag, {None})
        path = self._path(f"manifests/{digest}")
        if tag:
            path = self._path(f"manifests/{tag}") if self._random.random() < 0.5 else f"{path}?tag={tag}"
            tags[tag] = before | {digest}
        request = ("PUT", path, image.content.data, {"Content-Type": MANIFEST_TYPE})
        if not self._change(self.ledger.manifests, digest, True, (201,), *request):
            return False
        if tag:
            tags[tag] = {digest}
        self.ledger.blobs[digest] = {True}  # a manifest can be read as a blob
        return True

    def retag(self) -> None:
        image = self.ledger.images[self._random.choice(self.ledger.present(self.ledger.manifests))]
        self._push_image(image, f"t{self._random.randrange(_TAGS)}")

    def untag(self) -> None:
        certain = [tag for tag, may in self.ledger.tags.items() if None not in may]
        if certain:
            tag = self._random.choice(certain)
            self._change(self.ledger.tags, tag, None, (202,), "DELETE", self._path(f"manifests/{tag}"))

    def remove(self) -> None:
        """A manifest, and with it its tags."""
        ledger = self.ledger
        digest = self._random.choice(ledger.present(ledger.manifests))
        tags = [tag for tag, may in ledger.tags.items() if digest in may]
        for tag in tags:
            ledger.tags[tag] = ledger.tags[tag] | {None}
        ledger.blobs.pop(digest, None)  # whether it stays a blob is the registry's affair
        if self._change(ledger.manifests, digest, False, (202,), "DELETE", self._path(f"manifests/{digest}")):
            for tag in tags:
                ledger.tags[tag] = ledger.tags[tag] - {digest}

    def remove_blob(self) -> None:
        digest = self._random.choice(self._unused())
        self._change(self.ledger.blobs, digest, False, (202,), "DELETE", self._path(f"blobs/{digest}"))

    def _unused(self) -> list[str]:
        ledger = self.ledger
        kept = {*self._shelf, *ledger.manifests}
        return [d for d in ledger.present(ledger.blobs) if not ledger.used(d) and d not in kept]

    def mount(self) -> None:
        """What several clients push is in another's repository, or not: both answers are right."""
        content = Content.random(f"shared {self._random.randrange(6)}", 3000)
        self.ledger.keep(content)
        may = self.ledger.blobs
        may[content.digest] = may.get(content.digest, {False}) | {True}
        query = f"mount={content.digest}&from={self._random.choice(self._others)}"
        answer = self.http.ask("POST", self._path(f"blobs/uploads/?{query}"))
        if answer.status == 201:
            may[content.digest] = {True}
            self.ledger.acknowledged += 1
        elif answer.status == 202:
            self.ledger.uploads.append(OpenUpload(answer.headers["location"], content))
        elif not answer.is_lost:
            raise WrongAnswerError(f"mount: {answer}")

    def cancel(self) -> None:
        upload = self.ledger.uploads[0] if self.ledger.uploads else self._begin(self._content())
        if upload is None or upload.may_be_gone:
            return
        upload.may_be_gone = True
        answer = self.http.ask("DELETE", upload.location)
        if answer.status == 204:
            self.ledger.uploads.remove(upload)
            self.ledger.cancelled.append(upload.location)
            self.ledger.acknowledged += 1
        elif not answer.is_lost:
            raise WrongAnswerError(f"cancelling an upload: {answer}")

    def resume(self) -> None:
        """Go on where the registry says that it stands; an upload that it does not know any more is no use."""
        upload = self._random.choice(self.ledger.uploads)
        answer = self.http.ask("GET", upload.location)
        if answer.is_lost:
            return
        if not self.stands(upload, answer):
            self.ledger.uploads.remove(upload)
            return
        if self._send(upload, 1):
            self._finish(upload)

    def stands(self, upload: OpenUpload, answer: Answer) -> bool:
        """Take over where an upload stands. False: it is gone, as it may be."""
        if answer.status == 404:
            if not upload.may_be_gone:
                raise WrongAnswerError(f"{upload} is gone: {answer}")
            return False
        if answer.status != 204:
            raise WrongAnswerError(f"status of an upload: {answer}")
        end = int(answer.headers["range"].partition("-")[2])
        offset = end + 1 if end else 0  # no piece of ours has one byte
        if not upload.acked_bytes <= offset <= upload.sent_bytes:
            raise WrongAnswerError(f"{upload} stands at {answer.headers['range']}")
        upload.acked_bytes = offset
        upload.may_be_gone = False
        return True

    def read(self) -> None:
        """A pull in the middle of everything."""
        digest = self._random.choice(self.ledger.present(self.ledger.manifests))
        for path, name in (("manifests", digest), *(("blobs", blob) for blob in self.ledger.images[digest].blobs)):
            answer = self.http.ask("GET", self._path(f"{path}/{name}"))
            if not answer.is_lost and (answer.status, answer.body) != (200, self.ledger.contents[name].data):
                raise WrongAnswerError(f"GET {path}/{name}: {answer}")

    def look(self) -> None:
        """At something that has been there for long, which the gateway may have forgotten to have seen."""
        blob = self._random.choice(self._shelf)
        answer = self.http.ask("HEAD", self._path(f"blobs/{blob}"))
        if not answer.is_lost and answer.status != 200:
            raise WrongAnswerError(f"HEAD blobs/{blob}: {answer}")

    def close(self) -> None:
        self.ask_to_pause()
        with contextlib.suppress(RuntimeError):
            if self._thread is not None:
                self._thread.join()
        self.http.close()
