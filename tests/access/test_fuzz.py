"""Whatever is sent to a registry that knows its users: nobody gets in who may not, nothing breaks, no connection is left hanging.

The same properties run with many more examples under ``-m soak``.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from holdfast.access.actions import Action
from holdfast.access.conditions import Condition, Facts
from holdfast.access.identity import ANONYMOUS
from holdfast.errors import ConfigError
from tests.access.conftest import starting
from tests.access.guarded import basic
from tests.access.test_users import push
from tests.http.raw import Answer, talk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.access.guarded import Guarded

    Property = tuple[Callable[..., None], dict[str, st.SearchStrategy[Any]]]

_NOT_SLOW: Final = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
_EXAMPLES: Final = 100
_MANY: Final = 3_000
RULES: Final = {
    "repositories": {
        "own/**": {"policies": [{"users": ["ann"], "actions": ["read", "create", "update"]}]},
        "secret/**": {"policies": [{"users": ["nobody"], "actions": ["read"]}]},
    },
    "adminPolicy": {"users": ["root"], "actions": ["read", "create", "update", "delete"]},
}
ANN: Final = basic("ann", "right")
ROOT: Final = basic("root", "toor")
ZERO: Final = "sha256:" + "0" * 64
_GUARDED: Final = st.sampled_from(
    [
        ("GET", "/v2/secret/app/manifests/v1"),
        ("HEAD", "/v2/own/app/manifests/v1"),
        ("GET", "/v2/own/app/tags/list"),
        ("POST", "/v2/own/app/blobs/uploads/"),
        ("DELETE", "/v2/own/app/manifests/v1"),
        ("GET", f"/v2/own/app/referrers/{ZERO}"),
        ("GET", "/v2/_catalog"),
        ("GET", "/v2/"),
    ]
)


@dataclass(frozen=True)
class Door:
    """``token``: ann's, for reading own/app; ``digest``: of what only root may see."""

    registry: Guarded
    token: str
    digest: str

    def send(
        self, method: str, target: str | bytes, *headers: bytes, body: bytes = b"", length: bool = True
    ) -> Answer | None:
        """One request on a connection of its own; None: closed without a word, as what is no HTTP may be."""
        where = target if isinstance(target, bytes) else target.encode("latin-1")
        lines = [method.encode() + b" " + where + b" HTTP/1.1", b"Host: x", *headers]
        if length and (body or method in {"POST", "PUT"}):
            lines.append(b"Content-Length: %d" % len(body))
        said = talk(self.registry.server.port, b"\r\n".join(lines) + b"\r\n\r\n" + body, 1, ends=True)
        assert said.ended, "the connection was left hanging"
        assert b" 500 " not in said.rest
        if not said.answers:
            return None
        answer = said.answers[0]
        assert answer.status < 500
        if answer.status >= 400 and answer.body:
            assert json.loads(answer.body)["errors"][0]["code"]
        assert b"Traceback" not in answer.body
        return answer

    def keeps_out(self, method: str, target: str | bytes, *headers: bytes, body: bytes = b"") -> None:
        answer = self.send(method, target, *headers, body=body)
        assert answer is None or not 200 <= answer.status < 300, answer

    def tells_no_secret(self, answer: Answer | None) -> None:
        if answer is not None:
            assert self.digest not in answer.headers.values()
            assert b"fuzzed secret" not in answer.body


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with starting(tmp_path_factory.mktemp("fuzzed"), {"ann": "right", "root": "toor"}, RULES) as registry:
        assert push(registry, ROOT, "own/app", "v1")[0] == 201
        _, digest = push(registry, ROOT, "secret/app", "v1")
        token = registry.token(ANN, "repository:own/app:pull")["Authorization"].partition(" ")[2]
        yield Door(registry, token, digest)
        assert registry.status("GET", "/v2/own/app/tags/list", ANN) == 200, "who may come in still does"
        assert "Traceback" not in registry.server.log.read_text()


def any_header(door: Door, where: tuple[str, str], kind: bytes, value: bytes) -> None:
    door.keeps_out(*where, b"Authorization: " + kind + value)


