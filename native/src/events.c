/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread that drains conntrack events of one namespace.
 *
 * What an event costs is the wake-up, not the parsing, so the thread does not let the kernel wake it
 * for every one: it reads up to 256 at a time, and when a read came back short it sleeps for the
 * latency budget before it looks again. An event after a pause is not made to wait: the thread only
 * sleeps while events follow each other faster than the budget. Only after an empty read, or a lone
 * event, does it poll.
 *
 *	  +--> read a batch --> drop counter --> decode --> publish --+
 *	  |                                                           |
 *	  |<-- full batch --------------------------------------------+
 *	  |<-- sleep latency_us ------------ short batch, soon -------+
 *	  +<-- poll ------------------------ nothing, or a lone event +
 *
 * Nothing in the stream shows a loss: every event is a datagram of its own with sequence 0. The socket's
 * drop counter does, exactly: with NETLINK_NO_ENOBUFS the kernel drops just the events that do not fit,
 * one count each, and goes on (netlink_overrun() in net/netlink/af_netlink.c). So the counter is read
 * after every batch, and a loss is put in front of it: what follows it in the stream may have been
 * queued before the loss, but what was queued after the loss never comes before it. A loss makes the receive buffer grow, up to what the caller allows.
 *
 * While the ring is full the thread does not read: the receive buffer holds more than the ring, and
 * what does not fit there is counted by the kernel. In reliable mode (NETLINK_BROADCAST_ERROR) the
 * kernel even keeps the end of a flow that it could not deliver, the dead entry with it, and tries
 * again. Entries that are kept fill the connection table, so that must not last: after
 * RELIABLE_PATIENCE_MS of a full ring the thread leaves the mode.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "error.h"
#include "record.h"
#include "ring.h"
#include "sink.h"
#include "sluice.h"

#define BATCH 256
/*
 * Room for a datagram. Events of today's kernels stay below 600 bytes. Not a power of two: at a stride
 * of 2048 all 256 headers would compete for the same few sets of the first-level cache.
 */
#define DATAGRAM_BYTES 1984
#define MAX_LATENCY_US 1000000
/* How soon a gap is admitted, once the consumer makes room while no event comes. */
#define PENDING_POLL_MS 10
/* So many events at once are the beginning of more. */
#define BURST 16
#define RELIABLE_PATIENCE_MS 500
#define FULL_RING_PAUSE_US 1000
#define STACK_BYTES (256 * 1024)

struct events {
	struct sluice_sink sink;
	pthread_t thread;
	int fd;
	int wake_fd; /* an eventfd: readable when the thread shall look at `stopping`, or its socket */
	int latency_us;
	int64_t rcvbuf_max;
	_Atomic bool stopping; /* the thread shall end */
	_Atomic bool reliable;
	pthread_mutex_t mode;	 /* so that `reliable` is what the socket was told last */
	bool was_reliable;	 /* when the drop counter was last read */
	uint64_t batch_ns;	 /* monotonic: when the last event came */
	uint64_t room_ns;	 /* monotonic: when the ring was last seen to have room */
	uint32_t drops_seen;	 /* the socket's counter when it was last read, modulo 2^32 */
	uint64_t drops_seen_ns;	 /* wall clock just before that */
	_Atomic bool ended;	 /* the thread writes nothing any more */
	pthread_mutex_t joining; /* sluice_events_stop() may be called by two threads at once */
	bool joined;

	struct mmsghdr messages[BATCH];
	struct iovec buffers[BATCH];
	struct sockaddr_nl senders[BATCH];
	uint8_t datagrams[BATCH][DATAGRAM_BYTES];
};

static const int groups[] = {
	NFNLGRP_CONNTRACK_NEW,
	NFNLGRP_CONNTRACK_UPDATE,
	NFNLGRP_CONNTRACK_DESTROY,
};
#define GROUPS (sizeof(groups) / sizeof(groups[0]))

/* --- the socket --------------------------------------------------------------------------------- */

