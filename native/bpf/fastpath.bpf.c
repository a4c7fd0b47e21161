/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * The fast path: carries packets of established, translated flows past netfilter, between outer
 * devices and containers. Two programs at tc ingress, which differ in where they look for the exit:
 * sluice_inward on outer devices, sluice_outward on the host's side of each container's veth pair.
 *
 * Conntrack stays the truth. A flow is made, translated and ended by netfilter; it is learned from
 * conntrack here, and checked against it and the routes once a second. Whatever is out of the ordinary
 * is left to the kernel, and so is everything when these programs are gone.
 */
#include <stdbool.h>
#include <stddef.h>

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "shared.h"
#include "kernel.h"
#include "packet.h"
#include "rewrite.h"

/* Conntrack's functions are for programs under the GPL only; this one is offered under both licenses. */
char gpl[] SEC("license") = "GPL";

volatile struct fast_config config = { .layout = FAST_LAYOUT };

/* Not LRU: nothing is evicted behind user space's back, with its counters. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct fast_key4);
	__type(value, struct fast_flow);
} flows4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct fast_key6);
	__type(value, struct fast_flow);
} flows6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct fast_address);
	__type(value, struct fast_container);
} containers SEC(".maps");

/* Of containers. The kernel takes a device out when it goes, whether or not somebody tells us. */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} devices SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FAST_OUTCOME_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} outcomes SEC(".maps");

struct asked {
	__u32 tick, requests;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct asked);
} asks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024);
} requests SEC(".maps");

#include "flow.h"

static __always_inline void count(__u32 outcome)
{
	__u64 *counter = bpf_map_lookup_elem(&outcomes, &outcome);

	if (counter)
		++*counter;
}

/* To whatever other programs there are, and to netfilter. */
static __always_inline int slow(__u32 why)
{
	count(why);
	return TC_ACT_UNSPEC;
}

static __always_inline struct fast_flow *find_flow(const struct packet *p)
{
	struct fast_flow *flow;

	if (p->family != AF_INET)
		return bpf_map_lookup_elem(&flows6, &p->key.v6);
	flow = bpf_map_lookup_elem(&flows4, &p->key.v4);
	/* Or clang makes one call of both, and the kernel inlines it only if it knows which map. */
	barrier_var(flow);
	return flow;
}

/* The other direction's entry. The packet's key becomes its key: what comes back is addressed to whom
 * this goes out as. */
static __always_inline struct fast_flow *find_answers(struct packet *p, const struct fast_way *way)
{
	if (p->family == AF_INET) {
		p->key.v4.src = way->dst[0];
		p->key.v4.dst = way->src[0];
		p->key.v4.sport = way->dport;
		p->key.v4.dport = way->sport;
	} else {
		__builtin_memcpy(p->key.v6.src, way->dst, sizeof(way->dst));
		__builtin_memcpy(p->key.v6.dst, way->src, sizeof(way->src));
		p->key.v6.sport = way->dport;
		p->key.v6.dport = way->sport;
	}
	return find_flow(p);
}

static __always_inline bool is_from(struct __sk_buff *skb, const struct fast_flow *flow, bool inward)
{
	return flow->way.from == skb->ifindex && (inward || is_entrance(skb, flow->way.entrance));
}

/* A connection begins or ends: its packets have to be seen by conntrack from now on, both ways. */
static __noinline int end_flow(struct __sk_buff *skb, struct packet *p, bool inward)
{
	struct fast_flow *flow = find_flow(p);

	if (!flow || !is_from(skb, flow, inward))
		return 0;
	flow->ended = FAST_TCP_FLAGS;
	flow = find_answers(p, &flow->way);
	if (flow)
		flow->ended = FAST_TCP_FLAGS;
	return 0;
}

/*
 * A packet of a flow that is carried goes through netfilter, and the answer to it will not. Conntrack then
 * believes that data are not acknowledged, and shortens the timeout: the answer has to put that right.
 */
static __noinline int slow_once(struct packet *p, const struct fast_way *way, __u32 why)
{
	struct fast_flow *answers = find_answers(p, way);

	if (answers)
		answers->checked = ticks() - config.recheck_ticks;
	return slow(why);
}

