/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event thread against the live kernel: real flows in a network namespace of this test's own, every
 * one of them in a ledger that the library knows nothing about. Needs root, nft and conntrack.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "record.h"
#include "sluice.h"

#define PORT 9 /* discard */
#define MAX_FLOWS 20000

static int traffic_fd; /* sends the flows */

/* --- the namespace ------------------------------------------------------------------------------ */

static void write_sysctl(const char *name, const char *value)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/sys/net/netfilter/%s", name);
	file = fopen(path, "w");
	if (!file || fputs(value, file) < 0 || fclose(file) != 0)
		give_up("%s: %s", path, strerror(errno));
}

static long read_sysctl(const char *name)
{
	char path[128];
	long value = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/sys/net/netfilter/%s", name);
	file = fopen(path, "r");
	if (!file || fscanf(file, "%ld", &value) != 1)
		give_up("%s: cannot be read", path);
	fclose(file);
	return value;
}

static void run_command(const char *command)
{
	int status = system(command);

	if (status != 0)
		give_up("`%s` failed with status %d", command, status);
}

/* conntrack -D fails when there is nothing to delete; -F is silent on success. */
static void delete_all_flows(void)
{
	run_command("conntrack -F 2>/dev/null");
}

static void enter_namespace(void)
{
	struct ifreq loopback = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	struct sockaddr_in source = { .sin_family = AF_INET, .sin_port = htons(40000) };
	int receiver;

	if (unshare(CLONE_NEWNET) < 0)
		give_up("a network namespace of its own: %s (run the tests as root)",
			strerror(errno));
	traffic_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	receiver = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (traffic_fd < 0 || receiver < 0 || ioctl(traffic_fd, SIOCSIFFLAGS, &loopback) < 0 ||
	    setsockopt(receiver, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)) < 0)
		give_up("loopback: %s", strerror(errno));
	source.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(receiver, (struct sockaddr *)&any, sizeof(any)) < 0 ||
	    bind(traffic_fd, (struct sockaddr *)&source, sizeof(source)) < 0)
		give_up("bind: %s", strerror(errno));
	/* Conntrack works in a namespace only where a rule asks for it. */
	run_command("nft 'add table ip t; add chain ip t c { type filter hook output priority 0; };"
		    " add rule ip t c ct state invalid drop'");
	write_sysctl("nf_conntrack_events", "1");
	write_sysctl("nf_conntrack_acct", "1");
	write_sysctl("nf_conntrack_timestamp", "1");
}

/*
 * Makes `count` flows of one datagram each, one destination in 127.0.0.0/8 per flow: from 127.1.0.0 on.
 * The kernel raises one NEW for each, and nothing else before it is deleted.
 */
static void make_flows(uint32_t count)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	uint32_t i;

	for (i = 0; i < count; i++) {
		to.sin_addr.s_addr = htonl(0x7f010000 + i);
		if (sendto(traffic_fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)) != 1)
			give_up("sendto: %s", strerror(errno));
	}
}

static uint64_t wall_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void sleep_ms(long ms)
{
	struct timespec pause = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&pause, NULL);
}

/* --- the consumer ------------------------------------------------------------------------------- */

struct consumer {
	uint64_t handle;
	int fd;
	struct sluice_ring_header *ring;
	uint64_t kinds[5];
	uint64_t lost[SLUICE_CAUSES];
	uint64_t gaps;
	struct sluice_gap last_gap;
	uint64_t incomplete; /* DESTROYs without counters or times */
	uint8_t news[MAX_FLOWS], destroys[MAX_FLOWS];
};

static struct consumer consumer;

static int netfilter_socket(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);

	if (fd < 0)
		give_up("socket(NETLINK_NETFILTER): %s", strerror(errno));
	return fd;
}

