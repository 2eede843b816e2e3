import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import psutil

from holdfast.ops.bench import endpoint as endpoints
from holdfast.ops.bench.watch import ServerWatch, find_server

# A supervisor whose child listens, burns CPU and takes 40 MiB as soon as somebody connects.
CHILD = """
import socket, sys, time
with socket.create_server(("127.0.0.1", 0)) as listener:
    print(listener.getsockname()[1], flush=True)
    accepted, _ = listener.accept()
    held = bytearray(b"x" * (40 << 20))
    ends = time.process_time() + 0.2
    while time.process_time() < ends:
        pass
    accepted.sendall(b"done")
    sys.stdin.read()
"""
PARENT = f"import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-c', {CHILD!r}]))"


@contextmanager
def family():
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield parent, int(parent.stdout.readline())
    finally:
        parent.communicate(timeout=30)


def test_the_supervisor_of_whoever_listens_is_found():
    with family() as (parent, port):
        assert find_server(endpoints.parse(f"127.0.0.1:{port}")) == parent.pid
        with socket.create_connection(("127.0.0.1", port)) as connected:
            connected.recv(4)


def test_memory_and_cpu_of_the_children_count():
    with (
        family() as (parent, port),
        ServerWatch(parent.pid).over() as sampling,
        socket.create_connection(("127.0.0.1", port)) as connected,
    ):
        connected.recv(4)
    assert sampling.use.rss_growth_bytes > 35 << 20
    assert 0.15 < sampling.use.cpu_seconds < 5


def test_a_server_elsewhere_is_not_looked_for():
    assert find_server(endpoints.parse("192.0.2.1:5000")) is None


def test_nobody_listening_is_nothing_to_watch():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        assert find_server(endpoints.parse(f"127.0.0.1:{probe.getsockname()[1]}")) is None
    with ServerWatch(None).over() as sampling:
        pass
    assert sampling.use is None


def test_a_server_that_ends_meanwhile_is_no_error():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with ServerWatch(child.pid).over() as sampling:
        child.communicate(b"\n")
        deadline = time.monotonic() + 10
        while psutil.pid_exists(child.pid) and time.monotonic() < deadline:
            time.sleep(0.01)
    assert sampling.use.rss_before_bytes > 0
