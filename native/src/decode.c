/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One ctnetlink message to one flow record.
 *
 *   nlmsghdr  nfgenmsg  attributes, nested ones inside:
 *
 *   +--------------+--------------+---------------------------------+---------+
 *   | nla_len (16) | nla_type(16) | payload (nla_len - 4 bytes)     | pad to 4|
 *   +--------------+--------------+---------------------------------+---------+
 *
 * Payload integers are big-endian. One table per level says, by attribute type, how long a payload
 * must be at least and who reads it. A longer one is accepted, as a later kernel may append to it; an
 * attribute that the table does not name is counted and skipped.
 *
 * The layout of the messages: net/netfilter/nf_conntrack_netlink.c, ctnetlink_conntrack_event().
 */
#include "decode.h"

#include <endian.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

/* Linux 6.14; Debian 12's headers are 6.1. An enumerator there, so #ifdef cannot ask for it. */
#define SLUICE_CTA_TIMESTAMP_EVENT 27

/* What one direction of a flow must have sent before its tuple is complete. */
enum tuple_part {
	TUPLE_SRC = 1 << 0,
	TUPLE_DST = 1 << 1,
	TUPLE_PROTO = 1 << 2,
	TUPLE_COMPLETE = TUPLE_SRC | TUPLE_DST | TUPLE_PROTO,
};

struct decoder {
	struct sluice_flow *flow;
	uint64_t unknown;
	bool reply;	      /* the direction whose tuple or counters are being read */
	unsigned int seen[2]; /* enum tuple_part by direction */
};

/* The field of the direction that is being read: SIDE(d, src_port) is orig_ or reply_src_port. */
#define SIDE(d, field) (*((d)->reply ? &(d)->flow->reply_##field : &(d)->flow->orig_##field))

typedef int (*read_fn)(struct decoder *d, const uint8_t *payload, size_t bytes);

struct rule {
	read_fn read; /* NULL: an attribute we do not know */
	size_t min_bytes;
};

#define LEVEL(table) (table), sizeof(table) / sizeof((table)[0])

static int read_attributes(struct decoder *d, const struct rule *rules, size_t rule_count,
			   const uint8_t *p, size_t bytes)
{
	while (bytes > 0) {
		struct nlattr attr;
		size_t payload_bytes, step;
		unsigned int type;

		if (bytes < sizeof(attr))
			return -EBADMSG;
		memcpy(&attr, p, sizeof(attr));
		if (attr.nla_len < sizeof(attr) || attr.nla_len > bytes)
			return -EBADMSG;

		payload_bytes = attr.nla_len - sizeof(attr);
		type = attr.nla_type & NLA_TYPE_MASK;
		if (type >= rule_count || !rules[type].read) {
			d->unknown++;
		} else {
			int err;

			if (payload_bytes < rules[type].min_bytes)
				return -EBADMSG;
			err = rules[type].read(d, p + sizeof(attr), payload_bytes);
			if (err)
				return err;
		}

		step = NLA_ALIGN((size_t)attr.nla_len);
		if (step >= bytes)
			break;
		p += step;
		bytes -= step;
	}
	return 0;
}

static uint16_t be16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return be16toh(v);
}

static uint32_t be32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return be32toh(v);
}

static uint64_t be64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return be64toh(v);
}

/* Known, and of no interest to a flow event. */
static int skip(struct decoder *d, const uint8_t *p, size_t bytes)
{
	(void)d, (void)p, (void)bytes;
	return 0;
}

/* --- addresses: CTA_TUPLE_IP -------------------------------------------------------------------- */

static int read_address(struct decoder *d, uint8_t family, uint8_t *address, const uint8_t *p,
			enum tuple_part part)
{
	if (d->flow->family != family)
		return -EBADMSG;
	memcpy(address, p, family == AF_INET ? 4 : 16);
	d->seen[d->reply] |= part;
	return 0;
}

static int read_v4_src(struct decoder *d, const uint8_t *p, size_t bytes)
{
	(void)bytes;
	return read_address(d, AF_INET, SIDE(d, src), p, TUPLE_SRC);
}

