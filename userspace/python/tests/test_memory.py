"""Properties and methods of sessions, frames and pictures called again and again: neither Python's memory nor the library's grows."""

import ctypes
import gc
import operator
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

import onair
import pytest

CALLS = int(os.environ.get("ONAIR_PYTHON_CALLS", "2000"))
"""Of each. One object kept a call is seen at once; more calls only take longer."""

ENDS = {
    "Session": {"abort", "destroy", "detach", "close", "stop", "start", "wait_started", "flush", "event"},
    "Frame": {"put", "submit"},
    "Video": {"pack"},
}
"""Methods that end their object, or wait for what comes: `turns` calls those of a frame's life."""

ARGUMENTS: dict[str, list[Callable[[Any], object]]] = {
    "Session.get": [],
    "Session._is_over": [lambda it: it._is_over(0)],
    "Video.unpack": [lambda it: it.unpack("uyvy422"), lambda it: it.unpack("yuv422p", bytearray(320 * 180 * 2))],
}

class _Heap(ctypes.Structure):
    """`struct mallinfo2`, malloc.h: the eighth number is what is in use."""

    _fields_ = [(f"field{at}", ctypes.c_size_t) for at in range(10)]


def used() -> tuple[int, int]:
    """Python's blocks, and the bytes that malloc has given."""
    gc.collect()
    mallinfo2 = ctypes.CDLL(None).mallinfo2
    mallinfo2.restype = _Heap
    return sys.getallocatedblocks(), getattr(mallinfo2(), "field7")


def calls(thing: Any) -> Iterator[tuple[str, Callable[[Any], object]]]:
    """Each property of an object, and each method that needs no more than it."""
    kind = type(thing)
    for name, member in vars(kind).items():
        full = f"{kind.__name__}.{name}"
        if not callable(member):
            if not name.startswith("__"):
                yield full, operator.attrgetter(name)
        elif full in ARGUMENTS:
            yield from ((full, call) for call in ARGUMENTS[full])
        elif not name.startswith("__") and name not in ENDS.get(kind.__name__, ()):
            yield full, operator.methodcaller(name)


def is_flat(name: str, thing: Any, call: Callable[[Any], object]) -> None:
    try:
        call(thing)
    except onair.Invalid:
        return  # a view of another essence: it raises, and that is called below
    for _ in range(100):
        call(thing)
    blocks, heap = used()
    for _ in range(CALLS):
        call(thing)
    more_blocks, more_heap = (after - before for after, before in zip(used(), (blocks, heap), strict=True))
    assert more_blocks < CALLS / 4 and more_heap < CALLS * 8, f"{name}: {more_blocks} blocks, {more_heap} bytes"


def test_each_property_and_method_called_again_and_again_then_memory_is_flat(stream: str) -> None:
    with onair.attach(stream) as session:
        frame = session.get(timeout=10)
        packet = onair.AncPacket(0x60, 0x60, bytes(16), line=9, stream=5)
        for thing in (session, session.video, frame, frame.video, frame.video.format, packet):
            for name, call in calls(thing):
                is_flat(name, thing, call)


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

        for _ in range(30):
            turn()
        blocks, heap = used()
        for _ in range(120):
            turn()
        more = [after - before for after, before in zip(used(), (blocks, heap), strict=True)]
        assert more[0] < 60 and more[1] < 120 * 64, more
