"""The protocol of PROTOCOL.md, version 1, for one thread and unary calls: handshake, frames, calls, flow, closing.

A connection reads only while somebody waits for something, which is enough for a peer that makes its calls itself. It
sends no streams, as version 1 has none, and no keepalive.
"""

import json
import socket
import struct
import time
from collections import deque

MAGIC = b"\xf5RPC\r\n\x1a\n"
MAX_TEXT = 4096
PART = 65536
MAX_LENGTH = 12 + 65535 + PART
PATIENCE = 10.0

REQUEST, RESPONSE, MESSAGE, END, CANCEL, CREDIT, PING, PONG, GO_AWAY = range(1, 10)
MORE = 1

CANCELLED, UNKNOWN, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED = 1, 2, 4, 8
UNIMPLEMENTED, INTERNAL, UNAVAILABLE = 12, 13, 14

FLOORS = {
    "in_flight": 64,
    "request_window": 65536,
    "max_message": 16384,
    "max_header": 16384,
    "streams": 0,
    "stream_window": 0,
}


class Status(Exception):
    """A call that the framework or the handler failed."""

    def __init__(self, code, message, not_executed):
        super().__init__(f"status {code}: {message}" + (", not executed" if not_executed else ""))
        self.code, self.message, self.not_executed = code, message, not_executed


class ServiceError(Exception):
    """The service's own error, encoded."""

    def __init__(self, body):
        super().__init__(repr(body))
        self.body = body


class Refused(Exception):
    """The accepting side said no."""

    def __init__(self, refusal):
        self.code, self.text = refusal["code"], refusal.get("reason", "")
        self.codecs = refusal.get("codecs", [])
        super().__init__(f"refused with {self.code}: {self.text}")


class GoneAway(Exception):
    """The other side takes no further requests."""


class ProtocolError(Exception):
    """What costs the connection."""


# Numbers and fields.


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def take_varint(data, at):
    number = 0
    for count in range(10):
        if at + count >= len(data):
            raise ValueError("a number is cut off")
        byte = data[at + count]
        number |= (byte & 0x7F) << 7 * count
        if byte < 0x80:
            if number >= 1 << 64:
                raise ValueError("a number is too large")
            return number, at + count + 1
    raise ValueError("a number has more than ten bytes")


def number_of(value):
    number, end = take_varint(value, 0)
    if end != len(value):
        raise ValueError("something stands behind a number")
    return number


def field(tag, value):
    return varint(tag) + varint(len(value)) + value


def fields_of(header):
    """Tags and values, in order. ValueError: malformed."""
    fields, at = [], 0
    while at < len(header):
        tag, at = take_varint(header, at)
        length, at = take_varint(header, at)
        if at + length > len(header):
            raise ValueError("a field reaches beyond the header")
        fields.append((tag, header[at : at + length]))
        at += length
    return fields


class OddField(ValueError):
    """A field that may not be skipped."""


def parse_header(header, known):
    """The fields by tag, metadata (tag 4) as a list of entries. `known` are the tags that may stand there."""
    found, metadata = {}, []
    for tag, value in fields_of(header):
        if tag not in known:
            if tag % 2 == 1:
                raise OddField(f"field {tag} is not known")
        elif tag == 4:
            length, at = take_varint(value, 0)
            if at + length > len(value):
                raise ValueError("a key reaches beyond its entry")
            metadata.append((value[at : at + length].decode(), value[at + length :].decode()))
        elif tag in found:
            raise ValueError(f"field {tag} is given twice")
        else:
            found[tag] = value
    return found, metadata


def metadata_fields(metadata):
    entries = ((key.encode(), value.encode()) for key, value in metadata)
    return b"".join(field(4, varint(len(key)) + key + value) for key, value in entries)


# The handshake.


def read_exactly(sock, count):
    data = bytearray()
    while len(data) < count:
        piece = sock.recv(min(count - len(data), 1 << 20))
        if not piece:
            raise EOFError(f"the end after {len(data)} of {count} bytes")
        data += piece
    return bytes(data)


def send_text(sock, value):
    text = json.dumps(value, separators=(",", ":")).encode()
    if len(text) > MAX_TEXT:
        raise ValueError("the handshake is too long")
    sock.sendall(MAGIC + struct.pack("<H", len(text)) + text)


