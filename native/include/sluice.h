/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libsluice: conntrack events of one network namespace, drained from the kernel by a thread that
 * never waits for its consumer, and handed over as fixed-size records in memory that the caller owns;
 * a proxy for connections that the kernel cannot translate; and a fast path past netfilter for those
 * that it does.
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
 * proxy.* what sluice_proxy_stats() fills; offload.* what the fast path's functions exchange, fastpath.*
 * what sluice_fastpath_stats() fills. An entry without a dot ("flow", "proxy") gives a struct's own size
 * at offset 0.
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

/*
 * The fast path: two eBPF programs at tc ingress that carry packets of established, translated flows
 * between outer devices and containers (bpf/fastpath.bpf.c). They learn flows from conntrack by
 * themselves; a TCP flow only once IP_CT_TCP_FLAG_BE_LIBERAL is set in both directions, for which they
 * ask (sluice_fastpath_requests()). Programs and maps stay in force when the process ends.
 *
 *	sluice_fastpath_open(500000, 65536, &handle);
 *	sluice_fastpath_configure(handle, 1, 1000, 16, 32, 2000, 432000000, 120000);
 *	sluice_fastpath_container(handle, address, veth, bridge, 1500, mac, bridge_mac);
 *	sluice_fastpath_attach(handle, veth, SLUICE_FASTPATH_OUTWARD, SLUICE_FASTPATH_ANY);
 *	sluice_fastpath_attach(handle, uplink, SLUICE_FASTPATH_INWARD, SLUICE_FASTPATH_ANY);
 *	a thread: while ((n = sluice_fastpath_requests(handle, records, 256, 1000)) >= 0)
 *		set BE_LIBERAL on these flows;
 *	each second: read all with sluice_fastpath_flows(), add what counters grew by; give those that
 *		ended, or carry nothing any more, to sluice_fastpath_take()
 *
 * Loads them into the kernel, switched off and attached to nothing.
 *
 *   flows       how many at most, of each family, 1 to 2^24; others go the slow path
 *   containers  how many addresses at most, 1 to 2^20
 *
 * Errors: -EINVAL; -EPERM (needs CAP_SYS_ADMIN and CAP_NET_ADMIN, in the first user namespace);
 * -ENOSYS (the kernel has no eBPF, or does not describe its types, or lacks a function: Linux 6.1);
 * another -errno: the verifier's or the kernel's, with the last line of its log.
 *
 * _flows() may be called by one thread at a time, _close() when no other call is in progress; the others by
 * any thread.
 */
SLUICE_API int sluice_fastpath_open(uint32_t flows, uint32_t containers, uint64_t *handle_out);

/*
 * The maps of programs that an earlier process left at a device: to give to _flows(), _take(), _stats()
 * and _close() once they are detached, so that what they carried is not forgotten. Returns a number, the
 * same for the same maps: those of one process are found at many devices. -ENOENT: there are none;
 * -EPROTO: another version's, which cannot be read.
 */
SLUICE_API int sluice_fastpath_orphan(uint32_t device, uint64_t *handle_out);

/*
 * Settings, in force at once.
 *
 *   on               0: every packet goes the slow path
 *   recheck_ms       how old what is known of a flow may be; 0 looks at conntrack for each packet
 *   sample           a power of two: one in so many packets of no known flow is looked at, 1: each
 *   young_packets    a flow is carried once netfilter has seen so many of its packets (if it counts
 *                    them: nf_conntrack_acct)
 *   asks_per_second  requests at most, for each processor; rounded up to one a tick
 *   tcp_timeout_ms   nf_conntrack_tcp_timeout_established of the namespace
 *   udp_timeout_ms   nf_conntrack_udp_timeout_stream; 0: packets that are carried keep no entry alive
 */
SLUICE_API int sluice_fastpath_configure(uint64_t handle, int on, uint32_t recheck_ms, uint32_t sample,
					 uint32_t young_packets, uint32_t asks_per_second,
					 uint32_t tcp_timeout_ms, uint32_t udp_timeout_ms);

