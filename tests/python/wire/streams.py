"""One direction of a stream at a time: the items that are sent, and those that come, with the window of each.

Every rule in this file comes from PROTOCOL.md alone. Nothing here knows of the connection.
"""

from collections import deque

from .calls import Gathered
from .frames import frame, frames
from .headers import read_message, read_varint, varint
from .terms import (
    END, GREATEST_WINDOW, ITEM_COST, LARGEST_OWN_WINDOW, MESSAGE, OK, PART, RESOURCE_EXHAUSTED, STATUS, CallFault,
    Fault, Status, known_code,
)


class Outgoing:
    """The items that this side sends for a call."""

    def __init__(self, window):
        self.window, self.given = window, 0
        self.stopped = self.ended = False

    def credit(self, increment):
        if self.stopped or self.ended:
            return
        self.window += increment
        self.given += increment
        if self.window > GREATEST_WINDOW:
            raise Fault(f"a Credit of {increment} lifts the window of a stream to {self.window}")

    def stop(self):
        self.stopped = not self.ended

    def next_frames(self, id, waiting):
        """The frames of the next items: as many as fit into one Message and the window, or one in parts."""
        body = b""
        while waiting and self.window > 0:
            item = varint(len(waiting[0])) + waiting[0]
            if body and len(body) + len(item) > PART:
                break
            body += item
            self.window -= len(waiting.popleft()) + ITEM_COST
            if len(body) > PART:
                break
        return frames(MESSAGE, id, b"", body)

    def end_frame(self, id, header=b"", body=b""):
        self.ended = True
        return frame(END, id, header, body)


class Incoming:
    """The items that come for a call, until its consumer takes them."""

    def __init__(self, window, max_message):
        self.window = self.size = window
        self.max_message = max_message
        self.items, self.taken, self.gathered = deque(), 0, None
        self.came_in_parts = self.credits = 0
        # None, OK, or the Status that ended it.
        self.end, self.stopped = None, False

    def message(self, header, body, more):
        if self.stopped:
            return
        if self.end is not None:
            raise CallFault("a Message behind the End of its items")
        total = read_message(header)
        if self.gathered is not None:
            if total is not None:
                raise CallFault("a Message with a header within an item in parts")
            self.gathered.add(body, more)
            self.came_in_parts += 1
        elif total is None and not more:
            self._unpack(body)
        elif total is None or not more:
            raise CallFault("MORE without total" if more else "total without MORE")
        else:
            self._has_room()
            # What is above it beyond doubt; its own length decides when it is there.
            if total > self.max_message + 10:
                raise CallFault(f"an item in {total} bytes, above {self.max_message}", RESOURCE_EXHAUSTED)
            self.gathered = Gathered(total, body)
        if self.gathered is not None and not more:
            whole, self.gathered = bytes(self.gathered.body), None
            if self._unpack(whole) != 1:
                raise CallFault("an item in parts that is not alone")

    def take(self):
        item = self.items.popleft()
        self.taken += len(item) + ITEM_COST
        return item

    def credit(self):
        """What is to be given back now, when that is much: it makes the window grow, too."""
        if self.taken * 2 < self.size or self.stopped or self.end is not None:
            return 0
        more = self.size if self.size < LARGEST_OWN_WINDOW else 0
        increment = self.taken + more
        self.window, self.size, self.taken = self.window + increment, self.size + more, 0
        self.credits += 1
        return increment

    def stop(self):
        self.stopped = True
        self.items.clear()

    def end_of_caller(self, fields):
        """An End of the caller, whose header was read."""
        if self.stopped:
            return
        if self.end is not None:
            raise CallFault("a second End")
        if fields["status"] not in (OK, STATUS):
            raise CallFault(f"an End of the caller with the status {fields['status']}")
        self.gathered = None
        self.end = OK if fields["status"] == OK else Status(known_code(fields["code"]), fields.get("message", ""))

    def cut(self, status):
        if self.end is None and not self.stopped:
            self.gathered, self.end = None, status

    def _has_room(self):
        if self.window <= 0:
            raise Fault(f"an item was begun with a window of {self.window}")

    def _unpack(self, body):
        at = count = 0
        while at < len(body):
            self._has_room()
            length, at = read_varint(body, at)
            if at + length > len(body):
                raise CallFault(f"an item of {length} bytes reaches beyond its Message")
            if length > self.max_message:
                raise CallFault(f"an item of {length} bytes, above {self.max_message}", RESOURCE_EXHAUSTED)
            self.window -= length + ITEM_COST
            self.items.append(body[at:at + length])
            at, count = at + length, count + 1
        return count
