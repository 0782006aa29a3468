"""The daemon's control API over its socket (docs/reference.md). Documents are plain dictionaries."""

import errno
import http.client
import json
import os
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from . import _errors
from ._onair import errno_of

Document = dict[str, Any]


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float | None) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Daemon:
    """The daemon at the control socket `socket`: by default $ONAIR_SOCKET or /run/onair/control.sock."""

    def __init__(self, socket: str | None = None, *, response_timeout: float = 30.0) -> None:
        self.socket = socket or os.environ.get("ONAIR_SOCKET") or "/run/onair/control.sock"
        self.response_timeout = response_timeout

    @property
    def sessions(self) -> "Sessions":
        """Its sessions."""
        return Sessions(self)

    def health(self) -> Document:
        """Its health; also of one that is not ready."""
        document: Document = self.request("GET", "/v1/health")
        return document

    def request(self, method: str, path: str, body: object = None, *, wait: float = 0.0) -> Any:
        """Makes a request: the document of the answer, or its text. Raises the exception for a problem. `wait` is how long
        the daemon may take for what was asked, in seconds."""
        connection = _Connection(self.socket, self.response_timeout + wait)
        headers = {} if body is None else {"Content-Type": "application/json"}
        try:
            try:
                connection.request(method, path, None if body is None else json.dumps(body), headers)
                response = connection.getresponse()
                content = response.read()
            finally:
                connection.close()
        except TimeoutError:
            raise _errors.make(errno.ETIMEDOUT, f"onaird did not answer at {self.socket}") from None
        except OSError as error:
            what = f"cannot reach onaird at {self.socket}: {error}"
            raise _errors.NoDaemon(error.errno or errno.EIO, what) from error
        except http.client.HTTPException as error:
            raise _errors.make(errno.EPROTO, f"no answer in HTTP from {self.socket}: {error!r}") from error
        kind = response.headers.get_content_type()
        if kind == "application/problem+json":
            problem = json.loads(content)
            number = errno_of(problem["code"])
            raise _errors.make(number, problem["detail"], problem["code"], problem.get("blockers"))
        if kind == "application/json":
            return json.loads(content)
        return content.decode()


class Sessions:
    """The daemon's sessions, by name or id."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    def __iter__(self) -> Iterator[str]:
        """The names, the oldest first."""
        return (session["name"] for session in self.all())

    def __getitem__(self, session: str) -> Document:
        return self._ask("GET", session)

    def __contains__(self, session: object) -> bool:
        try:
            self._ask("GET", str(session))
        except (_errors.NotFound, _errors.Stale):
            return False
        return True

    def all(self) -> list[Document]:
        """What tells each session from others."""
        found: list[Document] = []
        path = "/v1/sessions"
        while True:
            page = self._daemon.request("GET", path)
            found += page["sessions"]
            if page.get("next") is None:
                return found
            path = f"/v1/sessions?after={page['next']}"

    def create(self, spec: Document) -> Document:
        """Creates a session; its owner is this user."""
        document: Document = self._daemon.request("POST", "/v1/sessions", spec)
        return document

    def start(self, session: str) -> Document:
        """Starts a session."""
        return self._ask("POST", session, "/start")

    def stop(self, session: str) -> Document:
        """Stops a session."""
        return self._ask("POST", session, "/stop")

    def change(self, session: str, changes: Document) -> Document:
        """Gives a session other addresses or another timing."""
        return self._ask("PATCH", session, body=changes)

    def change_together(self, changes: dict[str, Document], at_tai_ns: int | None = None) -> list[Document]:
        """Changes several sessions, by name, with one unit: all of them or none, so that receivers can exchange what they
        receive. `at_tai_ns` is when that unit begins, at most 10 s ahead; then the documents show the change as `next`."""
        body: Document = {"sessions": [{"name": name, "change": change} for name, change in changes.items()]}
        if at_tai_ns is not None:
            body["at_tai_ns"] = at_tai_ns
        sessions: list[Document] = self._daemon.request("PATCH", "/v1/sessions", body)["sessions"]
        return sessions

    def destroy(self, session: str, wait: float | None = None) -> Document:
        """Destroys a stopped session, at once or within `wait` seconds: the certificate. Raises `Busy` with the blockers."""
        if wait is None:
            return self._ask("POST", session, "/destroy")
        body = {"deadline_ms": round(wait * 1000)}
        return self._ask("POST", session, "/destroy_wait", body=body, wait=wait)

    def abort(self, session: str) -> Document:
        """Destroys a session despite its users: the certificate."""
        return self._ask("POST", session, "/abort")

    def evict(self, session: str, attachment: int | None = None) -> Document:
        """Evicts one client of a session, or all."""
        one = "" if attachment is None else f"/attachments/{attachment}"
        return self._ask("POST", session, f"{one}/evict")

    def blockers(self, session: str) -> list[Document]:
        """The users of a session."""
        blockers: list[Document] = self._ask("GET", session, "/blockers")["blockers"]
        return blockers

    def verdict(self, session: str) -> Document:
        """What each witness says: a dry run of `destroy`."""
        return self._ask("GET", session, "/verdict")

    def certificate(self, session: str) -> Document:
        """The certificate of a destroyed session."""
        return self._ask("GET", session, "/certificate")

    def sdp(self, session: str) -> str:
        """The session description."""
        text: str = self._daemon.request("GET", f"/v1/sessions/{quote(session, safe='')}/sdp")
        return text

    def _ask(self, method: str, session: str, what: str = "", body: object = None, wait: float = 0.0) -> Document:
        path = f"/v1/sessions/{quote(session, safe='')}{what}"
        document: Document = self._daemon.request(method, path, body, wait=wait)
        return document
