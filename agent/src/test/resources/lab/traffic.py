#!/usr/bin/python3 -IS
"""Traffic tool of the laboratory: one process per network namespace, driven over standard input and output.

One JSON object per line in, one per line out; "id" pairs them, "do" names the command. Commands run in threads of
their own, so a slow one (a connection attempt that times out) holds up nobody. Ends when standard input does.

  serve   {name, tcp: [first-last | port ...], udp: [...]}   -> {}      answers "<name>:<port> peer=<address>\n"
          over TCP, then echoes what it is sent; over UDP, one answer per datagram
  get     {protocol, address, port, source?, timeoutSeconds} -> {outcome, text}
  hold    {address, port, count, sources, timeoutSeconds,    -> {held, answered, servers}
           atOnce}
  ping    {held_number, timeoutSeconds}                             -> {alive}  connections of a hold that still echo
  release {held_number}                                             -> {}
  inject  {device, destinationMac, count, packet}            -> {}       packet is a scapy expression above Ethernet
  flood   {device, destinationMac, count, packet}            -> {}       the same for each i below count, which packet uses
"""
import errno
import json
import socket
import sys
import threading
import time

# Started without site (-S): most processes never need scapy, and looking for packages is half of Python's start.
SCAPY_PATH = "/usr/lib/python3/dist-packages"

output_lock = threading.Lock()
held_lock = threading.Lock()
held = {}
servers = []


def reply(message):
    with output_lock:
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()


def plain(address):
    """An IPv4 peer of a dual-stack socket, as people write it."""
    return address.replace("::ffff:", "")


def ports(spec):
    for item in spec:
        first, _, last = str(item).partition("-")
        yield from range(int(first), int(last or first) + 1)


def answer_connection(name, port, connection, peer):
    with connection:
        try:
            connection.sendall(f"{name}:{port} peer={plain(peer[0])}\n".encode())
            while data := connection.recv(65536):
                connection.sendall(data)
        except OSError:
            pass  # the other end went away: that is its right


def serve_tcp(name, port, listener):
    while True:
        connection, peer = listener.accept()
        threading.Thread(target=answer_connection, args=(name, port, connection, peer), daemon=True).start()


def serve_udp(name, port, sock):
    while True:
        try:
            _, peer = sock.recvfrom(65536)
            sock.sendto(f"{name}:{port} peer={plain(peer[0])}\n".encode(), peer)
        except OSError:
            pass  # an ICMP error about an earlier answer


def serve(name, tcp=(), udp=()):
    for kind, loop, spec in ((socket.SOCK_STREAM, serve_tcp, tcp), (socket.SOCK_DGRAM, serve_udp, udp)):
        for port in ports(spec):
            sock = socket.socket(socket.AF_INET6, kind)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            sock.bind(("::", port))
            if kind == socket.SOCK_STREAM:
                sock.listen(1024)
            servers.append(sock)
            threading.Thread(target=loop, args=(name, port, sock), daemon=True).start()
    return {}


def connect(protocol, address, port, source, timeout):
    sock = socket.socket(
        socket.AF_INET6 if ":" in address else socket.AF_INET,
        socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM,
    )
    try:
        sock.settimeout(timeout)
        if source:
            sock.bind((source, 0))
        sock.connect((address, port))
        if protocol == "udp":
            sock.send(b"x")
        return sock, sock.recv(512).decode().strip()
    except BaseException:
        sock.close()
        raise


def outcome_of(error):
    if isinstance(error, TimeoutError) or error.errno == errno.ETIMEDOUT:
        return "TIMEOUT"
    if error.errno == errno.ECONNREFUSED:
        return "REFUSED"
    if error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EACCES, errno.EPERM):
        return "UNREACHABLE"
    if error.errno in (errno.ECONNRESET, errno.EPIPE):
        return "RESET"
    raise error


def get(protocol, address, port, timeoutSeconds, source=None):
    try:
        sock, text = connect(protocol, address, port, source, timeoutSeconds)
    except OSError as error:
        return {"outcome": outcome_of(error), "text": str(error)}
    sock.close()
    # A connection that is closed without a word is no answer.
    return {"outcome": "ANSWERED" if text else "RESET", "text": text}


def hold(address, port, count, sources, timeoutSeconds, atOnce):
    def attempt(i):
        try:
            return connect("tcp", address, port, sources[i % len(sources)] if sources else None, timeoutSeconds)
        except OSError as error:
            outcome_of(error)
            return None

    import concurrent.futures

    with concurrent.futures.ThreadPoolExecutor(count if atOnce else 1) as attempts:
        answered = [one for one in attempts.map(attempt, range(count)) if one]
    who = {}
    for _, text in answered:
        server = text.partition(":")[0]
        who[server] = who.get(server, 0) + 1
    with held_lock:
        number = len(held) + 1
        held[number] = [sock for sock, _ in answered]
    return {"held": number, "answered": len(answered), "servers": who}


def ping(held_number, timeoutSeconds):
    asked, alive = [], 0
    for sock in held[held_number]:
        try:
            sock.sendall(b"ping")
            asked.append(sock)
        except OSError as error:
            outcome_of(error)
    deadline = time.monotonic() + timeoutSeconds
    for sock in asked:
        try:
            sock.settimeout(max(deadline - time.monotonic(), 0.001))
            alive += sock.recv(64) == b"ping"
        except OSError as error:
            outcome_of(error)
    return {"alive": alive}


def release(held_number):
    for sock in held[held_number]:
        sock.close()
    held[held_number] = []
    return {}


def frames(device, destinationMac, count, packet):
    if SCAPY_PATH not in sys.path:
        sys.path.append(SCAPY_PATH)
    import scapy.all as scapy

    ethernet = scapy.Ether(src=scapy.get_if_hwaddr(device), dst=destinationMac)
    code = compile(packet, "packet", "eval")
    return [bytes(ethernet / eval(code, {**vars(scapy), "i": i})) for i in range(count)]


def send(device, wanted):
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.bind((device, 0))
        for frame in wanted:
            sock.send(frame)
    return {}


def inject(device, destinationMac, count, packet):
    return send(device, frames(device, destinationMac, 1, packet) * count)


def flood(device, destinationMac, count, packet):
    return send(device, frames(device, destinationMac, count, packet))


COMMANDS = {
    "serve": serve,
    "get": get,
    "hold": hold,
    "ping": ping,
    "release": release,
    "inject": inject,
    "flood": flood,
}


def run(number, command, arguments):
    try:
        reply({"id": number, "result": COMMANDS[command](**arguments)})
    except Exception as error:  # the test that asked reports it
        reply({"id": number, "error": f"{type(error).__name__}: {error}"})


def main():
    reply({"id": 0, "result": {}})
    for line in sys.stdin:
        request = json.loads(line)
        arguments = (request.pop("id"), request.pop("do"), request)
        threading.Thread(target=run, args=arguments, daemon=True).start()


main()
