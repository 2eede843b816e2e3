"""What a rule finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from holdfast.config.faults import Fault, Steps, json_path
from holdfast.config.settings import Settings


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault, or with ``warning`` something to know. ``reads``: what else the rule looked at."""

    steps: Steps
    message: str
    remedy: str
    reads: tuple[Steps, ...] = ()
    warning: bool = False

    def doubtful(self, blamed: Steps) -> bool:
        """Whether it may only be there because the value at ``blamed`` was refused."""
        within = any(blamed[: len(read)] == read for read in self.reads)
        return within or any(path[: len(blamed)] == blamed for path in (self.steps, *self.reads))

    def fault(self) -> Fault:
        return Fault(json_path(self.steps), self.message, self.remedy)


Rule = Callable[[Settings], Iterator[Finding]]
