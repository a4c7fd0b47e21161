#!/usr/bin/python3 -IS
"""SCTP without the kernel's: an end of an association that is made by hand, in raw packets of either family.

  answer ADDRESS PORT COUNT          says "ready", then answers COUNT INITs with an INIT ACK, and says what came
  ask ADDRESS PORT SOURCE SOURCE_PORT TAG   sends an INIT, and says what came back within a second, or "nothing"

What came is "TYPE from ADDRESS:PORT verification=TAG initiate=TAG checksum=ok|wrong".
RFC 9260: common header 3.1, INIT 3.3.2, INIT ACK 3.3.3, the checksum (CRC32c) appendix A.
"""
import socket
import struct
import sys
import time

INIT, INIT_ACK = 1, 2


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


assert crc32c(b"123456789") == 0xE3069283  # the check value of the catalogue of CRCs


def packet(source, destination, verification, chunk_type, initiate):
    value = struct.pack("!IIHHI", initiate, 65536, 1, 1, 1)
    if chunk_type == INIT_ACK:
        value += struct.pack("!HHI", 7, 8, 0)  # a state cookie
    chunk = struct.pack("!BBH", chunk_type, 0, 4 + len(value)) + value
    header = struct.pack("!HHI", source, destination, verification)
    # The one field that goes least significant byte first.
    return header + struct.pack("<I", crc32c(header + bytes(4) + chunk)) + chunk


class End:
    def __init__(self, family, port):
        self.family = family
        self.port = port
        self.socket = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_SCTP)

    def receive(self, timeout):
        """The next packet to this port: (peer, peer's port, verification tag, type, initiate tag, checksum is right)."""
        deadline = time.monotonic() + timeout
        while True:
            self.socket.settimeout(max(0.001, deadline - time.monotonic()))
            data, peer = self.socket.recvfrom(65536)
            if self.family == socket.AF_INET:
                data = data[(data[0] & 15) * 4 :]
            source, destination, verification, checksum = struct.unpack("!HHI", data[:8]) + struct.unpack("<I", data[8:12])
            if destination == self.port:
                right = checksum == crc32c(data[:8] + bytes(4) + data[12:])
                return peer[0], source, verification, data[12], struct.unpack("!I", data[16:20])[0], right

    def send(self, peer, *fields):
        self.socket.sendto(packet(self.port, *fields), (peer, 0))


def say(received):
    peer, port, verification, chunk_type, initiate, right = received
    name = {INIT: "INIT", INIT_ACK: "INIT-ACK"}.get(chunk_type, chunk_type)
    print(
        f"{name} from {peer}:{port} verification={verification:x} initiate={initiate:x} "
        f"checksum={'ok' if right else 'wrong'}",
        flush=True,
    )


def main():
    what, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    if what == "answer":
        end = End(family, port)
        print("ready", flush=True)
        for _ in range(int(sys.argv[4])):
            received = end.receive(30)
            say(received)
            end.send(received[0], received[1], received[4], INIT_ACK, 0xBEEF)
        return
    end = End(family, int(sys.argv[5]))
    end.socket.bind((sys.argv[4], 0))
    end.send(address, port, 0, INIT, int(sys.argv[6], 16))
    try:
        say(end.receive(1))
    except TimeoutError:
        print("nothing")


main()
