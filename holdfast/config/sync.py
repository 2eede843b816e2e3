"""``extensions.sync``: mirroring from other registries.

Promises: every key of zot's, typed, with its defaults, and ours: which repositories are never asked for
(``localRepositories``), who may push where (``allowPush``), what is fetched ahead (``prefetch``, ``platforms``), what is kept
(``cacheSize``, ``cacheMaxAge``), under which names else an upstream is known (``namespaces``, ``dockerMirror``), mirroring
the other way (``direction``), and where logins are and who may see them (``dockerConfig``, ``tokenHosts``). A key of a
``content`` entry goes before the same key of its registry.

Never: asks an upstream, reads a credentials file.
"""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import AfterValidator

from holdfast.config.scalars import (
    ByteSize,
    Count,
    Flag,
    Glob,
    Listed,
    Namespace,
    NotNegativeTime,
    PlatformText,
    Positive,
    PositiveTime,
    Regex,
    Text,
    TokenHost,
    one_of,
)
from holdfast.config.section import Section, Switched, field
from holdfast.durations import seconds

TOKEN_EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105 - the name of a grant

# What is fetched before a client asks for it.
NOTHING: Final = "none"
IMAGES: Final = "image"
EVERYTHING: Final = "all"
PULL: Final = "pull"
PUSH: Final = "push"

Direction = Annotated[Text, AfterValidator(one_of(PULL, PUSH))]
Prefetch = Annotated[Text, AfterValidator(one_of(NOTHING, IMAGES, EVERYTHING))]
Helper = Annotated[Text, AfterValidator(one_of("", "ecr", "gcp", "oauth2"))]


class SyncTags(Section):
    """Which tags are mirrored."""

    regex: Regex | None = field(None, "Only tags that match.")
    exclude_regex: Regex | None = field(None, "No tags that match.")
    semver: Flag = field(False, "Only tags that are semantic versions.")


class SyncContent(Section):
    """Which repositories are mirrored, and under which names."""

    prefix: Glob = field("", "Glob of upstream repositories.")
    destination: Text = field("", "Where they appear here.")
    strip_prefix: Flag = field(False, "Leave the prefix out of the name here.")
    tags: SyncTags | None = field(None, "Which tags.")
    platforms: Listed[PlatformText] | None = field(None, "Which platforms; absent: those of the registry.")
    prefetch: Prefetch | None = field(None, "What is fetched ahead of clients (ours); absent: as the registry.")
    allow_push: Flag | None = field(
        None, "Whether clients may push to these repositories (ours); absent: as the registry."
    )
    cache_size: ByteSize | None = field(None, "Bytes kept of these repositories (ours); absent: within the registry's.")
    cache_max_age: PositiveTime | None = field(
        None, "Time after which what nobody pulled goes (ours); absent: as the registry."
    )


class OAuth2Helper(Section):
    """How an assertion is exchanged for a token."""

    token_url: Text = field("", "Token endpoint; required.", alias="tokenURL")
    assertion_file: Text = field("", "File with a signed assertion; either this or signingFile.")
    signing_file: Text = field("", "File with the key and claims to sign assertions from.")
    grant_type: Text = field("client_credentials", "OAuth 2 grant.")
    client_id: Text = field("", "Client.", alias="clientID")
    client_secret_file: Text = field("", "File with the client's secret.")
    scopes: Listed[Text] = field((), "Scopes asked for.")
    username: Text = field("<token>", "User name that goes with the token.")
    audience: Text = field("", "Target of a token exchange; required there.")
    subject_token_type: Text = field("", "URI of the kind of token given.")
    requested_token_type: Text = field("", "URI of the kind of token wanted.")


class SyncRegistry(Section):
    """One upstream and its mirrors."""

    urls: Listed[Text] = field((), "The upstream, then mirrors to fall back on; required.", alias="urls")
    direction: Direction = field(PULL, "pull, or push: what is here is copied there (ours).")
    namespaces: Listed[Namespace] = field(
        (), "Registry hosts whose content this is, as clients name them in ?ns= (ours); absent: the hosts of urls."
    )
    docker_mirror: Flag = field(
        False, "Serve any root-level name that is not here, for docker's registry-mirrors (ours); library/ always is."
    )
    poll_interval: NotNegativeTime | None = field(None, "Time between pulls of all content; absent: none.")
    on_demand: Flag = field(False, "Pull what a client misses.")
    content: Listed[SyncContent] = field((), "Which repositories; absent: any, on demand only.")
    manifest_check_interval: NotNegativeTime | None = field(
        None, "Do not ask upstream again about a tag for this long; 0: ask at every pull. Needs onDemand."
    )
    platforms: Listed[PlatformText] = field(
        (),
        'Platforms fetched ahead and by polls, such as "linux/amd64"; none: all. A client gets any that it asks for.',
    )
    prefetch: Prefetch = field(
        NOTHING,
        "What is fetched ahead of clients (ours): none, image (the blobs of a manifest asked for), or all (of an index too).",
    )
    allow_push: Flag | None = field(
        None,
        "Whether clients may push where this is mirrored (ours); absent: only if mirrors may fill any name at the root.",
    )
    cache_size: ByteSize | None = field(None, "Bytes kept of what is mirrored (ours); absent: no limit.")
    cache_max_age: PositiveTime | None = field(None, "Time after which what nobody pulled goes (ours); absent: never.")
    tls_verify: Flag = field(True, "Check the upstream's certificate.")
    cert_dir: Text = field("", "Directory with certificates for the upstream.")
    max_retries: Count | None = field(None, "Tries again after a failure; needs retryDelay.")
    retry_delay: NotNegativeTime | None = field(None, "Pause before trying again.")
    max_retry_delay: NotNegativeTime | None = field(None, "Longest pause, when pauses grow; absent: they do not.")
    only_signed: Flag = field(False, "Only signed images.")
    sync_legacy_cosign_tags: Flag = field(True, "Also tags such as sha256-<digest>.sig.")
    preserve_digest: Flag = field(False, "Do not convert manifests; needs http.compat.")
    sync_timeout: NotNegativeTime = field(seconds(3 * 3600), "Patience for one image.")
    req_concurrent: Positive = field(
        3, "Requests at once to one host, of which blobs leave one to what is small; absent: three blobs, and one more."
    )
    req_per_sec: Count = field(0, "Requests in a second to one host; 0: no limit.")
    disable_http2: Flag = field(
        False, "One connection for each request at a time; HTTP/2 is not spoken in any case.", alias="disableHTTP2"
    )
    max_idle_conns_per_host: Count = field(2, "Idle connections kept to one host.")
    credential_helper: Helper = field("", "Where short-lived credentials come from: ecr, gcp or oauth2.")
    oauth2_credential_helper: OAuth2Helper | None = field(None, "Settings of oauth2.", alias="oauth2CredentialHelper")
    token_hosts: Listed[TokenHost] = field(
        (),
        "Further hosts whose token services may see this upstream's credentials (ours); absent: the upstream's own domain.",
    )


class Sync(Switched):
    """Mirroring from other registries."""

    credentials_file: Text = field("", "File with username and password by host.")
    docker_config: Text = field(
        "",
        "docker's config.json: logins and credential helpers, besides credentialsFile (ours). When empty: none is read.",
    )
    download_dir: Text = field("", "Directory for images in transit; required with an object store.")
    registries: Listed[SyncRegistry] = field((), "The upstreams.")
    local_repositories: Listed[Glob] = field((), "Globs of repositories that no upstream is ever asked for (ours).")
