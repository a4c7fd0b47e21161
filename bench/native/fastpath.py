#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the fast path is worth: fastpath.py LIBRARY SLOTS [MODE...]

Four ways from one client to one container, each through namespaces of its own: `fast` (published, fast path),
`nft` (published), `plain` (routed, no firewall, no conntrack) and `direct` (one veth pair). Prints medians of the
ratios to `nft` within a round, and how many of the packets that `fast` saw were carried. Needs root.
"""
import os
import statistics
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../native/test"))
from fastpath_lab import ETHTOOL_SGRO, ETHTOOL_SGSO, ETHTOOL_STSO, Fast, Namespace, set_liberal  # noqa: E402
import socket  # noqa: E402

SLOT_MS, ROUNDS = int(os.environ.get("SLOT_MS", 40)), int(os.environ.get("ROUNDS", 40))
MODES = ["tcp_rr", "udp_rr", "pps", "pps512", "bulk", "bulk-nogso", "connect"]


RULES = """
table ip t {
	map published {
		type inet_proto . inet_service : ipv4_addr . inet_service
		elements = { tcp . 8080 : 172.30.%d.2 . 80, udp . 8080 : 172.30.%d.2 . 80 }
	}
	chain pre { type nat hook prerouting priority -100
		fib daddr type local dnat ip to meta l4proto . th dport map @published
	}
	chain post { type nat hook postrouting priority 100
		iifname br0 oifname != br0 masquerade
	}
	chain forward { type filter hook forward priority 0; policy drop
		ct state vmap { established : accept, related : accept }
		ct status dnat accept
	}
}
"""


class Router:
    def __init__(self, number, client, container, nat):
        self.namespace = Namespace()
        self.number = number
        client_pid, container_pid = str(client.process.pid), str(container.process.pid)
        router = self.namespace.run
        router("ip", "link", "add", "up0", "type", "veth", "peer", "name", "eth%d" % number, "netns", client_pid)
        router("ip", "link", "add", "v1", "type", "veth", "peer", "name", "eth%d" % number, "netns", container_pid)
        router("ip", "link", "add", "br0", "address", "02:00:00:00:00:0%d" % (number + 1), "type", "bridge")
        router("ip", "link", "set", "v1", "master", "br0")
        router("ip", "addr", "add", "198.18.%d.1/24" % number, "dev", "up0")
        router("ip", "addr", "add", "172.30.%d.1/24" % number, "dev", "br0")
        for device in ("up0", "v1", "br0"):
            router("ip", "link", "set", device, "up")
        router("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.netfilter.nf_conntrack_acct=1")
        device = "eth%d" % number
        client.run("ip", "addr", "add", "198.18.%d.2/24" % number, "dev", device)
        client.run("ip", "link", "set", device, "up")
        client.run("ip", "route", "add", "172.30.%d.0/24" % number, "via", "198.18.%d.1" % number)
        container.run("ip", "addr", "add", "172.30.%d.2/24" % number, "dev", device)
        container.run("ip", "link", "set", device, "up")
        container.run("ip", "route", "add", "198.18.%d.0/24" % number, "via", "172.30.%d.1" % number)
        if nat:
            router("nft", "-f", "-", input=RULES % (number, number))
        self.uplink, _ = self.namespace.link("up0")
        self.veth, _ = self.namespace.link("v1")
        self.bridge, self.bridge_mac = self.namespace.link("br0")
        _, self.mac = container.link(device)

    @property
    def router(self):
        return self.namespace


def answer_requests(fast, router, stop):
    while not stop.is_set():
        for flow in {r.raw: r for r in fast.requests(100)}.values():
            try:
                set_liberal(router, flow)
            except OSError:
                pass  # has ended meanwhile


def measure(library, slots, mode):
    client, container = Namespace(), Namespace()
    fast_router, nft, plain = (Router(i, client, container, nat) for i, nat in enumerate((True, True, False)))
    client.run("ip", "link", "add", "eth9", "type", "veth", "peer", "name", "eth9", "netns", str(container.process.pid))
    client.run("ip", "addr", "add", "10.9.0.1/24", "dev", "eth9")
    client.run("ip", "link", "set", "eth9", "up")
    container.run("ip", "addr", "add", "10.9.0.2/24", "dev", "eth9")
    container.run("ip", "link", "set", "eth9", "up")
    if mode == "bulk-nogso":
        for namespace in (client, container):
            for device in ("eth0", "eth1", "eth2", "eth9"):
                namespace.offload(device, 0, (ETHTOOL_STSO, ETHTOOL_SGSO, ETHTOOL_SGRO))
    fast = Fast(library, fast_router, flows=4096)
    fast.configure(recheck_ms=int(os.environ.get("RECHECK_MS", 1000)), sample=int(os.environ.get("SAMPLE", 16)), young=int(os.environ.get("YOUNG", 32)), asks=2000)
    fast.container(b"\0" * 10 + b"\xff\xff" + socket.inet_aton("172.30.0.2"), fast_router.veth, fast_router.bridge, 1500,
                   fast_router.mac, fast_router.bridge_mac)
    fast.attach()
    stop = threading.Event()
    thread = threading.Thread(target=answer_requests, args=(fast, fast_router.namespace, stop))
    thread.start()
    try:
        running = subprocess.Popen(
            ["nsenter", "--net=" + client.path, slots, mode.split("-")[0], str(SLOT_MS), str(ROUNDS), container.path,
             "nft=198.18.1.1:8080", "fast=198.18.0.1:8080", "plain=172.30.2.2:80", "direct=10.9.0.2:80"],
            stdout=subprocess.PIPE, text=True)
        running.stdout.readline()  # "warm"
        before = fast.stats()
        out = running.communicate()[0]
    finally:
        stop.set()
        thread.join()
    found = {line.split()[0]: [float(x) for x in line.split()[1:]] for line in out.splitlines()}
    stats = {outcome: count - before[outcome] for outcome, count in fast.stats().items()}
    carried = stats["inward"] + stats["outward"]
    ratios = {name: statistics.median(a / b for a, b in zip(found[name], found["nft"]) if b) for name in found}
    print("%-11s nft %10.0f/s" % (mode, statistics.median(found["nft"])),
          " ".join("%s %.2f" % (name, ratios[name]) for name in ("fast", "plain", "direct")),
          "carried %.2f%%" % (100.0 * carried / (sum(stats.values()) or 1)), {k: v for k, v in stats.items() if v}, flush=True)
    fast.detach()
    fast.close()
    for namespace in (client, container, fast_router.namespace, nft.namespace, plain.namespace):
        namespace.close()


if __name__ == "__main__":
    for mode in sys.argv[3:] or MODES:
        measure(os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]), mode)
