#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the fast path is worth: fastpath.py LIBRARY SLUICE SLOTS SLOT_MS TURNS [MODE...]

Ways from one client to one container, each but `direct` through a host of its own, with a bridge:

    fast      published by a map of nft, and carried by the fast path
    sluice    published by `sluice agent --fastpath=on`, with all that it does besides
    nft       published by a map of nft
    iptables  published by the rules of Docker 20.10, by the iptables of this system
    plain     routed: no rules, no conntrack
    direct    a veth pair, no host in between

Prints a line of JSON for each mode of slots.c (`bulk-nogso` is `bulk` without segmentation offload): how many a
second each way did in each turn, and what became of the packets that the programs of `fast` and `sluice` saw. Needs root.
"""
import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../native/test"))
from fastpath_lab import (ETHTOOL_SGRO, ETHTOOL_SGSO, ETHTOOL_STSO, Fast, Namespace, run, set_liberal,
                          wait_for)  # noqa: E402

MODES = ["tcp_rr", "udp_rr", "tcp_rr2", "udp_rr2", "pps", "pps512", "bulk", "bulk-nogso", "connect"]
# The agent's settings, for `fast`.
SAMPLE, YOUNG = 16, 32

NFT = """
table ip t {
	map published {
		type inet_proto . inet_service : ipv4_addr . inet_service
		elements = { tcp . 8080 : 172.30.%(number)d.2 . 80, udp . 8080 : 172.30.%(number)d.2 . 80 }
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

# As iptables-save shows them after `docker run -p 8080:80 -p 8080:80/udp`.
DOCKER = """
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.30.%(number)d.0/24 ! -o br0 -j MASQUERADE
-A POSTROUTING -s 172.30.%(number)d.2/32 -d 172.30.%(number)d.2/32 -p tcp -m tcp --dport 80 -j MASQUERADE
-A POSTROUTING -s 172.30.%(number)d.2/32 -d 172.30.%(number)d.2/32 -p udp -m udp --dport 80 -j MASQUERADE
-A DOCKER -i br0 -j RETURN
-A DOCKER ! -i br0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.30.%(number)d.2:80
-A DOCKER ! -i br0 -p udp -m udp --dport 8080 -j DNAT --to-destination 172.30.%(number)d.2:80
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-ISOLATION-STAGE-2 - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A FORWARD -o br0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o br0 -j DOCKER
-A FORWARD -i br0 ! -o br0 -j ACCEPT
-A FORWARD -i br0 -o br0 -j ACCEPT
-A DOCKER -d 172.30.%(number)d.2/32 ! -i br0 -o br0 -p tcp -m tcp --dport 80 -j ACCEPT
-A DOCKER -d 172.30.%(number)d.2/32 ! -i br0 -o br0 -p udp -m udp --dport 80 -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -i br0 ! -o br0 -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-1 -j RETURN
-A DOCKER-ISOLATION-STAGE-2 -o br0 -j DROP
-A DOCKER-ISOLATION-STAGE-2 -j RETURN
-A DOCKER-USER -j RETURN
COMMIT
"""


def load_nft(router, number):
    router.run("nft", "-f", "-", input=NFT % {"number": number})


def load_docker(router, number):
    # iptables' lock is one for the whole machine: not this one.
    with tempfile.TemporaryDirectory() as directory:
        router.run("env", "XTABLES_LOCKFILE=%s/lock" % directory, "iptables-restore", input=DOCKER % {"number": number})


class Router:
    def __init__(self, number, client, container, load_rules):
        self.router, self.number = Namespace(), number
        names = {"client": str(client.process.pid), "container": str(container.process.pid)}
        run, device = self.router.run, "eth%d" % number
        run("ip", "link", "add", "up0", "type", "veth", "peer", "name", device, "netns", names["client"])
        run("ip", "link", "add", "v1", "type", "veth", "peer", "name", device, "netns", names["container"])
        run("ip", "link", "add", "br0", "address", "02:00:00:00:00:%02x" % (number + 1), "type", "bridge")
        run("ip", "link", "set", "v1", "master", "br0")
        run("ip", "addr", "add", "198.18.%d.1/24" % number, "dev", "up0")
        run("ip", "addr", "add", "172.30.%d.1/24" % number, "dev", "br0")
        for each in ("up0", "v1", "br0"):
            run("ip", "link", "set", each, "up")
        run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.netfilter.nf_conntrack_acct=1")
        client.run("ip", "addr", "add", "198.18.%d.2/24" % number, "dev", device)
        client.run("ip", "link", "set", device, "up")
        client.run("ip", "route", "add", "172.30.%d.0/24" % number, "via", "198.18.%d.1" % number)
        container.run("ip", "addr", "add", "172.30.%d.2/24" % number, "dev", device)
        container.run("ip", "link", "set", device, "up")
        container.run("ip", "route", "add", "198.18.%d.0/24" % number, "via", "172.30.%d.1" % number)
        if load_rules:
            load_rules(self.router, number)
        self.uplink, _ = self.router.link("up0")
        self.veth, _ = self.router.link("v1")
        self.bridge, self.bridge_mac = self.router.link("br0")
        _, self.mac = container.link(device)


def answer_requests(fast, router, stop):
    while not stop.is_set():
        for flow in {r.raw: r for r in fast.requests(100)}.values():
            try:
                set_liberal(router, flow)
            except OSError:
                pass  # has ended meanwhile


@contextlib.contextmanager
def fast_path(library, lab):
    """The library's programs, and as much of an agent as they need."""
    fast = Fast(library, lab, flows=4096)
    fast.configure(sample=SAMPLE, young=YOUNG, asks=2000)
    fast.container(b"\0" * 10 + b"\xff\xff" + socket.inet_aton("172.30.0.2"), lab.veth, lab.bridge, 1500, lab.mac, lab.bridge_mac)
    fast.attach()
    stop = threading.Event()
    thread = threading.Thread(target=answer_requests, args=(fast, lab.router, stop))
    thread.start()
    try:
        yield fast
    finally:
        stop.set()
        thread.join()
        fast.detach()
        fast.close()


@contextlib.contextmanager
def sluice_agent(launcher, library, lab):
    """The agent, and its programs as the library finds them at the uplink."""
    with tempfile.TemporaryDirectory() as directory:
        sluice = [launcher, "--socket", directory + "/agent.sock"]
        agent = subprocess.Popen(
            ["nsenter", "--net=" + lab.router.path, *sluice, "agent", "--ports-file", directory + "/ports.yaml", "--fastpath=on"],
            stderr=subprocess.PIPE, text=True, env=dict(os.environ, SLUICE_KEEPER="off"))
        try:
            said = ""
            while "ready after" not in said:
                line = agent.stderr.readline()
                if not line:
                    raise SystemExit("the agent did not start: " + said)
                said += line
            threading.Thread(target=agent.stderr.read, daemon=True).start()
            run(*sluice, "publish", "-p", "8080:80", "-p", "8080:80/udp", "--to", "172.30.%d.2" % lab.number)

            def programs():
                try:
                    return Fast(library, lab, orphan=True)
                except OSError:
                    return None  # not attached yet

            fast = wait_for(programs, "the agent's fast path")
            try:
                yield fast
            finally:
                fast.close()
        finally:
            agent.terminate()
            agent.wait()


def grown(after, before):
    return {outcome: count - before[outcome] for outcome, count in after.items() if count != before[outcome]}


def measure(library, launcher, slots, slot_ms, turns, modes):
    client, container = Namespace(), Namespace()
    routers = [Router(i, client, container, rules) for i, rules in enumerate((load_nft, load_nft, load_docker, None, None))]
    client.run("ip", "link", "add", "eth9", "type", "veth", "peer", "name", "eth9", "netns", str(container.process.pid))
    for namespace, address in ((client, "10.9.0.1/24"), (container, "10.9.0.2/24")):
        namespace.run("ip", "addr", "add", address, "dev", "eth9")
        namespace.run("ip", "link", "set", "eth9", "up")
    # The client's port is free again at once, and the same for all.
    client.run("sysctl", "-qw", "net.ipv4.tcp_max_tw_buckets=0")
    with fast_path(library, routers[0]) as fast, sluice_agent(launcher, library, routers[4]) as sluice:
        programs = {"fast": fast, "sluice": sluice}
        ways = {"nft": "198.18.1.1:8080", "fast": "198.18.0.1:8080", "sluice": "198.18.4.1:8080", "iptables": "198.18.2.1:8080",
                "plain": "172.30.3.2:80", "direct": "10.9.0.2:80"}
        running = subprocess.Popen(
            ["nsenter", "--net=" + client.path, slots, slot_ms, turns, container.path, *map("=".join, ways.items())],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if running.stdout.readline() != "warm\n":
            raise SystemExit("slots ended")
        for mode in modes:
            for namespace in (client, container):
                for device in ("eth0", "eth1", "eth2", "eth3", "eth4", "eth9"):
                    namespace.offload(device, mode != "bulk-nogso", (ETHTOOL_STSO, ETHTOOL_SGSO, ETHTOOL_SGRO))
            before = {way: each.stats() for way, each in programs.items()}
            running.stdin.write(mode.split("-")[0] + "\n")
            running.stdin.flush()
            lines = [running.stdout.readline().split() for _ in ways]
            print(json.dumps({"mode": mode, "rates": {line[0]: [float(rate) for rate in line[1:]] for line in lines},
                              "outcomes": {way: grown(each.stats(), before[way]) for way, each in programs.items()}}), flush=True)
        running.stdin.close()
        running.wait()
    for namespace in [client, container] + [router.router for router in routers]:
        namespace.close()


if __name__ == "__main__":
    measure(*map(os.path.abspath, sys.argv[1:4]), *sys.argv[4:6], sys.argv[6:] or MODES)
