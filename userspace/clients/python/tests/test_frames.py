"""Frames, their views, and who holds the loan."""

import gc
import os
from fractions import Fraction
from functools import partial

import numpy
import onair
import pytest
from conftest import converted, sender, spec, until

BYTES = 320 * 180 * 2


def test_view_of_numpy_then_the_frame_itself_and_read_only(stream: str) -> None:
    with onair.attach(stream) as session:
        assert session.is_watched
        frame = session.get(timeout=10)
        array = numpy.asarray(frame)
        assert array.dtype == numpy.uint8 and array.shape == (BYTES,)
        assert array[:8].tobytes() == b"ONAIRPAT"
        again = numpy.frombuffer(memoryview(frame), dtype="<u8")
        assert again.ctypes.data == array.ctypes.data, "a copy"
        assert not array.flags.writeable
        with pytest.raises(ValueError):
            array.flags.writeable = True
        with pytest.raises(TypeError):
            memoryview(frame)[0] = 1


def test_frame_got_open_then_its_lines_are_waited_for(stream: str) -> None:
    with onair.attach(stream) as session:
        was_open = False
        for _ in range(100):
            with session.get_open(40, timeout=10) as frame:
                assert frame.lines >= 40
                first = bytes(memoryview(frame))
                assert len(first) == frame.lines * 640 and first[:8] == b"ONAIRPAT"
                was_open |= frame.is_open
                assert frame.wait_lines(180, timeout=10) == 180
                assert frame.is_complete and not frame.is_open
                assert len(frame) == BYTES and memoryview(frame)[: len(first)] == first
            if was_open:
                break
        assert was_open
        session.stop()
        with pytest.raises(onair.Stopped):
            session.get_open(1)


def test_last_slice_deleted_then_the_loan_ends(stream: str) -> None:
    with onair.attach(stream) as session:
        frame = session.get(timeout=10)
        part = numpy.asarray(frame).reshape(180, 640)[10:20, ::2]
        del frame
        gc.collect()
        assert session.frames_held == 1
        other = part.T
        del part
        assert session.frames_held == 1
        del other
        assert session.frames_held == 0


def test_frames_of_an_interlaced_session_then_both_fields(daemon: onair.Daemon) -> None:
    video = {"width": 320, "height": 180, "frame_rate": "30/1", "depth": 8, "scan": "interlaced"}
    daemon.sessions.create(spec("fields", 5990, video=video))
    daemon.sessions.create(sender("fields-source", 5990, "pattern") | {"video": video})
    with onair.attach("fields") as session:
        before: list[onair.Frame] = []
        for count, frame in enumerate(onair.VideoFrames(session)):
            assert not any(it.is_held for it in before)
            if frame.missing is None and count > 0:
                break
            before = frame.fields
        assert frame.is_complete
        first, second = frame.fields
        assert (first.video.field, second.video.field) == ("first", "second")
        assert first.rtp_timestamp != second.rtp_timestamp
        pixels = numpy.frombuffer(frame.unpack("uyvy422"), dtype=numpy.uint8).reshape(180, 640)
        for field, lines in (first, pixels[0::2]), (second, pixels[1::2]):
            assert bytes(field.video.unpack("uyvy422")) == lines.tobytes()
        del first, second, field
        assert session.frames_held == 2
    for session_name in "fields-source", "fields":
        daemon.sessions.abort(session_name)


def test_fields_with_a_quota_of_one_then_an_error_says_it(daemon: onair.Daemon) -> None:
    video = {"width": 320, "height": 180, "frame_rate": "30/1", "depth": 8, "scan": "interlaced"}
    daemon.sessions.create(spec("one-field", 5991, video=video, quota=1))
    with onair.attach("one-field") as session:
        assert session.quota == 1
        with pytest.raises(onair.Invalid, match="quota of at least 2"):
            onair.VideoFrames(session)
    daemon.sessions.abort("one-field")