def read_text(sock):
    magic = read_exactly(sock, len(MAGIC))
    if magic != MAGIC:
        raise ProtocolError(f"another protocol: {magic!r}")
    (length,) = struct.unpack("<H", read_exactly(sock, 2))
    if length > MAX_TEXT:
        raise ProtocolError(f"a text of {length} bytes")
    return json.loads(read_exactly(sock, length))


def dial(sock, codec, grant, metadata=None):
    """The dialling side's handshake. Refused, if the other side says so."""
    sock.settimeout(5)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    hello = {"versions": {"min": 1, "max": 1}, "codec": codec, "grant": grant, "metadata": metadata or {}}
    send_text(sock, hello)
    answer = read_text(sock)
    if ("welcome" in answer) == ("refusal" in answer):
        raise ProtocolError("not exactly one of welcome and refusal")
    if "refusal" in answer:
        sock.close()
        raise Refused(answer["refusal"])
    agreed = answer["welcome"]
    if agreed["version"] != 1 or agreed["codec"] != codec:
        raise ProtocolError(f"welcomed with {agreed}")
    return Connection(sock, 0, grant, agreed.get("grant", {}))


def welcome(sock, codecs, grant):
    """The accepting side's handshake; None when it refused."""
    sock.settimeout(5)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    hello = read_text(sock)
    versions = {"min": 1, "max": 1}
    reason = None
    if not hello["versions"]["min"] <= 1 <= hello["versions"]["max"]:
        reason = "version 1 is spoken here"
    elif hello["codec"] not in codecs:
        reason = f"the codec {hello['codec']} is not spoken here"
    if reason is None:
        send_text(sock, {"welcome": {"version": 1, "codec": hello["codec"], "grant": grant}})
        return Connection(sock, 1, grant, hello.get("grant", {}))
    send_text(sock, {"refusal": {"code": UNIMPLEMENTED, "reason": reason, "versions": versions, "codecs": codecs}})
    discard_rest(sock)
    return None


def discard_rest(sock):
    """Ends this direction, and reads on a while, so that what was sent last is not destroyed."""
    sock.shutdown(socket.SHUT_WR)
    sock.settimeout(1)
    try:
        left = 65536
        while left > 0:
            piece = sock.recv(left)
            if not piece:
                break
            left -= len(piece)
    except OSError:
        pass
    sock.close()


# Calls.


class OwnCall:
    """A call of this side: it has ended for its caller when `outcome` is there, and for the id when `open` is false."""

    def __init__(self, id):
        self.id, self.open, self.outcome, self.response_metadata = id, True, None, []
        # Of a response in parts: its first header and what came.
        self.head, self.body, self.total = None, bytearray(), 0


class PeerCall:
    """A call of the other side. `ended` says why it needs no answer any more, if so."""

    def __init__(self, id, service, method, metadata, deadline, total):
        self.id, self.service, self.method, self.metadata = id, service, method, metadata
        self.deadline, self.total, self.body, self.ended = deadline, total, bytearray(), None


