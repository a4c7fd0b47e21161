#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes headers.list: every integer constant that the kernel and C library headers below define.

Run by hand when the headers of the build system move on; the result is checked in, so that the build
needs no Python:

    abi/extract.py > abi/headers.list
"""
import re
import subprocess
import sys

KERNEL = """linux/netlink.h linux/netfilter/nfnetlink.h linux/netfilter/nf_tables.h
linux/netfilter/nfnetlink_conntrack.h linux/netfilter/nf_conntrack_common.h
linux/netfilter/nf_conntrack_tcp.h linux/netfilter/nf_nat.h linux/netfilter.h linux/netfilter_ipv4.h
linux/netfilter_ipv6.h linux/netfilter_bridge.h linux/rtnetlink.h linux/if_link.h linux/if_addr.h
linux/neighbour.h linux/if_bridge.h linux/veth.h linux/net_namespace.h linux/fib_rules.h linux/if.h
linux/if_ether.h linux/in.h linux/in6.h linux/ipv6.h linux/icmp.h linux/icmpv6.h linux/sock_diag.h
linux/capability.h""".split()

# Of the C library only what a netlink agent calls by name.
LIBC = {
    "sys/socket.h": r"(AF|PF|SOCK|SOL|SO|MSG|SHUT|SCM)_",
    "fcntl.h": r"(O|F|FD|AT|LOCK)_",
    "poll.h": r"POLL",
    "sched.h": r"CLONE_",
    "errno.h": r"E[A-Z]",
    "sys/eventfd.h": r"EFD_",
    "sys/epoll.h": r"EPOLL",
    "sys/mount.h": r"(MS|MNT)_",
}


def preprocessed(header):
    """Yields (file, line) of the header's expansion, macro definitions included."""
    source = f"#define _GNU_SOURCE\n#include <sys/socket.h>\n#include <{header}>\n"
    text = subprocess.run(["gcc", "-E", "-dD", "-x", "c", "-"], input=source, text=True,
                          check=True, capture_output=True).stdout
    current = ""
    for line in text.splitlines():
        marker = re.match(r'# \d+ "([^"]*)"', line)
        if marker:
            current = marker.group(1)
        else:
            yield current, line


def own_names(header, belongs):
    names = []
    code = []
    for file, line in preprocessed(header):
        if not belongs(file):
            continue
        macro = re.match(r"#define (\w+)(?!\w)(?!\() (.+)", line)
        if macro:
            names.append(macro.group(1))
        elif not line.startswith("#"):
            code.append(line)
    for body in re.findall(r"\benum\b[^{};]*\{([^}]*)\}", "\n".join(code)):
        depth_free = re.sub(r"\([^()]*\)", "", re.sub(r"\([^()]*\)", "", body))
        for enumerator in depth_free.split(","):
            name = re.match(r"\s*([A-Za-z_]\w*)", enumerator)
            if name:
                names.append(name.group(1))
    return list(dict.fromkeys(names))


def constant(header, names):
    """Those names that are integer constant expressions, found by asking the compiler."""
    lines = "".join(f"void f{i}(void) {{ enum {{ e = ({n}) != 0 }}; }}\n" for i, n in enumerate(names))
    source = (f"#define _GNU_SOURCE\n#include <sys/socket.h>\n#include <{header}>\n"
              f'#line 1 "probe"\n{lines}')
    result = subprocess.run(["gcc", "-fsyntax-only", "-w", "-fmax-errors=0", "-x", "c", "-"],
                            input=source, text=True, capture_output=True,
                            env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"})
    bad = {int(n) for n in re.findall(r"^probe:(\d+):.*error:", result.stderr, re.M)}
    return [n for i, n in enumerate(names, 1) if i not in bad]


def main():
    seen = set()
    print("# Written by abi/extract.py: do not edit. Constants by hand go to constants.list.")
    for header in KERNEL + list(LIBC):
        if header in LIBC:
            wanted = re.compile(LIBC[header])
            names = own_names(header, lambda file: file.startswith("/usr"))
            names = [n for n in names if wanted.match(n)]
        else:
            names = own_names(header, lambda file, h=header: file.endswith("/" + h))
        names = [n for n in constant(header, names) if n not in seen and not n.endswith("_H")]
        seen.update(names)
        print(f"\n#include <{header}>")
        print("\n".join(names))
        print(f"{header}: {len(names)}", file=sys.stderr)


if __name__ == "__main__":
    main()
