/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker of the proxy: a thread with an epoll and, by unshare(CLONE_FILES), with a table of descriptors of its
 * own: ten thousand connections are twenty thousand descriptors, which must not be the agent's, nor
 * count against its limit. Sockets to listen on come in as commands over a socket pair, with
 * SCM_RIGHTS.
 *
 * One worker accepts at a time: the first that is not full. Listeners are in an epoll of their own
 * (accept_fd), which is put into the worker's while it is the worker's turn; so to stop accepting is
 * one system call however many listeners there are, and nobody spins while no descriptor is left.
 *
 *	caller --command, socket--> worker 0: epoll { commands, wake, accept_fd { listeners }, connections }
 *	                       \--> worker 1: epoll { commands, wake,                          connections }
 *
 * Everything of a worker is used by its thread alone; the counters are read by others.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clock.h"
#include "proxy.h"

#define EVENTS 256

/* --- descriptors and duty ----------------------------------------------------------------------- */

bool proxy_has_room(const struct proxy_worker *worker, int more)
{
	int listeners = worker->listener_count > worker->listener_places ? worker->listener_count
									 : worker->listener_places;
	int pipes = 2 * (worker->pipe_limit - worker->pipes_open);

	return worker->descriptors + listeners + pipes + more <= worker->descriptor_limit;
}

void proxy_close(struct proxy_worker *worker, int fd)
{
	close(fd);
	worker->descriptors--;
	if (worker->full) {
		worker->retry_ns = 0;
		proxy_update_duty(worker);
	}
}

void proxy_update_duty(struct proxy_worker *worker)
{
	struct proxy *proxy = worker->proxy;
	bool full = !proxy_has_room(worker, 2) || worker->retry_ns;
	bool accepting = !full;
	int i;

	if (full != worker->full) {
		worker->full = full;
		for (i = worker->index + 1; i < proxy->workers; i++)
			(void)eventfd_write(proxy->worker[i]->wake_fd, 1);
	}
	for (i = 0; i < worker->index; i++)
		accepting &= proxy->worker[i]->full;
	if (accepting != worker->accepting) {
		struct epoll_event event = { .events = EPOLLIN, .data.u64 = EVENT_ACCEPT };

		if (epoll_ctl(worker->epoll_fd, accepting ? EPOLL_CTL_ADD : EPOLL_CTL_DEL,
			      worker->accept_fd, &event) == 0)
			worker->accepting = accepting;
	}
}

/* --- listeners ---------------------------------------------------------------------------------- */

static uint32_t next_random(struct proxy_worker *worker)
{
	/* xorshift32 (Marsaglia, 2003) */
	worker->random ^= worker->random << 13;
	worker->random ^= worker->random >> 17;
	worker->random ^= worker->random << 5;
	return worker->random;
}

static uint32_t hash_source(const union proxy_address *client)
{
	const uint8_t *p = client->any.sa_family == AF_INET ? (const uint8_t *)&client->v4.sin_addr
							    : client->v6.sin6_addr.s6_addr;
	size_t bytes = client->any.sa_family == AF_INET ? 4 : 16, i;
	uint32_t hash = 0x811c9dc5; /* FNV-1a */

	for (i = 0; i < bytes; i++)
		hash = (hash ^ p[i]) * 0x01000193;
	/* Its lowest bits alone say little about addresses that are neighbours. */
	return hash ^ (hash >> 16);
}

const struct proxy_target *proxy_pick(struct proxy_worker *worker, struct proxy_listener *listener,
				      const union proxy_address *client)
{
	const struct proxy_route *route = listener->route;
	uint32_t number, i;

	switch (route->balance) {
	case SLUICE_PROXY_RANDOM:
		number = next_random(worker);
		break;
	case SLUICE_PROXY_SOURCE:
		number = hash_source(client);
		break;
	default:
		number = listener->turn++;
	}
	number %= route->total_weight;
	for (i = 0; number >= route->targets[i].weight; i++)
		number -= route->targets[i].weight;
	return &route->targets[i];
}

