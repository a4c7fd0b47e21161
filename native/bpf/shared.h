/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * What the programs of the fast path and their loader (src/fastpath.c) have in common: the values of
 * the maps, the switches in .data, and why a packet was left alone. Addresses and ports are as on the
 * wire, everything else in the host's byte order.
 */
#ifndef SLUICE_BPF_SHARED_H
#define SLUICE_BPF_SHARED_H

#include <linux/types.h>

/* Changes with anything in this file: a loader does not read the maps of other programs. */
#define FAST_LAYOUT 2

/*
 * What became of a packet, one per-CPU counter each. The first two were carried; the others went
 * through netfilter as if there were no fast path, in the order in which the programs find out.
 */
#define FAST_OUTCOMES(_)                                                                           \
	_(INWARD, inward) /* redirected into a container */                                        \
	_(OUTWARD, outward) /* redirected out of an outer device */                                \
	_(OFF, off) /* switched off */                                                             \
	_(FRAME, frame) /* not IP, tagged, or not for this host */                                 \
	_(HEADER, header) /* options, a fragment, lengths that contradict each other */            \
	_(PROTOCOL, protocol) /* neither TCP nor UDP */                                            \
	_(TTL, ttl) /* would expire here */                                                        \
	_(TCP_FLAGS, tcp_flags) /* SYN, FIN or RST, or no ACK */                                   \
	_(SAMPLED, sampled) /* of no known flow, and not looked at more closely */                 \
	_(UNKNOWN, unknown) /* conntrack knows no such flow */                                     \
	_(STATE, state) /* not established in both directions, dying, marked, with a helper or IPsec */ \
	_(PLAIN, plain) /* not translated */                                                       \
	_(YOUNG, young) /* too few packets so far to be worth it */                                \
	_(STRICT, strict) /* window tracking is on; user space was asked to end that */            \
	_(UNASKED, unasked) /* the same, and too much was asked already */                         \
	_(TARGET, target) /* no container of ours, or the device of another one */                 \
	_(ROUTE, route) /* not where the routes lead, or not where they lead from */               \
	_(FULL, full) /* no room for another flow */                                               \
	_(LEARNED, learned) /* the flow's next packet will be carried */                           \
	_(ENDED, ended) /* of a flow that is carried no longer */                                  \
	_(ELSEWHERE, elsewhere) /* came in by another device than the flow, or is not for routing */ \
	_(MTU, mtu) /* larger than the exit allows */                                              \
	_(TURN, turn) /* sent through netfilter once a second, for the sake of the neighbour */     \
	_(LATE, late) /* the packet changed under our eyes, or the kernel refused to write it */

enum fast_outcome {
#define FAST_OUTCOME(NAME, name) FAST_##NAME,
	FAST_OUTCOMES(FAST_OUTCOME)
#undef FAST_OUTCOME
	FAST_OUTCOME_COUNT,
};

/* The one variable of .data, which user space has mapped: a store is in force with the next packet. */
struct fast_config {
	__u32 layout;
	__u32 on; /* 0: every packet goes the slow path */
	__u32 generation; /* raised by user space: whatever was learned before is checked again */
	__u32 recheck_ticks; /* a flow is checked against conntrack and routes this often; 0: always */
	__u32 sample_mask; /* of packets without a flow, one in (mask + 1) is looked at; 2^n - 1 */
	__u32 young_packets; /* flows with fewer, of both directions, are not carried */
	__u32 asks_per_tick; /* requests to user space, for each CPU */
	__u32 tick_hz; /* of the kernel */
	__u32 netns; /* inode of the namespace that this is for; a device may move to another one */
	__u32 tcp_timeout_ms; /* nf_conntrack_tcp_timeout_established; 0 leaves timeouts alone */
	__u32 udp_timeout_ms; /* nf_conntrack_udp_timeout_stream */
};

/* Packets of a flow as they come in. */
struct fast_key4 {
	__be32 src, dst;
	__be16 sport, dport;
	__u32 protocol;
};

struct fast_key6 {
	__be32 src[4], dst[4];
	__be16 sport, dport;
	__u32 protocol;
};

/*
 * One direction of a flow. What a packet becomes is written before the entry can be found, and never
 * changed: when it turns out to be no longer true, the entry ends, and user space takes it away once
 * no program can be looking at it any more. So nobody reads half of an old and half of a new
 * translation, and the counters lose nothing.
 */
struct fast_flow {
	struct fast_way {
		__be32 src[4], dst[4]; /* IPv4: the first word */
		__be16 sport, dport;
		__u8 mac[12]; /* destination, source */
		__u32 address_sum; /* checksum differences, see bpf_csum_diff() in bpf-helpers(7) */
		__u32 port_sum;
		__u32 from, to; /* devices; inward, `to` is the host's side of the container's */
		__u32 mtu;
		__u8 entrance[6]; /* whom a container's frame is to, if it is to be routed; else 0 */
		__u16 pad;
	} way;
	struct fast_key6 key; /* or the bytes of a fast_key4: the kernel may use the memory again */
	__u32 ended; /* an enum fast_outcome, or 0 */
	__u32 checked; /* in ticks */
	__u32 generation;
	__u64 packets, bytes; /* as conntrack counts: packets before segmentation, from the IP header on */
};

/* A container's address, IPv4 as ::ffff:a.b.c.d. */
struct fast_address {
	__be32 word[4];
};

struct fast_container {
	__u32 device; /* the host's side of its veth pair */
	__u32 bridge; /* what that is a port of, or itself */
	__u32 mtu;
	__u8 mac[12]; /* the container's, the bridge's */
};

/* "Set BE_LIBERAL on this flow": its original tuple. */
struct fast_request {
	__be32 src[4], dst[4];
	__be16 sport, dport;
	__u8 family; /* AF_INET, AF_INET6 */
	__u8 protocol;
	__u16 pad;
};

/* Argument of sluice_retire. */
struct fast_retire {
	__u32 family;
	__u32 pad;
	struct fast_key6 key; /* or the bytes of a fast_key4 */
};

#endif
