/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The layouts that C and Java share. Each struct is one list of fields; the list makes the struct,
 * the compile-time proof that every field is where the diagram says, and the table behind
 * sluice_layout_*(), which Java checks when it loads the library.
 *
 * Integers are in host byte order, addresses are the bytes of the packet (IPv4: the first four, the
 * rest zero), times are nanoseconds since 1970 UTC. A record starts on a cache line and fills three.
 */
#ifndef SLUICE_RECORD_H
#define SLUICE_RECORD_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "../bpf/shared.h"

/* What a record says happened. 0 is never written, so that unwritten memory is not an event. */
enum sluice_kind {
	SLUICE_KIND_NEW = 1,
	SLUICE_KIND_UPDATE = 2,
	SLUICE_KIND_DESTROY = 3,
	SLUICE_KIND_GAP = 4,
	SLUICE_KIND_ENTRY = 5, /* not an event: a flow that a dump found in the table */
};

/* Why events are missing. */
enum sluice_cause {
	SLUICE_CAUSE_RECEIVE_BUFFER = 1, /* the kernel found the socket's receive buffer full */
	SLUICE_CAUSE_RING_OVERFLOW = 2,	 /* the consumer left no room in the ring */
	SLUICE_CAUSE_MALFORMED = 3,	 /* messages that could not be decoded */
	SLUICE_CAUSES,
};

/*
 * Which optional fields the kernel sent. The kernel leaves out a mark of 0 and the default zone, and
 * sends counters, start and stop only when a flow ends.
 */
enum sluice_present {
	SLUICE_HAS_ID = 1 << 0,
	SLUICE_HAS_STATUS = 1 << 1,
	SLUICE_HAS_MARK = 1 << 2,
	SLUICE_HAS_TIMEOUT = 1 << 3,
	SLUICE_HAS_PROTO_STATE = 1 << 4,
	SLUICE_HAS_PORTS = 1 << 5,
	SLUICE_HAS_ICMP = 1 << 6,
	SLUICE_HAS_ZONE = 1 << 7,	 /* zone holds for both directions */
	SLUICE_HAS_ORIG_ZONE = 1 << 8,	 /* zone holds for the original direction only */
	SLUICE_HAS_REPLY_ZONE = 1 << 9,	 /* zone holds for the reply direction only */
	SLUICE_HAS_ORIG_COUNTERS = 1 << 10,
	SLUICE_HAS_REPLY_COUNTERS = 1 << 11,
	SLUICE_HAS_START = 1 << 12,
	SLUICE_HAS_STOP = 1 << 13,
	SLUICE_HAS_EVENT_TIME = 1 << 14, /* event_ns is the kernel's; else when the shim read it */
	SLUICE_HAS_LABELS = 1 << 15,
	SLUICE_HAS_HELPER = 1 << 16,
};

/*
 * A flow event:
 *
 *    0        1        2        3        4        5        6        7
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 *   |  kind  | family | proto  |p. state|      zone       |    reserved     |    0
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 *   |                               event_ns                                |    8
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 *   |              present              |                id                 |   16
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 *   |              status               |               mark                |   24
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 *   |          timeout_seconds          |o. type |o. code |r. type |r. code |   32
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 *   |  orig_src_port  |  orig_dst_port  | reply_src_port  | reply_dst_port  |   40
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 *   |                         orig_src  (16 bytes)                          |   48
 *   |                         orig_dst  (16 bytes)                          |   64
 *   |                         reply_src (16 bytes)                          |   80
 *   |                         reply_dst (16 bytes)                          |   96
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 *   |                             orig_packets                              |  112
 *   |                             orig_bytes                                |  120
 *   |                             reply_packets                             |  128
 *   |                             reply_bytes                               |  136
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 *   |                             start_ns                                  |  144
 *   |                             stop_ns                                   |  152
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 *   |                          labels (16 bytes)                            |  160
 *   |                          helper (16 bytes)                            |  176
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 *
 * family is AF_INET or AF_INET6; proto an IP protocol number; proto_state the state of TCP
 * (enum tcp_conntrack), SCTP or DCCP. ICMP has a type and a code per direction; its identifier stands
 * in the source port of that direction, as in conntrack itself.
 * labels are the kernel's bytes, bit 0 being the lowest of the first 32-bit word; helper is a name
 * padded with NULs. reserved is 0.
 */
