"""The steps of the peer that have streams: as a client of the runtime, and as its server.

Every rule in this file comes from PROTOCOL.md alone, and so do the methods: its section on golden sessions has them.
"""

import json
import time

from steps import LARGE, arguments, expect, failure, ok
from wire import ABORTED, CANCELLED, ServiceError, Status, Stopped

# Whether a method takes items, and whether it returns them.
METHODS = {
    "count": (False, True), "units": (False, True), "watch": (False, True), "quotients": (False, True),
    "total": (True, False), "first": (True, False), "leave": (True, False), "unread": (True, False),
    "echo_items": (True, True),
}
MANY = 10_000


def start(connection, method, *values):
    sends, receives = METHODS[method]
    return connection.start("Arith", method, arguments(*values), sends=sends, receives=receives)


def numbers(*values):
    return [str(value).encode() for value in values]


# The client.


def client(connection):
    server_streams(connection)
    ends_of_server_streams(connection)
    client_streams(connection)
    ends_of_client_streams(connection)
    both_ways(connection)
    call_back(connection)


def server_streams(connection):
    stream = start(connection, "count", 0, 3)
    expect(list(connection.items(stream)) == numbers(0, 1, 2), "three items")
    ok("items of the server")
    stream = start(connection, "count", 0, MANY)
    expect(list(connection.items(stream)) == numbers(*range(MANY)), "many items")
    expect(stream.incoming.credits > 0, "they are more than the window holds")
    ok("credit for items")
    unread = start(connection, "count", 0, MANY)
    # Everything that the window lets through comes, and this beside it.
    for n in range(100):
        expect(connection.call("Arith", "sum", arguments({"a": n, "b": 1})) == str(n + 1).encode(), "the sum")
    other = start(connection, "count", 0, MANY)
    expect(list(connection.items(other)) == numbers(*range(MANY)), "the items of another stream")
    expect(unread.outcome is None and unread.incoming.window <= 0, "the window of the stream that is not read")
    expect(list(connection.items(unread)) == numbers(*range(MANY)), "the items that were not read at first")
    ok("a stream that is not read stops no other")


def ends_of_server_streams(connection):
    stream = start(connection, "quotients", 6)
    items = [connection.next_item(stream), connection.next_item(stream)]
    error = failure(lambda: connection.next_item(stream))
    expect((stream.opened, items) == (True, numbers(3, 6)), items)
    expect(isinstance(error, ServiceError) and error.body == b'"DivideByZero"', error)
    ok("items, and the service's error")
    stream = start(connection, "quotients", 0)
    error = failure(lambda: connection.next_item(stream))
    expect(isinstance(error, ServiceError) and not stream.opened, error)
    ok("a stream that can not be opened")
    stream = start(connection, "watch")
    expect(connection.next_item(stream) == b"7", "the item")
    connection.cancel(stream)
    expect(failure(lambda: connection.wait(stream)).code == CANCELLED, stream.outcome)
    ok("cancel of a stream")


def client_streams(connection):
    call = start(connection, "total", 10)
    connection.send_items(call, numbers(1, 2, -3))
    connection.end_items(call)
    expect(connection.wait(call) == b"10", call.outcome)
    ok("items of the client")
    call = start(connection, "total", 0)
    connection.send_items(call, numbers(*range(MANY)))
    connection.end_items(call)
    expect(connection.wait(call) == str(sum(range(MANY))).encode(), call.outcome)
    expect(call.outgoing.given > 0, "they are more than the window holds")
    ok("credit from the server")


def ends_of_client_streams(connection):
    call = start(connection, "total", 10)
    connection.send_items(call, numbers(1))
    connection.end_items(call, Status(ABORTED, "out of paper"))
    expect(connection.wait(call) == b"-1", call.outcome)
    ok("a producer that fails")
    call = start(connection, "first")
    connection.send_items(call, numbers(7))
    expect(connection.wait(call) == b"7", call.outcome)
    ok("an answer before the end of the items")
    call = start(connection, "leave")
    expect(sends_until_stopped(connection, call) and call.outcome is None, "it goes on without its items")
    expect(connection.wait(call) == b"7", call.outcome)
    ok("cancel of the callee")


def sends_until_stopped(connection, call):
    deadline = time.monotonic() + 10
    try:
        while time.monotonic() < deadline:
            connection.send_items(call, numbers(7))
    except Stopped:
        return True
    return False


def both_ways(connection):
    call = start(connection, "echo_items")
    for text in ("a", "b", "c"):
        connection.send_items(call, [json.dumps(text).encode()])
        expect(connection.next_item(call) == json.dumps(text).encode(), "the echo")
    ok("one item at a time, both ways")
    large = b'"' + b"x" * LARGE + b'"'
    connection.send_items(call, [large])
    expect(connection.next_item(call) == large and call.incoming.came_in_parts > 1, "the echo in parts")
    # Behind an item that was larger than both windows.
    connection.send_items(call, [b'"d"'])
    expect(connection.next_item(call) == b'"d"', "the echo")
    connection.end_items(call)
    expect(connection.next_item(call) is None, "the end of the echo")
    ok("an item in parts each way")


def call_back(connection):
    connection.offers = True
    relay = connection.start("Arith", "relay", arguments({"a": 1, "b": 2}))
    request = connection.next_request()
    (pair,) = json.loads(request.body)
    # Both ways at once.
    expect(connection.call("Arith", "sum", arguments({"a": 3, "b": 4})) == b"7", "a call within a call back")
    connection.answer(request, json.dumps(pair["a"] + pair["b"]).encode())
    expect(connection.wait(relay) == b"3", relay.outcome)
    ok("a call back")


def half_close(connection):
    call = start(connection, "total", 10)
    connection.send_items(call, numbers(1))
    connection.go_away(0, "that was all")
    connection.end()
    expect(connection.wait(call) == b"-1", call.outcome)
    connection.wait_for_the_end()
    ok("a half-close cuts items")


# The server.


def serve(connection, request):
    """A handler with streams. It is at work until it has its end: the requests behind it wait so long."""
    values = json.loads(request.body)
    HANDLERS[request.method](connection, request, *values)


def count(connection, request, first, below):
    connection.send_items(request, numbers(*range(first, below)))
    connection.complete(request)


def units(connection, request, times):
    connection.send_items(request, [b"null"] * times)
    connection.complete(request)


def watch(connection, request):
    # Its end is a Cancel.
    connection.send_items(request, numbers(7))


def quotients(connection, request, of):
    if of == 0:
        return connection.answer_error(request, b'"DivideByZero"')
    connection.open(request)
    connection.send_items(request, numbers(of // 2, of))
    connection.complete(request, error=b'"DivideByZero"')


def total(connection, request, first):
    try:
        value = first + sum(json.loads(item) for item in connection.items(request))
    except Status:
        value = -1
    connection.answer(request, str(value).encode())


def first(connection, request):
    connection.answer(request, connection.next_item(request))


def leave(connection, request):
    item = connection.next_item(request)
    connection.stop_items(request)
    ok("the items are stopped")
    # A call meanwhile says that the connection goes on; its answer is behind what the other side had under way.
    connection.call("Arith", "sum", arguments({"a": 1, "b": 2}))
    connection.answer(request, item)


def unread(connection, request):
    # Its end is a Cancel.
    pass


def echo_items(connection, request):
    for item in connection.items(request):
        connection.send_items(request, [item])
    connection.complete(request)


HANDLERS = {
    "count": count, "units": units, "watch": watch, "quotients": quotients, "total": total, "first": first,
    "leave": leave, "unread": unread, "echo_items": echo_items,
}
