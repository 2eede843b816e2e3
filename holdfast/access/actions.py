"""What can be done to a repository; zot's words."""

from __future__ import annotations

from enum import Enum


class Action(Enum):
    """``UPDATE`` moves a tag that exists; ``DETECT_COLLISION`` keeps who has it from deleting a digest that several tags name."""

    READ = "read"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    DETECT_COLLISION = "detectManifestCollision"