static void open_with(const char *about, uint32_t slots, int latency_us, int64_t rcvbuf_bytes,
		      int64_t rcvbuf_max_bytes, int flags)
{
	int result;

	check_about("%s", about);
	delete_all_flows();
	memset(&consumer, 0, sizeof(consumer));
	consumer.fd = netfilter_socket();
	consumer.ring = aligned_alloc(SLUICE_RING_ALIGNMENT, sluice_ring_bytes(slots));
	result = sluice_events_open(consumer.fd, (uintptr_t)consumer.ring, sluice_ring_bytes(slots),
				    latency_us, rcvbuf_bytes, rcvbuf_max_bytes, flags,
				    &consumer.handle);
	if (result < 0)
		give_up("%s: %s", about, sluice_last_error());
}

static void open_events(const char *about, uint32_t slots, int latency_us, int64_t rcvbuf_bytes)
{
	open_with(about, slots, latency_us, rcvbuf_bytes, 0, 0);
}

static void close_events(void)
{
	CHECK_INT(sluice_events_close(consumer.handle), 0);
	free(consumer.ring);
}

static void take_flow(const struct sluice_flow *flow)
{
	const uint32_t complete = SLUICE_HAS_ORIG_COUNTERS | SLUICE_HAS_REPLY_COUNTERS |
				  SLUICE_HAS_START | SLUICE_HAS_STOP | SLUICE_HAS_EVENT_TIME;
	uint32_t index;

	memcpy(&index, flow->orig_dst, 4);
	index = ntohl(index) - 0x7f010000;
	consumer.kinds[flow->kind]++;
	if (index >= MAX_FLOWS)
		return;
	if (flow->kind == SLUICE_KIND_NEW)
		consumer.news[index]++;
	if (flow->kind == SLUICE_KIND_DESTROY) {
		consumer.destroys[index]++;
		if ((flow->present & complete) != complete || flow->orig_packets != 1 ||
		    flow->orig_bytes != 29 || flow->stop_ns < flow->start_ns)
			consumer.incomplete++;
	}
}

/* Consumes until `count` more records were seen, the stream ended, or two seconds passed in silence. */
static void consume(uint64_t count)
{
	const union sluice_record *records = (const union sluice_record *)(consumer.ring + 1);

	while (count > 0 && sluice_ring_wait(consumer.handle, 2000) == 1) {
		uint64_t head = atomic_load(&consumer.ring->head);
		uint64_t tail = consumer.ring->tail;

		for (; tail != head && count > 0; tail++, count--) {
			const union sluice_record *record = &records[tail % consumer.ring->slots];

			if (record->flow.kind == SLUICE_KIND_GAP) {
				consumer.gaps++;
				consumer.lost[record->gap.cause] += record->gap.lost;
				consumer.last_gap = record->gap;
			} else {
				take_flow(&record->flow);
			}
		}
		atomic_store(&consumer.ring->tail, tail);
	}
}

/* The second of two flows in a row makes the thread sleep for its latency budget. */
static void put_to_sleep(void)
{
	make_flows(1);
	consume(1);
	make_flows(2); /* of which the first is there already */
	consume(1);
}

static struct sluice_stats stats(void)
{
	struct sluice_stats stats;

	CHECK_INT(sluice_events_stats(consumer.handle, (uintptr_t)&stats, sizeof(stats)), 0);
	return stats;
}

/* The Drops column of the socket's line in /proc/net/netlink. */
static long drops_in_proc(int fd)
{
	struct sockaddr_nl address;
	socklen_t bytes = sizeof(address);
	char line[256];
	long drops = -1;
	FILE *file = fopen("/proc/thread-self/net/netlink", "r");

	if (!file || getsockname(fd, (struct sockaddr *)&address, &bytes) < 0)
		give_up("/proc/net/netlink: %s", strerror(errno));
	while (fgets(line, sizeof(line), file)) {
		unsigned int protocol, port;
		long found;

		if (sscanf(line, "%*s %u %u %*s %*s %*s %*s %*s %ld", &protocol, &port, &found) ==
			    3 &&
		    protocol == NETLINK_NETFILTER && port == address.nl_pid)
			drops = found;
	}
	fclose(file);
	return drops;
}

/* --- tests -------------------------------------------------------------------------------------- */

