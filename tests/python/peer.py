"""A peer in another language, written from PROTOCOL.md alone, with nothing but Python's standard library.

`wire` beside it holds the protocol: handshake, frames, calls and flow, the same for both sides; `streaming` the steps
that have streams. This file is what the tests run: `peer.py client HOST PORT` calls a server of the runtime, `peer.py server` serves a client of it. Each
step that held is printed as `ok: ..`; the first that did not ends the program with a traceback.
"""

import json
import socket
import sys
import time

import streaming
from steps import LARGE, arguments, expect, failure, ok
from wire import CANCELLED, DEADLINE_EXCEEDED, UNIMPLEMENTED, Dropped, GoneAway, Refused, ServiceError, dial, welcome

GRANT = {"in_flight": 64, "request_window": 4 << 20, "max_message": 2 << 20, "max_header": 16384, "streams": 16,
         "stream_window": 65536}


# The client.


def client(host, port):
    def connect(codec="json", **more):
        return dial(socket.create_connection((host, port), 10), codec, GRANT, **more)

    refusal(connect)
    connection = connect(metadata={"token": "7"})
    ok("handshake")
    calls(connection)
    errors(connection)
    deadline(connection)
    cancel(connection)
    large(connection)
    streaming.client(connection)
    streaming.half_close(connect())
    goodbye_of_the_client(connection)
    goodbye_of_the_server(connect())


def refusal(connect):
    try:
        connect("cbor")
    except Refused as refused:
        expect(refused.code == UNIMPLEMENTED and "json" in refused.codecs, refused.text)
        ok("refusal")
        return
    raise AssertionError("a server that speaks cbor")


def calls(connection):
    expect(connection.call("Arith", "sum", arguments({"a": 1, "b": 2})) == b"3", "the sum")
    ok("unary call by position")
    expect(connection.call("Arith", "sum", b'{ "args": {"b": 2, "a": 40} }') == b"42", "the sum by name")
    ok("unary call by name")
    request = connection.start("Arith", "sum", arguments({"a": -1, "b": 1}), metadata=[("key", "value")])
    expect(connection.wait(request) == b"0", "the sum")
    expect(request.response_metadata == [("key", "value")], request.response_metadata)
    ok("metadata both ways")
    # Started one after the other, looked at in the other order.
    started = [connection.start("Arith", "sum", arguments({"a": n, "b": n})) for n in range(32)]
    for n, request in reversed(list(enumerate(started))):
        expect(connection.wait(request) == str(2 * n).encode(), "the sum of many")
    ok("many calls at a time")


def errors(connection):
    error = failure(lambda: connection.call("Arith", "div", arguments({"a": 1, "b": 0})))
    expect(isinstance(error, ServiceError) and error.body == b'"DivideByZero"', error)
    ok("application error")
    error = failure(lambda: connection.call("Arith", "mul", b"[]"))
    expect((error.code, error.not_executed) == (UNIMPLEMENTED, True), error)
    ok("unknown method")


def deadline(connection):
    began = time.monotonic()
    error = failure(lambda: connection.call("Arith", "slow", b"[]", timeout=0.1))
    expect((error.code, error.not_executed) == (DEADLINE_EXCEEDED, False), error)
    expect(0.05 < time.monotonic() - began < 5, "the deadline of the server")
    ok("deadline")


def cancel(connection):
    request = connection.start("Arith", "slow", b"[]")
    # The answer to a later call says that the handler had its chance to begin.
    connection.call("Arith", "sum", arguments({"a": 1, "b": 2}))
    connection.cancel(request)
    error = failure(lambda: connection.wait(request))
    expect(error.code == CANCELLED, error)
    ok("cancel")


def large(connection):
    text = b'"' + b"x" * LARGE + b'"'
    expect(connection.call("Arith", "echo", b"[" + text + b"]") == text, "the echo")
    expect(connection.parts_sent > 1 and connection.parts_received > 1, "it travels in parts")
    ok("a large message in parts each way")
    started = [connection.start("Arith", "echo", b"[" + text + b"]") for _ in range(12)]
    for request in started:
        expect(connection.wait(request) == text, "the echo of many")
    expect(connection.waited_for_credit, "twelve megabytes are above the window")
    ok("the request window and its credit")


def goodbye_of_the_client(connection):
    request = connection.start("Arith", "pause", b"[]")
    connection.go_away(0, "that was all")
    connection.end()
    expect(connection.wait(request) == b"null", "the answer behind the half-close")
    connection.wait_for_the_end()
    expect(connection.peer_went_away[0] == 0, connection.peer_went_away)
    ok("goaway of the client, half-close")


def goodbye_of_the_server(connection):
    request = connection.start("Arith", "pause", b"[]")
    # Behind this the other program shuts the server down.
    ok("a call is in flight")
    expect(connection.wait(request) == b"null", "a call in flight is finished")
    connection.wait_for_goaway()
    try:
        connection.start("Arith", "sum", arguments({"a": 1, "b": 2}))
        raise AssertionError("a request behind a goaway")
    except GoneAway:
        pass
    connection.go_away(0, "so be it")
    connection.end()
    connection.wait_for_the_end()
    ok("goaway of the server")


# The server.


def server():
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(30)
    print(f"port {listener.getsockname()[1]}", flush=True)
    accepted, _ = listener.accept()
    expect(welcome(accepted, ["json"], GRANT) is None, "a client with another codec")
    ok("refusal")
    serve(accept(listener))
    ok("goaway of the client")
    connection = accept(listener)
    connection.leave_after = "sum"
    serve(connection)
    ok("goaway of the server")


def accept(listener):
    accepted, _ = listener.accept()
    connection = welcome(accepted, ["json"], GRANT)
    expect(connection is not None, "a client that speaks json")
    ok("handshake")
    connection.methods = streaming.METHODS
    return connection


def serve(connection):
    """Until both sides have said good-bye and ended their directions."""
    while True:
        request = connection.next_request()
        if request is None:
            return
        if request.ended == "cancelled":
            ok("cancel")
        elif request.ended == "deadline":
            ok("deadline")
        elif request.service != "Arith":
            connection.answer_status(request, UNIMPLEMENTED, "there is no such service", not_executed=True)
        else:
            method(connection, request)
        if connection.leave_after == request.method:
            connection.go_away(0, "the server leaves")


def method(connection, request):
    if request.method == "sum":
        (pair,) = json.loads(request.body)
        metadata = [entry for entry in request.metadata if entry[0] == "key"]
        connection.answer(request, json.dumps(pair["a"] + pair["b"]).encode(), metadata)
    elif request.method == "div":
        connection.answer_error(request, b'"DivideByZero"')
    elif request.method == "echo":
        (text,) = json.loads(request.body)
        connection.answer(request, json.dumps(text).encode())
    elif request.method == "relay":
        # Served by whoever called this.
        connection.answer(request, connection.call("Arith", "sum", request.body))
    elif request.method in streaming.METHODS:
        try:
            streaming.serve(connection, request)
        except Dropped:
            # A Cancel: `serve` is told of it like of any other.
            pass
    elif request.method == "slow":
        # It ends with a Cancel or with its deadline.
        pass
    else:
        connection.answer_status(request, UNIMPLEMENTED, "there is no such method", not_executed=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["client"]:
        client(sys.argv[2], int(sys.argv[3]))
    elif sys.argv[1:2] == ["server"]:
        server()
    else:
        sys.exit(__doc__)
