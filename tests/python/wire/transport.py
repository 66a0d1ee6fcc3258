"""The bytes of a connection, both ways over one socket, and how they are lost with all calls that wait for them.

Every rule in this file comes from PROTOCOL.md alone. There is one thread and no callback: whatever a method waits for,
`_until` takes steps meanwhile. What a step is, the whole connection says.
"""

import select
import socket
import time
from collections import deque

from .frames import frame
from .headers import field, number_field
from .terms import GOAWAY, PART, PONG, UNAVAILABLE, Lost, Status

# Seconds without a byte either way, when nothing else ends a wait. It is in the place of the document's stalls and
# keepalive, which a short test has no use for: a connection that is idle for so long is given up.
PATIENCE = 30


def discard(sock):
    """Ends this direction and closes: closing with unread input would destroy what was written on its way."""
    deadline, left = time.monotonic() + 1, 64 << 10
    try:
        sock.shutdown(socket.SHUT_WR)
        while left > 0 and time.monotonic() < deadline:
            sock.settimeout(max(0.001, deadline - time.monotonic()))
            data = sock.recv(min(left, PART))
            if not data:
                break
            left -= len(data)
    except OSError:
        pass
    sock.close()


class Transport:
    """A socket behind the handshake, and the calls that end when it does. `granted` is what the other side may do
    here, `allowed` what it allows."""

    def __init__(self, sock, dialling, granted, allowed, metadata):
        sock.setblocking(False)
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            # Frames are short and follow each other: a Response must not wait for the receipt of a Credit.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock, self.dialling = sock, dialling
        self.granted, self.allowed, self.metadata = granted, allowed, metadata
        self.inbox, self.out, self.pong = bytearray(), bytearray(), None
        # Calls by their ids: those of this side, those of the other; and what `next_request` has to tell.
        self.calls, self.requests, self.events = {}, {}, deque()
        self.went_away = self.ended = self.eof = self.over = False
        self.peer_went_away = self.lost = None
        self.parts_sent = self.parts_received = 0

    # Moving.

    def _until(self, condition, deadline=None):
        """Whether the condition came to hold in time."""
        while not condition():
            if self.lost:
                raise self.lost
            if deadline is not None and time.monotonic() >= deadline:
                return False
            self._step(condition, deadline)
        return True

    def _move(self, condition, deadline):
        # A call that has its outcome only keeps its id taken: its deadline is no reason to wake up any more.
        waiting = [call for call in self.calls.values() if call.outcome is None]
        deadlines = [each.deadline for each in (*waiting, *self.requests.values())]
        moments = [at for at in (*deadlines, deadline) if at is not None]
        pause = max(0, min(moments) - time.monotonic()) if moments else PATIENCE
        unsent = self._flush()
        if condition() or self.ended and self.eof:
            # What this step has done already is what is waited for: the socket may have nothing more to tell.
            return
        readers, writers = [] if self.eof else [self.sock], [self.sock] if unsent else []
        readable, writable, _ = select.select(readers, writers, [], pause)
        if readable:
            self._receive()
        elif not writable and not moments:
            self._close_at_once(Lost(f"no byte for {PATIENCE} s"), UNAVAILABLE)

    def _write(self, data):
        # Behind its end a side has nothing left to say; what is due there crossed the end.
        if not self.ended and not self.lost:
            self.out += data
            self._flush()

    def _flush(self):
        """Sends what the socket takes; how many bytes are left. The newest Pong finds room behind a frame."""
        if self.pong is not None and len(self.out) < PART and not self.ended:
            self.out += frame(PONG, self.pong)
            self.pong = None
        try:
            while self.out and not self.lost:
                del self.out[:self.sock.send(self.out)]
        except BlockingIOError:
            pass
        except OSError:
            # Nothing can be sent any more; why, the other direction may still tell.
            self.out.clear()
            self.ended = True
        return len(self.out)

    def _receive(self):
        try:
            data = self.sock.recv(4 * PART)
        except BlockingIOError:
            return
        except OSError as error:
            return self._crashed(f"the connection failed: {error}")
        if data:
            self.inbox += data
            return
        self.eof = True
        if self.inbox:
            self._crashed("the end in the middle of a frame")
        elif self.peer_went_away is None:
            self._crashed("the end without a GoAway")
        else:
            # The other side's own calls are still to be answered, but no further item of theirs comes.
            for request in self.requests.values():
                if request.incoming is not None:
                    request.incoming.cut(Status(UNAVAILABLE, "the other side ended its direction"))
            self._end_calls("the other side ended its direction")

    # The loss.

    def _crashed(self, text):
        self._drop_all(Lost(text))
        self.sock.close()

    def _close_at_once(self, reason, code, outcome=UNAVAILABLE):
        self._drop_all(reason, outcome)
        if not self.ended:
            text = str(reason)[:200].encode()
            try:
                self.sock.settimeout(1)
                self.sock.sendall(self.out + frame(GOAWAY, 0, field(2, text) + number_field(3, code)))
            except OSError:
                pass
        discard(self.sock)

    def _drop_all(self, reason, outcome=UNAVAILABLE):
        self.lost = reason
        self.requests.clear()
        self.events.clear()
        self._end_calls(reason, outcome)

    def _end_calls(self, reason, outcome=UNAVAILABLE):
        for call in self.calls.values():
            call.end(Status(outcome, str(reason)))
        self.calls.clear()
