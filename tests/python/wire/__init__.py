"""The rpc protocol, version 1, for both sides of a connection, with nothing but Python's standard library.

Every rule in here comes from PROTOCOL.md alone, and so do the names. `dial` and `welcome` are the two sides of the
handshake; what they return is a `Connection`, on which both sides are equal. It is a strict peer, written to test the
other side. It leaves out stalls and keepalive: for any silence it has one limit of its own.

Each module imports only those before it: terms, headers, frames, calls, streams, transport, streamer, caller and callee,
connection, handshake.
"""

from .handshake import dial, welcome
from .terms import (
    ABORTED, CANCELLED, DEADLINE_EXCEEDED, UNIMPLEMENTED, Dropped, GoneAway, Refused, ServiceError, Status, Stopped,
)

__all__ = [
    "ABORTED", "CANCELLED", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "Dropped", "GoneAway", "Refused", "ServiceError",
    "Status", "Stopped", "dial", "welcome",
]

