"""Drivers: where zot keeps bytes (``storageDriver``), its cache (``cacheDriver``) and its sessions (``sessionDriver``).

Promises: each driver has its own block, told apart by ``name``; a key of another driver is refused. Keys are spelled as
the drivers spell them (lower case, or with underscores for redis).

Never: talks to a driver. Which of them this version can use is said in ``availability``.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from holdfast.config.scalars import Count, Flag, Listed, NotNegativeTime, Secret, Text, Time, Whole, one_of
from holdfast.config.section import Section, field

CredentialsType = Annotated[Text, AfterValidator(one_of("", "shared_key", "client_secret", "default_credentials"))]


class MultipartCopy(Section):
    """How large objects are copied inside S3."""

    chunk_size: Count | None = field(None, "Bytes of each part.", alias="chunksize")
    max_concurrency: Count | None = field(None, "Parts copied at once.", alias="maxconcurrency")
    threshold_size: Count | None = field(
        None, "Objects above this many bytes are copied in parts.", alias="thresholdsize"
    )


class S3(Section):
    """Amazon S3, or anything that speaks its protocol."""

    name: Literal["s3"] = field("s3", "Tells this driver from the others.")
    root_directory: Text = field("", "Prefix of every key.", alias="rootdirectory")
    region: Text = field("", "Region of the bucket.")
    region_endpoint: Text = field("", "Host, or URL, of a service that is not Amazon's.", alias="regionendpoint")
    bucket: Text = field("", "The bucket.")
    access_key: Secret | None = field(None, "Access key; the environment's when absent.", alias="accesskey")
    secret_key: Secret | None = field(None, "Secret key; the environment's when absent.", alias="secretkey")
    session_token: Secret | None = field(None, "Token of temporary credentials.", alias="sessiontoken")
    force_path_style: Flag | None = field(
        None,
        "Bucket in the path, not in the host name. When absent: true with a regionendpoint.",
        alias="forcepathstyle",
    )
    secure: Flag = field(True, "HTTPS.")
    skip_verify: Flag = field(False, "Do not check the server's certificate.", alias="skipverify")
    encrypt: Flag = field(False, "Ask for encryption at rest.")
    key_id: Text = field("", "KMS key for encryption at rest.", alias="keyid")
    v4_auth: Flag = field(True, "Sign requests by version 4.", alias="v4auth")
    chunk_size: Count | None = field(None, "Bytes of each part of an upload.", alias="chunksize")
    multipart_copy: MultipartCopy | None = field(None, "Copies inside the bucket, in parts.", alias="multipartcopy")
    multipart_copy_chunk_size: Count | None = field(
        None, "Flat spelling of multipartcopy.chunksize.", alias="multipartcopychunksize"
    )
    multipart_copy_max_concurrency: Count | None = field(
        None, "Flat spelling of multipartcopy.maxconcurrency.", alias="multipartcopymaxconcurrency"
    )
    multipart_copy_threshold_size: Count | None = field(
        None, "Flat spelling of multipartcopy.thresholdsize.", alias="multipartcopythresholdsize"
    )
    storage_class: Text = field("", "Storage class of new objects.", alias="storageclass")
    user_agent: Text = field("", "User-Agent of requests.", alias="useragent")
    use_dual_stack: Flag = field(False, "IPv6 endpoints.", alias="usedualstack")
    use_fips_endpoint: Flag = field(False, "FIPS endpoints.", alias="usefipsendpoint")
    accelerate: Flag = field(False, "Transfer acceleration.")
    object_acl: Text = field("", "Canned ACL of new objects.", alias="objectacl")
    log_level: Text = field("", "What the S3 client logs.", alias="loglevel")

    @property
    def path_style(self) -> bool:
        """``forcepathstyle``, which a region endpoint implies when nothing is said."""
        return bool(self.region_endpoint) if self.force_path_style is None else self.force_path_style


class Gcs(Section):
    """Google Cloud Storage."""

    name: Literal["gcs"] = field("gcs", "Tells this driver from the others.")
    bucket: Text = field("", "The bucket.")
    root_directory: Text = field("/zot", "Prefix of every key.", alias="rootdirectory")
    key_file: Text = field("", "File with a service account's key.", alias="keyfile")
    credentials_file: Text = field("", "Another spelling of keyfile, seen in zot's example.", alias="credentialsFile")
    chunk_size: Count | None = field(None, "Bytes of each part of an upload.", alias="chunksize")


class AzureCredentials(Section):
    """How Azure is told who asks."""

    type: CredentialsType = field("", "shared_key, client_secret or default_credentials.")
    tenant_id: Text = field("", "Tenant of the client.", alias="tenantid")
    client_id: Text = field("", "The client.", alias="clientid")
    secret: Secret | None = field(None, "The client's secret.")


class Azure(Section):
    """Azure Blob Storage."""

    name: Literal["azure"] = field("azure", "Tells this driver from the others.")
    account_name: Text = field("", "Storage account.", alias="accountname")
    container: Text = field("", "The container.")
    account_key: Secret | None = field(None, "The account's key.", alias="accountkey")
    root_directory: Text = field("", "Prefix of every key.", alias="rootdirectory")
    credentials: AzureCredentials | None = field(None, "Credentials other than the account's key.")


class DynamoDb(Section):
    """Amazon DynamoDB tables."""

    name: Literal["dynamodb"] = field("dynamodb", "Tells this driver from the others.")
    endpoint: Text = field("", "URL of a service that is not Amazon's.")
    region: Text = field("", "Region of the tables.")
    cache_table: Text = field("", "Table of blobs.", alias="cacheTablename")
    repo_meta_table: Text = field("", "Table of repositories.", alias="repoMetaTablename")
    image_meta_table: Text = field("", "Table of images.", alias="imageMetaTablename")
    repo_blobs_info_table: Text = field("", "Table of blobs by repository.", alias="repoBlobsInfoTablename")
    user_data_table: Text = field("", "Table of users' stars and bookmarks.", alias="userDataTablename")
    api_key_table: Text = field("", "Table of API keys.", alias="apiKeyTablename")
    version_table: Text = field("", "Table with the version of the others.", alias="versionTablename")


class Redis(Section):
    """Redis: one server, a cluster, or behind sentinels."""

    name: Literal["redis"] = field("redis", "Tells this driver from the others.")
    key_prefix: Text = field("", "Prefix of every key.", alias="keyprefix")
    url: Secret | None = field(None, "Everything in one URL, in place of the keys below.")
    addr: Listed[Text] = field((), "host:port of the servers; several mean a cluster, or sentinels with master_name.")
    client_name: Text = field("", "Name given to the server.", alias="client_name")
    db: Count = field(0, "Number of the database.")
    protocol: Count = field(3, "Version of the protocol.")
    username: Text = field("", "User.")
    password: Secret | None = field(None, "The user's password.")
    sentinel_username: Text = field("", "User for the sentinels.", alias="sentinel_username")
    sentinel_password: Secret | None = field(None, "Password for the sentinels.", alias="sentinel_password")
    max_retries: Whole = field(3, "Tries again after a failure; -1 for none.", alias="max_retries")
    min_retry_backoff: Time | None = field(None, "Least pause between tries.", alias="min_retry_backoff")
    max_retry_backoff: Time | None = field(None, "Longest pause between tries.", alias="max_retry_backoff")
    dial_timeout: Time | None = field(None, "Patience while connecting.", alias="dial_timeout")
    read_timeout: Time | None = field(None, "Patience while reading.", alias="read_timeout")
    write_timeout: Time | None = field(None, "Patience while writing.", alias="write_timeout")
    context_timeout_enabled: Flag = field(False, "Deadlines of callers count.", alias="context_timeout_enabled")
    pool_fifo: Flag = field(False, "Oldest idle connection first.", alias="pool_fifo")
    pool_size: Count | None = field(None, "Connections for each server.", alias="pool_size")
    pool_timeout: NotNegativeTime | None = field(None, "Patience while all connections are busy.", alias="pool_timeout")
    min_idle_conns: Count = field(0, "Idle connections kept at least.", alias="min_idle_conns")
    max_idle_conns: Count = field(0, "Idle connections kept at most; 0 for no limit.", alias="max_idle_conns")
    max_active_conns: Count = field(0, "Connections at most; 0 for no limit.", alias="max_active_conns")
    conn_max_idle_time: Time | None = field(None, "An idle connection ends after this.", alias="conn_max_idle_time")
    conn_max_lifetime: Time | None = field(None, "Any connection ends after this.", alias="conn_max_lifetime")
    max_redirects: Whole | None = field(None, "Redirects followed in a cluster.", alias="max_redirects")
    read_only: Flag = field(False, "Read from replicas.", alias="read_only")
    route_by_latency: Flag = field(False, "Read from the nearest.", alias="route_by_latency")
    route_randomly: Flag = field(False, "Read from any.", alias="route_randomly")
    master_name: Text = field("", "Name the sentinels know the master by.", alias="master_name")
    disable_identity: Flag = field(False, "Do not tell the server which library asks.", alias="disable_identity")
    identity_suffix: Text = field("", "Added to the library's name.", alias="identity_suffix")
    unstable_resp3: Flag = field(False, "Forms of the protocol that may change.", alias="unstable_resp3")


class LocalSessions(Section):
    """Sessions in the metadata, where every gateway finds them; in zot, in files under the storage root."""

    name: Literal["local"] = field("local", "Tells this driver from the others.")


StorageDriver = Annotated[S3 | Gcs | Azure, Field(discriminator="name")]
CacheDriver = Annotated[DynamoDb | Redis, Field(discriminator="name")]
SessionDriver = Annotated[Redis | LocalSessions, Field(discriminator="name")]
