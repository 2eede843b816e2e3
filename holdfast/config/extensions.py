"""``extensions``: what a registry does beyond the protocol.

Promises: a block that is there is on, unless it says ``"enable": false``; an empty block is on. Intervals below a floor
are raised to it (``effective_interval``), as zot does.

Never: starts an extension.
"""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import AfterValidator

from holdfast.config.casemap import CaseMap
from holdfast.config.scalars import ByteSize, Flag, Listed, Named, NotNegativeTime, Secret, Text, at_least, one_of
from holdfast.config.section import Section, Switched, field
from holdfast.config.sync import Sync
from holdfast.durations import Duration, seconds

SHORTEST_INTERVAL: Final = seconds(2 * 3600)
# Of a node that nobody has told how often to read its copies.
_UNSAID_INTERVAL: Final = seconds(7 * 86_400)

Bandwidth = Annotated[ByteSize, AfterValidator(at_least(1))]
SbomFormat = Annotated[Text, AfterValidator(one_of("spdx-json", "cyclonedx"))]
SinkType = Annotated[Text, AfterValidator(one_of("http", "nats"))]


class Sbom(Switched):
    """Bills of materials made by Trivy, pushed as referrers."""

    format: SbomFormat = field("spdx-json", "spdx-json or cyclonedx.")


class Trivy(Section):
    """The scanner."""

    db_repository: Text = field("ghcr.io/aquasecurity/trivy-db", "Where its database comes from.")
    java_db_repository: Text = field(
        "ghcr.io/aquasecurity/trivy-java-db", "Where its database for Java comes from.", alias="javaDBRepository"
    )
    vuln_severity_sources: Listed[Text] = field(("auto",), "Whose severities count, first known wins.")
    ignore_file: Text = field("", "File of findings to leave out.")
    sbom: Sbom | None = field(None, "Bills of materials.")


class Cve(Section):
    """Scanning for known vulnerabilities."""

    update_interval: NotNegativeTime = field(SHORTEST_INTERVAL, "Time between updates of the database; 2h at least.")
    trivy: Trivy = field(Trivy, "The scanner.")

    @property
    def effective_interval(self) -> Duration:
        """``updateInterval``, raised to the floor."""
        return max(self.update_interval, SHORTEST_INTERVAL)


class Search(Switched):
    """Searching, and what the pages need."""

    cve: Cve | None = field(None, "Scanning.")


class Prometheus(Section):
    """Where metrics are read."""

    path: Text = field("/metrics", "Path of the metrics.")


class Metrics(Switched):
    """Metrics for Prometheus."""

    prometheus: Prometheus = field(Prometheus, "Where they are read.")


class Scrub(Switched):
    """Reading everything again to find rot. Without the block, a round each week; switched off, only by `holdfast scrub`."""

    interval: NotNegativeTime = field(seconds(86_400), "Time from one round's beginning to the next; 2h at least.")
    bandwidth: Bandwidth = field(20 << 20, "Bytes a second that each node reads at most (ours).")

    @property
    def effective_interval(self) -> Duration:
        """``interval``, raised to the floor."""
        return max(self.interval, SHORTEST_INTERVAL)

    @property
    def round_seconds(self) -> float:
        """From one round's beginning to the next; 0: only when somebody asks."""
        return self.effective_interval.seconds if self.enable else 0.0


class Lint(Switched):
    """Refusing manifests that lack something."""

    mandatory_annotations: Listed[Text] = field((), "Annotations, or labels of the image, that must be there.")


class Trust(Switched):
    """Checking signatures, and saying so."""

    cosign: Flag = field(False, "Signatures by cosign.")
    notation: Flag = field(False, "Signatures by notation.")


class SinkCredentials(Section):
    """How a receiver of events is told who sends."""

    username: Text = field("", "User.")
    password: Secret | None = field(None, "The user's password.")
    file: Text = field("", "File with NATS credentials.")
    token: Secret | None = field(None, "Token.")


class SinkTls(Section):
    """TLS to a receiver of events."""

    ca_cert_file: Text = field("", "File of the authority that signed its certificate.", alias="caCertFile")
    cert_file: Text = field("", "File with our certificate.")
    key_file: Text = field("", "File with our key.")


class Sink(Section):
    """A receiver of events."""

    type: SinkType = field("", "http or nats; required.")
    address: Text = field("", "URL of the receiver; required.")
    channel: Text = field("", "Subject; required with nats.")
    timeout: NotNegativeTime = field(seconds(30), "Patience with it.")
    proxy: Text = field("", "URL of a proxy on the way.")
    headers: Named[Secret] = field(CaseMap, "Headers sent along.")
    credentials: SinkCredentials | None = field(None, "Who sends.")
    tls_config: SinkTls | None = field(None, "TLS.")


class Events(Switched):
    """Telling others what happens, as CloudEvents."""

    sinks: Listed[Sink] = field((), "The receivers.")


class Extensions(Section):
    """What a registry does beyond the protocol."""

    search: Search | None = field(None, "Searching.")
    sync: Sync | None = field(None, "Mirroring.")
    metrics: Metrics | None = field(None, "Metrics.")
    scrub: Scrub | None = field(None, "Reading everything again.")
    lint: Lint | None = field(None, "Refusing manifests that lack something.")
    ui: Switched | None = field(None, "Pages for people; needs search.")
    mgmt: Switched | None = field(None, "Ignored, as in zot: it follows search.")
    apikey: Switched | None = field(None, "Ignored, as in zot: see http.auth.apikey.")
    trust: Trust | None = field(None, "Checking signatures.")
    events: Events | None = field(None, "Telling others.")

    @property
    def scrubbing(self) -> Scrub:
        """``scrub``, or what is done where nothing is said."""
        return Scrub(interval=_UNSAID_INTERVAL) if self.scrub is None else self.scrub

    def runs(self, name: str) -> bool:
        """Whether the extension in this field is there and not switched off."""
        block = getattr(self, name)
        return isinstance(block, Switched) and block.enable
