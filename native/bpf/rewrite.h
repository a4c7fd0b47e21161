/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * Makes of a packet what conntrack's translation and the router would have made of it, byte by byte.
 *
 * The headers are put together on the stack and written at once: a program that wrote into the packet
 * itself would have every packet copied that is shared, also those it then leaves alone.
 *
 * Checksums. Of IPv4's header: RFC 1624. Of TCP and UDP: bpf_l4_csum_replace() knows whether the
 * field holds a checksum or, where hardware is to complete it, only that of the pseudo header. Where
 * hardware has summed up the whole packet (CHECKSUM_COMPLETE) that sum must stay right as well: in
 * IPv4 the changes of header and checksum fields cancel out; for IPv6 the helper subtracts what the
 * addresses changed, which is wrong there (since 6.16 BPF_F_IPV6 tells it so, older kernels refuse
 * the flag), and nothing covers the hop limit: bpf_csum_update() adds both.
 */
#ifndef SLUICE_BPF_REWRITE_H
#define SLUICE_BPF_REWRITE_H

/* The padding aligns the IP header, which the verifier wants on the stack. */
struct head4 {
	__u16 pad;
	__u8 mac[12];
	__be16 type;
	struct iphdr ip;
	__be16 sport, dport;
};

struct head6 {
	__u16 pad;
	__u8 mac[12];
	__be16 type;
	struct ipv6hdr ip;
	__be16 sport, dport;
};

#define HEAD_BYTES(head) (sizeof(head) - sizeof((head).pad))

static __always_inline int fix_transport(struct __sk_buff *skb, const struct fast_way *way,
					 __u32 header, __u32 protocol)
{
	__u32 field = ETH_HLEN + header;
	__u64 udp = 0;

	if (protocol == IPPROTO_TCP) {
		field += offsetof(struct tcphdr, check);
	} else {
		/* 0 is "no checksum": stays, and does not arise. */
		field += offsetof(struct udphdr, check);
		udp = BPF_F_MARK_MANGLED_0;
	}
	return bpf_l4_csum_replace(skb, field, 0, way->address_sum, BPF_F_PSEUDO_HDR | udp) ||
	       bpf_l4_csum_replace(skb, field, 0, way->port_sum, udp);
}

static __always_inline int rewrite_ipv4(struct __sk_buff *skb, const struct fast_way *way)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct iphdr *ip = data + ETH_HLEN;
	struct head4 head;
	__u32 sum;

	if ((void *)(ip + 1) > end)
		return -1;
	head.ip = *ip;
	sum = (__u16)~head.ip.check + (way->address_sum & 0xffff) + (way->address_sum >> 16) +
	      (__u16)~bpf_htons(0x0100);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	head.ip.check = (__u16)~sum;
	head.ip.ttl--;
	head.ip.saddr = way->src[0];
	head.ip.daddr = way->dst[0];
	head.type = bpf_htons(ETH_P_IP);
	head.sport = way->sport;
	head.dport = way->dport;
	__builtin_memcpy(head.mac, way->mac, sizeof(head.mac));
	return fix_transport(skb, way, sizeof(head.ip), head.ip.protocol) ||
	       bpf_skb_store_bytes(skb, 0, head.mac, HEAD_BYTES(head), 0);
}

static __always_inline int rewrite_ipv6(struct __sk_buff *skb, const struct fast_way *way)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct ipv6hdr *ip = data + ETH_HLEN;
	struct head6 head;
	__u64 sum;

	if ((void *)(ip + 1) > end)
		return -1;
	__builtin_memcpy(&head.ip, ip, offsetof(struct ipv6hdr, saddr));
	head.ip.hop_limit--;
	__builtin_memcpy(&head.ip.saddr, way->src, sizeof(way->src) + sizeof(way->dst));
	head.type = bpf_htons(ETH_P_IPV6);
	head.sport = way->sport;
	head.dport = way->dport;
	__builtin_memcpy(head.mac, way->mac, sizeof(head.mac));
	if (fix_transport(skb, way, sizeof(head.ip), head.ip.nexthdr) ||
	    bpf_skb_store_bytes(skb, 0, head.mac, HEAD_BYTES(head), 0))
		return -1;
	sum = (__u64)way->address_sum + (__u16)~bpf_htons(1);
	bpf_csum_update(skb, (__u32)sum + (__u32)(sum >> 32));
	return 0;
}

#endif
