#!/usr/bin/env python3
"""Follows the flow events of Sluice in their binary form (docs/events.md), one line each.

    events.py [--socket PATH] [--cursor FILE]

Without a cursor it begins with what happens from now on. With one it begins with everything that is retained,
writes down how far it has come, and goes on there the next time. It survives broken connections and restarts of
the agent. Python 3.8 or newer, nothing else.
"""

import argparse
import http.client
import ipaddress
import os
import socket
import struct
import sys
import time

FRAME = "QQQBB6x64s192s"  # sequence, next sequence, mapping id, label length, flags, label, record
FLOW = "BBBBHHQIIIIIBBBBHHHH16s16s16s16sQQQQQQ16s16s"
GAP = "BBB5xQQQQ152x"  # kind, cause, at most, event time, lost, from, to
ALARM = "BBH4xQQQQ152s"  # kind, level, text bytes, event time, entries, limit, drops, text
FRAME_BYTES = 288
KINDS = {1: "new", 2: "update", 3: "destroy"}
GAP_KIND, ALARM_KIND = 4, 6
CAUSES = {1: "receive-buffer", 2: "ring", 3: "malformed", 4: "slow-consumer", 5: "agent-restart"}
LEVELS = {1: "warning", 2: "critical", 3: "full", 4: "cleared"}
PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6", 132: "sctp"}
HAS_PORTS, HAS_COUNTERS, SYNTHESISED = 1 << 5, 1 << 10 | 1 << 11, 1
LONGEST_PAUSE_SECONDS = 5.0


class UnixConnection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.host)


def clock(nanos):
    seconds, rest = divmod(nanos, 10**9)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:09}Z"


def end(family, address, port, present):
    text = str(ipaddress.ip_address(address[:4] if family == socket.AF_INET else address))
    if not present & HAS_PORTS:
        return text
    return f"[{text}]:{port}" if ":" in text else f"{text}:{port}"


def flow_line(order, record, label, flags):
    (kind, family, protocol, _, _, _, nanos, present, _, _, _, _, _, _, _, _, sport, dport, reply_sport, _,
     src, dst, reply_src, _, packets, size, reply_packets, reply_size, _, _, _, _) = struct.unpack(order + FLOW, record)
    words = [clock(nanos), KINDS.get(kind, str(kind)), PROTOCOLS.get(protocol, str(protocol)),
             end(family, src, sport, present), "->", end(family, dst, dport, present),
             "at", end(family, reply_src, reply_sport, present)]
    if label:
        words.append(f"[{label}]")
    if present & HAS_COUNTERS == HAS_COUNTERS:
        words.append(f"{packets}/{size} {reply_packets}/{reply_size}")
    if flags & SYNTHESISED:
        words.append("(concluded)")
    return " ".join(words)


def line(order, frame):
    """The event as a line, and the number of the next one."""
    sequence, following, _, length, flags, label, record = struct.unpack(order + FRAME, frame)
    kind = record[0]
    if kind == GAP_KIND:
        _, cause, at_most, nanos, lost, _, _ = struct.unpack(order + GAP, record)
        text = f"{clock(nanos)} gap {'at most ' if at_most else ''}{lost} lost ({CAUSES.get(cause, cause)})"
    elif kind == ALARM_KIND:
        _, level, size, nanos, _, _, _, words = struct.unpack(order + ALARM, record)
        text = f"{clock(nanos)} alarm {LEVELS.get(level, level)}: {words[:size].decode()}"
    else:
        text = flow_line(order, record, label[:length].decode("ascii"), flags)
    return f"{sequence} {text}", following


def follow(path, cursor):
    """Yields lines, each with the position behind it, until the connection ends."""
    stream, _, following = cursor.partition("/")
    query = f"?from={following}&stream={stream}" if stream else f"?from={following}" if following else ""
    connection = UnixConnection(path)
    try:
        connection.request("GET", "/v1/events" + query, headers={"Accept": "application/vnd.sluice.events", "Host": "sluice"})
        response = connection.getresponse()
        if response.status == 409:  # numbers of another run of the agent
            yield "- agent restarted", "/1"
            return
        if response.status >= 500:
            raise OSError(response.read(65536).decode(errors="replace"))
        if response.status != 200:
            sys.exit(response.read(65536).decode(errors="replace"))
        if not response.chunked:  # it stands behind the others: http.client takes half a header for a whole one
            raise OSError("the answer broke off")
        order = "<" if response.getheader("Sluice-Byte-Order") == "LITTLE_ENDIAN" else ">"
        stream = response.getheader("Sluice-Stream")
        yield None, f"{stream}/{response.getheader('Sluice-Next')}"
        rest = b""
        while data := response.read1(65536):
            rest += data
            whole = len(rest) - len(rest) % FRAME_BYTES
            for at in range(0, whole, FRAME_BYTES):
                text, following = line(order, rest[at:at + FRAME_BYTES])
                yield text, f"{stream}/{following}"
            rest = rest[whole:]
    finally:
        connection.close()


def write_cursor(file, position):
    with open(file + ".new", "w", encoding="ascii") as cursor:
        cursor.write(position + "\n")
    os.replace(file + ".new", file)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--socket", default="/run/sluice/sluice.sock")
    options.add_argument("--cursor", metavar="FILE")
    given = options.parse_args()
    position = "/1" if given.cursor else ""
    if given.cursor and os.path.exists(given.cursor):
        with open(given.cursor, encoding="ascii") as cursor:
            position = cursor.read().strip()
    pause = 0.1
    while True:
        try:
            for text, position in follow(given.socket, position):
                if text:
                    print(text, flush=True)
                if given.cursor:
                    write_cursor(given.cursor, position)
                pause = 0.1
        except (OSError, http.client.HTTPException) as broken:
            print(f"sluice: {broken}; trying again", file=sys.stderr)
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


if __name__ == "__main__":
    try:
        main()
    except (KeyboardInterrupt, BrokenPipeError):
        sys.exit(0)
