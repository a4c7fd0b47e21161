/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* Asks conntrack, the containers and the routes where a flow's packets go: on a first packet, and then
 * once a second. */
#ifndef SLUICE_BPF_FLOW_H
#define SLUICE_BPF_FLOW_H

#define MUST (IPS_SEEN_REPLY | IPS_ASSURED | IPS_CONFIRMED)
#define MUST_NOT                                                                                   \
	(IPS_SEQ_ADJUST | IPS_DYING | IPS_TEMPLATE | IPS_NAT_CLASH | IPS_HELPER | IPS_OFFLOAD |    \
	 IPS_HW_OFFLOAD)

static __always_inline __u32 ticks(void)
{
	return (__u32)bpf_jiffies64();
}

/* Where an entry has an extension, from its start; 0 if it has not. */
static __always_inline __u32 extension(struct nf_ct_ext *ext, __u32 id)
{
	__u8 offset = 0;

	if (ext)
		bpf_probe_read_kernel(&offset, sizeof(offset), &ext->offset[0] + id);
	return offset;
}

/* Setting up costs more than a short connection is worth: netfilter has to have seen some packets. */
static __always_inline bool too_young(struct nf_ct_ext *ext)
{
	__u32 offset = extension(ext, bpf_core_enum_value(enum nf_ct_ext_id, NF_CT_EXT_ACCT));
	struct counters seen[2] = {};

	if (!offset)
		return false; /* nobody counts */
	bpf_probe_read_kernel(seen, sizeof(seen), (void *)ext + offset);
	return seen[0].packets + seen[1].packets < config.young_packets;
}

/* Tells user space that a flow could be carried but for conntrack's window tracking. */
static __always_inline __u32 ask(struct nf_conn *ct, const struct packet *p)
{
	struct fast_request *request;
	struct asked *asked;
	__u32 zero = 0, now = ticks();

	asked = bpf_map_lookup_elem(&asks, &zero);
	if (!asked)
		return FAST_UNASKED;
	if (asked->tick != now) {
		asked->tick = now;
		asked->requests = 0;
	}
	if (asked->requests >= config.asks_per_tick)
		return FAST_UNASKED;
	request = bpf_ringbuf_reserve(&requests, sizeof(*request), 0);
	if (!request)
		return FAST_UNASKED;
	asked->requests++;
	__builtin_memcpy(request->src, ct->tuplehash[0].tuple.src.u3.all, sizeof(request->src));
	__builtin_memcpy(request->dst, ct->tuplehash[0].tuple.dst.u3.all, sizeof(request->dst));
	request->sport = ct->tuplehash[0].tuple.src.u.all;
	request->dport = ct->tuplehash[0].tuple.dst.u.all;
	request->family = p->family;
	request->protocol = IPPROTO_TCP;
	request->pad = 0;
	bpf_ringbuf_submit(request, 0);
	return FAST_STRICT;
}

/* Is this the namespace that was meant, from which a device may move? And with IPsec policies there, packets
 * have to be asked whether they are to be encrypted, or may be there at all. */
static __always_inline bool is_open(const struct net *net)
{
	return net->ns.inum == config.netns &&
	       !(bpf_core_field_exists(net->xfrm) && (net->xfrm.policy_count[XFRM_POLICY_OUT] |
						      net->xfrm.policy_count[XFRM_POLICY_FWD]));
}

/* May this flow leave netfilter? 0 or why not. */
static __always_inline __u32 admit(struct nf_conn *ct, const struct packet *p)
{
	unsigned long status = ct->status;
	struct nf_ct_ext *ext = ct->ext;

	/* Rules may set a mark for each packet, by which routes are chosen. */
	if ((status & MUST) != MUST || (status & MUST_NOT) ||
	    (bpf_core_field_exists(ct->mark) && ct->mark) || !is_open(ct->ct_net.net) ||
	    extension(ext, bpf_core_enum_value(enum nf_ct_ext_id, NF_CT_EXT_HELPER)))
		return FAST_STATE;
	if (!(status & (IPS_SRC_NAT | IPS_DST_NAT)))
		return FAST_PLAIN;
	if (too_young(ext))
		return FAST_YOUNG;
	if (!is_tcp(p))
		return 0;
	if (ct->proto.tcp.state != TCP_CONNTRACK_ESTABLISHED)
		return FAST_STATE;
	/* Conntrack does not see the packets that are carried: it must not judge the next ones by them. */
	if (!(ct->proto.tcp.seen[0].flags & ct->proto.tcp.seen[1].flags & IP_CT_TCP_FLAG_BE_LIBERAL))
		return ask(ct, p);
	return 0;
}

