"""Errors on the wire: one table from our error classes to (status, OCI code), and one function that writes the body.

The body is distribution-spec's ``{"errors": [{"code", "message", "detail"}]}``. A class that is not in the table is answered as
its nearest ancestor that is. What clients do with the codes (containers/image retries a manifest in another format on
MANIFEST_INVALID and TAG_INVALID, go-containerregistry retries on UNAVAILABLE) is why they are not used loosely.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast import errors

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Answer:
    """``status`` as HTTP wants it, ``code`` as OCI wants it."""

    status: str
    code: str


ANSWERS: Final[dict[type[errors.HoldfastError], Answer]] = {
    errors.NameInvalidError: Answer("400 Bad Request", "NAME_INVALID"),
    errors.TagInvalidError: Answer("400 Bad Request", "TAG_INVALID"),
    errors.DigestInvalidError: Answer("400 Bad Request", "DIGEST_INVALID"),
    errors.ManifestInvalidError: Answer("400 Bad Request", "MANIFEST_INVALID"),
    errors.ReferencesMissingError: Answer("400 Bad Request", "MANIFEST_BLOB_UNKNOWN"),
    errors.SizeInvalidError: Answer("400 Bad Request", "SIZE_INVALID"),
    errors.TooLargeError: Answer("413 Content Too Large", "SIZE_INVALID"),
    errors.TooManyTagsError: Answer("414 URI Too Long", "TAG_INVALID"),
    errors.RangeInvalidError: Answer("416 Range Not Satisfiable", "RANGE_INVALID"),
    errors.PageInvalidError: Answer("400 Bad Request", "PAGINATION_NUMBER_INVALID"),
    errors.PushRefusedError: Answer("403 Forbidden", "DENIED"),
    errors.UnsupportedError: Answer("405 Method Not Allowed", "UNSUPPORTED"),
    errors.InputError: Answer("400 Bad Request", "BLOB_UPLOAD_INVALID"),
    errors.RepositoryUnknownError: Answer("404 Not Found", "NAME_UNKNOWN"),
    errors.ManifestUnknownError: Answer("404 Not Found", "MANIFEST_UNKNOWN"),
    errors.BlobUnknownError: Answer("404 Not Found", "BLOB_UNKNOWN"),
    errors.UploadUnknownError: Answer("404 Not Found", "BLOB_UPLOAD_UNKNOWN"),
    errors.MissingError: Answer("404 Not Found", "NAME_UNKNOWN"),
    errors.OffsetError: Answer("416 Range Not Satisfiable", "RANGE_INVALID"),
    errors.StaleWriterError: Answer("416 Range Not Satisfiable", "RANGE_INVALID"),
    errors.StillReferencedError: Answer("405 Method Not Allowed", "UNSUPPORTED"),
    errors.LoginNeededError: Answer("401 Unauthorized", "UNAUTHORIZED"),
    errors.LoginRefusedError: Answer("401 Unauthorized", "UNAUTHORIZED"),
    # Not 429, as zot has it: docker and crane would try for minutes what no waiting cures.
    errors.QuotaError: Answer("403 Forbidden", "DENIED"),
    errors.AccessError: Answer("403 Forbidden", "DENIED"),
    errors.TagTakenError: Answer("403 Forbidden", "DENIED"),
    errors.TagsShareError: Answer("409 Conflict", "DENIED"),
    errors.ConflictError: Answer("503 Service Unavailable", "UNAVAILABLE"),
    errors.OverloadedError: Answer("429 Too Many Requests", "TOOMANYREQUESTS"),
    errors.UnavailableError: Answer("503 Service Unavailable", "UNAVAILABLE"),
    errors.UpstreamMissingError: Answer("404 Not Found", "MANIFEST_UNKNOWN"),
    # What an upstream keeps from us is missing here: to tell the two apart is no client's right, and Docker Hub does not either.
    errors.UpstreamDeniedError: Answer("404 Not Found", "NAME_UNKNOWN"),
    errors.UpstreamThrottledError: Answer("429 Too Many Requests", "TOOMANYREQUESTS"),
    errors.UpstreamError: Answer("502 Bad Gateway", "UNAVAILABLE"),
    # The copy at hand is bad: to the client the blob is gone, so that it pushes again and heals it.
    errors.CorruptError: Answer("404 Not Found", "BLOB_UNKNOWN"),
    errors.HoldfastError: Answer("500 Internal Server Error", "UNKNOWN"),
}


def answer_to(error: errors.HoldfastError) -> Answer:
    """The row of the nearest class in the table."""
    return next(ANSWERS[kind] for kind in type(error).__mro__ if kind in ANSWERS)


def body(code: str, message: str, detail: object = None) -> bytes:
    """The JSON body of an error. ``detail`` holds JSON values and no secret."""
    one: dict[str, object] = {"code": code, "message": message}
    if detail is not None:
        one["detail"] = detail
    return json.dumps({"errors": [one]}, ensure_ascii=True, default=str).encode() + b"\n"


def headers_of(error: errors.HoldfastError) -> Mapping[str, str]:
    """What an error adds to the headers, apart from type and length."""
    if isinstance(error, errors.UnavailableError | errors.UpstreamUnavailableError):
        return {"Retry-After": str(error.retry_after_seconds)}
    if isinstance(error, errors.RangeInvalidError):
        return {"Content-Range": f"bytes */{error.size_bytes}"}
    return {}
