// SPDX-License-Identifier: Apache-2.0
/*
 * shim: conntrack events through libsluice, with a consumer that looks at the kind and the time of
 * each record and nothing else.
 *
 * Its buffers and its latency are the agent's defaults. SIGTERM ends it (tally.h).
 */
#include "record.h"
#include "sluice.h"
#include "tally.h"

#define SLOTS 65536
#define BUFFER_MAX (256 << 20)
#define BUFFER_BYTES (64 << 20)
#define LATENCY_US 1000
#define WAIT_MS 50

static struct tally tally;

static void take(const union sluice_record *record, uint64_t now)
{
	switch (record->flow.kind) {
	case SLUICE_KIND_GAP:
		tally.lost += record->gap.lost;
		return;
	case SLUICE_KIND_NEW:
		tally.new_events++;
		break;
	case SLUICE_KIND_DESTROY:
		tally.destroy_events++;
		break;
	default:
		tally.update_events++;
	}
	tally_latency(&tally, record->flow.event_ns, now);
}

static void consume(uint64_t handle, struct sluice_ring_header *ring)
{
	const union sluice_record *records = (const union sluice_record *)(ring + 1);

	while (sluice_ring_wait(handle, WAIT_MS) == 1) {
		uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
		uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
		uint64_t now = wall_ns();

		for (; tail != head; tail++)
			take(&records[tail % ring->slots], now);
		atomic_store_explicit(&ring->tail, tail, memory_order_release);
	}
}

int main(void)
{
	struct sluice_ring_header *ring;
	uint64_t handle;

	stop_on_sigterm();
	ring = aligned_alloc(SLUICE_RING_ALIGNMENT, sluice_ring_bytes(SLOTS));
	if (!ring || sluice_events_open(-1, (uintptr_t)ring, sluice_ring_bytes(SLOTS), LATENCY_US,
					BUFFER_BYTES, BUFFER_MAX, 0, &handle) < 0)
		give_up("shim: %s", ring ? sluice_last_error() : "memory");
	while (!stop_asked)
		consume(handle, ring);
	sluice_events_stop(handle);
	consume(handle, ring);
	tally_print(&tally, "");
	sluice_events_close(handle);
	free(ring);
	return 0;
}
