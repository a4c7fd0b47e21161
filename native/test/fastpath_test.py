#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The fast path with real traffic, in network namespaces: fastpath_test.py LIBRARY

What the programs make of a packet, bit by bit, is tested by fastpath_test.c. Needs root, nft, ip, tc and conntrack.
"""
import ctypes
import hashlib
import os
import random
import re
import socket
import struct
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from fastpath_lab import (CLIENT4, CLIENT6, LIBC, ROUTER4, ROUTER6, Fast, Lab, Namespace, set_liberal,
                          wait_for)  # noqa: E402

LIBRARY = None
TCP, UDP = socket.SOCK_STREAM, socket.SOCK_DGRAM
V4, V6 = socket.AF_INET, socket.AF_INET6
ROUTER = {V4: ROUTER4, V6: ROUTER6}
CLIENT = {V4: CLIENT4, V6: CLIENT6}
NAME = {V4: "ipv4", V6: "ipv6"}
# Of each kind, family and direction. FRAMES=125000 takes a million packets through either path, in two minutes.
FRAMES = int(os.environ.get("FRAMES", 1000))

# linux/in.h, linux/in6.h: level, and what is numbered otherwise in each family.
OPTIONS = {
    V4: {"level": socket.IPPROTO_IP, "options": (4, b"\1\1\1\1"), "recverr": 11, "hops": 2, "mtu_discover": 10},
    V6: {"level": socket.IPPROTO_IPV6, "options": (59, b"\0\0\1\4\0\0\0\0"), "recverr": 25, "hops": 16, "mtu_discover": 23},
}
PMTUDISC_DO = 2

# A port published on the loopback device as well, as Docker does it.
LOOPBACK = """
table inet loopback {
	chain raw { type filter hook prerouting priority raw
		iifname != lo ip saddr 127.0.0.0/8 counter drop
	}
	chain output { type nat hook output priority -100
		ip daddr 127.0.0.0/8 udp dport 8080 dnat ip to 172.30.0.2:80
	}
	chain post { type nat hook postrouting priority 90
		ip saddr 127.0.0.0/8 oifname br0 masquerade
	}
}
"""

MARKS = """
table inet marks {
	chain pre { type filter hook prerouting priority mangle
		ct mark set 7
		meta mark set ct mark
	}
}
"""

# What sluice_fastpath_open() returns, and says.
OPEN = """
import ctypes, sys
c = ctypes.CDLL(sys.argv[1])
c.sluice_last_error.restype = ctypes.c_char_p
c.sluice_fastpath_open.argtypes = [ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint64]
handle = ctypes.c_uint64()
print(c.sluice_fastpath_open(16, 16, ctypes.addressof(handle)), c.sluice_last_error().decode())
"""


def random_frame(family, kind, src, dst, gateway, mark):
    """A packet of a flow as a strange but honest sender might make it."""
    address = [socket.inet_pton(family, end[0]) for end in (src, dst)]
    payload = mark + os.urandom(random.randrange(1200))
    ports = struct.pack("!HH", src[1], dst[1])
    if kind == TCP:
        options = b"\1" * 4 * random.randrange(11)  # NOP
        flags = 0x10 | random.choice((0, 8))
        header = ports + os.urandom(8) + bytes([(5 + len(options) // 4) << 4, flags]) + os.urandom(2) + b"\0\0\0\0" + options
        at, number = 16, 6
    else:
        header = ports + struct.pack("!HH", 8 + len(payload), 0)
        at, number = 6, 17
    length = len(header) + len(payload)
    check = checksum(b"".join(address) + struct.pack("!II", length, number) + header + payload)
    if kind == UDP:
        check = check or 0xFFFF
        if family == V4 and random.random() < 0.1:
            check = 0  # none
    header = header[:at] + struct.pack("!H", check) + header[at + 2:]
    ttl = random.randrange(2, 256)
    if family == V4:
        ip = struct.pack("!BBHHHBBH", 0x45, random.randrange(256) & 0xFC, 20 + length, random.randrange(65536),
                         random.choice((0, 0x4000)), ttl, number, 0) + b"".join(address)
        ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    else:
        ip = struct.pack("!IHBB", 6 << 28 | random.randrange(1 << 28) & 0x0FCFFFFF, length, number, ttl) + b"".join(address)
    return gateway.to_bytes(6, "big") + b"\2\0\0\0\0\x77" + (b"\x08\0" if family == V4 else b"\x86\xdd") + ip + header + payload


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data + b"\0") // 2), data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Foreign:
    """Somebody else's program at a device of the router, which drops every packet."""

    # linux/bpf.h: BPF_TCX_INGRESS, BPF_TCX_EGRESS, BPF_PROG_TYPE_SCHED_CLS, BPF_F_BEFORE
    TCX, SCHED_CLS, BEFORE = {"ingress": 46, "egress": 47}, 3, 8

    def __init__(self, lab, how, device="up0", way="ingress"):
        self.lab, self.tcx, self.fd, self.place = lab, how == Fast.TCX, None, (device, way)
        self.target = lab.router.link(device)[0]

    def attach(self):
        if self.tcx:
            drop = ctypes.create_string_buffer(struct.pack("=BBhiBBhi", 0xB7, 0, 0, 2, 0x95, 0, 0, 0))  # return TCX_DROP
            name = ctypes.create_string_buffer(b"Apache-2.0")
            self.fd = self.bpf(5, struct.pack("=IIQQ", self.SCHED_CLS, 2, ctypes.addressof(drop), ctypes.addressof(name)))
            self.bpf(8, struct.pack("=IIIIIIQ", self.target, self.fd, self.TCX[self.place[1]], self.BEFORE, 0, 0, 0))
        else:
            if "clsact" not in self.lab.router.run("tc", "qdisc", "show", "dev", self.place[0]):
                self.lab.router.run("tc", "qdisc", "add", "dev", self.place[0], "clsact")
            # As one does who does not think of priorities: the kernel finds one.
            self.lab.router.run("tc", "filter", "add", "dev", *self.place, "bpf", "da", "bytecode", "1,6 0 0 2,")
            self.priority, = self.priorities()

    def detach(self):
        if self.tcx:
            self.bpf(9, struct.pack("=IIIIIIQ", self.target, self.fd, self.TCX[self.place[1]], 0, 0, 0, 0))
            os.close(self.fd)
        else:
            self.lab.router.run("tc", "filter", "del", "dev", *self.place, "prio", self.priority)

    def priorities(self):
        """Of all filters but ours."""
        return set(re.findall(r"pref (\d+)", self.lab.router.run("tc", "filter", "show", "dev", *self.place))) - {"65535"}

    def is_attached(self):
        if not self.tcx:
            return self.priority in self.priorities()
        ids = (ctypes.c_uint32 * 8)()
        asked = ctypes.create_string_buffer(struct.pack("=IIIIQII", self.target, self.TCX[self.place[1]], 0, 0, ctypes.addressof(ids), 8, 0), 64)
        self.bpf(16, asked)
        # Ours is the second.
        return struct.unpack_from("=I", asked, 24)[0] == 2

    def bpf(self, command, attributes):
        """bpf(2), in the router's namespace."""
        number = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
        buffer = attributes if isinstance(attributes, ctypes.Array) else ctypes.create_string_buffer(attributes, 128)
        with self.lab.router.entered():
            result = LIBC.syscall(number, command, buffer, len(buffer))
        if result < 0:
            raise OSError(ctypes.get_errno(), "bpf(%d)" % command)
        return result


