/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP connections of the proxy.
 *
 * Both sockets are registered once, edge-triggered; what epoll said is remembered in two bits per side
 * until the kernel says EAGAIN. Bytes are taken from one side only while the other is writable, so a
 * slow reader makes the kernel close the window of the sender, and nothing grows here. They move
 * through a pipe (splice(2): pages change hands, no byte is copied), which a connection has while it
 * holds something in it: an idle connection is two descriptors and a struct. Who finds all pipes held by slow
 * readers peeks, sends, and then discards what was sent: a copy, but nothing is held.
 *
 *	 client --> [pipe] --> backend
 *	 client <-- [pipe] <-- backend
 *
 * An end of data is passed on when everything in front of it was; a reset is passed on as a reset.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "error.h"
#include "proxy.h"

#define ACCEPTS 64	    /* per turn of a listener */
#define ROUNDS 16	    /* pipes moved per turn of a direction */
#define RETRY_NS 100000000u /* after the kernel had no descriptor or memory to accept with */
/* A peer that vanished without a word is noticed after 300 + 4 * 30 seconds. */
#define KEEPALIVE_IDLE_SECONDS 300
#define KEEPALIVE_INTERVAL_SECONDS 30
#define KEEPALIVE_PROBES 4

static int set_options(int fd)
{
	static const struct {
		int level, name, value;
	} options[] = {
		/* Two hops must not wait for each other's acknowledgements. */
		{ IPPROTO_TCP, TCP_NODELAY, 1 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_SECONDS },
		{ IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_SECONDS },
		{ IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES },
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },
	};
	size_t i;

	for (i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (setsockopt(fd, options[i].level, options[i].name, &options[i].value,
			       sizeof(int)) < 0)
			return -errno;
	return 0;
}

/*
 * Accepted sockets inherit these options. SO_REUSEADDR too: connections of ours that are in TIME_WAIT
 * must not keep the next agent from listening; while this socket listens, nobody can share the port.
 */
int proxy_tcp_prepare(int fd)
{
	int one = 1, flags = fcntl(fd, F_GETFL);
	int err = set_options(fd);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return sluice_fail(errno, "fcntl(%d, O_NONBLOCK)", fd);
	if (err)
		return sluice_fail(-err, "setsockopt(%d)", fd);
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0)
		return sluice_fail(errno, "setsockopt(%d, SO_REUSEADDR)", fd);
	if (listen(fd, 4096) < 0)
		return sluice_fail(errno, "listen(%d)", fd);
	return 0;
}

/* --- pipes -------------------------------------------------------------------------------------- */

static struct proxy_pipe *take_pipe(struct proxy_worker *worker)
{
	struct proxy_pipe *pipe = worker->free_pipes;
	int ends[2];

	if (!pipe)
		return NULL;
	if (pipe->out < 0) {
		if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
			return NULL;
		/* Where it is refused, the pipe has its 64 KiB. */
		(void)fcntl(ends[1], F_SETPIPE_SZ, PROXY_PIPE_BYTES);
		pipe->out = ends[0];
		pipe->in = ends[1];
		worker->pipes_open++;
		worker->descriptors += 2;
	}
	worker->free_pipes = pipe->next;
	return pipe;
}

static void give_pipe_back(struct proxy_worker *worker, struct proxy_pipe *pipe)
{
	pipe->next = worker->free_pipes;
	worker->free_pipes = pipe;
}

/* What is in it belongs to one connection: no other may ever find it there. */
static void throw_pipe_away(struct proxy_worker *worker, struct proxy_side *side)
{
	struct proxy_pipe *pipe = side->pipe;

	worker->pipes_open--;
	proxy_close(worker, pipe->out);
	proxy_close(worker, pipe->in);
	pipe->out = pipe->in = -1;
	give_pipe_back(worker, pipe);
	side->pipe = NULL;
	side->held = 0;
}

/* --- connections -------------------------------------------------------------------------------- */

static struct proxy_connection *allocate(struct proxy_worker *worker)
{
	struct proxy_connection *connection = worker->free_connections;