static int read_drops(int fd, uint32_t *drops)
{
	uint32_t meminfo[SK_MEMINFO_VARS];
	socklen_t bytes = sizeof(meminfo);

	if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, meminfo, &bytes) < 0)
		return -errno;
	if (bytes < (SK_MEMINFO_DROPS + 1) * sizeof(meminfo[0]))
		return -EOPNOTSUPP;
	*drops = meminfo[SK_MEMINFO_DROPS];
	return 0;
}

static int check_socket(int fd)
{
	int domain = 0, protocol = 0;
	socklen_t bytes = sizeof(int);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &bytes) < 0)
		return sluice_fail(errno, "getsockopt(%d, SO_DOMAIN)", fd);
	bytes = sizeof(int);
	if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &bytes) < 0)
		return sluice_fail(errno, "getsockopt(%d, SO_PROTOCOL)", fd);
	if (domain != AF_NETLINK || protocol != NETLINK_NETFILTER)
		return sluice_fail(EPROTOTYPE,
				   "descriptor %d is of domain %d, protocol %d, "
				   "not a NETLINK_NETFILTER socket",
				   fd, domain, protocol);
	return 0;
}

/* A port id, so that the socket can be found in /proc/net/netlink. */
static int bind_socket(int fd)
{
	struct sockaddr_nl address = { 0 };
	socklen_t bytes = sizeof(address);

	if (getsockname(fd, (struct sockaddr *)&address, &bytes) < 0)
		return sluice_fail(errno, "getsockname(%d)", fd);
	if (address.nl_pid != 0)
		return 0;
	address = (struct sockaddr_nl){ .nl_family = AF_NETLINK };
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return sluice_fail(errno, "bind(%d, AF_NETLINK)", fd);
	return 0;
}

static void read_receive_buffer(struct events *events)
{
	socklen_t bytes = sizeof(int);
	int actual = 0;

	/* Cannot fail: the socket is ours and the option exists since ever. */
	(void)getsockopt(events->fd, SOL_SOCKET, SO_RCVBUF, &actual, &bytes);
	__atomic_store_n(&events->sink.stats.rcvbuf_bytes, (uint64_t)actual, __ATOMIC_RELAXED);
}

static int set_receive_buffer(struct events *events, int64_t wanted)
{
	/* The kernel doubles what it is told and accounts queued messages against that. */
	int half = (int)((wanted + 1) / 2);

	if (wanted > 0 &&
	    setsockopt(events->fd, SOL_SOCKET, SO_RCVBUFFORCE, &half, sizeof(half)) < 0)
		return sluice_fail(errno, "setsockopt(SO_RCVBUFFORCE, %d)", half);
	read_receive_buffer(events);
	return 0;
}

static void grow_receive_buffer(struct events *events)
{
	int64_t wanted = 2 * (int64_t)events->sink.stats.rcvbuf_bytes;

	if ((int64_t)events->sink.stats.rcvbuf_bytes >= events->rcvbuf_max)
		return;
	if (wanted > events->rcvbuf_max)
		wanted = events->rcvbuf_max;
	if (set_receive_buffer(events, wanted) < 0)
		events->rcvbuf_max = 0; /* it will not succeed the next time either */
	else
		sluice_count(&events->sink.stats.rcvbuf_growths, 1);
}

static int set_reliable(struct events *events, bool on)
{
	int value = on, err = 0;

	pthread_mutex_lock(&events->mode);
	if (on && atomic_load(&events->ended))
		err = sluice_fail(ESHUTDOWN, "the event thread has ended");
	else if (setsockopt(events->fd, SOL_NETLINK, NETLINK_BROADCAST_ERROR, &value,
			    sizeof(value)) < 0)
		err = sluice_fail(errno, "setsockopt(NETLINK_BROADCAST_ERROR, %d)", value);
	if (!err) {
		atomic_store(&events->reliable, on);
		__atomic_store_n(&events->sink.stats.reliable, (uint64_t)on, __ATOMIC_RELAXED);
	}
	pthread_mutex_unlock(&events->mode);
	return err;
}

