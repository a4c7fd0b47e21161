#!/usr/bin/python3 -IS
"""Turns what strace saw of a program's netlink sockets into an annotated hex file.

usage: decode.py STRACE-OUTPUT KEEP   (writes to standard output; header lines are the caller's)

KEEP  exchange:REGEX  requests of which a message's type matches, each with everything received before the next request
      events          what was received without being asked for (messages of other senders, or of the kernel's own)

The file: '#' starts a comment. '> 76' and '< 44' begin a datagram of so many bytes, sent and received; its bytes
follow as hex pairs in order, a line per header or attribute, indented in the comment as they nest. Names come from
the headers in /usr/include/linux (what a newer kernel adds stays a number, but for what we use); only which attribute holds which is
written down here.
"""
import re
import struct
import sys

INCLUDE = "/usr/include/linux/"
HEADERS = (
    "netlink.h rtnetlink.h if_link.h if_addr.h neighbour.h if_bridge.h veth.h net_namespace.h "
    "netfilter/nf_tables.h netfilter/nfnetlink.h netfilter/nfnetlink_conntrack.h"
).split()


def enums():
    """Every enum of the headers: {its name or the name of its first member: {number: member}}."""
    spaces = {}
    for header in HEADERS:
        text = open(INCLUDE + header).read()
        text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
        text = re.sub(r"^\s*#.*$", "", text, flags=re.M)
        for name, body in re.findall(r"\benum\s*(\w*)\s*\{(.*?)\}", text, re.S):
            known, numbers, value = {}, {}, -1
            for member in filter(None, (m.strip() for m in body.split(","))):
                member, _, given = (part.strip() for part in member.partition("="))
                try:
                    value = eval(given, {}, numbers) if given else value + 1
                except (NameError, SyntaxError):
                    break  # computed from something outside the enum: the rest is not numbered by counting
                numbers[member] = value
                if not member.startswith("__"):
                    known.setdefault(value, member)
            if known:
                spaces[name or next(iter(numbers))] = known
    return spaces


ENUMS = enums()
# Of a newer kernel than the headers of Debian 12, and needed.
ENUMS["nft_set_attributes"].setdefault(20, "NFTA_SET_COUNT")
for number, what in enumerate(("ID", "DIRECTION", "STATUS", "STATE"), 18):
    ENUMS["nft_trace_attributes"].setdefault(number, "NFTA_TRACE_CT_" + what)

# ---------------------------------------------------------------------- which attribute holds what

