"""The handshake: Hello, and Welcome or Refusal, in JSON; `dial` and `welcome` are its two sides.

Every rule in this file comes from PROTOCOL.md alone. What both return is a `Connection`.
"""

import json
import struct
import time

from .connection import Connection
from .terms import FLOORS, INVALID_ARGUMENT, LAST_CODE, UNIMPLEMENTED, UNKNOWN, Fault, Lost, Refused
from .transport import discard

MAGIC = b"\xf5RPC\r\n\x1a\n"
VERSION = 1
LONGEST_TEXT = 4096
HANDSHAKE_TIME = 5


def dial(sock, codec, grant, metadata=None):
    """The dialling side: sends Hello and reads Welcome or Refusal."""
    deadline = time.monotonic() + HANDSHAKE_TIME
    hello = {"versions": {"min": VERSION, "max": VERSION}, "codec": codec, "grant": grant, "features": [],
             "metadata": metadata or {}}
    failed = None
    try:
        sock.settimeout(HANDSHAKE_TIME)
        sock.sendall(handshake_text(hello))
    except OSError as error:
        # A Refusal may have come before the end that the write ran into.
        failed = error
    try:
        answer = read_answer(receive_text(sock, deadline))
        allowed = check_welcome(answer, codec)
    except Exception as error:
        sock.close()
        raise (failed if failed and not isinstance(error, Refused) else error)
    return Connection(sock, True, FLOORS | grant, allowed, {})


def read_answer(text):
    answer = known(read_json(text), welcome=lambda item: item, refusal=lambda item: item)
    if len(answer) != 1:
        raise Fault(f"an answer with {sorted(answer)} instead of one of welcome and refusal")
    return answer


def check_welcome(answer, codec):
    """What the Welcome grants; a Refusal raises."""
    if "refusal" in answer:
        refusal = known(answer["refusal"], ("code", "versions"), code=json_number, reason=json_text,
                        versions=json_versions, codecs=json_texts)
        code = refusal["code"] if 0 < refusal["code"] <= LAST_CODE else UNKNOWN
        raise Refused(code, refusal.get("reason", ""), refusal.get("codecs", []))
    found = known(answer["welcome"], ("version", "codec"), version=json_number, codec=json_text, grant=json_grant,
                  features=json_texts)
    if found["version"] != VERSION or found["codec"] != codec:
        raise Fault(f"welcomed with version {found['version']} and codec {found['codec']}")
    if found.get("features"):
        raise Fault(f"features that the Hello did not have: {found['features']}")
    return found.get("grant", FLOORS)


def welcome(sock, codecs, grant):
    """The accepting side. Nothing when it refused a version or a codec; what is malformed is refused, and raised."""
    try:
        hello = known(
            read_json(receive_text(sock, time.monotonic() + HANDSHAKE_TIME)), ("versions", "codec"),
            versions=json_versions, codec=json_text, grant=json_grant, features=json_texts, metadata=json_metadata,
        )
    except Fault as fault:
        refuse(sock, INVALID_ARGUMENT, str(fault)[:200], codecs)
        raise
    except Lost:
        # An answer in the other protocol's own words is allowed, and nothing that a test needs.
        sock.close()
        raise
    if not hello["versions"]["min"] <= VERSION <= hello["versions"]["max"]:
        return refuse(sock, UNIMPLEMENTED, f"version {VERSION} is spoken here", codecs)
    if hello["codec"] not in codecs:
        return refuse(sock, UNIMPLEMENTED, f"unknown codec {hello['codec'][:64]}", codecs)
    answer = {"version": VERSION, "codec": hello["codec"], "grant": grant, "features": []}
    sock.sendall(handshake_text({"welcome": answer}))
    return Connection(sock, False, FLOORS | grant, hello.get("grant", FLOORS), hello.get("metadata", {}))


def refuse(sock, code, reason, codecs):
    versions = {"min": VERSION, "max": VERSION}
    refusal = {"code": code, "reason": reason, "versions": versions, "codecs": codecs}
    sock.settimeout(1)
    try:
        sock.sendall(handshake_text({"refusal": refusal}))
    except OSError:
        pass
    discard(sock)


# Its bytes.


def handshake_text(value):
    text = json.dumps(value, separators=(",", ":")).encode()
    if len(text) > LONGEST_TEXT:
        raise ValueError(f"a handshake of {len(text)} bytes")
    return MAGIC + struct.pack("<H", len(text)) + text


def receive_text(sock, deadline):
    receive_exactly(sock, len(MAGIC), deadline, MAGIC)
    (length,) = struct.unpack("<H", receive_exactly(sock, 2, deadline))
    if length > LONGEST_TEXT:
        raise Fault(f"a handshake of {length} bytes, above {LONGEST_TEXT}")
    return receive_exactly(sock, length, deadline)


def receive_exactly(sock, length, deadline, prefix=b""):
    """Reads no byte behind `length`: those belong to the frames. What came must go along with `prefix`."""
    data = b""
    while len(data) < length:
        sock.settimeout(max(0.001, deadline - time.monotonic()))
        try:
            more = sock.recv(length - len(data))
        except TimeoutError:
            raise Lost("the time of the handshake is over") from None
        if not more:
            raise Lost(f"the end within the handshake, behind {data!r}")
        data += more
        if prefix and not prefix.startswith(data):
            raise Lost(f"another protocol: it begins with {data!r}")
    return data


# Its JSON.


class Object(list):
    """A JSON object as pairs, so that a name that stands twice is seen."""


def read_json(text):
    def constant(name):
        raise ValueError(name)

    try:
        return json.loads(text.decode(), object_pairs_hook=Object, parse_constant=constant)
    except (ValueError, RecursionError) as error:
        raise Fault(f"malformed JSON in the handshake: {error}") from None


def known(value, required=(), **checks):
    """The known members of an object, checked; the others are ignored."""
    if not isinstance(value, Object):
        raise Fault(f"{value!r} is not an object")
    found = {}
    for name, item in value:
        if name in found:
            raise Fault(f"{name} is given twice")
        if name in checks:
            found[name] = checks[name](item)
    for name in required:
        if name not in found:
            raise Fault(f"no {name}")
    return found


def json_number(item):
    if type(item) is not int or not 0 <= item < 1 << 32:
        raise Fault(f"{item!r} is not a number of 32 bits")
    return item


def json_text(item):
    if not isinstance(item, str):
        raise Fault(f"{item!r} is not a text")
    return item


def json_texts(item):
    if isinstance(item, Object) or not isinstance(item, list):
        raise Fault(f"{item!r} is not a list")
    return [json_text(text) for text in item]


def json_metadata(item):
    if not isinstance(item, Object):
        raise Fault("metadata that is not an object")
    return {name: json_text(text) for name, text in item}


def json_versions(item):
    versions = known(item, ("min", "max"), min=json_number, max=json_number)
    if versions["min"] > versions["max"]:
        raise Fault(f"versions {versions}")
    return versions


def json_grant(item):
    grant = FLOORS | known(item, **{name: json_number for name in FLOORS})
    # A sender would keep to the smallest that applies; a peer that tests says what must not be.
    if grant["request_window"] < max(65536, grant["max_message"]) or grant["max_header"] > 65535:
        raise Fault(f"a grant whose numbers do not fit together: {grant}")
    return grant
