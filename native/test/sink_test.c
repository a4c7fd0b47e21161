/* SPDX-License-Identifier: Apache-2.0 */
/* That nothing gets lost unseen on the way from a datagram to the ring. */
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "golden.h"
#include "sink.h"
#include "sluice.h"

#define SLOTS 16
/* Slots that are kept for the gaps of the three causes. */
#define FOR_EVENTS (SLOTS - 3)

static struct golden event; /* a NEW without event time: it happens when it is received */
static struct sluice_sink sink;
static void *memory;

/* What a consumer found. */
struct ledger {
	uint64_t flows;
	uint64_t gaps;
	uint64_t lost[SLUICE_CAUSES];
	struct sluice_gap last_gap;
};

static void start(const char *about)
{
	check_about("%s", about);
	CHECK_INT(sluice_sink_init(&sink, memory, sluice_ring_bytes(SLOTS)), 0);
}

static void feed(uint64_t from_ns, uint64_t count)
{
	uint64_t i;

	for (i = 0; i < count; i++)
		sluice_sink_datagram(&sink, event.bytes, event.size, from_ns + i);
}

static const union sluice_record *peek(uint64_t ahead)
{
	return &sink.ring.records[(sink.ring.header->tail + ahead) % SLOTS];
}

static void consume(struct ledger *ledger, uint64_t at_most)
{
	struct sluice_ring_header *ring = sink.ring.header;

	for (; at_most > 0 && ring->tail != ring->head; at_most--, ring->tail++) {
		const union sluice_record *record = peek(0);

		if (record->flow.kind == SLUICE_KIND_GAP) {
			ledger->gaps++;
			ledger->lost[record->gap.cause] += record->gap.lost;
			ledger->last_gap = record->gap;
		} else {
			ledger->flows++;
		}
	}
}

/* Fails if an overflow is not admitted, not counted exactly, or not placed in time and in order. */
static void an_overflow_is_admitted_before_the_next_event(void)
{
	struct ledger ledger = { 0 };

	start("ring overflow");
	feed(1000, FOR_EVENTS + 27);
	sluice_sink_publish(&sink, false);
	CHECK_INT(sink.stats.received, FOR_EVENTS + 27);
	CHECK_INT(sink.stats.ring_lost, 27);
	CHECK(sluice_sink_pending(&sink));
	CHECK_INT(sink.ring.header->head, FOR_EVENTS);

	consume(&ledger, 5);
	feed(5000, 2);
	sluice_sink_publish(&sink, false);
	CHECK_INT(sink.ring.header->head, FOR_EVENTS + 3);
	consume(&ledger, FOR_EVENTS - 5);
	CHECK_INT(peek(0)->gap.kind, SLUICE_KIND_GAP);
	CHECK_INT(peek(0)->gap.cause, SLUICE_CAUSE_RING_OVERFLOW);
	CHECK_INT(peek(0)->gap.lost, 27);
	CHECK_INT(peek(0)->gap.from_ns, 1000 + FOR_EVENTS);
	CHECK_INT(peek(0)->gap.to_ns, 1000 + FOR_EVENTS + 26);
	CHECK_INT(peek(1)->flow.event_ns, 5000);
	CHECK_INT(peek(2)->flow.event_ns, 5001);
	CHECK(!sluice_sink_pending(&sink));
	CHECK_INT(sink.stats.gaps, 1);
}

/* Fails if a gap waits for the next event although there is room. */
static void a_gap_needs_no_event_to_be_admitted(void)
{
	struct ledger ledger = { 0 };

	start("quiet after overflow");
	feed(1, FOR_EVENTS + 1);
	sluice_sink_publish(&sink, false);
	consume(&ledger, 1);
	sluice_sink_publish(&sink, false);
	consume(&ledger, SLOTS);
	CHECK_INT(ledger.gaps, 1);
	CHECK_INT(ledger.lost[SLUICE_CAUSE_RING_OVERFLOW], 1);
}

/* Fails if events may use the slots that the last gaps need. */
static void the_end_admits_everything_even_in_a_full_ring(void)
{
	struct ledger ledger = { 0 };

	start("end with a full ring");
	feed(1, SLOTS * 3);
	sluice_sink_datagram(&sink, "short", 5, 7);
	sluice_sink_kernel_lost(&sink, 4321, 10, 20, false);
	sluice_sink_kernel_lost(&sink, 1, 20, 30, false);
	sluice_sink_publish(&sink, false);
	CHECK(sluice_sink_pending(&sink));
	sluice_sink_publish(&sink, true);
	CHECK(!sluice_sink_pending(&sink));
	consume(&ledger, SLOTS);
	CHECK_INT(ledger.flows, FOR_EVENTS);
	CHECK_INT(ledger.gaps, 3);
	CHECK_INT(ledger.lost[SLUICE_CAUSE_RING_OVERFLOW], SLOTS * 3 - FOR_EVENTS);
	CHECK_INT(ledger.lost[SLUICE_CAUSE_RECEIVE_BUFFER], 4322);
	CHECK_INT(ledger.lost[SLUICE_CAUSE_MALFORMED], 1);
	CHECK_INT(sink.stats.kernel_lost, 4322);
}

