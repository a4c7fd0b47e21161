/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The decoder against messages of a real kernel. The expectation is conntrack(8)'s own rendering of the
 * same bytes: the record is rendered in its format and compared as text.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "check.h"
#include "decode.h"
#include "golden.h"

#define RECEIVED_NS 1234567890123456789u
#define FIRST_ATTRIBUTE (sizeof(struct nlmsghdr) + sizeof(struct nfgenmsg))

static const char *directory;

/* Decodes a copy that ends where the allocation ends, so that a sanitizer sees the first byte beyond. */
static int decode(const uint8_t *bytes, size_t size, struct sluice_flow *flow, uint64_t *unknown)
{
	uint8_t *copy = malloc(size ? size : 1);
	int result;

	if (!copy)
		give_up("out of memory");
	memcpy(copy, bytes, size);
	*unknown = 0;
	result = sluice_decode(copy, size, RECEIVED_NS, flow, unknown);
	free(copy);
	return result;
}

/* --- conntrack's format ------------------------------------------------------------------------- */

static const char *const tcp_states[] = {
	[TCP_CONNTRACK_SYN_SENT] = "SYN_SENT",	   [TCP_CONNTRACK_SYN_RECV] = "SYN_RECV",
	[TCP_CONNTRACK_ESTABLISHED] = "ESTABLISHED", [TCP_CONNTRACK_FIN_WAIT] = "FIN_WAIT",
	[TCP_CONNTRACK_CLOSE_WAIT] = "CLOSE_WAIT",   [TCP_CONNTRACK_LAST_ACK] = "LAST_ACK",
	[TCP_CONNTRACK_TIME_WAIT] = "TIME_WAIT",     [TCP_CONNTRACK_CLOSE] = "CLOSE",
};

static void print_tuple(FILE *out, const struct sluice_flow *flow, bool reply)
{
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN];

	inet_ntop(flow->family, reply ? flow->reply_src : flow->orig_src, src, sizeof(src));
	inet_ntop(flow->family, reply ? flow->reply_dst : flow->orig_dst, dst, sizeof(dst));
	fprintf(out, "src=%s dst=%s ", src, dst);
	if (flow->present & SLUICE_HAS_PORTS)
		fprintf(out, "sport=%u dport=%u ",
			reply ? flow->reply_src_port : flow->orig_src_port,
			reply ? flow->reply_dst_port : flow->orig_dst_port);
	if (flow->present & SLUICE_HAS_ICMP)
		fprintf(out, "type=%u code=%u id=%u ",
			reply ? flow->reply_icmp_type : flow->orig_icmp_type,
			reply ? flow->reply_icmp_code : flow->orig_icmp_code,
			reply ? flow->reply_src_port : flow->orig_src_port);
}

static void print_time(FILE *out, const char *name, uint64_t ns)
{
	time_t seconds = (time_t)(ns / 1000000000u);
	char text[64];
	struct tm tm;

	strftime(text, sizeof(text), "%a %b %e %H:%M:%S %Y", gmtime_r(&seconds, &tm));
	fprintf(out, "[%s=%s] ", name, text);
}

static const char *l4_name(uint8_t proto)
{
	return proto == IPPROTO_TCP    ? "tcp"
	       : proto == IPPROTO_UDP  ? "udp"
	       : proto == IPPROTO_ICMP ? "icmp"
				       : "icmpv6";
}