def test_put_with_views_or_twice_then_typed_errors(stream: str) -> None:
    with onair.attach(stream) as session:
        frame = session.get(timeout=10)
        view = memoryview(frame)
        with pytest.raises(BufferError):
            frame.put()
        assert frame.is_held
        view.release()
        frame.put()
        assert not frame.is_held and session.frames_held == 0
        uses = memoryview, numpy.asarray, numpy.array, onair.Frame.put, onair.Frame.submit, onair.Frame.submit_open
        for use in [partial(it, frame) for it in uses] + [lambda: frame.video.planes]:
            with pytest.raises(onair.AlreadyPut):
                use()
        # What it was stays.
        assert len(frame) == BYTES and frame.is_complete and frame.missing == []


def test_sampler_takes_nothing_then_the_newest_waits(stream: str, daemon: onair.Daemon) -> None:
    with pytest.raises(ValueError):
        onair.attach(stream, sample=True, fill=True)
    with pytest.raises(ValueError):
        onair.attach(stream, sample=True, reattach=True)  # type: ignore[call-overload]
    with onair.attach(stream, sample=True) as session:
        first = session.get(timeout=10).number

        def missed() -> int:
            view = daemon.sessions[stream]
            assert view["counters"]["frames_dropped_slow"] == 0
            return int(view["attachments"][0].get("frames_sampled_out", 0))

        until("frames that were not taken", lambda: missed() > 20)
        assert session.get(timeout=10).number > first + 10


def test_loop_then_each_step_puts_the_frame_before(stream: str) -> None:
    with onair.attach(stream) as session:
        frames = []
        kept = None
        for frame in session:
            frames.append(frame)
            if len(frames) == 3:
                kept = memoryview(frame)[:16]
            if len(frames) == 6:
                break
        assert [it.is_held for it in frames] == [False, False, True, False, False, True]
        numbers = [it.number for it in frames]
        assert numbers == sorted(set(numbers))
        assert kept is not None and int.from_bytes(kept[8:16], "little") >= 0
        assert session.frames_held == 2


def test_with_then_put_at_its_end_unless_viewed(stream: str) -> None:
    with onair.attach(stream) as session:
        with session.get(timeout=10) as frame:
            assert session.frames_held == 1
        assert session.frames_held == 0
        with session.get(timeout=10) as frame:
            view = memoryview(frame)
        del frame
        assert session.frames_held == 1
        del view
        assert session.frames_held == 0


def test_view_after_the_end_then_the_same_bytes(stream: str, daemon: onair.Daemon) -> None:
    converted(daemon, stream, "yuv422p")
    with onair.attach(stream) as session, onair.attach(stream, "yuv422p") as other:
        closed = numpy.asarray(session.get(timeout=10))
        evicted = numpy.asarray(other.get(timeout=10))
        copies = closed.copy(), evicted.copy()
        session.close()
        daemon.sessions.abort(other.name)
        with pytest.raises(onair.Stale):
            other.get()
        assert (closed == copies[0]).all() and (evicted == copies[1]).all()
    daemon.sessions.abort(stream)
    assert (closed == copies[0]).all() and (evicted == copies[1]).all()


def test_view_that_numpy_holds_then_named_among_the_blockers(stream: str, daemon: onair.Daemon) -> None:
    with onair.attach(stream) as session:
        array = numpy.asarray(session.get(timeout=10))
        daemon.sessions.stop(stream)
        with pytest.raises(onair.Busy) as refused:
            daemon.sessions.destroy(stream)
        for blockers in (refused.value.blockers, daemon.sessions.blockers(stream)):
            (blocker,) = blockers
            assert (blocker["pid"], blocker["kind"]) == (os.getpid(), "holding")
            assert blocker["attachment"] == session.attachment
            assert len(blocker["held_frames"]) == 1
        del array
        until("end of the loan", lambda: daemon.sessions.blockers(stream) == [])
        certificate = daemon.sessions.destroy(stream, wait=10)
        assert daemon.sessions.certificate(certificate["session"])["name"] == stream