static int subscribe(struct events *events)
{
	int yes = 1;
	size_t i;
	int err;

	if (setsockopt(events->fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, &yes, sizeof(yes)) < 0)
		return sluice_fail(errno, "setsockopt(NETLINK_NO_ENOBUFS)");
	/* Before the first event can be lost, so that every loss shows as a difference to this. */
	events->drops_seen_ns = sluice_now_ns(CLOCK_REALTIME);
	err = read_drops(events->fd, &events->drops_seen);
	if (err)
		return sluice_fail(-err, "getsockopt(SO_MEMINFO)");
	for (i = 0; i < GROUPS; i++)
		if (setsockopt(events->fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i],
			       sizeof(groups[i])) < 0)
			return sluice_fail(errno, "setsockopt(NETLINK_ADD_MEMBERSHIP, %d)",
					   groups[i]);
	return 0;
}

static void unsubscribe(int fd)
{
	size_t i;

	/* Fails only where there is no membership, and then there is nothing to leave. */
	for (i = 0; i < GROUPS; i++)
		(void)setsockopt(fd, SOL_NETLINK, NETLINK_DROP_MEMBERSHIP, &groups[i],
				 sizeof(groups[i]));
}

/* --- the thread --------------------------------------------------------------------------------- */

static void take_in(struct events *events, int i, uint64_t received_ns)
{
	const struct mmsghdr *message = &events->messages[i];
	size_t bytes = message->msg_len;

	/* Any process that may use netlink can send to our port; only the kernel's port id is 0. */
	if (events->senders[i].nl_pid != 0)
		sluice_sink_foreign(&events->sink);
	else if (message->msg_hdr.msg_flags & MSG_TRUNC)
		sluice_sink_malformed(&events->sink, events->datagrams[i], bytes, received_ns);
	else
		sluice_sink_datagram(&events->sink, events->datagrams[i], bytes, received_ns);
}

static int account_for_drops(struct events *events)
{
	uint64_t before_ns = sluice_now_ns(CLOCK_REALTIME);
	bool reliable = atomic_load_explicit(&events->reliable, memory_order_relaxed);
	uint32_t drops;
	int err = read_drops(events->fd, &drops);

	if (err)
		return err;
	/* From before the last read of the counter to after this one: no loss lies outside. */
	if (drops != events->drops_seen) {
		sluice_sink_kernel_lost(&events->sink, (uint32_t)(drops - events->drops_seen),
					events->drops_seen_ns, sluice_now_ns(CLOCK_REALTIME),
					reliable || events->was_reliable);
		sluice_sink_admit(&events->sink);
		grow_receive_buffer(events);
	}
	events->was_reliable = reliable;
	events->drops_seen = drops;
	events->drops_seen_ns = before_ns;
	return 0;
}

/*
 * Reads up to `most` datagrams into the ring: how many, or -errno if the socket is of no use. Fewer than
 * `most` say that the socket was empty.
 */
static int read_batch(struct events *events, unsigned int most)
{
	uint64_t received_ns;
	int count, err, i;

	do {
		count = recvmmsg(events->fd, events->messages, most, MSG_DONTWAIT, NULL);
		/* ENOBUFS says that events were dropped, which the drop counter says better. */
	} while (count < 0 && (errno == EINTR || errno == ENOBUFS));
	if (count < 0 && errno != EAGAIN)
		return -errno;
	if (count < 0)
		count = 0;
	received_ns = sluice_now_ns(CLOCK_REALTIME);
	err = account_for_drops(events);
	if (err)
		return err;
	for (i = 0; i < count; i++)
		take_in(events, i, received_ns);
	if (count > 0)
		sluice_count(&events->sink.stats.batches, 1);
	return count;
}

