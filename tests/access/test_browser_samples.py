"""Configurations of zot that concern browsers act as written: their files and addresses are of this machine, the rest is theirs."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.access.browser import Browser
from tests.access.conftest import line
from tests.access.guarded import basic
from tests.access.provider import CLIENT, SECRET, LocalProvider
from tests.serving import free_port, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

SAMPLES: Final = Path(__file__).parents[3] / "shared" / "configs" / "zot"
PAGE: Final = {"X_ZOT_API_CLIENT": "zot-ui"}
PUSH: Final = "/v2/a/blobs/uploads/"


@pytest.fixture(scope="module")
def provider() -> Iterator[LocalProvider]:
    with LocalProvider() as started:
        yield started


@contextlib.contextmanager
def acting(name: str, root: Path, provider: LocalProvider) -> Iterator[Browser]:
    """The registry of this sample, with its services on this machine."""
    if not (SAMPLES / name).exists() and os.environ.get("CI") != "true":
        pytest.skip("the folder shared/configs with the sample configurations is not beside this clone")
    tree: dict[str, Any] = json.loads((SAMPLES / name).read_text())
    credentials, passwords, port = root / "credentials.json", root / "htpasswd", free_port()
    credentials.write_text(json.dumps({"clientid": CLIENT, "clientsecret": SECRET}))
    passwords.write_text(line("test", "test123"))
    http = tree["http"]
    http["externalUrl"] = f"http://127.0.0.1:{port}"
    http["auth"]["sessionKeysFile"] = str(SAMPLES / Path(http["auth"]["sessionKeysFile"]).name)
    if "htpasswd" in http["auth"]:
        http["auth"]["htpasswd"]["path"] = str(passwords)
    for word, service in http["auth"]["openid"]["providers"].items():
        service["credentialsFile"] = str(credentials)
        if word == "github":
            service["authurl"] = f"{provider.url}/login/oauth/authorize"
        else:
            service["issuer"] = provider.url
    http.pop("port")
    with serving(root / "registry", port=port, http=http, log=tree["log"]) as server:
        yield Browser(server.url)


def test_people_log_in_at_four_services_and_one_has_a_password(tmp_path: Path, provider: LocalProvider) -> None:
    provider.github = {"emails": [{"email": "ann@example.com", "primary": True, "verified": True}]}
    with acting("config-openid.json", tmp_path, provider) as browser:
        for word in ("github", "google", "gitlab", "oidc"):
            page = browser.log_in(word)
            assert json.loads(page.body) == {"user": "ann@example.com"}, word
            assert browser.go("/v2/").status == 200
            assert browser.go("/v2/a/tags/list").status == 404
            assert browser.go(PUSH, "POST", **PAGE).status == 403
            # What another site's page could send makes no key.
            assert browser.go("/zot/auth/apikey", "POST").status == 401
            key = json.loads(browser.go("/zot/auth/apikey", "POST", **PAGE).body)["apiKey"]
            browser.go("/zot/auth/logout", "POST", **PAGE)
            assert browser.go("/v2/").status == 401
            # A program goes on with it; nobody else may use it.
            assert browser.go("/v2/", **basic("ann@example.com", key)).status == 200
            assert browser.go("/v2/a/tags/list", **basic("ann@example.com", key)).status == 404
            assert browser.go("/v2/", **basic("test", key)).status == 401
        assert browser.go(PUSH, "POST", **basic("test", "test123")).status == 202


def test_a_claim_other_than_the_mail_address_can_be_the_name(tmp_path: Path, provider: LocalProvider) -> None:
    provider.person = {"sub": "2", "preferred_username": "admin", "groups": ["staff"]}
    with acting("config-openid-claim-mapping.json", tmp_path, provider) as browser:
        assert json.loads(browser.log_in("oidc").body) == {"user": "admin"}
        assert browser.go(PUSH, "POST", **PAGE).status == 202
        provider.person["preferred_username"] = "ann"
        assert json.loads(browser.log_in("oidc").body) == {"user": "ann"}
        assert browser.go(PUSH, "POST", **PAGE).status == 403
        assert browser.go("/v2/a/tags/list").status == 404