	if (!connection) {
		struct proxy_connection_slab *slab = calloc(1, sizeof(*slab));
		int i;

		if (!slab)
			return NULL;
		slab->next = worker->connection_slabs;
		worker->connection_slabs = slab;
		for (i = 0; i < PROXY_CONNECTIONS_PER_SLAB; i++) {
			slab->connections[i].queue_next = worker->free_connections;
			worker->free_connections = &slab->connections[i];
		}
		connection = worker->free_connections;
	}
	worker->free_connections = connection->queue_next;
	memset(connection, 0, sizeof(*connection));
	return connection;
}

static void enqueue(struct proxy_queue *queue, struct proxy_connection *connection)
{
	connection->queue_next = NULL;
	if (queue->last)
		queue->last->queue_next = connection;
	else
		queue->first = connection;
	queue->last = connection;
}

static struct proxy_connection *dequeue(struct proxy_queue *queue)
{
	struct proxy_connection *connection = queue->first;

	if (connection) {
		queue->first = connection->queue_next;
		if (!queue->first)
			queue->last = NULL;
	}
	return connection;
}

static void begin_connecting(struct proxy_worker *worker, struct proxy_connection *connection)
{
	connection->deadline_ns = worker->now_ns + worker->proxy->connect_ns;
	connection->earlier = worker->connecting_last;
	if (worker->connecting_last)
		worker->connecting_last->later = connection;
	else
		worker->connecting_first = connection;
	worker->connecting_last = connection;
}

static void end_connecting(struct proxy_worker *worker, struct proxy_connection *connection)
{
	if (!connection->deadline_ns)
		return;
	if (connection->earlier)
		connection->earlier->later = connection->later;
	else
		worker->connecting_first = connection->later;
	if (connection->later)
		connection->later->earlier = connection->earlier;
	else
		worker->connecting_last = connection->earlier;
	connection->later = connection->earlier = NULL;
	connection->deadline_ns = 0;
}

static void reset_on_close(int fd)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	/* Where it fails, the peer sees an end instead of a reset. */
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

static void destroy(struct proxy_worker *worker, struct proxy_connection *connection, bool reset)
{
	struct proxy_listener *listener = connection->listener;
	int i;

	if (connection->dead)
		return;
	end_connecting(worker, connection);
	for (i = 0; i < 2; i++) {
		struct proxy_side *side = &connection->side[i];

		if (side->pipe)
			throw_pipe_away(worker, side);
		if (side->fd < 0)
			continue;
		if (reset)
			reset_on_close(side->fd);
		proxy_close(worker, side->fd);
		side->fd = -1;
	}
	*connection->back = connection->next;
	if (connection->next)
		connection->next->back = connection->back;
	connection->dead = true;
	proxy_count(&worker->stats.connections, -1);
	if (!connection->queued)
		enqueue(&worker->dead, connection);
	proxy_forget_if_unused(worker, listener);
}

void proxy_tcp_bury(struct proxy_worker *worker)
{
	struct proxy_connection *connection;

	while ((connection = dequeue(&worker->dead)) != NULL) {
		connection->queue_next = worker->free_connections;
		worker->free_connections = connection;
	}
}

/* --- moving bytes ------------------------------------------------------------------------------- */

enum moved { MOVED_ALL, MOVED_SOME, MOVED_FAILED };

/* As splice, for those who find no pipe: bytes sent, 0 at the end, -1 with errno. */
static ssize_t copy(struct proxy_worker *worker, struct proxy_side *from, struct proxy_side *to)
{
	ssize_t seen = recv(from->fd, worker->copied, sizeof(worker->copied), MSG_PEEK);
	ssize_t sent;

	if (seen <= 0) {
		if (seen < 0 && errno == EAGAIN)
			from->flags &= ~SIDE_READABLE;
		return seen;
	}
	sent = send(to->fd, worker->copied, (size_t)seen, MSG_NOSIGNAL);
	if (sent < 0) {
		if (errno == EAGAIN)
			to->flags &= ~SIDE_WRITABLE;
		return -1;
	}
	/* tcp(7): discards so many without copying. They are there: they were seen. */
	return recv(from->fd, worker->copied, (size_t)sent, MSG_TRUNC);
}

