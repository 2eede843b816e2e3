"""The helpers of this folder keep their word: a missing program skips for people and fails in CI; images come out the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.clients import images, install
from tests.clients.programs import Program, need

if TYPE_CHECKING:
    from pathlib import Path


def test_missing_program_skips_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no-such-client is not installed; `make system`"):
        need("no-such-client")


def test_missing_program_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no-such-client is not installed"):
        need("no-such-client")


def test_installer_without_a_toolchain_names_what_will_be_skipped(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(install.InstallError, match="crane, regctl, oras, registry, helm"):
        install.install_go_programs()


def test_installer_without_root_tells_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(install.InstallError, match="as root: apt-get install --yes --no-install-recommends podman"):
        install.install_packages()


def test_equal_shapes_give_equal_images_and_other_seeds_other_ones(tmp_path: Path) -> None:
    shape = images.Shape("a", compression="zstd", platforms=("linux/amd64", "linux/arm64/v8"))
    one, two = images.write(tmp_path / "one", shape), images.write(tmp_path / "two", shape)
    assert (one.digest, one.layers) == (two.digest, two.layers)
    assert images.write(tmp_path / "three", images.Shape("a", seed="other")).layers != one.layers


@pytest.mark.parametrize("size_bytes", [0, 1, 128 * images.KIB, 300 * images.KIB])
def test_zstd_frames_are_read_by_zstd(size_bytes: int, tmp_path: Path) -> None:
    packer = images.StoredZstd()
    content = bytes(range(256)) * (size_bytes // 256) + b"x" * (size_bytes % 256)
    (tmp_path / "frame.zst").write_bytes(packer.compress(content) + packer.flush())
    Program(need("zstd"))("--decompress", "--quiet", str(tmp_path / "frame.zst"))
    assert (tmp_path / "frame").read_bytes() == content