/* The line of `conntrack -E -o extended,id,labels,ktimestamp`, up to and including the id. */
static void render(const struct sluice_flow *flow, char *text, size_t size)
{
	static const char *const kinds[] = { "?", "NEW", "UPDATE", "DESTROY" };
	FILE *out = fmemopen(text, size, "w");
	uint32_t has = flow->present;

	if (!out)
		give_up("fmemopen: %s", strerror(errno));
	fprintf(out, "[%s] %-8s %u %-8s %u ", kinds[flow->kind & 3],
		flow->family == AF_INET ? "ipv4" : "ipv6", flow->family, l4_name(flow->proto),
		flow->proto);
	if (has & SLUICE_HAS_TIMEOUT)
		fprintf(out, "%u ", flow->timeout_seconds);
	if (has & SLUICE_HAS_PROTO_STATE)
		fprintf(out, "%s ", tcp_states[flow->proto_state & 7]);
	print_tuple(out, flow, false);
	if (has & SLUICE_HAS_ORIG_ZONE)
		fprintf(out, "zone-orig=%u ", flow->zone);
	if (has & SLUICE_HAS_ORIG_COUNTERS)
		fprintf(out, "packets=%llu bytes=%llu ", (unsigned long long)flow->orig_packets,
			(unsigned long long)flow->orig_bytes);
	if ((has & SLUICE_HAS_STATUS) && !(flow->status & IPS_SEEN_REPLY))
		fprintf(out, "[UNREPLIED] ");
	print_tuple(out, flow, true);
	if (has & SLUICE_HAS_REPLY_COUNTERS)
		fprintf(out, "packets=%llu bytes=%llu ", (unsigned long long)flow->reply_packets,
			(unsigned long long)flow->reply_bytes);
	if (flow->status & IPS_ASSURED)
		fprintf(out, "[ASSURED] ");
	if (has & SLUICE_HAS_MARK)
		fprintf(out, "mark=%u ", flow->mark);
	if (has & SLUICE_HAS_ZONE)
		fprintf(out, "zone=%u ", flow->zone);
	if (has & SLUICE_HAS_STOP)
		fprintf(out, "delta-time=%llu ",
			(unsigned long long)(flow->stop_ns / 1000000000u -
					     flow->start_ns / 1000000000u));
	if (has & SLUICE_HAS_START)
		print_time(out, "start", flow->start_ns);
	if (has & SLUICE_HAS_STOP)
		print_time(out, "stop", flow->stop_ns);
	if (has & SLUICE_HAS_HELPER)
		fprintf(out, "helper=%s ", flow->helper);
	fprintf(out, "id=%u", flow->id);
	fclose(out);
}

/* Fails if any attribute that conntrack prints is read from the wrong place, order or direction. */
static void records_say_what_conntrack_says(const struct golden *all, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		struct sluice_flow flow;
		char text[1024], expected[1024];
		char *suffix;
		uint64_t unknown;

		check_about("%s", all[i].name);
		CHECK_INT(decode(all[i].bytes, all[i].size, &flow, &unknown), SLUICE_DECODED);
		CHECK_INT(unknown, 0);
		render(&flow, text, sizeof(text));
		strcpy(expected, all[i].conntrack);
		/* Who deleted it is no part of the message's attributes. */
		suffix = strstr(expected, " [USERSPACE]");
		if (suffix)
			*suffix = '\0';
		CHECK_TEXT(text, expected);
	}
}

/*
 * What conntrack does not print, read off the hex dump by eye: the event time (attribute 0x1b), status
 * (0x03), labels (0x16, bits 3 and 100), nanoseconds of start and stop.
 */
static void records_hold_what_conntrack_does_not_print(void)
{
	static const uint8_t labels[16] = { [0] = 0x08, [12] = 0x10 };
	struct golden golden;
	struct sluice_flow flow;
	uint64_t unknown;

	golden_read(directory, "tcp-v4-dnat-1.hex", &golden);
	check_about("%s", golden.name);
	CHECK_INT(decode(golden.bytes, golden.size, &flow, &unknown), SLUICE_DECODED);
	CHECK_INT(flow.event_ns, 0x18ea093f9b49dde3);
	CHECK_INT(flow.status, IPS_CONFIRMED | IPS_DST_NAT | IPS_SRC_NAT_DONE | IPS_DST_NAT_DONE);
	CHECK_INT(flow.present, SLUICE_HAS_ID | SLUICE_HAS_STATUS | SLUICE_HAS_TIMEOUT |
					SLUICE_HAS_PROTO_STATE | SLUICE_HAS_PORTS |
					SLUICE_HAS_EVENT_TIME);
	CHECK_INT(flow.reserved, 0);

	golden_read(directory, "tcp-helper-labels-1.hex", &golden);
	check_about("%s", golden.name);
	CHECK_INT(decode(golden.bytes, golden.size, &flow, &unknown), SLUICE_DECODED);
	CHECK(flow.present & SLUICE_HAS_LABELS);
	CHECK_BYTES(flow.labels, labels, sizeof(labels));

	golden_read(directory, "tcp-helper-labels-7.hex", &golden);
	check_about("%s", golden.name);
	CHECK_INT(decode(golden.bytes, golden.size, &flow, &unknown), SLUICE_DECODED);
	CHECK_INT(flow.start_ns, 0x18ea09402e94d2a0);
	CHECK_INT(flow.stop_ns, 0x18ea09402f58403f);
	CHECK_INT(flow.event_ns, 0x18ea09402f5840ad);
}