/* As conntrack does for each packet; here it suffices to be a second late. */
static __always_inline void keep_alive(struct nf_conn *ct, bool tcp)
{
	__u32 ms = tcp ? config.tcp_timeout_ms : config.udp_timeout_ms;
	__u64 full = (__u64)ms * config.tick_hz / 1000;

	if (ms && (__s32)(ct->timeout - ticks()) < (__s64)full - config.tick_hz)
		bpf_ct_change_timeout(ct, ms);
}

/* What a packet becomes: the other direction's tuple, turned round. */
static __always_inline void translate(const struct nf_conntrack_tuple *other, struct fast_way *way)
{
	__builtin_memcpy(way->src, other->dst.u3.all, sizeof(way->src));
	__builtin_memcpy(way->dst, other->src.u3.all, sizeof(way->dst));
	way->sport = other->dst.u.all;
	way->dport = other->src.u.all;
}

/*
 * Whether netfilter may see this packet though the answer to it will be carried. Conntrack shortens the
 * timeout of a connection while data are not acknowledged: somebody has to come who puts that right.
 */
static __always_inline bool may_turn(struct nf_conn *ct, const struct packet *p)
{
	return p->data || !((ct->proto.tcp.seen[0].flags | ct->proto.tcp.seen[1].flags) &
			    IP_CT_TCP_FLAG_DATA_UNACKNOWLEDGED);
}

static __noinline __u32 ask_conntrack(struct __sk_buff *skb, const struct packet *p,
					   struct fast_way *way, bool *turn)
{
	struct bpf_ct_opts___sluice opts = {};
	struct bpf_sock_tuple tuple;
	struct nf_conn *ct;
	__u32 why;

	if (skb->mark)
		return FAST_STATE;
	opts.netns_id = BPF_F_CURRENT_NETNS; /* the device's */
	opts.l4proto = is_tcp(p) ? IPPROTO_TCP : IPPROTO_UDP;
	if (p->family == AF_INET) {
		__builtin_memcpy(&tuple.ipv4, &p->key.v4, sizeof(tuple.ipv4));
		ct = bpf_skb_ct_lookup(skb, &tuple, sizeof(tuple.ipv4), &opts, sizeof(opts));
	} else {
		__builtin_memcpy(&tuple.ipv6, &p->key.v6, sizeof(tuple.ipv6));
		ct = bpf_skb_ct_lookup(skb, &tuple, sizeof(tuple.ipv6), &opts, sizeof(opts));
	}
	if (!ct)
		return FAST_UNKNOWN;
	why = admit(ct, p);
	if (!why) {
		keep_alive(ct, is_tcp(p));
		*turn = may_turn(ct, p);
		/* Spelled out, because only constant indices are fitted to the kernel's structs. */
		if (opts.dir)
			translate(&ct->tuplehash[0].tuple, way);
		else
			translate(&ct->tuplehash[1].tuple, way);
	}
	bpf_ct_release(ct);
	return why;
}

static __always_inline struct fast_container *container(__u32 family, const __be32 *address)
{
	struct fast_address key = {};
	struct fast_container *found;

	if (family == AF_INET) {
		key.word[2] = bpf_htonl(0xffff);
		key.word[3] = address[0];
	} else {
		__builtin_memcpy(key.word, address, sizeof(key.word));
	}
	found = bpf_map_lookup_elem(&containers, &key);
	return found && bpf_map_lookup_elem(&devices, &found->device) ? found : NULL;
}

static __always_inline __u32 protocol_of(const struct packet *p)
{
	return p->family == AF_INET ? p->key.v4.protocol : p->key.v6.protocol;
}

/* Asks the routes for what comes in by fib->ifindex, with fib's ports. A neighbour need not be known. */
static __always_inline long ask_routes(struct __sk_buff *skb, const struct packet *p,
				       struct bpf_fib_lookup *fib, const __be32 *src,
				       const __be32 *dst)
{
	fib->family = p->family;
	fib->l4_protocol = protocol_of(p);
	fib->tot_len = 1; /* fits everywhere: only to be told the path's MTU */
	if (p->family == AF_INET) {
		fib->tos = p->flow;
		fib->ipv4_src = src[0];
		fib->ipv4_dst = dst[0];
	} else {
		fib->flowinfo = p->flow & bpf_htonl(0x0fffffff);
		__builtin_memcpy(fib->ipv6_src, src, sizeof(fib->ipv6_src));
		__builtin_memcpy(fib->ipv6_dst, dst, sizeof(fib->ipv6_dst));
	}
	return bpf_fib_lookup(skb, fib, sizeof(*fib), 0);
}

