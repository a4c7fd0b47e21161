/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * The kernel's own types as far as they are read. Only names matter: the kernel finds the offsets of
 * its build when it loads the programs (CO-RE). From include/net/netfilter/nf_conntrack.h,
 * nf_conntrack_tuple.h, nf_conntrack_extend.h and include/linux/netfilter/nf_conntrack_tcp.h.
 */
#ifndef SLUICE_BPF_KERNEL_H
#define SLUICE_BPF_KERNEL_H

#define CORE __attribute__((preserve_access_index))

union nf_inet_addr {
	__be32 all[4];
} CORE;

union nf_conntrack_man_proto {
	__be16 all;
} CORE;

struct nf_conntrack_man {
	union nf_inet_addr u3;
	union nf_conntrack_man_proto u;
} CORE;

struct nf_conntrack_tuple {
	struct nf_conntrack_man src;
	struct {
		union nf_inet_addr u3;
		union {
			__be16 all;
		} u;
	} dst;
} CORE;

struct nf_conntrack_tuple_hash {
	struct nf_conntrack_tuple tuple;
} CORE;

struct ns_common {
	unsigned int inum;
} CORE;

struct netns_xfrm {
	unsigned int policy_count[3];
} CORE;

struct net {
	struct ns_common ns;
	struct netns_xfrm xfrm; /* if the kernel has IPsec */
} CORE;

typedef struct {
	struct net *net;
} CORE possible_net_t;

struct ip_ct_tcp_state {
	__u8 flags;
} CORE;

struct ip_ct_tcp {
	struct ip_ct_tcp_state seen[2];
	__u8 state;
} CORE;

union nf_conntrack_proto {
	struct ip_ct_tcp tcp;
} CORE;

/* Which there are, and their numbers, depends on how the kernel was built. */
enum nf_ct_ext_id {
	NF_CT_EXT_HELPER,
	NF_CT_EXT_ACCT,
};

struct nf_ct_ext {
	__u8 offset[8]; /* of each extension that the entry has, from here; 0 if it has not */
} CORE;

/* struct nf_conn_acct: with nf_conntrack_acct, one for each direction */
struct counters {
	__u64 packets, bytes;
};

struct nf_conn {
	__u32 timeout;
	struct nf_conntrack_tuple_hash tuplehash[2];
	unsigned long status;
	possible_net_t ct_net;
	__u32 mark; /* if the kernel has them */
	struct nf_ct_ext *ext;
	union nf_conntrack_proto proto;
} CORE;

/* net/netfilter/nf_conntrack_bpf.c; later fields are optional */
struct bpf_ct_opts___sluice {
	__s32 netns_id;
	__s32 error;
	__u8 l4proto;
	__u8 dir;
	__u8 reserved[2];
};

/* Kernel 6.0. Every lookup is released. */
extern struct nf_conn *bpf_skb_ct_lookup(struct __sk_buff *skb, struct bpf_sock_tuple *tuple,
					 __u32 tuple_bytes, struct bpf_ct_opts___sluice *opts,
					 __u32 opts_bytes) __ksym;
extern void bpf_ct_release(struct nf_conn *ct) __ksym;
extern int bpf_ct_change_timeout(struct nf_conn *ct, __u32 milliseconds) __ksym;

/* include/uapi/linux/netfilter/nf_conntrack_common.h: enum ip_conntrack_status */
enum {
	IPS_SEEN_REPLY = 1 << 1,
	IPS_ASSURED = 1 << 2,
	IPS_CONFIRMED = 1 << 3,
	IPS_SRC_NAT = 1 << 4,
	IPS_DST_NAT = 1 << 5,
	IPS_SEQ_ADJUST = 1 << 6,
	IPS_DYING = 1 << 9,
	IPS_TEMPLATE = 1 << 11,
	IPS_NAT_CLASH = 1 << 12,
	IPS_HELPER = 1 << 13,
	IPS_OFFLOAD = 1 << 14,
	IPS_HW_OFFLOAD = 1 << 15,
};

/* include/uapi/linux/netfilter/nf_conntrack_tcp.h */
enum {
	TCP_CONNTRACK_ESTABLISHED = 3,
	IP_CT_TCP_FLAG_BE_LIBERAL = 0x08,
	IP_CT_TCP_FLAG_DATA_UNACKNOWLEDGED = 0x10,
};

/* include/uapi/linux/xfrm.h */
enum { XFRM_POLICY_OUT = 1, XFRM_POLICY_FWD = 2 };

enum { AF_INET = 2, AF_INET6 = 10 }; /* include/linux/socket.h */

/* include/linux/if_packet.h */
enum { PACKET_HOST = 0, PACKET_OTHERHOST = 3 };

#endif