/* Sleeps for `us`, or less if somebody wants something of the thread. */
static void pause_for(struct events *events, long us)
{
	struct pollfd wake = { .fd = events->wake_fd, .events = POLLIN };
	struct timespec budget = { .tv_sec = us / 1000000, .tv_nsec = (us % 1000000) * 1000L };

	(void)ppoll(&wake, 1, &budget, NULL);
}

/* Waits for an event, a wish, or the time to try again to admit a loss. */
static void wait_for_event(struct events *events)
{
	struct pollfd ready[] = {
		{ .fd = events->wake_fd, .events = POLLIN },
		{ .fd = events->fd, .events = POLLIN },
	};

	poll(ready, 2, sluice_sink_pending(&events->sink) ? PENDING_POLL_MS : -1);
}

/* Whether somebody asked how far the stream reaches, or for the end, since the last time. */
static bool take_wish(struct events *events)
{
	eventfd_t wishes;

	return eventfd_read(events->wake_fd, &wishes) == 0;
}

/* Whether to leave the events where they are until the consumer has made room for `most`. */
static bool must_hold_back(struct events *events, unsigned int most, uint64_t now)
{
	if (sluice_sink_has_room(&events->sink, most)) {
		events->room_ns = now;
		return false;
	}
	if (atomic_load_explicit(&events->reliable, memory_order_relaxed) &&
	    now - events->room_ns >= RELIABLE_PATIENCE_MS * 1000000ull &&
	    set_reliable(events, false) == 0)
		sluice_count(&events->sink.stats.reliable_left, 1);
	return true;
}

/* Whether events follow each other so fast that the next ones are worth waiting for. */
static bool expects_more(struct events *events, int count, uint64_t now)
{
	bool soon = now - events->batch_ns < (uint64_t)events->latency_us * 1000;

	events->batch_ns = now;
	return events->latency_us > 0 && (soon || count >= BURST);
}

static void *run(void *argument)
{
	struct events *events = argument;
	struct sluice_ring_header *header = events->sink.ring.header;
	unsigned int most =
		events->sink.ring.slots / 2 < BATCH ? (unsigned int)events->sink.ring.slots / 2 : BATCH;
	bool stopping = false, asked = false;
	int count, err;
	uint64_t now;

	for (;;) {
		now = sluice_now_ns(CLOCK_MONOTONIC);
		asked |= take_wish(events);
		if (!stopping && atomic_load(&events->stopping)) {
			/* What is queued now is finite: it is read to its end. */
			unsubscribe(events->fd);
			stopping = true;
		}
		/* At the end nobody may come any more to make room: what does not fit is lost, and admitted. */
		if (!stopping && must_hold_back(events, most, now)) {
			pause_for(events, FULL_RING_PAUSE_US);
			continue;
		}
		count = read_batch(events, most);
		err = count < 0 ? count : 0;
		if (err)
			break;
		if (count > 0 || sluice_sink_pending(&events->sink))
			sluice_sink_publish(&events->sink, false);
		if (count == (int)most) {
			events->batch_ns = now;
			continue;
		}
		/* A loss that waits for room in the ring is not in the stream yet. */
		if (!sluice_sink_pending(&events->sink)) {
			atomic_store_explicit(&header->drained_ns, now, memory_order_release);
			if (asked && !stopping)
				sluice_ring_nudge(header);
			asked = false;
		}
		if (stopping) {
			if (count == 0)
				break;
		} else if (count > 0 && expects_more(events, count, now)) {
			pause_for(events, events->latency_us);
		} else {
			wait_for_event(events);
		}
	}

	/* Nobody reads any more: what the kernel would keep for us it must not keep. */
	unsubscribe(events->fd);
	(void)set_reliable(events, false);
	sluice_sink_publish(&events->sink, true);
	__atomic_store_n(&events->sink.stats.error, (uint64_t)-err, __ATOMIC_RELAXED);
	__atomic_store_n(&events->sink.stats.cpu_ns, sluice_now_ns(CLOCK_THREAD_CPUTIME_ID),
			 __ATOMIC_RELAXED);
	atomic_store_explicit(&events->ended, true, memory_order_release);
	sluice_ring_wake(header);
	return NULL;
}