#define SLUICE_FLOW_FIELDS(F)                                                                      \
	F(uint8_t, kind, , 0)                                                                      \
	F(uint8_t, family, , 1)                                                                    \
	F(uint8_t, proto, , 2)                                                                     \
	F(uint8_t, proto_state, , 3)                                                               \
	F(uint16_t, zone, , 4)                                                                     \
	F(uint16_t, reserved, , 6)                                                                 \
	F(uint64_t, event_ns, , 8)                                                                 \
	F(uint32_t, present, , 16)                                                                 \
	F(uint32_t, id, , 20)                                                                      \
	F(uint32_t, status, , 24)                                                                  \
	F(uint32_t, mark, , 28)                                                                    \
	F(uint32_t, timeout_seconds, , 32)                                                         \
	F(uint8_t, orig_icmp_type, , 36)                                                           \
	F(uint8_t, orig_icmp_code, , 37)                                                           \
	F(uint8_t, reply_icmp_type, , 38)                                                          \
	F(uint8_t, reply_icmp_code, , 39)                                                          \
	F(uint16_t, orig_src_port, , 40)                                                           \
	F(uint16_t, orig_dst_port, , 42)                                                           \
	F(uint16_t, reply_src_port, , 44)                                                          \
	F(uint16_t, reply_dst_port, , 46)                                                          \
	F(uint8_t, orig_src, [16], 48)                                                             \
	F(uint8_t, orig_dst, [16], 64)                                                             \
	F(uint8_t, reply_src, [16], 80)                                                            \
	F(uint8_t, reply_dst, [16], 96)                                                            \
	F(uint64_t, orig_packets, , 112)                                                           \
	F(uint64_t, orig_bytes, , 120)                                                             \
	F(uint64_t, reply_packets, , 128)                                                          \
	F(uint64_t, reply_bytes, , 136)                                                            \
	F(uint64_t, start_ns, , 144)                                                               \
	F(uint64_t, stop_ns, , 152)                                                                \
	F(uint8_t, labels, [16], 160)                                                              \
	F(char, helper, [16], 176)

/*
 * A gap: `lost` events between from_ns and to_ns are missing. It is written where the loss was
 * noticed; events that the kernel queued before the loss may follow it, so place it by its times.
 * at_most is 1 where the kernel may have delivered later what it counted as lost (reliable mode).
 *
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 *   |  kind  | cause  |at_most |               zero (5 bytes)               |    0
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 *   |                               event_ns                                |    8
 *   |                               lost                                    |   16
 *   |                               from_ns                                 |   24
 *   |                               to_ns                                   |   32
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 *   |                            zero (152 bytes)                           |   40
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 */
#define SLUICE_GAP_FIELDS(F)                                                                       \
	F(uint8_t, kind, , 0)                                                                      \
	F(uint8_t, cause, , 1)                                                                     \
	F(uint8_t, at_most, , 2)                                                                   \
	F(uint8_t, zero, [5], 3)                                                                   \
	F(uint64_t, event_ns, , 8)                                                                 \
	F(uint64_t, lost, , 16)                                                                    \
	F(uint64_t, from_ns, , 24)                                                                 \
	F(uint64_t, to_ns, , 32)                                                                   \
	F(uint8_t, rest, [152], 40)

