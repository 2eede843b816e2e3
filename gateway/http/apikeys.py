"""``/zot/auth/apikey``: an account's own API keys, with zot's names of fields.

    POST {"label", "scopes": [...], "expirationDate"}    201, the key with "apiKey", its text, for this one time
    GET                                                  200 {"apiKeys": [...]}
    DELETE ?id=<uuid>                                    200

An absent or empty ``scopes`` is zot's "all that I may". Times are RFC 3339; ``0001-01-01T00:00:00Z`` stands for never.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from gateway.http.body import WireBody
from gateway.http.credentials import facts_of
from holdfast.access.doors import NEVER_TEXT
from holdfast.access.identity import Way
from holdfast.errors import RequestInvalidError

if TYPE_CHECKING:
    from falcon import Request, Response

    from gateway.access.apikeys import OwnKeys
    from gateway.access.gate import Caller, Gate
    from holdfast.clock import Clock
    from holdfast.meta.apikeys import ApiKey

_BODY_BYTES: Final = 64 * 1024


class ApiKeyResource:
    """Raises the errors of :mod:`gateway.access.apikeys`."""

    def __init__(self, gate: Gate, keys: OwnKeys, clock: Clock) -> None:
        self._gate = gate
        self._keys = keys
        self._clock = clock

    def on_get(self, req: Request, resp: Response) -> None:
        found = self._keys.of(self._caller(req).proven)
        self._answer(resp, {"apiKeys": [self._shown(key, used) for key, used in found]})

    def on_post(self, req: Request, resp: Response) -> None:
        caller = self._caller(req)
        wish = _wish(WireBody(req.env).read_all(_BODY_BYTES))
        label, scopes = wish.get("label", ""), wish.get("scopes") or []
        if not isinstance(label, str) or not isinstance(scopes, list) or not all(isinstance(s, str) for s in scopes):
            raise RequestInvalidError("label is a text, and scopes a list of texts")
        ends = _seconds(wish.get("expirationDate") or NEVER_TEXT)
        key, text = self._keys.make(caller.proven, label, scopes, ends, caller.facts.user_agent)
        req.context.about = f"{Way.API_KEY.value}:{key.key_id}"
        resp.status = "201 Created"
        self._answer(resp, {**self._shown(key, 0.0), "apiKey": text})

    def on_delete(self, req: Request, resp: Response) -> None:
        caller, key_id = self._caller(req), req.get_param("id") or ""
        req.context.about = f"{Way.API_KEY.value}:{key_id}"
        self._keys.revoke(caller.proven, key_id)
        self._answer(resp, {})

    def _caller(self, req: Request) -> Caller:
        caller: Caller = self._gate.who(req.get_header("Authorization"), facts_of(req, self._clock))
        req.context.caller = caller
        return caller

    def _answer(self, resp: Response, value: dict[str, Any]) -> None:
        resp.set_header("Cache-Control", "no-store")
        resp.content_type = "application/json"
        resp.data = json.dumps(value).encode()

    def _shown(self, key: ApiKey, used_seconds: float) -> dict[str, Any]:
        return {
            "uuid": key.key_id,
            "label": key.label,
            "scopes": list(key.scopes),
            "createdAt": _text(key.created_seconds),
            "expirationDate": _text(key.expires_seconds),
            "isExpired": key.is_over(self._clock.wall()),
            "lastUsed": _text(used_seconds),
            "creatorUa": key.creator,
            "generatedBy": "manual",
        }


def _wish(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data or b"{}")
    except (ValueError, RecursionError) as error:
        raise RequestInvalidError("the body is no JSON") from error
    if not isinstance(found, dict):
        raise RequestInvalidError("the body is a JSON object with label, scopes and expirationDate")
    return found


def _seconds(text: object) -> float:
    """0 for never."""
    try:
        moment = datetime.fromisoformat(str(text))
        return 0.0 if moment.year == 1 else moment.astimezone(UTC).timestamp()
    except (ValueError, OverflowError) as error:
        raise RequestInvalidError("expirationDate is a time as RFC 3339 has it: 2027-01-31T12:00:00Z") from error


def _text(seconds: float) -> str:
    if not seconds:
        return NEVER_TEXT
    return datetime.fromtimestamp(int(seconds), UTC).isoformat().replace("+00:00", "Z")
