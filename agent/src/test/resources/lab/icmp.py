#!/usr/bin/python3 -IS
"""Prints each ICMP error that passes a device, with the packet it is about, a line each:

  198.18.0.1 > 198.18.0.2: 3/3 about udp 198.18.0.2:4000 > 198.18.0.1:8099
  198.18.0.9 > 172.30.0.2: 3/4 mtu 1300 about tcp 172.30.0.2:80 > 198.18.0.2:4000

"bad checksum" stands behind a message, or an embedded IPv4 header, whose checksum is wrong.

  icmp.py DEVICE
"""
import socket
import struct
import sys

ETHERNET_BYTES, IPV6_BYTES, ICMP_BYTES = 14, 40, 8
ICMP, ICMPV6 = 1, 58
# Errors, not echoes; of ICMPv6 those are all below 128. Which of them carry an MTU.
ERRORS4, ERRORS6 = (3, 11, 12), range(1, 128)
FRAGMENTATION_NEEDED, PACKET_TOO_BIG = (3, 4), (2, 0)


def is_right(data):
    """Whether the Internet checksum over the data, its own field included, comes out."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total == 0xFFFF


def addresses(packet):
    """Source, destination, protocol, and the bytes of the header."""
    if packet[0] >> 4 == 4:
        source, destination = (socket.inet_ntop(socket.AF_INET, packet[at : at + 4]) for at in (12, 16))
        return source, destination, packet[9], (packet[0] & 15) * 4
    source, destination = (socket.inet_ntop(socket.AF_INET6, packet[at : at + 16]) for at in (8, 24))
    return source, destination, packet[6], IPV6_BYTES


def line(packet):
    """What to print of a packet; None if it is no error."""
    source, destination, protocol, header = addresses(packet)
    four = packet[0] >> 4 == 4
    if protocol != (ICMP if four else ICMPV6) or packet[header] not in (ERRORS4 if four else ERRORS6):
        return None
    length = struct.unpack("!H", packet[2:4])[0] if four else IPV6_BYTES + struct.unpack("!H", packet[4:6])[0]
    message = packet[header:length]
    kind = (message[0], message[1])
    text = f"{source} > {destination}: {kind[0]}/{kind[1]}"
    if kind == (FRAGMENTATION_NEEDED if four else PACKET_TOO_BIG):
        text += f" mtu {struct.unpack('!H', message[6:8])[0] if four else struct.unpack('!I', message[4:8])[0]}"
    pseudo = b"" if four else packet[8:40] + struct.pack("!II", len(message), ICMPV6)
    inner = message[ICMP_BYTES:]
    inner_source, inner_destination, inner_protocol, inner_header = addresses(inner)
    ports = struct.unpack("!HH", inner[inner_header : inner_header + 4])
    name = {6: "tcp", 17: "udp"}.get(inner_protocol, inner_protocol)
    text += f" about {name} {bracketed(inner_source)}:{ports[0]} > {bracketed(inner_destination)}:{ports[1]}"
    if not is_right(pseudo + message) or four and not is_right(inner[:inner_header]):
        text += " bad checksum"
    return text


def bracketed(address):
    return f"[{address}]" if ":" in address else address


def main():
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as sock:  # ETH_P_ALL
        sock.bind((sys.argv[1], 0))
        print("listening", flush=True)
        while True:
            frame, origin = sock.recvfrom(65536)
            if origin[1] in (0x0800, 0x86DD):
                text = line(frame[ETHERNET_BYTES:])
                if text:
                    print(text, flush=True)


main()
