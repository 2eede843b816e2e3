"""What retention removed, told to whoever asks later: a line of the log for each, and one of the audit log where there is one.

    {"time", "user": "", "by": "retention", "method": "DELETE", "path", "status": "202", "about", "reason"}

The form is that of a request that somebody made (``log.audit``), so that one question finds both.

Promises: a line is written whole, by one write to a file opened for appending, since gateways write to it as well; a file that
cannot be written is told in the log and stops nothing. A dry run is told in the log alone: nothing has happened.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    from holdfast.clock import Clock
    from holdfast.names import Repository
    from holdfast.retention.planner import Verdict

_LOG: Final = logging.getLogger("holdfast.retention")


class Deletions:
    """``audit`` None: nobody keeps one. The file is opened for every line: there are few, and it may be rotated."""

    def __init__(self, audit: Path | None, clock: Clock) -> None:
        self._audit = audit
        self._clock = clock

    def tell(self, repository: Repository, verdict: Verdict, *, is_dry_run: bool) -> None:
        """One of them."""
        about: dict[str, object] = {"repository": repository, "digest": str(verdict.digest), "rule": verdict.rule}
        if verdict.tag is not None:
            about["tag"] = verdict.tag
        _LOG.info("retention would remove" if is_dry_run else "retention removed", extra=about)
        if self._audit is not None and not is_dry_run:
            self._write(self._audit, repository, verdict)

    def _write(self, audit: Path, repository: Repository, verdict: Verdict) -> None:
        line = {
            "time": datetime.fromtimestamp(self._clock.wall(), UTC).isoformat(timespec="milliseconds"),
            "user": "",
            "by": "retention",
            "method": "DELETE",
            "path": f"/v2/{repository}/manifests/{verdict.tag or verdict.digest}",
            "status": "202",
            "about": str(verdict.digest),
            "reason": verdict.rule,
        }
        try:
            descriptor = os.open(audit, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            with contextlib.closing(os.fdopen(descriptor, "ab", buffering=0)) as file:
                file.write(json.dumps(line).encode() + b"\n")
        except OSError as error:
            _LOG.error("the audit log cannot be written", extra={"reason": str(error)})
