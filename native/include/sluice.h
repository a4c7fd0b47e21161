/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libsluice: conntrack events of one network namespace, drained from the kernel by a thread that
 * never waits for its consumer, and handed over as fixed-size records in memory that the caller owns;
 * and a proxy for connections that the kernel cannot translate.
 *
 * Conventions
 *   - Functions return 0 (or a documented positive value) on success and -errno on failure; after a
 *     failure sluice_last_error() says, in one line, what was attempted and what happened.
 *   - Every argument is a plain integer; addresses travel as uint64_t, so that a foreign function
 *     interface needs no struct. The layout of what lies behind an address is described by
 *     sluice_layout_*(): check it once on load instead of trusting that two files agree.
 *   - One thread at a time may use a handle, except that sluice_events_stats(), _sync() and _reliable()
 *     may be called by any thread and sluice_events_stop() while the consumer is in sluice_ring_wait().
 *   - No function installs a signal handler, prints, or exits. The library's thread blocks all signals.
 *
 * A consumer, in outline:
 *
 *	bytes = sluice_ring_bytes(65536);
 *	ring = memory of that size, 128-byte aligned;
 *	sluice_events_open(fd, ring, bytes, 1000, 64 << 20, 256 << 20, 0, &handle);
 *	while ((ready = sluice_ring_wait(handle, 1000)) >= 0)
 *		for (tail = ring.tail, head = load_acquire(ring.head); tail != head; tail++)
 *			read the record at ring + sizeof(header) + 192 * (tail % ring.slots);
 *		store_release(ring.tail, tail);
 *	sluice_events_close(handle);
 */
#ifndef SLUICE_H
#define SLUICE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SLUICE_API __attribute__((visibility("default")))

/*
 * Changes whenever a function, a field, or the meaning of either changes incompatibly. A caller
 * compares it with the number it was written for before it calls anything else.
 */
#define SLUICE_ABI_VERSION 2

/* The ABI version of the library that was loaded: compare with SLUICE_ABI_VERSION. */
SLUICE_API int sluice_abi_version(void);

/* The library's version as text, for people. Static storage, never NULL. */
SLUICE_API const char *sluice_version(void);

/*
 * What the calling thread's last failed call attempted and what happened, for example
 * "setsockopt(SO_RCVBUFFORCE, 33554432): Operation not permitted". Empty before the first failure.
 * Valid until the thread's next failing call; never NULL.
 */
SLUICE_API const char *sluice_last_error(void);

/*
 * The shared layouts, one entry per field, named "struct.field": flow.* and gap.* are records (192
 * bytes), ring.* is the header in front of the records, stats.* is what sluice_events_stats() fills.
 * proxy.* what sluice_proxy_stats() fills. An entry without a dot ("flow", "proxy") gives a struct's own
 * size at offset 0.
 * An index outside 0..count-1 yields NULL, -EINVAL and -EINVAL.
 */
SLUICE_API int sluice_layout_count(void);
SLUICE_API const char *sluice_layout_name(int index);
SLUICE_API int sluice_layout_offset(int index);
SLUICE_API int sluice_layout_size(int index);

/*
 * Bytes of memory a ring of `slots` records needs. 0 unless slots is a power of two from 16 to 2^24.
 */
SLUICE_API uint64_t sluice_ring_bytes(uint32_t slots);