def test_video_then_format_planes_and_other_pixels(stream: str) -> None:
    with onair.attach(stream) as session:
        video = session.video
        assert (video.width, video.height, video.rate) == (320, 180, Fraction(60))
        assert (video.sampling, video.depth) == ("YCbCr-4:2:2", 8)
        assert (video.scan, video.layout) == ("progressive", "pgroup")
        frame = session.get(timeout=10)
        assert (frame.video.format.width, frame.video.field) == (320, None)
        (plane,) = frame.video.planes
        assert plane.shape == (180, 640)
        assert (numpy.asarray(plane).reshape(-1) == numpy.asarray(frame)).all()
        pixels = frame.video.unpack("yuv422p")
        luma = numpy.frombuffer(pixels, numpy.uint8)[: 320 * 180].reshape(180, 320)
        assert (luma == numpy.asarray(plane)[:, 1::2]).all()
        into = numpy.zeros(BYTES, numpy.uint8)
        assert frame.video.unpack("yuv422p", into) is into
        assert bytes(into) == bytes(pixels)
        for format, target in (("rgb24", None), ("none", None), ("yuv422p", bytearray(10))):
            with pytest.raises(onair.Invalid):
                frame.video.unpack(format, target)
        with pytest.raises(BufferError):
            frame.video.unpack("yuv422p", bytes(BYTES))


def test_attach_with_a_layout_then_its_planes(stream: str, daemon: onair.Daemon) -> None:
    with pytest.raises(onair.NotFound, match="onairctl session create"):
        onair.attach(stream, "yuv422p")
    name = converted(daemon, stream, "yuv422p")
    with onair.attach(stream, "yuv422p") as session:
        assert session.video.layout == "yuv422p"
        frame = session.get(timeout=10)
        planes = frame.video.planes
        assert [it.shape for it in planes] == [(180, 320), (180, 160), (180, 160)]
        assert all(it.readonly for it in planes)
        del frame
        assert session.frames_held == 1
        del planes
        assert session.frames_held == 0
    daemon.sessions.abort(name)
    with pytest.raises(onair.Invalid):
        onair.attach(stream, "none")


def test_sender_then_writable_and_received_as_written(own: onair.Session, daemon: onair.Daemon) -> None:
    port = int(daemon.sessions[own.name]["flow"]["destination"].rpartition(":")[2])
    daemon.sessions.create(spec("mirror", port))
    try:
        with onair.attach("mirror") as mirror:
            frame = own.get(timeout=10)
            array = numpy.asarray(frame)
            array[:] = numpy.arange(BYTES, dtype=numpy.uint64).astype(numpy.uint8)
            with pytest.raises(BufferError):
                frame.submit()
            written = array.copy()
            del array
            frame.submit()
            with pytest.raises(onair.AlreadyPut):
                frame.submit()
            assert own.flush(wait=10) <= 1
            assert (numpy.asarray(mirror.get(timeout=10)) == written).all()
            received = mirror.get
            frame = own.get(timeout=10)
            pixels = bytes(range(250)) * (BYTES // 250) + bytes(BYTES % 250)
            frame.video.pack("yuv422p", pixels)
            assert bytes(frame.video.unpack("yuv422p")) == pixels
            with pytest.raises(onair.Invalid):
                frame.lines_ready(1)
            frame.submit_open()
            frame.lines_ready(180)
            with pytest.raises(onair.AlreadyPut):
                frame.submit_open()
            assert frame.is_held
            frame.submit()
            frame = received(timeout=10)
            assert bytes(frame.video.unpack("yuv422p")) == pixels
            for use in onair.Frame.submit, onair.Frame.submit_open:
                with pytest.raises(onair.Invalid):
                    use(frame)
            with pytest.raises(onair.Invalid):
                frame.video.pack("yuv422p", pixels)
            assert frame.is_held
    finally:
        daemon.sessions.abort("mirror")


def test_frames_and_sessions_deleted_in_any_order_then_all_is_returned(stream: str, daemon: onair.Daemon) -> None:
    for order in ("sfv", "svf", "fsv", "fvs", "vsf", "vfs"):
        objects: dict[str, object] = {}
        session = onair.attach(stream)
        frame = session.get(timeout=10)
        objects["v"] = memoryview(frame)
        objects["f"], objects["s"] = frame, session
        del frame, session
        for letter in order:
            del objects[letter]
            gc.collect()
        until("attachment that is gone", lambda: daemon.sessions[stream]["attachments"] == [])
