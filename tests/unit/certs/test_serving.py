"""Files of a server's TLS: what is wrong with them is told with its place and a remedy, before anybody is served."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import serialization
from typer.testing import CliRunner

from gateway.tls import Certificates
from holdfast.certs.serving import ServerFiles, server_context
from holdfast.cli import app
from holdfast.errors import ConfigError
from tests.certificates import Authority, Files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


@pytest.fixture
def shown(authority: Authority) -> Files:
    return authority.server()


def remove(path: Path, _: Authority) -> None:
    path.unlink()


def spoil(path: Path, _: Authority) -> None:
    path.write_bytes(b"-----BEGIN CERTIFICATE-----\nnothing\n-----END CERTIFICATE-----\n")


def empty(path: Path, _: Authority) -> None:
    path.write_bytes(b"")


def flood(path: Path, _: Authority) -> None:
    path.write_bytes(b"x" * (2 << 20))


def exchange(path: Path, authority: Authority) -> None:
    path.write_bytes(authority.issue("another").key.read_bytes())


def lock(path: Path, _: Authority) -> None:
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    locked = serialization.BestAvailableEncryption(b"secret")
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked))


FAULTS = [
    *[(key, harm) for key in ("cert", "key", "cacert") for harm in (remove, spoil, empty, flood)],
    ("key", exchange),
    ("key", lock),
]


def place(key: str, authority: Authority, shown: Files) -> Path:
    return {"cert": shown.certificate, "key": shown.key, "cacert": authority.file}[key]


@pytest.mark.parametrize(("key", "harm"), FAULTS)
def test_a_fault_is_told_with_its_place_and_a_remedy(
    authority: Authority, shown: Files, key: str, harm: Callable[[Path, Authority], None]
) -> None:
    harm(place(key, authority, shown), authority)
    with pytest.raises(ConfigError) as caught:
        server_context(ServerFiles(shown.certificate, shown.key, authority.file))
    detail: Any = caught.value.detail
    (fault,) = detail
    assert fault["path"] == f"http.tls.{key}"
    assert fault["message"]
    assert fault["remedy"]
    assert "secret" not in str(fault)


def test_clients_are_asked_as_the_files_say(authority: Authority, shown: Files) -> None:
    plain = server_context(ServerFiles(shown.certificate, shown.key))
    asked = server_context(ServerFiles(shown.certificate, shown.key, authority.file))
    required = server_context(ServerFiles(shown.certificate, shown.key, authority.file, requires_client=True))
    modes = [context.verify_mode for context in (plain, asked, required)]
    assert modes == [ssl.CERT_NONE, ssl.CERT_OPTIONAL, ssl.CERT_REQUIRED]
    assert not asked.verify_flags & ssl.VERIFY_CRL_CHECK_LEAF
    authority.file.write_bytes(authority.file.read_bytes() + authority.revocations())
    listed = server_context(ServerFiles(shown.certificate, shown.key, authority.file))
    assert listed.verify_flags & ssl.VERIFY_CRL_CHECK_LEAF


def shake(context: ssl.SSLContext, trust: ssl.SSLContext) -> ssl.SSLSocket:
    """A client's side of a connection to a server with this context."""
    ours, theirs = socket.socketpair()

    def serve() -> None:
        with context.wrap_socket(theirs, server_side=True) as sock:
            sock.recv(1)

    threading.Thread(target=serve, daemon=True).start()
    return trust.wrap_socket(ours, server_hostname="127.0.0.1")


def test_renegotiation_is_off_and_suites_without_forward_secrecy_are_not_there(
    authority: Authority, shown: Files
) -> None:
    context = server_context(ServerFiles(shown.certificate, shown.key))
    assert context.options & ssl.OP_NO_RENEGOTIATION
    assert context.options & ssl.OP_NO_COMPRESSION
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    for cipher in context.get_ciphers():
        assert cipher["name"].startswith(("ECDHE-", "TLS_"))
        assert cipher["aead"]
    with shake(context, authority.trust) as sock:
        assert sock.version() == "TLSv1.3"


def test_files_are_taken_when_they_fit_together_and_not_before(
    authority: Authority, shown: Files, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="holdfast.gateway")
    certificates = Certificates(ServerFiles(shown.certificate, shown.key))
    first, other = certificates.context, authority.server(name="other")
    certificates.look()
    assert certificates.context is first
    shown.certificate.write_bytes(other.certificate.read_bytes())
    for _ in range(3):
        certificates.look()
    assert certificates.context is first
    assert [record.message for record in caplog.records] == ["the new certificate is not taken, the old one stays"]
    shown.key.unlink()
    certificates.look()
    assert certificates.context is first
    shown.key.write_bytes(other.key.read_bytes())
    certificates.look()
    assert certificates.context is not first
    assert caplog.records[-1].message == "took the new certificate"


def configured(tmp_path: Path, shown: Files) -> Path:
    path = tmp_path / "config.json"
    storage = {"rootDirectory": str(tmp_path / "data")}
    path.write_text(json.dumps({"storage": storage, "http": {"port": 0, "tls": shown.settings}}))
    return path


def test_verify_and_serve_refuse_a_key_of_another_certificate(
    authority: Authority, shown: Files, tmp_path: Path
) -> None:
    config = configured(tmp_path, shown)
    assert CliRunner().invoke(app, ["verify", str(config)]).exit_code == 0
    exchange(shown.key, authority)
    verified = CliRunner().invoke(app, ["verify", "--json", str(config)])
    assert verified.exit_code == 1
    (fault,) = json.loads(verified.output)["faults"]
    assert fault["path"] == "http.tls.key"
    served = CliRunner().invoke(app, ["serve", str(config)])
    assert served.exit_code == 78
    assert "http.tls.key: " in served.stderr
    assert not (tmp_path / "data").exists()


def test_verify_warns_of_files_that_are_not_on_this_machine_and_serve_refuses(shown: Files, tmp_path: Path) -> None:
    config = configured(tmp_path, shown)
    shown.certificate.unlink()
    verified = CliRunner().invoke(app, ["verify", "--json", str(config)])
    assert verified.exit_code == 0
    assert [one["path"] for one in json.loads(verified.output)["warnings"]] == ["http.tls.cert"]
    assert CliRunner().invoke(app, ["serve", str(config)]).exit_code == 78