/*
 * Subscribes to conntrack events and starts the thread that drains them into a ring.
 *
 *   fd            a NETLINK_NETFILTER socket, which decides the namespace that is watched; or -1 to
 *                 open one in the calling thread's namespace. On success the library owns it and
 *                 closes it; on failure it stays the caller's.
 *   ring_addr     address of the ring's memory, aligned to 128 bytes. It must stay valid until
 *                 sluice_events_close() has returned. Its header is overwritten.
 *   ring_bytes    size of that memory; the largest power of two of slots that fits is used (at
 *                 least 16, at most 2^24), see ring.slots.
 *   latency_us    0 to 1,000,000: how long an event may wait for others to come with it. The thread
 *                 sleeps so long when it has caught up with the kernel, but only while events follow
 *                 each other faster than that; a lone one is handed over at once. Coalescing wake-ups
 *                 is what makes events cheap; 200 to 1000 is a good trade. 0 never waits.
 *   rcvbuf_bytes  receive buffer as the kernel accounts it, about 1280 bytes per queued event; at
 *                 most 2^31 - 2. 0 leaves the socket as it is. Needs CAP_NET_ADMIN.
 *   rcvbuf_max_bytes
 *                 the buffer is doubled after a loss, up to this; 0 never.
 *   flags         0 or SLUICE_EVENTS_RELIABLE.
 *   handle_out    receives the handle.
 *
 * The sysctls nf_conntrack_events, _acct and _timestamp are the caller's business: without them
 * there are fewer events, no counters and no start and stop times.
 *
 * Errors: -EINVAL (an argument out of range), -EPROTOTYPE (fd is no NETLINK_NETFILTER socket),
 * -EPERM (no CAP_NET_ADMIN in the socket's namespace), -ENOMEM, -EMFILE, or what the kernel said.
 */
SLUICE_API int sluice_events_open(int fd, uint64_t ring_addr, uint64_t ring_bytes, int latency_us,
				  int64_t rcvbuf_bytes, int64_t rcvbuf_max_bytes, int flags,
				  uint64_t *handle_out);

/*
 * The kernel keeps the end of a flow that it could not deliver and delivers it later
 * (NETLINK_BROADCAST_ERROR), perhaps twice. The dead entries count as connections meanwhile and can
 * fill the table: a ring that is full for half a second ends the mode, and who watches the table ends
 * it with sluice_events_reliable() before that.
 */
#define SLUICE_EVENTS_RELIABLE 1

/* Enters or leaves reliable mode. From any thread, before sluice_events_close(). */
SLUICE_API int sluice_events_reliable(uint64_t handle, int on);

/*
 * Makes the thread look at its socket now, whatever it waits for, store ring.drained_ns and wake the
 * consumer. Returns at once. From any thread, before sluice_events_close().
 */
SLUICE_API int sluice_events_sync(uint64_t handle);

/*
 * Waits until the ring holds a record that was not consumed yet.
 * Returns 1 when there is one, 0 after timeout_ms (-1: no limit) or, rarely, earlier; -ESHUTDOWN when
 * the thread was stopped and everything was consumed; another -errno when the thread had to give up
 * because reading the socket failed.
 */
SLUICE_API int sluice_ring_wait(uint64_t handle, int timeout_ms);

/*
 * Ends the subscription: leaves the groups, drains what the kernel has queued, admits pending losses
 * as gap records, ends the thread and wakes the consumer. The records stay readable. Idempotent.
 */
SLUICE_API int sluice_events_stop(uint64_t handle);

/*
 * Stops if that was not done, closes the socket and frees the handle. No other call may be in
 * progress or follow: stop, join the consumer, then close. The ring's memory is the caller's again.
 */
SLUICE_API int sluice_events_close(uint64_t handle);

/*
 * Copies the counters (struct stats of the layout) to `addr`. -EINVAL if `bytes` is less than their
 * size. Each counter is exact, but they are read one after the other while the thread works.
 */
SLUICE_API int sluice_events_stats(uint64_t handle, uint64_t addr, uint64_t bytes);

/*
 * Reads the table of connections of a namespace, as records of kind SLUICE_KIND_ENTRY.
 *
 *   fd            as for sluice_events_open(), another socket.
 *   handle_out    receives the handle; the dump has begun.
 */
SLUICE_API int sluice_dump_open(int fd, uint64_t *handle_out);

/*
 * Writes up to `records` records (192 bytes each) to `records_addr`: how many, 0 at the end of the
 * table. event_ns is when the kernel's answer was read. -EINTR: the table changed in a way that the
 * kernel could not follow, open another dump; another -errno: the kernel's.
 */
SLUICE_API int sluice_dump_read(uint64_t handle, uint64_t records_addr, int records);

/* Entries of the dump that could not be decoded, so far. */
SLUICE_API int sluice_dump_malformed(uint64_t handle);

