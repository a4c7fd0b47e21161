#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Captures conntrack events of the running kernel, with what conntrack(8) says about each.

    sudo unshare -n test/golden/capture.py test/golden

runs `conntrack -E` under strace in its own network namespace, makes one flow of each kind, and writes
every datagram that conntrack received as NAME.hex: the bytes as strace saw them, below conntrack's own
rendering of the same event, which the decoder's test compares with.
"""
import os
import re
import socket
import struct
import subprocess
import sys
import time

CONNTRACK = ["conntrack", "-E", "-o", "extended,id,labels,ktimestamp"]
STRACE = ["strace", "-qq", "-e", "trace=recvmsg", "-e", "read=all", "-s", "0"]

RULESET = """
table inet golden {
  ct helper ftp { type "ftp" protocol tcp; }
  chain early {
    type filter hook output priority raw;
    udp dport 7007 ct zone set 7
    udp dport 7008 ct original zone set 8
  }
  chain nat {
    type nat hook output priority -100;
    ip daddr 127.0.0.2 tcp dport 8080 dnat ip to 127.0.0.1:8081
  }
  chain filter {
    type filter hook output priority filter;
    ct state new udp dport 5300 ct mark set 0xc0ffee
    ct state new tcp dport 2121 ct helper set "ftp"
    ct state new tcp dport 2121 ct label set 3
    ct state new tcp dport 2121 ct label set 100
  }
}
"""


def sysctl(name, value):
    with open(f"/proc/sys/net/netfilter/{name}", "w") as file:
        file.write(str(value))


def tcp(family, client, server, port, to=None):
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(server)
    listener.listen()
    sender = socket.socket(family, socket.SOCK_STREAM)
    sender.bind((client, port))
    sender.connect(to or server)
    accepted, _ = listener.accept()
    sender.sendall(b"hello")
    accepted.recv(5)
    accepted.sendall(b"world!")
    sender.recv(6)
    for end in (sender, accepted, listener):
        end.close()


def udp(family, client, server, port):
    receiver = socket.socket(family, socket.SOCK_DGRAM)
    receiver.bind(server)
    sender = socket.socket(family, socket.SOCK_DGRAM)
    sender.bind((client, port))
    sender.sendto(b"ping", server)
    _, peer = receiver.recvfrom(4)
    receiver.sendto(b"pong!", peer)
    sender.recv(5)
    sender.close()
    receiver.close()


def udp_one_way(port, server):
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind(server)
    sender.bind(("127.0.0.1", port))
    sender.sendto(b"ping", server)
    sender.close()
    receiver.close()


def echo(family, protocol, request, address):
    sender = socket.socket(family, socket.SOCK_RAW, protocol)
    header = struct.pack("!BBHHH", request, 0, 0, 0x1234, 1)
    if family == socket.AF_INET:
        total = sum(struct.unpack("!4H", header))
        header = struct.pack("!BBHHH", request, 0, ~((total >> 16) + (total & 0xffff)) & 0xffff,
                             0x1234, 1)
    sender.sendto(header, (address, 0))
    time.sleep(0.1)
    sender.close()


def flush(*selection):
    subprocess.run(["conntrack", "-D", *selection], check=True, capture_output=True)


# Each scenario, and the name its events are filed under.
def scenarios():
    v4, v6 = socket.AF_INET, socket.AF_INET6
    yield "tcp-v4-dnat", lambda: (tcp(v4, "127.0.0.1", ("127.0.0.1", 8081), 40001, ("127.0.0.2", 8080)),
                                  flush("-p", "tcp"))
    yield "tcp-v6", lambda: (tcp(v6, "::1", ("::1", 8082), 40002), flush("-f", "ipv6", "-p", "tcp"))
    yield "tcp-helper-labels", lambda: (tcp(v4, "127.0.0.1", ("127.0.0.1", 2121), 40003),
                                        flush("-p", "tcp"))
    yield "udp-v4-mark", lambda: (udp(v4, "127.0.0.1", ("127.0.0.1", 5300), 40004), flush("-p", "udp"))
    yield "udp-v6", lambda: (udp(v6, "::1", ("::1", 5301), 40005), flush("-f", "ipv6", "-p", "udp"))
    yield "udp-zone", lambda: (udp_one_way(40006, ("127.0.0.1", 7007)), flush("-p", "udp", "-w", "7"))
    yield "udp-orig-zone", lambda: (udp_one_way(40007, ("127.0.0.1", 7008)), flush("-p", "udp"))
    yield "icmp-v4", lambda: (echo(v4, socket.IPPROTO_ICMP, 8, "127.0.0.1"), flush("-p", "icmp"))
    yield "icmp-v6", lambda: (echo(v6, socket.IPPROTO_ICMPV6, 128, "::1"),
                              flush("-f", "ipv6", "-p", "icmpv6"))


def datagrams(trace):
    """The bytes of every successful recvmsg of a strace -e read=all transcript."""
    for call in re.split(r"^recvmsg\(", trace, flags=re.M)[1:]:
        result = re.search(r"\) = (\d+)", call)
        if not result:
            continue
        dump = re.findall(r"^ \| [0-9a-f]+ +((?:[0-9a-f]{2} +)+)", call, re.M)
        data = bytes.fromhex("".join(dump))
        assert len(data) == int(result.group(1)), call
        yield data


def capture(name, act, directory):
    trace = f"/tmp/golden.{os.getpid()}"
    watcher = subprocess.Popen([*STRACE, "-o", trace, *CONNTRACK], stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True)
    time.sleep(0.7)
    act()
    time.sleep(0.5)
    subprocess.run(["pkill", "-INT", "-P", str(watcher.pid)], check=True)
    lines = watcher.communicate()[0].splitlines()
    with open(trace) as file:
        data = list(datagrams(file.read()))
    os.unlink(trace)
    assert len(lines) == len(data), (name, lines, len(data))
    for number, (line, datagram) in enumerate(zip(lines, data), 1):
        with open(f"{directory}/{name}-{number}.hex", "w") as file:
            file.write(f"# Linux {os.uname().release.split('-')[0]}, scenario {name} of capture.py,\n")
            file.write(f"# {' '.join(STRACE)} {' '.join(CONNTRACK)}\n")
            file.write(f"# conntrack: {line.strip()}\n")
            for start in range(0, len(datagram), 16):
                file.write(datagram[start:start + 16].hex(" ") + "\n")


def main():
    os.environ["TZ"] = "UTC"
    os.environ["LC_ALL"] = "C"
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["nft", "-f", "-"], input=RULESET, text=True, check=True)
    for name in ("acct", "timestamp", "events"):
        sysctl(f"nf_conntrack_{name}", 1)
    for name, act in scenarios():
        capture(name, act, sys.argv[1])


if __name__ == "__main__":
    main()