static struct proxy_listener **find(struct proxy_worker *worker, uint64_t id)
{
	struct proxy_listener **place = &worker->listeners[id % PROXY_BUCKETS];

	while (*place && (*place)->id != id)
		place = &(*place)->next;
	return place;
}

void proxy_forget_if_unused(struct proxy_worker *worker, struct proxy_listener *listener)
{
	if (listener->fd >= 0 || listener->connections || listener->sessions)
		return;
	*find(worker, listener->id) = listener->next;
	free(listener->route);
	free(listener);
}

static int watched_by(const struct proxy_worker *worker, const struct proxy_listener *listener)
{
	return listener->protocol == IPPROTO_TCP ? worker->accept_fd : worker->epoll_fd;
}

/* Whether another listener was given the same socket meanwhile. */
static bool taken_over(const struct proxy_worker *worker, const struct proxy_listener *listener)
{
	const struct proxy_listener *other;
	int i;

	for (i = 0; i < PROXY_BUCKETS; i++)
		for (other = worker->listeners[i]; other; other = other->next)
			if (other != listener && other->fd >= 0 && other->socket == listener->socket)
				return true;
	return false;
}

static void stop_listening(struct proxy_worker *worker, struct proxy_listener *listener)
{
	if (listener->fd < 0)
		return;
	/* Closing is not enough for epoll: the caller may have the socket still. */
	(void)epoll_ctl(watched_by(worker, listener), EPOLL_CTL_DEL, listener->fd, NULL);
	if (listener->protocol == IPPROTO_TCP && worker->index == 0 && !taken_over(worker, listener))
		(void)shutdown(listener->fd, SHUT_RDWR);
	close(listener->fd);
	listener->fd = -1;
	worker->listener_count--;
	if (worker->index == 0)
		proxy_count(&worker->stats.listeners, -1);
	proxy_update_duty(worker);
}

static struct proxy_route *route_of(const struct proxy_command *command)
{
	size_t bytes = (size_t)command->targets * sizeof(command->list[0]);
	struct proxy_route *route = calloc(1, sizeof(*route) + bytes);
	uint32_t i;

	if (!route)
		return NULL;
	route->flags = command->flags;
	route->balance = command->balance;
	route->count = (uint32_t)command->targets;
	memcpy(route->targets, command->list, bytes);
	for (i = 0; i < route->count; i++)
		route->total_weight += route->targets[i].weight;
	return route;
}

static void listener_lost(struct proxy_worker *worker, int fd)
{
	if (fd >= 0)
		close(fd);
	proxy_count(&worker->stats.no_descriptor, 1);
	pthread_mutex_lock(&worker->proxy->mutex);
	worker->proxy->listener_lost = true;
	pthread_mutex_unlock(&worker->proxy->mutex);
}

static void start_listening(struct proxy_worker *worker, const struct proxy_command *command, int fd)
{
	struct proxy_listener *listener = calloc(1, sizeof(*listener));
	struct epoll_event event = {
		.events = EPOLLIN,
		.data.u64 = (uint64_t)(uintptr_t)listener | KIND_LISTENER,
	};
	struct proxy_route *route = route_of(command);
	struct stat status;

	if (!listener || !route || fd < 0 || fstat(fd, &status) < 0)
		goto lost;
	listener->socket = status.st_ino;
	listener->id = command->id;
	listener->fd = fd;
	listener->protocol = command->protocol;
	listener->route = route;
	if (epoll_ctl(watched_by(worker, listener), EPOLL_CTL_ADD, fd, &event) < 0)
		goto lost;
	listener->next = worker->listeners[command->id % PROXY_BUCKETS];
	worker->listeners[command->id % PROXY_BUCKETS] = listener;
	worker->listener_count++;
	if (worker->index == 0)
		proxy_count(&worker->stats.listeners, 1);
	proxy_update_duty(worker);
	return;
lost:
	free(listener);
	free(route);
	listener_lost(worker, fd);
}

