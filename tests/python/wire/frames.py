"""Frames: the sixteen bytes before a header, how a long message is cut into parts, and what no frame may look like.

Every rule in this file comes from PROTOCOL.md alone. What it finds wrong is a `Fault`: it costs the connection.
"""

import struct

from .headers import number_field
from .terms import CREDIT, END, GOAWAY, MESSAGE, NAMES, PART, REQUEST, RESPONSE, Fault

WITH_MORE = (REQUEST, RESPONSE, MESSAGE)
WITH_HEADER = (REQUEST, RESPONSE, MESSAGE, END, GOAWAY)
WITH_BODY = (REQUEST, RESPONSE, MESSAGE, END, CREDIT)
MORE = 1

HEAD = struct.Struct("<IBBHQ")
LONGEST_FRAME = 12 + 65535 + PART


class Head:
    """The sixteen bytes before a header."""

    def __init__(self, data):
        self.length, self.kind, flags, self.header, self.id = HEAD.unpack_from(data)
        self.more = flags == MORE
        self.body = self.length - 12 - self.header
        # A header above max_header is answered by its length and then passed over.
        self.passed_over = False


def frame(kind, id, header=b"", body=b"", more=False):
    return HEAD.pack(12 + len(header) + len(body), kind, MORE if more else 0, len(header), id) + header + body


def frames(kind, id, header, body):
    """A whole message: one frame, or parts that are full but for the last."""
    if len(body) <= PART:
        yield frame(kind, id, header, body)
        return
    header += number_field(5, len(body))
    for at in range(0, len(body), PART):
        yield frame(kind, id, header if at == 0 else b"", body[at:at + PART], at + PART < len(body))


def check_start(data):
    """Tells a fault of a frame by the first byte that makes it certain; `data` may hold less than a frame."""
    if len(data) >= 4:
        length = int.from_bytes(data[:4], "little")
        if not 12 <= length <= LONGEST_FRAME:
            raise Fault(f"a frame of length {length}")
    if len(data) < 5 or data[4] > 127:
        return
    kind = data[4]
    if not REQUEST <= kind <= GOAWAY:
        raise Fault(f"unknown kind {kind}")
    if len(data) >= 6 and data[5] & ~(MORE if kind in WITH_MORE else 0):
        raise Fault(f"flags {data[5]} of a {NAMES[kind]}")
    if len(data) >= 8:
        check_lengths(kind, length, int.from_bytes(data[6:8], "little"))


def check_lengths(kind, length, header):
    body = length - 12 - header
    if body < 0:
        raise Fault(f"a header of {header} bytes in a frame of length {length}")
    if body > PART:
        raise Fault(f"a body of {body} bytes, above {PART}")
    if header and kind not in WITH_HEADER:
        raise Fault(f"a header in a {NAMES[kind]}")
    if body and kind not in WITH_BODY:
        raise Fault(f"a body in a {NAMES[kind]}")
    if kind == CREDIT and body != 4:
        raise Fault(f"a Credit of {body} bytes")