/* Whether a message cut after `size` bytes still is one: both tuples, and whole attributes only. */
static bool is_whole(const struct golden *golden, size_t size)
{
	size_t at = FIRST_ATTRIBUTE;
	bool orig = false, reply = false;

	while (at < size) {
		struct nlattr attr;

		if (size - at < sizeof(attr))
			return false;
		memcpy(&attr, golden->bytes + at, sizeof(attr));
		if (at + attr.nla_len > size)
			return false;
		orig |= (attr.nla_type & NLA_TYPE_MASK) == CTA_TUPLE_ORIG;
		reply |= (attr.nla_type & NLA_TYPE_MASK) == CTA_TUPLE_REPLY;
		at += NLA_ALIGN(attr.nla_len);
	}
	return orig && reply;
}

/* Fails if a length check is missing (a sanitizer then reports the read beyond) or too strict. */
static void truncated_messages_are_malformed_at_every_length(const struct golden *all, size_t count)
{
	size_t i, size;

	for (i = 0; i < count; i++)
		for (size = 0; size < all[i].size; size++) {
			struct sluice_flow flow;
			uint64_t unknown;

			check_about("%s cut to %zu bytes", all[i].name, size);
			CHECK_INT(decode(all[i].bytes, size, &flow, &unknown),
				  is_whole(&all[i], size) ? SLUICE_DECODED : -EBADMSG);
		}
}

/* Fails if some corrupted length leads out of bounds, or to a record that breaks its own promises. */
static void flipped_bits_never_break_a_record(const struct golden *all, size_t count)
{
	size_t i, bit;

	for (i = 0; i < count; i++)
		for (bit = 0; bit < all[i].size * 8; bit++) {
			struct golden damaged = all[i];
			struct sluice_flow flow;
			uint64_t unknown;
			int result;

			damaged.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
			result = decode(damaged.bytes, damaged.size, &flow, &unknown);
			check_about("%s with bit %zu flipped", all[i].name, bit);
			CHECK(result == SLUICE_DECODED || result == SLUICE_IGNORED ||
			      result == -EBADMSG);
			if (result != SLUICE_DECODED)
				continue;
			CHECK(flow.kind >= SLUICE_KIND_NEW && flow.kind <= SLUICE_KIND_DESTROY);
			CHECK(flow.family == AF_INET || flow.family == AF_INET6);
			CHECK(flow.helper[sizeof(flow.helper) - 1] == '\0');
			CHECK_INT(flow.reserved, 0);
		}
}

/* --- messages that this kernel does not send ---------------------------------------------------- */

static void append(struct golden *golden, uint16_t type, const void *payload, uint16_t bytes)
{
	struct nlattr attr = { .nla_len = (uint16_t)(sizeof(attr) + bytes), .nla_type = type };

	memcpy(golden->bytes + golden->size, &attr, sizeof(attr));
	memcpy(golden->bytes + golden->size + sizeof(attr), payload, bytes);
	golden->size += NLA_ALIGN(attr.nla_len);
}

