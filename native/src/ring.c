/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ring of records between one producer (the event thread) and one consumer (Java).
 *
 * The producer never waits: when the ring is full it is told so. The consumer sleeps on a futex, and
 * the producer enters the kernel to wake it only if it does. That neither misses the other rests on
 * this pair (Dekker's), each side with a full barrier between its store and its load:
 *
 *	consumer: consumer_sleeps = 1; barrier; head == tail?  then sleep
 *	producer: head = n;            barrier; consumer_sleeps? then wake
 *
 * At least one of them sees the other's store.
 */
#define _GNU_SOURCE
#include "ring.h"

#include <errno.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "sluice.h"

/* consumer_sleeps: the consumer is awake, in the kernel, or shall not go there the next time. */
#define AWAKE 0
#define SLEEPS 1
#define NUDGED 2

#define MIN_SLOTS 16u
#define MAX_SLOTS (1u << 24)

uint64_t sluice_ring_bytes(uint32_t slots)
{
	if (slots < MIN_SLOTS || slots > MAX_SLOTS || (slots & (slots - 1)) != 0)
		return 0;
	return sizeof(struct sluice_ring_header) + (uint64_t)slots * SLUICE_RECORD_BYTES;
}

int sluice_ring_init(struct sluice_ring *ring, void *memory, uint64_t bytes)
{
	uint32_t slots = MIN_SLOTS;

	if (!memory || (uintptr_t)memory % SLUICE_RING_ALIGNMENT != 0)
		return -EINVAL;
	if (bytes < sluice_ring_bytes(slots))
		return -EINVAL;
	while (slots < MAX_SLOTS && sluice_ring_bytes(slots * 2) <= bytes)
		slots *= 2;

	ring->header = memory;
	ring->records =
		(union sluice_record *)((uint8_t *)memory + sizeof(struct sluice_ring_header));
	ring->slots = slots;
	ring->head = 0;
	ring->tail_seen = 0;
	memset(ring->header, 0, sizeof(*ring->header));
	ring->header->version = SLUICE_ABI_VERSION;
	ring->header->record_bytes = SLUICE_RECORD_BYTES;
	ring->header->slots = slots;
	return 0;
}

union sluice_record *sluice_ring_reserve(struct sluice_ring *ring, uint64_t spare)
{
	/* The consumer's line is read only when what was last seen there no longer suffices. */
	if (ring->slots - (ring->head - ring->tail_seen) <= spare) {
		ring->tail_seen =
			atomic_load_explicit(&ring->header->tail, memory_order_acquire);
		if (ring->slots - (ring->head - ring->tail_seen) <= spare)
			return NULL;
	}
	return &ring->records[ring->head & (ring->slots - 1)];
}

void sluice_ring_commit(struct sluice_ring *ring)
{
	ring->head++;
}

bool sluice_ring_publish(struct sluice_ring *ring)
{
	if (atomic_load_explicit(&ring->header->head, memory_order_relaxed) == ring->head)
		return false;
	atomic_store_explicit(&ring->header->head, ring->head, memory_order_release);
	return sluice_ring_wake(ring->header);
}

bool sluice_ring_wake(struct sluice_ring_header *header)
{
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&header->consumer_sleeps, memory_order_relaxed) != SLEEPS)
		return false;
	atomic_store_explicit(&header->consumer_sleeps, AWAKE, memory_order_relaxed);
	syscall(SYS_futex, &header->consumer_sleeps, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	return true;
}

void sluice_ring_nudge(struct sluice_ring_header *header)
{
	if (atomic_exchange(&header->consumer_sleeps, NUDGED) == SLEEPS)
		syscall(SYS_futex, &header->consumer_sleeps, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static bool has_record(struct sluice_ring_header *header)
{
	/* tail is the caller's own: it needs no order. */
	return atomic_load_explicit(&header->head, memory_order_acquire) !=
	       atomic_load_explicit(&header->tail, memory_order_relaxed);
}

int sluice_ring_await(struct sluice_ring_header *header, const _Atomic bool *ended, int timeout_ms)
{
	struct timespec timeout = { .tv_sec = timeout_ms / 1000,
				    .tv_nsec = (timeout_ms % 1000) * 1000000L };

	uint32_t awake = AWAKE;

	if (has_record(header))
		return 1;
	if (!atomic_compare_exchange_strong(&header->consumer_sleeps, &awake, SLEEPS)) {
		atomic_store_explicit(&header->consumer_sleeps, AWAKE, memory_order_relaxed);
		return has_record(header);
	}
	atomic_thread_fence(memory_order_seq_cst);
	if (!has_record(header) && !atomic_load_explicit(ended, memory_order_acquire))
		syscall(SYS_futex, &header->consumer_sleeps, FUTEX_WAIT_PRIVATE, SLEEPS,
			timeout_ms < 0 ? NULL : &timeout, NULL, 0);
	atomic_store_explicit(&header->consumer_sleeps, AWAKE, memory_order_relaxed);
	return has_record(header);
}
