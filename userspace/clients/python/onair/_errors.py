"""Exceptions, one for each errno of the library."""

import errno as numbers
from collections.abc import Sequence
from typing import Any


class Error(OSError):
    """A call that failed. `errno` is the one that C programs get."""

    code: str | None = None
    """The code of the control API, if the daemon refused."""
    blockers: Sequence[dict[str, Any]] = ()
    """The users of the session, if it is in use."""


class Stopped(Error, BlockingIOError):
    """EAGAIN: the session is stopped, or was stopped while the call waited. Call `wait_started`."""


class TimedOut(Error, TimeoutError):
    """ETIMEDOUT: nothing arrived in time, or the daemon did not answer."""


class Stale(Error):
    """ESTALE: the session, the attachment or the daemon is gone; or this is a forked child. Attach again."""


class AlreadyPut(Error):
    """EALREADY: the frame was put or submitted."""


class Invalid(Error, ValueError):
    """EINVAL: a wrong use, or an invalid specification."""


class Busy(Error):
    """EBUSY: the session has users; `blockers` names them."""


class NotPermitted(Error, PermissionError):
    """EACCES, EPERM: this process may not do that."""


class NotFound(Error, FileNotFoundError):
    """ENOENT: no such session, group or recording."""


class NameTaken(Error, FileExistsError):
    """EEXIST: there is a session of that name."""


class LimitReached(Error):
    """EDQUOT: a limit of the daemon is reached."""


class FramesDropped(Error):
    """ECANCELED: submitted frames will not be sent."""


class ShuttingDown(Error, BrokenPipeError):
    """ESHUTDOWN: the daemon is shutting down."""


class NoDaemon(Error, ConnectionError):
    """No daemon answers at the socket, or this user may not use it; `errno` is the kernel's."""


class ProtocolError(Error):
    """EPROTO: library and daemon do not match."""


_CLASSES: dict[int, type[Error]] = {
    numbers.EAGAIN: Stopped,
    numbers.ETIMEDOUT: TimedOut,
    numbers.ESTALE: Stale,
    numbers.EALREADY: AlreadyPut,
    numbers.EINVAL: Invalid,
    numbers.EBUSY: Busy,
    numbers.EACCES: NotPermitted,
    numbers.EPERM: NotPermitted,
    numbers.ENOENT: NotFound,
    numbers.EEXIST: NameTaken,
    numbers.EDQUOT: LimitReached,
    numbers.ECANCELED: FramesDropped,
    numbers.ESHUTDOWN: ShuttingDown,
    numbers.EPROTO: ProtocolError,
}


def make(
    errno: int, message: str, code: str | None = None, blockers: Sequence[dict[str, Any]] | None = None
) -> Error:
    """The exception for an errno."""
    error = _CLASSES.get(errno, Error)(errno, message)
    error.code = code
    error.blockers = blockers or ()
    return error
