#!/usr/bin/python3 -IS
"""Asks conntrack not to watch the windows of a connection, as libnetfilter_conntrack writes it, which conntrack(8)
has no option for.

usage: liberal.py SOURCE SOURCE-PORT DESTINATION DESTINATION-PORT
"""
import ctypes
import socket
import sys

# libnetfilter_conntrack.h: enum nf_conntrack_attr, enum nf_conntrack_query; nf_conntrack_tcp.h
ORIG_IPV4_SRC, ORIG_IPV4_DST, ORIG_PORT_SRC, ORIG_PORT_DST, ORIG_L3PROTO, ORIG_L4PROTO = 0, 1, 8, 9, 15, 17
TCP_FLAGS_ORIG, TCP_FLAGS_REPL, TCP_MASK_ORIG, TCP_MASK_REPL = 33, 34, 35, 36
UPDATE, BE_LIBERAL, CONNTRACK = 1, 8, 1

library = ctypes.CDLL("libnetfilter_conntrack.so.3", use_errno=True)
library.nfct_new.restype = library.nfct_open.restype = ctypes.c_void_p
source, source_port, destination, destination_port = sys.argv[1:]
entry = ctypes.c_void_p(library.nfct_new())


def u8(attribute, value):
    library.nfct_set_attr_u8(entry, attribute, ctypes.c_uint8(value))


def address(attribute, value):
    library.nfct_set_attr_u32(entry, attribute, int.from_bytes(socket.inet_aton(value), sys.byteorder))


def port(attribute, value):
    library.nfct_set_attr_u16(entry, attribute, ctypes.c_uint16(socket.htons(int(value))))


u8(ORIG_L3PROTO, socket.AF_INET)
u8(ORIG_L4PROTO, socket.IPPROTO_TCP)
address(ORIG_IPV4_SRC, source)
address(ORIG_IPV4_DST, destination)
port(ORIG_PORT_SRC, source_port)
port(ORIG_PORT_DST, destination_port)
for one in TCP_FLAGS_ORIG, TCP_FLAGS_REPL, TCP_MASK_ORIG, TCP_MASK_REPL:
    u8(one, BE_LIBERAL)
handle = ctypes.c_void_p(library.nfct_open(CONNTRACK, 0))
if library.nfct_query(handle, UPDATE, entry):
    sys.exit("nfct_query: error %d" % ctypes.get_errno())
