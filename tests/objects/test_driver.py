"""What each key of ``storageDriver`` comes to."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.config.drivers import S3, Azure, Gcs
from holdfast.errors import ConfigError
from storagenode.objects.driver import open_bucket


def s3(**keys: Any) -> Any:
    given = {"bucket": "b", "region": "eu-central-1", "accesskey": "a", "secretkey": "s3cret"} | keys
    return open_bucket(S3.model_validate(given))._store


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, {"region": "eu-central-1", "virtual_hosted_style_request": "true"}),
        ({"regionendpoint": "store.example:9000"}, {"endpoint": "https://store.example:9000"}),
        ({"regionendpoint": "store.example", "secure": False}, {"endpoint": "http://store.example"}),
        ({"regionendpoint": "http://store.example"}, {"endpoint": "http://store.example"}),
        ({"regionendpoint": "store.example"}, {"virtual_hosted_style_request": "false"}),
        ({"regionendpoint": "store.example", "forcepathstyle": False}, {"virtual_hosted_style_request": "true"}),
        ({"sessiontoken": "t"}, {"session_token": "t"}),
        ({"encrypt": True}, {"server_side_encryption": "AES256"}),
        ({"encrypt": True, "keyid": "k"}, {"server_side_encryption": "aws:kms", "sse_kms_key_id": "k"}),
        ({"usedualstack": True}, {"endpoint": "https://b.s3.dualstack.eu-central-1.amazonaws.com"}),
        (
            {"usefipsendpoint": True, "forcepathstyle": True},
            {"endpoint": "https://s3-fips.eu-central-1.amazonaws.com"},
        ),
    ],
)
def test_a_key_of_s3_says_what_it_says_in_zot(keys, expected):
    config = {
        str(key): str(value).lower() if isinstance(value, bool) else value for key, value in s3(**keys).config.items()
    }
    assert {key: config[key] for key in expected} == expected


def test_rootdirectory_is_what_every_key_begins_with():
    assert s3(rootdirectory="/a/b/").prefix == "a/b"
    assert s3(rootdirectory="/").prefix is None


def test_a_certificate_is_checked_unless_told_not_to():
    assert "allow_invalid_certificates" not in s3().client_options
    assert str(s3(skipverify=True).client_options["allow_invalid_certificates"]).lower() == "true"


@pytest.mark.parametrize(
    ("credentials", "expected"),
    [
        ({}, {"account_key": "a2V5"}),
        (
            {"credentials": {"type": "client_secret", "tenantid": "t", "clientid": "i", "secret": "s"}},
            {"tenant_id": "t", "client_id": "i", "client_secret": "s"},
        ),
    ],
)
def test_azure_is_told_who_asks(credentials, expected):
    given = {"accountname": "a", "container": "c", "accountkey": "a2V5", "rootdirectory": "/r"} | credentials
    store = open_bucket(Azure.model_validate(given))._store
    assert {key: store.config[key] for key in expected} == expected
    assert store.prefix == "r"


def test_a_key_that_is_none_is_refused_without_being_told(tmp_path):
    key = tmp_path / "key.json"
    key.write_text('{"private_key": "very secret"}')
    with pytest.raises(ConfigError) as raised:
        open_bucket(Gcs.model_validate({"bucket": "b", "keyfile": str(key)}))
    assert "very secret" not in f"{raised.value}{raised.value.__cause__}"
    assert "gcs" in raised.value.message
