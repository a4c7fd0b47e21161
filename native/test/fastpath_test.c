/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fast path's programs against a reference: a million packets with random headers, run through
 * them by BPF_PROG_TEST_RUN. The reference translates as one would on paper, with checksums summed up
 * anew. What becomes of a packet, its bytes and all counters have to be the same. Needs root.
 *
 * fastpath_test.py tests them with real traffic.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "bpf/call.h"
#include "check.h"
#include "clock.h"
#include "fastpath.h"
#include "record.h"
#include "sluice.h"

#ifdef __SANITIZE_ADDRESS__
#define PACKETS 50000
#else
#define PACKETS 1000000
#endif
#define FLOWS 64
#define LARGEST 1600
#define LOOPBACK 1 /* the device that BPF_PROG_TEST_RUN takes, in every namespace */

#define ETH 14
#define UNSPEC (-1) /* linux/pkt_cls.h: TC_ACT_UNSPEC, TC_ACT_REDIRECT */
#define REDIRECT 7

static uint64_t handle;
static uint64_t outcomes[FAST_OUTCOME_COUNT];

/* --- random numbers, the same in every run -------------------------------------------------------- */

static uint64_t state = 0x9e3779b97f4a7c15;

static uint64_t random64(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static uint32_t below(uint32_t limit)
{
	return (uint32_t)(random64() >> 32) % limit;
}

static void fill(void *at, size_t bytes)
{
	uint8_t *byte = at;

	while (bytes--)
		*byte++ = (uint8_t)(random64() >> 40);
}

/* --- flows -------------------------------------------------------------------------------------- */

struct tuple {
	uint8_t src[16], dst[16];
	uint16_t sport, dport; /* network byte order */
};

struct flow {
	int family;
	uint8_t protocol;
	struct tuple before, after;
	uint8_t mac[12];
	uint32_t mtu;
	uint64_t packets, bytes;
};

static struct flow flows[FLOWS];

static size_t address_bytes(int family)
{
	return family == AF_INET ? 4 : 16;
}

/* RFC 1071: the sum of 16-bit words, as they lie in memory. */
static uint32_t sum(uint32_t start, const void *bytes, size_t count)
{
	const uint8_t *byte = bytes;
	uint64_t total = start;
	uint16_t word;

	for (; count >= 2; byte += 2, count -= 2) {
		memcpy(&word, byte, 2);
		total += word;
	}
	if (count)
		total += *byte;
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return (uint32_t)total;
}

/* after - before, in one's complement. */
static uint32_t difference(const void *before, const void *after, size_t bytes)
{
	return sum((uint16_t)~sum(0, before, bytes), after, bytes);
}

static uint32_t two(uint32_t a, uint32_t b)
{
	uint32_t both = a + b;

	return (both & 0xffff) + (both >> 16);
}

static union bpf_attr on_flow(const struct flow *flow, struct fast_key4 *key4, struct fast_key6 *key6,
			      struct fast_flow *value)
{
	size_t bytes = address_bytes(flow->family);

	*key4 = (struct fast_key4){ .sport = flow->before.sport, .dport = flow->before.dport,
				    .protocol = flow->protocol };
	*key6 = (struct fast_key6){ .sport = flow->before.sport, .dport = flow->before.dport,
				    .protocol = flow->protocol };
	memcpy(flow->family == AF_INET ? &key4->src : key6->src, flow->before.src, bytes);
	memcpy(flow->family == AF_INET ? &key4->dst : key6->dst, flow->before.dst, bytes);
	return (union bpf_attr){
		.map_fd = (uint32_t)fastpath_flows(handle, flow->family),
		.key = flow->family == AF_INET ? (uintptr_t)key4 : (uintptr_t)key6,
		.value = (uintptr_t)value,
	};
}

/* Writes the entry that the programs would have learned. */
static void insert(struct flow *flow)
{
	size_t bytes = address_bytes(flow->family);
	struct fast_key4 key4;
	struct fast_key6 key6;
	struct fast_flow value = {
		.way = {
			.sport = flow->after.sport,
			.dport = flow->after.dport,
			.from = LOOPBACK,
			.to = LOOPBACK,
			.mtu = flow->mtu,
			.address_sum = two(difference(flow->before.src, flow->after.src, bytes),
					   difference(flow->before.dst, flow->after.dst, bytes)),
			.port_sum = two(difference(&flow->before.sport, &flow->after.sport, 2),
					difference(&flow->before.dport, &flow->after.dport, 2)),
		},
	};
	union bpf_attr attr = on_flow(flow, &key4, &key6, &value);

	memcpy(value.way.src, flow->after.src, bytes);
	memcpy(value.way.dst, flow->after.dst, bytes);
	memcpy(value.way.mac, flow->mac, sizeof(flow->mac));
	value.key = key6;
	if (flow->family == AF_INET) {
		value.key = (struct fast_key6){};
		memcpy(&value.key, &key4, sizeof(key4));
	}
	if (sys_bpf(BPF_MAP_UPDATE_ELEM, &attr, sizeof(attr)) < 0)
		give_up("BPF_MAP_UPDATE_ELEM: %s", strerror(errno));
	flow->packets = 0;
	flow->bytes = 0;
}

/* The programs counted what the reference did. Returns why the flow ended. */
static uint32_t check_counters(const struct flow *flow)
{
	struct fast_key4 key4;
	struct fast_key6 key6;
	struct fast_flow value;
	union bpf_attr attr = on_flow(flow, &key4, &key6, &value);

	if (sys_bpf(BPF_MAP_LOOKUP_ELEM, &attr, sizeof(attr)) < 0)
		give_up("BPF_MAP_LOOKUP_ELEM: %s", strerror(errno));
	CHECK_INT(value.packets, flow->packets);
	CHECK_INT(value.bytes, flow->bytes);
	return value.ended;
}

static void make_flow(struct flow *flow)
{
	flow->family = below(2) ? AF_INET : AF_INET6;
	flow->protocol = below(2) ? IPPROTO_TCP : IPPROTO_UDP;
	fill(&flow->before, sizeof(flow->before));
	fill(flow->mac, sizeof(flow->mac));
	flow->after = flow->before;
	/* One end, the other, or both, as there are DNAT, SNAT and both; the port now and then alone. */
	if (below(3)) {
		fill(flow->after.dst, sizeof(flow->after.dst));
		fill(&flow->after.dport, 2);
	}
	if (!below(3)) {
		fill(flow->after.src, sizeof(flow->after.src));
		fill(&flow->after.sport, 2);
	}
	flow->mtu = 68 + below(LARGEST);
	insert(flow);
}

/* --- packets ------------------------------------------------------------------------------------ */

struct packet {
	uint8_t bytes[LARGEST];
	size_t count;
	size_t ip_bytes; /* of the IP header, with options */
	uint32_t gso;
};

static uint8_t *ip_of(struct packet *p)
{
	return p->bytes + ETH;
}

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static uint32_t get16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

/* Where the transport checksum is, and what it would be for these addresses and ports. */
static uint8_t *check_field(struct packet *p, const struct flow *flow)
{
	return ip_of(p) + p->ip_bytes + (flow->protocol == IPPROTO_TCP ? 16 : 6);
}

static uint32_t transport_sum(struct packet *p, const struct flow *flow)
{
	const uint8_t *l4 = ip_of(p) + p->ip_bytes;
	size_t count = p->count - ETH - p->ip_bytes;
	uint8_t pseudo[4] = { 0, flow->protocol, (uint8_t)(count >> 8), (uint8_t)count };
	const uint8_t *addresses = ip_of(p) + (flow->family == AF_INET ? 12 : 8);
	uint32_t total = sum(0, addresses, 2 * address_bytes(flow->family));
	uint16_t field;

	memcpy(&field, check_field(p, flow), 2);
	total = sum(total, pseudo, sizeof(pseudo));
	total = sum(total, l4, count);
	/* Without what is in the field now. */
	return two(total, (uint16_t)~field);
}

static void put_check(uint8_t *at, uint32_t total, bool udp)
{
	uint16_t check = (uint16_t)~total;

	if (udp && !check)
		check = 0xffff;
	memcpy(at, &check, 2);
}

static void put_sums(struct packet *p, const struct flow *flow, bool transport)
{
	if (flow->family == AF_INET) {
		memset(ip_of(p) + 10, 0, 2);
		put_check(ip_of(p) + 10, sum(0, ip_of(p), p->ip_bytes), false);
	}
	if (transport)
		put_check(check_field(p, flow), transport_sum(p, flow), flow->protocol == IPPROTO_UDP);
}

static void put_tuple(struct packet *p, const struct flow *flow, const struct tuple *tuple)
{
	size_t bytes = address_bytes(flow->family);
	uint8_t *addresses = ip_of(p) + (flow->family == AF_INET ? 12 : 8);

	memcpy(addresses, tuple->src, bytes);
	memcpy(addresses + bytes, tuple->dst, bytes);
	memcpy(ip_of(p) + p->ip_bytes, &tuple->sport, 2);
	memcpy(ip_of(p) + p->ip_bytes + 2, &tuple->dport, 2);
}

/* A packet of the flow as its sender would have made it, with random contents. */
static void make_packet(struct packet *p, const struct flow *flow, size_t options)
{
	bool v4 = flow->family == AF_INET;
	size_t doff = 20 + 4 * below(11), header = flow->protocol == IPPROTO_TCP ? doff : 8;
	size_t payload = below(4) ? below(100) : below(1400);
	uint8_t *ip = ip_of(p), *l4;

	*p = (struct packet){ .ip_bytes = (v4 ? 20 : 40) + (v4 ? options : 0) };
	p->count = ETH + p->ip_bytes + header + payload;
	fill(p->bytes, p->count);
	memset(p->bytes, 0, 6); /* the loopback device's address: a packet for this host */
	put16(p->bytes + 12, v4 ? 0x0800 : 0x86dd);
	if (v4) {
		ip[0] = (uint8_t)(0x40 + p->ip_bytes / 4);
		put16(ip + 2, (uint32_t)p->count - ETH);
		put16(ip + 6, below(2) ? 0x4000 : 0);
		ip[8] = (uint8_t)(2 + below(254));
		ip[9] = flow->protocol;
	} else {
		ip[0] = (uint8_t)(0x60 + below(16));
		put16(ip + 4, (uint32_t)(header + payload));
		ip[6] = flow->protocol;
		ip[7] = (uint8_t)(2 + below(254));
	}
	l4 = ip + p->ip_bytes;
	if (flow->protocol == IPPROTO_TCP) {
		l4[12] = (uint8_t)(doff / 4 << 4 | below(16));
		l4[13] = (uint8_t)(0x10 | (below(256) & 0xe8)); /* ACK, and what is harmless */
	} else {
		put16(l4 + 4, (uint32_t)(header + payload));
	}
	put_tuple(p, flow, &flow->before);
	put_sums(p, flow, true);
}

/*
 * Makes a packet odd in one way and returns what has to become of it; 0 if it stays as it is. Checksums
 * are right afterwards, but for those of the transport where these are what is odd.
 */
static uint32_t disturb(struct packet *p, const struct flow *flow, int way, bool *wrong_sum)
{
	bool v4 = flow->family == AF_INET, tcp = flow->protocol == IPPROTO_TCP;
	uint8_t *ip = ip_of(p), *l4 = ip + p->ip_bytes;
	uint32_t outcome = 0;

	switch (below(24)) {
	case 0: /* another host's */
		p->bytes[below(6)] = 2;
		return way == SLUICE_FASTPATH_INWARD ? FAST_FRAME : FAST_ELSEWHERE;
	case 1: /* a VLAN's, ARP, MPLS */
		put16(p->bytes + 12, (uint32_t[]){ 0x8100, 0x88a8, 0x0806, 0x8847 }[below(4)]);
		return FAST_FRAME;
	case 2:
		ip[v4 ? 8 : 7] = (uint8_t)below(2);
		outcome = FAST_TTL;
		break;
	case 3: /* ICMP, SCTP, extension headers, anything */
		do
			ip[v4 ? 9 : 6] = (uint8_t)below(256);
		while (ip[v4 ? 9 : 6] == IPPROTO_TCP || ip[v4 ? 9 : 6] == IPPROTO_UDP);
		outcome = FAST_PROTOCOL;
		break;
	case 4:
		if (!v4)
			return 0;
		/* The first or a later fragment, or the reserved bit. */
		put16(ip + 6, (uint32_t[]){ 0x2000, 0x2001, 0x1fff, 0x8000, 0xc000 }[below(5)]);
		outcome = FAST_HEADER;
		break;
	case 5:
		if (!v4)
			return 0;
		make_packet(p, flow, 4 + 4 * below(10));
		/* Where a UDP header without options would end, there may be nothing. */
		return FAST_HEADER;
	case 6: /* IP says more than there is */
		put16(ip + (v4 ? 2 : 4), (uint32_t)p->count - ETH - (v4 ? 0 : 40) + 1 + below(300));
		outcome = FAST_HEADER;
		break;
	case 7: /* or less than the transport header needs */
		put16(ip + (v4 ? 2 : 4), (v4 ? 20 : 0) + below(tcp ? 20 : 8));
		outcome = FAST_HEADER;
		break;
	case 8:
		ip[0] = (uint8_t)(ip[0] ^ (v4 ? 0x10 : 0x20));
		outcome = FAST_HEADER;
		break;
	case 9:
		if (!tcp)
			return 0;
		/* SYN, FIN, RST, all of them, no ACK. */
		l4[13] = (uint8_t[]){ 0x12, 0x11, 0x14, 0x17, 0x00 }[below(5)];
		put_sums(p, flow, true);
		return FAST_TCP_FLAGS;
	case 10:
		if (!tcp)
			return 0;
		l4[12] = (uint8_t)(below(5) << 4);
		outcome = FAST_HEADER;
		break;
	case 11: /* cut off; BPF_PROG_TEST_RUN wants an IP header */
		p->count = ETH + p->ip_bytes + below(tcp ? 20 : 8);
		return FAST_HEADER;
	case 12: { /* of another flow */
		uint8_t *at = v4 ? ip + 12 + below(8) : ip + 8 + below(32);

		*at ^= 1;
		put_sums(p, flow, true);
		return FAST_UNKNOWN;
	}
	case 13: /* UDP without a checksum, and checksums that are wrong */
		*wrong_sum = true;
		fill(check_field(p, flow), 2);
		if (!tcp && below(2))
			put16(check_field(p, flow), 0);
		return 0;
	case 14: /* Ethernet's padding */
		if (p->count + 6 < LARGEST)
			p->count += below(7);
		return 0;
	default:
		return 0;
	}
	put_sums(p, flow, false);
	return outcome;
}

/* --- both translate ------------------------------------------------------------------------------- */

/* By the reference. */
static void translate(struct packet *p, const struct flow *flow)
{
	uint8_t *ip = ip_of(p), *field = check_field(p, flow);
	size_t padded = p->count;
	uint16_t before, was, error;

	/* IP knows where the packet ends. */
	p->count = ETH + (flow->family == AF_INET ? get16(ip + 2) : 40 + get16(ip + 4));
	memcpy(&before, field, 2);
	put_check((uint8_t *)&was, transport_sum(p, flow), false);
	/* What a checksum was wrong by, it stays wrong by. */
	error = (uint16_t)two(before, (uint16_t)~was);
	memcpy(p->bytes, flow->mac, sizeof(flow->mac));
	ip[flow->family == AF_INET ? 8 : 7]--;
	put_tuple(p, flow, &flow->after);
	put_sums(p, flow, false);
	if (before || flow->protocol == IPPROTO_TCP) {
		uint16_t right, check;

		put_check((uint8_t *)&right, transport_sum(p, flow), false);
		check = (uint16_t)two(right, error);
		/* One's complement has two zeros: TCP writes this one, UDP the other. */
		if (check == 0xffff && flow->protocol == IPPROTO_TCP)
			check = 0;
		if (check == 0 && flow->protocol == IPPROTO_UDP)
			check = 0xffff;
		memcpy(field, &check, 2);
	}
	p->count = padded;
}

/* By a program: its verdict. */
static int run(int way, struct packet *p)
{
	static uint8_t out[LARGEST + 64];
	struct __sk_buff context = { .gso_size = p->gso };
	union bpf_attr attr = { .test = {
		.prog_fd = (uint32_t)fastpath_program(handle, way),
		.data_in = (uintptr_t)p->bytes,
		.data_size_in = (uint32_t)p->count,
		.data_out = (uintptr_t)out,
		.data_size_out = sizeof(out),
		.ctx_in = (uintptr_t)&context,
		.ctx_size_in = sizeof(context),
	} };

	if (sys_bpf(BPF_PROG_TEST_RUN, &attr, sizeof(attr)) < 0)
		give_up("BPF_PROG_TEST_RUN of %zu bytes: %s", p->count, strerror(errno));
	if (attr.test.data_size_out > sizeof(p->bytes))
		give_up("%u bytes came out", attr.test.data_size_out);
	memcpy(p->bytes, out, attr.test.data_size_out);
	p->count = attr.test.data_size_out;
	return (int)attr.test.retval;
}

static void compare(uint64_t number)
{
	struct flow *flow = &flows[below(FLOWS)];
	int way = (int)below(2);
	bool wrong_sum = false;
	struct packet p, expected;
	uint32_t outcome, largest;

	check_about("packet %llu", (unsigned long long)number);
	make_packet(&p, flow, 0);
	outcome = disturb(&p, flow, way, &wrong_sum);
	if (!outcome) {
		size_t header = p.ip_bytes + (flow->protocol == IPPROTO_TCP ?
						      4 * (size_t)(ip_of(&p)[p.ip_bytes + 12] >> 4) : 8);
		const uint8_t *ip = ip_of(&p);

		largest = flow->family == AF_INET ? get16(ip + 2) : 40 + get16(ip + 4);
		if (!below(4)) {
			p.gso = 1 + below(1500);
			largest = (uint32_t)header + p.gso;
		}
		if (largest > flow->mtu)
			outcome = FAST_MTU;
	}
	expected = p;
	if (!outcome) {
		outcome = way == SLUICE_FASTPATH_INWARD ? FAST_INWARD : FAST_OUTWARD;
		flow->packets++;
		flow->bytes += flow->family == AF_INET ? get16(ip_of(&p) + 2) : 40 + get16(ip_of(&p) + 4);
		translate(&expected, flow);
	}
	outcomes[outcome]++;
	CHECK_INT(run(way, &p), outcome == FAST_INWARD || outcome == FAST_OUTWARD ? REDIRECT : UNSPEC);
	CHECK_INT(p.count, expected.count);
	if (memcmp(p.bytes, expected.bytes, p.count))
		CHECK_BYTES(p.bytes, expected.bytes, p.count < 80 ? p.count : 80);
	if (outcome == FAST_TCP_FLAGS) {
		CHECK_INT(check_counters(flow), FAST_TCP_FLAGS);
		insert(flow);
	}
}

static void test_same_bytes(void)
{
	struct sluice_fastpath_stats stats;
	uint64_t *counted = (uint64_t *)&stats, carried;

	for (int i = 0; i < FLOWS; i++)
		make_flow(&flows[i]);
	for (uint64_t i = 0; i < PACKETS; i++)
		compare(i);
	check_about("counters");
	for (int i = 0; i < FLOWS; i++)
		CHECK_INT(check_counters(&flows[i]), 0);
	CHECK_INT(sluice_fastpath_stats(handle, (uintptr_t)&stats, sizeof(stats)), 0);
	for (int i = 0; i < FAST_OUTCOME_COUNT; i++) {
		check_about("outcome %d", i);
		CHECK_INT(counted[i], outcomes[i]);
	}
	/* Or the test would have compared nothing. */
	carried = outcomes[FAST_INWARD] + outcomes[FAST_OUTWARD];
	CHECK(carried > PACKETS / 4);
	CHECK(outcomes[FAST_HEADER] && outcomes[FAST_TCP_FLAGS] && outcomes[FAST_MTU]);
}

static const struct flow *flow_of(const struct sluice_offload *record)
{
	for (int i = 0; i < FLOWS; i++)
		if (flows[i].family == record->family && flows[i].protocol == record->proto &&
		    ntohs(flows[i].before.sport) == record->src_port &&
		    ntohs(flows[i].before.dport) == record->dst_port &&
		    !memcmp(flows[i].before.src, record->src, address_bytes(record->family)) &&
		    !memcmp(flows[i].before.dst, record->dst, address_bytes(record->family)))
			return &flows[i];
	give_up("a flow that nobody made");
}

/* Records say what the entries say, and the taken ones are gone. */
static void test_read_and_take(void)
{
	static struct sluice_offload records[512], again[512];
	int found, some;

	check_about("reading");
	CHECK_INT(sluice_fastpath_flows(handle, (uintptr_t)records, 511), -EINVAL);
	for (found = 0; (some = sluice_fastpath_flows(handle, (uintptr_t)again, 512)) > 0; found += some)
		memcpy(records + found, again, (size_t)some * sizeof(again[0]));
	CHECK_INT(some, 0);
	CHECK_INT(found, FLOWS);
	for (int i = 0; i < found; i++) {
		const struct flow *flow = flow_of(&records[i]);

		CHECK_INT(records[i].packets, flow->packets);
		CHECK_INT(records[i].bytes, flow->bytes);
		CHECK_INT(records[i].mtu, flow->mtu);
		CHECK_INT(records[i].new_dst_port, ntohs(flow->after.dport));
		CHECK_BYTES(records[i].new_dst, flow->after.dst, address_bytes(flow->family));
	}
	check_about("taking");
	memcpy(again, records, sizeof(again));
	for (int i = 0; i < found; i++)
		again[i].packets = again[i].bytes = 4711;
	CHECK_INT(sluice_fastpath_take(handle, (uintptr_t)again, FLOWS), FLOWS);
	for (int i = 0; i < found; i++) {
		records[i].ended = FAST_ENDED;
		CHECK_BYTES(&again[i], &records[i], sizeof(again[i]));
	}
	CHECK_INT(sluice_fastpath_take(handle, (uintptr_t)again, FLOWS), 0);
	CHECK_INT(again[0].packets, 0);
	CHECK_INT(sluice_fastpath_flows(handle, (uintptr_t)again, 512), 0);
	again[1].family = 0;
	CHECK_INT(sluice_fastpath_take(handle, (uintptr_t)again, 2), -EINVAL);
}

static void test_containers(void)
{
	uint8_t address[16] = { 0 };

	check_about("containers");
	for (address[15] = 0; address[15] < 16; address[15]++)
		CHECK_INT(sluice_fastpath_container(handle, (uintptr_t)address, LOOPBACK, 3, 1500, 1, 2), 0);
	CHECK_INT(sluice_fastpath_container(handle, (uintptr_t)address, LOOPBACK, 3, 1500, 1, 2), -E2BIG);
	for (address[15] = 0; address[15] < 17; address[15]++)
		CHECK_INT(sluice_fastpath_container(handle, (uintptr_t)address, 0, 0, 0, 0, 0), 0);
	CHECK_INT(sluice_fastpath_container(handle, (uintptr_t)address, LOOPBACK, 3, 1500, 1, 2), 0);
}

/* Nobody asks here. */
static void test_no_requests(void)
{
	struct sluice_offload record;

	check_about("requests");
	CHECK_INT(sluice_fastpath_requests(handle, (uintptr_t)&record, 1, 0), 0);
	CHECK_INT(sluice_fastpath_requests(handle, (uintptr_t)&record, 0, 0), -EINVAL);
}

/* Switched off: not even counted as anything else. */
static void test_off(void)
{
	struct packet p, before;

	check_about("switched off");
	CHECK_INT(sluice_fastpath_switch(handle, 0), 0);
	make_packet(&p, &flows[0], 0);
	before = p;
	CHECK_INT(run(SLUICE_FASTPATH_INWARD, &p), UNSPEC);
	CHECK_BYTES(p.bytes, before.bytes, p.count);
	CHECK_INT(sluice_fastpath_switch(handle, 1), 0);
}

static void test_arguments(void)
{
	uint64_t unused;

	check_about("arguments");
	CHECK_INT(sluice_fastpath_open(0, 16, &unused), -EINVAL);
	CHECK_INT(sluice_fastpath_open(16, 1u << 21, &unused), -EINVAL);
	CHECK_INT(sluice_fastpath_attach(handle, LOOPBACK, 2, 0), -EINVAL);
	CHECK_INT(sluice_fastpath_attach(handle, 4711, 0, 0), -ENODEV);
	CHECK_INT(sluice_fastpath_orphan(LOOPBACK, &unused), -ENOENT);
	CHECK_INT(sluice_fastpath_configure(handle, 1, 1000, 3, 0, 0, 0, 0), -EINVAL);
	CHECK_INT(sluice_fastpath_stats(handle, (uintptr_t)&unused, 8), -EINVAL);
}

/* The last line before the statistics; nothing of a log that is not about a program. */
static void test_verdict(void)
{
	char rejected[] = "0: R1=ctx()\n; return 0; @ x.c:1\n5: (85) call bpf_x#1\nunknown func bpf_x#1\n"
			  "processed 6 insns (limit 1000000) max_states_per_insn 0\n";
	char alone[] = "back-edge from insn 3 to 1\nprocessed 0 insns (limit 1000000)\n";
	char types[] = "[130] VAR dummy_ksym type_id=2 linkage=1\n";

	check_about("verdict");
	CHECK_TEXT(fastpath_verdict(rejected), "unknown func bpf_x#1");
	CHECK_TEXT(fastpath_verdict(alone), "back-edge from insn 3 to 1");
	CHECK_TEXT(fastpath_verdict(types), "");
}

int main(void)
{
	if (unshare(CLONE_NEWNET) < 0)
		give_up("unshare(CLONE_NEWNET): %s", strerror(errno));
	if (sluice_fastpath_open(FLOWS, 16, &handle) < 0)
		give_up("%s", sluice_last_error());
	CHECK_INT(sluice_fastpath_configure(handle, 1, 1000, 1, 0, 1000, 0, 0), 0);
	/* The entries are not the programs' own: they are not looked up in conntrack. */
	fastpath_config(handle)->recheck_ticks = UINT32_MAX;
	test_arguments();
	test_verdict();
	test_same_bytes();
	test_off();
	test_read_and_take();
	test_containers();
	test_no_requests();
	CHECK_INT(sluice_fastpath_close(handle), 0);
	return check_result("fastpath_test");
}
