"""How sessions and processes end, and what is refused."""

import errno
import json
import os
import socket
import threading
from pathlib import Path

import onair
import pytest
from conftest import NUMBERS, PORTS, Child, sender, spec, until


def test_owner_stops_and_destroys_then_a_certificate_and_stale(own: onair.Session) -> None:
    with pytest.raises(onair.Invalid):
        own.destroy()
    own.stop()
    certificate = own.destroy(wait=10)
    assert certificate["session"] == own.id
    for call in (own.get, own.event, own.wait_started, own.detach, own.destroy, own.abort):
        with pytest.raises(onair.Stale) as gone:
            call()
        assert gone.value.errno == errno.ESTALE
    own.stop()
    own.close()


@pytest.mark.parametrize("other", [3, 5])
def test_daemon_of_another_protocol_then_eproto_with_both_numbers(tmp_path: Path, other: int) -> None:
    path = str(tmp_path / "attach.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(path)
        listener.listen()
        message = f"the library speaks protocol 4, this daemon {other}"
        refused = json.dumps({"type": "error", "code": "protocol_mismatch", "message": message})

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1 << 16)
                connection.send(refused.encode())

        daemon = threading.Thread(target=answer)
        daemon.start()
        with pytest.raises(onair.ProtocolError, match=message) as error:
            onair.attach("cam", socket=path)
        daemon.join()
        assert error.value.errno == errno.EPROTO


def test_owner_with_a_view_then_busy_and_it_is_named(own: onair.Session) -> None:
    view = memoryview(own.get(timeout=10))
    own.stop()
    with pytest.raises(onair.Busy) as refused:
        own.destroy(wait=0.1)
    assert [it["pid"] for it in refused.value.blockers] == [os.getpid()]
    with pytest.raises(onair.Busy):
        own.detach()
    certificate = own.abort()
    assert certificate["name"] == own.name
    # The memory stays.
    assert view.nbytes == len(bytes(view))


def test_evicted_and_aborted_then_callers_raise_stale(quiet: str, daemon: onair.Daemon) -> None:
    for end in (daemon.sessions.evict, daemon.sessions.abort):
        with onair.attach(quiet) as session:
            raised: list[type] = []

            def wait() -> None:
                try:
                    session.get()
                except onair.Error as error:
                    raised.append(type(error))

            threads = [threading.Thread(target=wait) for _ in range(4)]
            for thread in threads:
                thread.start()
            until("callers", lambda: len(daemon.sessions.blockers(quiet)) == 4)
            end(quiet)
            for thread in threads:
                thread.join(30)
            assert set(raised) <= {onair.Stale, onair.Stopped} and len(raised) == 4
            with pytest.raises(onair.Stale):
                session.get()


def test_refusals_then_an_exception_for_each_errno(quiet: str, daemon: onair.Daemon, own: onair.Session) -> None:
    name = f"other-{next(NUMBERS)}"
    for call, expected, number in (
        (lambda: onair.attach("nothing"), onair.NotFound, errno.ENOENT),
        (lambda: onair.attach("ffffffffffffffff"), onair.Stale, errno.ESTALE),
        (lambda: onair.attach(quiet, socket="/nothing"), onair.NoDaemon, errno.ENOENT),
        (lambda: onair.create({"name": name}), onair.Invalid, errno.EINVAL),
        (lambda: onair.create("{"), onair.Invalid, errno.EINVAL),
        (lambda: onair.create(spec(quiet, next(PORTS))), onair.NameTaken, errno.EEXIST),
        (lambda: onair.create(spec(name, next(PORTS), port="z")), onair.Error, errno.ENODEV),
        (lambda: daemon.sessions["nothing"], onair.NotFound, errno.ENOENT),
        (lambda: daemon.sessions.destroy(quiet), onair.Invalid, errno.EINVAL),
        (lambda: daemon.sessions.create({"name": name}), onair.Invalid, errno.EINVAL),
        (lambda: onair.Daemon("/nothing").health(), onair.NoDaemon, errno.ENOENT),
    ):
        with pytest.raises(expected) as refused:
            call()
        assert refused.value.errno == number, refused.value
    with onair.attach(quiet) as session:
        with pytest.raises(onair.NotPermitted):
            session.destroy()
        with pytest.raises(onair.NotPermitted):
            session.abort()
        session.detach()


def test_sessions_of_the_daemon_then_documents(daemon: onair.Daemon) -> None:
    sessions, name = daemon.sessions, f"made-{next(NUMBERS)}"
    assert name not in sessions
    made = sessions.create(spec(name, next(PORTS)))
    assert name in sessions and name in list(sessions)
    assert sessions[name]["id"] == made["id"]
    assert sessions.stop(name)["state"] == "stopped"
    assert sessions.start(name)["state"] == "running"
    assert sessions.blockers(name) == []
    assert sessions.sdp(name).startswith("v=0")
    sessions.change(name, {"flow": {"destination": f"10.77.0.2:{next(PORTS)}"}})
    sessions.stop(name)
    assert sessions.verdict(name)["readings"]
    assert sessions.destroy(name)["session"] == made["id"]
    assert sessions.certificate(name)["session"] == made["id"]
    assert daemon.health()["status"] in ("ok", "degraded")


