/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * An experiment, not a part of the product: connections that netfilter never sees. The program makes
 * the translated conntrack entry for a first packet itself, and carries everything, handshake and end
 * included. See docs/adr/0018-first-packet.md; firstpacket.py builds and runs it.
 *
 * One published port of one container, IPv4. What a product would find in maps and ask the routes for
 * are constants of the compiler's command line: the addresses and ports HOST, PORT, CONTAINER and
 * CONTAINER_PORT, the devices UPLINK and VETH, and MACs as initializers. With STATUS the entry gets
 * these bits, too; with ENTRY_ONLY packets go through netfilter, which finds the entry made.
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

#include "../../../native/bpf/shared.h"
#include "../../../native/bpf/kernel.h"
#include "../../../native/bpf/packet.h"
#include "../../../native/bpf/rewrite.h"

char gpl[] SEC("license") = "GPL";

#define TIMEOUT_MS 60000 /* while it is open: renewed by nobody here */
#define CLOSED_MS 1000

/* net/netfilter/nf_conntrack_bpf.c, nf_nat_bpf.c: an entry that nobody can find yet. */
struct nf_conn___init {
	struct nf_conn ct;
};

enum nf_nat_manip_type { NF_NAT_MANIP_SRC, NF_NAT_MANIP_DST };

extern struct nf_conn___init *bpf_skb_ct_alloc(struct __sk_buff *skb, struct bpf_sock_tuple *tuple,
					       __u32 tuple_bytes, struct bpf_ct_opts___sluice *opts,
					       __u32 opts_bytes) __ksym;
extern int bpf_ct_set_nat_info(struct nf_conn___init *ct, union nf_inet_addr *address, int port,
			       enum nf_nat_manip_type manip) __ksym;
extern void bpf_ct_set_timeout(struct nf_conn___init *ct, __u32 milliseconds) __ksym;
extern int bpf_ct_set_status(const struct nf_conn___init *ct, __u32 status) __ksym;
extern struct nf_conn *bpf_ct_insert_entry(struct nf_conn___init *ct) __ksym;

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct fast_key4);
	__type(value, struct fast_flow);
} flows SEC(".maps");

/* What became of packets; read by firstpacket.py. */
struct counts {
	__u64 begun, carried, closed, refused, passed;
} counts;

static __always_inline int pass(void)
{
	__sync_fetch_and_add(&counts.passed, 1);
	return TC_ACT_UNSPEC;
}

static __always_inline struct fast_key4 turned(const struct fast_key4 *key)
{
	return (struct fast_key4){
		.src = key->dst, .dst = key->src, .sport = key->dport, .dport = key->sport,
		.protocol = key->protocol,
	};
}

static __always_inline struct nf_conn *find_entry(struct __sk_buff *skb, const struct fast_key4 *key)
{
	struct bpf_ct_opts___sluice opts = { .netns_id = BPF_F_CURRENT_NETNS, .l4proto = key->protocol };
	struct bpf_sock_tuple tuple;

	__builtin_memcpy(&tuple.ipv4, key, sizeof(tuple.ipv4));
	return bpf_skb_ct_lookup(skb, &tuple, sizeof(tuple.ipv4), &opts, sizeof(opts));
}

/* The entry that netfilter would have made of a first packet: 0, or -1 if the kernel refused. */
static __noinline int make_entry(struct __sk_buff *skb, const struct fast_key4 *key)
{
	struct bpf_ct_opts___sluice opts = { .netns_id = BPF_F_CURRENT_NETNS, .l4proto = key->protocol };
	union nf_inet_addr container = { .all = { CONTAINER } };
	struct bpf_sock_tuple tuple;
	struct nf_conn___init *made;
	struct nf_conn *entry;

	__builtin_memcpy(&tuple.ipv4, key, sizeof(tuple.ipv4));
	made = bpf_skb_ct_alloc(skb, &tuple, sizeof(tuple.ipv4), &opts, sizeof(opts));
	if (!made)
		return -1;
	/* If this fails the entry is not translated, which is seen below: it has to be inserted or leaked. */
	bpf_ct_set_nat_info(made, &container, CONTAINER_PORT, NF_NAT_MANIP_DST);
	bpf_ct_set_timeout(made, TIMEOUT_MS);
#ifdef STATUS
	bpf_ct_set_status(made, STATUS);
#endif
	entry = bpf_ct_insert_entry(made);
	if (!entry)
		return -1;
	bpf_ct_release(entry);
	return 0;
}

