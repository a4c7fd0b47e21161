# SPDX-License-Identifier: Apache-2.0
"""A client, a router with published ports, and a container, in network namespaces; and libsluice's fast path.

    client 198.18.0.2 --- up0 198.18.0.1 router 172.30.0.1 br0 (port v1) --- container 172.30.0.2
           2001:db8:1::2       2001:db8:1::1      fd00:30::1                           fd00:30::2

Port 8080 of the router is port 80 of the container; what the container sends out is masqueraded.
"""
import contextlib
import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import time

CLONE_NEWNET = 0x40000000
SIOCETHTOOL = 0x8946
ETHTOOL_SRXCSUM, ETHTOOL_STXCSUM, ETHTOOL_STSO, ETHTOOL_SGSO, ETHTOOL_SGRO = 0x15, 0x17, 0x1F, 0x24, 0x2C
LIBC = ctypes.CDLL(None, use_errno=True)

CLIENT4, ROUTER4, BRIDGE4, CONTAINER4 = "198.18.0.2", "198.18.0.1", "172.30.0.1", "172.30.0.2"
CLIENT6, ROUTER6, BRIDGE6, CONTAINER6 = "2001:db8:1::2", "2001:db8:1::1", "fd00:30::1", "fd00:30::2"

RULES = """
table inet t {
	chain pre { type nat hook prerouting priority -100
		fib daddr type local meta l4proto { tcp, udp } th dport 8080 meta nfproto ipv4 dnat ip to 172.30.0.2:80
		fib daddr type local meta l4proto { tcp, udp } th dport 8080 meta nfproto ipv6 dnat ip6 to [fd00:30::2]:80
	}
	chain post { type nat hook postrouting priority 100
		iifname br0 oifname != br0 masquerade
	}
	chain forward { type filter hook forward priority 0
		ct state established,related counter accept
		ct status dnat accept
	}
}
"""


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode:
        raise AssertionError("%s: %s" % (" ".join(command), done.stderr.strip()))
    return done.stdout