/* Fails if any schedule of producer and consumer makes an event neither arrive nor be admitted. */
static void whatever_the_schedule_the_books_balance(void)
{
	struct ledger ledger = { 0 };
	uint64_t fed = 0, dropped = 0;
	int i;

	start("random schedule");
	srand(20261121);
	for (i = 0; i < 200000; i++) {
		uint64_t burst = (uint64_t)(rand() % 24);

		feed((uint64_t)i, burst);
		fed += burst;
		if (rand() % 50 == 0) {
			sluice_sink_kernel_lost(&sink, burst, 1, 2, false);
			dropped += burst;
		}
		sluice_sink_publish(&sink, false);
		consume(&ledger, (uint64_t)(rand() % 24));
	}
	sluice_sink_publish(&sink, true);
	consume(&ledger, SLOTS);
	CHECK(sink.stats.ring_lost > 0);
	CHECK_INT(sink.stats.received, fed);
	CHECK_INT(ledger.flows + ledger.lost[SLUICE_CAUSE_RING_OVERFLOW], fed);
	CHECK_INT(ledger.lost[SLUICE_CAUSE_RING_OVERFLOW], sink.stats.ring_lost);
	CHECK_INT(ledger.lost[SLUICE_CAUSE_RECEIVE_BUFFER], dropped);
	CHECK_INT(ledger.gaps, sink.stats.gaps);
}

/* Fails if a malformed message stops the rest, is not admitted, or a later one replaces the dump. */
static void malformed_messages_are_counted_dumped_once_and_admitted(void)
{
	static const uint8_t too_long[] = { 0xff, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 };
	struct ledger ledger = { 0 };
	struct sluice_stats stats;
	uint8_t damaged[1024];

	start("malformed");
	sluice_sink_datagram(&sink, too_long, sizeof(too_long), 5);
	memcpy(damaged, event.bytes, event.size);
	damaged[20] = 1; /* the length of the first attribute */
	sluice_sink_datagram(&sink, damaged, event.size, 6);
	feed(7, 1);
	sluice_sink_publish(&sink, false);
	consume(&ledger, SLOTS);
	CHECK_INT(ledger.flows, 1);
	CHECK_INT(ledger.lost[SLUICE_CAUSE_MALFORMED], 2);
	CHECK_INT(ledger.last_gap.from_ns, 5);
	CHECK_INT(ledger.last_gap.to_ns, 6);
	sluice_sink_stats(&sink, &stats);
	CHECK_INT(stats.malformed, 2);
	CHECK_INT(stats.malformed_bytes, sizeof(too_long));
	CHECK_TEXT(stats.malformed_hex, "ffff0000000100000000000000000000");
}

/* Fails if the dump of a long message is not cut to its field. */
static void a_long_dump_is_cut(void)
{
	static uint8_t big[1900];
	struct sluice_stats stats;

	start("long malformed message");
	memset(big, 0xee, sizeof(big));
	sluice_sink_malformed(&sink, big, sizeof(big), 1);
	sluice_sink_stats(&sink, &stats);
	CHECK_INT(stats.malformed_bytes, sizeof(big));
	CHECK_INT(strlen(stats.malformed_hex), SLUICE_MALFORMED_HEX - 2);
}

/* Fails if only the first message of a datagram is read, or one's padding is taken for the next. */
static void a_datagram_may_hold_several_messages(void)
{
	struct ledger ledger = { 0 };
	uint8_t several[2048];
	struct nlmsghdr done = { .nlmsg_len = sizeof(done) + 1, .nlmsg_type = NLMSG_DONE };
	size_t bytes = 0;

	start("several messages");
	memcpy(several, event.bytes, event.size);
	bytes += event.size;
	memset(several + bytes, 0, 20);
	memcpy(several + bytes, &done, sizeof(done));
	bytes += 20; /* 17 bytes, padded */
	memcpy(several + bytes, event.bytes, event.size);
	bytes += event.size;
	sluice_sink_datagram(&sink, several, bytes, 1);
	sluice_sink_publish(&sink, false);
	consume(&ledger, SLOTS);
	CHECK_INT(ledger.flows, 2);
	CHECK_INT(ledger.gaps, 0);
	CHECK_INT(sink.stats.new_events, 2);
	CHECK_INT(sink.stats.ignored, 1);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		give_up("usage: %s GOLDEN_DIRECTORY", argv[0]);
	golden_read(argv[1], "udp-v6-1.hex", &event);
	/* Without its last attribute, CTA_TIMESTAMP_EVENT. */
	event.size -= 12;
	memcpy(event.bytes, &(uint32_t){ (uint32_t)event.size }, 4);
	memory = aligned_alloc(SLUICE_RING_ALIGNMENT, sluice_ring_bytes(SLOTS));
	if (!memory)
		give_up("out of memory");

	an_overflow_is_admitted_before_the_next_event();
	a_gap_needs_no_event_to_be_admitted();
	the_end_admits_everything_even_in_a_full_ring();
	whatever_the_schedule_the_books_balance();
	malformed_messages_are_counted_dumped_once_and_admitted();
	a_long_dump_is_cut();
	a_datagram_may_hold_several_messages();
	free(memory);
	return check_result("sink_test");
}