_LINE: Final = st.binary(max_size=200).map(lambda data: data.replace(b"\n", b"").replace(b"\r", b""))
_KINDS: Final = st.sampled_from(
    [
        b"",
        b"Basic ",
        b"Bearer ",
        b"basic\t",
        b"BEARER ",
        b"Basic",
        b"Bearer",
        b"Digest ",
        b"Negotiate ",
        b"Basic  ",
        b"\xff ",
    ]
)
ANY_HEADER: Final[Property] = (any_header, {"where": _GUARDED, "kind": _KINDS, "value": _LINE})


def odd_basic(door: Door, where: tuple[str, str], user: str, password: str, encoding: str, wrap: int) -> None:
    try:
        plain = f"{user}:{password}".encode(encoding)
    except UnicodeEncodeError:
        plain = f"{user}:{password}".encode("utf-8", "surrogatepass")
    encoders: list[Callable[[bytes], bytes]] = [
        base64.b64encode,
        base64.urlsafe_b64encode,
        lambda data: base64.b64encode(data).rstrip(b"="),
        lambda data: base64.b64encode(base64.b64encode(data)),
        lambda data: base64.b64encode(data) + b"====",
        lambda data: b" ".join(base64.b64encode(data)[at : at + 4] for at in range(0, 80, 4)),
        base64.b32encode,
    ]
    value = encoders[wrap](plain)
    assume(decoded(value) not in {"ann:right", "root:toor"})
    # Without a name and a password it is nobody, who is greeted at no door of these.
    door.keeps_out(*where, b"Authorization: Basic " + value)