static int read_v4_dst(struct decoder *d, const uint8_t *p, size_t bytes)
{
	(void)bytes;
	return read_address(d, AF_INET, SIDE(d, dst), p, TUPLE_DST);
}

static int read_v6_src(struct decoder *d, const uint8_t *p, size_t bytes)
{
	(void)bytes;
	return read_address(d, AF_INET6, SIDE(d, src), p, TUPLE_SRC);
}

static int read_v6_dst(struct decoder *d, const uint8_t *p, size_t bytes)
{
	(void)bytes;
	return read_address(d, AF_INET6, SIDE(d, dst), p, TUPLE_DST);
}

static const struct rule ip_rules[] = {
	[CTA_IP_V4_SRC] = { read_v4_src, 4 },
	[CTA_IP_V4_DST] = { read_v4_dst, 4 },
	[CTA_IP_V6_SRC] = { read_v6_src, 16 },
	[CTA_IP_V6_DST] = { read_v6_dst, 16 },
};

static int read_tuple_ip(struct decoder *d, const uint8_t *p, size_t bytes)
{
	return read_attributes(d, LEVEL(ip_rules), p, bytes);
}

/* --- ports and ICMP: CTA_TUPLE_PROTO ------------------------------------------------------------ */

static int read_proto_num(struct decoder *d, const uint8_t *p, size_t bytes)
{
	(void)bytes;
	d->flow->proto = p[0];
	d->seen[d->reply] |= TUPLE_PROTO;
	return 0;
}

static int read_src_port(struct decoder *d, const uint8_t *p, size_t bytes)
{
	(void)bytes;
	SIDE(d, src_port) = be16(p);
	d->flow->present |= SLUICE_HAS_PORTS;
	return 0;
}

static int read_dst_port(struct decoder *d, const uint8_t *p, size_t bytes)
{
	(void)bytes;
	SIDE(d, dst_port) = be16(p);
	d->flow->present |= SLUICE_HAS_PORTS;
	return 0;
}

static int read_icmp_id(struct decoder *d, const uint8_t *p, size_t bytes)
{
	(void)bytes;
	SIDE(d, src_port) = be16(p);
	d->flow->present |= SLUICE_HAS_ICMP;
	return 0;
}

static int read_icmp_type(struct decoder *d, const uint8_t *p, size_t bytes)
{
	(void)bytes;
	SIDE(d, icmp_type) = p[0];
	d->flow->present |= SLUICE_HAS_ICMP;
	return 0;
}

static int read_icmp_code(struct decoder *d, const uint8_t *p, size_t bytes)
{
	(void)bytes;
	SIDE(d, icmp_code) = p[0];
	d->flow->present |= SLUICE_HAS_ICMP;
	return 0;
}

static const struct rule proto_rules[] = {
	[CTA_PROTO_NUM] = { read_proto_num, 1 },
	[CTA_PROTO_SRC_PORT] = { read_src_port, 2 },
	[CTA_PROTO_DST_PORT] = { read_dst_port, 2 },
	[CTA_PROTO_ICMP_ID] = { read_icmp_id, 2 },
	[CTA_PROTO_ICMP_TYPE] = { read_icmp_type, 1 },
	[CTA_PROTO_ICMP_CODE] = { read_icmp_code, 1 },
	[CTA_PROTO_ICMPV6_ID] = { read_icmp_id, 2 },
	[CTA_PROTO_ICMPV6_TYPE] = { read_icmp_type, 1 },
	[CTA_PROTO_ICMPV6_CODE] = { read_icmp_code, 1 },
};

static int read_tuple_proto(struct decoder *d, const uint8_t *p, size_t bytes)
{
	return read_attributes(d, LEVEL(proto_rules), p, bytes);
}

/* --- tuples: CTA_TUPLE_ORIG, CTA_TUPLE_REPLY ---------------------------------------------------- */

static int read_tuple_zone(struct decoder *d, const uint8_t *p, size_t bytes)
{
	(void)bytes;
	d->flow->zone = be16(p);
	d->flow->present |= d->reply ? SLUICE_HAS_REPLY_ZONE : SLUICE_HAS_ORIG_ZONE;
	return 0;
}

