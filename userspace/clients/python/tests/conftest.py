"""A daemon with ports `a` and `b` at the ends of a wire, at the sockets of ONAIR_SOCKET and ONAIR_ATTACH."""

import itertools
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from typing import Any

import onair
import pytest

PORTS = itertools.count(6000)
NUMBERS = itertools.count()


def until(what: str, is_true: Callable[[], Any]) -> None:
    """Waits for something that must come."""
    end = time.monotonic() + 30
    while not is_true():
        assert time.monotonic() < end, f"no {what} in 30 seconds"
        time.sleep(0.002)


def spec(name: str, udp: int, **more: Any) -> dict[str, Any]:
    """A session that receives small frames, or that is what `more` says."""
    return {
        "name": name,
        "direction": "receive",
        "port": "b",
        "video": {"width": 320, "height": 180, "frame_rate": "60/1", "depth": 8},
        "flow": {"destination": f"10.77.0.2:{udp}", "payload_type": 96},
        "quota": 16,
    } | more


def sender(name: str, udp: int, source: str = "client") -> dict[str, Any]:
    more = spec(name, udp, direction="send", port="a", source=source)
    del more["quota"]
    return more


def converted(daemon: onair.Daemon, source: str, layout: str) -> str:
    """Has each frame of a session converted."""
    name = f"{source}-{layout}"
    daemon.sessions.create({"name": name, "convert": {"from": source, "layout": layout}, "quota": 16})
    return name


def is_asleep(pid: int, tid: int) -> bool:
    """Whether a thread sleeps in futex_waitv(2), as only a call that waits does."""
    with open(f"/proc/{pid}/task/{tid}/syscall") as file:
        return file.read().startswith("449 ")


def tid_asleep(pid: int) -> bool:
    return any(is_asleep(pid, int(tid)) for tid in os.listdir(f"/proc/{pid}/task"))


class Child:
    """Python code in a process of its own, which says `ready` when it is."""

    def __init__(self, code: str, *arguments: str) -> None:
        # Python 3.12 warns of a fork beside threads.
        options = ["-X", "faulthandler", "-W", "ignore::DeprecationWarning"]
        line = [sys.executable, *options, "-c", textwrap.dedent(code), *arguments]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(line, stdin=pipe, stdout=pipe, stderr=pipe, text=True)

    @property
    def pid(self) -> int:
        return self.process.pid

    def says(self, line: str) -> None:
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        assert said == line + "\n", f"{said!r}, {self.process.poll()}"

    def is_asleep(self) -> None:
        """Waits until one of its threads waits in a call."""
        until("caller that waits", lambda: tid_asleep(self.pid))

    def interrupt(self) -> None:
        """Ctrl-C."""
        os.kill(self.pid, signal.SIGINT)

    def ends(self) -> tuple[int, str, str]:
        """Its exit status, output and errors."""
        out, errors = self.process.communicate(timeout=30)
        return self.process.returncode, out, errors

    def ends_well(self) -> str:
        status, out, errors = self.ends()
        assert (status, errors) == (0, ""), errors
        return out


@pytest.fixture
def daemon() -> onair.Daemon:
    return onair.Daemon()


@pytest.fixture
def quiet(daemon: onair.Daemon) -> Iterator[str]:
    """A session that gets no frames."""
    name = f"quiet-{next(NUMBERS)}"
    daemon.sessions.create(spec(name, next(PORTS)))
    yield name
    if name in daemon.sessions:
        daemon.sessions.abort(name)


@pytest.fixture
def stream(daemon: onair.Daemon) -> Iterator[str]:
    """A session that gets the daemon's pattern."""
    name, port = f"stream-{next(NUMBERS)}", next(PORTS)
    daemon.sessions.create(spec(name, port))
    daemon.sessions.create(sender(f"{name}-source", port, "pattern"))
    yield name
    for session in list(daemon.sessions):
        if session == name or session.startswith(f"{name}-"):
            daemon.sessions.abort(session)


@pytest.fixture
def own() -> Iterator[onair.Session]:
    """A send session that this process has created."""
    with onair.create(sender(f"own-{next(NUMBERS)}", next(PORTS))) as session:
        name = session.name
        yield session
    sessions = onair.Daemon().sessions
    if name in sessions:
        sessions.abort(name)
