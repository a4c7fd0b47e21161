#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What it would be worth if connections began without netfilter: firstpacket.py SLOTS

Builds firstpacket.bpf.c (clang-14, bpftool, libbpf-dev), attaches it beside the ways of fastpath.py, and prints the ratios to
`nft` (`first`: all packets are carried; `entry`: the entry is made, the packets go through netfilter); before that, what
conntrack knows of such a connection, and how it goes on when the programs are gone. Needs root, and bpffs at /sys/fs/bpf. The
findings are in docs/adr/0018-first-packet.md.
"""
import json
import os
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
from fastpath import Router, load_nft  # noqa: E402
from fastpath_lab import Namespace, run  # noqa: E402

SLOT_MS, TURNS = "40", "40"
SEEN = 2 | 4  # IPS_SEEN_REPLY, IPS_ASSURED
HOST, CONTAINER, PORT = "198.18.%d.1", "172.30.%d.2", 8080


def number(address):
    return struct.unpack("=I", socket.inet_aton(address))[0]


def mac(value):
    return ",".join("0x%02x" % byte for byte in value.to_bytes(6, "big"))


class Programs:
    """Ours, for one router; their maps live as long as they are attached."""

    def __init__(self, router, client, *defines):
        self.router = router.router
        self.directory = tempfile.mkdtemp(dir="/sys/fs/bpf")
        _, client_mac = client.link("eth%d" % router.number)
        _, uplink_mac = self.router.link("up0")
        target = "%s/firstpacket.bpf.o" % tempfile.gettempdir()
        headers = "/usr/include/" + run("gcc", "-print-multiarch").strip()
        run("clang-14", "-g", "-O2", "-target", "bpf", "-mcpu=v3", "-std=gnu11", "-Wall", "-Wextra", "-Wno-unused-function",
            "-isystem", headers, "-DHOST=%d" % number(HOST % router.number), "-DPORT=%d" % PORT, "-DCONTAINER=%d" % number(CONTAINER % router.number),
            "-DCONTAINER_PORT=80", "-DUPLINK=%d" % router.uplink, "-DVETH=%d" % router.veth,
            "-DTO_CONTAINER={%s,%s}" % (mac(router.mac), mac(router.bridge_mac)),
            "-DTO_CLIENT={%s,%s}" % (mac(client_mac), mac(uplink_mac)), *defines,
            "-c", "-o", target, os.path.join(HERE, "firstpacket.bpf.c"))
        run("bpftool", "prog", "loadall", target, self.directory)
        os.unlink(target)
        for device, program in (("up0", "first_inward"), ("v1", "first_outward")):
            self.router.run("tc", "qdisc", "add", "dev", device, "clsact")
            self.router.run("tc", "filter", "add", "dev", device, "ingress", "bpf", "da", "pinned", "%s/%s" % (self.directory, program))

    def counts(self):
        shown = json.loads(run("bpftool", "-j", "prog", "show", "pinned", self.directory + "/first_inward"))
        for each in shown["map_ids"]:
            found = json.loads(run("bpftool", "-j", "map", "dump", "id", str(each)))
            if found and "formatted" in found[0] and ".bss" in str(found[0]["formatted"]["value"]):
                return found[0]["formatted"]["value"][".bss"][0]["counts"]
        raise AssertionError("no counts")

    def detach(self):
        for device in ("up0", "v1"):
            self.router.run("tc", "qdisc", "del", "dev", device, "clsact")
        shutil.rmtree(self.directory)


def measure(slots, modes):
    client, container = Namespace(), Namespace()
    routers = [Router(i, client, container, rules) for i, rules in enumerate((load_nft, load_nft, load_nft, None))]
    client.run("ip", "link", "add", "eth9", "type", "veth", "peer", "name", "eth9", "netns", str(container.process.pid))
    for namespace, address in ((client, "10.9.0.1/24"), (container, "10.9.0.2/24")):
        namespace.run("ip", "addr", "add", address, "dev", "eth9")
        namespace.run("ip", "link", "set", "eth9", "up")
    client.run("sysctl", "-qw", "net.ipv4.tcp_max_tw_buckets=0")
    programs, entries = Programs(routers[0], client), Programs(routers[2], client, "-DENTRY_ONLY")
    running = subprocess.Popen(
        ["nsenter", "--net=" + client.path, slots, SLOT_MS, TURNS, container.path, "nft=198.18.1.1:8080", "first=198.18.0.1:8080",
         "entry=198.18.2.1:8080", "plain=172.30.3.2:80", "direct=10.9.0.2:80"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    if running.stdout.readline() != "warm\n":
        raise SystemExit("slots ended")
    for mode in modes:
        before = programs.counts()
        running.stdin.write(mode + "\n")
        running.stdin.flush()
        rates = {words[0]: [float(rate) for rate in words[1:]] for words in (running.stdout.readline().split() for _ in range(5))}
        ratios = {way: statistics.median(a / b for a, b in zip(rates[way], rates["nft"])) for way in rates}
        print("%-8s nft %.0f/s" % (mode, statistics.median(rates["nft"])),
              " ".join("%s %.2f" % (way, ratios[way]) for way in ("first", "entry", "plain", "direct")),
              {name: count - before[name] for name, count in programs.counts().items()}, flush=True)
    running.stdin.close()
    running.wait()
    programs.detach()
    entries.detach()
    for namespace in [client, container] + [router.router for router in routers]:
        namespace.close()


def entry(router):
    return router.run("conntrack", "-L").strip() or "no entry"


def exchange(name, source, sink, text):
    """Whether what one end sends reaches the other."""
    source.send(text)
    try:
        print("    %s: %s" % (name, "arrives" if sink.recv(100) == text else "arrives changed"))
    except OSError as error:
        print("    %s: %s" % (name, error))


def observe(kind, status, first_speaker):
    """One connection: what conntrack knows of it, and how it goes on without the programs."""
    client, container = Namespace(), Namespace()
    router = Router(0, client, container, load_nft)
    programs = Programs(router, client, *(["-DSTATUS=%d" % status] if status else []))
    print("\n%s, status %s, then without the programs, %s first" % (
        "TCP" if kind == socket.SOCK_STREAM else "UDP", "SEEN_REPLY|ASSURED" if status else "as it is", first_speaker))
    events = subprocess.Popen(["nsenter", "--net=" + router.router.path, "conntrack", "-E", "-b", "65536"], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True)
    time.sleep(0.2)
    with container.socket(socket.AF_INET, kind) as listener, client.socket(socket.AF_INET, kind) as outside:
        listener.bind(("", 80))
        if kind == socket.SOCK_STREAM:
            listener.listen()
        outside.connect((HOST % 0, PORT))
        outside.send(b"hello")
        inside = listener.accept()[0] if kind == socket.SOCK_STREAM else listener
        if kind == socket.SOCK_STREAM:
            inside.recv(100)
        else:
            inside.connect(inside.recvfrom(100)[1])
        inside.send(b"welcome")
        outside.recv(100)
        print("    programs:", programs.counts())
        print("    conntrack:", entry(router.router))
        programs.detach()
        outside.settimeout(1)
        inside.settimeout(1)
        ends = [("client to container", outside, inside), ("container to client", inside, outside)]
        for name, source, sink in ends if first_speaker == "client" else ends[::-1]:
            exchange(name, source, sink, name.encode())
        print("    conntrack:", entry(router.router))
        inside.close()
    router.router.run("conntrack", "-F")
    time.sleep(0.2)
    events.terminate()
    print("    events:", events.communicate()[0].strip() or "none")
    for namespace in (client, container, router.router):
        namespace.close()


if __name__ == "__main__":
    for each in ((socket.SOCK_STREAM, 0, "client"), (socket.SOCK_STREAM, SEEN, "client"), (socket.SOCK_STREAM, SEEN, "container"),
                 (socket.SOCK_DGRAM, 0, "container"), (socket.SOCK_DGRAM, SEEN, "container")):
        observe(*each)
    measure(os.path.abspath(sys.argv[1]), ["connect", "datagram", "tcp_rr", "udp_rr"])
