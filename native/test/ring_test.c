/* SPDX-License-Identifier: Apache-2.0 */
/* The ring between two threads, and the layout that describes it. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "ring.h"
#include "sluice.h"

static void *ring_memory(uint64_t bytes)
{
	void *memory = aligned_alloc(SLUICE_RING_ALIGNMENT, bytes);

	if (!memory)
		give_up("out of memory");
	memset(memory, 0xa5, bytes);
	return memory;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void put(struct sluice_ring *ring, uint64_t number)
{
	union sluice_record *slot = sluice_ring_reserve(ring, 0);

	if (!slot)
		give_up("the ring is full");
	slot->flow.event_ns = number;
	sluice_ring_commit(ring);
}

static const union sluice_record *record(const struct sluice_ring *ring, uint64_t number)
{
	return &ring->records[number % ring->slots];
}

/* Fails if the number of slots is not the largest power of two that fits, or a limit is not kept. */
static void the_memory_decides_the_number_of_slots(void)
{
	uint64_t bytes = sluice_ring_bytes(64);
	uint8_t *memory = ring_memory(bytes + 128);
	struct sluice_ring ring;

	check_about("ring memory");
	CHECK_INT(bytes, 512 + 64 * 192);
	CHECK_INT(sluice_ring_bytes(0), 0);
	CHECK_INT(sluice_ring_bytes(8), 0);
	CHECK_INT(sluice_ring_bytes(48), 0);
	CHECK_INT(sluice_ring_bytes(1u << 25), 0);
	CHECK_INT(sluice_ring_init(&ring, NULL, bytes), -EINVAL);
	CHECK_INT(sluice_ring_init(&ring, memory + 64, bytes), -EINVAL);
	CHECK_INT(sluice_ring_init(&ring, memory, sluice_ring_bytes(16) - 1), -EINVAL);
	CHECK_INT(sluice_ring_init(&ring, memory, bytes - 1), 0);
	CHECK_INT(ring.slots, 32);
	CHECK_INT(sluice_ring_init(&ring, memory, bytes), 0);
	CHECK_INT(ring.slots, 64);
	CHECK_INT(ring.header->version, SLUICE_ABI_VERSION);
	CHECK_INT(ring.header->record_bytes, SLUICE_RECORD_BYTES);
	CHECK_INT(ring.header->slots, 64);
	CHECK_INT(ring.header->head, 0);
	CHECK_INT(ring.header->tail, 0);
	free(memory);
}

/* Fails if a record can be seen before it is published, or a full ring hands out a slot in use. */
static void a_full_ring_refuses_until_the_consumer_moves(void)
{
	struct sluice_ring ring;
	void *memory = ring_memory(sluice_ring_bytes(16));
	uint64_t i;

	check_about("full ring");
	CHECK_INT(sluice_ring_init(&ring, memory, sluice_ring_bytes(16)), 0);
	for (i = 0; i < 16; i++)
		put(&ring, i);
	CHECK_INT(ring.header->head, 0);
	CHECK(!sluice_ring_publish(&ring));
	CHECK_INT(ring.header->head, 16);
	CHECK(sluice_ring_reserve(&ring, 0) == NULL);
	ring.header->tail = 3;
	CHECK(sluice_ring_reserve(&ring, 3) == NULL);
	CHECK(sluice_ring_reserve(&ring, 2) == record(&ring, 0));
	free(memory);
}

struct pair {
	struct sluice_ring ring;
	_Atomic bool ended;
	uint64_t count;
	uint64_t batch; /* records per publish */
};

static void *produce(void *argument)
{
	struct pair *pair = argument;
	uint64_t i;

	for (i = 0; i < pair->count; i++) {
		union sluice_record *slot;

		while (!(slot = sluice_ring_reserve(&pair->ring, 0))) {
			sluice_ring_publish(&pair->ring);
			sched_yield();
		}
		memset(slot, (int)(i & 0xff), sizeof(*slot));
		slot->flow.event_ns = i;
		sluice_ring_commit(&pair->ring);
		if (i % pair->batch == 0)
			sluice_ring_publish(&pair->ring);
	}
	sluice_ring_publish(&pair->ring);
	return NULL;
}

/*
 * Fails if a publish is not ordered after the record's bytes, a wrapped slot is overwritten early, or a
 * sleeping consumer is not woken: the test then stands still until its alarm.
 */