def wait_for(condition, what, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        result = condition()
        if result:
            return result
        time.sleep(0.005)
    raise AssertionError("not within %d s: %s" % (seconds, what))


class Namespace:
    """A network namespace, held by a descriptor and a process for nsenter, which ends with ours; no name, no mount."""

    def __init__(self):
        self.process = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo; read end"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.process.stdout.readline()
        self.path = "/proc/%d/ns/net" % self.process.pid
        self.fd = os.open(self.path, os.O_RDONLY)
        self.run("ip", "link", "set", "lo", "up")
        # Else IPv6 begins a second late.
        self.run("sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0")

    def run(self, *command, **options):
        return run("nsenter", "--net=" + self.path, *command, **options)

    def link(self, name):
        """Index and MAC of a device."""
        words = self.run("ip", "-o", "link", "show", name).split()
        return int(words[0].rstrip(":")), int(words[words.index("link/ether") + 1].replace(":", ""), 16)

    @contextlib.contextmanager
    def entered(self):
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        setns(self.fd)
        try:
            yield
        finally:
            setns(home)
            os.close(home)

    def socket(self, family, kind):
        with self.entered():
            made = socket.socket(family, kind)
        made.settimeout(5)
        return made

    def offload(self, device, on, features=None):
        """Checksums and segmentation as `ethtool -K` sets them, or only some (linux/ethtool.h)."""
        features = features or (ETHTOOL_SRXCSUM, ETHTOOL_STXCSUM, ETHTOOL_STSO, ETHTOOL_SGSO, ETHTOOL_SGRO)
        with self.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            for feature in features:
                value = ctypes.create_string_buffer(struct.pack("=II", feature, on))
                fcntl.ioctl(control, SIOCETHTOOL, struct.pack("16sQ8x", device.encode(), ctypes.addressof(value)))

    def close(self):
        os.close(self.fd)
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def setns(fd):
    if LIBC.setns(fd, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


class Lab:
    def __init__(self, offload=True):
        self.client, self.router, self.container = Namespace(), Namespace(), Namespace()
        router = self.router
        pid = {n: str(getattr(self, n).process.pid) for n in ("client", "container")}
        router.run("ip", "link", "add", "up0", "type", "veth", "peer", "name", "eth0", "netns", pid["client"])
        router.run("ip", "link", "add", "v1", "type", "veth", "peer", "name", "eth0", "netns", pid["container"])
        # An address of its own: to a port, the bridge's frames are other hosts'.
        router.run("ip", "link", "add", "br0", "address", "02:00:00:00:00:01", "type", "bridge")
        router.run("ip", "link", "set", "v1", "master", "br0")
        for device, four, six in (("up0", ROUTER4, ROUTER6), ("br0", BRIDGE4, BRIDGE6)):
            router.run("ip", "addr", "add", four + "/24", "dev", device)
            router.run("ip", "addr", "add", six + "/64", "dev", device, "nodad")
        for namespace, four, six in ((self.client, CLIENT4, CLIENT6), (self.container, CONTAINER4, CONTAINER6)):
            namespace.run("ip", "addr", "add", four + "/24", "dev", "eth0")
            namespace.run("ip", "addr", "add", six + "/64", "dev", "eth0", "nodad")
            namespace.run("ip", "link", "set", "eth0", "up")
        for device in ("up0", "br0", "v1"):
            router.run("ip", "link", "set", device, "up")
        if not offload:
            for namespace, device in ((self.client, "eth0"), (self.container, "eth0"), (router, "up0"), (router, "v1")):
                namespace.offload(device, 0)
        self.container.run("ip", "route", "add", "default", "via", BRIDGE4)
        self.container.run("ip", "-6", "route", "add", "default", "via", BRIDGE6)
        router.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1",
                   "net.netfilter.nf_conntrack_acct=1", "net.netfilter.nf_conntrack_tcp_be_liberal=0")
        router.run("nft", "-f", "-", input=RULES)
        self.uplink, self.uplink_mac = router.link("up0")
        self.veth, _ = router.link("v1")
        self.bridge, self.bridge_mac = router.link("br0")
        _, self.mac = self.container.link("eth0")

    def entries(self):
        return self.router.run("conntrack", "-L", "-o", "extended")

    def close(self):
        for namespace in (self.client, self.router, self.container):
            namespace.close()


class Fast:
    """The library's functions, for the router of a lab."""

    INWARD, OUTWARD = 0, 1
    ANY, TCX, CLSACT = 0, 1, 2
    FIELDS = struct.Struct("=BBBxHH16s16s16s16sHHIIIQQ")

    def __init__(self, library, lab, flows=1024, containers=16, orphan=False):
        """Loads the programs, or finds those that another left."""
        self.c, self.lab = load(library), lab
        self.handle = ctypes.c_uint64()
        if orphan:
            with lab.router.entered():
                self.ok(self.c.sluice_fastpath_orphan(lab.uplink, ctypes.addressof(self.handle)))
        else:
            self.ok(self.c.sluice_fastpath_open(flows, containers, ctypes.addressof(self.handle)))
        self.names = [self.c.sluice_layout_name(i).decode() for i in range(self.c.sluice_layout_count())]
        self.names = [name[9:] for name in self.names if name.startswith("fastpath.")]

    def ok(self, result):
        if result < 0:
            raise OSError(-result, self.c.sluice_last_error().decode())
        return result

    def configure(self, on=1, recheck_ms=1000, sample=1, young=0, asks=100000, tcp_ms=432000000, udp_ms=120000):
        self.ok(self.c.sluice_fastpath_configure(self.handle, on, recheck_ms, sample, young, asks, tcp_ms, udp_ms))

    def containers(self, mtu=1500):
        lab = self.lab
        for address in (b"\0" * 10 + b"\xff\xff" + socket.inet_aton(CONTAINER4),
                        socket.inet_pton(socket.AF_INET6, CONTAINER6)):
            self.container(address, lab.veth, lab.bridge, mtu, lab.mac, lab.bridge_mac)

    def container(self, address, device, bridge, mtu, mac, bridge_mac):
        key = ctypes.create_string_buffer(address, 16)
        with self.lab.router.entered():
            self.ok(self.c.sluice_fastpath_container(self.handle, ctypes.addressof(key), device, bridge, mtu,
                                                     ctypes.c_uint64(mac), ctypes.c_uint64(bridge_mac)))

    def attach(self, how=0):
        with self.lab.router.entered():
            return (self.ok(self.c.sluice_fastpath_attach(self.handle, self.lab.veth, self.OUTWARD, how)),
                    self.ok(self.c.sluice_fastpath_attach(self.handle, self.lab.uplink, self.INWARD, how)))

    def detach(self):
        with self.lab.router.entered():
            return [self.ok(self.c.sluice_fastpath_detach(device)) for device in (self.lab.veth, self.lab.uplink)]

    def switch(self, on):
        self.ok(self.c.sluice_fastpath_switch(self.handle, on))

    def refresh(self):
        self.ok(self.c.sluice_fastpath_refresh(self.handle))

    def stats(self):
        out = (ctypes.c_uint64 * len(self.names))()
        self.ok(self.c.sluice_fastpath_stats(self.handle, ctypes.c_uint64(ctypes.addressof(out)), ctypes.c_uint64(ctypes.sizeof(out))))
        return dict(zip(self.names, out))

    def records(self, function, count, *more):
        out = ctypes.create_string_buffer(self.FIELDS.size * count)
        found = self.ok(function(self.handle, ctypes.c_uint64(ctypes.addressof(out)), count, *more))
        return [Offload(out.raw[i * self.FIELDS.size:]) for i in range(found)]

    def requests(self, timeout_ms=0):
        return self.records(self.c.sluice_fastpath_requests, 256, timeout_ms)

    def flows(self):
        found = []
        while True:
            some = self.records(self.c.sluice_fastpath_flows, 512)
            if not some:
                return found
            found += some

    def take(self, flows):
        size = self.FIELDS.size
        buffer = ctypes.create_string_buffer(b"".join(flow.raw for flow in flows), size * len(flows))
        found = self.ok(self.c.sluice_fastpath_take(self.handle, ctypes.c_uint64(ctypes.addressof(buffer)), len(flows)))
        return found, [Offload(buffer.raw[i * size:]) for i in range(len(flows))]

    def close(self):
        handle, self.handle = self.handle, None
        if handle:
            self.c.sluice_fastpath_close(handle)


def load(library):
    c = ctypes.CDLL(library)
    c.sluice_last_error.restype = ctypes.c_char_p
    c.sluice_layout_name.restype = ctypes.c_char_p
    c.sluice_fastpath_open.argtypes = [ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint64]
    c.sluice_fastpath_orphan.argtypes = [ctypes.c_uint32, ctypes.c_uint64]
    c.sluice_fastpath_container.argtypes = [ctypes.c_uint64] * 2 + [ctypes.c_uint32] * 3 + [ctypes.c_uint64] * 2
    return c


class Offload:
    def __init__(self, raw):
        self.raw = raw[:Fast.FIELDS.size]
        (self.family, self.proto, self.ended, self.src_port, self.dst_port, src, dst, new_src, new_dst, self.new_src_port,
         self.new_dst_port, self.from_device, self.to_device, self.mtu, self.packets, self.bytes) = Fast.FIELDS.unpack(self.raw)
        self.src, self.dst, self.new_src, self.new_dst = (
            socket.inet_ntop(self.family, a[:4 if self.family == socket.AF_INET else 16]) if self.family else ""
            for a in (src, dst, new_src, new_dst))

    def __repr__(self):
        return "%d %s.%d > %s.%d: %s.%d > %s.%d, %d packets, %d bytes, ended %d" % (
            self.proto, self.src, self.src_port, self.dst, self.dst_port, self.new_src, self.new_src_port, self.new_dst,
            self.new_dst_port, self.packets, self.bytes, self.ended)


def attribute(kind, value):
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


def set_liberal(namespace, flow):
    """Sets IP_CT_TCP_FLAG_BE_LIBERAL in both directions of a flow, as linux/netfilter/nfnetlink_conntrack.h has it."""
    nested, nfnl_ct_new, request_ack = 0x8000, 0x100, 5
    v4 = flow.family == socket.AF_INET
    ips = attribute(1 if v4 else 3, socket.inet_pton(flow.family, flow.src)) + attribute(2 if v4 else 4, socket.inet_pton(flow.family, flow.dst))
    proto = attribute(1, bytes([flow.proto])) + attribute(2, struct.pack("!H", flow.src_port)) + attribute(3, struct.pack("!H", flow.dst_port))
    flags = attribute(4, b"\x08\x08") + attribute(5, b"\x08\x08")  # CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, _REPLY: value, mask
    body = struct.pack("=BBH", flow.family, 0, 0)
    body += attribute(1 | nested, attribute(1 | nested, ips) + attribute(2 | nested, proto))  # CTA_TUPLE_ORIG
    body += attribute(4 | nested, attribute(1 | nested, flags))  # CTA_PROTOINFO
    with namespace.entered():
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12) as netlink:
            netlink.send(struct.pack("=IHHII", 16 + len(body), nfnl_ct_new, request_ack, 1, 0) + body)
            error = struct.unpack_from("=i", netlink.recv(4096), 16)[0]
    if error:
        raise OSError(-error, "IPCTNL_MSG_CT_NEW: " + os.strerror(-error))
