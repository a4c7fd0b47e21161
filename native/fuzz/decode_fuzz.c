/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer target: arbitrary bytes as a datagram. Whatever they are, every message of it is a record
 * that keeps its promises, ignored, or admitted as malformed.
 */
#include <stdlib.h>
#include <sys/socket.h>

#include "sink.h"
#include "sluice.h"

#define SLOTS 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(int condition)
{
	if (!condition)
		abort();
}

static void check_flow(const struct sluice_flow *flow)
{
	expect(flow->kind >= SLUICE_KIND_NEW && flow->kind <= SLUICE_KIND_DESTROY);
	expect(flow->family == AF_INET || flow->family == AF_INET6);
	expect(flow->reserved == 0);
	expect(flow->helper[sizeof(flow->helper) - 1] == '\0');
	expect((flow->present & SLUICE_HAS_EVENT_TIME) || flow->event_ns == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static _Alignas(SLUICE_RING_ALIGNMENT) uint8_t memory[512 + SLOTS * SLUICE_RECORD_BYTES];
	static struct sluice_sink sink;
	uint64_t flows = 0, lost = 0, i;

	expect(sluice_sink_init(&sink, memory, sizeof(memory)) == 0);
	sluice_sink_datagram(&sink, data, size, 1);
	sluice_sink_publish(&sink, true);
	for (i = 0; i < sink.ring.header->head; i++) {
		const union sluice_record *record = &sink.ring.records[i];

		if (record->flow.kind == SLUICE_KIND_GAP) {
			lost += record->gap.lost;
		} else {
			check_flow(&record->flow);
			flows++;
		}
	}
	expect(flows + sink.stats.ring_lost == sink.stats.received);
	expect(lost == sink.stats.ring_lost + sink.stats.malformed);
	return 0;
}