static void change_route(struct proxy_worker *worker, const struct proxy_command *command)
{
	struct proxy_listener *listener = *find(worker, command->id);
	struct proxy_route *route;

	if (!listener || listener->fd < 0)
		return;
	route = route_of(command);
	if (route) {
		free(listener->route);
		listener->route = route;
	} else {
		/* Nowhere is better than to the old target. */
		stop_listening(worker, listener);
		listener_lost(worker, -1);
	}
	proxy_udp_cut(worker, listener);
	if (command->flags & SLUICE_PROXY_CUT)
		proxy_tcp_cut(worker, listener);
}

static void remove_listener(struct proxy_worker *worker, const struct proxy_command *command)
{
	struct proxy_listener *listener = *find(worker, command->id);

	if (!listener)
		return;
	stop_listening(worker, listener);
	proxy_udp_cut(worker, listener);
	/* The last connection takes the listener with it. */
	if (!listener->connections)
		proxy_forget_if_unused(worker, listener);
	else if (command->flags & SLUICE_PROXY_CUT)
		proxy_tcp_cut(worker, listener);
}

/* --- commands ----------------------------------------------------------------------------------- */

static void carry_out(struct proxy_worker *worker, const struct proxy_command *command, int fd)
{
	struct proxy *proxy = worker->proxy;

	switch (command->operation) {
	case OP_LISTEN:
		start_listening(worker, command, fd);
		break;
	case OP_RETARGET:
		change_route(worker, command);
		break;
	case OP_REMOVE:
		remove_listener(worker, command);
		break;
	case OP_SYNC:
		pthread_mutex_lock(&proxy->mutex);
		worker->synced = command->id;
		pthread_cond_broadcast(&proxy->changed);
		pthread_mutex_unlock(&proxy->mutex);
		break;
	case OP_STOP:
		worker->stop = true;
		break;
	}
}

static void read_commands(struct proxy_worker *worker)
{
	for (;;) {
		struct proxy_command command;
		union {
			struct cmsghdr align;
			char bytes[CMSG_SPACE(sizeof(int))];
		} control;
		struct iovec part = { &command, sizeof(command) };
		struct msghdr message = {
			.msg_iov = &part,
			.msg_iovlen = 1,
			.msg_control = control.bytes,
			.msg_controllen = sizeof(control.bytes),
		};
		struct cmsghdr *header;
		int fd = -1;

		if (recvmsg(worker->commands[0], &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) <= 0)
			return;
		header = CMSG_FIRSTHDR(&message);
		if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
		    header->cmsg_len == CMSG_LEN(sizeof(int)))
			memcpy(&fd, CMSG_DATA(header), sizeof(int));
		carry_out(worker, &command, fd);
	}
}

/* --- the thread --------------------------------------------------------------------------------- */

static int compare_descriptors(const void *one, const void *other)
{
	return *(const int *)one - *(const int *)other;
}

/* Leaves the process's table of descriptors with just what the worker needs of it. */
static int leave_table(struct proxy_worker *worker)
{
	int keep[PROXY_MAX_WORKERS + 2] = { 2, worker->commands[0] };
	int count = 2, i;

	if (unshare(CLONE_FILES) < 0)
		return -errno;
	for (i = 0; i < worker->proxy->workers; i++)
		keep[count++] = worker->proxy->worker[i]->wake_fd;
	qsort(keep, (size_t)count, sizeof(keep[0]), compare_descriptors);
	for (i = 0; i < count; i++) {
		unsigned int first = (unsigned int)keep[i] + 1;
		unsigned int last = i + 1 < count ? (unsigned int)keep[i + 1] - 1 : UINT_MAX;

		if (first <= last && syscall(SYS_close_range, first, last, 0) < 0)
			return -errno;
	}
	return 0;
}

