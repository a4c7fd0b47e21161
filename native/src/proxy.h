/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the userland proxy share: proxy.c tells what it is. */
#ifndef SLUICE_PROXY_H
#define SLUICE_PROXY_H

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "record.h"
#include "sluice.h"

#define PROXY_MAX_WORKERS 8
/* Pipes of a worker, and what one takes: what slow readers can make the kernel hold is their product. */
#define PROXY_PIPES 128
#define PROXY_PIPE_BYTES (256 * 1024)
#define PROXY_CONNECT_NS (10 * 1000000000ull)
/* As nf_conntrack_udp_timeout and _stream have it. */
#define PROXY_UNREPLIED_NS (30 * 1000000000ull)
#define PROXY_REPLIED_NS (120 * 1000000000ull)
#define PROXY_MAX_SESSIONS 4096 /* of a worker */
#define PROXY_BUCKETS 4096
#define PROXY_DATAGRAMS 16
#define PROXY_DATAGRAM_BYTES 65536

/* An end of a connection: 28 bytes as the kernel has them. */
union proxy_address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* As sluice_proxy_listen() takes it: 32 bytes. */
struct proxy_target {
	union proxy_address address;
	uint32_t weight;
};
_Static_assert(sizeof(struct proxy_target) == SLUICE_PROXY_TARGET_BYTES, "as sluice.h says");

/* Where a listener leads to. */
struct proxy_route {
	uint32_t flags; /* SLUICE_PROXY_HEADER */
	int balance;
	uint32_t count;
	uint32_t total_weight;
	struct proxy_target targets[];
};

struct proxy_connection;
struct proxy_session;

/* A socket that takes connections or datagrams; outlives it while connections drain. */
struct proxy_listener {
	uint64_t id;
	struct proxy_listener *next; /* in its bucket */
	int fd;			     /* -1: no longer listening */
	uint64_t socket;	     /* its inode: two listeners may have copies of one socket */
	int protocol;		     /* IPPROTO_TCP or IPPROTO_UDP */
	uint32_t turn;		     /* round robin */
	struct proxy_connection *connections;
	struct proxy_session *sessions;
	struct proxy_route *route;
};

struct proxy_pipe {
	struct proxy_pipe *next; /* in the pool */
	int out;		 /* the end to read from; -1: not made yet */
	int in;			 /* the end to write to */
};

enum {
	SIDE_READABLE = 1 << 0,
	SIDE_WRITABLE = 1 << 1,
	SIDE_ENDED = 1 << 2,  /* it sends no more, and all of that was passed on */
	SIDE_FAILED = 1 << 3, /* reset, or unreachable */
};

/* One end. What was read from it and could not be written to the other yet waits in `pipe`. */
struct proxy_side {
	int fd;
	uint32_t held;
	struct proxy_pipe *pipe;
	uint8_t flags;
};

enum { CLIENT, BACKEND };

/* Memory that is never given back before the end: so many were needed at once, and will be again. */
#define PROXY_CONNECTIONS_PER_SLAB 256
#define PROXY_SESSIONS_PER_SLAB 64

struct proxy_connection {
	struct proxy_side side[2];
	struct proxy_listener *listener;
	struct proxy_connection *next, **back;		   /* of the listener */
	struct proxy_connection *queue_next;		   /* ready, dead or free */
	struct proxy_connection *later, *earlier;	   /* while connecting, by deadline */
	uint64_t deadline_ns;				   /* 0: connected */
	bool header; /* begins with who the client is */
	bool queued, dead;
};

struct proxy_queue {
	struct proxy_connection *first, *last;
};

/* A client of a UDP listener, and the socket on which only its backend can answer. */
struct proxy_session {
	struct proxy_listener *listener;
	struct proxy_session *hash_next, **hash_back;
	struct proxy_session *next, **back; /* of the listener */
	struct proxy_session *newer, *older;
	uint64_t used_ns;
	int fd;
	uint32_t local_interface; /* by which datagrams of a link-local address came, else 0 */
	bool replied, dead;
	union proxy_address client;
	struct in6_addr local; /* the address the client asked; IPv4: its first four bytes */
};

/* Sessions, the longest idle first. */
struct proxy_idle {
	struct proxy_session *oldest, *newest;
};

struct proxy_connection_slab {
	struct proxy_connection_slab *next;
	struct proxy_connection connections[PROXY_CONNECTIONS_PER_SLAB];
};

struct proxy_session_slab {
	struct proxy_session_slab *next;
	struct proxy_session sessions[PROXY_SESSIONS_PER_SLAB];
};

struct proxy_datagrams {
	uint8_t bytes[PROXY_DATAGRAMS][PROXY_DATAGRAM_BYTES];
	struct mmsghdr messages[PROXY_DATAGRAMS];
	struct iovec parts[PROXY_DATAGRAMS];
	union proxy_address senders[PROXY_DATAGRAMS];
	_Alignas(8) uint8_t control[PROXY_DATAGRAMS][64];
};

enum proxy_operation { OP_LISTEN, OP_RETARGET, OP_REMOVE, OP_SYNC, OP_STOP };

/* What a worker is told, over its socket pair; OP_LISTEN brings the socket. */
struct proxy_command {
	uint32_t operation;
	uint32_t flags;
	uint64_t id; /* OP_SYNC: the ticket */
	int32_t protocol;
	int32_t balance;
	int32_t targets;
	int32_t unused;
	struct proxy_target list[SLUICE_PROXY_MAX_TARGETS];
};

