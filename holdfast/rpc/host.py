"""Which machine this is: programs with the same host id may share files."""

from __future__ import annotations

from pathlib import Path


def host_id() -> str:
    """The kernel's boot id: equal for all containers of one running kernel, different after a reboot. "" where there is none.

    Containers see other paths, so whoever is offered a file still compares device and inode.
    """
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
