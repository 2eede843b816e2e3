"""``http.auth``: every way of saying who one is that zot knows.

Promises: complete and typed; secrets given in the file itself are ``SecretStr`` and never printed.

Never: opens the files named here; ``secretfiles`` reads those, when the feature that needs them starts.
"""

from __future__ import annotations

from holdfast.config.drivers import SessionDriver
from holdfast.config.scalars import Count, Flag, Listed, NotNegativeTime, Port, Regex, Secret, Text, Url
from holdfast.config.section import Section, field
from holdfast.durations import seconds


class Htpasswd(Section):
    """Users in a file."""

    path: Text = field("", "File of user:hash lines; hashes are bcrypt, sha256-crypt or sha512-crypt.")


class Ldap(Section):
    """Users in a directory."""

    address: Text = field("", "Host of the directory; required.")
    port: Port = field(0, "Its port; 0 for 389, or 636 with LDAPS.")
    insecure: Flag = field(False, "Plain LDAP: without TLS, unless startTLS is given too.")
    start_tls: Flag = field(False, "Begin plain, then switch to TLS; otherwise LDAPS.", alias="startTLS")
    skip_verify: Flag = field(False, "Do not check the directory's certificate.")
    ca_cert: Text = field("", "File of the authority that signed its certificate.", alias="caCert")
    base_dn: Text = field("", "Where the search for users starts; required.", alias="baseDN")
    subtree_search: Flag = field(False, "Search below the base as well.")
    user_attribute: Text = field("", "Attribute that holds the user's name; required.")
    user_group_attribute: Text = field("", "Attribute that holds the user's groups.")
    user_filter: Text = field("", "LDAP filter that users must match as well.")
    credentials_file: Text = field("", "File with bindDN and bindPassword; without it the bind is anonymous.")

    @property
    def effective_port(self) -> int:
        """The port, which follows from the kind of connection when nothing is said."""
        return self.port or (389 if self.insecure or self.start_tls else 636)


class AwsSecretsManager(Section):
    """Keys for bearer tokens in AWS Secrets Manager."""

    region: Text = field("", "Region of the secret; required.")
    secret_name: Text = field("", "Name of the secret; required.")
    refresh_interval: NotNegativeTime = field(seconds(60), "Time between fetches.")


class ClaimVariable(Section):
    """A name for the value of a CEL expression."""

    name: Text = field("", "The name.")
    expression: Text = field("", "CEL expression over the claims.")


class ClaimValidation(Section):
    """What must hold for a token to count."""

    expression: Text = field("", "CEL expression that must be true.")
    message: Text = field("", "Reason told when it is not.")


class WorkloadClaims(Section):
    """How claims of a workload's token become a user."""

    variables: Listed[ClaimVariable] = field((), "Names for parts of the expressions below.")
    validations: Listed[ClaimValidation] = field((), "What must hold.")
    username: Text = field("", "CEL expression of the user's name.")
    groups: Text = field("", "CEL expression of the user's groups.")


class WorkloadIssuer(Section):
    """An issuer of ID tokens whose workloads may come in."""

    issuer: Text = field("", "URL of the issuer; required.")
    audiences: Listed[Text] = field((), "Audiences accepted; required.")
    claim_mapping: WorkloadClaims | None = field(None, "How claims become a user.")
    certificate_authority: Text = field("", "PEM of the authority that signed the issuer's certificate.")
    certificate_authority_file: Text = field("", "File of the same.")
    skip_issuer_verification: Flag = field(False, "Do not compare the issuer in the token.")


class UpstreamTokenEndpoint(Section):
    """A token service that token requests are passed on to."""

    realm: Text = field("", "URL of the service.")
    service: Text = field("", "Service named to it.")
    allow_insecure_http: Flag = field(False, "Allow an http URL.")


class Bearer(Section):
    """Tokens issued by others."""

    realm: Text = field("", "Where clients get a token.")
    service: Text = field("", "Service the token must be for.")
    cert: Text = field("", "File with the certificate or public key that tokens are checked with.")
    aws_secrets_manager: AwsSecretsManager | None = field(None, "Keys kept at AWS, in place of cert.")
    oidc: Listed[WorkloadIssuer] = field((), "Issuers of workload identities.")
    upstream_token_endpoint: UpstreamTokenEndpoint | None = field(None, "Pass token requests on.")