/* On or off; when it returns, no packet is under way that was handled otherwise. */
SLUICE_API int sluice_fastpath_switch(uint64_t handle, int on);

/*
 * What is known of flows is checked before it is used again. To be called after conntrack entries were
 * deleted, or routes or containers changed; when it returns, no packet is under way on old knowledge.
 */
SLUICE_API int sluice_fastpath_refresh(uint64_t handle);

#define SLUICE_FASTPATH_INWARD 0 /* for outer devices */
#define SLUICE_FASTPATH_OUTWARD 1 /* for the host's side of a container's veth pair */

#define SLUICE_FASTPATH_ANY 0 /* tcx, or clsact where that is missing or others have filters */
#define SLUICE_FASTPATH_TCX 1
#define SLUICE_FASTPATH_CLSACT 2

/*
 * Attaches a program to a device of the calling thread's namespace, behind other people's; in place of
 * one that an earlier process left there, without a gap.
 *
 *   device  its index
 *   way     SLUICE_FASTPATH_INWARD or _OUTWARD
 *   how     SLUICE_FASTPATH_ANY, _TCX or _CLSACT
 *
 * Returns SLUICE_FASTPATH_TCX or _CLSACT. -ENODEV; -EOPNOTSUPP: no tcx here, and nothing else allowed.
 */
SLUICE_API int sluice_fastpath_attach(uint64_t handle, uint32_t device, int way, int how);

/* Takes every program of the fast path away from a device, whosever: how many there were. */
SLUICE_API int sluice_fastpath_detach(uint32_t device);

/*
 * Where a container is: replaces what was known; device 0 forgets it. Flows that are carried follow
 * with sluice_fastpath_refresh(), and within recheck_ms when the device goes, also if no process is
 * left to tell. The calling thread is in the device's namespace.
 *
 *   address     address of 16 bytes: IPv6, or IPv4 as ::ffff:a.b.c.d
 *   device      the host's side of its veth pair
 *   bridge      the bridge that is a port of, or the device itself: where its packets are routed
 *   mtu         of the container's interface
 *   mac         the container's, as a number: 02:42:ac:11:00:02 is 0x0242ac110002
 *   bridge_mac  the bridge's
 *
 * -E2BIG: as many as sluice_fastpath_open() allowed for. It is forgotten with -ENODEV, and -EOPNOTSUPP: the
 * device has a queueing discipline, or filters at its egress, which packets that are carried would pass by.
 */
SLUICE_API int sluice_fastpath_container(uint64_t handle, uint64_t address, uint32_t device,
					 uint32_t bridge, uint32_t mtu, uint64_t mac,
					 uint64_t bridge_mac);

/*
 * Waits up to timeout_ms (-1: no limit) for flows that want BE_LIBERAL, and writes up to `records` of
 * them (offload.*) to `records_addr`: how many, 0 after the timeout. A flow may be named repeatedly.
 */
SLUICE_API int sluice_fastpath_requests(uint64_t handle, uint64_t records_addr, int records,
					int timeout_ms);

/*
 * Reads what is carried, one record for each direction of a flow: how many of at least 512 records
 * were written, 0 at the end, after which the next call starts anew. What is added or taken meanwhile
 * may be missing or appear twice.
 */
SLUICE_API int sluice_fastpath_flows(uint64_t handle, uint64_t records_addr, int records);

/*
 * Ends the flows that the records name, waits until no packet is under way on them, and writes their
 * last counters into the records; zero for those that are not there. Returns how many were. A flow that
 * speaks again is learned again. Takes some milliseconds however many there are.
 */
SLUICE_API int sluice_fastpath_take(uint64_t handle, uint64_t records_addr, int records);

/* Copies the counters (struct fastpath of the layout) to `addr`, as sluice_events_stats(). */
SLUICE_API int sluice_fastpath_stats(uint64_t handle, uint64_t addr, uint64_t bytes);

/* Frees the handle. Programs that are attached stay, with their maps: see sluice_fastpath_detach(). */
SLUICE_API int sluice_fastpath_close(uint64_t handle);

#ifdef __cplusplus
}
#endif

#endif
