"""``credentialHelper: gcp``: an access token of Google's as the password, as Artifact Registry takes it.

google-auth (the extra ``gcp``) finds our own identity as every program of Google's does (Application Default Credentials): the file
that GOOGLE_APPLICATION_CREDENTIALS names, be it a service account's key or a workload identity, what ``gcloud`` left, or the
metadata server of the machine. It is loaded when the first login is asked for.

Promises: its requests go over our own connections, so that time, size, proxies and certificates are as everywhere.

Never: Google's words in a message.
"""

from __future__ import annotations

import contextlib
import warnings
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any, Final

from holdfast.errors import ConfigError, UpstreamDeniedError, UpstreamError, UpstreamUnavailableError
from syncworker.upstream import place as places
from syncworker.upstream.credentials import Credentials
from syncworker.upstream.lasting import Issued

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncworker.upstream.asides import Asides
    from syncworker.upstream.exchange import Answer

_USER: Final = "oauth2accesstoken"
_SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
_ANSWER_BYTES: Final = 256 << 10
# What a token without an end is kept for.
_LIFE_SECONDS: Final = 300.0

# A clock that is wrong makes a new token look ended; it is not asked for with every request for that.
_LEAST_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Gcp:
    """The issuer for all of Google's registries."""

    asides: Asides

    def issue(self, host: str) -> Issued:
        """As the port says; the token is the same for every host of the entry."""
        token, ends_at = _asked(host, _Requests(self.asides))
        life_seconds = (
            _LIFE_SECONDS if ends_at is None else max(ends_at - self.asides.time.clock.wall(), _LEAST_SECONDS)
        )
        return Issued(Credentials(_USER, token), life_seconds)


@dataclass(frozen=True, slots=True)
class _Headers:
    """Of an answer, whatever the case of their names."""

    answer: Answer

    def get(self, name: str, default: str | None = None) -> str | None:
        value = self.answer.header(name)
        return default if value is None else value

    def __getitem__(self, name: str) -> str:
        value = self.answer.header(name)
        if value is None:
            raise KeyError(name)
        return value

    def __contains__(self, name: str) -> bool:
        return self.answer.header(name) is not None


@dataclass(frozen=True, slots=True)
class _Response:
    """What google-auth wants to know of an answer."""

    status: int
    headers: _Headers
    data: bytes


@dataclass(frozen=True, slots=True)
class _Requests:
    """The form in which google-auth takes a transport."""

    asides: Asides

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,  # noqa: ARG002 - the form's; ours is shorter than what it asks for
        **_: object,
    ) -> _Response:
        from google.auth import exceptions  # noqa: PLC0415 - see the module's docstring

        failed: Any = exceptions.TransportError
        try:
            place = places.parse(url)
            sent = body.encode() if isinstance(body, str) else body
            with (
                contextlib.closing(self.asides.to(place.origin)) as exchange,
                exchange.once(method, place, dict(headers or {}), sent) as answer,
            ):
                return _Response(answer.status, _Headers(answer), answer.whole(_ANSWER_BYTES))
        except (UpstreamError, ValueError) as error:
            # It tries again by itself what may pass, and looks elsewhere where nobody answers.
            raise failed(str(error)) from error


def _asked(host: str, requests: Any) -> tuple[str, float | None]:
    import google.auth  # noqa: PLC0415 - see the module's docstring
    from google.auth import exceptions as foreign  # noqa: PLC0415

    about = {"upstream": host}
    try:
        with warnings.catch_warnings():
            # That a person's own login is used here is for whoever left it there to judge.
            warnings.simplefilter("ignore")
            found: Any = google.auth.default(scopes=[_SCOPE], request=requests)[0]
        found.refresh(requests)
    except foreign.DefaultCredentialsError as error:
        raise ConfigError(
            f"no Google identity was found to ask for a login at {host}; name its file in GOOGLE_APPLICATION_CREDENTIALS"
        ) from error
    except foreign.RefreshError as error:
        kind = UpstreamUnavailableError if getattr(error, "retryable", False) else UpstreamDeniedError
        raise kind(f"Google refuses a token for {host}", about) from error
    except (foreign.GoogleAuthError, OSError) as error:
        raise UpstreamUnavailableError(f"Google gives no token for {host}: {type(error).__name__}", about) from error
    except ValueError as error:
        raise ConfigError(f"the Google identity for {host} cannot be used; is its file whole?") from error
    if not isinstance(found.token, str) or not found.token:
        raise UpstreamUnavailableError(f"Google's answer for {host} holds no token", about)
    return found.token, None if found.expiry is None else found.expiry.replace(tzinfo=UTC).timestamp()