/* Fails if a group is not joined, an event is read twice or not at all, or a kind is mistaken. */
static void every_flow_starts_and_ends_exactly_once(int latency_us)
{
	const uint32_t count = 5000;
	struct sluice_stats s;
	uint32_t i, once = 0;

	open_events("every flow", 16384, latency_us, 64 << 20);
	make_flows(count);
	consume(count);
	delete_all_flows();
	consume(count);
	for (i = 0; i < count; i++)
		once += consumer.news[i] == 1 && consumer.destroys[i] == 1;
	CHECK_INT(once, count);
	CHECK_INT(consumer.kinds[SLUICE_KIND_NEW], count);
	CHECK_INT(consumer.kinds[SLUICE_KIND_DESTROY], count);
	CHECK_INT(consumer.incomplete, 0);
	CHECK_INT(consumer.gaps, 0);
	s = stats();
	CHECK_INT(s.received, 2 * count);
	CHECK_INT(s.new_events, count);
	CHECK_INT(s.destroy_events, count);
	CHECK_INT(s.malformed, 0);
	CHECK_INT(s.unknown_attributes, 0);
	CHECK_INT(s.kernel_lost + s.ring_lost, 0);
	CHECK_INT(s.rcvbuf_bytes, 64 << 20);
	CHECK(s.batches > 0 && s.cpu_ns > 0);
	close_events();
	printf("events_test: latency %d us: %" PRIu64 " events in %" PRIu64 " batches, %" PRIu64
	       " wakeups, %" PRIu64 " ns of CPU per event\n",
	       latency_us, s.received, s.batches, s.wakeups, s.cpu_ns / s.received);
}

/* Fails if an answer is not an UPDATE, or NEW and UPDATE are confused. */
static void an_answer_is_an_update(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(40000) };
	struct sockaddr_in from = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	open_events("answer", 64, 0, 1 << 20);
	make_flows(1);
	consume(1);
	/* From the receiver's side of the flow 127.0.0.1:40000 -> 127.1.0.0:9. */
	from.sin_addr.s_addr = htonl(0x7f010000);
	from.sin_port = htons(PORT);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK_INT(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)), 0);
	CHECK_INT(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
	CHECK_INT(sendto(fd, "y", 1, 0, (struct sockaddr *)&to, sizeof(to)), 1);
	consume(1);
	CHECK_INT(consumer.kinds[SLUICE_KIND_NEW], 1);
	CHECK_INT(consumer.kinds[SLUICE_KIND_UPDATE], 1);
	close(fd);
	close_events();
}

/*
 * Fails if a loss in the kernel is not admitted, or by another number than the kernel's and the ledger's.
 * The thread sleeps for 400 ms after its first read, while a buffer for some 50 events overflows.
 */
static void losses_in_the_kernel_are_admitted_to_the_last_event(void)
{
	const uint32_t count = 10000;
	uint32_t meminfo[SK_MEMINFO_VARS];
	socklen_t bytes = sizeof(int);
	uint64_t before = wall_ns(), received;
	struct sluice_stats s;
	int no_enobufs = 0;

	open_events("kernel loss", 16384, 400000, 64 << 10);
	/* Without it one overflow costs everything until the queue has been read empty. */
	CHECK_INT(getsockopt(consumer.fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, &no_enobufs, &bytes), 0);
	CHECK_INT(no_enobufs, 1);
	put_to_sleep();
	make_flows(count);
	CHECK_INT(read_sysctl("nf_conntrack_count"), count);
	/* The first of these flows are those that woke the thread: they raised their events already. */
	sleep_ms(600);
	CHECK_INT(sluice_events_stop(consumer.handle), 0);
	consume(UINT64_MAX);

	s = stats();
	received = consumer.kinds[SLUICE_KIND_NEW];
	CHECK(consumer.lost[SLUICE_CAUSE_RECEIVE_BUFFER] > 0);
	CHECK_INT(received + consumer.lost[SLUICE_CAUSE_RECEIVE_BUFFER], count);
	CHECK_INT(consumer.lost[SLUICE_CAUSE_RECEIVE_BUFFER], drops_in_proc(consumer.fd));
	bytes = sizeof(meminfo);
	CHECK_INT(getsockopt(consumer.fd, SOL_SOCKET, SO_MEMINFO, meminfo, &bytes), 0);
	CHECK_INT(consumer.lost[SLUICE_CAUSE_RECEIVE_BUFFER], meminfo[SK_MEMINFO_DROPS]);
	CHECK_INT(s.kernel_lost, meminfo[SK_MEMINFO_DROPS]);
	CHECK_INT(s.received, received);
	CHECK(consumer.last_gap.from_ns >= before);
	CHECK(consumer.last_gap.from_ns < consumer.last_gap.to_ns);
	CHECK(consumer.last_gap.to_ns <= wall_ns());
	printf("events_test: ledger %u = %" PRIu64 " received + %" PRIu64 " admitted as lost\n",
	       count, received, consumer.lost[SLUICE_CAUSE_RECEIVE_BUFFER]);
	close_events();
}

