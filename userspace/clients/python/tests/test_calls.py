"""Calls that wait: time-outs, stops, signals, threads, coroutines."""

import asyncio
import json
import os
import select
import signal
import threading
from collections.abc import Callable
from functools import partial

import onair
import pytest
from conftest import NUMBERS, PORTS, Child, converted, is_asleep, sender, until

ATTACH = """
    import os, signal, sys, threading, onair
    session = onair.attach(sys.argv[1])
"""


def asleep(thread: threading.Thread) -> None:
    """Waits until a thread of this process waits in a call."""
    until("thread that waits", lambda: is_asleep(os.getpid(), thread.native_id or 0))


def outcome(call: Callable[[], object]) -> tuple[threading.Thread, list[BaseException]]:
    """A thread that makes a call, and the exception of it."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, raised


def test_timeout_then_timed_out_and_other_errors_differ(quiet: str, daemon: onair.Daemon) -> None:
    with onair.attach(quiet) as session:
        for timeout in (0, 0.01):
            with pytest.raises(onair.TimedOut) as passed:
                session.get(timeout)
            assert isinstance(passed.value, TimeoutError)
        with pytest.raises(ValueError):
            session.get(-1)
        with pytest.raises(onair.TimedOut):
            session.event(timeout=0.3)
        daemon.sessions.stop(quiet)
        daemon.sessions.start(quiet)
        event = session.event(timeout=10)
        assert (event.kind, event.sequence) == ("started", 1)
        session.stop()
        assert session.is_stopped
        for call in (session.get, session.event):
            with pytest.raises(onair.Stopped) as stopped:
                call()
            assert isinstance(stopped.value, BlockingIOError)
        with pytest.raises(onair.Stopped):
            session.wait_started()
        session.start()
        session.wait_started()
        daemon.sessions.stop(quiet)
        with pytest.raises(onair.TimedOut):
            session.wait_started(timeout=0.01)


@pytest.mark.parametrize("who", ["this process", "the daemon"])
def test_stop_then_callers_in_threads_wake(quiet: str, daemon: onair.Daemon, who: str) -> None:
    with onair.attach(quiet) as session:
        callers = [outcome(call) for call in (session.get, session.event) * 2]
        for thread, _ in callers:
            asleep(thread)
        if who == "this process":
            session.stop()
        else:
            daemon.sessions.stop(quiet)
        for thread, raised in callers:
            thread.join(30)
            assert [type(it) for it in raised] == [onair.Stopped]


def test_destroy_under_callers_then_they_wake_and_a_certificate(quiet: str, daemon: onair.Daemon) -> None:
    with onair.attach(quiet) as session:
        thread, raised = outcome(session.get)
        asleep(thread)
        with pytest.raises(onair.Invalid):
            daemon.sessions.destroy(quiet)
        daemon.sessions.stop(quiet)
        certificate = daemon.sessions.destroy(quiet, wait=20)
        thread.join(30)
        assert [type(it) for it in raised] == [onair.Stopped]
        assert certificate["name"] == quiet
        with pytest.raises(onair.Stale):
            session.get()


def test_pulses_amid_signals_then_the_main_thread_counts_each(quiet: str) -> None:
    # Each signal ends a part of the main thread's call; none may hide a stop.
    rounds, seen, main = 300, [0], threading.main_thread()
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    with onair.attach(quiet) as session:

        def pulse() -> None:
            for count in range(rounds):
                until("count", lambda: seen[0] == count)
                asleep(main)
                for _ in range(3):
                    signal.pthread_kill(main.ident or 0, signal.SIGUSR1)
                session.stop()
                session.start()

        thread, raised = outcome(pulse)
        while seen[0] < rounds:
            with pytest.raises(onair.Stopped):
                session.get(timeout=30)
            # Else a call between the stop and the start is told of the same one.
            until("start", lambda: not session.is_stopped)
            seen[0] += 1
        thread.join()
        assert raised == []
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize(
    "call",
    [
        "session.get()",
        "session.event()",
        "[None for _ in session]",
        "onair.Daemon().sessions.stop(session.name) and session.wait_started()",
    ],
)
def test_ctrl_c_then_keyboard_interrupt(quiet: str, call: str) -> None:
    child = Child(
        ATTACH
        + f"""
    print("ready", flush=True)
    try:
        {call}
    except KeyboardInterrupt:
        print("interrupted")
    """,
        quiet,
    )
    child.says("ready")
    child.is_asleep()
    child.interrupt()
    assert child.ends_well() == "interrupted\n"


def test_ctrl_c_while_the_daemon_answers_then_the_attachment_ends(daemon: onair.Daemon) -> None:
    code = """
    import json, sys, onair
    session = onair.create(json.loads(sys.argv[1]))
    held = session.get(timeout=10)
    session.stop()
    try:
        print("ready", flush=True)
        session.destroy(wait=600)
    except KeyboardInterrupt:
        pass
    try:
        session.get()
    except onair.Stale:
        print("ended")
    """
    name = f"own-{next(NUMBERS)}"
    child = Child(code, json.dumps(sender(name, next(PORTS))))
    child.says("ready")
    until("drain", lambda: daemon.sessions[name]["state"] == "draining")
    child.interrupt()
    assert child.ends_well() == "ended\n"
    daemon.sessions.abort(name)


def test_signal_handler_stops_then_the_loop_ends(quiet: str) -> None:
    child = Child(
        ATTACH
        + """
    signal.signal(signal.SIGTERM, lambda *_: session.stop())
    print("ready", flush=True)
    print(sum(1 for _ in session), "frames")
    """,
        quiet,
    )
    child.says("ready")
    child.is_asleep()
    os.kill(child.pid, signal.SIGTERM)
    assert child.ends_well() == "0 frames\n"


def test_signal_handler_ends_the_attachment_then_the_loop_ends(quiet: str) -> None:
    child = Child(
        ATTACH
        + """
    signal.signal(signal.SIGTERM, lambda *_: session.detach())
    print("ready", flush=True)
    print(sum(1 for _ in session), "frames")
    """,
        quiet,
    )
    child.says("ready")
    child.is_asleep()
    os.kill(child.pid, signal.SIGTERM)
    assert child.ends_well() == "0 frames\n"


def test_loop_through_a_pause_then_goes_on_and_ends_with_the_session(stream: str, daemon: onair.Daemon) -> None:
    with onair.attach(stream) as session:
        frames = iter(session)
        next(frames)
        daemon.sessions.stop(stream)
        found: list[onair.Frame] = []
        thread, raised = outcome(lambda: found.append(next(frames)))
        asleep(thread)
        # It waits, and is no user: not even with the frame of the step before.
        until("end of the loan", lambda: daemon.sessions.blockers(stream) == [])
        daemon.sessions.start(stream)
        thread.join(30)
        assert raised == [] and len(found) == 1
        del found[:]
        daemon.sessions.abort(stream)
        with pytest.raises(onair.Stale):
            for _ in frames:
                pass


def test_eight_threads_on_two_attachments_then_each_frame_once(stream: str, daemon: onair.Daemon) -> None:
    converted(daemon, stream, "uyvy422")
    with onair.attach(stream) as one, onair.attach(stream, "uyvy422") as other:
        seen: dict[onair.Session, list[int]] = {one: [], other: []}
        enough = threading.Barrier(8)

        def follow(session: onair.Session) -> None:
            for _ in range(10):
                with session.get(timeout=20) as frame:
                    seen[session].append(frame.number)
                    assert memoryview(frame).nbytes == len(frame)
            enough.wait(30)

        threads = [outcome(partial(follow, it)) for it in (one, other) * 4]
        for thread, raised in threads:
            thread.join(60)
            assert raised == []
        for numbers in seen.values():
            assert len(numbers) == len(set(numbers)) == 40


def test_async_loop_then_frames_of_two_sessions_and_an_end(stream: str, quiet: str, daemon: onair.Daemon) -> None:
    async def count(session: onair.Session, most: int) -> int:
        found = 0
        async for frame in session:
            assert frame.is_held
            found += 1
            if found == most:
                break
        return found

    async def main() -> None:
        with onair.attach(stream) as one, onair.attach(quiet) as other:
            waits = asyncio.create_task(count(other, 1))
            assert await asyncio.wait_for(count(one, 20), 30) == 20
            assert not waits.done()
            other.stop()
            assert await asyncio.wait_for(waits, 30) == 0

    asyncio.run(main())


def test_async_get_cancelled_or_stopped_then_nothing_is_lost(quiet: str, daemon: onair.Daemon) -> None:
    async def main() -> None:
        with onair.attach(quiet) as session:
            frames = aiter(session)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await anext(frames)
            task = asyncio.ensure_future(frames.get())
            await asyncio.sleep(0)
            daemon.sessions.stop(quiet)
            with pytest.raises(onair.Stopped):
                await asyncio.wait_for(task, 30)
            goes_on = asyncio.ensure_future(anext(frames))
            await asyncio.sleep(0)
            assert not goes_on.done()
            daemon.sessions.abort(quiet)
            with pytest.raises(onair.Stale):
                await asyncio.wait_for(goes_on, 30)

    asyncio.run(main())


def test_event_fd_then_usable_in_select(stream: str) -> None:
    with onair.attach(stream) as session:
        ready = session.event_fd()
        found = 0
        while found < 3:
            assert select.select([ready], [], [], 30)[0]
            ready.clear()
            try:
                while True:
                    session.get(timeout=0).put()
                    found += 1
            except onair.TimedOut:
                pass
        ready.close()
        with pytest.raises(onair.Stale):
            ready.fileno()