/* Ends the dump, at whatever point, and closes the socket. */
SLUICE_API int sluice_dump_close(uint64_t handle);

/*
 * Starts the userland proxy: threads that accept connections on the sockets they are given and carry
 * the bytes to a backend and back. They live in the network namespace of the calling thread, and
 * connect from there. Each has a table of descriptors of its own, as large as RLIMIT_NOFILE allows,
 * so that its connections, two descriptors each, do not count against the process; the next thread takes
 * part when the table of the one before it is full.
 *
 *   threads     1 to 8
 *   handle_out  receives the handle
 *
 * Errors: -EINVAL, -ENOMEM, -EMFILE, -EPERM (unshare(CLONE_FILES) is forbidden here).
 *
 * Unlike other handles, this one may be used by any number of threads, up to sluice_proxy_close().
 */
SLUICE_API int sluice_proxy_open(int threads, uint64_t *handle_out);

#define SLUICE_PROXY_MAX_TARGETS 64
/* A struct sockaddr_in or sockaddr_in6 in 28 bytes, then its weight, 1 to 65535, as uint32_t. */
#define SLUICE_PROXY_TARGET_BYTES 32

/* How a target is chosen for a connection, in proportion to the weights. */
#define SLUICE_PROXY_ROUND_ROBIN 0
#define SLUICE_PROXY_RANDOM 1
#define SLUICE_PROXY_SOURCE 2 /* the same for all connections of a client's address */

/* Connections begin with a header that says who the client is (PROXY protocol, version 2). TCP only. */
#define SLUICE_PROXY_HEADER 1
/* Connections that are open are reset; without it they live on. */
#define SLUICE_PROXY_CUT 2

/*
 * Accepts connections on a TCP socket, or takes the datagrams of a UDP socket.
 *
 *   id            the caller's name for it, not in use
 *   fd            a bound socket, which is made to listen and not to block. It stays the caller's,
 *                 who may close it: the proxy has a copy.
 *   targets_addr  address of `targets` targets of SLUICE_PROXY_TARGET_BYTES each
 *   balance       SLUICE_PROXY_ROUND_ROBIN, _RANDOM or _SOURCE
 *   flags         0 or SLUICE_PROXY_HEADER
 *
 * Connections are accepted soon after, and queued by the kernel until then. -EMFILE: as many sockets
 * are listened on as there are places for (a quarter of a table); -EADDRINUSE: another socket listens.
 */
SLUICE_API int sluice_proxy_listen(uint64_t handle, uint64_t id, int fd, uint64_t targets_addr,
				   int targets, int balance, int flags);

/*
 * Leads new connections somewhere else; sessions of UDP end at once and begin anew. flags: as for
 * _listen(), and SLUICE_PROXY_CUT. An id that is not known is ignored.
 */
SLUICE_API int sluice_proxy_retarget(uint64_t handle, uint64_t id, uint64_t targets_addr, int targets,
				     int balance, int flags);

/*
 * Listens no longer on a socket, also where the caller still has it: it stays bound, and does not
 * listen, unless it was given to _listen() again under another id. flags: 0 or SLUICE_PROXY_CUT; sessions of UDP end at once. May be called again to cut
 * connections that were to live on. An id that is not known is ignored.
 */
SLUICE_API int sluice_proxy_remove(uint64_t handle, uint64_t id, int flags);

/*
 * Waits until everything the caller has asked for is done; necessary before a port is used otherwise
 * that was removed. -EMFILE: since the last call, a socket could not be listened on because a thread
 * had no descriptor left; it is not served where that thread's turn is.
 */
SLUICE_API int sluice_proxy_sync(uint64_t handle);

/* Copies the counters (struct proxy of the layout) to `addr`, as sluice_events_stats(). */
SLUICE_API int sluice_proxy_stats(uint64_t handle, uint64_t addr, uint64_t bytes);

/* Ends the threads and all connections, and frees the handle. No other call may be in progress. */
SLUICE_API int sluice_proxy_close(uint64_t handle);

#ifdef __cplusplus
}
#endif

#endif
