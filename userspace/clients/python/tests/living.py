"""An object of every public class of `onair`, whose sessions live, and the calls that take time or end their object."""

import asyncio
import inspect
from array import array
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any, TypeVar

import onair
from conftest import NUMBERS, PORTS, sender, spec, until

ESSENCES: dict[str, dict[str, Any]] = {
    "video": {"width": 64, "height": 36, "frame_rate": "100/1", "depth": 8},
    "audio": {"coding": "L24", "sample_rate": 48000, "channels": 2, "block_samples": 48},
    "ancillary": {"frame_rate": "100"},
}
PIXELS = bytes(64 * 36 * 2)
SAMPLES = array("i", bytes(48 * 2 * 4))
TIMEOUT = 10.0

T = TypeVar("T")


def again(attach: Callable[[], T]) -> T:
    """Attaches, as soon as the daemon has seen the end of the attachment before: a process has one to a session."""
    found: list[T] = []

    def is_attached() -> bool:
        try:
            found.append(attach())
        except onair.LimitReached:
            return False
        return True

    until("attachment", is_attached)
    return found[0]


class Living:
    """Sessions of each essence, with patterns; what this process attaches to and creates; an object of each class."""

    def __init__(self, daemon: onair.Daemon, stack: ExitStack) -> None:
        self.daemon, self.stack = daemon, stack
        self.name = f"living-{next(NUMBERS)}"
        self.loop = asyncio.new_event_loop()
        stack.callback(self.loop.close)
        # Each attachment of this process needs a session of its own.
        received = [self.attached(self.receiver(essence)) for essence in ESSENCES]
        self.picture, self.sound, self.captions = received
        sent = [self.created(essence) for essence in ESSENCES]
        self.pictures, self.blocks, self.packets = sent
        self.idle, self.to_control = self.receiver("video"), self.receiver("audio")
        for name in self.idle, self.to_control:
            daemon.sessions.abort(f"{name}-source")
        self.programme, self.idle_programme = self.grouped(), self.grouped()
        self.reattaching: onair.Reattaching = stack.enter_context(onair.attach(self.receiver("audio"), reattach=True))
        self.group: onair.Group = stack.enter_context(onair.attach_group(self.programme))
        self.event_fd = self.sound.event_fd()
        self.coroutines = onair.AsyncFrames(self.sound)
        self.frames, self.whole_frames = iter(self.sound), onair.VideoFrames(self.picture)
        packet = onair.AncPacket(0x60, 0x60, bytes(16), line=9, stream=5)
        taken = [it.get(timeout=TIMEOUT) for it in (*received, *sent)]
        units = self.units()
        resumed = self.after_a_stop()
        assert resumed.gap is not None
        viewed: list[onair.Frame | onair.Unit] = [*taken, *units]
        views = [view for it in viewed for view in (it.video, it.audio, it.ancillary)]
        self.filled = dict(zip(ESSENCES, taken[3:]))
        self.objects: list[Any] = [
            *(*received, *sent, *taken, *units, *views, packet, resumed, resumed.gap, resumed.gap.first),
            *(self.picture.video, self.sound.audio, self.captions.ancillary, next(self.whole_frames)),
            *(self.group, self.group.get(timeout=TIMEOUT), self.event(), self.event_fd, self.reattaching),
            *(self.frames, self.whole_frames, self.coroutines, self.daemon, self.daemon.sessions),
        ]
        classes = [it for _, it in inspect.getmembers(onair, inspect.isclass)]
        self.objects += [it(0, "text") for it in classes if issubclass(it, onair.Error)]

    def named(self, name: str, essence: str, document: dict[str, Any]) -> dict[str, Any]:
        del document["video"]
        return document | {"name": name, essence: ESSENCES[essence]}

    def ends(self, name: str) -> None:
        if name in self.daemon.sessions:
            self.daemon.sessions.abort(name)

    def receiver(self, essence: str) -> str:
        """A session that gets the daemon's pattern."""
        name, port = f"{self.name}-{next(NUMBERS)}", next(PORTS)
        self.daemon.sessions.create(self.named(name, essence, spec(name, port)))
        self.stack.callback(self.ends, name)
        source = f"{name}-source"
        self.daemon.sessions.create(self.named(source, essence, sender(source, port, "pattern")))
        self.stack.callback(self.ends, source)
        return name

    def attached(self, name: str) -> onair.Session:
        return self.stack.enter_context(again(lambda: onair.attach(name)))

    def to_send(self, essence: str = "video") -> dict[str, Any]:
        name = f"{self.name}-{next(NUMBERS)}"
        return self.named(name, essence, sender(name, next(PORTS)))

    def created(self, essence: str) -> onair.Session:
        document = self.to_send(essence)
        self.stack.callback(self.ends, document["name"])
        return self.stack.enter_context(onair.create(document))

    def grouped(self) -> str:
        """A group of an essence each."""
        name = f"{self.name}-{next(NUMBERS)}"
        ports = {essence: next(PORTS) for essence in ESSENCES}
        received = [self.named(f"{name}-{it}", it, spec("", port)) for it, port in ports.items()]
        sent = [self.named(f"{name}-{it}-source", it, sender("", port, "pattern")) for it, port in ports.items()]
        for group, sessions in ((name, received), (f"{name}-source", sent)):
            self.daemon.request("POST", "/v1/groups", {"name": group, "sessions": sessions})
            for session in sessions:
                self.stack.callback(self.ends, session["name"])
        return name

    def units(self) -> list[onair.Unit]:
        """A complete unit of each member of the group. None waits for another."""
        found: dict[str, onair.Unit] = {}

        def are_all_there() -> bool:
            unit = self.group.get(timeout=TIMEOUT).unit
            if unit is not None and unit.is_complete:
                found.setdefault(unit.essence, unit)
            return found.keys() == ESSENCES.keys()

        until("unit of each essence", are_all_there)
        return list(found.values())

    def after_a_stop(self) -> onair.Frame:
        """A frame of the session that was stopped meanwhile."""
        first = self.reattaching.get(timeout=TIMEOUT)
        studio = self.reattaching.session
        assert studio is not None
        name = studio.name
        self.daemon.sessions.stop(name)
        # A call has to find it stopped.
        with suppress(onair.TimedOut):
            while True:
                first = self.reattaching.get(timeout=0.05)
        self.daemon.sessions.start(name)
        found = [first]

        def is_resumed() -> bool:
            found[0] = self.reattaching.get(timeout=TIMEOUT)
            return found[0].gap is not None

        until("frame after the stop", is_resumed)
        return found[0]

    def event(self) -> onair.Event:
        self.daemon.sessions.stop(self.picture.name)
        self.daemon.sessions.start(self.picture.name)
        return self.picture.event(timeout=TIMEOUT)

    def filled_frame(self) -> onair.Frame:
        return self.pictures.get(timeout=TIMEOUT)

    def sent(self) -> None:
        self.blocks.get(timeout=TIMEOUT).submit()

    def opened(self) -> None:
        frame = self.blocks.get(timeout=TIMEOUT)
        frame.submit_open()
        frame.lines_ready(1)
        frame.submit()

    def got_open(self) -> None:
        with self.picture.get_open(1, timeout=TIMEOUT) as frame:
            frame.wait_lines(36, timeout=TIMEOUT)

    def destroyed(self, end: Callable[[str], object]) -> None:
        """Creates a session by the control API, and ends it."""
        document = self.to_send()
        self.daemon.sessions.create(document)
        end(document["name"])

    def stopped(self, end: Callable[[str], object]) -> Callable[[str], None]:
        def stop_and_end(name: str) -> None:
            self.daemon.sessions.stop(name)
            end(name)

        return stop_and_end

    def created_and(self, end: Callable[[onair.Session], object]) -> None:
        end(onair.create(self.to_send()))

    def attached_and(self, end: Callable[[onair.Session], object]) -> None:
        end(again(lambda: onair.attach(self.idle)))

    def reattaching_and(self, end: Callable[[onair.Reattaching], object]) -> None:
        end(again(lambda: onair.attach(self.idle, reattach=True)))

    def group_and(self, end: Callable[[onair.Group], object]) -> None:
        end(again(lambda: onair.attach_group(self.idle_programme)))

    def evicted(self) -> None:
        session = again(lambda: onair.attach(self.idle))
        self.daemon.sessions.evict(self.idle, session.attachment)
        session.close()
