"""A process hears the signal that ends it, whichever of its threads the kernel gives it to."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import os, signal, threading
from holdfast.signals import Signals

told = Signals(signal.SIGTERM, signal.SIGINT)
signal.signal(signal.SIGUSR1, lambda *_: None)

def another_thread():
    os.kill(os.getpid(), signal.SIGUSR1)  # not one that is waited for
    signal.pthread_kill(threading.get_ident(), signal.{name})

threading.Timer(0.2, another_thread).start()  # by then the main thread waits
assert told.within(0.01) is None
print(told.wait().name)
"""


def heard(name: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(name=name)], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.strip()


def test_a_signal_that_another_thread_got_is_heard():
    assert heard("SIGTERM") == "SIGTERM"
    assert heard("SIGINT") == "SIGINT"
