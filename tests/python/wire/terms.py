"""The terms of the protocol that every part of the peer speaks in: codes, kinds, limits, and how things fail.

All of them, with their numbers, come from PROTOCOL.md alone.
"""

# Status codes that the peer uses itself.
CANCELLED, UNKNOWN, INVALID_ARGUMENT, DEADLINE_EXCEEDED = 1, 2, 3, 4
RESOURCE_EXHAUSTED, ABORTED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE = 8, 10, 12, 13, 14
LAST_CODE = 16

# Kinds of frames.
REQUEST, RESPONSE, MESSAGE, END, CANCEL, CREDIT, PING, PONG, GOAWAY = range(1, 10)
NAMES = ("", "Request", "Response", "Message", "End", "Cancel", "Credit", "Ping", "Pong", "GoAway")

# The status of a Response or End.
OK, SERVICE_ERROR, STATUS, OPENED = range(4)

# What a side grants that does not say more.
FLOORS = {"in_flight": 64, "request_window": 65536, "max_message": 16384, "max_header": 16384, "streams": 0,
          "stream_window": 0}

# The most bytes of a body in one frame.
PART = 65536

# What an item costs beside its bytes, how large a window may ever be, and how large this peer lets one grow.
ITEM_COST, GREATEST_WINDOW, LARGEST_OWN_WINDOW = 32, (1 << 31) - 1, 1 << 18


def known_code(code):
    return code if code <= LAST_CODE else UNKNOWN


class Fault(Exception):
    """The other side broke the protocol, and that costs the connection."""


class CallFault(Fault):
    """The other side broke the protocol, and that costs no more than a call."""

    def __init__(self, text, code=INTERNAL, terminal=True):
        super().__init__(text)
        self.code = code
        # Whether the frame may have been the terminal one: a status of `opened` never is.
        self.terminal = terminal


class Refused(Exception):
    """The accepting side refused the handshake."""

    def __init__(self, code, text, codecs):
        super().__init__(f"refused with {code}: {text}")
        self.code, self.text, self.codecs = code, text, codecs


class Status(Exception):
    """A call ended with a status of the framework or the handler."""

    def __init__(self, code, text, not_executed=False, details=b""):
        super().__init__(f"status {code}: {text}" + (", not executed" if not_executed else ""))
        self.code, self.text, self.not_executed, self.details = code, text, not_executed, details


class GoneAway(Status):
    """A call was not sent, because one of the sides has said that it ends."""

    def __init__(self):
        super().__init__(UNAVAILABLE, "there was a GoAway", not_executed=True)


class ServiceError(Exception):
    """A call ended with the service's own error, still encoded."""

    def __init__(self, body):
        super().__init__(f"service error {body!r}")
        self.body = body


class Stopped(Exception):
    """Nobody takes the items any more that are to be sent."""


class Dropped(Exception):
    """The call of the other side is over, while its handler was at work."""


class Lost(Exception):
    """There is no connection any more, or there was none; it says why."""
