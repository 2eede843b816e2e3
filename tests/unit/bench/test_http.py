"""The client against answers written by hand, one socket a test."""

import contextlib
import shutil
import socket
import ssl
import subprocess
import threading

import pytest

from holdfast.errors import AnswerError
from holdfast.ops.bench import endpoint as endpoints
from holdfast.ops.bench.endpoint import Dialer
from holdfast.ops.bench.flood import response_bytes
from holdfast.ops.bench.http import Connection, FileBody, Request, parse_head
from holdfast.ops.bench.options import Options, parse_size
from holdfast.ops.bench.run import Run, choose
from tests.fakes.registry import FakeRegistry


@contextlib.contextmanager
def answering(*answers):
    """Accept one connection for each answer, read once, send the answer, close."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            for answer in answers:
                accepted, _ = listener.accept()
                with accepted, contextlib.suppress(OSError):
                    accepted.recv(65536)
                    accepted.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        with Connection(endpoints.parse(f"127.0.0.1:{listener.getsockname()[1]}"), Dialer(5.0)) as connection:
            yield connection
        thread.join()


GET = Request("GET", "/v2/")


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", b"abc"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\n", b"abc"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", b"abc"),
    ],
)
def test_bodies(answer, body):
    with answering(answer) as connection:
        got = connection.exchange(GET)
    assert (got.status, got.body, got.body_bytes) == (200, body, len(body))
    assert 0 < got.first_byte_seconds <= got.seconds


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "short body"),
        (b"HTTP/1.1 200 OK\r\n\r\nabc", "no length"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "broken header"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000, "broken header"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "connection"),
        (b"", "connection"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 17000000\r\n\r\n" + bytes(17_000_000), "body too large"),
    ],
)
def test_broken_answers_have_a_reason(answer, reason):
    with answering(answer) as connection, pytest.raises(AnswerError) as caught:
        connection.exchange(GET)
    assert caught.value.reason == reason


def test_silence_ends_with_a_timeout():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        where = endpoints.parse(f"127.0.0.1:{listener.getsockname()[1]}")
        with Connection(where, Dialer(0.2)) as connection, pytest.raises(AnswerError) as caught:
            connection.exchange(GET)
    assert caught.value.reason == "timeout"


def test_a_refusal_in_the_middle_of_an_upload_is_read(tmp_path):
    big = tmp_path / "big"
    big.write_bytes(bytes(8 << 20))
    answer = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    # The reset may overtake the answer in the kernel; what counts is that it is one of the two, never a hang.
    with answering(answer) as connection, contextlib.suppress(AnswerError):
        assert connection.exchange(Request("PATCH", "/", (), FileBody(big, 8 << 20))).status == 413


def test_heads_are_parsed_without_regard_to_case():
    assert parse_head(b"HTTP/1.1 404 Not Found\r\nLOCATION: /x\r\nEmpty:") == (404, {"location": "/x", "empty": ""})


@pytest.mark.parametrize(
    ("got", "headless", "wanted"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Le", False, None),
        (b"HTTP/1.1 200 OK\r\nCONTENT-LENGTH: 5\r\nA: b\r\n\r\n", False, 49),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", True, 38),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", False, None),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", False, 52),
    ],
)
def test_the_flood_knows_where_an_answer_ends(got, headless, wanted):
    assert response_bytes(got, headless=headless) == wanted


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("openssl makes the certificate and is not installed")
    place = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [program, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", str(place / "key.pem"), "-out", str(place / "cert.pem")],
        check=True, capture_output=True,
    )  # fmt: skip
    return place


@pytest.mark.parametrize("trust", ["insecure", "ca"])
def test_https(certificate, trust):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    dialer = Dialer(5.0, insecure=True) if trust == "insecure" else Dialer(5.0, ca_file=certificate / "cert.pem")
    options = Options(sizes=(parse_size("3MB"),), clients=1, repeat=1, seconds=0.2, connections=3, readers=3)
    with FakeRegistry(tls=context) as registry:
        chosen = choose(["push", "pull", "get-tag", "tags", "slow-readers"])
        figures = list(Run(endpoints.parse(registry.url), dialer, None, options, chosen).figures(lambda _: None))
        with pytest.raises(AnswerError, match="certificate"):
            Dialer(5.0).connect(endpoints.parse(registry.url))
    assert [(f.case, dict(f.tally.failures)) for f in figures if f.failed or not f.tally.requests] == []