static __always_inline void learn(const struct fast_key4 *key, const struct fast_flow *way, __be32 src,
				  __be32 dst, __be16 sport, __be16 dport)
{
	struct fast_flow flow = *way;
	__be32 before[2] = { key->src, key->dst }, after[2] = { src, dst };
	__be32 ports, new_ports;

	flow.way.src[0] = src;
	flow.way.dst[0] = dst;
	flow.way.sport = sport;
	flow.way.dport = dport;
	__builtin_memcpy(&ports, &key->sport, sizeof(ports));
	__builtin_memcpy(&new_ports, &flow.way.sport, sizeof(new_ports));
	flow.way.address_sum = bpf_csum_diff(before, sizeof(before), after, sizeof(after), 0);
	flow.way.port_sum = bpf_csum_diff(&ports, sizeof(ports), &new_ports, sizeof(new_ports), 0);
	bpf_map_update_elem(&flows, key, &flow, BPF_ANY);
}

/* A connection begins: its entry, and the ways of both directions. */
static __noinline int begin(struct __sk_buff *skb, const struct fast_key4 *key)
{
	struct fast_flow in = { .way = { .mac = TO_CONTAINER, .to = VETH } };
	struct fast_flow out = { .way = { .mac = TO_CLIENT, .to = UPLINK } };
	struct fast_key4 reply = {
		.src = CONTAINER, .dst = key->src, .sport = bpf_htons(CONTAINER_PORT), .dport = key->sport,
		.protocol = key->protocol,
	};

	if (make_entry(skb, key)) {
		__sync_fetch_and_add(&counts.refused, 1);
		return -1;
	}
#ifndef ENTRY_ONLY
	learn(key, &in, key->src, CONTAINER, key->sport, bpf_htons(CONTAINER_PORT));
	learn(&reply, &out, HOST, key->src, bpf_htons(PORT), key->sport);
#endif
	__sync_fetch_and_add(&counts.begun, 1);
	return 0;
}

/* Both have said FIN and this acknowledges the second: conntrack, which saw none of it, shall forget. */
static __noinline int close_connection(struct __sk_buff *skb, const struct fast_key4 *key,
				       const struct fast_key4 *other)
{
	struct nf_conn *entry = find_entry(skb, key);

	if (entry) {
		bpf_ct_change_timeout(entry, CLOSED_MS);
		bpf_ct_release(entry);
	}
	bpf_map_delete_elem(&flows, key);
	bpf_map_delete_elem(&flows, other);
	__sync_fetch_and_add(&counts.closed, 1);
	return 0;
}

/* `ended` of a direction: it has said FIN. */
static __always_inline void follow_end(struct __sk_buff *skb, const struct fast_key4 *key,
				       struct fast_flow *flow, struct tcphdr flags)
{
	struct fast_key4 other;
	struct fast_flow *peer;

	if (!flags.fin && !flags.rst && !flow->ended)
		return;
	other.src = flow->way.dst[0];
	other.dst = flow->way.src[0];
	other.sport = flow->way.dport;
	other.dport = flow->way.sport;
	other.protocol = key->protocol;
	peer = bpf_map_lookup_elem(&flows, &other);
	if (flags.rst || (!flags.fin && flow->ended && peer && peer->ended))
		close_connection(skb, key, &other);
	else if (flags.fin)
		flow->ended = 1;
}

static __always_inline int carry(struct __sk_buff *skb, bool inward)
{
	struct packet p = {};
	struct tcphdr flags = {};
	struct fast_flow *flow;
	struct fast_way way;
	__u32 why = read_packet(skb, &p, inward);

	if ((why && why != FAST_TCP_FLAGS) || p.family != AF_INET)
		return pass();
	if (is_tcp(&p) && bpf_skb_load_bytes(skb, ETH_HLEN + sizeof(struct iphdr), &flags, sizeof(flags)))
		return pass();
	flow = bpf_map_lookup_elem(&flows, &p.key.v4);
	if (!flow || (flags.syn && !flags.ack)) {
		if (!inward || p.key.v4.dst != HOST || p.key.v4.dport != bpf_htons(PORT) ||
		    (is_tcp(&p) && (!flags.syn || flags.ack)) || begin(skb, &p.key.v4))
			return pass();
		flow = bpf_map_lookup_elem(&flows, &p.key.v4);
		if (!flow)
			return pass();
	}
	way = flow->way;
	if (is_tcp(&p))
		follow_end(skb, &p.key.v4, flow, flags);
	if (rewrite_ipv4(skb, &way))
		return pass();
	__sync_fetch_and_add(&counts.carried, 1);
	return inward ? bpf_redirect_peer(way.to, 0) : bpf_redirect(way.to, 0);
}

SEC("tc")
int first_inward(struct __sk_buff *skb)
{
	return carry(skb, true);
}

SEC("tc")
int first_outward(struct __sk_buff *skb)
{
	return carry(skb, false);
}