def test_receivers_changed_together_then_they_exchange_flows(stream: str, quiet: str, daemon: onair.Daemon) -> None:
    sessions = daemon.sessions
    flows = [{"destination": sessions[name]["flow"]["destination"]} for name in (quiet, stream)]
    changes = {name: {"flow": flow} for name, flow in zip((stream, quiet), flows, strict=True)}
    with pytest.raises(onair.NotFound):
        sessions.change_together(changes | {"nothing": changes[quiet]})
    with pytest.raises(onair.Invalid):
        sessions.change_together(changes, at_tai_ns=1 << 62)
    assert sessions[quiet]["flow"]["destination"] == flows[0]["destination"]
    with onair.attach(quiet) as session:
        changed = sessions.change_together(changes)
        assert {it["name"] for it in changed} == {stream, quiet}
        session.get(timeout=20).put()
    assert [sessions[name]["flow"]["destination"] for name in (stream, quiet)] == [it["destination"] for it in flows]


def test_fork_then_the_child_gets_stale_and_harms_nothing(stream: str) -> None:
    child = Child(
        """
    import gc, os, sys, onair
    session = onair.attach(sys.argv[1])
    frame = session.get(timeout=20)
    view = memoryview(frame)
    ready = session.event_fd()
    before = bytes(view)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            session.get()
        except onair.Stale:
            status = 0
        for call in (session.detach, session.abort, frame.put):
            try:
                call()
            except (OSError, BufferError):
                pass
        session.stop(); session.start(); session.close(); ready.clear()
        status |= any(bytes(view))
        del view, frame, ready, session
        gc.collect()
        os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0
    assert bytes(view) == before
    del view, frame
    assert session.get(timeout=20).is_complete
    session.detach()
    """,
        stream,
    )
    child.ends_well()


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing_then_each_process_attaches_for_itself(stream: str, method: str) -> None:
    child = Child(
        """
    import multiprocessing, sys, onair
    def work(name):
        with onair.attach(name) as session:
            return session.get(timeout=20).is_complete
    if __name__ == "__main__":
        own = onair.attach(sys.argv[1])
        held = own.get(timeout=20)
        with multiprocessing.get_context(sys.argv[2]).Pool(2) as pool:
            assert pool.map(work if sys.argv[2] == "fork" else len, [sys.argv[1]] * 4)
    """,
        stream,
        method,
    )
    child.ends_well()


def test_interpreter_ends_with_loans_and_callers_out_then_clean(stream: str, quiet: str, daemon: onair.Daemon) -> None:
    child = Child(
        """
    import asyncio, sys, threading, numpy, onair
    session, other = onair.attach(sys.argv[1]), onair.attach(sys.argv[2])
    frame = session.get(timeout=20)
    array = numpy.asarray(session.get(timeout=20))
    frames = iter(session)
    next(frames)
    descriptor = session.event_fd()
    class Last:
        def __del__(self):
            # Modules are gone by now.
            session.frames_held
    cycle = [array, Last()]
    cycle.append(cycle)
    def forever():
        for frame in session:
            pass
    for target in (forever, other.get, other.event):
        threading.Thread(target=target, daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()
    """,
        stream,
        quiet,
    )
    child.says("ready")
    child.is_asleep()
    child.ends_well()
    for session in (stream, quiet):
        until("attachments that are gone", lambda: daemon.sessions[session]["attachments"] == [])


def test_killed_with_a_view_then_the_daemon_takes_all_back(stream: str, daemon: onair.Daemon) -> None:
    child = Child(
        """
    import sys, onair
    session = onair.attach(sys.argv[1])
    view = memoryview(session.get(timeout=20))
    print("ready", flush=True)
    sys.stdin.read()
    """,
        stream,
    )
    child.says("ready")
    child.process.kill()
    assert child.ends()[0] == -9
    daemon.sessions.stop(stream)
    assert daemon.sessions.destroy(stream, wait=20)["name"] == stream


def test_closed_under_callers_in_other_threads_then_loops_end(quiet: str) -> None:
    ended: list[int] = []
    with onair.attach(quiet) as session:
        thread = threading.Thread(target=lambda: ended.append(sum(1 for _ in session)))
        thread.start()
        until("caller", lambda: len(onair.Daemon().sessions.blockers(quiet)) == 1)
    thread.join(30)
    assert ended == [0]
    with pytest.raises(onair.Stale):
        session.get()


def test_wrong_types_then_type_errors(quiet: str) -> None:
    with onair.attach(quiet) as session:
        for call in (
            lambda: onair.attach(1),  # type: ignore[call-overload]
            lambda: onair.create(object()),  # type: ignore[arg-type]
            lambda: session.get("soon"),  # type: ignore[arg-type]
            lambda: onair.Session(),
            lambda: onair.Frame(),
        ):
            with pytest.raises(TypeError):
                call()
