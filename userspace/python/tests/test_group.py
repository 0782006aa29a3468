"""A group: its units in step."""

from collections.abc import Iterator
from typing import Any

import numpy
import onair
import pytest
from conftest import NUMBERS, PORTS, sender, spec

SOUND = {"coding": "L24", "sample_rate": 48000, "channels": 2, "block_samples": 480}


@pytest.fixture
def programme(daemon: onair.Daemon) -> Iterator[str]:
    """A group of picture and sound that gets the daemon's patterns."""
    name, ports = f"group-{next(NUMBERS)}", (next(PORTS), next(PORTS))

    def both(kind: Any, suffix: str, *more: str) -> list[dict[str, Any]]:
        picture, sound = (kind(f"{name}-{it}{suffix}", port, *more) for it, port in zip(("video", "audio"), ports))
        del sound["video"]
        return [picture, sound | {"audio": SOUND}]

    daemon.request("POST", "/v1/groups", {"name": name, "sessions": both(spec, "")})
    daemon.request("POST", "/v1/groups", {"name": f"{name}-out", "sessions": both(sender, "-out", "pattern")})
    yield name
    for session in [it for it in daemon.sessions if it.startswith(name)]:
        daemon.sessions.abort(session)


def test_group_then_units_by_their_times_and_steps_are_told(programme: str, daemon: onair.Daemon) -> None:
    picture = f"{programme}-video"
    with onair.attach_group(programme) as group:
        assert (group.name, group.members) == (programme, [picture, f"{programme}-audio"])
        times, essences = [], set()
        for unit in group:
            essences.add(unit.essence)
            if not unit.is_late and unit.media_time_ns is not None:
                times.append(unit.media_time_ns)
            assert len(numpy.asarray(unit)) == len(unit) > 0 and unit.gap is None
            if len(times) >= 60:
                break
        assert times == sorted(times) and essences == {"video", "audio"}

        daemon.sessions.stop(picture)
        while (step := group.get(timeout=30)).kind != "missing":
            pass
        assert (step.member, step.ended, step.unit) == (picture, "stopped", None)
        daemon.sessions.start(picture)
        while (step := group.get(timeout=30)).kind != "resumed":
            pass
        assert step.gap is not None and step.gap.ended == "stopped" and step.unit is not None
        view = memoryview(step.unit)
        step.unit.put()
        assert view.readonly and len(bytes(view)) == len(step.unit)
        with pytest.raises(onair.AlreadyPut):
            memoryview(step.unit)
    assert list(group) == []
    with pytest.raises(onair.NotFound):
        onair.attach_group("nothing")