DATA = "nft_data_attributes"
TUPLE = "ctattr_tuple"
ELEMENTS = ("list", "nft_set_elem_attributes")
EXPRESSIONS = ("list", "nft_expr_attributes")
NESTED = {
    "NFTA_CHAIN_HOOK": "nft_hook_attributes",
    "NFTA_HOOK_DEVS": "nft_devices_attributes",
    "NFTA_CHAIN_COUNTERS": "nft_counter_attributes",
    "NFTA_RULE_EXPRESSIONS": EXPRESSIONS,
    "NFTA_SET_DESC": "nft_set_desc_attributes",
    "NFTA_SET_DESC_CONCAT": ("list", "nft_set_field_attributes"),
    "NFTA_SET_EXPR": "nft_expr_attributes",
    "NFTA_SET_EXPRESSIONS": EXPRESSIONS,
    "NFTA_SET_ELEM_LIST_ELEMENTS": ELEMENTS,
    "NFTA_SET_ELEM_KEY": DATA,
    "NFTA_SET_ELEM_KEY_END": DATA,
    "NFTA_SET_ELEM_DATA": DATA,
    "NFTA_SET_ELEM_EXPR": "nft_expr_attributes",
    "NFTA_SET_ELEM_EXPRESSIONS": EXPRESSIONS,
    "NFTA_DYNSET_EXPR": "nft_expr_attributes",
    "NFTA_DYNSET_EXPRESSIONS": EXPRESSIONS,
    "NFTA_DATA_VERDICT": "nft_verdict_attributes",
    "NFTA_TRACE_VERDICT": "nft_verdict_attributes",
    "NFTA_IMMEDIATE_DATA": DATA,
    "NFTA_CMP_DATA": DATA,
    "NFTA_BITWISE_MASK": DATA,
    "NFTA_BITWISE_XOR": DATA,
    "NFTA_BITWISE_DATA": DATA,
    "NFTA_RANGE_FROM_DATA": DATA,
    "NFTA_RANGE_TO_DATA": DATA,
    "CTA_TUPLE_ORIG": TUPLE,
    "CTA_TUPLE_REPLY": TUPLE,
    "CTA_TUPLE_MASTER": TUPLE,
    "CTA_TUPLE_IP": "ctattr_ip",
    "CTA_TUPLE_PROTO": "ctattr_l4proto",
    "CTA_PROTOINFO": "ctattr_protoinfo",
    "CTA_PROTOINFO_TCP": "ctattr_protoinfo_tcp",
    "CTA_COUNTERS_ORIG": "ctattr_counters",
    "CTA_COUNTERS_REPLY": "ctattr_counters",
    "CTA_TIMESTAMP": "ctattr_tstamp",
    "CTA_NAT_SRC": "ctattr_nat",
    "CTA_NAT_DST": "ctattr_nat",
    "CTA_NAT_PROTO": "ctattr_protonat",
    "CTA_SEQ_ADJ_ORIG": "ctattr_seqadj",
    "CTA_SEQ_ADJ_REPLY": "ctattr_seqadj",
    "CTA_HELP": "ctattr_help",
    "CTA_FILTER": "ctattr_filter",
    "IFLA_LINKINFO": "IFLA_INFO_UNSPEC",
    "VETH_INFO_PEER": ("link", "IFLA_UNSPEC"),
    "RTA_METRICS": "RTAX_UNSPEC",
}
EXPRESSION_SPACE = {"numgen": "nft_ng_attributes"}
LINK_KIND_SPACE = {"bridge": "IFLA_BR_UNSPEC", "veth": "VETH_INFO_UNSPEC"}
# Message type: name, fixed header's name and length, attributes.
ROUTE = {
    16: ("ifinfomsg", 16, "IFLA_UNSPEC"),
    20: ("ifaddrmsg", 8, "IFA_UNSPEC"),
    24: ("rtmsg", 12, "rtattr_type_t"),
    28: ("ndmsg", 12, "NDA_UNSPEC"),
    36: ("tcmsg", 20, "TCA_UNSPEC"),
    44: ("tcmsg", 20, "TCA_UNSPEC"),
}
NFT = {
    "TABLE": "nft_table_attributes",
    "CHAIN": "nft_chain_attributes",
    "RULE": "nft_rule_attributes",
    "SET": "nft_set_attributes",
    "SETELEM": "nft_set_elem_list_attributes",
    "GEN": "nft_gen_attributes",
    "OBJ": "nft_object_attributes",
    "FLOWTABLE": "nft_flowtable_attributes",
    "NFT_MSG_TRACE": "nft_trace_attributes",
}
FLAGS = ((1, "REQUEST"), (2, "MULTI"), (4, "ACK"), (8, "ECHO"), (16, "DUMP_INTR"))


def type_name(kind, route):
    if kind in (2, 3):
        return {2: "NLMSG_ERROR", 3: "NLMSG_DONE"}[kind]
    if route:
        return ENUMS["RTM_BASE"].get(kind, str(kind))
    if kind in (16, 17):
        return {16: "NFNL_MSG_BATCH_BEGIN", 17: "NFNL_MSG_BATCH_END"}[kind]
    messages = {10: "nf_tables_msg_types", 1: "cntl_msg_types"}.get(kind >> 8)
    return ENUMS[messages].get(kind & 255, hex(kind)) if messages else hex(kind)


def flag_names(kind, flags, route):
    names = [name for bit, name in FLAGS if flags & bit]
    verb = type_name(kind, route)
    if kind == 2:
        more = ((0x100, "CAPPED"), (0x200, "ACK_TLVS"))
    elif "GET" in verb:
        more = ((0x300, "DUMP"), (0x100, "ROOT"), (0x200, "MATCH"))
        if flags & 0x300 == 0x300:
            more = more[:1]
    elif "DEL" in verb:
        more = ((0x100, "NONREC"), (0x200, "BULK"))
    else:
        more = ((0x100, "REPLACE"), (0x200, "EXCL"), (0x400, "CREATE"), (0x800, "APPEND"))
    return "|".join(names + [name for bit, name in more if flags & bit == bit]) or "0"


