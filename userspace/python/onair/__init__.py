"""Client library of OnAir: frames of sessions in shared memory, and the daemon's control API.

    import onair

    with onair.attach("studio") as session:
        for frame in session:
            print(frame.number, len(frame))
"""

from ._aio import AsyncFrames
from ._control import Daemon, Sessions
from ._errors import (
    AlreadyPut,
    Busy,
    Error,
    FramesDropped,
    Invalid,
    LimitReached,
    NameTaken,
    NotFound,
    NotPermitted,
    ProtocolError,
    Refused,
    ShuttingDown,
    Stale,
    Stopped,
    TimedOut,
)
from ._onair import (
    Ancillary,
    AncillaryFormat,
    AncPacket,
    Audio,
    AudioFormat,
    Event,
    EventFd,
    Frame,
    Frames,
    Gap,
    Mark,
    Reattaching,
    Session,
    Video,
    VideoFormat,
    VideoFrame,
    VideoFrames,
    attach,
    create,
)

__all__ = [
    "AlreadyPut",
    "AncPacket",
    "Ancillary",
    "AncillaryFormat",
    "AsyncFrames",
    "Audio",
    "AudioFormat",
    "Busy",
    "Daemon",
    "Error",
    "Event",
    "EventFd",
    "Frame",
    "Frames",
    "FramesDropped",
    "Gap",
    "Invalid",
    "LimitReached",
    "Mark",
    "NameTaken",
    "NotFound",
    "NotPermitted",
    "ProtocolError",
    "Reattaching",
    "Refused",
    "Session",
    "Sessions",
    "ShuttingDown",
    "Stale",
    "Stopped",
    "TimedOut",
    "Video",
    "VideoFormat",
    "VideoFrame",
    "VideoFrames",
    "attach",
    "create",
]