/* Fails if the buffer is not enlarged after a loss, not beyond what is allowed, or nothing counts it. */
static void a_loss_makes_the_buffer_grow(void)
{
	struct sluice_stats s;
	int round;

	open_with("growth", 16384, 100000, 64 << 10, 200 << 10, 0);
	CHECK_INT(stats().rcvbuf_bytes, 64 << 10);
	for (round = 0; round < 3; round++) {
		delete_all_flows();
		sleep_ms(250);
		consume(consumer.ring->head - consumer.ring->tail);
		put_to_sleep();
		make_flows(400);
		sleep_ms(300);
	}
	s = stats();
	CHECK_INT(s.rcvbuf_bytes, 200 << 10);
	CHECK_INT(s.rcvbuf_growths, 2);
	CHECK(s.kernel_lost > 0);
	close_events();
}

/* Fails if a lone event waits for the latency budget, or events that follow each other do not. */
static void only_events_that_come_fast_wait_for_each_other(void)
{
	uint64_t before;

	open_events("latency", 1024, 300000, 1 << 20);
	sleep_ms(400);
	before = wall_ns();
	make_flows(1);
	consume(1);
	CHECK(wall_ns() - before < 100000000);
	make_flows(2); /* of which the first is there already; after this one it sleeps */
	consume(1);
	before = wall_ns();
	make_flows(4);
	consume(1);
	CHECK(wall_ns() - before > 100000000);
	close_events();
}

/* Fails if the thread does not answer at once, or says that it has read what it has not. */
static void sync_says_how_far_the_stream_reaches(void)
{
	uint64_t asked, patience = 2000, flows;

	open_events("sync", 1024, 1000000, 1 << 20);
	put_to_sleep();
	flows = atomic_load(&consumer.ring->head);
	make_flows(100);
	asked = monotonic_ns();
	CHECK(atomic_load(&consumer.ring->drained_ns) < asked);
	CHECK_INT(sluice_events_sync(consumer.handle), 0);
	while (atomic_load(&consumer.ring->drained_ns) < asked && patience-- > 0)
		sleep_ms(1);
	CHECK(patience > 1500);
	/* Those with which it was put to sleep are the first of these. */
	CHECK_INT(atomic_load(&consumer.ring->head) - flows, 98);
	/* Also a consumer that waits is told, without a record. */
	consume(atomic_load(&consumer.ring->head) - consumer.ring->tail);
	asked = monotonic_ns();
	CHECK_INT(sluice_events_sync(consumer.handle), 0);
	while (atomic_load(&consumer.ring->drained_ns) < asked)
		CHECK_INT(sluice_ring_wait(consumer.handle, 1000), 0);
	CHECK(monotonic_ns() - asked < 500000000);
	close_events();
}

/*
 * Fails if reliable mode is not entered, reads on into a full ring, forgets an end of a flow, or is not
 * left when the consumer stands still.
 */
