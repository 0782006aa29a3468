"""Every property and method of every class, called again and again: neither Python's memory nor the library's grows."""

import ctypes
import gc
import inspect
import operator
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import onair
import pytest
from living import PIXELS, SAMPLES, TIMEOUT, Living

CALLS = int(os.environ.get("ONAIR_PYTHON_CALLS", "2000"))
"""Of each. One object kept a call is seen at once; more calls only take longer."""
SLOW = max(50, CALLS // 100)
"""Of each call that waits for frames or asks the daemon."""
CACHE = 16 * 1024
"""What malloc keeps of freed memory for a thread counts as in use, and grows for some rounds."""
ROUNDS = 3
"""A leak grows in each. A cache, and the units that a group has waiting, grow in one."""

Call = Callable[[Any], object]

OF_PYTHON = {"__doc__", "__module__", "__dict__", "__weakref__", "__annotations__"}
"""What every class has."""

PLAIN: dict[str, Call] = {
    "__aiter__": aiter,
    "__array__": lambda it: it.__array__(),
    "__buffer__": memoryview,
    "__contains__": lambda it: "nothing" in it,
    "__enter__": lambda it: it.__enter__(),
    "__iter__": iter,
    "__len__": len,
    "__release_buffer__": memoryview,
    "__repr__": repr,
}
"""Methods that Python calls."""


def fast(living: Living) -> dict[str, Call]:
    """Calls of methods that need arguments, or come in pairs."""
    frames = living.filled

    def filled(essence: str, fill: Call) -> Call:
        return lambda it: fill(getattr(frames[essence], essence))

    return {
        "AncPacket.__new__": lambda it: onair.AncPacket(1, 2, b"data", line=9),
        "Ancillary.__new__": lambda it: onair.Ancillary(frames["ancillary"]),
        "Ancillary.pack": filled("ancillary", lambda it: it.pack([onair.AncPacket(1, 2, b"data")])),
        "AncillaryFormat.__new__": lambda it: onair.AncillaryFormat(living.captions),
        "AsyncFrames.__init__": lambda it: onair.AsyncFrames(living.sound),
        "Audio.__new__": lambda it: onair.Audio(frames["audio"]),
        "Audio.pack": filled("audio", lambda it: it.pack("s24", SAMPLES)),
        "Audio.unpack": lambda it: (it.unpack("s24"), it.unpack("f32", by_channel=True)),
        "AudioFormat.__new__": lambda it: onair.AudioFormat(living.sound),
        "Daemon.__init__": lambda it: onair.Daemon(),
        "EventFd.clear": lambda it: it.clear(),
        "EventFd.fileno": lambda it: it.fileno(),
        "Session.get": lambda it: it.get(timeout=0).put(),
        "Session.start": lambda it: (it.stop(), it.start()),
        "Session.stop": lambda it: (it.stop(), it.start()),
        "Sessions.__init__": lambda it: onair.Sessions(living.daemon),
        "Video.__new__": lambda it: onair.Video(frames["video"]),
        "Video.pack": filled("video", lambda it: it.pack("uyvy422", PIXELS)),
        "Video.unpack": lambda it: (it.unpack("uyvy422"), it.unpack("yuv422p", bytearray(len(PIXELS)))),
        "VideoFormat.__new__": lambda it: onair.VideoFormat(living.picture),
        "VideoFrame.unpack": lambda it: it.unpack("uyvy422"),
        "VideoFrames.__new__": lambda it: onair.VideoFrames(living.picture),
    }


def slow(living: Living) -> dict[str, Call]:
    """Calls that wait for frames, ask the daemon, or end their object: of another one each."""
    daemon, loop = living.daemon, living.loop
    sessions, idle = daemon.sessions, living.to_control

    def runs(_: object) -> None:
        sessions.stop(idle)
        sessions.start(idle)

    def attached(end: Call) -> Call:
        return lambda _: living.attached_and(end)

    def created(end: Call) -> Call:
        return lambda _: living.created_and(end)

    def grouped(end: Call) -> Call:
        return lambda _: living.group_and(end)

    def destroyed(end: Callable[[str], object]) -> Call:
        return lambda _: living.destroyed(living.stopped(end))

    def left(it: Any) -> None:
        with it:
            pass

    return {
        "AsyncFrames.__anext__": lambda it: loop.run_until_complete(anext(it)),
        "AsyncFrames.get": lambda it: loop.run_until_complete(it.get()).put(),
        "Daemon.health": lambda it: it.health(),
        "Daemon.request": lambda it: it.request("GET", "/v1/openapi.json"),
        "EventFd.close": lambda it: living.sound.event_fd().close(),
        "Frame.__exit__": lambda it: left(living.filled_frame()),
        "Frame.lines_ready": lambda it: living.opened(),
        "Frame.put": lambda it: living.filled_frame().put(),
        "Frame.submit": lambda it: living.sent(),
        "Frame.submit_open": lambda it: living.opened(),
        "Frame.wait_lines": lambda it: living.got_open(),
        "Frames.__next__": lambda it: next(it),
        "Group.__exit__": grouped(left),
        "Group.__next__": lambda it: next(it).put(),
        "Group.close": grouped(onair.Group.close),
        "Group.get": lambda it: it.get(timeout=TIMEOUT),
        "Reattaching.__exit__": lambda it: living.reattaching_and(left),
        "Reattaching.close": lambda it: living.reattaching_and(onair.Reattaching.close),
        "Reattaching.get": lambda it: it.get(timeout=TIMEOUT).put(),
        "Session.__exit__": attached(left),
        "Session.abort": created(onair.Session.abort),
        "Session.close": attached(onair.Session.close),
        "Session.destroy": created(lambda it: (it.stop(), sessions.stop(it.name), it.destroy(wait=TIMEOUT))),
        "Session.detach": attached(onair.Session.detach),
        "Session.event": lambda it: living.event(),
        "Session.event_fd": lambda it: it.event_fd(),
        "Session.flush": lambda it: living.blocks.flush(TIMEOUT),
        "Session.get_open": lambda it: living.got_open(),
        "Session.wait_started": lambda it: it.wait_started(timeout=TIMEOUT),
        "Sessions.__contains__": lambda it: (idle in it, "nothing" in it),
        "Sessions.__getitem__": lambda it: it[idle],
        "Sessions.__iter__": list,
        "Sessions.abort": lambda it: living.destroyed(sessions.abort),
        "Sessions.all": lambda it: it.all(),
        "Sessions.blockers": lambda it: it.blockers(living.sound.name),
        "Sessions.certificate": destroyed(lambda it: sessions.certificate(sessions.destroy(it)["session"])),
        "Sessions.change": lambda it: it.change(idle, {"flow": {"source": "10.77.0.1"}}),
        "Sessions.change_together": lambda it: it.change_together({idle: {"flow": {"source": "10.77.0.1"}}}),
        "Sessions.create": lambda it: living.destroyed(sessions.abort),
        "Sessions.destroy": destroyed(sessions.destroy),
        "Sessions.evict": lambda it: living.evicted(),
        "Sessions.sdp": lambda it: it.sdp(idle),
        "Sessions.start": runs,
        "Sessions.stop": runs,
        "Sessions.verdict": lambda it: it.verdict(living.sound.name),
        "Unit.__exit__": lambda it: left(next(living.group)),
        "Unit.put": lambda it: next(living.group).put(),
        "VideoFrames.__next__": lambda it: next(it),
        "attach": attached(onair.Session.detach),
        "attach_group": grouped(onair.Group.close),
        "create": created(onair.Session.abort),
    }


class _Heap(ctypes.Structure):
    """`struct mallinfo2`, malloc.h: the eighth number is what is in use."""

    _fields_ = [(f"field{at}", ctypes.c_size_t) for at in range(10)]


def used() -> tuple[int, int, int]:
    """Python's blocks, the bytes that malloc has given in the main thread, and those that the process has in memory."""
    gc.collect()
    mallinfo2 = ctypes.CDLL(None).mallinfo2
    mallinfo2.restype = _Heap
    with open("/proc/self/statm") as file:
        resident = int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")
    return sys.getallocatedblocks(), getattr(mallinfo2(), "field7"), resident


def growth(calls: Callable[[], object], count: int) -> tuple[int, int, int]:
    """By how much so many calls let memory grow."""
    before = used()
    for _ in range(count):
        calls()
    blocks, heap, resident = (after - it for after, it in zip(used(), before, strict=True))
    return blocks, heap, resident


def is_flat(name: str, objects: list[Any], call: Call, count: int) -> tuple[int, int, int]:
    def calls() -> int:
        done = 0
        for it in objects:
            # A view of another essence, and a session without a frame, raise: that is to be flat, too.
            with suppress(onair.Invalid, onair.TimedOut):
                call(it)
                done += 1
        return done

    assert calls() > 0, f"{name}: it only raises"
    growth(calls, min(count, 100))
    for _ in range(ROUNDS):
        blocks, heap, resident = growth(calls, count)
        if blocks < count / 4 + 16 and heap < count * 8 + CACHE and resident < count * 8 + 4 * 1024 * 1024:
            return blocks, heap, resident
    raise AssertionError(f"{name}: {count} calls, {blocks} blocks, {heap} bytes of the heap, {resident} in memory")


def members(kind: type) -> Iterator[tuple[str, bool]]:
    """What a class has of its own, and whether that is a method."""
    for name, member in vars(kind).items():
        is_private = name.startswith("_") and not name.startswith("__")
        if name not in OF_PYTHON and not is_private:
            yield name, callable(member) or isinstance(member, staticmethod)
    # Before Python 3.12 it is no member.
    if kind in (onair.Frame, onair.Unit) and not hasattr(kind, "__buffer__"):
        yield "__buffer__", True


def test_each_member_of_each_class_called_again_and_again_then_memory_is_flat(daemon: onair.Daemon) -> None:
    with ExitStack() as stack:
        living = Living(daemon, stack)
        quick, waits = fast(living), slow(living)
        given = {*quick, *waits}
        # Else each look at the memory would go through all that was loaded.
        gc.freeze()
        stack.callback(gc.unfreeze)
        for public in onair.__all__:
            kind = getattr(onair, public)
            if not inspect.isclass(kind):
                assert public in waits, f"{public}: the test has no call of it"
                said = is_flat(public, [None], waits[public], SLOW)
                given.remove(public)
                print(f"{public}: {SLOW} calls, {said}")
                continue
            objects = [it for it in living.objects if type(it) is kind]
            assert objects, f"{public}: the test has no object of it"
            sums, count = [0, 0, 0], 0
            for name, is_method in members(kind):
                full = f"{public}.{name}"
                call = quick.get(full) or (PLAIN.get(name) if is_method else operator.attrgetter(name))
                if full in waits:
                    said = is_flat(full, objects[:1], waits[full], SLOW)
                else:
                    assert call is not None, f"{full}: the test has no call of it"
                    said = is_flat(full, objects, call, CALLS)
                given.discard(full)
                count += 1
                sums = [before + more for before, more in zip(sums, said, strict=True)]
            print(f"{public}: {count} members of {len(objects)} objects, {sums}")
        assert not given, f"no members: {given}"


def test_frames_taken_viewed_and_returned_then_memory_is_flat(stream: str) -> None:
    with onair.attach(stream) as session:

        def turn() -> None:
            frame = session.get(timeout=10)
            view = memoryview(frame)
            with pytest.raises(BufferError):
                frame.put()
            view.release()
            with pytest.raises(onair.Invalid):
                frame.video.unpack("none")
            frame.put()
            with pytest.raises(onair.AlreadyPut):
                frame.put()

        is_flat("a turn", [None], lambda _: turn(), 120)