/*
 * The ring's header, in front of `slots` records. head and tail count records since the start and
 * never wrap in practice; record n lies in slot n % slots. The producer stores head with release
 * order, the consumer tail; each reads the other's with acquire order. consumer_sleeps is 1 while the
 * consumer is in, or about to enter, the kernel: it is the futex the producer wakes; 2 says that it
 * shall not go to sleep.
 *
 * drained_ns (CLOCK_MONOTONIC, stored with release order behind head) says how far the stream reaches:
 * every event that the kernel had queued by then lies in front of the head that is read after it, or
 * in a gap.
 *
 * Everything that one side writes has 128 bytes of its own: processors fetch lines in pairs.
 *
 *   +-------------+-------------+-------------+-----------------------------+
 *   |   version   |record_bytes |    slots    |           unused            |    0
 *   +-------------+-------------+-------------+-----------------------------+
 *   |           head            |        drained_ns         |    unused     |  128  producer
 *   +---------------------------+-------------------------------------------+
 *   |           tail            |                  unused                   |  256  consumer
 *   +-------------+-------------+-------------------------------------------+
 *   |   sleeps    |                        unused                           |  384  both
 *   +-------------+---------------------------------------------------------+
 *   |                         slots x 192 bytes                             |  512
 */
#define SLUICE_RING_ALIGNMENT 128
#define SLUICE_RING_FIELDS(F)                                                                      \
	F(uint32_t, version, , 0)                                                                  \
	F(uint32_t, record_bytes, , 4)                                                             \
	F(uint32_t, slots, , 8)                                                                    \
	F(_Alignas(SLUICE_RING_ALIGNMENT) _Atomic uint64_t, head, , 128)                           \
	F(_Atomic uint64_t, drained_ns, , 136)                                                     \
	F(_Alignas(SLUICE_RING_ALIGNMENT) _Atomic uint64_t, tail, , 256)                           \
	F(_Alignas(SLUICE_RING_ALIGNMENT) _Atomic uint32_t, consumer_sleeps, , 384)

/*
 * Counters since sluice_events_open().
 *
 *   received            flow events that arrived and were decoded: new_events + update_events +
 *                       destroy_events; all but ring_lost of them are in the ring
 *   malformed           messages that could not be decoded (each is also a lost event of a gap)
 *   ignored             messages that are no conntrack events, or were not sent by the kernel
 *   unknown_attributes  attributes that this version does not know, skipped
 *   kernel_lost         events the kernel dropped because the receive buffer was full
 *   ring_lost           decoded events for which the ring had no room
 *   gaps                gap records written
 *   batches             reads that returned at least one datagram
 *   wakeups             times the consumer was woken
 *   cpu_ns              processor time of the thread
 *   rcvbuf_bytes        receive buffer as the kernel accounts it
 *   rcvbuf_growths      times it was enlarged after a loss
 *   reliable            1 while undelivered ends of flows are kept by the kernel, else 0
 *   reliable_left       times the thread left that mode because the ring was full for too long
 *   error               errno that made the thread give up, 0 while it works
 *   malformed_bytes     size of the first malformed message, 0 if there was none
 *   malformed_hex       its first bytes in hexadecimal, NUL-terminated
 */
#define SLUICE_MALFORMED_HEX 768
#define SLUICE_STATS_FIELDS(F)                                                                     \
	F(uint64_t, received, , 0)                                                                 \
	F(uint64_t, new_events, , 8)                                                               \
	F(uint64_t, update_events, , 16)                                                           \
	F(uint64_t, destroy_events, , 24)                                                          \
	F(uint64_t, malformed, , 32)                                                               \
	F(uint64_t, ignored, , 40)                                                                 \
	F(uint64_t, unknown_attributes, , 48)                                                      \
	F(uint64_t, kernel_lost, , 56)                                                             \
	F(uint64_t, ring_lost, , 64)                                                               \
	F(uint64_t, gaps, , 72)                                                                    \
	F(uint64_t, batches, , 80)                                                                 \
	F(uint64_t, wakeups, , 88)                                                                 \
	F(uint64_t, cpu_ns, , 96)                                                                  \
	F(uint64_t, rcvbuf_bytes, , 104)                                                           \
	F(uint64_t, error, , 112)                                                                  \
	F(uint64_t, malformed_bytes, , 120)                                                        \
	F(char, malformed_hex, [SLUICE_MALFORMED_HEX], 128)                                        \
	F(uint64_t, rcvbuf_growths, , 896)                                                         \
	F(uint64_t, reliable, , 904)                                                               \
	F(uint64_t, reliable_left, , 912)

