"""A layout that is written: what has a final name is right."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from holdfast import digest as digests
from holdfast.ops.moving.shelving import Shelf

if TYPE_CHECKING:
    from pathlib import Path

DATA = b"the right bytes"


def test_a_file_of_another_length_is_not_taken_for_the_link(tmp_path: Path) -> None:
    """As another program left it that did not come to its end."""
    digest, shelf = digests.of(DATA), Shelf(tmp_path / "layout")
    there = tmp_path / "layout" / "blobs" / digest.algorithm / digest.encoded
    there.parent.mkdir(parents=True)
    there.write_bytes(DATA[:4])
    (tmp_path / "blob").write_bytes(DATA)
    descriptor = os.open(tmp_path / "blob", os.O_RDONLY)
    try:
        assert not shelf.has(digest, len(DATA))
        assert not shelf.link(digest, descriptor)
    finally:
        os.close(descriptor)
    shelf.store(digest, [DATA])
    assert there.read_bytes() == DATA
