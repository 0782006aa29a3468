"""The daemon of ONAIR_DAEMON_PID is killed while threads wait. By itself: no other test has a daemon afterwards."""

import os
import signal
import threading

import numpy
import onair
import pytest
from conftest import sender, spec, until


def test_daemon_killed_then_all_callers_raise_and_views_stay(daemon: onair.Daemon) -> None:
    for document in (spec("quiet", 6000), spec("stream", 6001), sender("source", 6001, "pattern")):
        daemon.sessions.create(document)
    session, held = onair.attach("quiet"), onair.attach("stream")
    array = numpy.asarray(held.get(timeout=20))
    copy = array.copy()
    raised: list[type] = []

    def run(call: object) -> None:
        assert callable(call)
        try:
            call()
        except onair.Error as error:
            raised.append(type(error))

    calls = [session.get, session.event, lambda: next(iter(session))] * 2
    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    until("callers", lambda: len(daemon.sessions.blockers("quiet")) == 6)
    os.kill(int(os.environ["ONAIR_DAEMON_PID"]), signal.SIGKILL)
    with pytest.raises(onair.Stale):
        session.get(timeout=20)
    for thread in threads:
        thread.join(30)
    assert raised == [onair.Stale] * 6
    assert session.is_service_ending
    assert (array == copy).all()
    with pytest.raises(onair.Stale):
        session.detach()
    with pytest.raises(onair.Error):
        onair.attach("quiet")
    with pytest.raises(onair.Error):
        daemon.health()