def decoded(value: bytes) -> str:
    try:
        return base64.b64decode(value.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


_USERS: Final = st.one_of(
    st.sampled_from(
        ["ann", "Ann", "ann ", "ann\0", " ann", "", "root", "ann\n", "\u0430nn", "ann@", "*", "htpasswd:ann"]
    ),
    st.text(max_size=30),
)
_PASSWORDS: Final = st.one_of(
    st.sampled_from(
        ["right", "Right", "right\0", "right ", "", "right\n", "right:x", "r\u0131ght", "r" * 100, "\0right"]
    ),
    st.text(max_size=30),
)
ODD_BASIC: Final[Property] = (
    odd_basic,
    {
        "where": _GUARDED,
        "user": _USERS,
        "password": _PASSWORDS,
        "encoding": st.sampled_from(["utf-8", "latin-1", "utf-16", "utf-7", "cp1251"]),
        "wrap": st.integers(0, 6),
    },
)


def changed_token(door: Door, at: int, change: str, letter: str, claim: tuple[str, Any]) -> None:
    parts = door.token.split(".")
    head, body, mark = parts
    place = at % len(door.token)
    text = {
        "set": door.token[:place] + letter + door.token[place + 1 :],
        "drop": door.token[:place] + door.token[place + 1 :],
        "insert": door.token[:place] + letter + door.token[place:],
        "cut": door.token[:place],
        "twice": f"{door.token}.{mark}",
        "swap": f"{body}.{head}.{mark}",
        "unsigned": f"{head}.{body}.",
        "header": f"{with_member(head, *claim)}.{body}.{mark}",
        "claims": f"{head}.{with_member(body, *claim)}.{mark}",
        "none": f"{with_member(head, 'alg', 'none')}.{with_member(body, *claim)}.",
    }[change]
    signed, _, signature = text.rpartition(".")
    # Bits of the last letter that stand for nothing, and letters outside the alphabet, leave a signature what it was.
    assume(signed != f"{head}.{body}" or loose(signature) != loose(mark))
    for method, path in (("GET", "/v2/own/app/tags/list"), ("GET", "/v2/secret/app/tags/list"), ("GET", "/v2/")):
        door.keeps_out(method, path, b"Authorization: Bearer " + text.encode("latin-1", "replace"))


def with_member(part: str, name: str, value: Any) -> str:
    members = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    assume(members.get(name) != value)
    return base64.urlsafe_b64encode(json.dumps({**members, name: value}).encode()).decode().rstrip("=")


def loose(signature: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(signature.encode("latin-1", "replace") + b"===")
    except binascii.Error:
        return b""


_CLAIMS: Final = st.one_of(
    st.sampled_from(
        [
            ("alg", "none"),
            ("alg", "HS512"),
            ("alg", ["HS256"]),
            ("kid", "../../../dev/null"),
            ("kid", 10**30),
            ("kid", None),
            ("crit", ["b64"]),
            ("b64", False),
            ("zip", "DEF"),
            ("sub", "root"),
            ("acc", "htpasswd:root"),
            ("acc", ""),
            ("exp", 10**300),
            ("exp", "never"),
            ("aud", []),
            ("use", "refresh"),
            ("access", [{"type": "repository", "name": "secret/app", "actions": ["pull"]}]),
            ("access", {"type": []}),
        ]
    ),
    st.tuples(
        st.sampled_from(["alg", "kid", "typ", "jwk", "sub", "acc", "exp", "iat", "iss", "by", "access", "groups"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=10),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
            max_leaves=5,
        ),
    ),
)
CHANGED_TOKEN: Final[Property] = (
    changed_token,
    {
        "at": st.integers(0, 2_000),
        "change": st.sampled_from(
            ["set", "drop", "insert", "cut", "twice", "swap", "unsigned", "header", "claims", "none"]
        ),
        "letter": st.characters(min_codepoint=33, max_codepoint=255, exclude_characters="\x7f\x85\xa0\xad"),
        "claim": _CLAIMS,
    },
)


def pretended(door: Door, where: tuple[str, str], headers: list[tuple[str, bytes]], query: str) -> None:
    method, path = where
    target = f"{path}?{query}" if query else path
    door.keeps_out(method, target, *(name.encode() + b": " + value for name, value in headers))


_PRETENCES: Final = st.tuples(
    st.sampled_from(
        [
            *("X-Forwarded-For", "Forwarded", "X-Real-IP", "X-Forwarded-User", "Remote-User", "X-Remote-User"),
            *("X-Forwarded-Host", "X-Forwarded-Proto", "X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method-Override"),
            *(
                "Cookie",
                "Proxy-Authorization",
                "X-Api-Key",
                "X-Client-Cert",
                "SSL-Client-S-DN",
                "X-Forwarded-Client-Cert",
            ),
        ]
    ),
    st.one_of(
        st.sampled_from(
            [
                *(
                    b"127.0.0.1",
                    b"::1",
                    b"root",
                    b"ann",
                    b"for=127.0.0.1;by=root",
                    b"/v2/",
                    b"/livez",
                    b"GET",
                    b"https",
                ),
                *(b"127.0.0.1, " * 500, b"session=root", b"CN=root", b"Basic YW5uOnJpZ2h0", b"[::ffff:127.0.0.1]:1"),
            ]
        ),
        _LINE,
    ),
)
_QUERIES: Final = st.one_of(
    st.sampled_from(
        [
            "",
            "access_token=x",
            "token=x",
            "_method=GET",
            "ns=docker.io",
            "ns=",
            "user=root",
            "account=root",
            "n=1&last=x",
        ]
    ),
    st.text(alphabet="nlasttokeuser=&%0f;+[]", max_size=40),
)
PRETENDED: Final[Property] = (
    pretended,
    {"where": _GUARDED, "headers": st.lists(_PRETENCES, max_size=4), "query": _QUERIES},
)


def asked_scopes(door: Door, scopes: list[str], more: list[tuple[str, str]], is_ann: bool) -> None:
    query = urlencode([*(("scope", one) for one in scopes), *more], errors="surrogatepass")
    headers = [f"Authorization: {ANN['Authorization']}".encode()] if is_ann else []
    answer = door.send("GET", f"/auth/token?{query}", *headers)
    if answer is None or answer.status != 200:
        return
    told = json.loads(answer.body)
    granted = told["scope"].split()
    allowed = ("repository:own/", "registry:catalog:") if is_ann else ("registry:catalog:",)
    assert all(one.startswith(allowed) and "delete" not in one for one in granted), granted
    assert is_ann or "refresh_token" not in told
    bearer = f"Authorization: Bearer {told['token']}".encode()
    door.keeps_out("GET", "/v2/secret/app/tags/list", bearer)
    door.keeps_out("DELETE", "/v2/own/app/manifests/v1", bearer)


_SCOPES: Final = st.lists(
    st.one_of(
        st.builds(
            "{}:{}:{}".format,
            st.sampled_from(["repository", "registry", "repository(plugin)", "", "Repository", "repository:"]),
            st.sampled_from(
                ["own/app", "secret/app", "own/../secret/app", "secret/app own/app", "catalog", "**", ":", ""]
            ),
            st.sampled_from(["pull", "pull,push", "*", "delete", "pull,delete", "", ",,", "PULL", "pull push"]),
        ),
        st.text(max_size=40),
    ),
    max_size=5,
)
_MORE: Final = st.lists(
    st.tuples(
        st.sampled_from(["service", "account", "client_id", "offline_token", "sub", "scope"]),
        st.sampled_from(["root", "true", "holdfast", "", "repository:secret/app:pull"]),
    ),
    max_size=3,
)
ASKED_SCOPES: Final[Property] = (asked_scopes, {"scopes": _SCOPES, "more": _MORE, "is_ann": st.booleans()})


def posted_form(door: Door, form: bytes, kind: str) -> None:
    door.keeps_out("POST", "/auth/token", f"Content-Type: {kind}".encode(), body=form)


_FORMS: Final = st.one_of(
    st.binary(max_size=200),
    st.lists(
        st.tuples(
            st.sampled_from(["grant_type", "username", "password", "refresh_token", "scope", "access_type", "service"]),
            st.sampled_from(
                ["password", "refresh_token", "ann", "root", "wrong", "", "client_credentials", "a.b.c", "\0"]
            ),
        ),
        max_size=8,
    ).map(lambda pairs: urlencode(pairs).encode()),
)
_TYPES: Final = st.sampled_from(
    [
        "application/x-www-form-urlencoded",
        "application/json",
        "multipart/form-data; boundary=x",
        "",
        "text/plain; charset=utf-7",
    ]
)
POSTED_FORM: Final[Property] = (posted_form, {"form": _FORMS, "kind": _TYPES})


def written_path(door: Door, prefix: str, letters: list[int], ending: str, is_ann: bool) -> None:
    name = "secret/app"
    coded = "".join(f"%{ord(one):02x}" if number in letters else one for number, one in enumerate(name))
    headers = [f"Authorization: {ANN['Authorization']}".encode()] if is_ann else []
    for method in ("GET", "HEAD"):
        answer = door.send(method, f"/v2/{prefix}{coded}{ending.format(digest=door.digest)}", *headers)
        door.tells_no_secret(answer)


_ENDINGS: Final = st.one_of(
    st.sampled_from(
        [
            *(
                "/manifests/v1",
                "/manifests/{digest}",
                "/manifests/v1/",
                "//manifests/v1",
                "/manifests/%76%31",
                "/tags/list",
            ),
            *("/manifests/v1?ns=x", "/manifests/v1;x=y", "/../../own/app/manifests/{digest}", "%2fmanifests%2fv1"),
            *("/./manifests/v1", "\\manifests\\v1", "/manifests/v1%00", "/manifests/v1%0d%0aX:%20y", "/manifests/v1#x"),
        ]
    ),
    st.text(alphabet="/.%2eEfFabv1-:@?&=~", max_size=30).map(lambda text: quote(text, safe="/.%:@?&=~")),
)
WRITTEN_PATH: Final[Property] = (
    written_path,
    {
        "prefix": st.sampled_from(
            ["", "/", "own/../", "own/app/../../", "own/%2e%2e/", "./", "own/..;/", "own//../", "%2f"]
        ),
        "letters": st.lists(st.integers(0, 9), max_size=10),
        "ending": _ENDINGS,
        "is_ann": st.booleans(),
    },
)
PROPERTIES: Final[tuple[Property, ...]] = (
    ANY_HEADER,
    ODD_BASIC,
    CHANGED_TOKEN,
    PRETENDED,
    ASKED_SCOPES,
    POSTED_FORM,
    WRITTEN_PATH,
)


def tried(holds: Property, examples: int, *arguments: object) -> None:
    check, strategies = holds
    how = settings(
        max_examples=examples, deadline=None, derandomize=examples == _EXAMPLES, suppress_health_check=_NOT_SLOW
    )
    how(given(**strategies)(check))(*arguments)


def named(holds: Property) -> str:
    return holds[0].__name__


@pytest.mark.parametrize("holds", PROPERTIES, ids=named)
def test_nothing_that_is_sent_opens_a_door(door: Door, holds: Property) -> None:
    tried(holds, _EXAMPLES, door)


@pytest.mark.soak
@pytest.mark.parametrize("holds", PROPERTIES, ids=named)
def test_nothing_that_is_sent_for_long_opens_a_door(door: Door, holds: Property) -> None:
    tried(holds, _MANY, door)


def conditions(expression: str, reference: str) -> None:
    values = Facts("GET", reference=reference, wall_seconds=1.0).values(ANONYMOUS, frozenset(), Action.READ, "own/app")
    try:
        condition = Condition(expression)
    except ConfigError:
        return
    assert condition.holds(values) in {True, False}
    for shut in (f"({expression}\n) && false", f"[{expression}\n]", f"({expression}\n) ? 'true' : 1"):
        try:
            never = Condition(shut)
        except ConfigError:
            continue
        assert never.holds(values) is False


_ATOMS: Final = st.one_of(
    st.sampled_from(
        [
            *(
                "true",
                "false",
                "null",
                "1",
                "-1u",
                "1.5",
                "1/0",
                "9223372036854775807 + 1",
                "'x'",
                "b'\\xff'",
                "[]",
                "{}",
            ),
            *(
                "req",
                "req.tag",
                "req.nothing",
                "req.user.groups",
                "req.user.groups[0]",
                "req.time",
                "nobody",
                "req.time.x",
            ),
            *("timestamp('x')", "timestamp('2099-12-31T23:59:59Z')", "duration('1h')", "size(req.tag)", "int('x')"),
            *(
                "req.tag.matches('(')",
                "req.tag.matches('(a*)*b')",
                "[1].all(x, x > 0)",
                "has(req.nothing)",
                "{'a': 1}.b",
            ),
        ]
    ),
    st.text(max_size=10).map(json.dumps),
    st.integers(-(2**70), 2**70).map(str),
)
_OPERATORS: Final = st.sampled_from(["+", "-", "*", "/", "%", "==", "!=", "<", ">=", "&&", "||", "in"])
_EXPRESSIONS: Final = st.one_of(
    st.text(max_size=60),
    st.recursive(
        _ATOMS,
        lambda inner: st.one_of(
            st.builds("({} {} {})".format, inner, _OPERATORS, inner),
            st.builds(
                "{}.{}".format, inner, st.sampled_from(["size()", "startsWith('')", "x", "map(x, x)", "contains(1)"])
            ),
            st.builds("!{}".format, inner),
            st.builds("({} ? {} : {})".format, inner, inner, inner),
            st.builds("{}[{}]".format, inner, inner),
        ),
        max_leaves=8,
    ),
)
CONDITIONS: Final[Property] = (conditions, {"expression": _EXPRESSIONS, "reference": st.sampled_from(["", "v1", ZERO])})


def test_no_expression_breaks_anything_or_opens_what_is_shut() -> None:
    tried(CONDITIONS, _EXAMPLES * 3)


@pytest.mark.parametrize(
    ("begin", "middle", "end"),
    [("1", "+1", ""), ("", "!", "true"), ("", "(", "1"), ("a", ".b", ""), ("true", "&&true", "")],
)
def test_no_expression_is_long_enough_to_break_anything(begin: str, middle: str, end: str) -> None:
    conditions((begin + middle * 4_096)[:4_000] + end, "")
    with pytest.raises(ConfigError):
        Condition(begin + middle * 20_000 + end)


@pytest.mark.soak
def test_no_expression_of_many_breaks_anything_or_opens_what_is_shut() -> None:
    tried(CONDITIONS, _MANY * 5)