static const struct rule tuple_rules[] = {
	[CTA_TUPLE_IP] = { read_tuple_ip, 0 },
	[CTA_TUPLE_PROTO] = { read_tuple_proto, 0 },
	[CTA_TUPLE_ZONE] = { read_tuple_zone, 2 },
};

static int read_tuple_orig(struct decoder *d, const uint8_t *p, size_t bytes)
{
	d->reply = false;
	return read_attributes(d, LEVEL(tuple_rules), p, bytes);
}

static int read_tuple_reply(struct decoder *d, const uint8_t *p, size_t bytes)
{
	d->reply = true;
	return read_attributes(d, LEVEL(tuple_rules), p, bytes);
}

/* --- protocol state: CTA_PROTOINFO -------------------------------------------------------------- */

static int read_proto_state(struct decoder *d, const uint8_t *p, size_t bytes)
{
	(void)bytes;
	d->flow->proto_state = p[0];
	d->flow->present |= SLUICE_HAS_PROTO_STATE;
	return 0;
}

static const struct rule tcp_rules[] = {
	[CTA_PROTOINFO_TCP_STATE] = { read_proto_state, 1 },
	[CTA_PROTOINFO_TCP_WSCALE_ORIGINAL] = { skip, 0 },
	[CTA_PROTOINFO_TCP_WSCALE_REPLY] = { skip, 0 },
	[CTA_PROTOINFO_TCP_FLAGS_ORIGINAL] = { skip, 0 },
	[CTA_PROTOINFO_TCP_FLAGS_REPLY] = { skip, 0 },
};

static const struct rule dccp_rules[] = {
	[CTA_PROTOINFO_DCCP_STATE] = { read_proto_state, 1 },
	[CTA_PROTOINFO_DCCP_ROLE] = { skip, 0 },
	[CTA_PROTOINFO_DCCP_HANDSHAKE_SEQ] = { skip, 0 },
	[CTA_PROTOINFO_DCCP_PAD] = { skip, 0 },
};

static const struct rule sctp_rules[] = {
	[CTA_PROTOINFO_SCTP_STATE] = { read_proto_state, 1 },
	[CTA_PROTOINFO_SCTP_VTAG_ORIGINAL] = { skip, 0 },
	[CTA_PROTOINFO_SCTP_VTAG_REPLY] = { skip, 0 },
};

static int read_tcp(struct decoder *d, const uint8_t *p, size_t bytes)
{
	return read_attributes(d, LEVEL(tcp_rules), p, bytes);
}

static int read_dccp(struct decoder *d, const uint8_t *p, size_t bytes)
{
	return read_attributes(d, LEVEL(dccp_rules), p, bytes);
}

static int read_sctp(struct decoder *d, const uint8_t *p, size_t bytes)
{
	return read_attributes(d, LEVEL(sctp_rules), p, bytes);
}

static const struct rule protoinfo_rules[] = {
	[CTA_PROTOINFO_TCP] = { read_tcp, 0 },
	[CTA_PROTOINFO_DCCP] = { read_dccp, 0 },
	[CTA_PROTOINFO_SCTP] = { read_sctp, 0 },
};

static int read_protoinfo(struct decoder *d, const uint8_t *p, size_t bytes)
{
	return read_attributes(d, LEVEL(protoinfo_rules), p, bytes);
}

/* --- counters, times, helper -------------------------------------------------------------------- */

static int read_packets(struct decoder *d, const uint8_t *p, size_t bytes)
{
	(void)bytes;
	SIDE(d, packets) = be64(p);
	return 0;
}

static int read_bytes(struct decoder *d, const uint8_t *p, size_t bytes)
{
	(void)bytes;
	SIDE(d, bytes) = be64(p);
	return 0;
}

