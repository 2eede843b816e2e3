"""``credentialHelper: gcp``: an access token of Google's as the password, as Artifact Registry takes it.

google-auth (the extra ``gcp``) finds our own identity as every program of Google's does (Application Default Credentials): the file
that GOOGLE_APPLICATION_CREDENTIALS names, be it a service account's key or a workload identity, what ``gcloud`` left, or the
metadata server of the machine. It is loaded when the first login is asked for.

Never: Google's words in a message.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any, Final

import urllib3

from holdfast.errors import ConfigError, UpstreamDeniedError, UpstreamUnavailableError
from syncworker.upstream.credentials import Credentials
from syncworker.upstream.lasting import Issued

if TYPE_CHECKING:
    from holdfast.clock import Clock

_USER: Final = "oauth2accesstoken"
_SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
_SECONDS: Final = 15.0
# What a token without an end is kept for.
_LIFE_SECONDS: Final = 300.0

# A clock that is wrong makes a new token look ended; it is not asked for with every request for that.
_LEAST_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Gcp:
    """The issuer for all of Google's registries."""

    clock: Clock

    def issue(self, host: str) -> Issued:
        """As the port says; the token is the same for every host of the entry."""
        token, ends_at = _asked(host)
        life_seconds = _LIFE_SECONDS if ends_at is None else max(ends_at - self.clock.wall(), _LEAST_SECONDS)
        return Issued(Credentials(_USER, token), life_seconds)


def _asked(host: str) -> tuple[str, float | None]:
    import google.auth  # noqa: PLC0415 - see the module's docstring
    from google.auth import exceptions as foreign  # noqa: PLC0415
    from google.auth.transport.urllib3 import Request  # noqa: PLC0415

    about = {"upstream": host}
    try:
        with warnings.catch_warnings():
            # That a person's own login is used here is for whoever left it there to judge.
            warnings.simplefilter("ignore")
            found: Any = google.auth.default(scopes=[_SCOPE])[0]
        with urllib3.PoolManager(timeout=_SECONDS, retries=False) as pool:
            request: Any = Request
            found.refresh(request(pool))
    except foreign.DefaultCredentialsError as error:
        raise ConfigError(
            f"no Google identity was found to ask for a login at {host}; name its file in GOOGLE_APPLICATION_CREDENTIALS"
        ) from error
    except foreign.RefreshError as error:
        kind = UpstreamUnavailableError if getattr(error, "retryable", False) else UpstreamDeniedError
        raise kind(f"Google refuses a token for {host}", about) from error
    except (foreign.GoogleAuthError, urllib3.exceptions.HTTPError, OSError) as error:
        raise UpstreamUnavailableError(f"Google gives no token for {host}: {type(error).__name__}", about) from error
    except ValueError as error:
        raise ConfigError(f"the Google identity for {host} cannot be used; is its file whole?") from error
    if not isinstance(found.token, str) or not found.token:
        raise UpstreamUnavailableError(f"Google's answer for {host} holds no token", about)
    return found.token, None if found.expiry is None else found.expiry.replace(tzinfo=UTC).timestamp()