static void records_cross_threads_whole_and_in_order(uint32_t slots, uint64_t count,
						      uint64_t batch)
{
	struct pair pair = { .count = count, .batch = batch };
	void *memory = ring_memory(sluice_ring_bytes(slots));
	uint64_t next = 0, torn = 0, misplaced = 0;
	pthread_t producer;

	check_about("%u slots, %lu records", slots, (unsigned long)count);
	CHECK_INT(sluice_ring_init(&pair.ring, memory, sluice_ring_bytes(slots)), 0);
	pthread_create(&producer, NULL, produce, &pair);
	while (next < count) {
		uint64_t head;

		if (sluice_ring_await(pair.ring.header, &pair.ended, -1) == 0)
			continue;
		head = atomic_load_explicit(&pair.ring.header->head, memory_order_acquire);
		for (; next != head; next++) {
			const union sluice_record *slot = record(&pair.ring, next);

			misplaced += slot->flow.event_ns != next;
			torn += ((const uint8_t *)slot)[0] != (uint8_t)next ||
				((const uint8_t *)slot)[191] != (uint8_t)next;
		}
		atomic_store_explicit(&pair.ring.header->tail, next, memory_order_release);
	}
	pthread_join(producer, NULL);
	CHECK_INT(misplaced, 0);
	CHECK_INT(torn, 0);
	free(memory);
}

/* Fails if waiting ignores its timeout, a record that is there, or the end. */
static void waiting_ends_by_record_timeout_and_end(void)
{
	struct sluice_ring ring;
	void *memory = ring_memory(sluice_ring_bytes(16));
	_Atomic bool ended = false;
	uint64_t before;

	check_about("waiting");
	CHECK_INT(sluice_ring_init(&ring, memory, sluice_ring_bytes(16)), 0);
	before = now_ms();
	CHECK_INT(sluice_ring_await(ring.header, &ended, 60), 0);
	CHECK(now_ms() - before >= 55);
	put(&ring, 0);
	CHECK(!sluice_ring_publish(&ring)); /* nobody sleeps: no system call */
	CHECK_INT(sluice_ring_await(ring.header, &ended, -1), 1);
	ring.header->tail = 1;
	ended = true;
	CHECK_INT(sluice_ring_await(ring.header, &ended, -1), 0);
	free(memory);
}

/* Fails if the exported table and the structs disagree, or the table leaves a hole in a record. */
static void the_layout_describes_every_byte(void)
{
	int covered[4] = { 0 }, sizes[4] = { 0 };
	static const char *const structs[] = { "flow", "gap", "ring", "stats" };
	int i, s;

	check_about("layout");
	CHECK_INT(sluice_abi_version(), SLUICE_ABI_VERSION);
	for (i = 0; i < sluice_layout_count(); i++)
		for (s = 0; s < 4; s++) {
			const char *name = sluice_layout_name(i);
			size_t length = strlen(structs[s]);

			if (strcmp(name, structs[s]) == 0) {
				CHECK_INT(sluice_layout_offset(i), 0);
				sizes[s] = sluice_layout_size(i);
			} else if (strncmp(name, structs[s], length) == 0 && name[length] == '.') {
				if (s != 2)
					CHECK_INT(sluice_layout_offset(i), covered[s]);
				covered[s] += sluice_layout_size(i);
			}
		}
	CHECK_INT(sizes[0], 192);
	CHECK_INT(covered[0], 192);
	CHECK_INT(sizes[1], 192);
	CHECK_INT(covered[1], 192);
	CHECK_INT(sizes[2], 512);
	CHECK_INT(covered[3], sizes[3]);
	CHECK(sluice_layout_name(-1) == NULL);
	CHECK(sluice_layout_name(sluice_layout_count()) == NULL);
	CHECK_INT(sluice_layout_offset(-1), -EINVAL);
	CHECK_INT(sluice_layout_size(sluice_layout_count()), -EINVAL);
}

int main(void)
{
	alarm(60);
	the_layout_describes_every_byte();
	the_memory_decides_the_number_of_slots();
	a_full_ring_refuses_until_the_consumer_moves();
	waiting_ends_by_record_timeout_and_end();
	records_cross_threads_whole_and_in_order(16, 200000, 1);
	records_cross_threads_whole_and_in_order(1024, 200000, 1);
	records_cross_threads_whole_and_in_order(1024, 1000000, 100);
	return check_result("ring_test");
}