static int watch(int epoll_fd, int fd, uint64_t number)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = number };

	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int set_up(struct proxy_worker *worker)
{
	int err = leave_table(worker);

	if (err)
		return err;
	worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	worker->accept_fd = epoll_create1(EPOLL_CLOEXEC);
	if (worker->epoll_fd < 0 || worker->accept_fd < 0)
		return -errno;
	err = watch(worker->epoll_fd, worker->commands[0], EVENT_COMMAND);
	if (!err)
		err = watch(worker->epoll_fd, worker->wake_fd, EVENT_WAKE);
	if (!err)
		proxy_update_duty(worker);
	return err;
}

static void accept_all(struct proxy_worker *worker)
{
	struct epoll_event events[EVENTS];
	int count = epoll_wait(worker->accept_fd, events, EVENTS, 0);
	int i;

	for (i = 0; i < count && worker->accepting; i++)
		proxy_tcp_accept(worker, (struct proxy_listener *)(uintptr_t)(events[i].data.u64 &
									       ~(uint64_t)KIND_MASK));
}

static void dispatch(struct proxy_worker *worker, const struct epoll_event *event)
{
	void *what = (void *)(uintptr_t)(event->data.u64 & ~(uint64_t)KIND_MASK);
	int kind = (int)(event->data.u64 & KIND_MASK);

	if (kind == KIND_SESSION)
		proxy_udp_answer(worker, what);
	else if (kind == KIND_LISTENER)
		proxy_udp_receive(worker, what);
	else
		proxy_tcp_event(worker, what, kind, event->events);
}

static int timeout_ms(const struct proxy_worker *worker)
{
	uint64_t tcp = proxy_tcp_deadline(worker), udp = proxy_udp_deadline(worker);
	uint64_t first = tcp && (!udp || tcp < udp) ? tcp : udp;
	uint64_t ms;

	if (worker->ready.first)
		return 0;
	if (!first)
		return -1;
	if (first <= worker->now_ns)
		return 0;
	ms = (first - worker->now_ns + 999999) / 1000000;
	return ms > INT_MAX ? INT_MAX : (int)ms;
}

static void serve(struct proxy_worker *worker)
{
	struct epoll_event events[EVENTS];

	while (!worker->stop) {
		int count = epoll_wait(worker->epoll_fd, events, EVENTS, timeout_ms(worker));
		bool commands = false, accept = false;
		eventfd_t ignored;
		int i;

		worker->now_ns = sluice_now_ns(CLOCK_MONOTONIC);
		for (i = 0; i < count; i++) {
			switch (events[i].data.u64) {
			case EVENT_COMMAND:
				commands = true;
				break;
			case EVENT_WAKE:
				(void)eventfd_read(worker->wake_fd, &ignored);
				proxy_update_duty(worker);
				break;
			case EVENT_ACCEPT:
				accept = true;
				break;
			default:
				dispatch(worker, &events[i]);
			}
		}
		proxy_tcp_continue(worker);
		/* Behind the events of this round, which may name a listener that a command frees; before the
		 * new connections, which may have come after the command.
		 */
		if (commands || accept)
			read_commands(worker);
		/* Behind the connections: what is new waits for what is there. */
		if (accept && !worker->stop)
			accept_all(worker);
		proxy_tcp_expire(worker);
		proxy_udp_expire(worker);
		proxy_tcp_bury(worker);
		proxy_udp_bury(worker);
		__atomic_store_n(&worker->stats.descriptors,
				 (uint64_t)(worker->descriptors + worker->listener_count),
				 __ATOMIC_RELAXED);
	}
}

void *proxy_run(void *argument)
{
	struct proxy_worker *worker = argument;
	struct proxy *proxy = worker->proxy;
	int err = set_up(worker);

	pthread_mutex_lock(&proxy->mutex);
	proxy->ready++;
	if (err)
		proxy->error = -err;
	pthread_cond_broadcast(&proxy->changed);
	pthread_mutex_unlock(&proxy->mutex);
	if (err)
		return NULL;
	serve(worker);
	/* A thread can be joined before the kernel has closed what it had. */
	(void)syscall(SYS_close_range, 3, UINT_MAX, 0);
	return NULL;
}