static void in_reliable_mode_no_end_is_lost(void)
{
	const uint32_t count = 3000;
	int patience = 100;
	uint32_t i, ended = 0;

	open_with("reliable", 1024, 0, 64 << 10, 0, SLUICE_EVENTS_RELIABLE);
	CHECK_INT(stats().reliable, 1);
	make_flows(count);
	sleep_ms(100);
	CHECK(stats().kernel_lost > 0);
	CHECK_INT(stats().ring_lost, 0);
	delete_all_flows();
	while (ended < count && patience-- > 0) {
		consume(1024);
		for (i = 0, ended = 0; i < count; i++)
			ended += consumer.destroys[i] > 0;
	}
	CHECK_INT(ended, count);
	CHECK_INT(consumer.last_gap.at_most, 1);
	CHECK_INT(stats().reliable_left, 0);

	make_flows(count);
	patience = 300;
	while (stats().reliable && patience-- > 0)
		sleep_ms(10);
	CHECK(patience > 200 && patience < 270);
	CHECK_INT(stats().reliable_left, 1);
	CHECK_INT(sluice_events_reliable(consumer.handle, 1), 0);
	CHECK_INT(stats().reliable, 1);
	CHECK_INT(sluice_events_reliable(consumer.handle, 0), 0);
	CHECK_INT(stats().reliable, 0);
	close_events();
}

/* Fails if an entry is left out, taken twice, or decoded otherwise than events are. */
static void a_dump_has_every_entry_once(void)
{
	const uint32_t count = 5000;
	struct sluice_flow records[7];
	uint8_t *seen = calloc(count, 1);
	uint64_t handle, total = 0, before = wall_ns();
	uint32_t index;
	int got, i;

	check_about("dump");
	delete_all_flows();
	make_flows(count);
	if (sluice_dump_open(-1, &handle) < 0)
		give_up("dump: %s", sluice_last_error());
	while ((got = sluice_dump_read(handle, (uintptr_t)records, 7)) > 0) {
		for (i = 0; i < got; i++) {
			memcpy(&index, records[i].orig_dst, 4);
			index = ntohl(index) - 0x7f010000;
			CHECK(index < count && !seen[index]++);
			CHECK_INT(records[i].kind, SLUICE_KIND_ENTRY);
			CHECK_INT(records[i].orig_packets, 1);
			CHECK_INT(records[i].orig_bytes, 29);
			CHECK_INT(records[i].orig_dst_port, PORT);
			CHECK(records[i].present & SLUICE_HAS_START);
			CHECK(records[i].start_ns >= before);
			CHECK(records[i].event_ns >= records[i].start_ns);
			total++;
		}
	}
	CHECK_INT(got, 0);
	CHECK_INT(total, count);
	CHECK_INT(sluice_dump_read(handle, (uintptr_t)records, 7), 0);
	CHECK_INT(sluice_dump_malformed(handle), 0);
	CHECK_INT(sluice_dump_close(handle), 0);
	free(seen);
}

/* Fails if a consumer that stands still stops the reader, or its loss is not admitted exactly. */
static void a_consumer_that_stands_still_loses_by_number(void)
{
	const uint32_t count = 4000;
	struct sluice_stats s;

	open_events("ring overflow", 256, 200, 64 << 20);
	make_flows(count);
	CHECK_INT(read_sysctl("nf_conntrack_count"), count);
	CHECK_INT(sluice_events_stop(consumer.handle), 0);
	consume(UINT64_MAX);
	s = stats();
	CHECK_INT(s.received, count);
	CHECK_INT(s.kernel_lost, 0);
	CHECK_INT(consumer.kinds[SLUICE_KIND_NEW], 256 - 3);
	CHECK_INT(consumer.lost[SLUICE_CAUSE_RING_OVERFLOW], count - (256 - 3));
	CHECK_INT(consumer.gaps, 1);
	close_events();
}

/* Fails if events are read into a full ring and thrown away while the receive buffer has room. */
static void a_full_ring_leaves_events_in_the_socket(void)
{
	open_events("full ring", 64, 200, 4 << 20);
	make_flows(1000);
	sleep_ms(50);
	CHECK(stats().received <= 64 - 3);
	consume(1000);
	CHECK_INT(consumer.kinds[SLUICE_KIND_NEW], 1000);
	CHECK_INT(consumer.gaps, 0);
	close_events();
}

