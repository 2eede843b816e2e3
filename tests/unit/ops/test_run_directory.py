"""Where ``serve`` has its sockets, so that commands find them: also below a path that is too long for one."""

from __future__ import annotations

import contextlib

from holdfast.ops.serve import _run_dir


def deep(tmp_path):
    root = tmp_path / ("deep" * 25)
    root.mkdir()
    return root


def test_below_a_long_path_a_link_leads_to_the_sockets_while_the_server_runs(tmp_path):
    root = deep(tmp_path)
    with contextlib.ExitStack() as stack:
        run = _run_dir(root, stack)
        assert len(str(run / "node.sock")) < 100
        assert (root / "run").readlink() == run
    assert not run.exists()
    assert not (root / "run").is_symlink()


def test_what_a_server_left_that_was_killed_is_in_nobodys_way(tmp_path):
    root = deep(tmp_path)
    (root / "run").symlink_to(tmp_path / "gone")
    with contextlib.ExitStack() as stack:
        assert _run_dir(root, stack) == (root / "run").readlink()
    short = tmp_path / "short"
    short.mkdir()
    (short / "run").symlink_to(tmp_path / "gone")
    with contextlib.ExitStack() as stack:
        assert _run_dir(short, stack).is_dir()


def test_what_a_server_left_before_the_directory_was_moved_is_in_nobodys_way(tmp_path):
    root = deep(tmp_path)
    (root / "run").mkdir()
    (root / "run" / "node.sock").touch()
    with contextlib.ExitStack() as stack:
        assert _run_dir(root, stack) == (root / "run").readlink()