class Writer:
    """Writes one datagram, message by message. route: of an rtnetlink socket, else of a netfilter one."""

    def __init__(self, route):
        self.route = route

    def line(self, data, depth, comment):
        rows = [data[i : i + 16] for i in range(0, len(data), 16)]
        for number, row in enumerate(rows):
            text = row.hex(" ")
            print(f"{text:<47}  # {'  ' * depth}{comment}" if number == 0 else text)

    def datagram(self, sent, data):
        print(f"{'>' if sent else '<'} {len(data)}")
        at = 0
        while at + 16 <= len(data):
            length = struct.unpack_from("I", data, at)[0]
            if length < 16:
                self.line(data[at:], 0, "beyond the last message: ignored by the kernel")
                break
            self.message(data[at : at + length])
            padded = (length + 3) & ~3
            if padded > length and data[at + length : at + padded]:
                self.line(data[at + length : at + padded], 0, "padding")
            at += padded

    def header(self, data, depth):
        length, kind, flags, sequence, port = struct.unpack_from("IHHII", data)
        self.line(
            data[:16],
            depth,
            f"{type_name(kind, self.route)} length {length} flags {flag_names(kind, flags, self.route)} sequence {sequence} port {port}",
        )
        return kind, flags

    def message(self, data, depth=0):
        kind, flags = self.header(data, depth)
        if kind == 2:
            errno = struct.unpack_from("i", data, 16)[0]
            self.line(data[16:20], depth, f"error {errno}")
            request_length = struct.unpack_from("I", data, 20)[0]
            end = 36 if flags & 0x100 else 20 + ((request_length + 3) & ~3)
            self.message(data[20:end], depth + 1)
            self.attributes(data[end:], depth + 1, "nlmsgerr_attrs", "")
        elif kind == 3:
            self.line(data[16:20], depth, f"result {struct.unpack_from('i', data, 16)[0]}")
            self.attributes(data[20:], depth + 1, "nlmsgerr_attrs", "")
        elif self.route:
            name, size, space = ROUTE.get(kind & ~3, ("payload", len(data) - 16, ""))
            self.line(data[16 : 16 + size], depth, name)
            self.attributes(data[16 + size :], depth + 1, space, "")
        elif len(data) >= 20:
            family, version, resource = struct.unpack_from(">BBH", data, 16)
            self.line(data[16:20], depth, f"nfgenmsg family {family} version {version} resource {resource}")
            conntrack = {"IPCTNL_MSG_CT_GET_STATS": "ctattr_stats_global", "IPCTNL_MSG_CT_GET_STATS_CPU": "ctattr_stats_cpu"}
            space = {10: NFT.get(re.sub(r"NFT_MSG_(NEW|GET|DEL|DESTROY)", "", type_name(kind, False))), 1: conntrack.get(type_name(kind, False), "ctattr_type")}
            self.attributes(data[20:], depth + 1, space.get(kind >> 8, ""), "")

    def attributes(self, data, depth, space, kind):
        """kind: the expression or link kind that a preceding sibling named."""
        at = 0
        item = None
        if isinstance(space, tuple) and space[0] == "link":
            self.line(data[:16], depth, "ifinfomsg")
            at, space = 16, space[1]
        elif isinstance(space, tuple):
            space, item = "nft_list_attributes", space[1]
        while at + 4 <= len(data):
            length, number = struct.unpack_from("HH", data, at)
            nested_flag, number = number & 0x8000, number & 0x3FFF
            if length < 4 or at + length > len(data):
                break
            payload = data[at + 4 : at + length]
            whole = data[at : at + ((length + 3) & ~3)]
            at += len(whole)
            name = ENUMS.get(space, {}).get(number, f"attribute {number}")
            if item and number != 1:
                name = f"element {number}"  # nft numbers the items of some lists
            inner = item or NESTED.get(name)
            if name in ("NFTA_EXPR_NAME", "IFLA_INFO_KIND"):
                kind = payload.rstrip(b"\0").decode()
            elif name == "NFTA_EXPR_DATA":
                inner = EXPRESSION_SPACE.get(kind, f"nft_{kind}_attributes")
            elif name == "IFLA_INFO_DATA":
                inner = LINK_KIND_SPACE.get(kind)
            elif name == "IFLA_PROTINFO" and nested_flag:
                inner = "IFLA_BRPORT_UNSPEC"
            # nlmsgerr's copy of a request: an attribute that is nested says so there as everywhere.
            if inner:
                self.line(whole[:4], depth, name)
                self.attributes(payload, depth + 1, inner, kind)
                rest = whole[length:]
                if rest:
                    self.line(rest, depth, "padding")
            else:
                self.line(whole, depth, f"{name}{value(name, payload, self.route)}")
        if data[at:]:
            self.line(data[at:], depth, "not an attribute")