/* Fails if the admission of a loss waits for the next event. */
static void a_loss_is_admitted_while_nothing_happens(void)
{
	uint64_t received;

	open_events("quiet after loss", 64, 200, 32 << 10);
	make_flows(1000);
	sleep_ms(50);
	consume(UINT64_MAX); /* until there was silence */
	CHECK(consumer.gaps > 0);
	received = consumer.kinds[SLUICE_KIND_NEW];
	CHECK_INT(received + consumer.lost[SLUICE_CAUSE_RECEIVE_BUFFER], 1000);
	close_events();
}

/* Fails if what the kernel has queued is thrown away when the subscription ends. */
static void stopping_drains_what_is_queued(void)
{
	open_events("stop", 1024, 500000, 16 << 20);
	make_flows(1);
	consume(1); /* it sleeps for half a second now */
	make_flows(300);
	CHECK_INT(sluice_events_stop(consumer.handle), 0);
	CHECK_INT(sluice_events_stop(consumer.handle), 0);
	consume(UINT64_MAX);
	CHECK_INT(consumer.kinds[SLUICE_KIND_NEW], 300);
	CHECK_INT(sluice_ring_wait(consumer.handle, -1), -ESHUTDOWN);
	make_flows(400); /* nobody is subscribed any more */
	CHECK_INT(stats().received, 300);
	close_events();
}

static void *wait_forever(void *result)
{
	do
		*(int *)result = sluice_ring_wait(consumer.handle, -1);
	while (*(int *)result == 0);
	return NULL;
}

/* Fails if a consumer in the kernel is not woken by the end: the test then stands until its alarm. */
static void stopping_wakes_the_consumer(void)
{
	pthread_t waiter;
	int result = 0;

	open_events("stop wakes", 64, 1000, 0);
	pthread_create(&waiter, NULL, wait_forever, &result);
	sleep_ms(50);
	CHECK_INT(sluice_events_stop(consumer.handle), 0);
	pthread_join(waiter, NULL);
	CHECK_INT(result, -ESHUTDOWN);
	close_events();
}

/* Fails if any process can forge an event by sending it to the socket's port. */
static void messages_of_other_processes_are_ignored(void)
{
	struct sockaddr_nl to;
	socklen_t bytes = sizeof(to);
	struct nlmsghdr forged = { .nlmsg_len = sizeof(forged),
				   .nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 };
	int fd = netfilter_socket();

	open_events("forged", 64, 0, 1 << 20);
	CHECK_INT(getsockname(consumer.fd, (struct sockaddr *)&to, &bytes), 0);
	CHECK(to.nl_pid != 0);
	CHECK_INT(sendto(fd, &forged, sizeof(forged), 0, (struct sockaddr *)&to, sizeof(to)),
		  sizeof(forged));
	make_flows(1);
	consume(1);
	CHECK_INT(consumer.kinds[SLUICE_KIND_NEW], 1);
	CHECK_INT(consumer.gaps, 0);
	CHECK_INT(stats().ignored, 1);
	CHECK_INT(stats().malformed, 0);
	close(fd);
	close_events();
}

static void *open_elsewhere(void *unused)
{
	(void)unused;
	if (unshare(CLONE_NEWNET) < 0)
		give_up("unshare: %s", strerror(errno));
	CHECK_INT(sluice_events_open(consumer.fd, (uintptr_t)consumer.ring, sluice_ring_bytes(64),
				     0, 1 << 20, 0, 0, &consumer.handle),
		  0);
	return NULL;
}

/* Fails if the library looks at its caller's namespace instead of the socket's. */
static void the_socket_decides_the_namespace(void)
{
	pthread_t opener;

	check_about("namespace");
	delete_all_flows();
	memset(&consumer, 0, sizeof(consumer));
	consumer.fd = netfilter_socket();
	consumer.ring = aligned_alloc(SLUICE_RING_ALIGNMENT, sluice_ring_bytes(64));
	pthread_create(&opener, NULL, open_elsewhere, NULL);
	pthread_join(opener, NULL);
	make_flows(3);
	consume(3);
	CHECK_INT(consumer.kinds[SLUICE_KIND_NEW], 3);
	close_events();
}