/* A packet of no flow that is known. It goes the slow path in any case; perhaps the next need not. */
static __noinline int learn(struct __sk_buff *skb, struct packet *p, bool inward)
{
	struct fast_flow flow = {};
	bool turn;
	__u32 why;
	long err;

	/* Most connections of most services are shorter than what it costs to look at each packet. */
	if (bpf_get_prandom_u32() & config.sample_mask)
		return slow(FAST_SAMPLED);
	flow.generation = config.generation;
	why = find_way(skb, p, &flow.way, inward, &turn);
	if (why)
		return slow(why);
	flow.checked = ticks();
	flow.key = p->key.v6;
	err = p->family == AF_INET ? bpf_map_update_elem(&flows4, &p->key.v4, &flow, BPF_NOEXIST)
				   : bpf_map_update_elem(&flows6, &p->key.v6, &flow, BPF_NOEXIST);
	return err ? slow(FAST_FULL) : slow_once(p, &flow.way, FAST_LEARNED);
}

/* The memory of an entry that was taken away may be another flow's by now. */
static __always_inline bool is_of(const struct fast_flow *flow, const struct packet *p)
{
	const __u32 *x = (const void *)&flow->key, *y = (const void *)&p->key;
	__u32 differ = 0;

	for (unsigned int i = 0; i < sizeof(p->key.v4) / sizeof(*x); i++)
		differ |= x[i] ^ y[i];
	if (p->family != AF_INET)
		for (unsigned int i = sizeof(p->key.v4) / sizeof(*x); i < sizeof(p->key.v6) / sizeof(*x); i++)
			differ |= x[i] ^ y[i];
	return !differ;
}

static __always_inline bool same_way(const struct fast_way *a, const struct fast_way *b)
{
	const __u32 *x = (const void *)a, *y = (const void *)b;
	__u32 differ = 0;

	for (unsigned int i = 0; i < sizeof(*a) / sizeof(*x); i++)
		differ |= x[i] ^ y[i];
	return !differ;
}

/* Is what was learned still true? 0 or why not, and then it is not used again. */
static __noinline __u32 check(struct __sk_buff *skb, const struct packet *p, struct fast_flow *flow,
			      bool inward)
{
	__u32 generation = config.generation;
	struct fast_way way = {};
	bool turn = false;
	__u32 why = find_way(skb, p, &way, inward, &turn);

	if (!why && !same_way(&way, &flow->way))
		why = FAST_ROUTE;
	if (why) {
		flow->ended = why;
		return why;
	}
	flow->generation = generation;
	flow->checked = ticks();
	/* Only a packet that goes through the kernel makes it ask whether a neighbour is still there.
	 * Inward there is none to ask for, and packets that follow would overtake it. */
	return inward || !turn || !config.recheck_ticks ? 0 : FAST_TURN;
}

static __always_inline int carry(struct __sk_buff *skb, bool inward)
{
	struct packet p = {};
	struct fast_flow *flow;
	bool large;
	__u32 why;

	if (!config.on)
		return slow(FAST_OFF);
	why = read_packet(skb, &p, inward);
	if (why == FAST_TCP_FLAGS)
		end_flow(skb, &p, inward);
	if (why)
		return slow(why);
	flow = find_flow(&p);
	if (!flow)
		return learn(skb, &p, inward);
	if (flow->ended || !is_of(flow, &p))
		return slow(FAST_ENDED);
	if (!is_from(skb, flow, inward))
		return slow(FAST_ELSEWHERE);
	large = p.largest > flow->way.mtu;
	if (ticks() - flow->checked >= config.recheck_ticks ||
	    flow->generation != config.generation) {
		why = check(skb, &p, flow, inward);
		if (why && !(why == FAST_TURN && large))
			return slow_once(&p, &flow->way, why);
	}
	if (large)
		return slow_once(&p, &flow->way, FAST_MTU);
	if (p.family == AF_INET ? rewrite_ipv4(skb, &flow->way) : rewrite_ipv6(skb, &flow->way))
		return slow(FAST_LATE);
	__sync_fetch_and_add(&flow->packets, 1);
	__sync_fetch_and_add(&flow->bytes, p.bytes);
	count(inward ? FAST_INWARD : FAST_OUTWARD);
	return inward ? bpf_redirect_peer(flow->way.to, 0) : bpf_redirect(flow->way.to, 0);
}

SEC("tc")
int sluice_inward(struct __sk_buff *skb)
{
	return carry(skb, true);
}

SEC("tc")
int sluice_outward(struct __sk_buff *skb)
{
	return carry(skb, false);
}

/* Run by user space: a flow is not to be used again. 1 if there is one. */
SEC("syscall")
int sluice_retire(struct fast_retire *flow_key)
{
	struct fast_key6 key = flow_key->key;
	struct fast_flow *flow = flow_key->family == AF_INET ? bpf_map_lookup_elem(&flows4, &key)
							     : bpf_map_lookup_elem(&flows6, &key);

	if (!flow)
		return 0;
	flow->ended = FAST_ENDED;
	return 1;
}
