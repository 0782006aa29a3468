"""Blocks of samples, and ANC packets."""

import asyncio
import gc
from array import array
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from typing import Any

import numpy
import onair
import pytest
from conftest import NUMBERS, PORTS, sender, spec

SOUND = {"coding": "L24", "sample_rate": 48000, "channels": 2, "block_samples": 480}
DATA = {"frame_rate": "25"}


def of(essence: str, document: dict[str, Any], session: dict[str, Any]) -> dict[str, Any]:
    """The session, with another essence."""
    del session["video"]
    return session | {essence: document}


@pytest.fixture
def sound(daemon: onair.Daemon) -> Iterator[tuple[onair.Session, onair.Session]]:
    """A receiver of audio, and what sends to it."""
    yield from pair(daemon, "audio", SOUND)


@pytest.fixture
def data(daemon: onair.Daemon) -> Iterator[tuple[onair.Session, onair.Session]]:
    """A receiver of ancillary data, and what sends to it."""
    yield from pair(daemon, "ancillary", DATA)


def pair(
    daemon: onair.Daemon, essence: str, document: dict[str, Any]
) -> Iterator[tuple[onair.Session, onair.Session]]:
    name, port = f"{essence}-{next(NUMBERS)}", next(PORTS)
    daemon.sessions.create(of(essence, document, spec(name, port)))
    with onair.create(of(essence, document, sender(f"{name}-source", port))) as source:
        with onair.attach(name) as session:
            yield session, source
    for session_name in f"{name}-source", name:
        daemon.sessions.abort(session_name)


def values(number: int) -> list[int]:
    """The samples of both channels in turn of a block."""
    return [it for at in range(480) for it in ((number * 480 + at) * 100, -(number * 480 + at) * 100 - 1)]


def send(source: onair.Session, count: int) -> None:
    for number in range(count):
        frame = source.get(timeout=10)
        frame.audio.pack("s24", array("i", values(number)))
        frame.submit()


def test_blocks_then_the_samples_in_each_type_and_shape(sound: tuple[onair.Session, onair.Session]) -> None:
    session, source = sound
    assert (session.essence, session.audio.coding, session.audio.channels) == ("audio", "L24", 2)
    assert (session.audio.sample_rate, session.audio.block_samples) == (48000, 480)
    assert session.audio.channel_order is None
    send(source, 3)
    for number, block in enumerate(islice(session, 3)):
        samples = block.audio.unpack("s24")
        assert samples.shape == (480, 2) and samples.format == "i" and samples.readonly
        assert numpy.asarray(samples).reshape(-1).tolist() == values(number)
        channels = block.audio.unpack("f32", by_channel=True)
        assert channels.shape == (2, 480) and channels.format == "f"
        left = numpy.asarray(channels)[0] * 8388608
        assert left.tolist() == values(number)[::2]
        upper = numpy.asarray(block.audio.unpack("s32"))
        assert (upper == numpy.asarray(samples) << 8).all()
        assert (numpy.asarray(block.audio.unpack("s16")) == upper >> 16).all()
        assert block.audio.missing_samples == [] and block.is_complete
        with pytest.raises(onair.Invalid):
            block.audio.unpack("u8")  # type: ignore[arg-type]


def test_wire_of_a_block_then_no_copy_and_its_slice_keeps_the_loan(
    sound: tuple[onair.Session, onair.Session],
) -> None:
    session, source = sound
    send(source, 1)
    block = session.get(timeout=10)
    wire = block.audio.wire
    assert wire.shape == (480, 2, 3) and wire.readonly
    array_ = numpy.asarray(wire)
    assert array_.ctypes.data == numpy.asarray(block).ctypes.data, "a copy"
    last = array_[479, 1]
    assert int.from_bytes(last.tobytes(), "big", signed=True) == values(0)[-1]
    del block, wire, array_
    gc.collect()
    assert session.frames_held == 1
    del last
    assert session.frames_held == 0


def test_blocks_packed_wrongly_then_typed_errors(sound: tuple[onair.Session, onair.Session]) -> None:
    session, source = sound
    send(source, 1)
    block = session.get(timeout=10)
    good = array("i", values(0))
    cases: list[tuple[onair.Frame, Any, Any, type[Exception]]] = [
        (block, "s24", good, onair.Invalid),
        (source.get(timeout=10), "s24", good[1:], onair.Invalid),
        (source.get(timeout=10), "f32", good, BufferError),
        (source.get(timeout=10), "u8", good, onair.Invalid),
    ]
    for frame, sample, samples, error in cases:
        with pytest.raises(error):
            frame.audio.pack(sample, samples)
        assert frame.is_held
    frame = source.get(timeout=10)
    view = frame.audio.wire
    with pytest.raises(BufferError):
        frame.audio.pack("s24", good)
    del view
    frame.audio.pack("f32", numpy.zeros((480, 2), numpy.float32))
    frame.put()
    with pytest.raises(onair.AlreadyPut):
        frame.audio.unpack("s16")