/* Fails if an attribute of a later kernel is an error, or is not counted. */
static void unknown_attributes_are_skipped_and_counted(void)
{
	static const uint8_t payload[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	struct sluice_flow plain, flow;
	struct golden golden;
	uint64_t unknown;

	check_about("unknown attributes");
	golden_read(directory, "udp-v4-mark-3.hex", &golden);
	decode(golden.bytes, golden.size, &plain, &unknown);
	append(&golden, 28, payload, 8);
	append(&golden, 4711, payload, 3);
	append(&golden, CTA_UNSPEC, payload, 0);
	CHECK_INT(decode(golden.bytes, golden.size, &flow, &unknown), SLUICE_DECODED);
	CHECK_INT(unknown, 3);
	CHECK_BYTES(&flow, &plain, sizeof(flow));
}

/* Fails if the decoder asks for exact sizes, or takes a payload that is too short. */
static void longer_payloads_are_read_and_shorter_ones_malformed(void)
{
	static const uint8_t payload[12] = { 0xde, 0xad, 0xbe, 0xef, 1, 2, 3, 4, 5, 6, 7, 8 };
	struct sluice_flow flow;
	struct golden golden;
	uint64_t unknown;

	check_about("payload sizes");
	golden_read(directory, "udp-v6-1.hex", &golden);
	append(&golden, CTA_MARK, payload, 12);
	CHECK_INT(decode(golden.bytes, golden.size, &flow, &unknown), SLUICE_DECODED);
	CHECK_INT(flow.mark, 0xdeadbeef);
	append(&golden, CTA_ID, payload, 3);
	CHECK_INT(decode(golden.bytes, golden.size, &flow, &unknown), -EBADMSG);
}

/* Fails if a helper's name is copied without regard to the field's size or to its terminator. */
static void long_helper_names_are_cut(void)
{
	static const char nested[] = "\x1c\0\1\0abcdefghijklmnopqrstuvwx";
	struct sluice_flow flow;
	struct golden golden;
	uint64_t unknown;

	check_about("helper name without terminator");
	golden_read(directory, "udp-v6-1.hex", &golden);
	append(&golden, CTA_HELP | NLA_F_NESTED, nested, 28);
	CHECK_INT(decode(golden.bytes, golden.size, &flow, &unknown), SLUICE_DECODED);
	CHECK_TEXT(flow.helper, "abcdefghijklmno");
}

/* Fails if a kernel before 6.14, which sends no event time, yields records without a time. */
static void without_an_event_time_the_time_of_receipt_stands_in(void)
{
	struct sluice_flow flow;
	struct golden golden;
	uint64_t unknown;

	check_about("no CTA_TIMESTAMP_EVENT");
	golden_read(directory, "udp-v6-1.hex", &golden);
	CHECK_INT(decode(golden.bytes, golden.size - 12, &flow, &unknown), SLUICE_DECODED);
	CHECK_INT(flow.event_ns, RECEIVED_NS);
	CHECK_INT(flow.present & SLUICE_HAS_EVENT_TIME, 0);
}

/* Fails if a family is taken on trust: an address of 16 bytes read where there are 4, or none. */
static void family_and_addresses_must_agree(void)
{
	static const uint8_t families[] = { AF_UNSPEC, AF_INET6, AF_BRIDGE };
	struct sluice_flow flow;
	struct golden golden;
	uint64_t unknown;
	size_t i;

	golden_read(directory, "tcp-v4-dnat-1.hex", &golden);
	for (i = 0; i < sizeof(families); i++) {
		check_about("IPv4 addresses in family %u", families[i]);
		golden.bytes[sizeof(struct nlmsghdr)] = families[i];
		CHECK_INT(decode(golden.bytes, golden.size, &flow, &unknown), -EBADMSG);
	}
}

/* Fails if expectations, statistics or control messages are taken for flows. */
static void other_messages_are_ignored(void)
{
	static const uint16_t types[] = {
		NLMSG_NOOP,
		NLMSG_ERROR,
		NLMSG_DONE,
		NLMSG_OVERRUN,
		NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET,
		NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET_STATS,
		NFNL_SUBSYS_CTNETLINK_EXP << 8 | IPCTNL_MSG_EXP_NEW,
		NFNL_SUBSYS_NFTABLES << 8,
	};
	struct sluice_flow flow;
	struct golden golden;
	uint64_t unknown;
	size_t i;

	golden_read(directory, "tcp-v4-dnat-1.hex", &golden);
	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		check_about("message type 0x%x", types[i]);
		memcpy(golden.bytes + offsetof(struct nlmsghdr, nlmsg_type), &types[i],
		       sizeof(types[i]));
		CHECK_INT(decode(golden.bytes, golden.size, &flow, &unknown), SLUICE_IGNORED);
	}
}

int main(int argc, char **argv)
{
	struct golden *all;
	size_t count;

	if (argc != 2)
		give_up("usage: %s GOLDEN_DIRECTORY", argv[0]);
	directory = argv[1];
	all = golden_read_all(directory, &count);
	records_say_what_conntrack_says(all, count);
	records_hold_what_conntrack_does_not_print();
	truncated_messages_are_malformed_at_every_length(all, count);
	flipped_bits_never_break_a_record(all, count);
	unknown_attributes_are_skipped_and_counted();
	longer_payloads_are_read_and_shorter_ones_malformed();
	long_helper_names_are_cut();
	without_an_event_time_the_time_of_receipt_stands_in();
	family_and_addresses_must_agree();
	other_messages_are_ignored();
	free(all);
	return check_result("decode_test");
}
