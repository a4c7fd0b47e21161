/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Datagrams to records, and the honesty about those that do not make it.
 *
 * The invariant, at every publish: each event that the kernel raised since the subscription is a flow
 * record in the ring, or counted in a gap record in the ring, or counted in pending[]. The last
 * KEPT_SLOTS slots are never given to events, so that whatever is pending can be admitted when the
 * stream ends, however full the ring is.
 */
#include "sink.h"

#include <errno.h>
#include <linux/netlink.h>
#include <string.h>

#include "decode.h"

#define KEPT_SLOTS (SLUICE_CAUSES - 1)

int sluice_sink_init(struct sluice_sink *sink, void *memory, uint64_t bytes)
{
	memset(sink, 0, sizeof(*sink));
	return sluice_ring_init(&sink->ring, memory, bytes);
}

static void lose(struct sluice_sink *sink, enum sluice_cause cause, uint64_t lost, uint64_t from_ns,
		 uint64_t to_ns)
{
	struct sluice_loss *loss = &sink->pending[cause];

	if (loss->lost == 0 || from_ns < loss->from_ns)
		loss->from_ns = from_ns;
	if (loss->lost == 0 || to_ns > loss->to_ns)
		loss->to_ns = to_ns;
	loss->lost += lost;
}

bool sluice_sink_pending(const struct sluice_sink *sink)
{
	int cause;

	for (cause = 1; cause < SLUICE_CAUSES; cause++)
		if (sink->pending[cause].lost)
			return true;
	return false;
}

bool sluice_sink_has_room(struct sluice_sink *sink, uint64_t records)
{
	return sluice_ring_reserve(&sink->ring, KEPT_SLOTS + records) != NULL;
}

static void admit(struct sluice_sink *sink, uint64_t kept_slots)
{
	int cause;

	for (cause = 1; cause < SLUICE_CAUSES; cause++) {
		struct sluice_loss *loss = &sink->pending[cause];
		union sluice_record *slot;

		if (!loss->lost)
			continue;
		slot = sluice_ring_reserve(&sink->ring, kept_slots);
		if (!slot)
			return;
		slot->gap = (struct sluice_gap){
			.kind = SLUICE_KIND_GAP,
			.cause = (uint8_t)cause,
			.at_most = loss->at_most,
			.event_ns = loss->to_ns,
			.lost = loss->lost,
			.from_ns = loss->from_ns,
			.to_ns = loss->to_ns,
		};
		sluice_ring_commit(&sink->ring);
		sluice_count(&sink->stats.gaps, 1);
		memset(loss, 0, sizeof(*loss));
	}
}

void sluice_sink_admit(struct sluice_sink *sink)
{
	admit(sink, KEPT_SLOTS);
}

static void count_event(struct sluice_stats *stats, uint8_t kind)
{
	sluice_count(&stats->received, 1);
	if (kind == SLUICE_KIND_NEW)
		sluice_count(&stats->new_events, 1);
	else if (kind == SLUICE_KIND_UPDATE)
		sluice_count(&stats->update_events, 1);
	else
		sluice_count(&stats->destroy_events, 1);
}

static void message(struct sluice_sink *sink, const uint8_t *p, size_t bytes, uint64_t received_ns)
{
	union sluice_record *slot;
	struct sluice_flow *flow;
	uint64_t unknown = 0;
	int result;

	/* Gap before event: after an overflow the stream continues with what was lost. */
	if (sink->pending[SLUICE_CAUSE_RING_OVERFLOW].lost)
		admit(sink, KEPT_SLOTS);
	slot = sluice_ring_reserve(&sink->ring, KEPT_SLOTS);
	/* Decoded even if there is no room: what is lost is counted by kind and placed in time. */
	flow = slot ? &slot->flow : &sink->scratch.flow;
	result = sluice_decode(p, bytes, received_ns, flow, &unknown);
	if (unknown)
		sluice_count(&sink->stats.unknown_attributes, unknown);
	if (result == SLUICE_IGNORED) {
		sluice_count(&sink->stats.ignored, 1);
		return;
	}
	if (result < 0) {
		sluice_sink_malformed(sink, p, bytes, received_ns);
		return;
	}

	count_event(&sink->stats, flow->kind);
	if (slot) {
		sluice_ring_commit(&sink->ring);
	} else {
		sluice_count(&sink->stats.ring_lost, 1);
		lose(sink, SLUICE_CAUSE_RING_OVERFLOW, 1, flow->event_ns, flow->event_ns);
	}
}

