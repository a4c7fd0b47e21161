/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_RING_H
#define SLUICE_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "record.h"

/*
 * The producer's side of a ring with one producer and one consumer. Records are built in place
 * (reserve, commit) and become visible together (publish).
 */
struct sluice_ring {
	struct sluice_ring_header *header;
	union sluice_record *records;
	uint64_t slots;
	uint64_t head;	    /* next record to write; ahead of header->head until published */
	uint64_t tail_seen; /* the consumer's position when it was last needed */
};

/* Sets up a ring in `bytes` bytes at `memory`: 0, or -EINVAL if that is misaligned or too small. */
int sluice_ring_init(struct sluice_ring *ring, void *memory, uint64_t bytes);

/* The next slot, if more than `spare` slots are free, else NULL. */
union sluice_record *sluice_ring_reserve(struct sluice_ring *ring, uint64_t spare);

/* Takes the slot that was reserved last into the ring. */
void sluice_ring_commit(struct sluice_ring *ring);

/*
 * Makes the committed records visible and wakes the consumer if it sleeps: whether it had to. Without a
 * new record there is nothing to wake for.
 */
bool sluice_ring_publish(struct sluice_ring *ring);

/* Wakes the consumer if it sleeps, without a record. */
bool sluice_ring_wake(struct sluice_ring_header *header);

/* Makes the consumer's sleep, or its next one if it is awake, end without a record. */
void sluice_ring_nudge(struct sluice_ring_header *header);

/*
 * The consumer's side: sleeps until there is a record, *ended is set, or timeout_ms (-1: none) pass.
 * 1 if there is a record, else 0. May return 0 early.
 */
int sluice_ring_await(struct sluice_ring_header *header, const _Atomic bool *ended, int timeout_ms);

#endif
