"""People with a browser: logins at other services, sessions, and what pages of other sites can make of them."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

import pytest

from tests.access.browser import Browser, login
from tests.access.conftest import line
from tests.access.guarded import Guarded, basic
from tests.access.provider import CLIENT, SECRET, LocalProvider
from tests.serving import free_port, serving, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGE: Final = {"X_ZOT_API_CLIENT": "zot-ui"}
FRIEND: Final = "https://pages.example.com"
RULES: Final = {
    "repositories": {
        "team/**": {"policies": [{"groups": ["builders", "acme/builders"], "actions": ["read", "create"]}]},
        "mine/**": {"policies": [{"users": ["ann@example.com", "bob"], "actions": ["read", "create"]}]},
        "**": {"defaultPolicy": ["read"]},
    }
}


@pytest.fixture(scope="module")
def provider() -> Iterator[LocalProvider]:
    with LocalProvider() as started:
        yield started


@pytest.fixture(autouse=True)
def _honest(provider: LocalProvider) -> None:
    provider.person = {"sub": "1", "email": "ann@example.com", "email_verified": True}
    provider.lies, provider.known, provider.github = {}, {"sub": "1"}, {}


@contextlib.contextmanager
def starting(root: Path, provider: LocalProvider, **auth: Any) -> Iterator[Guarded]:
    """A registry where people log in at ``provider``, whatever they call it, and bob has a password."""
    passwords, credentials = root / "htpasswd", root / "credentials.json"
    passwords.write_text(line("bob", "builder"))
    credentials.write_text(json.dumps({"clientid": CLIENT, "clientsecret": SECRET}))
    common = {"credentialsFile": str(credentials), "scopes": ["openid", "email"]}
    named = {word: {**common, "issuer": provider.url} for word in ("google", "gitlab", "oidc")}
    github = {**common, "scopes": ["user", "read:org"], "authurl": f"{provider.url}/login/oauth/authorize"}
    port = free_port()
    settings: dict[str, Any] = {
        "auth": {
            "htpasswd": {"path": str(passwords)},
            "openid": {"providers": {**named, "github": github}, "callbackAllowOrigins": [FRIEND]},
            **auth,
        },
        "accessControl": RULES,
        "allowOrigin": f"{FRIEND}, http://localhost:3000",
        "externalUrl": f"http://127.0.0.1:{port}",
    }
    with serving(root / "registry", port=port, http=settings, log={"audit": str(root / "audit.log")}) as server:
        yield Guarded(server, passwords)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory, provider: LocalProvider) -> Iterator[Guarded]:
    with starting(tmp_path_factory.mktemp("browsers"), provider) as started:
        yield started


@pytest.fixture
def browser(registry: Guarded) -> Browser:
    return Browser(registry.server.url)


def begins_upload(browser: Browser, repository: str = "mine/app", **headers: str) -> int:
    """Something that changes the registry."""
    return browser.go(f"/v2/{repository}/blobs/uploads/", "POST", **headers).status


@pytest.mark.parametrize("service", ["google", "gitlab", "oidc"])
def test_who_logs_in_at_another_service_is_known_by_the_mail_address(browser: Browser, service: str) -> None:
    assert browser.go("/v2/").status == 401
    page = browser.log_in(service)
    assert (page.status, json.loads(page.body)) == (201, {"user": "ann@example.com"})
    assert browser.go("/v2/").status == 200
    assert begins_upload(browser, **PAGE) == 202
    assert begins_upload(browser, "team/app", **PAGE) == 403
    assert browser.cookies["user"] == "ann@example.com"


@pytest.mark.parametrize("place", ["person", "known"])
def test_groups_come_from_the_token_or_from_the_user_endpoint(
    browser: Browser, provider: LocalProvider, place: str
) -> None:
    getattr(provider, place)["groups"] = ["builders", 7, ""]
    browser.log_in("oidc")
    assert begins_upload(browser, "team/app", **PAGE) == 202


def test_what_is_said_of_another_user_adds_nothing(browser: Browser, provider: LocalProvider) -> None:
    provider.known = {"sub": "2", "groups": ["builders"]}
    assert browser.log_in("oidc").status == 201
    assert begins_upload(browser, "team/app", **PAGE) == 403


def test_organisations_and_teams_of_github_are_groups(browser: Browser, provider: LocalProvider) -> None:
    provider.github = {
        "emails": [
            {"email": "old@example.com", "primary": False, "verified": True},
            {"email": "ann@example.com", "primary": True, "verified": True},
        ],
        "orgs": [{"login": "acme"}],
        "teams": [{"slug": "builders", "organization": {"login": "acme"}}],
    }
    page = browser.log_in("github")
    assert (page.status, json.loads(page.body)) == (201, {"user": "ann@example.com"})
    assert begins_upload(browser, "team/app", **PAGE) == 202
    provider.github["teams"] = None
    browser.log_in("github")
    assert begins_upload(browser, "team/app", **PAGE) == 403
    provider.github["emails"][1]["verified"] = False
    assert Browser(browser.home).log_in("github").status == 401


LIES: Final = {
    "another login's nonce": {"nonce": "x"},
    "no nonce": {"nonce": None},
    "another client": {"aud": "somebody"},
    "two recipients": {"aud": [CLIENT, "somebody"]},
    "another party": {"azp": "somebody"},
    "another issuer": {"iss": "https://accounts.example.com"},
    "ended": {"exp": 1, "iat": 0},
    "no name": {"email": None},
    "an empty name": {"email": ""},
    "a name that is none": {"email": "ann\nroot"},
    "a list of names": {"email": ["ann@example.com"]},
    "an address that is not verified": {"email_verified": False},
}


@pytest.mark.parametrize("lie", LIES)
def test_an_id_token_counts_only_for_us_and_for_this_login(browser: Browser, provider: LocalProvider, lie: str) -> None:
    provider.lies = LIES[lie]
    page = browser.log_in("oidc")
    assert page.status == 401, page.body
    assert "session" not in browser.cookies
    assert browser.go("/v2/").status == 401


def test_a_token_of_another_key_counts_for_nothing(browser: Browser, provider: LocalProvider) -> None:
    honest, _ = provider.keys[-1], provider.rotate()
    provider.shown.remove(provider.shown[-1])
    try:
        assert browser.log_in("oidc").status == 401
    finally:
        provider.keys[:] = [honest]


ILL: Final = {
    "an error": (503, lambda handler: handler.say({"error": "server_error"}, 500)),
    "too busy": (503, lambda handler: handler.say({}, 429)),
    "elsewhere": (503, lambda handler: handler.say(b"", 302, Location="http://127.0.0.1:1/")),
    "no JSON": (503, lambda handler: handler.say(b"{")),
    "too much": (503, lambda handler: handler.say(b" " * 600_000)),
    "a list": (401, lambda handler: handler.say(b"[]")),
    "no token": (401, lambda handler: handler.say({"access_token": "x"})),
    "a token that is none": (401, lambda handler: handler.say({"id_token": "x.y.z"})),
    "a number": (401, lambda handler: handler.say({"id_token": 7})),
    "a refusal": (401, lambda handler: handler.say({"error": "invalid_grant"}, 400)),
}


@pytest.mark.parametrize("answer", ILL)
def test_a_service_that_is_ill_logs_nobody_in(browser: Browser, provider: LocalProvider, answer: str) -> None:
    status, ill = ILL[answer]
    well = provider.answers["/token"]
    provider.route("/token", ill)
    try:
        page = browser.log_in("oidc")
    finally:
        provider.route("/token", well)
    assert page.status == status, page.body
    assert ("retry-after" in page.headers) == (status == 503)
    assert "session" not in browser.cookies
    assert browser.log_in("oidc").status == 201


def changed(url: str, **query: str | None) -> str:
    parts = urlsplit(url)
    said = {**{name: values[-1] for name, values in parse_qs(parts.query).items()}, **query}
    return urlunsplit(
        parts._replace(query=urlencode({name: value for name, value in said.items() if value is not None}))
    )


def test_an_answer_counts_once(browser: Browser) -> None:
    callback = browser.to_callback("oidc")
    attempt = dict(browser.cookies)
    assert browser.go(callback).status == 201
    assert browser.go(callback).status == 401
    browser.cookies.update(attempt)
    assert browser.go(callback).status == 401


@pytest.mark.parametrize(
    "tampered",
    [
        {"state": "x"},
        {"state": None},
        {"state": "\udcff"},
        {"code": None},
        {"code": "x" * 5000},
        {"iss": "https://evil.example"},
    ],
)
def test_an_answer_that_was_changed_is_not_taken(
    browser: Browser, provider: LocalProvider, tampered: dict[str, str | None]
) -> None:
    callback = browser.to_callback("oidc")
    asked = len(provider.asked)
    if tampered.get("state") == "\udcff":
        url = changed(callback, state="S").replace("state=S", "state=%FF")
    else:
        url = changed(callback, **tampered)
    assert browser.go(url).status == 401
    assert len(provider.asked) == asked
    assert "session" not in browser.cookies


def test_an_answer_is_good_in_the_browser_that_asked_alone(browser: Browser) -> None:
    callback = browser.to_callback("oidc")
    stranger = Browser(browser.home)
    assert stranger.go(callback).status == 401
    stranger.go(login("oidc"))
    assert stranger.go(callback).status == 401
    assert stranger.go("/v2/").status == 401


def test_a_code_that_was_stolen_is_of_no_use_in_the_thiefs_own_login(browser: Browser) -> None:
    code = parse_qs(urlsplit(browser.to_callback("oidc")).query)["code"][0]
    thief = Browser(browser.home)
    assert thief.go(changed(thief.to_callback("oidc"), code=code)).status == 401


def test_an_answer_of_one_service_is_not_taken_for_anothers(browser: Browser) -> None:
    callback = browser.to_callback("google")
    assert browser.go(callback.replace("/google?", "/gitlab?")).status == 401
    assert browser.go(callback.replace("/google?", "/nowhere?")).status == 404
    assert browser.go(login("nowhere")).status == 404


def test_a_refusal_of_the_service_is_told_in_its_word_alone(browser: Browser) -> None:
    state = parse_qs(urlsplit(browser.to_callback("oidc")).query)["state"][0]
    page = browser.go("/zot/auth/callback/oidc?" + urlencode({"state": state, "error": "access_denied"}))
    assert (page.status, b"access_denied" in page.body) == (401, True)
    state = parse_qs(urlsplit(browser.to_callback("oidc")).query)["state"][0]
    page = browser.go("/zot/auth/callback/oidc?" + urlencode({"state": state, "error": "<script>"}))
    assert (page.status, b"script" in page.body) == (401, False)


@pytest.mark.parametrize("place", ["/home", "/home?tab=1", f"{FRIEND}/home"])
def test_a_login_returns_where_it_was_meant_to(browser: Browser, place: str) -> None:
    page = browser.go(browser.go(browser.go(login("oidc", place)).location).location)
    assert (page.status, page.location) == (302, place if "//" in place else browser.home + place)


@pytest.mark.parametrize(
    "place",
    [
        "https://evil.example/",
        "https://pages.example.com.evil.example/",
        "https://pages.example.com@evil.example/",
        "http://pages.example.com/",
        "https://pages.example.com:444/",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "https:\\\\evil.example",
        "https:evil.example",
        "javascript:alert(1)",
        "data:text/html,x",
        "/home\r\nSet-Cookie: session=x",
        "https://pages.example.com/\t",
        "home",
        "@evil.example",
    ],
)
def test_a_login_returns_nowhere_else(browser: Browser, place: str) -> None:
    page = browser.go(login("oidc", place))
    if page.status == 302:
        # It stays on this registry, whatever its path looks like.
        page = browser.go(browser.go(page.location).location)
        assert urlsplit(page.location).netloc == urlsplit(browser.home).netloc
        assert page.location.startswith(browser.home + "/")
    else:
        assert page.status == 400
        assert "login" not in browser.cookies


def test_a_logout_ends_the_session_wherever_its_cookie_went(browser: Browser) -> None:
    browser.log_in("oidc")
    copy = Browser(browser.home, {host: dict(kept) for host, kept in browser.jar.items()})
    assert copy.go("/v2/").status == 200
    assert browser.go("/zot/auth/logout", "POST", **PAGE).status == 200
    assert "session" not in browser.cookies
    assert "user" not in browser.cookies
    assert [copy.go("/v2/").status for _ in range(4)] == [401] * 4
    assert browser.go("/zot/auth/logout", "POST", **PAGE).status == 200


def test_a_login_makes_a_new_session_and_ends_the_one_before(browser: Browser) -> None:
    browser.log_in("oidc")
    first = browser.cookies["session"]
    browser.log_in("oidc")
    assert browser.cookies["session"] != first
    assert browser.go("/v2/").status == 200
    browser.cookies["session"] = first
    assert browser.go("/v2/").status == 401


@pytest.mark.parametrize("made_up", ["x", "A" * 80, "A" * 4000, "", '"quoted"', "====", "%00"])
def test_a_cookie_that_we_did_not_make_is_as_good_as_none(browser: Browser, made_up: str) -> None:
    browser.cookies["session"] = browser.cookies["login"] = made_up
    assert browser.go("/v2/").status == 401
    assert browser.go("/v2/x/tags/list").status == 401
    assert browser.go("/zot/auth/callback/oidc?state=x&code=y").status == 401
    assert browser.log_in("oidc").status == 201
    assert browser.cookies["session"] != made_up


def test_one_kind_of_cookie_does_not_pass_for_another(browser: Browser) -> None:
    callback = browser.to_callback("oidc")
    browser.cookies["session"] = browser.cookies["login"]
    assert browser.go("/v2/").status == 401
    browser.log_in("oidc")
    browser.cookies["login"] = browser.cookies["session"]
    assert browser.go(callback).status == 401


def test_a_cookie_twice_is_none(browser: Browser) -> None:
    browser.log_in("oidc")
    session = browser.cookies.pop("session")
    assert browser.go("/v2/", Cookie=f"session={session}").status == 200
    assert browser.go("/v2/", Cookie=f"session={session}; session=x").status == 401


def test_another_site_changes_nothing_with_somebodys_session(browser: Browser) -> None:
    browser.log_in("oidc")
    for headers in (
        {},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": FRIEND},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"X_ZOT_API_CLIENT": "x"},
        {"Origin": "https://evil.example", "Sec_Fetch_Site": "same-origin"},
    ):
        assert begins_upload(browser, **headers) == 401, headers
        assert browser.go("/zot/auth/logout", "POST", **headers).status == 403, headers
    assert browser.go("/v2/").status == 200
    for headers in (PAGE, {"Origin": browser.home}, {"Sec_Fetch_Site": "same-origin"}):
        assert begins_upload(browser, **headers) == 202, headers


def test_cookies_are_kept_from_scripts_and_other_sites(browser: Browser) -> None:
    begun = browser.go(login("oidc"))
    ended = browser.go(browser.go(begun.location).location)
    for page, name in ((begun, "login"), (ended, "session")):
        cookie = page.cookies[name]
        assert (cookie["httponly"], cookie["samesite"], cookie["path"], cookie["domain"]) == (True, "Lax", "/", "")
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["referrer-policy"] == "no-referrer"
    assert int(begun.cookies["login"]["max-age"]) == 600


def test_a_token_that_was_got_with_a_session_ends_with_it(browser: Browser, registry: Guarded) -> None:
    browser.log_in("oidc")
    page = browser.go("/auth/token?service=holdfast&scope=repository:mine/app:pull,push&offline_token=true")
    answer = json.loads(page.body)
    token = {"Authorization": f"Bearer {answer['token']}"}
    assert registry.status("POST", "/v2/mine/app/blobs/uploads/", token) == 202
    assert registry.status("POST", "/v2/mine/other/blobs/uploads/", token) == 401
    browser.go("/zot/auth/logout", "POST", **PAGE)
    assert registry.status("POST", "/v2/mine/app/blobs/uploads/", token) == 401
    form = urlencode({"grant_type": "refresh_token", "refresh_token": answer["refresh_token"]}).encode()
    assert registry.status("POST", "/auth/token", {"Content-Type": "application/x-www-form-urlencoded"}, form) == 401


def test_a_password_begins_a_session_for_a_page_and_for_nobody_else(browser: Browser) -> None:
    who = basic("bob", "builder")
    assert not browser.go("/v2/", **who).cookies
    assert not browser.go("/v2/_catalog", **who, **PAGE).cookies
    assert browser.go("/v2/", **basic("bob", "wrong"), **PAGE).status == 401
    assert not browser.cookies
    assert browser.go("/v2/", **who, **PAGE).status == 200
    assert browser.cookies["user"] == "bob"
    assert begins_upload(browser, **PAGE) == 202


def test_a_session_ends_with_the_password_that_it_began_with(registry: Guarded, browser: Browser) -> None:
    with registry.passwords.open("a") as file:
        file.write(line("eve", "first"))
    wait_for("eve to be known", lambda: browser.go("/v2/", **basic("eve", "first"), **PAGE).status == 200)
    wait_for("every worker to know eve", lambda: {browser.go("/v2/").status for _ in range(8)} == {200})
    registry.passwords.write_text(line("bob", "builder") + line("eve", "second"))
    wait_for("the session to end", lambda: {browser.go("/v2/").status for _ in range(8)} == {401})


def test_logins_are_in_the_audit_log_and_nothing_secret_is_anywhere(browser: Browser, registry: Guarded) -> None:
    callback = browser.to_callback("oidc")
    attempt = browser.cookies["login"]
    assert browser.go(callback).status == 201
    (noted,) = [one for one in registry.audit() if one["path"] == "/zot/auth/callback/oidc" and one["status"] == "201"][
        -1:
    ]
    assert (noted["user"], noted["by"]) == ("ann@example.com", "openid")
    begins_upload(browser, **PAGE)
    assert registry.audit()[-1]["by"] == "session"
    query = {name: values[0] for name, values in parse_qs(urlsplit(callback).query).items()}
    everything = (registry.server.root / "log").read_text() + (registry.server.root.parent / "audit.log").read_text()
    for secret in (SECRET, attempt, browser.cookies["session"], query["code"], query["state"]):
        assert secret not in everything


def test_pages_of_configured_origins_may_ask_and_no_others(browser: Browser) -> None:
    asked = {"Access_Control_Request_Method": "PUT", "Access_Control_Request_Headers": "authorization"}
    for origin in (FRIEND, "http://localhost:3000"):
        page = browser.go("/v2/mine/app/manifests/v1", "OPTIONS", Origin=origin, **asked)
        assert (page.status, page.headers["access-control-allow-origin"]) == (204, origin)
        assert page.headers["access-control-allow-credentials"] == "true"
        assert "PUT" in page.headers["access-control-allow-methods"]
        assert browser.go("/v2/", Origin=origin).headers["access-control-allow-origin"] == origin
    for origin in (
        "https://evil.example",
        "null",
        f"{FRIEND}.evil.example",
        f"{FRIEND}:444",
        "http://pages.example.com",
    ):
        page = browser.go("/v2/mine/app/manifests/v1", "OPTIONS", Origin=origin, **asked)
        assert not [name for name in page.headers if name.startswith("access-control")]
        assert "access-control-allow-origin" not in browser.go("/v2/", Origin=origin).headers
    assert browser.go("/v2/").headers["vary"] == "Origin"


@pytest.mark.parametrize(
    ("path", "method"),
    [("/zot/auth/login", "GET"), ("/zot/auth/callback/oidc", "GET"), ("/zot/auth/logout", "POST")],
)
def test_the_ways_in_and_out_take_one_method_each(browser: Browser, path: str, method: str) -> None:
    for other in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} - {method}:
        assert browser.go(path, other, **PAGE).status == 405, other
    # Who begins a login must say where.
    assert browser.go(path, method, **PAGE).status == {"/zot/auth/login": 404, "/zot/auth/logout": 200}.get(path, 401)


def test_secure_cookies_belong_to_this_host_alone(tmp_path: Path, provider: LocalProvider) -> None:
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"hashKey": "h" * 64, "encryptKey": "e" * 32}))
    with starting(tmp_path, provider, secureSession=True, sessionKeysFile=str(keys)) as registry:
        browser = Browser(registry.server.url)
        page = browser.log_in("oidc")
        cookie = page.cookies["__Host-session"]
        assert (cookie["secure"], cookie["httponly"], cookie["path"], cookie["domain"]) == (True, True, "/", "")
        assert browser.go("/v2/").status == 200
        browser.cookies["session"] = browser.cookies.pop("__Host-session")
        assert browser.go("/v2/").status == 401