static const struct rule counter_rules[] = {
	[CTA_COUNTERS_PACKETS] = { read_packets, 8 },
	[CTA_COUNTERS_BYTES] = { read_bytes, 8 },
	[CTA_COUNTERS32_PACKETS] = { skip, 0 },
	[CTA_COUNTERS32_BYTES] = { skip, 0 },
	[CTA_COUNTERS_PAD] = { skip, 0 },
};

static int read_counters_orig(struct decoder *d, const uint8_t *p, size_t bytes)
{
	d->reply = false;
	d->flow->present |= SLUICE_HAS_ORIG_COUNTERS;
	return read_attributes(d, LEVEL(counter_rules), p, bytes);
}

static int read_counters_reply(struct decoder *d, const uint8_t *p, size_t bytes)
{
	d->reply = true;
	d->flow->present |= SLUICE_HAS_REPLY_COUNTERS;
	return read_attributes(d, LEVEL(counter_rules), p, bytes);
}

static int read_start(struct decoder *d, const uint8_t *p, size_t bytes)
{
	(void)bytes;
	d->flow->start_ns = be64(p);
	d->flow->present |= SLUICE_HAS_START;
	return 0;
}

static int read_stop(struct decoder *d, const uint8_t *p, size_t bytes)
{
	(void)bytes;
	d->flow->stop_ns = be64(p);
	d->flow->present |= SLUICE_HAS_STOP;
	return 0;
}

static const struct rule timestamp_rules[] = {
	[CTA_TIMESTAMP_START] = { read_start, 8 },
	[CTA_TIMESTAMP_STOP] = { read_stop, 8 },
	[CTA_TIMESTAMP_PAD] = { skip, 0 },
};

static int read_timestamp(struct decoder *d, const uint8_t *p, size_t bytes)
{
	return read_attributes(d, LEVEL(timestamp_rules), p, bytes);
}

static int read_helper_name(struct decoder *d, const uint8_t *p, size_t bytes)
{
	size_t room = sizeof(d->flow->helper) - 1;
	size_t used = strnlen((const char *)p, bytes < room ? bytes : room);

	memset(d->flow->helper, 0, sizeof(d->flow->helper));
	memcpy(d->flow->helper, p, used);
	d->flow->present |= SLUICE_HAS_HELPER;
	return 0;
}

static const struct rule help_rules[] = {
	[CTA_HELP_NAME] = { read_helper_name, 1 },
	[CTA_HELP_INFO] = { skip, 0 },
};

static int read_help(struct decoder *d, const uint8_t *p, size_t bytes)
{
	return read_attributes(d, LEVEL(help_rules), p, bytes);
}

/* --- the flow itself ---------------------------------------------------------------------------- */

static int read_id(struct decoder *d, const uint8_t *p, size_t bytes)
{
	(void)bytes;
	d->flow->id = be32(p);
	d->flow->present |= SLUICE_HAS_ID;
	return 0;
}

static int read_status(struct decoder *d, const uint8_t *p, size_t bytes)
{
	(void)bytes;
	d->flow->status = be32(p);
	d->flow->present |= SLUICE_HAS_STATUS;
	return 0;
}

static int read_mark(struct decoder *d, const uint8_t *p, size_t bytes)
{
	(void)bytes;
	d->flow->mark = be32(p);
	d->flow->present |= SLUICE_HAS_MARK;
	return 0;
}

static int read_timeout(struct decoder *d, const uint8_t *p, size_t bytes)
{
	(void)bytes;
	d->flow->timeout_seconds = be32(p);
	d->flow->present |= SLUICE_HAS_TIMEOUT;
	return 0;
}

static int read_zone(struct decoder *d, const uint8_t *p, size_t bytes)
{
	(void)bytes;
	d->flow->zone = be16(p);
	d->flow->present |= SLUICE_HAS_ZONE;
	return 0;
}

static int read_labels(struct decoder *d, const uint8_t *p, size_t bytes)
{
	size_t room = sizeof(d->flow->labels);

	memset(d->flow->labels, 0, room);
	memcpy(d->flow->labels, p, bytes < room ? bytes : room);
	d->flow->present |= SLUICE_HAS_LABELS;
	return 0;
}

