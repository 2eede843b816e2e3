"""Where the processes of a cluster run: all on loopback, or each on a machine of its own, made of a network namespace.

On loopback all processes are on one host, so gateways take the short circuits. A namespace has its own address on a bridge and
its own boot id, so that nothing is shared but the wire; that wire can be cut, slowed, or parted between two.
No packet leaves this machine. Nothing is answered for what is cut: packets vanish, as they do when a cable is pulled.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import subprocess
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.clients.programs import lacking, need, need_root
from tests.etcd_cluster import free_ports

if TYPE_CHECKING:
    from collections.abc import Sequence

_BOOT_ID = "/proc/sys/kernel/random/boot_id"
# RFC 2544 gives these to measurements; nobody routes them.
_NETWORKS = ipaddress.ip_network("198.18.0.0/15")
# A unicast address that no card has.
_NOBODY = "02:00:00:00:00:01"


def run(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
    return done.stdout


@dataclass(frozen=True)
class Host:
    """``words`` stand before a command that shall run there."""

    name: str
    address: str
    words: Sequence[str] = ()
    shares_memory: bool = True

    def port(self, usual: int) -> int:
        """On an address of one's own every port is free."""
        return free_ports(1)[0] if self.shares_memory else usual


class Loopback:
    """All on this machine."""

    hub = "127.0.0.1"
    is_private = True

    def place(self, name: str) -> Host:
        return Host(name, "127.0.0.1")

    def close(self) -> None:
        """Nothing was made."""


@dataclass
class Bridge:
    """Machines on one switch. This process and etcd are at ``hub``, which is never cut off."""

    directory: Path
    hosts: dict[str, Host] = field(default_factory=dict)
    is_private = False

    def __post_init__(self) -> None:
        need_root()
        need("ip")
        need("tc")
        self._tag = f"hf{os.getpid() % 46656:x}{uuid.uuid4().hex[:2]}"
        taken = {
            ipaddress.ip_address(found["local"])
            for link in json.loads(run("ip", "-j", "addr"))
            for found in link["addr_info"]
        }
        network = next(
            net for net in _NETWORKS.subnets(new_prefix=24) if not any(one in net for one in taken if one.version == 4)
        )
        self._addresses = list(network.hosts())
        self.hub = str(self._addresses.pop())
        try:
            run("ip", "link", "add", self._tag, "type", "bridge")
            run("ip", "addr", "add", f"{self.hub}/24", "dev", self._tag)
            run("ip", "link", "set", self._tag, "up")
        except AssertionError as error:
            self.close()
            lacking(f"network namespaces cannot be made here: {error}")
        with contextlib.suppress(
            OSError
        ):  # a container engine leaves bridged frames to iptables; this bridge has none of that
            Path(f"/sys/class/net/{self._tag}/bridge/nf_call_iptables").write_text("0", encoding="ascii")

    def place(self, name: str) -> Host:
        """A machine of this name; the same one if it is there."""
        if name in self.hosts:
            return self.hosts[name]
        number = len(self.hosts)
        space, card, address = f"{self._tag}-{name}", f"{self._tag}v{number}", str(self._addresses[number])
        run("ip", "netns", "add", space)
        boot_id = self.directory / f"{name}.boot_id"
        boot_id.write_text(f"{uuid.uuid4()}\n", encoding="ascii")
        script = f'mount --bind "$0" {_BOOT_ID} && exec "$@"'
        words = ("ip", "netns", "exec", space, "/bin/sh", "-c", script, str(boot_id))
        self.hosts[name] = Host(name, address, words, shares_memory=False)
        run("ip", "link", "add", card, "type", "veth", "peer", "name", "eth0", "netns", space)
        run("ip", "link", "set", card, "master", self._tag, "up")
        run("ip", "-n", space, "addr", "add", f"{address}/24", "dev", "eth0")
        run("ip", "-n", space, "link", "set", "lo", "up")
        run("ip", "-n", space, "link", "set", "eth0", "up")
        return self.hosts[name]

    def cut(self, host: Host) -> None:
        run("ip", "link", "set", self._card(host), "nomaster")

    def heal(self, host: Host) -> None:
        run("ip", "link", "set", self._card(host), "master", self._tag)

    def part(self, one: Host, other: Host) -> None:
        """These two do not hear each other; everybody else hears both."""
        for here, there in ((one, other), (other, one)):
            words = ("neigh", "replace", there.address, "lladdr", _NOBODY, "nud", "permanent", "dev", "eth0")
            run("ip", "-n", self._space(here), *words)

    def join(self, one: Host, other: Host) -> None:
        for here, there in ((one, other), (other, one)):
            run("ip", "-n", self._space(here), "neigh", "del", there.address, "dev", "eth0")

    def slow(self, host: Host, kilobits: int) -> None:
        """Both what it sends and what it is sent. The burst holds several of the kernel's 64 KiB segments: with one each of them
        is cut into packets, which takes more of the processors than all that is to be measured.
        """
        limit = ("root", "tbf", "rate", f"{kilobits}kbit", "burst", "256kb", "latency", "200ms")
        run("ip", "netns", "exec", self._space(host), "tc", "qdisc", "replace", "dev", "eth0", *limit)
        run("tc", "qdisc", "replace", "dev", self._card(host), *limit)

    def quick(self, host: Host) -> None:
        run("ip", "netns", "exec", self._space(host), "tc", "qdisc", "del", "dev", "eth0", "root")
        run("tc", "qdisc", "del", "dev", self._card(host), "root")

    def _space(self, host: Host) -> str:
        return f"{self._tag}-{host.name}"

    def _card(self, host: Host) -> str:
        return f"{self._tag}v{list(self.hosts).index(host.name)}"

    def close(self) -> None:
        for host in self.hosts.values():
            subprocess.run(["ip", "link", "del", self._card(host)], check=False, capture_output=True)
            subprocess.run(["ip", "netns", "del", self._space(host)], check=False, capture_output=True)
        subprocess.run(["ip", "link", "del", self._tag], check=False, capture_output=True)
