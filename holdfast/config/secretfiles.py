"""Files with secrets that a configuration names.

Promises: read when the feature that needs them starts, with the limits and the case rules of the configuration itself.
Unknown keys are refused, and missing ones as well (``encryptKey`` of session keys excepted, as in zot).

Invariants: secrets are ``SecretStr``; no message holds a value.

Never: read while a configuration is checked: ``verify`` runs on machines that do not have them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import Field, SecretStr, ValidationError

from holdfast.config.faults import Fault, json_path, located
from holdfast.config.scalars import Secret, Text
from holdfast.config.section import Section
from holdfast.config.shape import NamesOf, Pairs, Shaper
from holdfast.config.source import SourceError, read_tree
from holdfast.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


class LdapCredentials(Section):
    """Who asks the directory."""

    bind_dn: Text = Field(alias="bindDN", min_length=1, description="Name to bind as.")
    bind_password: Secret = Field(min_length=1, description="Its password.")


class OpenIdCredentials(Section):
    """Which client asks the login service."""

    client_id: Text = Field(alias="clientid", min_length=1, description="The client.")
    client_secret: Secret = Field(alias="clientsecret", min_length=1, description="Its secret.")


class SessionKeys(Section):
    """Keys of session cookies."""

    hash_key: Secret = Field(min_length=1, description="Key that signs them.")
    encrypt_key: Secret | None = Field(None, description="Key that encrypts them; 16, 24 or 32 bytes.")


class UpstreamCredentials(Section):
    """Login at an upstream."""

    username: Text = Field(description="User.")
    password: Secret = Field(description="Password.")


class SigningKey(Section):
    """How assertions for a token endpoint are signed."""

    private_key_file: Text = Field(min_length=1, description="File with the key.")
    algorithm: Text = Field(min_length=1, description="Algorithm, such as RS256.")
    key_id: Text = Field("", description="Id of the key.")
    issuer: Text = Field("", description="Who signs; absent: the helper's clientID.")
    subject: Text = Field("", description="About whom; absent: the helper's clientID.")
    audience: Text = Field("", description="For whom; absent: the helper's tokenURL.")


_LONGEST_PASSWORD_BYTES: Final = 4096

Model = TypeVar("Model", bound=Section)


def load_ldap_credentials(path: Path) -> LdapCredentials:
    """The file in ``http.auth.ldap.credentialsFile``.

    Raises:
        ConfigError: unreadable, or with unknown or missing keys.
    """
    return _load(path, LdapCredentials)


def load_openid_credentials(path: Path) -> OpenIdCredentials:
    """The file in ``http.auth.openid.providers.*.credentialsFile``; raises as ``load_ldap_credentials``."""
    return _load(path, OpenIdCredentials)


def load_session_keys(path: Path) -> SessionKeys:
    """The file in ``http.auth.sessionKeysFile``; raises as ``load_ldap_credentials``."""
    return _load(path, SessionKeys)


def load_signing_key(path: Path) -> SigningKey:
    """The file in ``oauth2CredentialHelper.signingFile``; raises as ``load_ldap_credentials``."""
    return _load(path, SigningKey)


def load_upstream_credentials(path: Path) -> dict[str, UpstreamCredentials]:
    """The file in ``extensions.sync.credentialsFile``: logins by host; raises as ``load_ldap_credentials``."""
    shaper = Shaper()
    data = shaper.shape(NamesOf(UpstreamCredentials), _tree(path))
    logins = {host: _validate(UpstreamCredentials, login, shaper.faults, host) for host, login in data.items()}
    _refuse(path, shaper.faults)
    return {host: login for host, login in logins.items() if login is not None}


def load_password(path: Path) -> SecretStr:
    """The file in ``cluster.etcd.passwordFile``: one line and nothing else, as container platforms mount a secret.

    Raises:
        ConfigError: unreadable, empty, not text, or more than one line.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_LONGEST_PASSWORD_BYTES + 1)
        password = content.decode().removesuffix("\n").removesuffix("\r")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not UTF-8"
        raise ConfigError(f"the secret file {path} cannot be read: {reason}") from error
    if len(content) > _LONGEST_PASSWORD_BYTES or not password or not password.isprintable():
        raise ConfigError(f"the secret file {path} is refused: write the password into it, as its only line")
    return SecretStr(password)


def _load(path: Path, model: type[Model]) -> Model:
    shaper = Shaper()
    loaded = _validate(model, shaper.shape(model, _tree(path)), shaper.faults)
    _refuse(path, shaper.faults)
    if loaded is None:
        raise AssertionError("a secret file without faults has a value")
    return loaded


def _tree(path: Path) -> Any:
    try:
        tree = read_tree(path)
    except SourceError as error:
        _refuse(path, [Fault(json_path(()), error.message, error.remedy)])
        raise
    if not isinstance(tree, Pairs):
        _refuse(path, [Fault(json_path(()), "no object", "write an object: { ... }")])
    return tree


def _validate(model: type[Model], data: Any, faults: list[Fault], *at: str) -> Model | None:
    """None after adding what is wrong to ``faults``."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        data = data if isinstance(data, dict) else {}
        for steps in located(error, data):
            message = "missing, empty or no text" if steps else "no object"
            faults.append(Fault(json_path((*at, *steps)), message, "write it, or name another file"))
    return None


def _refuse(path: Path, faults: list[Fault]) -> None:
    if faults:
        lines = "; ".join(str(fault) for fault in faults)
        raise ConfigError(f"the secret file {path} is refused: {lines}", [fault.as_json() for fault in faults])