static __always_inline bool is_route(long found)
{
	return found == BPF_FIB_LKUP_RET_SUCCESS || found == BPF_FIB_LKUP_RET_NO_NEIGH;
}

/*
 * From an outer device into a container, if the kernel would forward the packet there, and the answer to
 * it out of the device it came by: then its source is neither forged nor a martian.
 */
static __noinline __u32 way_inward(struct __sk_buff *skb, const struct packet *p,
				   struct fast_way *way)
{
	bool v4 = p->family == AF_INET;
	struct fast_container *to = container(p->family, way->dst);
	struct bpf_fib_lookup fib = {};
	const __u16 *mac, *is;
	long found;

	if (!to)
		return FAST_TARGET;
	fib.ifindex = to->bridge;
	fib.sport = way->dport;
	fib.dport = v4 ? p->key.v4.sport : p->key.v6.sport;
	found = ask_routes(skb, p, &fib, way->dst, v4 ? &p->key.v4.src : p->key.v6.src);
	if (!is_route(found) || fib.ifindex != way->from)
		return FAST_ROUTE;
	__builtin_memset(&fib, 0, sizeof(fib));
	fib.ifindex = way->from;
	fib.sport = v4 ? p->key.v4.sport : p->key.v6.sport;
	fib.dport = way->dport;
	found = ask_routes(skb, p, &fib, v4 ? &p->key.v4.src : p->key.v6.src, way->dst);
	if (!is_route(found) || fib.ifindex != to->bridge)
		return FAST_ROUTE;
	is = (const void *)fib.dmac;
	mac = (const void *)to->mac;
	if (found == BPF_FIB_LKUP_RET_SUCCESS &&
	    ((is[0] ^ mac[0]) | (is[1] ^ mac[1]) | (is[2] ^ mac[2])))
		return FAST_TARGET;
	way->to = to->device;
	way->mtu = to->mtu;
	__builtin_memcpy(way->mac, to->mac, sizeof(way->mac));
	return 0;
}

/* From a container to wherever the routes lead. These are asked as the kernel's router would, which
 * sees the source not yet translated, and the bridge as the device it came from. */
static __noinline __u32 way_outward(struct __sk_buff *skb, const struct packet *p,
					 struct fast_way *way)
{
	bool v4 = p->family == AF_INET;
	struct fast_container *from = container(p->family, v4 ? &p->key.v4.src : p->key.v6.src);
	struct bpf_fib_lookup fib = {};

	if (!from || from->device != way->from)
		return FAST_TARGET;
	fib.ifindex = from->bridge;
	fib.sport = v4 ? p->key.v4.sport : p->key.v6.sport;
	fib.dport = way->dport;
	if (ask_routes(skb, p, &fib, v4 ? &p->key.v4.src : p->key.v6.src, way->dst) !=
		    BPF_FIB_LKUP_RET_SUCCESS ||
	    fib.ifindex == from->bridge)
		return FAST_ROUTE;
	__builtin_memcpy(way->entrance, from->mac + ETH_ALEN, ETH_ALEN);
	way->to = fib.ifindex;
	way->mtu = fib.mtu_result;
	__builtin_memcpy(way->mac, fib.dmac, ETH_ALEN);
	__builtin_memcpy(way->mac + ETH_ALEN, fib.smac, ETH_ALEN);
	return 0;
}

/* In checksums, of a packet like this one and what it becomes. IPv4's unused words are 0 in both. */
static __always_inline void differences(const struct packet *p, struct fast_way *way)
{
	__be32 before[8] = {}, ports;

	if (p->family == AF_INET) {
		before[0] = p->key.v4.src;
		before[4] = p->key.v4.dst;
		__builtin_memcpy(&ports, &p->key.v4.sport, sizeof(ports));
	} else {
		__builtin_memcpy(before, p->key.v6.src, sizeof(before));
		__builtin_memcpy(&ports, &p->key.v6.sport, sizeof(ports));
	}
	way->address_sum = bpf_csum_diff(before, sizeof(before), way->src, sizeof(before), 0);
	way->port_sum = bpf_csum_diff(&ports, sizeof(ports), (__be32 *)&way->sport, sizeof(ports), 0);
}

/* Everything there is to know about the way of a packet like this one, as of now; and whether netfilter
 * may see this one. */
static __noinline __u32 find_way(struct __sk_buff *skb, const struct packet *p,
				 struct fast_way *way, bool inward, bool *turn)
{
	__u32 why;

	way->from = skb->ifindex;
	why = ask_conntrack(skb, p, way, turn);
	if (!why)
		why = inward ? way_inward(skb, p, way) : way_outward(skb, p, way);
	if (why)
		return why;
	differences(p, way);
	return 0;
}

#endif
