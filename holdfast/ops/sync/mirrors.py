"""The configured mirrors and how each stands: the configuration and the records of runs, read together.

Promises: a URL is shown without a user name, also where the sync worker would refuse it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast.config.sync import PUSH
from holdfast.errors import InputError, MissingError
from holdfast.meta.mirrorruns import MirrorRuns
from holdfast.mirrors.entries import entries
from holdfast.ops.console import counted
from holdfast.replicas.access import new_id

if TYPE_CHECKING:
    from holdfast.config.sync import SyncContent, SyncRegistry
    from holdfast.meta.mirrorruns import Part, Standing
    from holdfast.mirrors.entries import Entry
    from holdfast.ops.sync.reaching import SyncAccess

_LOGIN: Final = re.compile(r"^([a-z]+://)?[^/@]*@", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Mirror:
    """``parts``: the repositories of the run under way that somebody has begun with."""

    entry: Entry
    registry: SyncRegistry
    standing: Standing
    parts: tuple[Part, ...] = ()

    @property
    def urls(self) -> list[str]:
        return [shown(url) for url in self.registry.urls]

    @property
    def title(self) -> str:
        """The id, and what tells people which one it is."""
        return f"{self.entry.id} ({self.entry.direction} {shown(self.entry.url)})"

    @property
    def can_run(self) -> bool:
        """Whether there is something to copy that nobody has asked for; without content it is filled on demand alone."""
        return bool(self.registry.content) or self.entry.direction == PUSH

    @property
    def is_wanted(self) -> bool:
        """Whether somebody has asked for a run that has not begun."""
        return self.standing.asked > self.standing.run.answered

    @property
    def next_seconds(self) -> float | None:
        """About when it runs next, by the clock of whoever ended the last run; None: only when asked, or it is not for a clock."""
        run, interval = self.standing.run, self.registry.poll_interval
        if not interval or not self.can_run or self.standing.is_paused or run.is_running or not run.ended_seconds:
            return None
        return run.ended_seconds + interval.seconds


def runs(found: SyncAccess) -> MirrorRuns:
    """As somebody who claims nothing."""
    return MirrorRuns(found.store, new_id)


def read(found: SyncAccess) -> list[Mirror]:
    """All of them, in the configuration's order. Raises MetadataUnavailableError."""
    book = runs(found)
    mirrors = []
    for entry in entries(found.sync):
        standing = book.look(entry.id)
        parts = tuple(book.parts(entry.id)) if standing.run.is_running else ()
        mine = tuple(part for part in parts if part.number == standing.run.number)
        mirrors.append(Mirror(entry, found.sync.registries[entry.number], standing, mine))
    return mirrors


def find(found: SyncAccess, wanted: str) -> Mirror:
    """The one with this id or the only one with this URL, host, or beginning of an id.

    Raises:
        MissingError: none. InputError: several.
    """
    mirrors = read(found)
    chosen = [mirror for mirror in mirrors if mirror.entry.id == wanted]
    chosen = chosen or [mirror for mirror in mirrors if wanted in {name for url in mirror.urls for name in _names(url)}]
    chosen = chosen or [mirror for mirror in mirrors if wanted and mirror.entry.id.startswith(wanted)]
    if not chosen:
        raise MissingError(f"no mirror is called {wanted}; `holdfast sync ls` lists them")
    if len(chosen) > 1:
        names = ", ".join(mirror.title for mirror in chosen)
        raise InputError(f"{wanted} may be one of {names}; write the id")
    return chosen[0]


def shown(url: str) -> str:
    """A configured URL as people may see it."""
    return _LOGIN.sub(lambda match: match[1] or "", url.strip())


def _names(url: str) -> tuple[str, str, str]:
    bare = url.rpartition("://")[2].rstrip("/")
    return url, bare, bare.partition("/")[0]


def content_text(registry: SyncRegistry) -> str:
    """What is mirrored, and where to."""
    if not registry.content:
        return "anything, by its own name" if registry.on_demand else ""
    return ", ".join(map(_one_content, registry.content))


def _one_content(content: SyncContent) -> str:
    words = [content.prefix]
    if content.destination:
        words.append(f"to {content.destination}")
    if content.strip_prefix:
        words.append("without the prefix")
    tags = content.tags
    if tags is not None:
        rules = (("tags", tags.regex), ("not", tags.exclude_regex), ("tags", "semver" if tags.semver else ""))
        words += [f"{word} {rule}" for word, rule in rules if rule]
    return " ".join(words)


def counts_text(mirror: Mirror) -> str:
    """Of the run under way, or the last one."""
    counts = mirror.standing.run.counts
    text = f"{counted(counts.seen, 'image')}, {counts.changed} changed"
    for word, number in (("left out", counts.skipped), ("failed", counts.failed)):
        text += f", {number} {word}" if number else ""
    return text