class FastPathTest(unittest.TestCase):
    def make(self, how=Fast.ANY, offload=True, flows=1024, **settings):
        self.lab = Lab(offload)
        self.addCleanup(self.lab.close)
        self.fast = self.load(flows, **settings)
        self.fast.attach(how)

    def load(self, flows=1024, **settings):
        fast = Fast(LIBRARY, self.lab, flows)
        self.addCleanup(fast.close)
        fast.configure(**settings)
        fast.containers()
        return fast

    def keep(self, made):
        self.addCleanup(made.close)
        return made

    # Connections: (client's socket, container's socket), with the peer for UDP.

    def listen(self, family, kind, where=None, port=80):
        made = self.keep((where or self.lab.container).socket(family, kind))
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == V6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(("", port))
        if kind == TCP:
            made.listen(16)
        return made

    def tcp(self, family, liberal=True):
        listener = self.listen(family, TCP)
        client = self.keep(self.lab.client.socket(family, TCP))
        client.connect((ROUTER[family], 8080))
        server = self.keep(listener.accept()[0])
        listener.close()
        for end in (client, server):
            end.settimeout(5)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.ping(client, server, 1)
        if liberal:
            self.make_liberal(self.fast)
            self.await_carried(lambda: self.ping(client, server, 1))
        return client, server

    def make_liberal(self, fast):
        for flow in {r.raw: r for r in fast.requests(5000)}.values():
            set_liberal(self.lab.router, flow)

    def ping(self, client, server, count):
        for i in range(count):
            for a, b in ((client, server), (server, client)):
                a.sendall(b"%08d" % i)
                self.assertEqual(b.recv(8, socket.MSG_WAITALL), b"%08d" % i)

    def udp(self, family):
        """Made an assured flow; left alone, it would be one after two seconds."""
        server = self.listen(family, UDP)
        client = self.keep(self.lab.client.socket(family, UDP))
        client.connect((ROUTER[family], 8080))
        client.send(b"hello")
        server.connect(server.recvfrom(8)[1])
        self.ping_udp(client, server, 1)
        self.assure(family)
        self.await_carried(lambda: self.ping_udp(client, server, 1))
        return client, server

    def assure(self, family, lab=None):
        (lab or self.lab).router.run("conntrack", "-U", "-f", NAME[family], "-p", "udp", "--orig-port-dst", "8080", "-u", "SEEN_REPLY,ASSURED")

    def ping_udp(self, client, server, count):
        for i in range(count):
            for a, b in ((client, server), (server, client)):
                a.send(b"%d" % i)
                self.assertEqual(b.recv(100), b"%d" % i)

    def await_carried(self, once):
        before = self.carried()

        def both():
            once()
            return all(now > then for now, then in zip(self.carried(), before))

        wait_for(both, "carried, but %s; %s" % (self.fast.stats(), self.lab.entries()))

    def carried(self):
        stats = self.fast.stats()
        return stats["inward"], stats["outward"]

    def carries(self, action, at_least, share=0.9):
        """Nearly all packets of the action take the fast path."""
        before = self.fast.stats()
        action()
        grown = {outcome: count - before[outcome] for outcome, count in self.fast.stats().items()}
        carried = grown["inward"] + grown["outward"]
        self.assertGreaterEqual(carried, at_least, grown)
        self.assertGreater(carried / sum(grown.values()), share, grown)

    def transfer(self, source, sink, megabytes, meanwhile=lambda: None):
        """Bytes arrive as they were sent, whatever happens meanwhile, and both ends close."""
        block = os.urandom(1 << 20)
        received = hashlib.sha256()

        def read():
            while True:
                got = sink.recv(1 << 20)
                if not got:
                    return
                received.update(got)

        reader = threading.Thread(target=read)
        reader.start()
        sent = hashlib.sha256()
        for i in range(megabytes):
            source.sendall(block)
            sent.update(block)
            if i % 8 == 4:
                meanwhile()
        source.shutdown(socket.SHUT_WR)
        reader.join(20)
        self.assertEqual(received.hexdigest(), sent.hexdigest())

    def counter(self, namespace, name):
        found = re.search(r"^%s\s+(\d+)" % name, namespace.run("nstat", "-asz", name), re.M)
        return int(found.group(1))

    def entry(self, family, kind):
        """The line of conntrack that belongs to the published port."""
        protocol = "tcp" if kind == TCP else "udp"
        lines = [line for line in self.lab.entries().splitlines()
                 if line.startswith("ipv4" if family == V4 else "ipv6") and protocol in line and "dport=8080" in line]
        return lines[0] if lines else ""

    # --- traffic ---

    def test_carries_both_families_and_protocols_both_ways(self):
        """Fails if a family, a protocol or a direction is left to netfilter, or attaching by either way does not work."""
        for how in (Fast.TCX, Fast.CLSACT):
            self.make(how)
            self.assertEqual(self.fast.attach(how), (how, how))
            for family in (V4, V6):
                with self.subTest(how=how, family=family):
                    self.carries(lambda pair=self.tcp(family): self.ping(*pair, 200), 380)
                    self.carries(lambda pair=self.udp(family): self.ping_udp(*pair, 200), 380)

    def test_masqueraded_egress(self):
        """Fails if what a container begins, and what comes back, is not carried."""
        self.make()
        for family in (V4, V6):
            listener = self.listen(family, TCP, self.lab.client, 4444)
            inside = self.keep(self.lab.container.socket(family, TCP))
            inside.connect((CLIENT[family], 4444))
            outside, peer = listener.accept()
            self.keep(outside)
            self.assertEqual(peer[0], ROUTER[family])
            self.ping(inside, outside, 1)
            self.make_liberal(self.fast)
            self.await_carried(lambda: self.ping(inside, outside, 1))
            self.carries(lambda: self.ping(inside, outside, 100), 190)

    def test_checksums_are_right_where_nobody_else_computes_them(self):
        """Fails if a checksum is off by a bit: sender and receiver use their own."""
        self.make(offload=False)
        for family in (V4, V6):
            client, server = self.tcp(family)
            self.carries(lambda: self.ping(client, server, 100), 190)
            self.carries(lambda: self.transfer(client, server, 4), 1000)
            self.carries(lambda pair=self.udp(family): self.ping_udp(*pair, 100), 180)
        for namespace in (self.lab.client, self.lab.container):
            for counter in ("TcpInCsumErrors", "UdpInCsumErrors", "Udp6InCsumErrors"):
                self.assertEqual(self.counter(namespace, counter), 0, counter)

    def test_bulk_with_segmentation_offload(self):
        """Fails if packets that are yet to be segmented are held to be too large, or come out wrong."""
        self.make()
        for family in (V4, V6):
            for inward in (True, False):
                pair = self.tcp(family)
                self.carries(lambda: self.transfer(*(pair if inward else pair[::-1]), 64), 500)

    def test_the_same_bytes_as_netfilter(self):
        """Fails if a packet leaves the fast path other than it leaves the kernel: frames, byte by byte, both ways."""
        self.make(offload=False, recheck_ms=3600000)
        for family in (V4, V6):
            for kind, pair in ((TCP, self.tcp(family)), (UDP, self.udp(family))):
                client, server = pair[0].getsockname(), pair[1].getsockname()
                away, home = (ROUTER[family], 8080), server
                for source, sink, src, dst, gateway in (
                        (self.lab.client, self.lab.container, client, away, self.lab.uplink_mac),
                        (self.lab.container, self.lab.client, home, client, self.lab.bridge_mac)):
                    with self.subTest(family=family, kind=kind, src=src[0]):
                        frames = [random_frame(family, kind, src, dst, gateway, b"frame%06d" % i) for i in range(FRAMES)]
                        self.fast.switch(0)
                        slow = self.pass_frames(source, sink, frames)
                        self.fast.switch(1)
                        before = sum(self.carried())
                        fast = self.pass_frames(source, sink, frames)
                        self.assertGreaterEqual(sum(self.carried()) - before, len(frames))
                        self.assertEqual(slow, fast)

    def pass_frames(self, source, sink, frames):
        """What arrives of each frame."""
        out, into = self.raw_socket(source), self.raw_socket(sink)
        found = {}
        for first in range(0, len(frames), 32):
            for frame in frames[first:first + 32]:
                out.send(frame)
            while len(found) < min(first + 32, len(frames)):
                got, where = into.recvfrom(2000)
                mark = re.search(rb"frame\d{6}", got)
                if mark and where[2] != socket.PACKET_OUTGOING:
                    found[mark.group()] = got
        return found

    # --- what stays with netfilter ---

    def test_a_flow_whose_window_is_tracked_is_not_carried(self):
        """Fails if admit() forgets BE_LIBERAL: then conntrack finds the last packets invalid."""
        self.make()
        client, server = self.tcp(V4, liberal=False)
        self.ping(client, server, 50)
        self.assertEqual(self.carried(), (0, 0))
        asked = self.fast.requests()
        port = client.getsockname()[1]
        self.assertTrue(asked)
        self.assertEqual({(r.family, r.proto, r.src, r.src_port, r.dst, r.dst_port) for r in asked},
                         {(V4, 6, CLIENT4, port, ROUTER4, 8080)})

    def test_requests_are_throttled(self):
        """Fails if each packet asks: one request a tick and processor is allowed."""
        self.make(asks=1)
        client, server = self.tcp(V4, liberal=False)
        begin = time.monotonic()
        self.ping(client, server, 2000)
        ticks = (time.monotonic() - begin) / time.clock_getres(time.CLOCK_MONOTONIC_COARSE if hasattr(time, "CLOCK_MONOTONIC_COARSE") else 6) + 2
        stats = self.fast.stats()
        self.assertLessEqual(stats["strict"], ticks * os.cpu_count() + 1, stats)
        self.assertGreater(stats["unasked"], 0, stats)

    def test_young_flows_stay(self):
        """Fails if connections of a few packets are learned or asked for."""
        self.make(young=64)
        client, server = self.tcp(V4, liberal=False)
        self.ping(client, server, 5)
        stats = self.fast.stats()
        self.assertEqual((stats["strict"], stats["learned"]), (0, 0), stats)
        self.ping(client, server, 60)
        self.assertGreater(self.fast.stats()["strict"], 0)

    def test_connections_end_properly(self):
        """Fails if FIN or RST is carried: the entry would stay ESTABLISHED for five days."""
        self.make()
        for family in (V4, V6):
            for reset in (False, True):
                client, server = self.tcp(family)
                self.ping(client, server, 50)
                self.assertIn("ESTABLISHED", self.entry(family, TCP))
                if reset:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                    client.close()
                    self.assertRaises(ConnectionResetError, server.recv, 1)
                else:
                    client.close()
                    self.assertEqual(server.recv(1), b"")
                    server.close()
                # After RST at most ten seconds, whatever the state: nf_conntrack_tcp_timeout_close.
                state = r"tcp +6 \d " if reset else "TIME_WAIT"
                wait_for(lambda: re.search(state, self.entry(family, TCP)), "%s: %s" % (state, self.entry(family, TCP)))
                self.assertTrue(all(flow.ended for flow in self.fast.flows()), self.fast.flows())
                self.fast.take(self.fast.flows())
                self.lab.router.run("conntrack", "-F")

    def test_packets_that_are_out_of_the_ordinary(self):
        """Fails if a fragment, a packet with options, a tagged one or one that expires is carried, and not left to the kernel."""
        self.make()
        for family in (V4, V6):
            with self.subTest(family=family):
                client, server = self.udp(family)
                option = OPTIONS[family]

                def arrives(data, outcome):
                    before = self.fast.stats()
                    client.send(data)
                    self.assertEqual(server.recv(5000), data)
                    after = self.fast.stats()
                    self.assertEqual(self.carried(), (before["inward"], before["outward"]))
                    self.assertGreater(after[outcome], before[outcome], after)

                # Conntrack puts fragments together. IPv6 has a header of their own for them, and for options.
                odd = "header" if family == V4 else "protocol"
                arrives(b"x" * 4000, odd)
                client.setsockopt(option["level"], *option["options"])
                arrives(b"with options", odd)
                client.setsockopt(option["level"], option["options"][0], b"")
                self.refuses_tagged(family, client, server)
                # Expires here, and the client is told.
                client.setsockopt(option["level"], option["recverr"], 1)
                client.setsockopt(option["level"], option["hops"], 1)
                before = self.fast.stats()["ttl"]
                client.send(b"expires")
                self.assertRaisesRegex(OSError, "No route to host", client.recv, 1)
                self.assertEqual(self.fast.stats()["ttl"], before + 1)
                client.setsockopt(option["level"], option["hops"], 64)
                self.carries(lambda: self.ping_udp(client, server, 10), 20)

    def refuses_tagged(self, family, client, server):
        """A VLAN's frame is no packet of the flow, whatever is in it."""
        frame = random_frame(family, UDP, client.getsockname(), (ROUTER[family], 8080), self.lab.uplink_mac, b"tagged")
        out = self.raw_socket(self.lab.client)
        before = self.fast.stats()
        out.send(frame[:12] + b"\x81\0\0\5" + frame[12:])
        wait_for(lambda: self.fast.stats()["frame"] > before["frame"], "the frame is seen")
        self.assertEqual(self.carried(), (before["inward"], before["outward"]))
        client.send(b"not tagged")
        self.assertEqual(server.recv(5000), b"not tagged")

    def raw_socket(self, namespace):
        every_protocol = socket.htons(3)
        with namespace.entered():
            made = self.keep(socket.socket(socket.AF_PACKET, socket.SOCK_RAW, every_protocol))
            made.bind(("eth0", 0))
        made.settimeout(5)
        return made

    def test_packets_that_do_not_fit(self):
        """Fails if a packet is carried that is larger than the exit or the container allows: its sender has to be told."""
        self.make()
        # The metrics are those of the kernel's own routes, which these replace.
        for net, device, metric in (("198.18.0.0/24", "up0", "0"), ("172.30.0.0/24", "br0", "0"),
                                    ("2001:db8:1::/64", "up0", "256"), ("fd00:30::/64", "br0", "256")):
            self.lab.router.run("ip", "route", "replace", net, "dev", device, "metric", metric, "mtu", "lock", "1300")
        self.fast.containers(mtu=1300)
        for family in (V4, V6):
            option = OPTIONS[family]
            ends = self.udp(family)
            for source, sink in (ends, ends[::-1]):
                with self.subTest(family=family, to_container=source is ends[0]):
                    source.setsockopt(option["level"], option["recverr"], 1)
                    source.setsockopt(option["level"], option["mtu_discover"], PMTUDISC_DO)
                    before = self.fast.stats()["mtu"]
                    source.send(b"x" * 1400)
                    self.assertRaisesRegex(OSError, "Message too long", source.recv, 1)
                    self.assertEqual(self.fast.stats()["mtu"], before + 1)
                    source.send(b"x" * 1200)
                    self.assertEqual(sink.recv(2000), b"x" * 1200)

    def test_icmp(self):
        """Fails if ICMP is not left to netfilter: an echo through masquerade, and the error that answers a carried packet."""
        self.make()
        for family in (V4, V6):
            protocol, request, reply = (socket.IPPROTO_ICMP, 8, 0) if family == V4 else (socket.IPPROTO_ICMPV6, 128, 129)
            client, server = self.udp(family)
            self.lab.container.run("sysctl", "-qw", "net.ipv4.ping_group_range=0 0")
            with self.lab.container.entered():
                ping = self.keep(socket.socket(family, UDP, protocol))
            ping.settimeout(5)
            before, carried = self.fast.stats()["protocol"], self.carried()
            ping.sendto(struct.pack("!BBHHH", request, 0, 0, 0, 1) + b"echo", (CLIENT[family], 0))
            answer = ping.recv(100)
            self.assertEqual((answer[0], answer[8:]), (reply, b"echo"))
            self.assertGreaterEqual(self.fast.stats()["protocol"], before + 2)
            server.close()
            client.send(b"nobody listens")
            self.assertRaises(ConnectionRefusedError, client.recv, 1)
            self.assertEqual(self.carried(), (carried[0] + 1, carried[1]))

    def test_a_forged_source(self):
        """Fails if a packet is carried that comes by another device than the answer to it would leave by."""
        self.make()
        other, mac = self.second_uplink()
        client, server = self.udp(V4)
        source, target = client.getsockname(), (ROUTER4, 8080)

        def forge():
            frames = [random_frame(V4, UDP, source, target, mac, b"forged") for _ in range(5)]
            self.send_frames(other, frames)
            return frames

        def dropped():
            return self.counter(self.lab.router, "TcpExtIPReversePathFilter")

        self.filter_reverse_path(1)
        # Without the fast path, when it knows nothing of the flow, and when it carries it.
        for prepare in (lambda: self.fast.switch(0), self.forget, lambda: self.await_carried(lambda: self.ping_udp(client, server, 1))):
            prepare()
            before, carried = dropped(), self.carried()
            forge()
            wait_for(lambda: dropped() == before + 5 or self.carried() != carried, "dropped, but %d" % (dropped() - before))
            self.assertEqual((dropped(), self.carried()), (before + 5, carried))
            self.fast.switch(1)
            self.carries(lambda: self.ping_udp(client, server, 20), 30, 0.8)
        # The same packets are seen where nobody minds, and no more carried than before.
        self.filter_reverse_path(0)
        for prepare in (self.forget, lambda: self.await_carried(lambda: self.ping_udp(client, server, 1))):
            prepare()
            carried = self.carried()
            for frame in forge():
                self.assertEqual(server.recv(2000), frame[42:])
            self.assertEqual(self.carried(), carried)

    def second_uplink(self):
        """Another network at the router, by the device up1: its namespace, and the device's MAC."""
        other, router = self.keep(Namespace()), self.lab.router
        router.run("ip", "link", "add", "up1", "type", "veth", "peer", "name", "eth0", "netns", str(other.process.pid))
        router.run("ip", "addr", "add", "203.0.113.1/24", "dev", "up1")
        for namespace, device in ((router, "up1"), (other, "eth0")):
            namespace.run("ip", "link", "set", device, "up")
        index, mac = router.link("up1")
        with router.entered():
            self.fast.ok(self.fast.c.sluice_fastpath_attach(self.fast.handle, index, Fast.INWARD, Fast.ANY))
        return other, mac

    def filter_reverse_path(self, value):
        self.lab.router.run("sysctl", "-qw", *("net.ipv4.conf.%s.rp_filter=%d" % (device, value) for device in ("all", "up0", "up1")))

    def send_frames(self, namespace, frames):
        out = self.raw_socket(namespace)
        for frame in frames:
            out.send(frame)

    def forget(self):
        self.fast.take(self.fast.flows())

    def test_a_martian(self):
        """Fails if a packet from the wire is carried that claims to be of a connection from the host itself."""
        self.make()
        self.lab.router.run("sysctl", "-qw", "net.ipv4.conf.br0.route_localnet=1")
        self.lab.router.run("nft", "-f", "-", input=LOOPBACK)
        server = self.listen(V4, UDP)
        local = self.keep(self.lab.router.socket(V4, UDP))
        local.connect(("127.0.0.1", 8080))
        local.send(b"hello")
        server.connect(server.recvfrom(8)[1])
        self.ping_udp(local, server, 1)
        self.assure(V4)
        source, carried = local.getsockname(), self.carried()
        frames = [random_frame(V4, UDP, source, ("127.0.0.1", 8080), self.lab.uplink_mac, b"forged") for _ in range(5)]

        def dropped():
            chain = self.lab.router.run("nft", "list", "chain", "inet", "loopback", "raw")
            return int(re.search(r"counter packets (\d+)", chain).group(1))

        for on, expected in ((0, 5), (1, 10)):
            self.fast.switch(on)
            self.send_frames(self.lab.client, frames)
            wait_for(lambda: dropped() == expected or self.carried() != carried, "dropped, but %d" % dropped())
            self.assertEqual((dropped(), self.carried()), (expected, carried))
            self.ping_udp(local, server, 1)

    def test_marked_flows_stay(self):
        """Fails if a flow that conntrack has a mark for is carried: rules restore it for each packet, and routes may depend on it."""
        self.make()
        for family in (V4, V6):
            with self.subTest(family=family):
                client, server = self.udp(family)
                self.lab.router.run("nft", "-f", "-", input=MARKS)
                self.fast.switch(0)
                self.ping_udp(client, server, 1)
                self.assertIn("mark=7", self.entry(family, UDP))
                self.fast.switch(1)
                # What was learned before, and what is to be learned.
                for prepare, least in ((self.fast.refresh, 2), (self.forget, 20)):
                    prepare()
                    before = self.fast.stats()
                    self.ping_udp(client, server, 10)
                    self.assertEqual(self.carried(), (before["inward"], before["outward"]))
                    self.assertGreaterEqual(self.fast.stats()["state"], before["state"] + least)
                self.lab.router.run("nft", "delete", "table", "inet", "marks")
                self.lab.router.run("conntrack", "-U", "-f", NAME[family], "-p", "udp", "--orig-port-dst", "8080", "--mark", "0")
                self.await_carried(lambda: self.ping_udp(client, server, 1))

    def test_hosts_with_ipsec_policies_carry_nothing(self):
        """Fails if a packet is carried while there are policies, which might want it encrypted."""
        self.make()
        client, server = self.udp(V4)
        self.ping_udp(client, server, 1)
        for direction in ("out", "fwd"):
            with self.subTest(direction=direction):
                policy = ("src", "203.0.113.0/24", "dst", "192.0.2.0/24", "dir", direction)
                self.lab.router.run("ip", "xfrm", "policy", "add", *policy)
                for prepare, least in ((self.fast.refresh, 2), (self.forget, 20)):
                    prepare()
                    before = self.fast.stats()
                    self.ping_udp(client, server, 10)
                    self.assertEqual(self.carried(), (before["inward"], before["outward"]))
                    self.assertGreaterEqual(self.fast.stats()["state"], before["state"] + least)
                self.lab.router.run("ip", "xfrm", "policy", "delete", *policy)
                self.await_carried(lambda: self.ping_udp(client, server, 1))

    # --- the truth is conntrack's ---

    def test_nothing_is_carried_once_the_entry_is_gone(self):
        """Fails if refresh() does not make the next packet ask conntrack."""
        self.make(recheck_ms=3600000)
        client, server = self.udp(V4)
        self.lab.router.run("nft", "flush", "chain", "inet", "t", "pre")
        self.lab.router.run("conntrack", "-D", "-p", "udp", "--orig-port-dst", "8080")
        before = self.carried()
        client.send(b"old knowledge")
        self.assertEqual(server.recv(100), b"old knowledge")
        self.assertEqual(self.carried(), (before[0] + 1, before[1]))
        self.fast.refresh()
        client.send(b"not this one")
        server.settimeout(0.2)
        self.assertRaises(socket.timeout, server.recv, 100)
        self.assertEqual(self.carried(), (before[0] + 1, before[1]))

    def test_stale_knowledge_lasts_a_second(self):
        """Fails if programs whose agent is dead do not notice that a flow has ended."""
        self.make(recheck_ms=200)
        client, server = self.tcp(V4)
        self.lab.router.run("conntrack", "-F")
        time.sleep(0.25)
        before = self.carried()
        client.send(b"x")
        time.sleep(0.05)
        self.assertEqual(self.carried(), before)

    def test_a_route_that_changes(self):
        """Fails if what was learned of a route is used for ever."""
        self.make(recheck_ms=100)
        client, server = self.udp(V4)
        self.lab.router.run("ip", "route", "add", "blackhole", CLIENT4 + "/32")
        time.sleep(0.15)
        before = self.carried()
        server.send(b"x")
        client.settimeout(0.2)
        self.assertRaises(socket.timeout, client.recv, 100)
        self.assertEqual(self.carried()[1], before[1])
        self.lab.router.run("ip", "route", "del", "blackhole", CLIENT4 + "/32")
        self.fast.take(self.fast.flows())
        client.settimeout(5)
        self.await_carried(lambda: self.ping_udp(client, server, 1))

    def test_forwarding_that_is_switched_off(self):
        """Fails if flows are carried on through a host that is no router any more."""
        self.make(recheck_ms=100)
        for family, name in ((V4, "net.ipv4.ip_forward"), (V6, "net.ipv6.conf.all.forwarding")):
            with self.subTest(family=family):
                ends = self.udp(family)
                self.lab.router.run("sysctl", "-qw", name + "=0")
                time.sleep(0.15)
                before = self.fast.stats()
                for end in ends:
                    end.send(b"not forwarded")
                wait_for(lambda: self.fast.stats()["route"] >= before["route"] + 2 or self.carried() != (before["inward"], before["outward"]),
                         "left to netfilter, but %s" % self.fast.stats())
                self.assertEqual(self.carried(), (before["inward"], before["outward"]))
                self.lab.router.run("sysctl", "-qw", name + "=1")
                self.forget()
                self.await_carried(lambda: self.ping_udp(*ends, 1))

    def test_a_connection_with_pauses_keeps_its_time(self):
        """Fails if conntrack does not hear of the answer to what took its turn through netfilter: the entry would live for minutes, not days."""
        # Longer than the client takes to acknowledge the answer, or that packet is checked for its own sake.
        self.make(recheck_ms=300)
        for family in (V4, V6):
            with self.subTest(family=family):
                client, server = self.tcp(family)
                time.sleep(0.35)
                before = self.fast.stats()
                self.ping(client, server, 1)
                wait_for(lambda: int(self.entry(family, TCP).split()[4]) > 400000, "right, but " + self.entry(family, TCP))
                after = self.fast.stats()
                self.assertGreater(after["turn"], before["turn"], after)
                self.assertGreater(after["inward"], before["inward"], after)

    def test_a_flow_lives_while_packets_pass_and_not_longer(self):
        """Fails if the timeout is not renewed, or renewed without packets."""
        self.make(recheck_ms=300, udp_ms=2000)
        self.lab.router.run("sysctl", "-qw", "net.netfilter.nf_conntrack_udp_timeout_stream=2",
                            "net.netfilter.nf_conntrack_udp_timeout=2")
        client, server = self.udp(V4)

        def one_way():
            end = time.monotonic() + 3
            while time.monotonic() < end:
                client.send(b"x")
                server.recv(10)
                time.sleep(0.02)

        self.carries(one_way, 100)  # nothing comes back, which would renew it by itself
        self.assertIn("ASSURED", self.entry(V4, UDP))
        wait_for(lambda: not self.entry(V4, UDP), "expired")

    # --- counters ---

    def test_no_packet_is_lost_to_the_books(self):
        """Fails if an entry can be taken while a program counts in it: sent is what conntrack and we have seen."""
        self.make()
        client, server = self.udp(V4)
        self.fast.take(self.fast.flows())
        before = self.seen(V4)
        carried, stop, sent = [0, 0], threading.Event(), [0]

        def flood():
            while not stop.is_set():
                client.send(b"x" * 100)
                sent[0] += 1

        def drain():
            server.settimeout(0.2)
            while not stop.is_set():
                try:
                    server.recv(200)
                except socket.timeout:
                    pass

        threads = [threading.Thread(target=flood), threading.Thread(target=drain)]
        for thread in threads:
            thread.start()
        for _ in range(40):
            time.sleep(0.02)
            for flow in self.fast.take([f for f in self.fast.flows() if f.dst_port == 8080])[1]:
                carried[0] += flow.packets
                carried[1] += flow.bytes
        stop.set()
        for thread in threads:
            thread.join()
        for flow in self.fast.take([f for f in self.fast.flows() if f.dst_port == 8080])[1]:
            carried[0] += flow.packets
            carried[1] += flow.bytes
        after = self.seen(V4)
        self.assertGreater(carried[0], sent[0] / 2)
        self.assertEqual(carried[0] + after[0] - before[0], sent[0])
        self.assertEqual(carried[1] + after[1] - before[1], sent[0] * 128)

    def seen(self, family):
        """Packets and bytes that conntrack has counted, from the client."""
        return tuple(map(int, re.search(r"packets=(\d+) bytes=(\d+)", self.entry(family, UDP)).groups()))

    def test_reads_many_flows(self):
        """Fails if the cursor skips or repeats entries."""
        self.make(flows=4096)
        server = self.listen(V4, UDP)
        clients = []
        for _ in range(700):
            client = self.keep(self.lab.client.socket(V4, UDP))
            client.connect((ROUTER4, 8080))
            clients.append(client)

        def all_learned():
            for client in clients:
                client.send(b"x")
                server.sendto(b"y", server.recvfrom(8)[1])
                client.recv(8)
            return len({(f.src, f.src_port, f.dst_port) for f in self.fast.flows() if not f.ended}) == 1400

        wait_for(all_learned, "1400 entries, but %d" % len(self.fast.flows()), 20)
        self.assertEqual(len(self.fast.flows()), 1400)
        self.assertEqual(self.fast.take(self.fast.flows())[0], 1400)
        self.assertEqual(self.fast.flows(), [])

    # --- coming and going ---

    def test_detaching_during_a_transfer_loses_nothing(self):
        """Fails if connections depend on the fast path: it comes and goes eight times, switched, detached, replaced."""
        self.make()
        client, server = self.tcp(V4)
        steps = [lambda: self.fast.switch(0), lambda: self.fast.switch(1), self.fast.detach,
                 lambda: self.fast.attach(Fast.CLSACT), self.fast.refresh,
                 lambda: self.fast.attach(Fast.TCX), lambda: self.fast.take(self.fast.flows()), self.fast.detach]
        self.carries(lambda: self.transfer(client, server, 64, lambda: steps and steps.pop(0)()), 100, 0)
        self.assertEqual(steps, [])
        self.assertEqual(self.fast.detach(), [0, 0])
        server.close()
        wait_for(lambda: "TIME_WAIT" in self.entry(V4, TCP), self.entry(V4, TCP))

    def test_another_process_takes_over(self):
        """Fails if programs die with the process, or a new one cannot find out what they carried."""
        for how in (Fast.TCX, Fast.CLSACT):
            self.make(how)
            client, server = self.tcp(V4)
            self.fast.close()
            self.ping(client, server, 20)
            orphan = self.keep(Fast(LIBRARY, self.lab, orphan=True))
            before = [flow.packets for flow in orphan.flows()]
            self.ping(client, server, 20)
            self.assertTrue(all(b + 20 <= a.packets for a, b in zip(orphan.flows(), before)))
            # Its programs are replaced, without a gap; then its counters are final.
            self.fast = self.load()
            self.assertEqual(self.fast.attach(how), (how, how))
            final = orphan.take(orphan.flows())[1]
            self.assertGreaterEqual(sum(flow.packets for flow in final), sum(before) + 40)
            self.await_carried(lambda: self.ping(client, server, 1))
            self.assertEqual(self.fast.detach(), [1, 1])
            self.assertRaisesRegex(OSError, "find a program", Fast, LIBRARY, self.lab, orphan=True)

    def test_one_program_a_device_however_it_was_attached(self):
        """Fails if changing between tcx and clsact leaves the other."""
        self.make(Fast.TCX)
        for how in (Fast.CLSACT, Fast.TCX, Fast.TCX, Fast.CLSACT, Fast.CLSACT):
            self.assertEqual(self.fast.attach(how), (how, how))
            self.assertEqual(len(re.findall(r"sluice_inward.* direct-action", self.lab.router.run("tc", "filter", "show", "dev", "up0", "ingress"))),
                             1 if how == Fast.CLSACT else 0)
        self.assertEqual(self.fast.detach(), [1, 1])
        self.assertEqual(self.fast.detach(), [0, 0])

    def test_other_peoples_programs_come_first_and_stay(self):
        """Fails if ours takes the place of another's program or filter, or runs before it, attached either way."""
        for how in (Fast.TCX, Fast.CLSACT):
            self.make(how)
            foreign, server = Foreign(self.lab, how), self.listen(V4, UDP)
            client = self.keep(self.lab.client.socket(V4, UDP))
            client.connect((ROUTER4, 8080))
            client.send(b"seen")
            before = wait_for(lambda: self.fast.stats()["unknown"] and self.fast.stats(), "a packet is seen")
            # Ours is there first, theirs is put in front of it, as one does who has to see everything.
            foreign.attach()
            client.send(b"dropped")
            self.assertEqual(self.fast.stats()["unknown"], before["unknown"])
            self.assertEqual(self.fast.attach(how), (how, how))
            client.send(b"dropped")
            self.assertEqual(self.fast.stats()["unknown"], before["unknown"])
            self.assertEqual(self.fast.detach(), [1, 1])
            # Theirs first, and then ours.
            self.fast.attach(how)
            client.send(b"dropped")
            self.assertEqual(self.fast.stats()["unknown"], before["unknown"])
            self.assertTrue(foreign.is_attached())
            foreign.detach()
            server.close()
            self.carries(lambda pair=self.udp(V4): self.ping_udp(*pair, 50), 90)

    def test_a_filter_that_comes_later(self):
        """Fails if attaching again leaves ours before a filter that somebody has added since, or tells of a change where there is none."""
        self.make()
        foreign, server = Foreign(self.lab, Fast.CLSACT), self.listen(V4, UDP)
        client = self.keep(self.lab.client.socket(V4, UDP))
        client.connect((ROUTER4, 8080))
        client.send(b"seen")
        # Not the neighbours' packets, which come when they like.
        seen = lambda: self.fast.stats()["unknown"] + self.fast.stats()["state"]
        wait_for(seen, "a packet is seen")
        foreign.attach()
        before = seen()
        client.send(b"seen before it is dropped")
        wait_for(lambda: seen() > before, "another packet is seen")
        self.assertEqual(self.fast.attach(), (Fast.TCX, Fast.CLSACT))
        before = seen()
        client.send(b"dropped")
        self.assertEqual(seen(), before)
        with self.lab.router.entered(), socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as changes:
            changes.bind((0, 1 << 3))  # linux/rtnetlink.h: RTMGRP_TC
            self.assertEqual(self.fast.attach(), (Fast.TCX, Fast.CLSACT))
            self.assertRaises(BlockingIOError, changes.recv, 4096, socket.MSG_DONTWAIT)
        foreign.detach()
        self.assertEqual(self.fast.attach(), (Fast.TCX, Fast.TCX))
        server.close()
        self.carries(lambda pair=self.udp(V4): self.ping_udp(*pair, 50), 90)

    def test_a_port_with_a_queue_or_filters(self):
        """Fails if packets are carried past a queueing discipline, a filter or a program that others have at a container's port."""
        self.make()
        tbf = ["dev", "v1", "root", "tbf", "rate", "1gbit", "burst", "1mb", "latency", "50ms"]
        others = [(lambda: self.lab.router.run("tc", "qdisc", "add", *tbf), lambda: self.lab.router.run("tc", "qdisc", "del", *tbf[:3]), "queueing discipline tbf")]
        for how, name in ((Fast.CLSACT, "filters"), (Fast.TCX, "tcx programs")):
            foreign = Foreign(self.lab, how, "v1", "egress")
            others.append((foreign.attach, foreign.detach, name))
        for come, go, name in others:
            pair = self.udp(V4)
            self.carries(lambda: self.ping_udp(*pair, 50), 90)
            come()
            self.assertRaisesRegex(OSError, "past the " + name, self.fast.containers)
            self.fast.refresh()
            before = self.carried()
            pair[0].send(b"hello")
            if "queue" in name:
                pair[1].recv(100)
            else:
                pair[1].settimeout(0.1)
                self.assertRaises(TimeoutError, pair[1].recv, 100)
            self.assertEqual(self.carried(), before)
            go()
            self.fast.containers()
            for end in pair:
                end.close()
        self.carries(lambda pair=self.udp(V4): self.ping_udp(*pair, 50), 90)

    def test_a_device_that_moves_to_another_namespace(self):
        """Fails if a program there takes the other namespace's flows, and containers with the same addresses, for this one's."""
        self.make()
        outside, _ = self.second_uplink()
        other = self.keep(Lab())
        # As Docker has it, whose containers have the MACs that belong to their addresses.
        other.container.run("ip", "link", "set", "eth0", "address", self.lab.mac.to_bytes(6, "big").hex(":"))
        self.lab.router.run("ip", "link", "set", "up1", "netns", str(other.router.process.pid))
        for namespace, device, address in ((other.router, "up1", "203.0.113.1/24"), (outside, "eth0", "203.0.113.2/24")):
            namespace.run("ip", "addr", "add", address, "dev", device)
            namespace.run("ip", "link", "set", device, "up")
        server = self.listen(V4, UDP, other.container)
        client = self.keep(outside.socket(V4, UDP))
        client.connect(("203.0.113.1", 8080))
        client.send(b"hello")
        server.connect(server.recvfrom(8)[1])
        self.ping_udp(client, server, 1)
        self.assure(V4, other)
        before = self.fast.stats()
        self.ping_udp(client, server, 10)
        self.assertEqual(self.carried(), (0, 0))
        # It is still there, is asked, and declines.
        self.assertGreaterEqual(self.fast.stats()["state"], before["state"] + 10)

    # --- limits ---

    def test_no_room_for_another_flow(self):
        """Fails if flows beyond the limit are refused instead of left to netfilter."""
        self.make(flows=1)
        first, second = self.tcp(V4), self.tcp(V4, liberal=False)
        self.make_liberal(self.fast)
        self.ping(*second, 50)
        self.assertEqual(len(self.fast.flows()), 2)
        self.assertGreater(self.fast.stats()["full"], 0)
        self.carries(lambda: self.ping(*first, 100), 190)

    def test_loading_that_is_refused_says_why(self):
        """Fails if the reason for a refusal gets lost: a capability, or the kernel's description of its types."""
        for prefix, expected in ((["setpriv", "--bounding-set", "-sys_admin"], "^-1 .* without CAP_SYS_ADMIN: "),
                                 (["setpriv", "--bounding-set", "-net_admin"], "^-1 .* without CAP_NET_ADMIN: "),
                                 (["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /sys/kernel/btf && exec "$@"', "sh"],
                                  "^-38 .*no /sys/kernel/btf/vmlinux")):
            said = subprocess.run(prefix + [sys.executable, "-c", OPEN, LIBRARY], capture_output=True, text=True)
            self.assertRegex(said.stdout, expected, said.stderr)


if __name__ == "__main__":
    LIBRARY = os.path.abspath(sys.argv.pop(1))
    unittest.main()