/* The JVM's signals are meant for the JVM's threads. */
static int start_thread(struct events *events)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	int err;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&events->thread, &attributes, run, events);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	if (err)
		return sluice_fail(err, "pthread_create");
	pthread_setname_np(events->thread, "sluice-events");
	return 0;
}

/* --- what is exported --------------------------------------------------------------------------- */

static void prepare_batch(struct events *events)
{
	int i;

	for (i = 0; i < BATCH; i++) {
		events->buffers[i] = (struct iovec){ events->datagrams[i], DATAGRAM_BYTES };
		events->messages[i].msg_hdr = (struct msghdr){
			.msg_name = &events->senders[i],
			.msg_namelen = sizeof(events->senders[i]),
			.msg_iov = &events->buffers[i],
			.msg_iovlen = 1,
		};
	}
}

static int open_on(struct events *events, int64_t rcvbuf_bytes, bool reliable)
{
	int err;

	err = check_socket(events->fd);
	if (!err)
		err = bind_socket(events->fd);
	if (!err)
		err = set_receive_buffer(events, rcvbuf_bytes);
	if (!err && reliable)
		err = set_reliable(events, true);
	if (!err)
		err = subscribe(events);
	if (!err)
		err = start_thread(events);
	if (err)
		unsubscribe(events->fd);
	return err;
}

static int check_buffer(const char *name, int64_t bytes)
{
	if (bytes < 0 || bytes > INT_MAX - 1)
		return sluice_fail(EINVAL, "%s is %lld, not 0 to %d", name, (long long)bytes,
				   INT_MAX - 1);
	return 0;
}

int sluice_events_open(int fd, uint64_t ring_addr, uint64_t ring_bytes, int latency_us,
		       int64_t rcvbuf_bytes, int64_t rcvbuf_max_bytes, int flags,
		       uint64_t *handle_out)
{
	struct events *events;
	int err;

	if (!handle_out)
		return sluice_fail(EINVAL, "handle_out is NULL");
	if (latency_us < 0 || latency_us > MAX_LATENCY_US)
		return sluice_fail(EINVAL, "latency_us is %d, not 0 to %d", latency_us,
				   MAX_LATENCY_US);
	err = check_buffer("rcvbuf_bytes", rcvbuf_bytes);
	if (!err)
		err = check_buffer("rcvbuf_max_bytes", rcvbuf_max_bytes);
	if (err)
		return err;
	if (flags & ~SLUICE_EVENTS_RELIABLE)
		return sluice_fail(EINVAL, "flags are 0x%x, of which 0x%x is known", flags,
				   SLUICE_EVENTS_RELIABLE);

	events = calloc(1, sizeof(*events));
	if (!events)
		return sluice_fail(ENOMEM, "calloc(%zu)", sizeof(*events));
	events->latency_us = latency_us;
	events->rcvbuf_max = rcvbuf_max_bytes;
	pthread_mutex_init(&events->joining, NULL);
	pthread_mutex_init(&events->mode, NULL);
	prepare_batch(events);

	err = sluice_sink_init(&events->sink, (void *)(uintptr_t)ring_addr, ring_bytes);
	if (err) {
		sluice_fail(-err, "a ring of %llu bytes at 0x%llx: too small or misaligned",
			    (unsigned long long)ring_bytes, (unsigned long long)ring_addr);
		goto free_events;
	}
	events->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (events->wake_fd < 0) {
		err = sluice_fail(errno, "eventfd");
		goto free_events;
	}
	events->fd = fd;
	if (fd < 0) {
		events->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
		if (events->fd < 0) {
			err = sluice_fail(errno, "socket(AF_NETLINK, NETLINK_NETFILTER)");
			goto close_wake_fd;
		}
	}
	err = open_on(events, rcvbuf_bytes, flags & SLUICE_EVENTS_RELIABLE);
	if (err)
		goto close_fd;
	*handle_out = (uint64_t)(uintptr_t)events;
	return 0;

close_fd:
	if (fd < 0)
		close(events->fd);
close_wake_fd:
	close(events->wake_fd);
free_events:
	free(events);
	return err;
}

