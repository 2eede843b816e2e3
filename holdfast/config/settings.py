"""The whole configuration, as one frozen value.

Promises: every key of zot's ``config.json`` and ours, typed; a file that zot starts with can be represented.

Invariants: field names are snake case, keys in files zot's camel case. A ``Settings`` made by ``config.load`` has passed
every check; one made by hand has passed those of single values only.

Never: holds what is not configuration.
"""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import AfterValidator

from holdfast.config.cluster import Cluster
from holdfast.config.extensions import Extensions
from holdfast.config.http import Http
from holdfast.config.scalars import LogLevel, Positive, Text, one_of
from holdfast.config.section import Section, field
from holdfast.config.storage import Storage

DIST_SPEC_VERSION: Final = "1.1.1"
LogFormat = Annotated[Text, AfterValidator(one_of("json", "text"))]


class Log(Section):
    """What is written down, and where."""

    level: LogLevel = field(
        "info", "debug, trace, info, warn, error, fatal or panic. info unless given; zot's own default is debug."
    )
    output: Text = field("", "File; standard output when empty.")
    audit: Text = field("", "File of who changed what; none when empty.")
    format: LogFormat = field("json", "json or text (ours).")


class Scheduler(Section):
    """Work in the background."""

    num_workers: Positive | None = field(None, "Threads for it. When absent: four for each processor.")


class Settings(Section):
    """The configuration of a registry."""

    dist_spec_version: Text = field(DIST_SPEC_VERSION, "Version of the protocol the file was written for.")
    go_version: Text = field("", "Ignored.")
    commit: Text = field("", "Ignored.")
    release_tag: Text = field("", "Ignored.")
    binary_type: Text = field("", "Ignored.")
    storage: Storage = field(Storage, "Where bytes live.")
    http: Http = field(Http, "Where the registry listens.")
    log: Log = field(Log, "What is written down.")
    scheduler: Scheduler | None = field(None, "Work in the background.")
    cluster: Cluster | None = field(None, "Many machines, one registry.")
    extensions: Extensions = field(Extensions, "What the registry does beyond the protocol.")
