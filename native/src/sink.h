/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_SINK_H
#define SLUICE_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record.h"
#include "ring.h"

/* Losses of one cause that no gap record has admitted yet. */
struct sluice_loss {
	uint64_t lost;
	uint64_t from_ns;
	uint64_t to_ns;
	uint8_t at_most; /* some of them may have been delivered after all */
};

/*
 * Where datagrams become records: decodes them into the ring, and sees to it that what does not get
 * there is admitted by a gap record. Used by one thread; `stats` may be read by others meanwhile
 * (sluice_sink_stats).
 */
struct sluice_sink {
	struct sluice_ring ring;
	struct sluice_loss pending[SLUICE_CAUSES];
	struct sluice_stats stats;
	union sluice_record scratch; /* what is decoded while the ring is full */
};

/* 0, or -EINVAL as sluice_ring_init(). */
int sluice_sink_init(struct sluice_sink *sink, void *memory, uint64_t bytes);

/* Takes in one datagram: any number of netlink messages. Nothing is visible before publish. */
void sluice_sink_datagram(struct sluice_sink *sink, const void *datagram, size_t bytes,
			  uint64_t received_ns);

/* Takes note of a datagram that was not sent by the kernel. */
void sluice_sink_foreign(struct sluice_sink *sink);

/* Takes note of a message that cannot be an event: a lost event, and material for the first dump. */
void sluice_sink_malformed(struct sluice_sink *sink, const void *message, size_t bytes,
			   uint64_t received_ns);

/* Takes note of events that the kernel could not queue; of some of them it may have tried again. */
void sluice_sink_kernel_lost(struct sluice_sink *sink, uint64_t lost, uint64_t from_ns,
			     uint64_t to_ns, bool at_most);

/* Writes pending losses, as far as there is room, in front of what comes next. */
void sluice_sink_admit(struct sluice_sink *sink);

/* Whether the ring has room for `records` events. */
bool sluice_sink_has_room(struct sluice_sink *sink, uint64_t records);

/*
 * Admits pending losses as far as there is room, makes everything visible and wakes the consumer.
 * With `last` the slots that are kept for this purpose are used, and nothing stays pending.
 */
void sluice_sink_publish(struct sluice_sink *sink, bool last);

/* Whether a loss waits for room. */
bool sluice_sink_pending(const struct sluice_sink *sink);

/* Counters have one writer, so that neither side needs a locked instruction. */
static inline void sluice_count(uint64_t *counter, uint64_t amount)
{
	__atomic_store_n(counter, *counter + amount, __ATOMIC_RELAXED);
}

/* Copies the counters, from any thread. */
void sluice_sink_stats(const struct sluice_sink *sink, struct sluice_stats *out);

#endif
