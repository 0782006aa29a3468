"""Frames for coroutines."""

import asyncio

from . import _errors
from ._onair import EventFd, Frame, Session


class AsyncFrames:
    """The frames of a session, for `async for`. It waits and ends as a `for` loop does. For one coroutine at a time."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._stops = session._stops
        self._ready: EventFd | None = None
        self._last: Frame | None = None

    def __aiter__(self) -> "AsyncFrames":
        return self

    async def __anext__(self) -> Frame:
        last, self._last = self._last, None
        if last is not None:
            # As at the end of a `with`: a view keeps it.
            last.__exit__(None, None, None)
            del last
        while True:
            try:
                self._last = await self.get()
                return self._last
            except _errors.Stopped:
                pass
            except _errors.Stale:
                if not self._session._is_over(self._stops):
                    raise
            if self._session._is_over(self._stops):
                raise StopAsyncIteration
            await self._wait_started()

    async def get(self) -> Frame:
        """Gets the oldest frame. `asyncio.timeout` limits the wait."""
        while True:
            try:
                return self._session.get(timeout=0)
            except _errors.TimedOut:
                await self._wait()

    async def _wait_started(self) -> None:
        while not self._session._is_over(self._stops):
            try:
                return self._session.wait_started(timeout=0)
            except _errors.TimedOut:
                await self._wait()
            except _errors.Stopped:
                if not self._session._is_over(self._stops):
                    raise

    async def _wait(self) -> None:
        """Waits until a call may have a result."""
        if self._ready is None:
            self._ready = self._session.event_fd()
        loop, ready = asyncio.get_running_loop(), self._ready
        is_ready = loop.create_future()

        def wake() -> None:
            loop.remove_reader(ready.fileno())
            # Before the look at the session, never after it.
            ready.clear()
            if not is_ready.done():
                is_ready.set_result(None)

        # Only meanwhile: the descriptor stays readable while there is something to take.
        loop.add_reader(ready.fileno(), wake)
        try:
            await is_ready
        finally:
            loop.remove_reader(ready.fileno())