/* The value of a "Name:\tvalue" line of the event thread's status file; 0 if there is none. */
static unsigned long long thread_status(const char *name)
{
	unsigned long long value = 0;
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *task;

	while (tasks && (task = readdir(tasks))) {
		char path[300], line[256], comm[64] = "";
		FILE *file;

		snprintf(path, sizeof(path), "/proc/self/task/%s/status", task->d_name);
		file = fopen(path, "r");
		while (file && fgets(line, sizeof(line), file)) {
			sscanf(line, "Name: %63s", comm);
			if (strcmp(comm, "sluice-events") == 0 &&
			    strncmp(line, name, strlen(name)) == 0)
				value = strtoull(line + strlen(name) + 1, NULL, 16);
		}
		if (file)
			fclose(file);
	}
	if (tasks)
		closedir(tasks);
	return value;
}

/* Fails if the thread burns time while nothing happens, or takes signals that are the JVM's. */
static void an_idle_thread_sleeps_and_takes_no_signals(void)
{
	static const int signals[] = { 1, 2, 3, 10, 12, 15, 17 };
	unsigned long long blocked;
	uint64_t before;
	size_t i;

	open_events("idle", 64, 200, 0);
	sleep_ms(50);
	before = stats().cpu_ns;
	CHECK(before > 0);
	sleep_ms(500);
	CHECK(stats().cpu_ns - before < 1000000);
	blocked = thread_status("SigBlk");
	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		CHECK(blocked & 1ull << (signals[i] - 1));
	close_events();
}

static void expect_refusal(int fd, uint64_t ring, uint64_t bytes, int latency_us, int64_t rcvbuf,
			   int expected, const char *text)
{
	uint64_t handle = 4711;

	check_about("refusal: %s", text);
	CHECK_INT(sluice_events_open(fd, ring, bytes, latency_us, rcvbuf, 0, 0, &handle),
		  expected);
	CHECK_TEXT(sluice_last_error(), text);
	CHECK_INT(handle, 4711);
}

/* Fails if a wrong argument is taken, an error is not explained, or a descriptor is closed on failure. */
static void wrong_arguments_are_refused_and_explained(void)
{
	uint64_t bytes = sluice_ring_bytes(16);
	void *ring = aligned_alloc(SLUICE_RING_ALIGNMENT, bytes);
	uint64_t addr = (uintptr_t)ring;
	int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int route = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	char text[128];

	snprintf(text, sizeof(text), "getsockopt(%d, SO_DOMAIN): Bad file descriptor", 9999);
	expect_refusal(9999, addr, bytes, 0, 0, -EBADF, text);
	snprintf(text, sizeof(text),
		 "descriptor %d is of domain 2, protocol 17, not a NETLINK_NETFILTER socket: "
		 "Protocol wrong type for socket",
		 udp);
	expect_refusal(udp, addr, bytes, 0, 0, -EPROTOTYPE, text);
	snprintf(text, sizeof(text),
		 "descriptor %d is of domain 16, protocol 0, not a NETLINK_NETFILTER socket: "
		 "Protocol wrong type for socket",
		 route);
	expect_refusal(route, addr, bytes, 0, 0, -EPROTOTYPE, text);
	CHECK(fcntl(route, F_GETFD) >= 0);
	expect_refusal(-1, addr, bytes, -1, 0, -EINVAL,
		       "latency_us is -1, not 0 to 1000000: Invalid argument");
	expect_refusal(-1, addr, bytes, 1000001, 0, -EINVAL,
		       "latency_us is 1000001, not 0 to 1000000: Invalid argument");
	expect_refusal(-1, addr, bytes, 0, 1ll << 31, -EINVAL,
		       "rcvbuf_bytes is 2147483648, not 0 to 2147483646: Invalid argument");
	snprintf(text, sizeof(text),
		 "a ring of %" PRIu64 " bytes at 0x%" PRIx64
		 ": too small or misaligned: Invalid argument",
		 bytes, addr + 8);
	expect_refusal(-1, addr + 8, bytes, 0, 0, -EINVAL, text);
	check_about("handles");
	CHECK_INT(sluice_events_open(-1, addr, bytes, 0, 0, 0, 0, NULL), -EINVAL);
	CHECK_INT(sluice_events_open(-1, addr, bytes, 0, 0, -1, 0, &(uint64_t){ 0 }), -EINVAL);
	CHECK_INT(sluice_events_open(-1, addr, bytes, 0, 0, 0, 2, &(uint64_t){ 0 }), -EINVAL);
	CHECK_INT(sluice_events_sync(0), -EINVAL);
	CHECK_INT(sluice_events_reliable(0, 1), -EINVAL);
	CHECK_INT(sluice_dump_open(-1, NULL), -EINVAL);
	CHECK_INT(sluice_dump_read(0, addr, 1), -EINVAL);
	CHECK_INT(sluice_dump_malformed(0), -EINVAL);
	CHECK_INT(sluice_dump_close(0), -EINVAL);
	CHECK_INT(sluice_events_stop(0), -EINVAL);
	CHECK_INT(sluice_events_close(0), -EINVAL);
	CHECK_INT(sluice_ring_wait(0, 0), -EINVAL);
	CHECK_INT(sluice_events_stats(0, addr, 4096), -EINVAL);
	open_events("short stats", 16, 0, 0);
	CHECK_INT(sluice_events_stats(consumer.handle, addr, 8), -EINVAL);
	close_events();
	close(udp);
	close(route);
	free(ring);
}

