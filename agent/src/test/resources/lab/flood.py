"""A flood from one source, and the server it is aimed at.

flood.py serve PORT                 answers every connection with one byte and keeps it open
flood.py flood ADDRESS PORT COUNT   keeps COUNT connections open; those that do not come about are tried again and
                                    again, each time from another port
"""

import resource
import select
import socket
import sys
import time

_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def serve(port):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("", port))
    listener.listen(4096)
    print("serving", flush=True)
    connections = []
    while True:
        connection, _ = listener.accept()
        try:
            connection.send(b"!")
        except OSError:
            pass
        connections.append(connection)
        if len(connections) > most - 100:
            connections = connections[len(connections) // 2 :]


def attempt(address):
    s = socket.socket()
    s.setblocking(False)
    s.connect_ex(address)
    return s


def flood(address, count):
    attempts = []
    established = []
    print("flooding", flush=True)
    while True:
        while len(attempts) + len(established) < count:
            attempts.append(attempt(address))
            if len(attempts) % 100 == 0:
                time.sleep(0.01)
        time.sleep(0.5)
        poll = select.poll()
        for s in attempts:
            poll.register(s, select.POLLOUT)
        done = {number for number, events in poll.poll(0) if events == select.POLLOUT}
        established += [s for s in attempts if s.fileno() in done]
        for s in attempts:
            if s.fileno() not in done:
                s.close()
        attempts = []


if sys.argv[1] == "serve":
    serve(int(sys.argv[2]))
else:
    flood((sys.argv[2], int(sys.argv[3])), int(sys.argv[4]))
