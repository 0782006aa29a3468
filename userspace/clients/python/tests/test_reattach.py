"""An attachment that attaches again by itself."""

import os
import signal
import threading
from collections.abc import Iterator

import onair
import pytest
from conftest import PORTS, Child, sender, spec, until


def after_a_gap(frames: Iterator[onair.Frame]) -> onair.Frame:
    return next(frame for frame in frames if frame.gap is not None)


def test_session_stopped_then_frames_go_on_and_it_is_told_once(stream: str, daemon: onair.Daemon) -> None:
    with onair.attach(stream, reattach=True) as studio:
        frames = iter(studio)
        before = next(frames)
        assert before.gap is None and studio.session is not None
        daemon.sessions.stop(stream)
        with pytest.raises(onair.TimedOut):
            while True:
                before = studio.get(timeout=0.3)
        daemon.sessions.start(stream)
        first = next(frames)
        gap = first.gap
        assert gap is not None and gap.last is not None
        assert (gap.ended, gap.missing) == ("stopped", gap.first.number - gap.last.number - 1)
        assert gap.lasted >= 0.3
        assert (gap.last.number, gap.first.number) == (before.number, first.number)
        assert gap.last.session == gap.first.session == studio.session.id
        assert next(frames).gap is None and not first.is_held
        studio.close()
        assert list(frames) == [] and studio.session is None
        with pytest.raises(onair.Stale):
            studio.get()


def test_session_made_again_then_attached_to_the_new_one(stream: str, daemon: onair.Daemon) -> None:
    port = int(daemon.sessions[stream]["flow"]["destination"].rpartition(":")[2])
    with onair.attach(stream, reattach=True) as studio:
        frames = iter(studio)
        view = memoryview(next(frames))
        copy = bytes(view)
        daemon.sessions.abort(stream)
        with pytest.raises(onair.TimedOut):
            while True:
                studio.get(timeout=0.3)
        assert studio.session is None
        daemon.sessions.create(spec(stream, port))
        frame = after_a_gap(frames)
        gap = frame.gap
        assert gap is not None and gap.last is not None
        assert gap.ended == "session" and gap.first.session > gap.last.session
        # 0.3 seconds are 18 frames.
        assert gap.missing is not None and gap.missing >= 17
        assert len(frame.video.planes) == 1
        assert bytes(view) == copy


def test_fields_then_whole_frames_go_on_after_a_stop(daemon: onair.Daemon) -> None:
    video = {"width": 320, "height": 180, "frame_rate": "30/1", "depth": 8, "scan": "interlaced"}
    port = next(PORTS)
    daemon.sessions.create(spec("again", port, video=video))
    daemon.sessions.create(sender("again-source", port, "pattern") | {"video": video})
    with onair.attach("again", reattach=True) as studio:
        frames = onair.VideoFrames(studio)
        assert next(frames).gap is None
        daemon.sessions.stop("again")
        threading.Timer(0.3, daemon.sessions.start, ["again"]).start()
        frame = next(frame for frame in frames if frame.gap is not None)
        assert frame.gap is not None and frame.gap.ended == "stopped"
        assert next(frame for frame in frames if frame.missing is None).is_complete
    for name in "again-source", "again":
        daemon.sessions.abort(name)


def test_sender_then_it_fills_frames_after_a_stop(daemon: onair.Daemon) -> None:
    port = next(PORTS)
    daemon.sessions.create(sender("playout", port))
    with onair.attach("playout", reattach=True) as playout:
        playout.get(timeout=10).submit()
        daemon.sessions.stop("playout")
        with pytest.raises(onair.TimedOut):
            while True:
                playout.get(timeout=0.1).put()
        daemon.sessions.start("playout")
        frame = playout.get(timeout=10)
        assert frame.gap is not None and frame.gap.missing is None
        memoryview(frame)[:4] = b"next"
        frame.submit()
    daemon.sessions.abort("playout")


def test_closed_by_another_thread_then_loops_end(quiet: str, daemon: onair.Daemon) -> None:
    studio = onair.attach(quiet, reattach=True)
    ended: list[int] = []
    thread = threading.Thread(target=lambda: ended.append(sum(1 for _ in studio)))
    thread.start()
    until("caller", lambda: len(daemon.sessions.blockers(quiet)) == 1)
    with pytest.raises(onair.Invalid, match="another thread"):
        while True:
            studio.get(timeout=0)
    studio.close()
    thread.join(30)
    assert ended == [0]
    until("attachment that is gone", lambda: daemon.sessions[quiet]["attachments"] == [])


def test_what_no_time_heals_then_raised_at_once(quiet: str) -> None:
    for name, raised in (("nothing", onair.NotFound), ("ffffffffffffffff", onair.Stale)):
        with pytest.raises(raised):
            onair.attach(name, reattach=True)
    with onair.attach(quiet, reattach=True) as studio:
        with pytest.raises(onair.TimedOut):
            studio.get(timeout=0)
        with pytest.raises(ValueError):
            studio.get(timeout=-1)


def test_ctrl_c_and_handlers_then_the_loop_ends(quiet: str, daemon: onair.Daemon) -> None:
    code = """
    import signal, sys, onair
    with onair.attach(sys.argv[1], reattach=True) as studio:
        signal.signal(signal.SIGUSR1, lambda *_: studio.close())
        if sys.argv[2] == "gone":
            onair.Daemon().sessions.abort(sys.argv[1])
        try:
            print("ready", flush=True)
            for frame in studio:
                pass
        except KeyboardInterrupt:
            print("interrupted")
    """
    for what, number, says in (
        ("waits", signal.SIGINT, "interrupted\n"),
        ("waits", signal.SIGUSR1, ""),
        ("gone", signal.SIGINT, "interrupted\n"),
    ):
        child = Child(code, quiet, what)
        child.says("ready")
        os.kill(child.pid, number)
        assert child.ends_well() == says


def test_fork_then_the_child_attaches_for_itself(stream: str) -> None:
    child = Child(
        """
    import os, sys, onair
    studio = onair.attach(sys.argv[1], reattach=True)
    before = studio.get(timeout=20)
    pid = os.fork()
    if pid == 0:
        frame = studio.get(timeout=20)
        studio.close()
        os._exit(frame.gap is None)
    assert os.waitpid(pid, 0)[1] == 0
    assert studio.get(timeout=20).gap is None
    """,
        stream,
    )
    child.ends_well()
