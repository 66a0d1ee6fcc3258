"""Items of the calls of a connection, for caller and callee alike: sent as the windows allow, and taken.

Every rule in this file comes from PROTOCOL.md alone. A call here is a `Call` or a `Request`: what differs between both
are their ends, which `caller` and `callee` know.
"""

import struct
from collections import deque

from .frames import frame
from .headers import status_header
from .streams import Incoming, Outgoing
from .terms import CREDIT, OK, PART, RESOURCE_EXHAUSTED, Dropped, Status, Stopped
from .transport import Transport


class Streamer(Transport):
    """What a side does with items."""

    def _streams_of(self, call, sends, receives):
        call.outgoing = Outgoing(self.allowed["stream_window"]) if sends else None
        call.incoming = Incoming(self.granted["stream_window"], self.granted["max_message"]) if receives else None

    def send_items(self, call, items):
        """Sends the items when the window has room for each. `Stopped` when nobody wants them any more."""
        out, waiting = call.outgoing, deque(items)
        longest = max(map(len, waiting), default=0)
        if longest > self.allowed["max_message"]:
            raise Status(RESOURCE_EXHAUSTED, f"an item of {longest} bytes, above {self.allowed['max_message']}")
        while waiting:
            self._until(lambda: out.window > 0 or out.stopped or call.is_over())
            self._still_wanted(call)
            for part in out.next_frames(call.id, waiting):
                self._still_wanted(call)
                self.parts_sent += len(part) > PART
                self._write(part)
                self._until(lambda: len(self.out) <= PART)

    def next_item(self, call):
        """The next item; None when all have come. Raises what ended them else."""
        items = call.incoming
        self._until(lambda: items.items or items.end is not None or call.is_over())
        if not items.items:
            return self._end_of_items(call)
        item = items.take()
        increment = 0 if call.is_over() else items.credit()
        if increment:
            self._write(frame(CREDIT, call.id, body=struct.pack("<I", increment)))
        return item

    def items(self, call):
        """The rest of them."""
        while (item := self.next_item(call)) is not None:
            yield item

    def _still_wanted(self, call):
        if call.outgoing.stopped or call.is_over():
            raise Stopped

    def _end_of_items(self, call):
        if call.incoming.end is None:
            # The end of a call of this side is the end of its items.
            call.incoming.cut(call.end_of_items())
        if call.incoming.end is None:
            raise Dropped
        if call.incoming.end != OK:
            raise call.incoming.end
        return None

    @staticmethod
    def _with_streams(calls):
        return sum(call.outgoing is not None or call.incoming is not None for call in calls.values())

    def _status(self, code, text, not_executed=False):
        return status_header(code, text, not_executed, self.allowed["max_header"])

    def _credit_of_stream(self, id, increment):
        call = self.calls.get(id) or self.requests.get(id)
        if call is not None and call.outgoing is not None and not call.is_over():
            call.outgoing.credit(increment)
