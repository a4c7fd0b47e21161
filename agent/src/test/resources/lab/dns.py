"""Asks DNS questions, encoded and read by scapy, and prints what it hears. Arguments: address, port, and questions such
as "udp A web.blue", "tcp SRV _80._tcp.web"; options behind: edns=SIZE. A line for each."""
import random
import socket
import struct
import sys

# Started without site (-S); scapy alone is needed, and only its DNS.
sys.path.append("/usr/lib/python3/dist-packages")
from scapy.layers.dns import DNS, DNSQR, DNSRROPT, dnstypes  # noqa: E402

RCODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}


def text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def shown(record):
    kind = dnstypes.get(record.type, record.type)
    if kind == "SRV":
        data = f"{record.priority} {record.weight} {record.port} {text(record.target)}"
    elif kind == "TXT":
        data = " ".join(text(part) for part in record.rdata)
    else:
        data = text(record.rdata)
    return f"{text(record.rrname)} {record.ttl} {kind} {data}"


def records(first, count):
    found = []
    for _ in range(count):
        found.append(first)
        first = first.payload
    return found


def ask(server, transport, kind, name, options):
    query = DNS(id=random.randrange(65536), rd=1, qd=DNSQR(qname=name, qtype=kind))
    if "edns" in options:
        query.ar = DNSRROPT(rclass=int(options["edns"]))
    wire = bytes(query)
    family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM if transport == "tcp" else socket.SOCK_DGRAM) as asker:
        asker.settimeout(5)
        asker.connect(server)
        if transport == "tcp":
            asker.sendall(struct.pack("!H", len(wire)) + wire)
            stream = asker.makefile("rb")
            answer = stream.read(struct.unpack("!H", stream.read(2))[0])
        else:
            asker.send(wire)
            answer = asker.recv(65535)
    heard = DNS(answer)
    assert heard.id == query.id and heard.qr == 1, heard.show(dump=True)
    assert heard.qdcount == 1 and text(heard.qd.qname) == name + ".", heard.show(dump=True)
    flags = "".join(" " + flag for flag in ("aa", "tc", "rd", "ra") if getattr(heard, flag))
    sections = [shown(record) for record in records(heard.an, heard.ancount)]
    for record in records(heard.ar, heard.arcount):
        sections.append(f"OPT {record.rclass}" if record.type == 41 else "+" + shown(record))
    if len(sections) > 5:
        sections = [f"{len(sections)} records"]
    return " | ".join([RCODES.get(heard.rcode, str(heard.rcode)) + flags] + sections)


def main():
    server = (sys.argv[1], int(sys.argv[2]))
    for question in sys.argv[3:]:
        transport, kind, name, *options = question.split()
        print(ask(server, transport, kind, name, dict(option.split("=") for option in options)), flush=True)


main()
