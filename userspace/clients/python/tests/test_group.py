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


def test_units_then_the_views_of_frames(programme: str) -> None:
    seen: dict[str, onair.Unit] = {}
    with onair.attach_group(programme) as group:
        while set(seen) != {"video", "audio"}:
            unit = next(group)
            if unit.is_complete:
                seen[unit.essence] = unit
        picture, sound = seen["video"], seen["audio"]
        layout = picture.video.format
        assert (layout.width, layout.height, layout.layout) == (320, 180, "pgroup")
        assert picture.video.field is None and picture.video.missing_lines == []
        # Its pixel groups are two pixels: Cb, Y, Cr, Y.
        wire = numpy.asarray(picture).reshape(180, 320, 2)
        planes = [numpy.asarray(it) for it in picture.video.planes]
        assert len(planes) == 1 and (planes[0] == wire.reshape(180, 640)).all()
        target = bytearray(320 * 180 * 2)
        assert picture.video.unpack("yuv422p", target) is target
        luma = numpy.frombuffer(target, numpy.uint8, 320 * 180).reshape(180, 320)
        assert (luma == wire[:, :, 1]).all() and luma.any()
        assert bytes(picture.video.unpack("uyvy422")) == bytes(picture)

        assert (sound.audio.format.channels, sound.audio.missing_samples) == (2, [])
        big = numpy.asarray(sound.audio.wire).astype(numpy.int32)
        samples = numpy.asarray(sound.audio.unpack("s24"))
        assert (samples << 8 == big[:, :, 0] << 24 | big[:, :, 1] << 16 | big[:, :, 2] << 8).all() and samples.any()
        assert numpy.asarray(sound.audio.unpack("f32", by_channel=True)).shape == (2, 480)
        for wrong in (lambda: sound.video.format, lambda: picture.audio.format, lambda: picture.ancillary.packets):
            with pytest.raises(onair.Invalid):
                wrong()
        with pytest.raises(onair.Error, match=f"{programme}-video"):
            picture.video.pack("uyvy422", target)
        plane = picture.video.planes[0]
        picture.put()
        assert bytes(plane)
        with pytest.raises(onair.AlreadyPut):
            picture.video.unpack("uyvy422")