def test_blocks_in_a_coroutine_then_in_order(sound: tuple[onair.Session, onair.Session]) -> None:
    session, source = sound

    async def receive() -> list[int]:
        first = []
        async for block in session:
            first.append(int(numpy.asarray(block.audio.unpack("s24"))[0, 0]))
            if len(first) == 4:
                return first
        raise AssertionError

    send(source, 4)
    assert asyncio.run(receive()) == [values(number)[0] for number in range(4)]


def test_anc_packets_then_as_they_were_sent(data: tuple[onair.Session, onair.Session]) -> None:
    session, source = data
    assert (session.essence, session.ancillary.rate) == ("ancillary", Fraction(25))
    timecode = bytes([0x20, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0])
    sent = [
        onair.AncPacket(0x60, 0x60, timecode, line=9, stream=5),
        onair.AncPacket(0x61, 0x02, bytes(range(255)), offset=100, is_chroma=True),
        onair.AncPacket(0x50, 0x01, b""),
    ]
    for _ in range(3):
        frame = source.get(timeout=10)
        frame.ancillary.pack(sent)
        assert len(frame.ancillary.packets) == 3
        frame.submit()
    found = 0
    for frame in session:
        packets = frame.ancillary.packets
        # The stream is kept alive between them.
        if not packets:
            continue
        for got, wanted in zip(packets, sent, strict=True):
            for name in "did", "sdid", "data", "line", "offset", "is_chroma", "stream", "name":
                assert getattr(got, name) == getattr(wanted, name), name
            assert not got.is_parity_wrong and not got.is_checksum_wrong and got.field is None
            assert got.checksum is not None and len(got.words) == len(wanted.data)
        assert packets[0].timecode is not None and packets[0].line == 9
        assert (packets[1].name, packets[1].timecode) == (sent[1].name, None)
        found += 1
        if found == 3:
            break


def test_anc_packets_packed_wrongly_then_typed_errors(data: tuple[onair.Session, onair.Session]) -> None:
    session, source = data
    cases: list[dict[str, Any]] = [{"line": 2048}, {"offset": 4096}, {"stream": 128}]
    for wrong in cases:
        with pytest.raises(onair.Invalid):
            onair.AncPacket(1, 2, b"", **wrong)
    with pytest.raises(onair.Invalid):
        onair.AncPacket(1, 2, bytes(256))
    with pytest.raises(OverflowError):
        onair.AncPacket(256, 2, b"")
    frame = source.get(timeout=10)
    with pytest.raises(onair.Invalid):
        frame.ancillary.pack([onair.AncPacket(1, 2, bytes(255))] * 200)
    frame.ancillary.pack([])
    assert frame.ancillary.packets == []
    frame.submit()
    with pytest.raises(onair.Invalid):
        session.get(timeout=10).ancillary.pack([])


def test_view_of_another_essence_then_invalid(
    sound: tuple[onair.Session, onair.Session], data: tuple[onair.Session, onair.Session], stream: str
) -> None:
    with onair.attach(stream) as video:
        sessions = {"video": video, "audio": sound[1], "ancillary": data[1]}
        for essence, session in sessions.items():
            frame = session.get(timeout=10)
            for other in sessions:
                if other == essence:
                    assert getattr(session, other) is not None
                    assert getattr(frame, other).format is not None
                    continue
                with pytest.raises(onair.Invalid):
                    getattr(session, other)
                with pytest.raises(onair.Invalid):
                    getattr(frame, other).format
    with pytest.raises(onair.Invalid):
        sound[1].get(timeout=10).video.unpack("yuv422p")


def test_attachment_to_sound_that_reattaches_then_blocks(sound: tuple[onair.Session, onair.Session]) -> None:
    session, source = sound
    name = session.name
    session.close()
    with onair.attach(name, reattach=True) as again:
        send(source, 1)
        samples = numpy.asarray(again.get(timeout=10).audio.unpack("s24"))
        assert samples[0].tolist() == values(0)[:2]


def test_codestreams_then_bytes_of_each_field(daemon: onair.Daemon) -> None:
    name, port = f"xs-{next(NUMBERS)}", next(PORTS)
    document = {"width": 1280, "height": 720, "frame_rate": "25", "depth": 10, "bytes": 60000, "scan": "interlaced"}
    daemon.sessions.create(of("jpeg_xs", document, spec(name, port)))
    daemon.sessions.create(of("jpeg_xs", document, sender(f"{name}-source", port, "pattern")))
    with onair.attach(name) as session:
        assert session.essence == "jpeg_xs"
        for frame in islice(session, 4):
            unit = bytes(frame)
            assert frame.is_complete and len(unit) == 60000
            assert unit[4:8] == b"jpvs" and unit[-2:] == b"\xff\x11"
    for session_name in f"{name}-source", name:
        daemon.sessions.abort(session_name)
