"""``credentialHelper: ecr``: a login for Amazon's registries, by GetAuthorizationToken.

botocore (the extra ``ecr``) finds our own AWS identity where every AWS program does: environment, shared files, a role of the
container, the pod or the machine. It is loaded when the first login is asked for, since it takes a good part of a second.

Never: AWS's words in a message.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from holdfast.errors import ConfigError, UpstreamDeniedError, UpstreamUnavailableError, UpstreamWrongError
from syncworker.upstream.credentials import Credentials
from syncworker.upstream.lasting import Issued

if TYPE_CHECKING:
    from holdfast.clock import Clock

# ACCOUNT.dkr.ecr.REGION.amazonaws.com; -fips for hardened endpoints, other ends for partitions such as China's.
_HOST: Final = re.compile(
    r"(?P<account>[a-z0-9]+)\.dkr\.ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.(?:amazonaws\.(?:com|com\.cn|eu)|on\.aws)",
    re.ASCII,
)
_CONNECT_SECONDS: Final = 5
_READ_SECONDS: Final = 15
_TRIES: Final = 2

# A clock that is wrong makes a new token look ended; it is not asked for with every request for that.
_LEAST_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Ecr:
    """The issuer for all accounts and regions. ``port``, if the host has one, is not Amazon's."""

    clock: Clock

    def issue(self, host: str) -> Issued:
        """As the port says; none for hosts that are not Amazon's."""
        at = place_of(host)
        if at is None:
            return Issued(None, 3600.0)
        account, region = at
        data = _asked(account, region)
        try:
            username, _, password = base64.b64decode(data["authorizationToken"], validate=True).decode().partition(":")
            life_seconds = data["expiresAt"].timestamp() - self.clock.wall()
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise UpstreamWrongError(f"ECR's answer for {host} holds no login", {"upstream": host}) from error
        if not username or not password:
            raise UpstreamWrongError(f"ECR's answer for {host} holds no login", {"upstream": host})
        return Issued(Credentials(username, password), max(life_seconds, _LEAST_SECONDS))


def place_of(host: str) -> tuple[str, str] | None:
    """The account and the region that a registry's host names; None: it is not Amazon's."""
    found = _HOST.fullmatch(host)
    return (found["account"], found["region"]) if found else None


def _asked(account: str, region: str) -> Any:
    import botocore.session  # noqa: PLC0415 - see the module's docstring
    from botocore import exceptions as foreign  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    name = f"{account}.dkr.ecr.{region}"
    patience = Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        retries={"total_max_attempts": _TRIES, "mode": "standard"},
    )
    try:
        client = botocore.session.Session().create_client("ecr", region_name=region, config=patience)
        return client.get_authorization_token(registryIds=[account])["authorizationData"][0]
    except (foreign.NoCredentialsError, foreign.PartialCredentialsError, foreign.CredentialRetrievalError) as error:
        raise ConfigError(
            f"no AWS identity was found to ask for a login at {name}; give one as every AWS program takes it"
        ) from error
    except foreign.ClientError as error:
        raise _judged(error, name) from error
    except (KeyError, IndexError, TypeError) as error:
        raise UpstreamWrongError(f"ECR's answer for {name} holds no login", {"upstream": name}) from error
    except foreign.BotoCoreError as error:
        raise UpstreamUnavailableError(
            f"ECR gives no login for {name}: {type(error).__name__}", {"upstream": name}
        ) from error


def _judged(error: Any, name: str) -> UpstreamDeniedError | UpstreamUnavailableError:
    """A refusal, or a failure on AWS's side. Its code is a word of AWS's own list; the message is left out."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    code = re.sub(r"[^A-Za-z]", "", str(error.response.get("Error", {}).get("Code", "")))[:60]
    said = f"ECR refuses a login for {name}: {code or status}"
    kind = UpstreamUnavailableError if status >= 500 or status == 429 or "Throttling" in code else UpstreamDeniedError
    return kind(said, {"upstream": name})