/* Takes the next bytes: 1 when some were taken or passed on, 0 at the end, -1 with errno. */
static int take(struct proxy_worker *worker, struct proxy_side *from, struct proxy_side *to,
		uint64_t *counter)
{
	struct proxy_pipe *pipe = take_pipe(worker);
	ssize_t bytes;

	if (!pipe) {
		bytes = copy(worker, from, to);
		if (bytes > 0)
			proxy_count(counter, bytes);
		return bytes > 0 ? 1 : (int)bytes;
	}
	bytes = splice(from->fd, NULL, pipe->in, NULL, PROXY_PIPE_BYTES,
		       SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	if (bytes <= 0) {
		int error = errno;

		give_pipe_back(worker, pipe);
		/* The pipe was empty: it is the socket that has nothing. */
		if (bytes < 0 && error == EAGAIN)
			from->flags &= ~SIDE_READABLE;
		errno = error;
		return (int)bytes;
	}
	from->pipe = pipe;
	from->held = (uint32_t)bytes;
	return 1;
}

/* Passes on what was taken: 0, or -1 with errno. */
static int pass_on(struct proxy_worker *worker, struct proxy_side *from, struct proxy_side *to,
		   uint64_t *counter)
{
	while (from->held > 0) {
		ssize_t bytes = splice(from->pipe->out, NULL, to->fd, NULL, from->held,
				       SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

		if (bytes < 0) {
			if (errno == EAGAIN)
				to->flags &= ~SIDE_WRITABLE;
			return -1;
		}
		from->held -= (uint32_t)bytes;
		proxy_count(counter, bytes);
	}
	give_pipe_back(worker, from->pipe);
	from->pipe = NULL;
	return 0;
}

static enum moved move(struct proxy_worker *worker, struct proxy_connection *connection, int from_side)
{
	struct proxy_side *from = &connection->side[from_side];
	struct proxy_side *to = &connection->side[!from_side];
	uint64_t *counter = from_side == CLIENT ? &worker->stats.bytes_in : &worker->stats.bytes_out;
	int rounds;

	for (rounds = 0; rounds < ROUNDS; rounds++) {
		int taken;

		if (from->held == 0 && (from->flags & (SIDE_READABLE | SIDE_ENDED)) != SIDE_READABLE)
			return MOVED_ALL;
		if (!(to->flags & SIDE_WRITABLE))
			return MOVED_ALL;
		if (from->held == 0) {
			taken = take(worker, from, to, counter);
			if (taken == 0) {
				from->flags |= SIDE_ENDED;
				/* Fails only where the other end is gone, which is told apart. */
				(void)shutdown(to->fd, SHUT_WR);
				return MOVED_ALL;
			}
			if (taken < 0)
				return errno == EAGAIN ? MOVED_ALL : MOVED_FAILED;
		}
		if (from->held > 0 && pass_on(worker, from, to, counter) < 0)
			return errno == EAGAIN ? MOVED_ALL : MOVED_FAILED;
	}
	return MOVED_SOME;
}

/* Moves what can be moved, in both directions, and ends the connection where that is due. */
static void serve(struct proxy_worker *worker, struct proxy_connection *connection)
{
	enum moved in = move(worker, connection, CLIENT);
	enum moved out = move(worker, connection, BACKEND);
	uint8_t either = connection->side[CLIENT].flags | connection->side[BACKEND].flags;
	uint8_t both = connection->side[CLIENT].flags & connection->side[BACKEND].flags;

	if (in == MOVED_FAILED || out == MOVED_FAILED || (either & SIDE_FAILED))
		destroy(worker, connection, true);
	else if (both & SIDE_ENDED)
		destroy(worker, connection, false);
	else if ((in == MOVED_SOME || out == MOVED_SOME) && !connection->queued) {
		connection->queued = true;
		enqueue(&worker->ready, connection);
	}
}

void proxy_tcp_continue(struct proxy_worker *worker)
{
	struct proxy_queue turn = worker->ready;
	struct proxy_connection *connection;

	worker->ready = (struct proxy_queue){ 0 };
	while ((connection = dequeue(&turn)) != NULL) {
		connection->queued = false;
		if (connection->dead)
			enqueue(&worker->dead, connection);
		else
			serve(worker, connection);
	}
}

/* --- beginning ---------------------------------------------------------------------------------- */

static void put_port(uint8_t *at, in_port_t port)
{
	memcpy(at, &port, sizeof(port));
}

/*
 * The header of the PROXY protocol, version 2 (proxy-protocol.txt of HAProxy, 2.2):
 *
 *	signature (12)  0x21 version 2, PROXY  0x11 TCP4 / 0x21 TCP6  length (2)
 *	source address, destination address (4 or 16 each), source port, destination port (2 each)
 *
 * all in network order. 0, or -1: then one of the two is gone.
 */
static int send_header(struct proxy_connection *connection)
{
	static const uint8_t signature[12] = "\r\n\r\n\0\r\nQUIT\n";
	union proxy_address from, to;
	socklen_t from_bytes = sizeof(from), to_bytes = sizeof(to);
	uint8_t header[16 + 36];
	size_t bytes;
	int fd = connection->side[CLIENT].fd;

	if (getpeername(fd, &from.any, &from_bytes) < 0 || getsockname(fd, &to.any, &to_bytes) < 0)
		return -1;
	memcpy(header, signature, sizeof(signature));
	header[12] = 0x21;
	header[14] = 0;
	if (from.any.sa_family == AF_INET) {
		header[13] = 0x11;
		header[15] = 12;
		memcpy(header + 16, &from.v4.sin_addr, 4);
		memcpy(header + 20, &to.v4.sin_addr, 4);
		put_port(header + 24, from.v4.sin_port);
		put_port(header + 26, to.v4.sin_port);
	} else {
		header[13] = 0x21;
		header[15] = 36;
		memcpy(header + 16, &from.v6.sin6_addr, 16);
		memcpy(header + 32, &to.v6.sin6_addr, 16);
		put_port(header + 48, from.v6.sin6_port);
		put_port(header + 50, to.v6.sin6_port);
	}
	bytes = 16u + header[15];
	/* The first bytes of a connection fit into any send buffer. */
	return send(connection->side[BACKEND].fd, header, bytes, MSG_NOSIGNAL) == (ssize_t)bytes ? 0
												 : -1;
}

/* The attempt to reach the backend has ended, one way or the other. */
static void conclude(struct proxy_worker *worker, struct proxy_connection *connection)
{
	int error = 0;
	socklen_t bytes = sizeof(error);

	end_connecting(worker, connection);
	if (getsockopt(connection->side[BACKEND].fd, SOL_SOCKET, SO_ERROR, &error, &bytes) < 0)
		error = errno;
	if (error) {
		proxy_count(&worker->stats.refused, 1);
		destroy(worker, connection, true);
		return;
	}
	connection->side[BACKEND].flags |= SIDE_WRITABLE;
	if (connection->header && send_header(connection) < 0)
		destroy(worker, connection, true);
}

void proxy_tcp_event(struct proxy_worker *worker, struct proxy_connection *connection, int side_index,
		     uint32_t events)
{
	struct proxy_side *side = &connection->side[side_index];

	if (connection->dead)
		return;
	if (side_index == BACKEND && connection->deadline_ns) {
		if (!(events & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
			return;
		conclude(worker, connection);
		if (connection->dead)
			return;
	}
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		side->flags |= SIDE_READABLE;
	if (events & EPOLLOUT)
		side->flags |= SIDE_WRITABLE;
	/* What came before the reset is passed on first. */
	if (events & EPOLLERR)
		side->flags |= SIDE_FAILED;
	serve(worker, connection);
}

static int watch(struct proxy_worker *worker, struct proxy_connection *connection, int side)
{
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
		.data.u64 = (uint64_t)(uintptr_t)connection | (uint64_t)side,
	};

	return epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, connection->side[side].fd, &event);
}

static void begin(struct proxy_worker *worker, struct proxy_listener *listener, int client_fd,
		  const union proxy_address *client)
{
	const struct proxy_target *target = proxy_pick(worker, listener, client);
	struct proxy_connection *connection = allocate(worker);
	int fd = -1;

	if (connection)
		fd = socket(target->address.any.sa_family,
			    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		proxy_count(&worker->stats.no_descriptor, 1);
		reset_on_close(client_fd);
		proxy_close(worker, client_fd);
		if (connection) {
			connection->queue_next = worker->free_connections;
			worker->free_connections = connection;
		}
		return;
	}
	worker->descriptors++;
	connection->side[CLIENT].fd = client_fd;
	connection->side[BACKEND].fd = fd;
	connection->listener = listener;
	connection->header = listener->route->flags & SLUICE_PROXY_HEADER;
	connection->next = listener->connections;
	connection->back = &listener->connections;
	if (connection->next)
		connection->next->back = &connection->next;
	listener->connections = connection;
	proxy_count(&worker->stats.connections, 1);
	proxy_count(&worker->stats.connections_total, 1);

	if (set_options(fd) < 0 ||
	    (connect(fd, &target->address.any, proxy_address_bytes(&target->address)) < 0 &&
	     errno != EINPROGRESS)) {
		proxy_count(&worker->stats.refused, 1);
		destroy(worker, connection, true);
		return;
	}
	/* Watched only now: a socket that does not connect yet would be told of as hung up. */
	begin_connecting(worker, connection);
	if (watch(worker, connection, CLIENT) < 0 || watch(worker, connection, BACKEND) < 0) {
		proxy_count(&worker->stats.no_descriptor, 1);
		destroy(worker, connection, true);
	}
}

void proxy_tcp_accept(struct proxy_worker *worker, struct proxy_listener *listener)
{
	int i;

	for (i = 0; i < ACCEPTS && listener->fd >= 0; i++) {
		union proxy_address client;
		socklen_t bytes = sizeof(client);
		int fd;

		if (!proxy_has_room(worker, 2)) {
			/* Where there is another worker, nobody has to wait. */
			if (worker->index == worker->proxy->workers - 1)
				proxy_count(&worker->stats.no_descriptor, 1);
			proxy_update_duty(worker);
			return;
		}
		fd = accept4(listener->fd, &client.any, &bytes, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0) {
			if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
			    errno == ENOMEM) {
				proxy_count(&worker->stats.no_descriptor, 1);
				worker->retry_ns = worker->now_ns + RETRY_NS;
				proxy_update_duty(worker);
			}
			/* A connection that ended before it was accepted is an error of its own. */
			if (errno == ECONNABORTED || errno == EINTR || errno == EPROTO)
				continue;
			return;
		}
		worker->descriptors++;
		begin(worker, listener, fd, &client);
	}
}

/* --- ending ------------------------------------------------------------------------------------- */

void proxy_tcp_cut(struct proxy_worker *worker, struct proxy_listener *listener)
{
	struct proxy_connection *connection, *next;

	/* The last one may take the listener with it. */
	for (connection = listener->connections; connection; connection = next) {
		next = connection->next;
		destroy(worker, connection, true);
	}
}

uint64_t proxy_tcp_deadline(const struct proxy_worker *worker)
{
	uint64_t first = worker->connecting_first ? worker->connecting_first->deadline_ns : 0;

	if (worker->retry_ns && (!first || worker->retry_ns < first))
		return worker->retry_ns;
	return first;
}

void proxy_tcp_expire(struct proxy_worker *worker)
{
	struct proxy_connection *connection;

	while ((connection = worker->connecting_first) != NULL &&
	       connection->deadline_ns <= worker->now_ns) {
		proxy_count(&worker->stats.refused, 1);
		destroy(worker, connection, true);
	}
	if (worker->retry_ns && worker->retry_ns <= worker->now_ns) {
		worker->retry_ns = 0;
		proxy_update_duty(worker);
	}
}

void proxy_tcp_free(struct proxy_worker *worker)
{
	while (worker->connection_slabs) {
		struct proxy_connection_slab *slab = worker->connection_slabs;

		worker->connection_slabs = slab->next;
		free(slab);
	}
}