class LoginClaims(Section):
    """Which claims of a login are read."""

    username: Text = field("email", "Claim that holds the user's name.")
    groups: Text = field("groups", "Claim that holds the user's groups.")


class OpenIdProvider(Section):
    """A service that people log in at."""

    name: Text = field("", "Name on the button.")
    credentials_file: Text = field("", "File with clientid and clientsecret; required unless clientid is given.")
    client_id: Text = field("", "Client; prefer credentialsFile.", alias="clientid")
    client_secret: Secret | None = field(None, "The client's secret; prefer credentialsFile.", alias="clientsecret")
    key_path: Text = field("", "File with the client's key.", alias="keypath")
    issuer: Text = field("", "URL of the issuer; required except for github.")
    auth_url: Text = field("", "Where logins go, when the issuer does not say.", alias="authurl")
    token_url: Text = field("", "Where tokens come from, when the issuer does not say.", alias="tokenurl")
    scopes: Listed[Text] = field((), "Scopes asked for; required.")
    claim_mapping: LoginClaims = field(LoginClaims, "Which claims are read.")


class OpenIdProviders(Section):
    """The services that are known."""

    google: OpenIdProvider | None = field(None, "Google.")
    gitlab: OpenIdProvider | None = field(None, "GitLab.")
    github: OpenIdProvider | None = field(None, "GitHub, by OAuth 2; organisations and teams become groups.")
    oidc: OpenIdProvider | None = field(None, "Any OpenID Connect service.")

    def configured(self) -> dict[str, OpenIdProvider]:
        """The providers that are there, by name."""
        present = {name: getattr(self, name) for name in ("google", "gitlab", "github", "oidc")}
        return {name: provider for name, provider in present.items() if provider is not None}


class OpenId(Section):
    """Logins by OpenID Connect or OAuth 2. API keys come with them."""

    providers: OpenIdProviders = field(OpenIdProviders, "The services.")
    callback_allow_origins: Listed[Url] = field((), "Origins that a login may return to.")


class Mtls(Section):
    """Users by client certificate."""

    identity_attributes: Listed[Text] = field(
        (), "Where the name is read, first found wins: CommonName, Subject, Email, URI, DNSName."
    )
    uri_san_pattern: Regex = field("", "Regular expression that picks the name out of a URI.", alias="uriSanPattern")
    uri_san_index: Count = field(0, "Which URI.", alias="uriSanIndex")
    dns_san_index: Count = field(0, "Which DNS name.", alias="dnsSanIndex")
    email_san_index: Count = field(0, "Which mail address.", alias="emailSanIndex")


class Auth(Section):
    """Who may come in. Without any of these everybody may."""

    htpasswd: Htpasswd | None = field(None, "Users in a file.")
    ldap: Ldap | None = field(None, "Users in a directory.")
    bearer: Bearer | None = field(None, "Tokens; with them, passwords and sessions are off, as in zot.")
    openid: OpenId | None = field(None, "Logins at other services.")
    apikey: Flag = field(False, "API keys; always on with openid.")
    mtls: Mtls | None = field(None, "Client certificates.")
    fail_delay: Count = field(0, "Seconds to wait before a refusal.")
    session_keys_file: Text = field("", "File with hashKey and encryptKey of session cookies.")
    session_driver: SessionDriver | None = field(None, "Where sessions are kept.")
    secure_session: Flag | None = field(None, "Cookies over HTTPS only. When absent: as the server is reached.")

    @property
    def knows_somebody(self) -> bool:
        """Whether any way of logging in is there."""
        openid = self.openid is not None and bool(self.openid.providers.configured())
        htpasswd = self.htpasswd is not None and bool(self.htpasswd.path)
        return htpasswd or openid or self.apikey or any(way is not None for way in (self.ldap, self.bearer, self.mtls))
