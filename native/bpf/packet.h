/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* Reads a packet's headers, and leaves everything out of the ordinary to the kernel. */
#ifndef SLUICE_BPF_PACKET_H
#define SLUICE_BPF_PACKET_H

struct packet {
	union {
		struct fast_key4 v4;
		struct fast_key6 v6;
	} key;
	__u32 family;
	__u32 flow; /* the first word of the IP header: type of service, IPv6 flow label */
	__u32 bytes; /* from the IP header on */
	bool data; /* more than headers, which somebody answers: an acknowledgement at least */
	__u32 largest; /* as what is sent: of each segment, where it is yet to be cut into these */
};

static __always_inline bool is_tcp(const struct packet *p)
{
	return (p->family == AF_INET ? p->key.v4.protocol : p->key.v6.protocol) == IPPROTO_TCP;
}

/* The transport header at `l4`; 0 or why the packet is left alone. `bytes` are what IP says it has. */
static __always_inline __u32 read_transport(struct __sk_buff *skb, struct packet *p, void *l4,
					    void *end, __u32 protocol, __u32 bytes)
{
	__u32 header = p->bytes - bytes;
	struct tcphdr *tcp = l4;

	if (protocol == IPPROTO_TCP) {
		if ((void *)(tcp + 1) > end || tcp->doff < 5 || bytes < tcp->doff * 4u)
			return FAST_HEADER;
		header += tcp->doff * 4;
		p->data = bytes > tcp->doff * 4u;
	} else if (bytes < sizeof(struct udphdr)) {
		return FAST_HEADER;
	} else {
		header += sizeof(struct udphdr);
		p->data = true;
	}
	p->largest = skb->gso_size ? header + skb->gso_size : p->bytes;
	if (protocol == IPPROTO_TCP && (tcp->syn || tcp->fin || tcp->rst || !tcp->ack))
		return FAST_TCP_FLAGS;
	return 0;
}

static __always_inline __u32 read_ipv4(struct __sk_buff *skb, struct packet *p)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct iphdr *ip = data + ETH_HLEN;
	__be16 *port = (void *)(ip + 1);

	/* A UDP header fits behind every IP header that goes on here; TCP's is looked at later. */
	if ((void *)port + sizeof(struct udphdr) > end)
		return FAST_HEADER;
	if (ip->protocol != IPPROTO_TCP && ip->protocol != IPPROTO_UDP)
		return FAST_PROTOCOL;
	p->family = AF_INET;
	p->flow = ip->tos;
	p->bytes = bpf_ntohs(ip->tot_len);
	p->key.v4.src = ip->saddr;
	p->key.v4.dst = ip->daddr;
	p->key.v4.sport = port[0];
	p->key.v4.dport = port[1];
	p->key.v4.protocol = ip->protocol;
	/* 0xbfff: all but "don't fragment". */
	if (ip->version != 4 || ip->ihl != 5 || (ip->frag_off & bpf_htons(0xbfff)) ||
	    p->bytes < sizeof(*ip) || p->bytes + ETH_HLEN > skb->len)
		return FAST_HEADER;
	if (ip->ttl <= 1)
		return FAST_TTL;
	return read_transport(skb, p, port, end, ip->protocol, p->bytes - sizeof(*ip));
}

static __always_inline __u32 read_ipv6(struct __sk_buff *skb, struct packet *p)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct ipv6hdr *ip = data + ETH_HLEN;
	__be16 *port = (void *)(ip + 1);
	__u32 payload;

	if ((void *)port + sizeof(struct udphdr) > end)
		return FAST_HEADER;
	if (ip->nexthdr != IPPROTO_TCP && ip->nexthdr != IPPROTO_UDP)
		return FAST_PROTOCOL;
	payload = bpf_ntohs(ip->payload_len);
	p->family = AF_INET6;
	p->flow = *(__be32 *)ip;
	p->bytes = sizeof(*ip) + payload;
	__builtin_memcpy(p->key.v6.src, &ip->saddr, 2 * sizeof(ip->saddr));
	p->key.v6.sport = port[0];
	p->key.v6.dport = port[1];
	p->key.v6.protocol = ip->nexthdr;
	if (ip->version != 6 || !payload || p->bytes + ETH_HLEN > skb->len)
		return FAST_HEADER;
	if (ip->hop_limit <= 1)
		return FAST_TTL;
	return read_transport(skb, p, port, end, ip->nexthdr, payload);
}

/*
 * A frame that an outer device receives is for this host if the device says so. To the port of a bridge
 * every frame is another host's, the bridge's too: see is_entrance().
 */
static __always_inline __u32 read_packet(struct __sk_buff *skb, struct packet *p, bool inward)
{
	__u32 type = skb->pkt_type;

	if (skb->vlan_present || (type != PACKET_HOST && (inward || type != PACKET_OTHERHOST)))
		return FAST_FRAME;
	if (skb->protocol == bpf_htons(ETH_P_IP))
		return read_ipv4(skb, p);
	if (skb->protocol == bpf_htons(ETH_P_IPV6))
		return read_ipv6(skb, p);
	return FAST_FRAME;
}

/* Does a container's frame go to its router, and not to a neighbour on the bridge? */
static __always_inline bool is_entrance(struct __sk_buff *skb, const __u8 *entrance)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	const __u16 *is = data, *wanted = (const void *)entrance;

	return data + ETH_ALEN <= end &&
	       !((is[0] ^ wanted[0]) | (is[1] ^ wanted[1]) | (is[2] ^ wanted[2]));
}

#endif
