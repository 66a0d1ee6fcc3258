"""Headers: varints, and the fields by tag and length that a header consists of, read strictly and written.

Every rule in this file comes from PROTOCOL.md alone. What is malformed is a `CallFault`: who reads a GoAway makes more
of it.
"""

from .terms import (
    END, GOAWAY, INTERNAL, MESSAGE, NAMES, OK, OPENED, REQUEST, RESOURCE_EXHAUSTED, RESPONSE, SERVICE_ERROR, STATUS,
    UNIMPLEMENTED, CallFault,
)

LONGEST_NAME, MOST_ENTRIES = 256, 64


# Read.


def read_varint(data, at):
    value = 0
    for count in range(10):
        if at + count >= len(data):
            raise CallFault("a varint that is cut off")
        byte = data[at + count]
        value |= (byte & 127) << 7 * count
        if byte < 128:
            if value >= 1 << 64:
                break
            return value, at + count + 1
    raise CallFault("a varint above 64 bits")


def read_bytes(data, at, what):
    length, at = read_varint(data, at)
    if at + length > len(data):
        raise CallFault(f"{what} of {length} bytes reaches beyond its place")
    return data[at:at + length], at + length


def read_number(value):
    number, end = read_varint(value, 0)
    if end != len(value):
        raise CallFault("something behind a number")
    return number


def read_text(value):
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise CallFault("text that is not UTF-8") from None


def read_name(value):
    if len(value) > LONGEST_NAME:
        raise CallFault(f"a name of {len(value)} bytes, above {LONGEST_NAME}", RESOURCE_EXHAUSTED)
    if not value:
        raise CallFault("an empty name")
    return read_text(value)


def read_entry(value):
    key, at = read_bytes(value, 0, "a key")
    return read_text(key), read_text(value[at:])


def read_presence(value):
    if value:
        raise CallFault("a presence that has bytes")
    return True


OUTCOME = {1: ("status", read_number), 2: ("message", read_text), 3: ("code", read_number),
           4: ("metadata", read_entry), 7: ("not executed", read_presence)}
FIELDS = {
    REQUEST: {1: ("service", read_name), 2: ("timeout", read_number), 3: ("method", read_name),
              4: ("metadata", read_entry), 5: ("total", read_number)},
    RESPONSE: OUTCOME | {5: ("total", read_number)},
    MESSAGE: {5: ("total", read_number)},
    END: OUTCOME,
    GOAWAY: {2: ("message", read_text), 3: ("code", read_number)},
}


def read_header(kind, header):
    """The fields of a header by their names."""
    found, at = {"metadata": []}, 0
    while at < len(header):
        tag, at = read_varint(header, at)
        value, at = read_bytes(header, at, f"field {tag}")
        if tag not in FIELDS[kind]:
            if tag % 2:
                raise CallFault(f"an unknown odd field {tag}", UNIMPLEMENTED if kind == REQUEST else INTERNAL)
            continue
        name, read = FIELDS[kind][tag]
        if name == "metadata":
            found[name].append(read(value))
        elif name in found:
            raise CallFault(f"field {tag}, {name}, is given twice")
        else:
            found[name] = read(value)
    if len(found["metadata"]) > MOST_ENTRIES:
        raise CallFault(f"{len(found['metadata'])} entries, above {MOST_ENTRIES}", RESOURCE_EXHAUSTED)
    return found


def read_request(header, more):
    fields = read_header(REQUEST, header)
    for name in ("service", "method"):
        if name not in fields:
            raise CallFault(f"a Request without {name}")
    check_total(fields, more)
    return fields


def read_message(header):
    """The total of an item in parts; None without one."""
    return read_header(MESSAGE, header).get("total")


def read_outcome(kind, header, more):
    """The header of a Response or End. Which status goes with the method, `check_status` knows."""
    fields = read_header(kind, header)
    status = fields.setdefault("status", OK)
    if status > OPENED:
        raise CallFault(f"an unknown status {status}")
    if (status == STATUS) != ("code" in fields):
        raise CallFault("a code goes with status 2, and with no other")
    if status != STATUS and ("message" in fields or "not executed" in fields):
        raise CallFault(f"a message or `not executed` with status {status}")
    if fields.get("code") == 0:
        raise CallFault("the code 0 as a failure")
    check_total(fields, more)
    return fields


def check_status(kind, status, streams):
    """Whether a callee may say so of a method that returns items, or of one that returns a value."""
    allowed = (OK, SERVICE_ERROR, STATUS) if kind == END else (SERVICE_ERROR, STATUS, OPENED)
    if not streams:
        allowed = (STATUS,) if kind == END else (OK, SERVICE_ERROR, STATUS)
    if status not in allowed:
        text = f"{NAMES[kind]} with status {status} of a method that returns {'items' if streams else 'a value'}"
        raise CallFault(text, terminal=status != OPENED or kind == END)


def check_total(fields, more):
    if more != ("total" in fields):
        raise CallFault("MORE without total" if more else "total without MORE")


# Written.


def varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(tag, value):
    return varint(tag) + varint(len(value)) + value


def entries(metadata):
    return b"".join(field(4, varint(len(k.encode())) + k.encode() + v.encode()) for k, v in metadata)


def number_field(tag, number):
    return b"" if number is None else field(tag, varint(number))


def status_header(code, text, not_executed, max_header):
    tail = field(3, varint(code)) + (field(7, b"") if not_executed else b"")
    # Status, tail, and the tag and length of the message, whose length takes at most three bytes.
    room = max(0, max_header - 3 - len(tail) - 4)
    cut = text.encode()[:room].decode(errors="ignore").encode()
    return field(1, varint(STATUS)) + (field(2, cut) if cut else b"") + tail
