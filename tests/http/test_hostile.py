"""Every row of the hostile table gets the right status and code, and leaves the server as it was.

Held for each answer: the protocol's JSON body, no 500, nothing of the inside (paths, class names, traces), no second answer, and a
connection that ends when the client has nothing more to say. Held for the server: it goes on answering, logs no error, and is
no larger after thousands of such requests than before.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.http.hostile import TABLE
from tests.http.hostile.manifests import INDEX
from tests.http.hostile.row import BLOB, FOREIGN_BLOB, OTHER, OWN, Row, sha256
from tests.http.raw import Answer, Talk, talk

if TYPE_CHECKING:
    from tests.serving import Server

GROWTH_BYTES = 32 * 1024 * 1024
# A message is a sentence: no class names, no modules, no paths, no object addresses.
INSIDE = re.compile(
    rb"Traceback|File \"|\.py\b|site-packages|gunicorn|falcon|grpc|sqlite|[a-z]Error\b|Exception|<\w+ object|0x7f"
)
CLASS_NAME = re.compile(r"\b[A-Z][a-z]+[A-Z]\w+")


@pytest.fixture(scope="module")
def stage(registry: Server) -> Server:
    """Two repositories, each with a blob of its own."""
    for repository, data in ((OWN, BLOB), (OTHER, FOREIGN_BLOB)):
        status, _, body = registry.request("POST", f"/v2/{repository}/blobs/uploads/?digest={sha256(data)}", data)
        assert status == 201, body
    # Tag lists answer 404 until there is a manifest.
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}).encode()
    assert registry.request("PUT", f"/v2/{OWN}/manifests/v1", index)[0] == 201
    return registry


def send(server: Server, row: Row) -> Talk:
    data = row.data
    for word, repository in ((b"@upload@", OWN), (b"@foreign@", OTHER)):
        if word in data:
            _, headers, _ = server.request("POST", f"/v2/{repository}/blobs/uploads/")
            data = data.replace(word, headers["docker-upload-uuid"].encode())
    return talk(server.port, data, len(row.answers) or 1, ends=row.ends)


def judge(server: Server, row: Row, said: Talk) -> None:
    statuses = [answer.status for answer in said.answers]
    if row.answers or said.answers:
        allowed = row.answers or (frozenset({400}),)
        assert len(statuses) == len(allowed), (statuses, said.rest[:300])
        assert all(one in some for one, some in zip(statuses, allowed, strict=True)), (
            statuses,
            said.answers[-1].body[:300],
        )
    assert said.ended, "the connection was left hanging"
    assert said.rest == b"", f"bytes that nobody asked for: {said.rest[:300]!r}"
    for answer in said.answers:
        shape(server, answer, without_body=row.data.startswith(b"HEAD "))
    if statuses and statuses[-1] >= 400 and not row.data.startswith(b"HEAD "):
        codes = {error["code"] for error in json.loads(said.answers[-1].body)["errors"]}
        assert codes <= row.codes, (codes, said.answers[-1].body[:300])


def shape(server: Server, answer: Answer, *, without_body: bool) -> None:
    """What holds for all answers."""
    assert answer.status != 500
    assert not [name for name in answer.headers if "evil" in name or name == "set-cookie"]
    if answer.status < 400:
        return
    assert answer.headers["content-type"] == "application/json"
    if without_body:
        assert answer.body == b""
        return
    said = json.loads(answer.body)
    assert set(said) == {"errors"}
    for error in said["errors"]:
        assert set(error) <= {"code", "message", "detail"}
        assert re.fullmatch(r"[A-Z_]+", error["code"])
        assert not CLASS_NAME.search(error["message"].replace("Content-Type", "").replace("Content-Range", "")), error
    assert not INSIDE.search(answer.body), answer.body[:500]
    assert str(server.root).encode() not in answer.body
    assert len(answer.body) < 8192, "an error is no place to echo what was sent"


def resident_bytes(server: Server) -> int:
    """Of the supervisor and everything below it."""
    processes = [psutil.Process(server.process.pid)]
    processes += processes[0].children(recursive=True)
    return sum(process.memory_info().rss for process in processes)


def errors_logged(server: Server, since_bytes: int) -> list[str]:
    with server.log.open("rb") as log:
        log.seek(since_bytes)
        lines = log.read().decode("utf-8", "replace").splitlines()
    found = []
    for line in lines:
        try:
            level = json.loads(line)["level"]
        except (ValueError, KeyError):
            found.append(line)  # whatever is not a line of ours is somebody's trace
            continue
        if level not in {"debug", "info", "warning"}:
            found.append(line)
    return found


def test_the_table_is_long_and_its_names_tell_rows_apart() -> None:
    assert len(TABLE) >= 200
    assert len({row.name for row in TABLE}) == len(TABLE)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_a_hostile_request_gets_the_right_answer(stage: Server, row: Row) -> None:
    logged_bytes = stage.log.stat().st_size
    judge(stage, row, send(stage, row))
    assert stage.request("GET", "/v2/")[0] == 200
    assert errors_logged(stage, logged_bytes) == []


def test_nothing_hostile_has_been_stored(stage: Server) -> None:
    """What the table tried to push, mount and delete: none of it has happened."""
    assert stage.request("HEAD", f"/v2/{OWN}/blobs/{sha256(BLOB)}")[0] == 200
    assert stage.request("HEAD", f"/v2/{OTHER}/blobs/{sha256(FOREIGN_BLOB)}")[0] == 200
    assert stage.request("HEAD", f"/v2/{OWN}/blobs/{sha256(FOREIGN_BLOB)}")[0] == 404
    assert json.loads(stage.request("GET", f"/v2/{OWN}/tags/list")[2])["tags"] == ["v1"]
    assert stage.request("GET", "/v2/no/such/tags/list")[0] == 404


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_table_run_again_and_again_costs_no_memory(stage: Server) -> None:
    logged_bytes = stage.log.stat().st_size
    sizes = []
    for _ in range(5):
        for row in TABLE:
            send(stage, row)
        sizes.append(resident_bytes(stage))
    # The first rounds fill pools and caches; from then on nothing may grow.
    assert sizes[-1] - sizes[1] <= GROWTH_BYTES, [size // 2**20 for size in sizes]
    assert errors_logged(stage, logged_bytes) == []
