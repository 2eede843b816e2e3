"""Short-lived logins from clouds and token endpoints, played on loopback: what is sent, what comes of it, what is not told."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from holdfast import names
from holdfast.clock import ManualClock, SystemClock
from holdfast.config.sync import TOKEN_EXCHANGE, Sync
from holdfast.errors import ConfigError, UpstreamDeniedError, UpstreamUnavailableError, UpstreamWrongError
from syncworker.upstream import logins
from syncworker.upstream.asides import Asides
from syncworker.upstream.credentials import Credentials
from syncworker.upstream.ecr import Ecr, place_of
from syncworker.upstream.gcp import Gcp
from syncworker.upstream.pace import Time
from syncworker.upstream.proxies import DIRECT
from tests.sync.client import Pauses, alice_at, upstream_of
from tests.sync.hostile import Call, Hostile
from tests.sync.peers import LOGIN, OCI, image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from holdfast.clock import Clock
    from syncworker.upstream.upstream import Upstream

REPOSITORY, TAG = names.repository("team/app"), names.tag("v1")
MANIFEST = image(b"layer")
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ACCOUNT = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"


def basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def pem(key: Any) -> bytes:
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)


class Endpoint(Hostile):
    """A token endpoint: tokens ``t1``, ``t2`` and so on. ``forms`` is what it was sent."""

    def __init__(self) -> None:
        self.forms: list[dict[str, str]] = []
        self.status = 200
        self.more: dict[str, Any] = {"expires_in": 600}
        super().__init__(self._issue)

    def _issue(self, call: Call) -> None:
        fields = parse_qs(call.body.decode())
        self.forms.append({name: value for name, (value,) in fields.items()})
        said = {"access_token": f"t{len(self.forms)}", "token_type": "Bearer", **self.more}
        call.answer(self.status, json.dumps(said if self.status == 200 else {"error_description": "s3cret"}).encode())


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as endpoint:
        yield endpoint


@pytest.fixture
def registry() -> Iterator[Hostile]:
    """With Basic: takes whatever ``registry.taken`` holds."""

    def script(call: Call) -> None:
        if call.headers.get("authorization") in registry.taken:
            call.answer(200, MANIFEST, Content_Type=OCI)
        else:
            call.answer(401, WWW_Authenticate='Basic realm="x"')

    with Hostile(script) as registry:
        registry.taken = set()
        yield registry


@pytest.fixture
def oauth2(registry: Hostile, endpoint: Endpoint, tmp_path: Path) -> Callable[..., Upstream]:
    """An upstream whose logins come from the endpoint."""
    (tmp_path / "assertion.jwt").write_text("the-assertion\n")

    def make(pauses: Pauses | None = None, **settings: Any) -> Upstream:
        source = {} if "signingFile" in settings else {"assertionFile": str(tmp_path / "assertion.jwt")}
        how = {"tokenURL": f"{endpoint.url}/token", "clientID": "me", "username": "u", **source, **settings}
        return upstream_of(registry.url, pauses=pauses, credentialHelper="oauth2", oauth2CredentialHelper=how)

    return make


def is_pulled(upstream: Upstream) -> bool:
    found = upstream.manifest(REPOSITORY, TAG)
    return found is not None and found.data == MANIFEST


FORMS: list[tuple[dict[str, Any], dict[str, str]]] = [
    (
        {"scopes": ["a", "b"]},
        {
            "grant_type": "client_credentials",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": "the-assertion",
            "client_id": "me",
            "scope": "a b",
        },
    ),
    (
        {"grantType": JWT_BEARER},
        {"grant_type": JWT_BEARER, "assertion": "the-assertion", "client_id": "me"},
    ),
    (
        {"grantType": TOKEN_EXCHANGE, "audience": "pool", "clientID": ""},
        {
            "grant_type": TOKEN_EXCHANGE,
            "subject_token": "the-assertion",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "audience": "pool",
        },
    ),
    (
        {
            "grantType": TOKEN_EXCHANGE,
            "audience": "pool",
            "subjectTokenType": "urn:x:given",
            "requestedTokenType": "urn:x:wanted",
        },
        {
            "grant_type": TOKEN_EXCHANGE,
            "subject_token": "the-assertion",
            "subject_token_type": "urn:x:given",
            "requested_token_type": "urn:x:wanted",
            "audience": "pool",
            "client_id": "me",
        },
    ),
]


@pytest.mark.parametrize(("settings", "form"), FORMS, ids=["credentials", "bearer", "exchange", "exchange-with-types"])
def test_an_assertion_becomes_a_login(
    oauth2: Callable[..., Upstream],
    registry: Hostile,
    endpoint: Endpoint,
    settings: dict[str, Any],
    form: dict[str, str],
) -> None:
    registry.taken = {basic("u", "t1")}
    assert is_pulled(oauth2(**settings))
    assert endpoint.forms == [form]


def test_a_clients_secret_is_read_from_its_file(
    oauth2: Callable[..., Upstream], registry: Hostile, endpoint: Endpoint, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("hunter2\n")
    registry.taken = {basic("u", "t1")}
    assert is_pulled(oauth2(clientSecretFile=str(tmp_path / "secret")))
    assert endpoint.forms[0]["client_secret"] == "hunter2"


def test_an_assertion_is_signed_anew_for_each_token(
    oauth2: Callable[..., Upstream], registry: Hostile, endpoint: Endpoint, tmp_path: Path
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "key.pem").write_bytes(pem(key))
    how = {"privateKeyFile": str(tmp_path / "key.pem"), "algorithm": "ES256", "keyId": "k"}
    (tmp_path / "signing.json").write_text(json.dumps(how))
    pauses = Pauses()
    upstream = oauth2(pauses, signingFile=str(tmp_path / "signing.json"))
    registry.taken = {basic("u", "t1"), basic("u", "t2")}
    assert is_pulled(upstream)
    pauses.clock.advance(451)
    assert is_pulled(upstream)
    options = {"verify_exp": False, "verify_iat": False}
    first, second = (
        jwt.decode(form["client_assertion"], key.public_key(), ["ES256"], options, audience=f"{endpoint.url}/token")
        for form in endpoint.forms
    )
    assert (first["iss"], first["sub"]) == ("me", "me")
    assert first["jti"] != second["jti"]


def test_a_token_is_renewed_before_it_ends_and_not_before_it_must(
    oauth2: Callable[..., Upstream], registry: Hostile, endpoint: Endpoint
) -> None:
    pauses = Pauses()
    upstream = oauth2(pauses)
    registry.taken = {basic("u", "t1")}
    assert is_pulled(upstream)
    pauses.clock.advance(449)
    assert is_pulled(upstream)
    registry.taken = {basic("u", "t2")}
    refused = len([h for h in registry.asked("GET") if "authorization" not in h])
    pauses.clock.advance(1)
    assert is_pulled(upstream)
    # Not because it was refused: no request went out without a login or with the old one.
    assert [h.get("authorization") for h in registry.asked("GET")][-1] == basic("u", "t2")
    assert len(registry.asked("GET")) == refused + 3
    assert len(endpoint.forms) == 2


def test_a_token_that_was_taken_back_is_asked_for_anew(
    oauth2: Callable[..., Upstream], registry: Hostile, endpoint: Endpoint
) -> None:
    pauses = Pauses()
    upstream = oauth2(pauses)
    registry.taken = {basic("u", "t1")}
    assert is_pulled(upstream)
    pauses.clock.advance(60)
    registry.taken = {basic("u", "t2")}
    assert is_pulled(upstream)


def test_a_token_service_that_refuses_a_login_gets_the_next_one_and_no_third(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    (tmp_path / "assertion.jwt").write_text("a")
    taken, tried = {basic("u", "t1")}, []

    def script(call: Call) -> None:
        if call.path == "/token":
            tried.append(call.headers["authorization"])
            call.answer(200 if tried[-1] in taken else 401, b'{"token": "for-pulling", "expires_in": 60}')
        elif call.headers.get("authorization") == "Bearer for-pulling":
            call.answer(200, MANIFEST, Content_Type=OCI)
        else:
            call.answer(401, WWW_Authenticate=f'Bearer realm="{bearer.url}/token",service="s"')

    how = {"tokenURL": f"{endpoint.url}/token", "assertionFile": str(tmp_path / "assertion.jwt"), "username": "u"}
    with Hostile(script) as bearer:
        pauses = Pauses()
        upstream = upstream_of(bearer.url, pauses=pauses, credentialHelper="oauth2", oauth2CredentialHelper=how)
        assert is_pulled(upstream)
        taken.clear()
        taken.add(basic("u", "t2"))
        pauses.clock.advance(60)
        assert is_pulled(upstream)
        assert tried == [basic("u", "t1"), basic("u", "t1"), basic("u", "t2")]
        taken.clear()
        pauses.clock.advance(60)
        with pytest.raises(UpstreamDeniedError):
            is_pulled(upstream)
        assert tried[3:] == [basic("u", "t2"), basic("u", "t3")]


def test_an_identity_token_goes_to_the_token_service_of_the_upstream(endpoint: Endpoint, tmp_path: Path) -> None:
    (tmp_path / "assertion.jwt").write_text("a")
    forms: list[dict[str, list[str]]] = []

    def script(call: Call) -> None:
        if call.path == "/token":
            forms.append(parse_qs(call.body.decode()))
            call.answer(200, b'{"access_token": "for-pulling"}')
        elif call.headers.get("authorization") == "Bearer for-pulling":
            call.answer(200, MANIFEST, Content_Type=OCI)
        else:
            call.answer(401, WWW_Authenticate=f'Bearer realm="{bearer.url}/token",service="s"')

    how = {"tokenURL": f"{endpoint.url}/token", "assertionFile": str(tmp_path / "assertion.jwt")}
    with Hostile(script) as bearer:
        assert is_pulled(upstream_of(bearer.url, credentialHelper="oauth2", oauth2CredentialHelper=how))
    assert [(form["grant_type"], form["refresh_token"]) for form in forms] == [(["refresh_token"], ["t1"])]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, UpstreamDeniedError),
        (401, UpstreamDeniedError),
        (403, UpstreamDeniedError),
        (500, UpstreamUnavailableError),
        (503, UpstreamUnavailableError),
        (307, UpstreamWrongError),
    ],
)
def test_an_endpoint_that_gives_no_token_is_judged_and_not_quoted(
    oauth2: Callable[..., Upstream], endpoint: Endpoint, status: int, kind: type[Exception]
) -> None:
    endpoint.status = status
    with pytest.raises(kind) as caught:
        oauth2().manifest(REPOSITORY, TAG)
    assert "s3cret" not in str(caught.value)
    assert "the-assertion" not in str(caught.value)


def test_a_secret_file_that_is_missing_is_named_in_the_log_and_not_to_clients(
    oauth2: Callable[..., Upstream], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(UpstreamWrongError, match="log") as caught:
        oauth2(clientSecretFile=str(tmp_path / "absent")).manifest(REPOSITORY, TAG)
    assert str(tmp_path) not in str(caught.value)
    assert next(r.reason for r in caplog.records if hasattr(r, "reason")).endswith(
        f"{tmp_path / 'absent'} cannot be read: No such file or directory"
    )


def test_the_login_of_a_file_is_used_where_the_helper_has_none(registry: Hostile) -> None:
    registry.taken = {LOGIN}
    upstream = upstream_of(registry.url, f"https://{ACCOUNT}", credentialHelper="ecr", logins=[alice_at(registry.host)])
    assert is_pulled(upstream)


# Amazon


@pytest.fixture
def amazon(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hostile]:
    """Its ECR service. ``amazon.said`` is what it answers: status and record."""
    ends_at = (datetime.now(UTC) + timedelta(hours=12)).timestamp()
    token = base64.b64encode(b"AWS:pass:word").decode()

    def script(call: Call) -> None:
        status, record = amazon.said
        call.answer(status, json.dumps(record).encode(), Content_Type="application/x-amz-json-1.1")

    with Hostile(script) as amazon:
        amazon.said = (200, {"authorizationData": [{"authorizationToken": token, "expiresAt": ends_at}]})
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_ENDPOINT_URL_ECR", amazon.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
        yield amazon


def test_amazon_is_asked_for_the_account_and_region_of_the_host_in_a_signed_request(amazon: Hostile) -> None:
    issued = Ecr(SystemClock()).issue(ACCOUNT)
    assert issued.login == Credentials("AWS", "pass:word")
    assert 11 * 3600 < issued.life_seconds <= 12 * 3600
    (headers,) = amazon.asked("POST")
    assert headers["x-amz-target"].endswith(".GetAuthorizationToken")
    assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
    assert "/eu-west-1/ecr/aws4_request" in headers["authorization"]
    assert json.loads(amazon.bodies[0]) == {"registryIds": ["123456789012"]}


@pytest.mark.parametrize(
    ("status", "record", "kind"),
    [
        (400, {"__type": "AccessDeniedException", "message": "s3cret"}, UpstreamDeniedError),
        (400, {"__type": "ThrottlingException", "message": "s3cret"}, UpstreamUnavailableError),
        (500, {"__type": "ServerException", "message": "s3cret"}, UpstreamUnavailableError),
        (200, {"authorizationData": []}, UpstreamWrongError),
        (200, {"authorizationData": [{"authorizationToken": "QVdT", "expiresAt": 1}]}, UpstreamWrongError),
    ],
)
def test_amazons_refusals_are_judged_and_not_quoted(
    amazon: Hostile, status: int, record: dict[str, Any], kind: type[Exception]
) -> None:
    amazon.said = (status, record)
    with pytest.raises(kind) as caught:
        Ecr(ManualClock()).issue(ACCOUNT)
    assert "s3cret" not in str(caught.value)


def test_without_an_identity_at_amazon_the_message_says_so(amazon: Hostile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(ConfigError, match="no AWS identity"):
        Ecr(ManualClock()).issue(ACCOUNT)
    assert amazon.seen == []


@pytest.mark.parametrize(
    ("host", "place"),
    [
        (ACCOUNT, ("123456789012", "eu-west-1")),
        ("1.dkr.ecr-fips.us-gov-west-1.amazonaws.com", ("1", "us-gov-west-1")),
        ("1.dkr.ecr.cn-north-1.amazonaws.com.cn", ("1", "cn-north-1")),
        (f"{ACCOUNT}.evil.example", None),
        (f"{ACCOUNT}:8443", None),
        ("public.ecr.aws", None),
        ("127.0.0.1:5000", None),
    ],
)
def test_only_amazons_hosts_name_an_account(host: str, place: tuple[str, str] | None) -> None:
    assert place_of(host) == place


def test_a_helper_for_amazon_where_no_url_is_amazons_is_refused_at_the_start() -> None:
    with pytest.raises(ConfigError, match="amazonaws"):
        upstream_of("https://registry.example", credentialHelper="ecr")


@pytest.mark.parametrize(("helper", "library"), [("ecr", "botocore"), ("gcp", "google.auth")])
def test_a_helper_whose_library_is_missing_is_refused_at_the_start(
    monkeypatch: pytest.MonkeyPatch, helper: str, library: str
) -> None:
    monkeypatch.setattr(logins, "find_spec", lambda name: None if name == library else object())
    with pytest.raises(ConfigError, match=rf"holdfast\[{helper}\]"):
        upstream_of(f"https://{ACCOUNT}", credentialHelper=helper)


# Google


@pytest.fixture(scope="module")
def metadata() -> Iterator[Hostile]:
    """Its metadata server and its token endpoint in one. One for all tests: the library keeps its address once it is loaded."""

    def script(call: Call) -> None:
        if call.path == "/token" or call.path.endswith("/token"):
            said = {"access_token": "ya29", "expires_in": 3600, "token_type": "Bearer", "error": "s3cret"}
            call.answer(metadata.status, json.dumps(said).encode(), Content_Type="application/json")
        else:
            account = {"email": "me@example", "scopes": [], "aliases": ["default"]}
            call.answer(200, json.dumps(account).encode(), Content_Type="application/json", Metadata_Flavor="Google")

    with Hostile(script) as metadata:
        yield metadata


@pytest.fixture
def google(metadata: Hostile, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Hostile:
    """``google.status`` is what it answers when it is asked for a token."""
    metadata.status = 200
    metadata.seen.clear()
    metadata.bodies.clear()
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT", "NO_GCE_CHECK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "none"))
    monkeypatch.setenv("GCE_METADATA_HOST", metadata.host)
    monkeypatch.setenv("GCE_METADATA_IP", metadata.host)
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
    return metadata


def gcp(clock: Clock) -> Gcp:
    return Gcp(Asides(Time(clock, lambda _: None, lambda: 0.0), DIRECT))


@pytest.fixture
def service_account(google: Hostile, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> rsa.RSAPrivateKey:
    """The key of one, in a file as Google gives it out."""
    key = rsa.generate_private_key(65537, 2048)
    account = {
        "type": "service_account",
        "client_email": "me@example",
        "private_key": pem(key).decode(),
        "private_key_id": "k",
        "token_uri": f"{google.url}/token",
    }
    (tmp_path / "key.json").write_text(json.dumps(account))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    return key


def test_a_service_accounts_key_becomes_a_login(google: Hostile, service_account: rsa.RSAPrivateKey) -> None:
    issued = gcp(SystemClock()).issue("europe-docker.pkg.dev")
    assert issued.login == Credentials("oauth2accesstoken", "ya29")
    assert 3000 < issued.life_seconds <= 3600
    form = parse_qs(google.bodies[-1].decode())
    options = {"verify_aud": False}
    claims = jwt.decode(form["assertion"][0], service_account.public_key(), ["RS256"], options)
    assert (claims["iss"], claims["scope"]) == ("me@example", "https://www.googleapis.com/auth/cloud-platform")


def test_a_machine_at_google_logs_in_by_its_metadata_server(google: Hostile) -> None:
    issued = gcp(SystemClock()).issue("europe-docker.pkg.dev")
    assert issued.login == Credentials("oauth2accesstoken", "ya29")
    assert all(headers.get("metadata-flavor") == "Google" for headers in google.asked("GET", "token"))


def test_an_upstream_at_google_is_pulled_with_the_token(google: Hostile, registry: Hostile) -> None:
    registry.taken = {basic("oauth2accesstoken", "ya29")}
    assert is_pulled(upstream_of(registry.url, credentialHelper="gcp"))


def test_googles_refusals_are_not_quoted(google: Hostile, service_account: object, tmp_path: Path) -> None:
    google.status = 400
    with pytest.raises(UpstreamDeniedError) as caught:
        gcp(ManualClock()).issue("europe-docker.pkg.dev")
    assert "s3cret" not in str(caught.value)
    (tmp_path / "key.json").write_text('{"type": "service_account", "private_key": "s3cret"}')
    with pytest.raises(ConfigError, match="identity") as refused:
        gcp(ManualClock()).issue("europe-docker.pkg.dev")
    assert "s3cret" not in str(refused.value)


# docker


def test_dockers_file_and_its_programs_log_in_and_are_asked_once(registry: Hostile, tmp_path: Path) -> None:
    program = tmp_path / "docker-credential-mine"
    program.write_text(f'#!/bin/sh\necho run >> {tmp_path}/runs\nprintf \'{{"Username":"alice","Secret":"s3cret"}}\'\n')
    program.chmod(0o755)
    (tmp_path / "config.json").write_text(json.dumps({"credHelpers": {registry.host: "mine"}}))
    pauses = Pauses()
    sync = Sync.model_validate({"dockerConfig": str(tmp_path / "config.json")})
    sources = logins.files(sync, {"PATH": f"{tmp_path}:/usr/bin:/bin", "A_SECRET": "x"}, pauses.clock)
    registry.taken = {LOGIN}
    for _ in range(3):
        assert is_pulled(upstream_of(registry.url, pauses=pauses, logins=sources))
    assert (tmp_path / "runs").read_text() == "run\n"
    pauses.clock.advance(300)
    assert is_pulled(upstream_of(registry.url, pauses=pauses, logins=sources))
    assert (tmp_path / "runs").read_text() == "run\nrun\n"


def test_programs_see_where_they_are_and_not_what_is_ours() -> None:
    ours = {"PATH": "/bin", "HOME": "/root", "AWS_PROFILE": "p", "HOLDFAST_SECRET": "x", "ETCD_PASSWORD": "y"}
    assert logins.passed_on(ours) == {"PATH": "/bin", "HOME": "/root", "AWS_PROFILE": "p"}


# Token services on other hosts


def test_a_token_service_elsewhere_sees_the_login_only_if_it_is_named(registry: Hostile) -> None:
    def script(call: Call) -> None:
        if call.path == "/token":
            call.answer(200, b'{"token": "for-pulling"}' if call.headers.get("authorization") == LOGIN else b"{}")
        elif call.headers.get("authorization") == "Bearer for-pulling":
            call.answer(200, MANIFEST, Content_Type=OCI)
        else:
            realm = f"http://login.example:{bearer.port}/token"
            call.answer(401, WWW_Authenticate=f'Bearer realm="{realm}",service="s"')

    with Hostile(script) as bearer:
        url = f"http://registry.test:{bearer.port}"
        known = {"logins": [alice_at(f"registry.test:{bearer.port}")], "resolver": lambda *_: ["127.0.0.1"]}
        with pytest.raises(UpstreamWrongError, match="tokenHosts"):
            is_pulled(upstream_of(url, tokenHosts=["other.example"], **known))
        assert bearer.asked("", "/token") == []
        assert is_pulled(upstream_of(url, tokenHosts=["LOGIN.example"], **known))
