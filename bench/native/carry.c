/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the fast path's programs cost, without the kernel around them: carry [FLOWS...]
 *
 * Runs a packet of a flow picked at random through BPF_PROG_TEST_RUN, with so many flows in the map
 * (default 1, 10000, 500000), so that large maps pay for their cache misses. The flows are translated
 * to themselves. And fifty packets of one flow in a row, with everything in the caches. Prints the median
 * of each case, a line of JSON for each number of flows: nanoseconds beyond those of the programs when
 * they are switched off, which are some, too, but most of these are the clock's. Needs root.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "bpf/call.h"
#include "fastpath.h"
#include "sluice.h"

#define RUNS 20000
#define LOOPBACK 1

static uint64_t handle;

static int compare(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* A UDP datagram of one byte: of flow `number` from 10.0.0.0 on, or its IPv6 twin. */
static size_t make(uint8_t *packet, bool v4, uint32_t number)
{
	uint8_t *ip = packet + 14, *udp = ip + (v4 ? 20 : 40);

	memset(packet, 0, 100);
	packet[12] = v4 ? 0x08 : 0x86;
	packet[13] = v4 ? 0x00 : 0xdd;
	if (v4) {
		ip[0] = 0x45;
		ip[3] = 29;
		ip[8] = 64;
		ip[9] = IPPROTO_UDP;
	} else {
		ip[0] = 0x60;
		ip[5] = 9;
		ip[6] = IPPROTO_UDP;
		ip[7] = 64;
	}
	memcpy(ip + (v4 ? 12 : 8), &number, sizeof(number));
	udp[1] = 80;
	udp[3] = 80;
	udp[5] = 9;
	return (size_t)(udp + 9 - packet);
}

static void insert(bool v4, uint32_t number)
{
	struct fast_key4 key4 = { .src = number, .sport = htons(80), .dport = htons(80), .protocol = IPPROTO_UDP };
	struct fast_key6 key6 = { .src = { number }, .sport = htons(80), .dport = htons(80), .protocol = IPPROTO_UDP };
	struct fast_flow flow = { .way = { .src = { number }, .sport = htons(80), .dport = htons(80),
					   .from = LOOPBACK, .to = LOOPBACK, .mtu = 1500 } };
	union bpf_attr attr = {
		.map_fd = (uint32_t)fastpath_flows(handle, v4 ? AF_INET : AF_INET6),
		.key = v4 ? (uintptr_t)&key4 : (uintptr_t)&key6,
		.value = (uintptr_t)&flow,
	};

	flow.key = key6;
	if (v4) {
		flow.key = (struct fast_key6){};
		memcpy(&flow.key, &key4, sizeof(key4));
	}
	if (sys_bpf(BPF_MAP_UPDATE_ELEM, &attr, sizeof(attr)) < 0)
		err(1, "BPF_MAP_UPDATE_ELEM");
}

/* Median nanoseconds over packets of flows first to first + count - 1, which become `expected`. */
static uint32_t measure_repeated(bool v4, uint32_t first, uint32_t count, bool tagged, int expected,
				 uint32_t repeat)
{
	static uint32_t took[RUNS];
	uint8_t packet[128], out[256];

	for (int i = 0; i < RUNS; i++) {
		size_t bytes = make(packet, v4, first + (uint32_t)random() % count);
		union bpf_attr attr = { .test = {
			.prog_fd = (uint32_t)fastpath_program(handle, SLUICE_FASTPATH_INWARD),
			.data_in = (uintptr_t)packet,
			.data_size_in = (uint32_t)bytes,
			.data_out = (uintptr_t)out,
			.data_size_out = sizeof(out),
			.repeat = repeat,
		} };

		if (tagged)
			packet[12] = 0x81, packet[13] = 0;
		if (sys_bpf(BPF_PROG_TEST_RUN, &attr, sizeof(attr)) < 0)
			err(1, "BPF_PROG_TEST_RUN");
		if ((int)attr.test.retval != expected)
			errx(1, "verdict %d, expected %d", (int)attr.test.retval, expected);
		took[i] = attr.test.duration;
	}
	qsort(took, RUNS, sizeof(took[0]), compare);
	return took[RUNS / 2];
}

static uint32_t measure(bool v4, uint32_t first, uint32_t count, bool tagged, int expected)
{
	return measure_repeated(v4, first, count, tagged, expected, 1);
}

/* Fifty packets of a flow in a row; in print, no number of flows. */
static void in_a_row(void)
{
	uint32_t off, miss, hit4, hit6;

	if (sluice_fastpath_open(16, 16, &handle) < 0)
		errx(1, "%s", sluice_last_error());
	sluice_fastpath_configure(handle, 0, 1000, 1u << 31, 0, 0, 0, 0);
	insert(true, 0);
	insert(false, 0);
	off = measure_repeated(true, 0, 1, false, -1, 50);
	fastpath_config(handle)->on = 1;
	fastpath_config(handle)->recheck_ticks = UINT32_MAX;
	miss = measure_repeated(true, 1, 1, false, -1, 50);
	hit4 = measure_repeated(true, 0, 1, false, 7, 50);
	hit6 = measure_repeated(false, 0, 1, false, 7, 50);
	printf("{\"flows\": 0, \"no flow\": %d, \"IPv4\": %d, \"IPv6\": %d}\n", (int)(miss - off),
	       (int)(hit4 - off), (int)(hit6 - off));
	sluice_fastpath_close(handle);
}

static void with_flows(uint32_t count)
{
	uint32_t off, tagged, miss, asked, hit4, hit6;

	if (sluice_fastpath_open(count, 16, &handle) < 0)
		errx(1, "%s", sluice_last_error());
	sluice_fastpath_configure(handle, 0, 1000, 1u << 31, 0, 0, 0, 0);
	for (uint32_t i = 0; i < count; i++) {
		insert(true, i);
		insert(false, i);
	}
	off = measure(true, 0, count, false, -1);
	fastpath_config(handle)->on = 1;
	fastpath_config(handle)->recheck_ticks = UINT32_MAX;
	tagged = measure(true, 0, count, true, -1);
	miss = measure(true, count, count, false, -1);
	hit4 = measure(true, 0, count, false, 7);
	hit6 = measure(false, 0, count, false, 7);
	fastpath_config(handle)->sample_mask = 0;
	asked = measure(true, count, count, false, -1);
	printf("{\"flows\": %u, \"another protocol\": %d, \"no flow\": %d, \"no flow, conntrack asked\": %d, "
	       "\"IPv4\": %d, \"IPv6\": %d}\n",
	       count, (int)(tagged - off), (int)(miss - off), (int)(asked - off), (int)(hit4 - off),
	       (int)(hit6 - off));
	sluice_fastpath_close(handle);
}

int main(int argc, char **argv)
{
	if (unshare(CLONE_NEWNET) < 0)
		err(1, "unshare");
	if (argc < 2) {
		in_a_row();
		with_flows(1);
		with_flows(10000);
		with_flows(500000);
	}
	for (int i = 1; i < argc; i++)
		with_flows((uint32_t)strtoul(argv[i], NULL, 10));
	return 0;
}