static struct events *from_handle(uint64_t handle)
{
	return (struct events *)(uintptr_t)handle;
}

int sluice_ring_wait(uint64_t handle, int timeout_ms)
{
	struct events *events = from_handle(handle);
	struct sluice_ring_header *ring;
	uint64_t error;

	if (!events)
		return sluice_fail(EINVAL, "handle is 0");
	ring = events->sink.ring.header;
	if (sluice_ring_await(ring, &events->ended, timeout_ms))
		return 1;
	if (!atomic_load_explicit(&events->ended, memory_order_acquire))
		return 0;
	/* The thread may have published its last records just before it ended. */
	if (sluice_ring_await(ring, &events->ended, 0))
		return 1;
	error = __atomic_load_n(&events->sink.stats.error, __ATOMIC_RELAXED);
	if (error)
		return sluice_fail((int)error, "reading conntrack events");
	return sluice_fail(ESHUTDOWN, "the event thread was stopped");
}

int sluice_events_sync(uint64_t handle)
{
	struct events *events = from_handle(handle);

	if (!events)
		return sluice_fail(EINVAL, "handle is 0");
	/* Fails only if 2^64 - 2 wishes were waiting already. */
	(void)eventfd_write(events->wake_fd, 1);
	return 0;
}

int sluice_events_reliable(uint64_t handle, int on)
{
	struct events *events = from_handle(handle);

	if (!events)
		return sluice_fail(EINVAL, "handle is 0");
	return set_reliable(events, on != 0);
}

int sluice_events_stop(uint64_t handle)
{
	struct events *events = from_handle(handle);
	int err = 0;

	if (!events)
		return sluice_fail(EINVAL, "handle is 0");
	pthread_mutex_lock(&events->joining);
	if (!events->joined) {
		atomic_store(&events->stopping, true);
		eventfd_write(events->wake_fd, 1);
		err = pthread_join(events->thread, NULL);
		events->joined = err == 0;
	}
	pthread_mutex_unlock(&events->joining);
	return err ? sluice_fail(err, "pthread_join") : 0;
}

int sluice_events_close(uint64_t handle)
{
	struct events *events = from_handle(handle);
	int err = sluice_events_stop(handle);

	if (err)
		return err;
	close(events->fd);
	close(events->wake_fd);
	pthread_mutex_destroy(&events->joining);
	pthread_mutex_destroy(&events->mode);
	free(events);
	return 0;
}

/* The thread's processor time while it lives; what it left behind afterwards. */
static void add_cpu_time(struct events *events, struct sluice_stats *stats)
{
	struct timespec used;
	clockid_t clock;

	/* Held so that the thread is not joined, and its id is not another thread's, meanwhile. */
	pthread_mutex_lock(&events->joining);
	if (!events->joined && stats->cpu_ns == 0 &&
	    pthread_getcpuclockid(events->thread, &clock) == 0 && clock_gettime(clock, &used) == 0)
		stats->cpu_ns = (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
	pthread_mutex_unlock(&events->joining);
}

int sluice_events_stats(uint64_t handle, uint64_t addr, uint64_t bytes)
{
	struct events *events = from_handle(handle);
	struct sluice_stats *stats = (struct sluice_stats *)(uintptr_t)addr;

	if (!events || !stats)
		return sluice_fail(EINVAL, "handle or addr is 0");
	if (bytes < sizeof(*stats))
		return sluice_fail(EINVAL, "%llu bytes hold no struct stats of %zu",
				   (unsigned long long)bytes, sizeof(*stats));
	sluice_sink_stats(&events->sink, stats);
	add_cpu_time(events, stats);
	return 0;
}