/*
 * Counters of the userland proxy, of all its threads together. Bytes count when they have been
 * passed on.
 *
 *   connections        TCP connections that are open, connections_total since the start
 *   bytes_in           from clients to backends, TCP and UDP
 *   bytes_out          from backends to clients
 *   refused            connections, or sessions, whose backend refused or did not answer
 *   no_descriptor      times something had to wait, or was refused, because no descriptor was left
 *   sessions           UDP sessions that are open, sessions_total since the start
 *   sessions_evicted   sessions that ended before their time because another needed the place
 *   dropped            datagrams that could not be passed on
 *   listeners          sockets that are listened on
 *   descriptors        open descriptors, in tables of the proxy's own
 *   cpu_ns             processor time of the threads
 */
#define SLUICE_PROXY_FIELDS(F)                                                                     \
	F(uint64_t, connections, , 0)                                                              \
	F(uint64_t, connections_total, , 8)                                                        \
	F(uint64_t, bytes_in, , 16)                                                                \
	F(uint64_t, bytes_out, , 24)                                                               \
	F(uint64_t, refused, , 32)                                                                 \
	F(uint64_t, no_descriptor, , 40)                                                           \
	F(uint64_t, sessions, , 48)                                                                \
	F(uint64_t, sessions_total, , 56)                                                          \
	F(uint64_t, sessions_evicted, , 64)                                                        \
	F(uint64_t, dropped, , 72)                                                                 \
	F(uint64_t, listeners, , 80)                                                               \
	F(uint64_t, descriptors, , 88)                                                             \
	F(uint64_t, cpu_ns, , 96)

/*
 * One direction of a flow that the fast path carries: its packets as they come in and as they leave,
 * the devices, and what was carried so far, counted as conntrack counts. ended is why it is carried no
 * longer (the number of a field of fastpath.*), 0 while it is.
 *
 * The same record asks for BE_LIBERAL: then src, dst and the ports are the original tuple of the flow,
 * and what follows them is zero. And it names a flow, by everything up to dst.
 *
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 *   | family | proto  | ended  |  zero  |    src_port     |    dst_port     |    0
 *   |                            src  (16 bytes)                            |    8
 *   |                            dst  (16 bytes)                            |   24
 *   |                          new_src (16 bytes)                           |   40
 *   |                          new_dst (16 bytes)                           |   56
 *   |  new_src_port   |  new_dst_port   |            from_device            |   72
 *   |             to_device             |                mtu                |   80
 *   |                                packets                                |   88
 *   |                                 bytes                                 |   96
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 */
#define SLUICE_OFFLOAD_FIELDS(F)                                                                   \
	F(uint8_t, family, , 0)                                                                    \
	F(uint8_t, proto, , 1)                                                                     \
	F(uint8_t, ended, , 2)                                                                     \
	F(uint8_t, zero, , 3)                                                                      \
	F(uint16_t, src_port, , 4)                                                                 \
	F(uint16_t, dst_port, , 6)                                                                 \
	F(uint8_t, src, [16], 8)                                                                   \
	F(uint8_t, dst, [16], 24)                                                                  \
	F(uint8_t, new_src, [16], 40)                                                              \
	F(uint8_t, new_dst, [16], 56)                                                              \
	F(uint16_t, new_src_port, , 72)                                                            \
	F(uint16_t, new_dst_port, , 74)                                                            \
	F(uint32_t, from_device, , 76)                                                             \
	F(uint32_t, to_device, , 80)                                                               \
	F(uint32_t, mtu, , 84)                                                                     \
	F(uint64_t, packets, , 88)                                                                 \
	F(uint64_t, bytes, , 96)

