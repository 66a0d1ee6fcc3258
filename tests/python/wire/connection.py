"""A connection as its user has it, both sides alike: what a step does, which frame goes where, and the orderly end.

Every rule in this file comes from PROTOCOL.md alone. It is strict: what the document forbids is answered as the
document says and then raised, as a `Fault` that costs the connection or as a `CallFault` that costs one call.
"""

import socket
import time

from .calls import ARRIVING
from .callee import Callee
from .caller import Caller
from .frames import HEAD, Head, check_start, frame
from .headers import field, number_field, read_header
from .terms import (
    CANCEL, CANCELLED, CREDIT, DEADLINE_EXCEEDED, END, GOAWAY, INTERNAL, MESSAGE, PING, PONG, REQUEST,
    RESOURCE_EXHAUSTED, RESPONSE, CallFault, Fault, Lost, Status, known_code,
)

MOST_FAULTS, DRAIN = 100, 30


class Connection(Caller, Callee):
    """One connection behind its handshake."""

    def __init__(self, sock, dialling, granted, allowed, metadata):
        super().__init__(sock, dialling, granted, allowed, metadata)
        # The head of a frame that is not whole yet: it is checked once, when it is there.
        self.head = None
        self.ending, self.faults = False, 0
        # The method whose answer is followed by a GoAway, for whoever serves to look at.
        self.leave_after = None

    # The end.

    def go_away(self, code, text):
        """An orderly end with code 0, else the end at once. The answer to the other side's may have been sent already,
        and a second one with code 0 would be a fault."""
        if code:
            self._close_at_once(Lost(f"closed here with {code}: {text}"), code, CANCELLED)
        elif not self.went_away:
            self.went_away = True
            self._write(frame(GOAWAY, 0, field(2, text.encode()) + number_field(3, 0)))

    def end(self):
        """Ends this direction, behind a GoAway and with no terminal frame owed."""
        if not self.went_away or self.requests:
            raise ValueError("a GoAway and the terminal frames come before the end")
        self.ending = True
        self._until(lambda: self.ended)

    def wait_for_goaway(self):
        self._until(lambda: self.peer_went_away is not None)

    def wait_for_the_end(self):
        if not self._until(lambda: self.over, time.monotonic() + DRAIN):
            raise Fault("the other side does not end its direction")

    def _settle(self):
        """What the closing asks for as soon as it may be done."""
        if self.peer_went_away and not self.went_away and not self.sending:
            self.go_away(0, "good-bye")
        if self.peer_went_away and self.went_away and not self.requests:
            self.ending = True
        if self.ending and not self.ended and not self._flush():
            self.ended = True
            try:
                self.sock.shutdown(socket.SHUT_WR)
            except OSError:
                # The other side has closed both directions already.
                pass
        if self.ended and self.eof and not self.lost:
            self.over, self.lost = True, Lost("both directions have ended")
            self.sock.close()

    # Moving: one step reads one frame, or else moves some bytes or waits.

    def _step(self, condition, deadline):
        try:
            self._expire()
            self._settle()
            if self.lost or self._frame():
                return
        except CallFault as fault:
            self.faults += 1
            if self.faults > MOST_FAULTS:
                self._close_at_once(fault, INTERNAL)
            raise
        except Fault as fault:
            self._close_at_once(fault, INTERNAL)
            raise
        # Whoever waits for input has given back what it can: the other side may be waiting to send.
        self._send_credit()
        self._move(condition, deadline)

    def _expire(self):
        now = time.monotonic()
        for call in self.calls.values():
            if call.deadline is not None and call.deadline <= now:
                call.end(Status(DEADLINE_EXCEEDED, "the time has passed"))
        for request in list(self.requests.values()):
            if request.deadline is not None and request.deadline <= now:
                self._drop(request, DEADLINE_EXCEEDED, "deadline")

    # What comes.

    def _frame(self):
        """Takes the first frame of what came; false when it is not whole."""
        if self.head is None:
            check_start(self.inbox)
            if len(self.inbox) < HEAD.size:
                return False
            self.head = Head(self.inbox)
            self._check_head(self.head)
        if len(self.inbox) < 4 + self.head.length:
            return False
        head, self.head = self.head, None
        middle = HEAD.size + head.header
        header, body = bytes(self.inbox[HEAD.size:middle]), bytes(self.inbox[middle:4 + head.length])
        del self.inbox[:4 + head.length]
        self._take(head, header, body)
        return True

    def _check_head(self, head):
        kind, id = head.kind, head.id
        if kind > 127:
            return
        if kind == GOAWAY and id:
            raise Fault(f"a GoAway with the id {id}")
        if kind == REQUEST:
            self._check_request(head)
        if head.header > self.granted["max_header"]:
            self._pass_over(head, f"a header of {head.header} bytes, above {self.granted['max_header']}")

    def _pass_over(self, head, text):
        if head.kind in (GOAWAY, MESSAGE):
            raise Fault(text)
        head.passed_over = True
        if head.kind == REQUEST:
            self._refuse(head.id, RESOURCE_EXHAUSTED, text)
        elif head.id in self.calls:
            self.calls[head.id].end(Status(RESOURCE_EXHAUSTED, text))
            if not head.more:
                del self.calls[head.id]
        raise CallFault(text, RESOURCE_EXHAUSTED)

    def _take(self, head, header, body):
        if head.kind == REQUEST and head.passed_over:
            self._give_back(len(body))
        elif head.passed_over or head.kind > 127 or head.kind == PONG:
            pass
        elif head.kind == REQUEST:
            self._request(head, header, body)
        elif head.kind in (MESSAGE, END) and head.id % 2 == self.dialling:
            self._stream_of_caller(head, header, body)
        elif head.kind == MESSAGE:
            self._message(head, header, body)
        elif head.kind in (RESPONSE, END):
            self._response(head, header, body)
        elif head.kind == CANCEL:
            # A Cancel for a call that is not known crossed the terminal frame.
            if head.id in self.requests:
                self._drop(self.requests[head.id], CANCELLED, "cancelled")
            elif head.id in self.calls and self.calls[head.id].outgoing is not None:
                self.calls[head.id].outgoing.stop()
        elif head.kind == CREDIT and head.id:
            self._credit_of_stream(head.id, int.from_bytes(body, "little"))
        elif head.kind == CREDIT:
            self._credit(int.from_bytes(body, "little"))
        elif head.kind == PING:
            self.pong = head.id
        else:
            self._goaway(header)

    def _goaway(self, header):
        try:
            fields = read_header(GOAWAY, header)
        except CallFault as fault:
            raise Fault(f"a malformed GoAway: {fault}") from None
        code, text = known_code(fields.get("code", 0)), fields.get("message", "")
        if code:
            self.peer_went_away = code, text
            self._drop_all(Lost(f"the other side closed with {code}: {text}"))
            return self.sock.close()
        if self.peer_went_away:
            raise Fault("a second GoAway with code 0")
        if any(request.state == ARRIVING for request in self.requests.values()):
            raise Fault("a GoAway before the last part of a Request")
        self.peer_went_away = code, text
