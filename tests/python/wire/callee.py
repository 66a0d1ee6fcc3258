"""The calls of the other side: whether a Request is admitted, its handler's answer, and the window it gives back.

Every rule in this file comes from PROTOCOL.md alone. Each Request gets one terminal frame, whichever of the handler's
answer, a refusal, its Cancel and its deadline is the first.
"""

import struct

from .calls import ANSWERING, ARRIVING, OVER, QUEUED, RUNNING, Request
from .frames import frame, frames
from .headers import entries, field, read_outcome, read_request, varint
from .streamer import Streamer
from .terms import (
    CANCEL, CREDIT, DEADLINE_EXCEEDED, END, MESSAGE, OPENED, PART, RESOURCE_EXHAUSTED, RESPONSE, SERVICE_ERROR,
    UNAVAILABLE, UNIMPLEMENTED, CallFault, Fault, Status,
)

# The bytes of Responses above which no further handler begins.
UNSENT_RESPONSES = 1 << 20


class Callee(Streamer):
    """What a side does as a callee."""

    def __init__(self, sock, dialling, granted, allowed, metadata):
        super().__init__(sock, dialling, granted, allowed, metadata)
        # What may still come, and what came and is to be given back by Credit.
        self.window_in, self.to_give_back = granted["request_window"], 0
        # Whether there are services here, and by method whether it takes a stream, and whether it returns one.
        self.offers, self.methods = not dialling, {}

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
        if request.opened and request.state == RUNNING:
            self._write(request.outgoing.end_frame(request.id, self._status(code, text)))
            self._forget(request)
        else:
            self._answer(request, self._status(code, text, not_executed), b"")

    def open(self, request):
        """Says that the items follow, which the items themselves say as well."""
        if request.state == RUNNING:
            request.opened = True
            self._write(frame(RESPONSE, request.id, field(1, varint(OPENED))))

    def send_items(self, call, items):
        if isinstance(call, Request):
            call.opened = True
        super().send_items(call, items)

    def complete(self, request, error=None):
        """The end of the items, with the service's error if the producer failed."""
        header = b"" if error is None else field(1, varint(SERVICE_ERROR))
        if request.state == RUNNING:
            self._write(request.outgoing.end_frame(request.id, header, error or b""))
            self._forget(request)

    def stop_items(self, request):
        """The handler takes no more of them; the call goes on."""
        if request.state == RUNNING and request.incoming.end is None:
            self._write(frame(CANCEL, request.id))
        request.incoming.stop()

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

    def _refuse(self, id, code, text, not_executed=True, kind=RESPONSE):
        self._write(frame(kind, id, self._status(code, text, not_executed)))

    def _drop(self, request, code, ended):
        """A Cancel, or the deadline: the terminal frame for a request that has none yet."""
        if request.state == ANSWERING:
            return
        kind = END if request.opened else RESPONSE
        self._refuse(request.id, code, ended, not_executed=request.state != RUNNING, kind=kind)
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

    def _stream_of_caller(self, head, header, body):
        """A Message or End: what comes for an unknown call crossed its terminal frame."""
        request = self.requests.get(head.id)
        if request is None or request.state == ANSWERING:
            return
        try:
            fields = read_outcome(END, header, False) if head.kind == END else None
            if request.incoming is None or request.state == ARRIVING:
                raise CallFault("items that the method does not take, or before its Request is whole")
            if head.kind == MESSAGE:
                request.incoming.message(header, body, head.more)
            else:
                request.incoming.end_of_caller(fields)
        except CallFault as fault:
            self._drop(request, fault.code, str(fault))
            raise

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
        if not self.offers:
            # A dialling side offers nothing unless it says so; else `next_request` hands all services out.
            raise Status(UNIMPLEMENTED, f"no service {fields['service']}")
        streams = self.methods.get(fields["method"], (False, False))
        if any(streams) and self._with_streams(self.requests) >= self.granted["streams"]:
            raise CallFault(f"more than {self.granted['streams']} calls with streams", RESOURCE_EXHAUSTED)
        if size > self.granted["max_message"]:
            raise CallFault(f"a request of {size} bytes, above {self.granted['max_message']}", RESOURCE_EXHAUSTED)
        if fields.get("timeout") == 0:
            raise Status(DEADLINE_EXCEEDED, "a timeout of 0")
        to_come = size - len(body) + sum(request.to_come() for request in self.requests.values())
        if to_come > self.window_in:
            raise CallFault(f"begun with {to_come} bytes to come in a window of {self.window_in}")
        request = Request(head.id, fields, body)
        takes, returns = streams
        self._streams_of(request, sends=returns, receives=takes)
        return request

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