void sluice_sink_datagram(struct sluice_sink *sink, const void *datagram, size_t bytes,
			  uint64_t received_ns)
{
	const uint8_t *p = datagram;

	while (bytes > 0) {
		struct nlmsghdr header;
		size_t step;

		if (bytes < sizeof(header)) {
			sluice_sink_malformed(sink, p, bytes, received_ns);
			return;
		}
		memcpy(&header, p, sizeof(header));
		if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > bytes) {
			sluice_sink_malformed(sink, p, bytes, received_ns);
			return;
		}
		message(sink, p, header.nlmsg_len, received_ns);
		step = NLMSG_ALIGN((size_t)header.nlmsg_len);
		if (step >= bytes)
			return;
		p += step;
		bytes -= step;
	}
}

void sluice_sink_foreign(struct sluice_sink *sink)
{
	sluice_count(&sink->stats.ignored, 1);
}

void sluice_sink_malformed(struct sluice_sink *sink, const void *message, size_t bytes,
			   uint64_t received_ns)
{
	static const char digits[] = "0123456789abcdef";
	struct sluice_stats *stats = &sink->stats;
	const uint8_t *p = message;

	if (stats->malformed == 0) {
		size_t shown = sizeof(stats->malformed_hex) / 2 - 1;
		size_t i;

		if (shown > bytes)
			shown = bytes;
		for (i = 0; i < shown; i++) {
			stats->malformed_hex[2 * i] = digits[p[i] >> 4];
			stats->malformed_hex[2 * i + 1] = digits[p[i] & 15];
		}
		/* Publishes the text: sluice_sink_stats() reads it only after this. */
		__atomic_store_n(&stats->malformed_bytes, bytes, __ATOMIC_RELEASE);
	}
	sluice_count(&stats->malformed, 1);
	lose(sink, SLUICE_CAUSE_MALFORMED, 1, received_ns, received_ns);
}

void sluice_sink_kernel_lost(struct sluice_sink *sink, uint64_t lost, uint64_t from_ns,
			     uint64_t to_ns, bool at_most)
{
	sluice_count(&sink->stats.kernel_lost, lost);
	lose(sink, SLUICE_CAUSE_RECEIVE_BUFFER, lost, from_ns, to_ns);
	sink->pending[SLUICE_CAUSE_RECEIVE_BUFFER].at_most |= at_most;
}

void sluice_sink_publish(struct sluice_sink *sink, bool last)
{
	admit(sink, last ? 0 : KEPT_SLOTS);
	if (sluice_ring_publish(&sink->ring))
		sluice_count(&sink->stats.wakeups, 1);
}

void sluice_sink_stats(const struct sluice_sink *sink, struct sluice_stats *out)
{
	const struct sluice_stats *stats = &sink->stats;

	memset(out, 0, sizeof(*out));
#define COPY_NUMBER(name) out->name = __atomic_load_n(&stats->name, __ATOMIC_RELAXED)
	COPY_NUMBER(received);
	COPY_NUMBER(new_events);
	COPY_NUMBER(update_events);
	COPY_NUMBER(destroy_events);
	COPY_NUMBER(malformed);
	COPY_NUMBER(ignored);
	COPY_NUMBER(unknown_attributes);
	COPY_NUMBER(kernel_lost);
	COPY_NUMBER(ring_lost);
	COPY_NUMBER(gaps);
	COPY_NUMBER(batches);
	COPY_NUMBER(wakeups);
	COPY_NUMBER(cpu_ns);
	COPY_NUMBER(rcvbuf_bytes);
	COPY_NUMBER(error);
	COPY_NUMBER(rcvbuf_growths);
	COPY_NUMBER(reliable);
	COPY_NUMBER(reliable_left);
#undef COPY_NUMBER
	out->malformed_bytes = __atomic_load_n(&stats->malformed_bytes, __ATOMIC_ACQUIRE);
	if (out->malformed_bytes)
		memcpy(out->malformed_hex, stats->malformed_hex, sizeof(out->malformed_hex));
}
