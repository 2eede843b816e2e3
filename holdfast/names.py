"""Repository names and tags: strict constructors (distribution-spec, "Pulling manifests").

Values are plain strings afterwards: what has passed here needs no further check, what has not must not travel.
"""

from __future__ import annotations

import re
from typing import Final, NewType

from holdfast.errors import NameInvalidError, TagInvalidError

Repository = NewType("Repository", str)
Tag = NewType("Tag", str)

# Host, "/" and name together should stay within 255 characters; the host is not ours to know, so the name alone is held to it.
MAX_NAME_LENGTH: Final = 255
_COMPONENT: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME: Final = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*", re.ASCII)
_TAG: Final = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}", re.ASCII)


def repository(text: str) -> Repository:
    """A repository name.

    Raises:
        NameInvalidError: against the grammar, or longer than 255 characters.
    """
    if len(text) > MAX_NAME_LENGTH:
        raise NameInvalidError(f"a repository name has at most {MAX_NAME_LENGTH} characters", {"length": len(text)})
    if not _NAME.fullmatch(text):
        raise NameInvalidError(
            "a repository name is lower-case letters and digits, with single . _ / or __ or dashes between them",
            {"name": text},
        )
    return Repository(text)


def tag(text: str) -> Tag:
    """A tag.

    Raises:
        TagInvalidError: against the grammar.
    """
    if not _TAG.fullmatch(text):
        raise TagInvalidError(
            "a tag is 1 to 128 letters, digits, _ . or -, not starting with . or -", {"tag": text[:200]}
        )
    return Tag(text)
