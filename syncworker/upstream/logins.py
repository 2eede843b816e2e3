"""Where the logins of one entry of ``extensions.sync.registries`` come from, in their order.

    credentialHelper     ecr, gcp or oauth2; with ecr only for the hosts that are Amazon's
    credentialsFile      zot's file
    dockerConfig         docker's config.json: logins, and programs that have some

Promises: what is wrong with the settings alone, and a library that is missing, is told when the worker starts; secret files are
read when a login is wanted, since platforms may put them there later than us. Helper programs are run at most once in a few
minutes for one host, and see nothing of our environment but what they need to find themselves and an identity.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from holdfast.errors import ConfigError
from syncworker.upstream import place as places
from syncworker.upstream.asides import Asides
from syncworker.upstream.assertions import Kept, Signed
from syncworker.upstream.credentials import CredentialsFile, DockerConfig
from syncworker.upstream.ecr import Ecr, place_of
from syncworker.upstream.gcp import Gcp
from syncworker.upstream.lasting import Issued, Lasting
from syncworker.upstream.oauth2 import OAuth2
from syncworker.upstream.programs import CredentialProgram

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from holdfast.clock import Clock
    from holdfast.config.sync import OAuth2Helper, Sync, SyncRegistry
    from syncworker.upstream.credentials import CredentialSource
    from syncworker.upstream.lasting import Issuer
    from syncworker.upstream.pace import Time
    from syncworker.upstream.proxies import Proxies

# A helper tells no life of what it prints; gcloud's and Amazon's hand out tokens of an hour and more.
_PROGRAM_SECONDS: Final = 300.0
# What helpers need to find themselves and what they keep; the rest of our environment is not theirs to see.
_PASSED_ON: Final = ("PATH", "HOME", "USER", "LANG", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "DBUS_SESSION_BUS_ADDRESS")
_PREFIXES_PASSED_ON: Final = ("AWS_", "GOOGLE_", "CLOUDSDK_", "AZURE_")
_LIBRARIES: Final = {"ecr": "botocore", "gcp": "google.auth"}


def files(sync: Sync, environment: Mapping[str, str], clock: Clock) -> tuple[CredentialSource, ...]:
    """The sources that all entries share."""
    found: list[CredentialSource] = []
    if sync.credentials_file:
        found.append(CredentialsFile(Path(sync.credentials_file)))
    if sync.docker_config:
        found.append(DockerConfig(Path(sync.docker_config), Programs(passed_on(environment), clock)))
    return tuple(found)


def helper(
    entry: SyncRegistry, hosts: Sequence[str], time: Time, new_id: Callable[[], str], proxies: Proxies
) -> Lasting | None:
    """The source that the entry's ``credentialHelper`` is; ``hosts`` are those of its URLs.

    Raises:
        ConfigError: its library is not installed, or its settings cannot be used.
    """
    name = entry.credential_helper
    if not name:
        return None
    _require(name)
    if name == "ecr" and not any(map(place_of, hosts)):
        raise ConfigError(
            f'credentialHelper "ecr" for {", ".join(hosts)}, none of which is ACCOUNT.dkr.ecr.REGION.amazonaws.com'
        )
    return Lasting(_issuer(entry, time, new_id, proxies), time.clock)


def passed_on(environment: Mapping[str, str]) -> dict[str, str]:
    """What of our environment a helper program sees."""
    return {
        name: value for name, value in environment.items() if name in _PASSED_ON or name.startswith(_PREFIXES_PASSED_ON)
    }


@dataclass(frozen=True, slots=True)
class _OfProgram:
    """The issuer that a helper program is."""

    program: CredentialProgram

    def issue(self, host: str) -> Issued:
        return Issued(self.program.login(host), _PROGRAM_SECONDS)


@dataclass(frozen=True, slots=True)
class Programs:
    """docker's credential helpers by name, each with what it said lately."""

    environment: Mapping[str, str]
    clock: Clock
    made: dict[str, Lasting] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, name: str) -> Lasting:
        with self.lock:
            if name not in self.made:
                self.made[name] = Lasting(_OfProgram(CredentialProgram(name, self.environment)), self.clock)
            return self.made[name]


def _issuer(entry: SyncRegistry, time: Time, new_id: Callable[[], str], proxies: Proxies) -> Issuer:
    if entry.credential_helper == "ecr":
        return Ecr(time.clock)
    if entry.credential_helper == "gcp":
        return Gcp(Asides(time, proxies))
    if entry.oauth2_credential_helper is None:
        raise ConfigError('credentialHelper "oauth2" without oauth2CredentialHelper')
    asides = Asides(time, proxies, Path(entry.cert_dir) if entry.cert_dir else None)
    return _oauth2(entry.oauth2_credential_helper, asides, new_id)


def _oauth2(how: OAuth2Helper, asides: Asides, new_id: Callable[[], str]) -> OAuth2:
    try:
        endpoint = places.parse(how.token_url)
    except ValueError as error:
        raise ConfigError(f"oauth2CredentialHelper.tokenURL is {error}") from error
    exchange = asides.to(endpoint.origin)
    if how.signing_file:
        signed = Signed(Path(how.signing_file), how.client_id, how.token_url, asides.time.clock, new_id)
        return OAuth2(how, endpoint, exchange, signed, asides.time)
    return OAuth2(how, endpoint, exchange, Kept(Path(how.assertion_file)), asides.time)


def _require(name: str) -> None:
    library = _LIBRARIES.get(name)
    try:
        there = library is None or find_spec(library) is not None
    except ModuleNotFoundError:
        there = False
    if not there:
        raise ConfigError(f'credentialHelper "{name}" needs {library}; install it with: pip install "holdfast[{name}]"')