/* What became of packets that the fast path saw, one counter for each line of bpf/shared.h's list. */
struct sluice_fastpath_stats {
#define SLUICE_MEMBER(NAME, name) uint64_t name;
	FAST_OUTCOMES(SLUICE_MEMBER)
#undef SLUICE_MEMBER
};
_Static_assert(sizeof(struct sluice_fastpath_stats) == 8 * FAST_OUTCOME_COUNT, "nothing else");

#define SLUICE_MEMBER(type, name, suffix, offset) type name suffix;
struct sluice_offload {
	SLUICE_OFFLOAD_FIELDS(SLUICE_MEMBER)
};
struct sluice_flow {
	SLUICE_FLOW_FIELDS(SLUICE_MEMBER)
};
struct sluice_gap {
	SLUICE_GAP_FIELDS(SLUICE_MEMBER)
};
struct sluice_ring_header {
	SLUICE_RING_FIELDS(SLUICE_MEMBER)
};
struct sluice_stats {
	SLUICE_STATS_FIELDS(SLUICE_MEMBER)
};
struct sluice_proxy_stats {
	SLUICE_PROXY_FIELDS(SLUICE_MEMBER)
};
#undef SLUICE_MEMBER

/* What a slot holds; kind is at offset 0 of both. */
union sluice_record {
	struct sluice_flow flow;
	struct sluice_gap gap;
};

#define SLUICE_RECORD_BYTES 192
_Static_assert(sizeof(struct sluice_flow) == SLUICE_RECORD_BYTES, "a flow fills its slot");
_Static_assert(sizeof(struct sluice_gap) == SLUICE_RECORD_BYTES, "a gap fills its slot");
_Static_assert(SLUICE_RECORD_BYTES % 64 == 0, "slots start on cache lines");
_Static_assert(sizeof(struct sluice_ring_header) == 512, "records start at 512");
_Static_assert(sizeof(_Atomic uint64_t) == 8 && sizeof(_Atomic uint32_t) == 4,
	       "atomics have no room for a lock");

#define SLUICE_AT(type, field, where)                                                              \
	_Static_assert(offsetof(type, field) == (where), #type "." #field " is not at " #where);
#define SLUICE_FLOW_AT(type, name, suffix, offset) SLUICE_AT(struct sluice_flow, name, offset)
#define SLUICE_GAP_AT(type, name, suffix, offset) SLUICE_AT(struct sluice_gap, name, offset)
#define SLUICE_RING_AT(type, name, suffix, offset) SLUICE_AT(struct sluice_ring_header, name, offset)
#define SLUICE_STATS_AT(type, name, suffix, offset) SLUICE_AT(struct sluice_stats, name, offset)
#define SLUICE_PROXY_AT(type, name, suffix, offset) SLUICE_AT(struct sluice_proxy_stats, name, offset)
#define SLUICE_OFFLOAD_AT(type, name, suffix, offset) SLUICE_AT(struct sluice_offload, name, offset)
SLUICE_FLOW_FIELDS(SLUICE_FLOW_AT)
SLUICE_GAP_FIELDS(SLUICE_GAP_AT)
SLUICE_RING_FIELDS(SLUICE_RING_AT)
SLUICE_STATS_FIELDS(SLUICE_STATS_AT)
SLUICE_PROXY_FIELDS(SLUICE_PROXY_AT)
SLUICE_OFFLOAD_FIELDS(SLUICE_OFFLOAD_AT)
#undef SLUICE_AT
#undef SLUICE_FLOW_AT
#undef SLUICE_GAP_AT
#undef SLUICE_RING_AT
#undef SLUICE_STATS_AT
#undef SLUICE_PROXY_AT
#undef SLUICE_OFFLOAD_AT

#endif
