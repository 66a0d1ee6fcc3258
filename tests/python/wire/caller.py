"""The calls of this side: Requests that keep to the other side's grants, and the Responses to them.

Every rule in this file comes from PROTOCOL.md alone. Of a caller's grants none is exceeded: what has no room waits for
Credit or for the end of another call, and what can never have any is not sent.
"""

import time

from .calls import Call
from .frames import Head, frame, frames
from .headers import LONGEST_NAME, MOST_ENTRIES, entries, field, number_field, read_outcome
from .streamer import Streamer
from .terms import (
    CANCEL, DEADLINE_EXCEEDED, END, NAMES, OPENED, PART, REQUEST, RESOURCE_EXHAUSTED, RESPONSE, CallFault, Fault,
    GoneAway, Status,
)


class Caller(Streamer):
    """What a side does as a caller."""

    def __init__(self, sock, dialling, granted, allowed, metadata):
        super().__init__(sock, dialling, granted, allowed, metadata)
        self.next_id = 2 if dialling else 1
        # What may still be sent.
        self.window = allowed["request_window"]
        self.request_bytes_sent = 0
        self.sending = False

    @property
    def waited_for_credit(self):
        """Whether requests left that had no room in the window before Credit came. A wait itself is a matter of luck:
        the Credit may be there already when the window is looked at."""
        return self.request_bytes_sent > self.allowed["request_window"]

    def call(self, service, method, body, metadata=(), timeout=None):
        return self.wait(self.start(service, method, body, metadata, timeout))

    def start(self, service, method, body, metadata=(), timeout=None, sends=False, receives=False):
        """Sends a Request when the grants have room for it. How it fails is told by `wait`, but for a GoAway. Whether
        the method takes items, and whether it returns them, the caller has to know."""
        call = Call(None if timeout is None else time.monotonic() + timeout)
        self._streams_of(call, sends, receives)
        self._until(lambda: self._gone() or self._too_large(body) or self._room(len(body), call), call.deadline)
        if self._gone():
            raise GoneAway
        left = None if call.deadline is None else int((call.deadline - time.monotonic()) * 1e6)
        header = self._request_header(service, method, metadata, left)
        if left is not None and left <= 0:
            call.end(Status(DEADLINE_EXCEEDED, "no grant in time", not_executed=True))
        elif self._too_large(body) or header is None:
            call.end(Status(RESOURCE_EXHAUSTED, "a request above what the other side takes", not_executed=True))
        else:
            call.id, self.next_id = self.next_id, self.next_id + 2
            self.calls[call.id] = call
            # A GoAway that comes meanwhile is answered behind the last part.
            self.sending = True
            try:
                self._send_request(call, header, body)
            finally:
                self.sending = False
        return call

    def wait(self, call):
        self._until(lambda: call.outcome is not None)
        if isinstance(call.outcome, Exception):
            raise call.outcome
        return call.outcome

    def cancel(self, call):
        """Sends Cancel. `wait` then tells what the terminal frame says, so that the callee's answer is seen."""
        if call.id in self.calls and call.outcome is None:
            self._write(frame(CANCEL, call.id))
            if call.outgoing is not None:
                call.outgoing.stop()
            if call.incoming is not None:
                call.incoming.stop()

    def end_items(self, call, failure=None):
        """The end of what this side sends, with the Status that its producer failed with."""
        if not call.outgoing.stopped and not call.is_over():
            header = b"" if failure is None else self._status(failure.code, failure.text)
            self._write(call.outgoing.end_frame(call.id, header))

    def _gone(self):
        return self.went_away or self.peer_went_away is not None

    def _room(self, size, call):
        streams = call.outgoing is not None or call.incoming is not None
        if streams and self._with_streams(self.calls) >= self.allowed["streams"]:
            return False
        return len(self.calls) < self.allowed["in_flight"] and size <= self.window

    def _too_large(self, body):
        return len(body) > min(self.allowed["max_message"], self.allowed["request_window"])

    def _request_header(self, service, method, metadata, left):
        """None when it is more than the other side takes."""
        names = service.encode(), method.encode()
        header = field(1, names[0]) + number_field(2, left) + field(3, names[1]) + entries(metadata)
        fits = len(header) + 12 <= min(self.allowed["max_header"], 65535) and len(metadata) <= MOST_ENTRIES
        return header if fits and all(0 < len(name) <= LONGEST_NAME for name in names) else None

    def _send_request(self, call, header, body):
        for part in frames(REQUEST, call.id, header, body):
            if call.outcome is not None:
                if call.id in self.calls:
                    # Its time has passed within the parts: without a Cancel the callee would wait for them.
                    self._write(frame(CANCEL, call.id))
                break
            size = Head(part).body
            self.window -= size
            self.request_bytes_sent += size
            self.parts_sent += len(body) > PART
            self._write(part)
            self._until(lambda: len(self.out) <= PART)

    # What comes.

    def _response(self, head, header, body):
        call = self.calls.get(head.id)
        if call is None:
            raise CallFault(f"a {NAMES[head.kind]} for {head.id}, which is no call in flight")
        terminal = not head.more
        try:
            if call.outcome is not None:
                # Nobody looks at it; but one that is opened has its terminal frame still to come.
                terminal &= head.kind == END or read_outcome(RESPONSE, header, head.more)["status"] != OPENED
            else:
                self.parts_received += head.more or call.gathered is not None
                terminal &= call.response(head.kind, header, body, head.more, self.granted["max_message"])
        except CallFault as fault:
            terminal = terminal and fault.terminal
            call.end(Status(fault.code, str(fault)))
            raise CallFault(f"call {head.id}: {fault}", fault.code) from None
        finally:
            # The id stays taken until the terminal frame, whatever the caller has made of the call.
            if terminal:
                del self.calls[head.id]

    def _message(self, head, header, body):
        call = self.calls.get(head.id)
        if call is None:
            raise CallFault(f"a Message for {head.id}, which is no call in flight")
        if call.outcome is not None:
            return
        try:
            call.message(header, body, head.more)
        except CallFault as fault:
            self.cancel(call)
            call.end(Status(fault.code, str(fault)))
            raise CallFault(f"call {head.id}: {fault}", fault.code) from None

    def _credit(self, increment):
        if self.window + increment > self.allowed["request_window"]:
            raise Fault(f"a Credit of {increment} lifts the window of {self.window} above its grant")
        self.window += increment