static long open_descriptors(void)
{
	DIR *fds = opendir("/proc/self/fd");
	long count = 0;

	while (fds && readdir(fds))
		count++;
	if (fds)
		closedir(fds);
	return count;
}

/* Fails if a descriptor or a thread is left behind (memory: the sanitized run). */
static void closing_leaves_nothing_behind(void)
{
	uint64_t bytes = sluice_ring_bytes(16);
	void *ring = aligned_alloc(SLUICE_RING_ALIGNMENT, bytes);
	long before = open_descriptors();
	uint64_t handle, dump;
	int i;

	check_about("left behind");
	for (i = 0; i < 20; i++) {
		CHECK_INT(sluice_events_open(-1, (uintptr_t)ring, bytes, 100, 0, 0, 0, &handle),
			  0);
		CHECK_INT(sluice_dump_open(-1, &dump), 0);
		CHECK_INT(sluice_dump_close(dump), 0);
		CHECK_INT(sluice_events_close(handle), 0);
	}
	CHECK_INT(open_descriptors(), before);
	/* pthread_join(3) returns a moment before the kernel removes the thread from /proc. */
	for (i = 0; i < 500 && thread_status("SigBlk"); i++)
		usleep(10000);
	CHECK_INT(thread_status("SigBlk"), 0);
	free(ring);
}

int main(void)
{
	alarm(120);
	enter_namespace();
	every_flow_starts_and_ends_exactly_once(0);
	every_flow_starts_and_ends_exactly_once(500);
	an_answer_is_an_update();
	losses_in_the_kernel_are_admitted_to_the_last_event();
	a_loss_makes_the_buffer_grow();
	only_events_that_come_fast_wait_for_each_other();
	sync_says_how_far_the_stream_reaches();
	in_reliable_mode_no_end_is_lost();
	a_dump_has_every_entry_once();
	a_consumer_that_stands_still_loses_by_number();
	a_full_ring_leaves_events_in_the_socket();
	a_loss_is_admitted_while_nothing_happens();
	stopping_drains_what_is_queued();
	stopping_wakes_the_consumer();
	messages_of_other_processes_are_ignored();
	the_socket_decides_the_namespace();
	an_idle_thread_sleeps_and_takes_no_signals();
	wrong_arguments_are_refused_and_explained();
	closing_leaves_nothing_behind();
	return check_result("events_test");
}