def value(name, payload, route):
    if re.search(r"USERDATA|ADDRESS$|_IP$|_V[46]_|DATA_VALUE|STATS", name):
        return ""
    if len(payload) > 1 and payload[-1] == 0 and re.fullmatch(rb"[ -~]+\0+", payload):
        return f' "{payload.rstrip(bytes(1)).decode()}"'
    if len(payload) in (1, 2, 4, 8):
        return f" {int.from_bytes(payload, 'little' if route or name.startswith('NLMSGERR') else 'big')}"
    return ""


# ------------------------------------------------------------------------------------ strace's output

CALL = re.compile(r"^(?:\d+ +)?(sendmsg|sendto|recvmsg|recvfrom)\(\d+<NETLINK:\[(\w*):?\d*\]>, (.*) = (-?\d+)")
DUMP = re.compile(r"^ \| [0-9a-f]+  ((?:[0-9a-f]{2} {1,2})+)")


def datagrams(path):
    """(sent, bytes, of an rtnetlink socket) in the order of the calls."""
    found, current = [], None
    for line in open(path, errors="replace"):
        call = CALL.match(line)
        if call:
            name, protocol, arguments, result = call.groups()
            current = None
            # A peek is followed by the real thing.
            if int(result) > 0 and not re.search(r"MSG_PEEK", arguments.rpartition("}")[2] + arguments[-40:]):
                current = bytearray()
                found.append((name.startswith("send"), current, int(result), protocol == "ROUTE"))
            continue
        dump = DUMP.match(line)
        if dump and current is not None:
            current += bytes.fromhex(dump.group(1))
        elif not dump and not line.startswith(" *"):
            current = None
    for _, data, result, _ in found:
        if len(data) != result:
            sys.exit(f"{path}: a datagram of {result} bytes was dumped as {len(data)}")
    return [(sent, bytes(data), route) for sent, data, _, route in found]


def headers(data):
    at = 0
    while at + 16 <= len(data):
        length, kind, flags, sequence, port = struct.unpack_from("IHHII", data, at)
        if length < 16:
            return
        yield kind, flags, sequence, port
        at += (length + 3) & ~3


def exchanges(all_datagrams, wanted):
    keep = False
    for sent, data, route in all_datagrams:
        if sent:
            # iproute2 opens with a probe of the kernel (sequence 0), which is not what was asked for.
            keep = any(
                re.fullmatch(wanted, type_name(kind, route)) and not (route and sequence == 0)
                for kind, _, sequence, _ in headers(data)
            )
        if keep:
            yield sent, data, route


def events(all_datagrams):
    own = {
        port
        for sent, data, _ in all_datagrams
        if not sent
        for _, flags, _, port in headers(data)
        if flags & 2 and port
    }
    for sent, data, route in all_datagrams:
        if not sent and not any(flags & 2 or kind == 2 or port in own for kind, flags, _, port in headers(data)):
            yield sent, data, route


def main():
    path, keep = sys.argv[1:]
    everything = datagrams(path)
    kept = list(events(everything) if keep == "events" else exchanges(everything, keep.removeprefix("exchange:")))
    if not kept:
        sys.exit(f"{path}: nothing to keep ({keep}) among {len(everything)} datagrams")
    for sent, data, route in kept:
        Writer(route).datagram(sent, data)


main()
