from __future__ import annotations

import json

import pytest

from gateway.http.errors import ANSWERS, answer_to, body, headers_of
from holdfast import errors

# distribution-spec, "Error Codes", and those that distribution added and clients know.
CODES = {
    "BLOB_UNKNOWN", "BLOB_UPLOAD_INVALID", "BLOB_UPLOAD_UNKNOWN", "DIGEST_INVALID", "MANIFEST_BLOB_UNKNOWN",
    "MANIFEST_INVALID", "MANIFEST_UNKNOWN", "NAME_INVALID", "NAME_UNKNOWN", "SIZE_INVALID", "UNAUTHORIZED", "DENIED",
    "UNSUPPORTED", "TOOMANYREQUESTS", "UNKNOWN", "UNAVAILABLE", "RANGE_INVALID", "TAG_INVALID",
    "PAGINATION_NUMBER_INVALID",
}  # fmt: skip


# The root, and what only programs of ours raise: reaching a client, they are a bug.
NEVER_MEANT_FOR_CLIENTS = {errors.HoldfastError, errors.ConfigError, errors.AnswerError}


def tree(kind: type[errors.HoldfastError]) -> list[type[errors.HoldfastError]]:
    return [kind, *(found for child in kind.__subclasses__() for found in tree(child))]


def test_every_code_is_one_that_clients_know() -> None:
    assert {answer.code for answer in ANSWERS.values()} <= CODES


@pytest.mark.parametrize("kind", tree(errors.HoldfastError))
def test_every_error_has_an_answer_and_only_bugs_are_500(kind: type[errors.HoldfastError]) -> None:
    error = kind.__new__(kind)
    errors.HoldfastError.__init__(error, "message")
    answer = answer_to(error)
    assert answer.status[:3].isdigit()
    assert (answer.status[:3] == "500") == (kind in NEVER_MEANT_FOR_CLIENTS)


def test_the_nearest_ancestor_answers() -> None:
    assert answer_to(errors.StorageFullError("full")).status.startswith("503")
    assert answer_to(errors.OverloadedError("busy")).code == "TOOMANYREQUESTS"


def test_what_may_succeed_later_says_when() -> None:
    assert headers_of(errors.StorageFullError("full")) == {"Retry-After": "30"}
    assert headers_of(errors.RangeInvalidError("no", 10)) == {"Content-Range": "bytes */10"}


def test_the_body_is_the_protocols() -> None:
    assert json.loads(body("NAME_INVALID", 'quote " and \u2028', {"name": "ü"})) == {
        "errors": [{"code": "NAME_INVALID", "message": 'quote " and \u2028', "detail": {"name": "ü"}}]
    }
    assert "detail" not in json.loads(body("UNKNOWN", "m"))["errors"][0]
