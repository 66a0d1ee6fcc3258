"""What the steps of the peer are told and checked with."""

import json

from wire import ServiceError, Status

LARGE = 1_000_000


def ok(step):
    print("ok: " + step, flush=True)


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


def failure(call):
    """The error that a call ends with."""
    try:
        value = call()
    except (Status, ServiceError) as error:
        return error
    raise AssertionError(f"it ended with {value!r}")


def arguments(*values):
    return json.dumps(values, separators=(",", ":")).encode()
