"""The calls of the other side: whether a Request is admitted, its handler's answer, and the window it gives back.

Every rule in this file comes from PROTOCOL.md alone. Each Request gets one terminal frame, whichever of the handler's
answer, a refusal, its Cancel and its deadline is the first.
"""

import struct

from .calls import ANSWERING, ARRIVING, OVER, QUEUED, RUNNING, Request
from .frames import frame, frames
from .headers import entries, field, read_request, status_header, varint
from .terms import (
    CREDIT, DEADLINE_EXCEEDED, PART, RESOURCE_EXHAUSTED, RESPONSE, SERVICE_ERROR, UNAVAILABLE, UNIMPLEMENTED, CallFault,
    Fault, Status,
)
from .transport import Transport

# The bytes of Responses above which no further handler begins.
UNSENT_RESPONSES = 1 << 20


class Callee(Transport):
    """What a side does as a callee."""

    def __init__(self, sock, dialling, granted, allowed, metadata):
        super().__init__(sock, dialling, granted, allowed, metadata)
        # What may still come, and what came and is to be given back by Credit.
        self.window_in, self.to_give_back = granted["request_window"], 0

    def next_request(self):
        """A request whose handler begins, or one that `ended` and needs no answer; None when the connection is over."""
        self._until(lambda: self.over or self.events and len(self.out) <= UNSENT_RESPONSES)
        if not self.events:
            return None
        request = self.events.popleft()
        if request.state == QUEUED:
            request.state = RUNNING
            self._give_back(len(request.gathered.body))
        return request

    def answer(self, request, body, metadata=()):
        self._answer_value(request, entries(metadata), body)

    def answer_error(self, request, body):
        self._answer_value(request, field(1, varint(SERVICE_ERROR)), body)

    def _answer_value(self, request, header, body):
        # The field `total` of a long body takes at most twelve bytes.
        if len(body) > self.allowed["max_message"] or len(header) + 12 > self.allowed["max_header"]:
            text = f"{len(body)} bytes and a header of {len(header)}, above max_message or max_header"
            self.answer_status(request, RESOURCE_EXHAUSTED, text)
        else:
            self._answer(request, header, body)

    def answer_status(self, request, code, text, not_executed=False):
        self._answer(request, status_header(code, text, not_executed, self.allowed["max_header"]), b"")

    def _answer(self, request, header, body):
        if request.state != RUNNING:
            # A Cancel or the deadline was faster, and that was the terminal frame.
            return
        request.state = ANSWERING
        for part in frames(RESPONSE, request.id, header, body):
            self.parts_sent += len(body) > PART
            self._write(part)
            self._until(lambda: len(self.out) <= 2 * PART)
        self._forget(request)

    def _forget(self, request):
        request.state = OVER
        self.requests.pop(request.id, None)

    def _refuse(self, id, code, text, not_executed=True):
        self._write(frame(RESPONSE, id, status_header(code, text, not_executed, self.allowed["max_header"])))

    def _drop(self, request, code, ended):
        """A Cancel, or the deadline: the terminal frame for a request that has none yet."""
        if request.state == ANSWERING:
            return
        self._refuse(request.id, code, ended, not_executed=request.state != RUNNING)
        if request.state == RUNNING:
            request.ended = ended
            self.events.append(request)
        else:
            if request.state == QUEUED:
                self.events.remove(request)
            self._give_back(len(request.gathered.body))
        self._forget(request)

    def _give_back(self, size):
        self.to_give_back += size

    def _send_credit(self):
        if self.to_give_back:
            self._write(frame(CREDIT, 0, body=struct.pack("<I", self.to_give_back)))
            self.window_in += self.to_give_back
            self.to_give_back = 0

    # What comes.

    def _check_request(self, head):
        if head.id == 0 or head.id % 2 != self.dialling:
            raise Fault(f"a Request with the id {head.id}")
        if self.peer_went_away:
            raise Fault(f"the Request {head.id} behind its sender's GoAway")
        if head.header and head.id in self.requests:
            raise Fault(f"the id {head.id} is taken")
        if head.body > self.window_in:
            raise Fault(f"a body of {head.body} bytes in a window of {self.window_in}")
        self.window_in -= head.body

    def _request(self, head, header, body):
        request = self.requests.get(head.id)
        if self.ended or request is None and not header:
            # It crossed the end of this direction, or is a late part of a request that is over.
            self._give_back(len(body))
        elif request is None:
            self._open(head, header, body)
        elif request.state != ARRIVING:
            self._give_back(len(body))
            raise CallFault(f"a part of the Request {head.id} beyond the last")
        else:
            self._part(request, body, head.more)

    def _open(self, head, header, body):
        try:
            request = self._admit(head, header, body)
        except CallFault as fault:
            self._give_back(len(body))
            self._refuse(head.id, fault.code, str(fault))
            raise
        except Status as status:
            # No fault of the other side: it could not know, or the time passed on the way.
            self._give_back(len(body))
            self._refuse(head.id, status.code, status.text)
            return
        self.requests[head.id] = request
        self.parts_received += head.more
        if not head.more:
            self._queue(request)

    def _admit(self, head, header, body):
        """The request, or the first reason in the document's order to refuse it."""
        if len(self.requests) >= self.granted["in_flight"]:
            raise CallFault(f"more than {self.granted['in_flight']} calls", RESOURCE_EXHAUSTED)
        fields = read_request(header, head.more)
        size = fields.get("total", len(body))
        if self.went_away:
            raise Status(UNAVAILABLE, "this side has sent GoAway")
        if self.dialling:
            # A dialling side offers nothing here; on the other side `next_request` hands all services out.
            raise Status(UNIMPLEMENTED, f"no service {fields['service']}")
        if size > self.granted["max_message"]:
            raise CallFault(f"a request of {size} bytes, above {self.granted['max_message']}", RESOURCE_EXHAUSTED)
        if fields.get("timeout") == 0:
            raise Status(DEADLINE_EXCEEDED, "a timeout of 0")
        to_come = size - len(body) + sum(request.to_come() for request in self.requests.values())
        if to_come > self.window_in:
            raise CallFault(f"begun with {to_come} bytes to come in a window of {self.window_in}")
        return Request(head.id, fields, body)

    def _part(self, request, body, more):
        self.parts_received += 1
        try:
            request.gathered.add(body, more)
        except CallFault as fault:
            self._give_back(len(request.gathered.body))
            self._forget(request)
            self._refuse(request.id, fault.code, str(fault))
            raise
        if not more:
            self._queue(request)

    def _queue(self, request):
        request.state = QUEUED
        self.events.append(request)
