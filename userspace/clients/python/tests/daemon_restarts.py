"""The daemon is killed and started while a program takes frames. What starts it is at the other end of standard input,
a socket. By itself: other tests would lose their daemon."""

import os

import onair
import pytest
from conftest import sender, spec


def ask(what: str) -> None:
    os.write(0, f"{what}\n".encode())
    assert os.read(0, 16) == b"done\n"


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_daemon_ends_and_starts_then_the_loop_goes_on(end: str, daemon: onair.Daemon) -> None:
    if "cam" not in daemon.sessions:
        for document in (spec("cam", 6000), sender("source", 6000, "pattern")):
            daemon.sessions.create(document | {"persistent": True})
    with onair.attach("cam", reattach=True) as cam:
        with cam.get(timeout=20) as before:
            assert before.gap is None
            # A view would delay a stop.
            view = memoryview(before) if end == "kill" else None
        copy = view and bytes(view)
        ask(end)
        with pytest.raises(onair.TimedOut):
            while True:
                with cam.get(timeout=0.3) as frame:
                    before = frame
        assert cam.session is None
        ask("start")
        frames = iter(cam)
        first = next(frame for frame in frames if frame.gap is not None)
        gap = first.gap
        assert gap is not None and gap.last is not None
        assert gap.ended == "daemon" and gap.lasted >= 0.3
        assert (gap.last.number, gap.first.number) == (before.number, first.number)
        assert gap.last.session != gap.first.session
        # 0.3 seconds are 18 frames.
        assert gap.missing is not None and gap.missing >= 17
        assert repr(gap).startswith("<onair.Gap daemon: ")
        assert next(frames).gap is None
        assert view is None or bytes(view) == copy