static int read_event_time(struct decoder *d, const uint8_t *p, size_t bytes)
{
	(void)bytes;
	d->flow->event_ns = be64(p);
	d->flow->present |= SLUICE_HAS_EVENT_TIME;
	return 0;
}

static const struct rule flow_rules[] = {
	[CTA_TUPLE_ORIG] = { read_tuple_orig, 0 },
	[CTA_TUPLE_REPLY] = { read_tuple_reply, 0 },
	[CTA_STATUS] = { read_status, 4 },
	[CTA_PROTOINFO] = { read_protoinfo, 0 },
	[CTA_HELP] = { read_help, 0 },
	[CTA_NAT_SRC] = { skip, 0 },
	[CTA_TIMEOUT] = { read_timeout, 4 },
	[CTA_MARK] = { read_mark, 4 },
	[CTA_COUNTERS_ORIG] = { read_counters_orig, 0 },
	[CTA_COUNTERS_REPLY] = { read_counters_reply, 0 },
	[CTA_USE] = { skip, 0 },
	[CTA_ID] = { read_id, 4 },
	[CTA_NAT_DST] = { skip, 0 },
	[CTA_TUPLE_MASTER] = { skip, 0 },
	[CTA_SEQ_ADJ_ORIG] = { skip, 0 },
	[CTA_SEQ_ADJ_REPLY] = { skip, 0 },
	[CTA_SECMARK] = { skip, 0 },
	[CTA_ZONE] = { read_zone, 2 },
	[CTA_SECCTX] = { skip, 0 },
	[CTA_TIMESTAMP] = { read_timestamp, 0 },
	[CTA_MARK_MASK] = { skip, 0 },
	[CTA_LABELS] = { read_labels, 4 },
	[CTA_LABELS_MASK] = { skip, 0 },
	[CTA_SYNPROXY] = { skip, 0 },
	[CTA_FILTER] = { skip, 0 },
	[CTA_STATUS_MASK] = { skip, 0 },
	[SLUICE_CTA_TIMESTAMP_EVENT] = { read_event_time, 8 },
};

/* NEW with these flags is a flow's first event, without them a change of one (IPCT_NEW in the kernel). */
static enum sluice_kind kind_of(const struct nlmsghdr *header)
{
	if ((header->nlmsg_type & 0xff) == IPCTNL_MSG_CT_DELETE)
		return SLUICE_KIND_DESTROY;
	return header->nlmsg_flags & (NLM_F_CREATE | NLM_F_EXCL) ? SLUICE_KIND_NEW
								  : SLUICE_KIND_UPDATE;
}

static bool is_flow_event(const struct nlmsghdr *header)
{
	return header->nlmsg_type == (NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW) ||
	       header->nlmsg_type == (NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE);
}

int sluice_decode(const void *message, size_t bytes, uint64_t received_ns, struct sluice_flow *flow,
		  uint64_t *unknown)
{
	const uint8_t *p = message;
	struct decoder d = { .flow = flow };
	struct nlmsghdr header;
	struct nfgenmsg family;
	int err;

	if (bytes < sizeof(header))
		return -EBADMSG;
	memcpy(&header, p, sizeof(header));
	if (!is_flow_event(&header))
		return SLUICE_IGNORED;
	if (bytes < sizeof(header) + sizeof(family))
		return -EBADMSG;
	memcpy(&family, p + sizeof(header), sizeof(family));
	if (family.nfgen_family != AF_INET && family.nfgen_family != AF_INET6)
		return -EBADMSG;

	memset(flow, 0, sizeof(*flow));
	flow->kind = (uint8_t)kind_of(&header);
	flow->family = family.nfgen_family;
	flow->event_ns = received_ns;

	err = read_attributes(&d, LEVEL(flow_rules), p + sizeof(header) + sizeof(family),
			      bytes - sizeof(header) - sizeof(family));
	*unknown += d.unknown;
	if (err)
		return err;
	/* An event without both tuples names no flow. */
	if (d.seen[0] != TUPLE_COMPLETE || d.seen[1] != TUPLE_COMPLETE)
		return -EBADMSG;
	return SLUICE_DECODED;
}
