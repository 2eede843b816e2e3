"""``http.auth.ldap`` as a gateway takes it."""

from __future__ import annotations

import json
import ssl
from typing import TYPE_CHECKING, Any

import pytest

from gateway.access.ldap.options import DirectoryOptions, Transport
from gateway.access.options import AccessOptions
from holdfast import config
from holdfast.errors import ConfigError
from tests.fakes.papers import Papers

if TYPE_CHECKING:
    from pathlib import Path


def options(**ldap: Any) -> DirectoryOptions:
    needed = {"address": "ldap.example.org", "baseDN": "dc=test", "userAttribute": "uid"}
    settings = config.parse({"storage": {"rootDirectory": "/tmp/x"}, "http": {"auth": {"ldap": needed | ldap}}})
    made = AccessOptions.of(settings)
    assert made.directory is not None
    assert made.rights().serves_anybody is False
    return made.directory


@pytest.mark.parametrize(
    ("keys", "transport", "port"),
    [
        ({}, Transport.LDAPS, 636),
        ({"port": 389, "startTLS": False}, Transport.LDAPS, 389),
        ({"startTLS": True}, Transport.START_TLS, 389),
        ({"startTLS": True, "insecure": True}, Transport.START_TLS, 389),
        ({"insecure": True}, Transport.PLAIN, 389),
    ],
)
def test_only_insecure_alone_is_never_encrypted(keys: dict[str, Any], transport: Transport, port: int) -> None:
    made = options(**keys)
    assert (made.transport, made.port) == (transport, port)


def test_a_certificate_is_checked_unless_nobody_is_to_look(tmp_path: Path) -> None:
    authority = str(Papers(tmp_path).issue(hosts=["localhost"]).authority)
    checked = options(caCert=authority).tls()
    assert (checked.verify_mode, checked.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert checked.minimum_version is ssl.TLSVersion.TLSv1_2
    assert len(checked.get_ca_certs()) == 1
    assert options(caCert=authority, skipVerify=True).tls().verify_mode is ssl.CERT_NONE


@pytest.mark.parametrize(
    ("key", "content"),
    [
        ("caCert", None),
        ("caCert", "no certificate"),
        ("credentialsFile", None),
        ("credentialsFile", json.dumps({"bindDN": "cn=reader", "bindPassword": ""})),
        ("credentialsFile", json.dumps({"bindDN": "cn=reader", "bindPassword": "s3cret", "more": 1})),
    ],
)
def test_files_that_cannot_be_used_are_refused_by_their_key(tmp_path: Path, key: str, content: str | None) -> None:
    file = tmp_path / "file.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigError) as refused:
        options(**{key: str(file)})
    assert isinstance(refused.value.detail, list)
    assert refused.value.detail[0]["path"] == f"http.auth.ldap.{key}"
    assert "s3cret" not in str(refused.value.detail)


@pytest.mark.parametrize("text", ["(uid=)x)", "(&)", "(a=\\zz)", "(" + "!(" * 5000 + "a=b" + ")" * 5001])
def test_a_filter_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        options(userFilter=text)
    assert "http.auth.ldap.userFilter" in str(refused.value.detail)
