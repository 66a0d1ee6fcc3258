"""One call at a time: as its caller has it, as its callee has it, and a message of it whose parts still come.

Every rule in this file comes from PROTOCOL.md alone. Nothing here knows of the connection.
"""

import time

from .headers import check_status, read_outcome
from .terms import OK, OPENED, RESOURCE_EXHAUSTED, RESPONSE, SERVICE_ERROR, CallFault, ServiceError, Status, known_code

# The states of a request at its callee; a request that is over is in none of the connection's tables.
ARRIVING, QUEUED, RUNNING, ANSWERING, OVER = "arriving", "queued", "running", "answering", "over"


class Gathered:
    """A message whose parts still come."""

    def __init__(self, total, first):
        self.total, self.body = total, bytearray()
        self._append(first)

    def add(self, part, more):
        if more and not part:
            raise CallFault("an empty later part with MORE")
        self._append(part)
        if not more and len(self.body) != self.total:
            raise CallFault(f"parts of {len(self.body)} bytes, of a total of {self.total}")

    def _append(self, part):
        self.body += part
        if len(self.body) > self.total:
            raise CallFault(f"parts of {len(self.body)} bytes, above a total of {self.total}")


class Call:
    """A call at its caller, until its terminal frame and beyond."""

    def __init__(self, deadline):
        self.id, self.deadline = None, deadline
        self.outcome = None
        self.response_metadata = []
        self.fields = self.gathered = None
        # Its streams, if it has any, and whether the callee has said that it accepted the call.
        self.outgoing = self.incoming = None
        self.opened = False

    def end(self, outcome):
        # The first outcome holds: a call that was abandoned keeps its own.
        if self.outcome is None:
            self.outcome = outcome

    def is_over(self):
        return self.outcome is not None

    def end_of_items(self):
        return self.outcome if isinstance(self.outcome, Exception) else OK

    def response(self, kind, header, body, more, max_message):
        """Takes a Response or End, of which it says whether it may be terminal; raises when it breaks a rule."""
        if self.gathered is not None and kind == RESPONSE:
            if header:
                raise CallFault("a header in a later part of a Response")
            self.gathered.add(body, more)
        else:
            self.fields = read_outcome(kind, header, more)
            check_status(kind, self.fields["status"], self.incoming is not None)
            if self.fields["status"] == OPENED:
                self._open(body, more)
                return False
            size = self.fields.get("total", len(body))
            if size > max_message:
                raise CallFault(f"a response of {size} bytes, above {max_message}", RESOURCE_EXHAUSTED)
            self.gathered = Gathered(size, body)
        if not more:
            self._terminal(bytes(self.gathered.body))
        return True

    def message(self, header, body, more):
        if self.incoming is None:
            raise CallFault("a Message of a method that returns a value")
        self.opened = True
        self.incoming.message(header, body, more)

    def _open(self, body, more):
        if self.opened or body or more:
            raise CallFault("opened twice, behind items, with a body or with MORE", terminal=False)
        self.opened = True

    def _terminal(self, body):
        fields = self.fields
        self.response_metadata = fields["metadata"]
        if fields["status"] == OK:
            self.end(body)
        elif fields["status"] == SERVICE_ERROR:
            self.end(ServiceError(body))
        else:
            code = known_code(fields["code"])
            self.end(Status(code, fields.get("message", ""), "not executed" in fields, body))


class Request:
    """A call at its callee. `ended` is None, or `cancelled` or `deadline` when its handler is to be dropped."""

    def __init__(self, id, fields, body):
        self.id, self.state, self.ended = id, ARRIVING, None
        self.service, self.method, self.metadata = fields["service"], fields["method"], fields["metadata"]
        self.gathered = Gathered(fields.get("total", len(body)), body)
        timeout = fields.get("timeout")
        self.deadline = None if timeout is None else time.monotonic() + timeout / 1e6
        self.outgoing = self.incoming = None
        self.opened = False

    @property
    def body(self):
        return bytes(self.gathered.body)

    def is_over(self):
        return self.state != RUNNING

    def end_of_items(self):
        # Its handler was dropped: nobody is told.
        return None

    def to_come(self):
        return self.gathered.total - len(self.gathered.body) if self.state == ARRIVING else 0