struct proxy;

struct proxy_worker {
	struct proxy *proxy;
	int index;
	pthread_t thread;
	bool started;
	int commands[2]; /* a socket pair: ours, and the one that others write to */
	int wake_fd;	 /* an eventfd: readable when another worker became full, or has room again */
	int epoll_fd;
	int accept_fd; /* an epoll of its own for the listeners, so that accepting can pause */
	bool accepting;
	_Atomic bool full;
	uint64_t retry_ns; /* when to accept again after the kernel refused; 0: it did not */
	uint64_t now_ns;
	/* Open ones beside listeners, which have places that nothing else may take. */
	int descriptors, descriptor_limit, listener_count, listener_places;
	bool stop;
	uint64_t synced; /* under proxy->mutex: the last ticket that was reached */

	struct proxy_listener *listeners[PROXY_BUCKETS];
	struct proxy_queue ready, dead;
	struct proxy_connection *free_connections;
	struct proxy_connection_slab *connection_slabs;
	struct proxy_connection *connecting_first, *connecting_last;
	struct proxy_pipe *free_pipes;
	struct proxy_pipe pipes[PROXY_PIPES];
	int pipes_open, pipe_limit;
	uint8_t copied[65536]; /* for those who find no pipe */

	struct proxy_session *session_table[2 * PROXY_MAX_SESSIONS];
	struct proxy_session *free_sessions, *dead_sessions;
	struct proxy_session_slab *session_slabs;
	struct proxy_idle unreplied, replied;
	int session_count, session_limit;
	struct proxy_datagrams *datagrams;

	uint32_t random;
	struct sluice_proxy_stats stats;
};

struct proxy {
	pthread_mutex_t sending; /* commands reach all workers in one order */
	pthread_mutex_t mutex;
	pthread_cond_t changed; /* a worker started, ended or reached a ticket */
	uint64_t tickets;	/* under `sending` */
	bool listener_lost;	/* under `mutex`: a worker could not take one since the last sync */
	int listener_limit;
	int ready; /* under `mutex`: workers that started, or failed to */
	int error; /* under `mutex`: why one failed to */
	int workers;
	bool handed_over; /* the threads have the other ends of the socket pairs, and the eventfds */
	uint64_t connect_ns, unreplied_ns, replied_ns;
	struct proxy_worker *worker[PROXY_MAX_WORKERS];
};

/*
 * What epoll hands back: one of the small numbers, or an address with its kind in the lowest bits.
 */
enum { EVENT_COMMAND = 1, EVENT_WAKE, EVENT_ACCEPT, EVENT_NUMBERS };
enum { KIND_CLIENT = CLIENT, KIND_BACKEND = BACKEND, KIND_SESSION, KIND_LISTENER, KIND_MASK = 3 };

/* Adds to a counter that other threads read. */
static inline void proxy_count(uint64_t *counter, int64_t amount)
{
	__atomic_store_n(counter, *counter + (uint64_t)amount, __ATOMIC_RELAXED);
}

static inline socklen_t proxy_address_bytes(const union proxy_address *address)
{
	return address->any.sa_family == AF_INET ? sizeof(address->v4) : sizeof(address->v6);
}

/* proxy_worker.c */

void *proxy_run(void *worker);
/* Closes a descriptor and looks whether there is room for connections again. */
void proxy_close(struct proxy_worker *worker, int fd);
/* Whether `more` descriptors can be opened without touching those that are kept for pipes and listeners. */
bool proxy_has_room(const struct proxy_worker *worker, int more);
/* Takes part in accepting, or not, as fits who is full. */
void proxy_update_duty(struct proxy_worker *worker);
/* Picks a target for a connection or session of that client. */
const struct proxy_target *proxy_pick(struct proxy_worker *worker, struct proxy_listener *listener,
				      const union proxy_address *client);
/* Frees a listener that neither listens nor has connections. */
void proxy_forget_if_unused(struct proxy_worker *worker, struct proxy_listener *listener);

/* proxy_tcp.c */
int proxy_tcp_prepare(int fd);
void proxy_tcp_accept(struct proxy_worker *worker, struct proxy_listener *listener);
void proxy_tcp_event(struct proxy_worker *worker, struct proxy_connection *connection, int side,
		     uint32_t events);
/* Goes on with connections that had more to do than their turn allowed. */
void proxy_tcp_continue(struct proxy_worker *worker);
void proxy_tcp_cut(struct proxy_worker *worker, struct proxy_listener *listener);
void proxy_tcp_expire(struct proxy_worker *worker);
/* When the next connection attempt has taken too long; 0: never. */
uint64_t proxy_tcp_deadline(const struct proxy_worker *worker);
/* Memory of connections that ended may be used again: no event of this round names them any more. */
void proxy_tcp_bury(struct proxy_worker *worker);
void proxy_tcp_free(struct proxy_worker *worker);

/* proxy_udp.c */
int proxy_udp_prepare(int fd);
void proxy_udp_receive(struct proxy_worker *worker, struct proxy_listener *listener);
void proxy_udp_answer(struct proxy_worker *worker, struct proxy_session *session);
void proxy_udp_cut(struct proxy_worker *worker, struct proxy_listener *listener);
void proxy_udp_expire(struct proxy_worker *worker);
uint64_t proxy_udp_deadline(const struct proxy_worker *worker);
void proxy_udp_bury(struct proxy_worker *worker);
void proxy_udp_free(struct proxy_worker *worker);

#endif