class Connection:
    def __init__(self, sock, side, local, remote):
        sock.settimeout(PATIENCE)
        self.sock, self.side = sock, side
        self.local, self.remote = {**FLOORS, **local}, {**FLOORS, **remote}
        self.input, self.input_ended = bytearray(), False
        # Calls of this side by id; bytes of requests that may still be sent.
        self.own, self.next_id, self.window = {}, 2 | side, self.remote["request_window"]
        # Calls of the other side without a terminal frame: those in parts, those that run.
        self.assembled, self.running, self.ready = {}, {}, deque()
        self.window_given, self.taken = self.local["request_window"], 0
        self.went_away, self.peer_went_away, self.ended = False, None, False
        self.parts_sent = self.parts_received = 0
        self.waited_for_credit, self.leave_after = False, None

    # What the caller does.

    def call(self, service, method, body, **options):
        return self.wait(self.start(service, method, body, **options))

    def start(self, service, method, body, timeout=None, metadata=()):
        """Sends a request once everything that it needs was granted."""
        if len(body) > min(self.remote["max_message"], self.remote["request_window"]):
            raise Status(RESOURCE_EXHAUSTED, "the request is above max_message", True)
        while len(self.own) >= self.remote["in_flight"] or len(body) > self.window:
            self.waited_for_credit |= len(body) > self.window
            self.read_frame()
        if self.went_away or self.peer_went_away is not None:
            raise GoneAway()
        call = OwnCall(self.next_id)
        self.next_id += 2
        header = field(1, service.encode()) + field(3, method.encode()) + metadata_fields(metadata)
        if timeout is not None:
            header += field(2, varint(int(timeout * 1_000_000)))
        if len(header) + len(field(5, varint(len(body)))) > self.remote["max_header"]:
            raise Status(RESOURCE_EXHAUSTED, "the header is above max_header", True)
        self.own[call.id] = call
        self.window -= len(body)
        self.send_message(REQUEST, call.id, header, body)
        return call

    def wait(self, call):
        """The value of a call, or its error."""
        while call.outcome is None:
            self.read_frame()
        if isinstance(call.outcome, Exception):
            raise call.outcome
        return call.outcome

    def cancel(self, call):
        if call.open:
            self.send(CANCEL, call.id)

    # What the callee does.

    def next_request(self):
        """A request that is whole, or a call that was cancelled or is too late and has its answer. None: the end."""
        while True:
            if self.ready:
                request = self.ready.popleft()
                if request.ended is None:
                    self.give_back(len(request.body))
                return request
            if self.is_over():
                self.sock.close()
                return None
            self.read_frame()

    def answer(self, request, body, metadata=()):
        self.finish(request, metadata_fields(metadata), body)

    def answer_error(self, request, body):
        self.finish(request, field(1, varint(1)), body)

    def answer_status(self, request, code, message, not_executed):
        header = field(1, varint(2)) + field(2, message.encode()) + field(3, varint(code))
        self.finish(request, header + (field(7, b"") if not_executed else b""), b"")

    def finish(self, request, header, body):
        if self.running.pop(request.id, None) is not None:
            self.send_message(RESPONSE, request.id, header, body)

    def give_back(self, count):
        """Tells the other side of its room: here at once."""
        if count:
            self.taken -= count
            self.send(CREDIT, 0, body=struct.pack("<I", count))

    # Closing.

    def go_away(self, code, message):
        if not self.went_away:
            self.went_away = True
            self.send(GO_AWAY, 0, field(2, message.encode()) + field(3, varint(code)))

    def end(self):
        """Nothing follows. Only when every call of the other side has its terminal frame."""
        if not self.ended:
            self.ended = True
            self.sock.shutdown(socket.SHUT_WR)

    def wait_for_goaway(self):
        while self.peer_went_away is None:
            self.read_frame()

    def wait_for_the_end(self):
        while not self.input_ended:
            self.read_frame()
        self.sock.close()

    def is_over(self):
        if self.peer_went_away is not None:
            self.go_away(0, "good-bye")
            if not self.running and not self.assembled and not self.own:
                self.end()
        return self.ended and self.input_ended

    # Frames out.

    def send(self, kind, id, header=b"", body=b"", flags=0):
        prefix = struct.pack("<IBBHQ", 12 + len(header) + len(body), kind, flags, len(header), id)
        self.sock.sendall(prefix + header + body)

    def send_message(self, kind, id, header, body):
        if len(body) <= PART:
            self.send(kind, id, header, body)
            return
        header += field(5, varint(len(body)))
        for at in range(0, len(body), PART):
            more = MORE if at + PART < len(body) else 0
            self.send(kind, id, header if at == 0 else b"", body[at : at + PART], more)
            self.parts_sent += 1

    # Frames in.

    def read_frame(self):
        """Reads one frame and does what follows from it, or what a deadline asks for that passes before."""
        while len(self.input) < 4 or len(self.input) < 4 + self.check_length():
            if not self.read_more():
                return
        length = self.check_length()
        kind, flags, header_length, id = struct.unpack_from("<BBHQ", self.input, 4)
        frame = bytes(self.input[16 : 4 + length])
        del self.input[: 4 + length]
        if kind >= 128:
            return
        header, body = frame[:header_length], frame[header_length:]
        self.check_shape(kind, flags, header, body, header_length, length)
        self.on_frame(kind, flags == MORE, id, header, body)

    def check_length(self):
        (length,) = struct.unpack_from("<I", self.input)
        if not 12 <= length <= MAX_LENGTH:
            self.break_off(f"a frame of length {length}")
        return length

    def check_shape(self, kind, flags, header, body, header_length, length):
        if not REQUEST <= kind <= GO_AWAY:
            self.break_off(f"a frame of kind {kind}")
        if flags not in ((0, MORE) if kind in (REQUEST, RESPONSE, MESSAGE) else (0,)):
            self.break_off(f"flags {flags}")
        if 12 + header_length > length or len(body) > PART:
            self.break_off("the lengths of a frame")
        if header and kind in (CANCEL, CREDIT, PING, PONG):
            self.break_off("a header where there is none")
        if len(body) != 4 if kind == CREDIT else body and kind in (CANCEL, PING, PONG, GO_AWAY):
            self.break_off("a body where there is none")

    def read_more(self):
        """False when there was nothing to read: a deadline passed, or the direction has ended."""
        if self.input_ended:
            raise EOFError("the other side has ended its direction")
        deadlines = [call.deadline for call in self.running.values() if call.deadline is not None]
        wait = max(0.001, min(deadlines) - time.monotonic()) if deadlines else PATIENCE
        self.sock.settimeout(wait)
        try:
            data = self.sock.recv(1 << 18)
        except TimeoutError:
            if not deadlines:
                raise
            self.expire()
            return False
        finally:
            self.sock.settimeout(PATIENCE)
        if not data:
            self.on_end()
            return False
        self.input += data
        return True

    def on_end(self):
        self.input_ended = True
        if self.input:
            raise EOFError("the end in the middle of a frame")
        if self.peer_went_away is None:
            raise EOFError("an end without a goaway")
        for call in self.own.values():
            call.open, call.outcome = False, Status(UNAVAILABLE, "the other side ended before it answered", False)
        self.own.clear()

    def on_frame(self, kind, more, id, header, body):
        if kind == REQUEST:
            self.on_request(id, more, header, body)
        elif kind == RESPONSE:
            self.on_response(id, more, header, body)
        elif kind == END:
            self.on_response_end(id, header, body)
        elif kind == CANCEL:
            self.on_cancel(id)
        elif kind == CREDIT:
            self.on_credit(id, body)
        elif kind == PING:
            self.send(PONG, id)
        elif kind == GO_AWAY:
            self.on_go_away(id, header)
        elif kind == MESSAGE:
            self.break_off("a message, where no streams were granted")

    def on_credit(self, id, body):
        if id != 0:
            self.break_off("a credit for a call")
        self.window += struct.unpack("<I", body)[0]
        if self.window > self.remote["request_window"]:
            self.break_off("a credit above what was used")

    def on_go_away(self, id, header):
        try:
            found, _ = parse_header(header, {2, 3})
            code = number_of(found.get(3, b"\0"))
            message = found.get(2, b"").decode()
        except ValueError as error:
            self.break_off(f"a malformed goaway: {error}")
        if id != 0 or (code == 0 and self.peer_went_away is not None):
            self.break_off("a second goaway, or one with an id")
        self.peer_went_away = (code, message)

    # Answers to the calls of this side.

    def on_response(self, id, more, header, body):
        call = self.own.get(id)
        if call is None:
            return
        if call.head is None:
            call.head = header
            if more:
                try:
                    found, _ = parse_header(header, {1, 2, 3, 4, 5, 7})
                    call.total = number_of(found[5])
                except (ValueError, KeyError) as error:
                    self.fail(call, f"the header of a response: {error}")
        call.body += body
        if more:
            self.parts_received += 1
            if call.outcome is None and (len(call.body) > call.total or call.total > self.local["max_message"]):
                self.fail(call, "a response is longer than it said, or than is allowed")
            return
        self.close_call(call)
        if call.outcome is None:
            self.conclude(call, call.head, bytes(call.body))

    def on_response_end(self, id, header, body):
        call = self.own.get(id)
        if call is not None:
            self.close_call(call)
            if call.outcome is None:
                self.conclude(call, header, body)

    def conclude(self, call, header, body):
        try:
            found, call.response_metadata = parse_header(header, {1, 2, 3, 4, 5, 7})
            status = number_of(found.get(1, b"\0"))
            if 5 in found and number_of(found[5]) != len(body):
                raise ValueError("the parts do not add up")
            if status == 0:
                call.outcome = body
            elif status == 1:
                call.outcome = ServiceError(body)
            elif status == 2:
                code = number_of(found[3])
                call.outcome = Status(code if code <= 16 else UNKNOWN, found.get(2, b"").decode(), 7 in found)
            else:
                raise ValueError(f"status {status}")
        except (ValueError, KeyError) as error:
            self.fail(call, f"the header of a response: {error}")

    def fail(self, call, text):
        call.outcome = Status(INTERNAL, text, False)

    def close_call(self, call):
        call.open = False
        del self.own[call.id]

    # Calls of the other side.

    def on_request(self, id, more, header, body):
        self.taken += len(body)
        if self.taken > self.window_given:
            self.break_off("more bytes of requests than the window")
        if header == b"":
            self.on_part(id, more, body)
            return
        if id == 0 or id % 2 == self.side or id in self.running or id in self.assembled:
            self.break_off(f"a request with the id {id}")
        if self.peer_went_away is not None:
            self.break_off("a request behind a goaway")
        refusal = self.admit(id, more, header)
        if isinstance(refusal, PeerCall):
            self.assembled[id] = refusal
            self.on_part(id, more, body)
            return
        self.refuse(PeerCall(id, "", "", [], None, 0), *refusal, len(body))

    def admit(self, id, more, header):
        """A call, or code and message of why there is none."""
        if len(header) > self.local["max_header"]:
            return RESOURCE_EXHAUSTED, "the header is above max_header"
        if len(self.running) + len(self.assembled) >= self.local["in_flight"]:
            return RESOURCE_EXHAUSTED, "more calls than in_flight"
        try:
            found, metadata = parse_header(header, {1, 2, 3, 4, 5})
            service, method = found[1].decode(), found[3].decode()
            deadline = time.monotonic() + number_of(found[2]) / 1_000_000 if 2 in found else None
            total = number_of(found[5]) if 5 in found else None
        except OddField as error:
            return UNIMPLEMENTED, str(error)
        except (ValueError, KeyError) as error:
            return INTERNAL, f"a malformed header: {error}"
        if (total is not None) != more or not service or not method:
            return INTERNAL, "total or a name is not where it should be"
        if max(len(found[1]), len(found[3])) > 256 or len(metadata) > 64 or (total or 0) > self.local["max_message"]:
            return RESOURCE_EXHAUSTED, "a name, the metadata or the message is above its limit"
        if self.went_away:
            return UNAVAILABLE, "this side is leaving"
        return PeerCall(id, service, method, metadata, deadline, total)

    def on_part(self, id, more, body):
        call = self.assembled.get(id)
        if call is None:
            # A part that comes late.
            self.give_back(len(body))
            return
        call.body += body
        if more:
            self.parts_received += 1
        whole = call.total if call.total is not None else len(call.body)
        if len(call.body) > whole or (not more and len(call.body) != whole):
            del self.assembled[id]
            self.refuse(call, INTERNAL, "the parts do not add up", len(call.body))
        elif not more:
            del self.assembled[id]
            if len(call.body) > self.local["max_message"]:
                self.refuse(call, RESOURCE_EXHAUSTED, "the request is above max_message", len(call.body))
                return
            self.running[id] = call
            self.ready.append(call)

    def refuse(self, call, code, message, held):
        self.running[call.id] = call
        self.answer_status(call, code, message, not_executed=True)
        self.give_back(held)

    def on_cancel(self, id):
        self.stop(id, CANCELLED, "cancelled")

    def expire(self):
        now = time.monotonic()
        for call in list(self.running.values()):
            if call.deadline is not None and call.deadline <= now:
                self.stop(call.id, DEADLINE_EXCEEDED, "deadline")

    def stop(self, id, code, why):
        call = self.assembled.pop(id, None)
        if call is not None:
            self.refuse(call, code, why, len(call.body))
            return
        call = self.running.get(id)
        if call is not None:
            waits = call in self.ready
            if waits:
                self.give_back(len(call.body))
            else:
                self.ready.append(call)
            self.answer_status(call, code, why, not_executed=waits)
            call.ended = why

    def break_off(self, text):
        """Closes at once, and says why."""
        self.went_away = False
        self.go_away(INTERNAL, text)
        discard_rest(self.sock)
        raise ProtocolError(text)
