/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The userland proxy: carries what the kernel cannot translate, IPv6 clients to IPv4 containers. Here
 * is what it offers; the threads that do it are in proxy_worker.c.
 */
#define _GNU_SOURCE
#include "proxy.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "error.h"

#define STACK_BYTES (256 * 1024)
/* Standard descriptors, wake-ups, commands, the two epolls, and one to accept with. */
#define KEPT_DESCRIPTORS (3 + PROXY_MAX_WORKERS + 4)
#define MAX_WEIGHT 65535

/* --- commands ----------------------------------------------------------------------------------- */

/* Under proxy->sending. A full queue makes the caller wait for the worker. */
static int send_command(struct proxy_worker *worker, const struct proxy_command *command, int fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .bytes = { 0 } };
	struct iovec part = {
		(void *)(uintptr_t)command,
		offsetof(struct proxy_command, list) +
			(size_t)command->targets * sizeof(command->list[0]),
	};
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	if (fd >= 0) {
		message.msg_control = control.bytes;
		message.msg_controllen = sizeof(control.bytes);
		control.align = (struct cmsghdr){
			.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS,
			.cmsg_len = CMSG_LEN(sizeof(int)),
		};
		memcpy(CMSG_DATA(&control.align), &fd, sizeof(int));
	}
	while (sendmsg(worker->commands[1], &message, MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			return sluice_fail(errno, "sending a command to the proxy");
	return 0;
}

/* Datagrams of one client must meet one session: UDP is the first worker's. */
static int send_to_all(struct proxy *proxy, const struct proxy_command *command, int fd)
{
	int i, err = 0;

	for (i = 0; i < proxy->workers && !err; i++) {
		if (command->operation == OP_LISTEN && command->protocol == IPPROTO_UDP && i > 0)
			break;
		err = send_command(proxy->worker[i], command, fd);
	}
	return err;
}

/* --- starting and ending ------------------------------------------------------------------------ */

static int make_worker(struct proxy *proxy, int index, int limit)
{
	struct proxy_worker *worker = calloc(1, sizeof(*worker));
	int i;

	if (!worker)
		return sluice_fail(ENOMEM, "calloc(%zu)", sizeof(*worker));
	proxy->worker[index] = worker;
	worker->proxy = proxy;
	worker->index = index;
	worker->commands[0] = worker->commands[1] = worker->wake_fd = -1;
	worker->descriptor_limit = limit - KEPT_DESCRIPTORS;
	worker->listener_places = limit / 16;
	worker->pipe_limit = limit / 16 < PROXY_PIPES ? limit / 16 : PROXY_PIPES;
	worker->session_limit = limit / 4 < PROXY_MAX_SESSIONS ? limit / 4 : PROXY_MAX_SESSIONS;
	worker->random = 2463534242u + (uint32_t)sluice_now_ns(CLOCK_MONOTONIC) * 2 + (uint32_t)index;
	worker->now_ns = sluice_now_ns(CLOCK_MONOTONIC);
	if (!worker->random)
		worker->random = 1;
	for (i = 0; i < worker->pipe_limit; i++) {
		worker->pipes[i].out = worker->pipes[i].in = -1;
		worker->pipes[i].next = worker->free_pipes;
		worker->free_pipes = &worker->pipes[i];
	}
	/* Where only TCP is served, none of these pages is ever touched. */
	worker->datagrams = calloc(1, sizeof(*worker->datagrams));
	if (!worker->datagrams)
		return sluice_fail(ENOMEM, "calloc(%zu)", sizeof(*worker->datagrams));
	for (i = 0; i < PROXY_DATAGRAMS; i++)
		worker->datagrams->parts[i].iov_base = worker->datagrams->bytes[i];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, worker->commands) < 0)
		return sluice_fail(errno, "socketpair");
	worker->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (worker->wake_fd < 0)
		return sluice_fail(errno, "eventfd");
	return 0;
}

static int start_worker(struct proxy_worker *worker)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	char name[16];
	int err;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&worker->thread, &attributes, proxy_run, worker);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	if (err)
		return sluice_fail(err, "pthread_create");
	worker->started = true;
	snprintf(name, sizeof(name), "sluice-proxy-%d", worker->index % PROXY_MAX_WORKERS);
	pthread_setname_np(worker->thread, name);
	return 0;
}

static void free_worker(struct proxy_worker *worker)
{
	int i;

	for (i = 0; i < PROXY_BUCKETS; i++) {
		struct proxy_listener *listener = worker->listeners[i], *next;

		for (; listener; listener = next) {
			next = listener->next;
			free(listener->route);
			free(listener);
		}
	}
	proxy_tcp_free(worker);
	proxy_udp_free(worker);
	free(worker->datagrams);
	free(worker);
}

static void release(struct proxy *proxy)
{
	static const struct proxy_command stop = { .operation = OP_STOP };
	int i;

	for (i = 0; i < proxy->workers; i++)
		if (proxy->worker[i]->started && send_command(proxy->worker[i], &stop, -1) == 0)
			pthread_join(proxy->worker[i]->thread, NULL);
	for (i = 0; i < proxy->workers; i++) {
		struct proxy_worker *worker = proxy->worker[i];

		if (!proxy->handed_over && worker->commands[0] >= 0)
			close(worker->commands[0]);
		if (!proxy->handed_over && worker->wake_fd >= 0)
			close(worker->wake_fd);
		if (worker->commands[1] >= 0)
			close(worker->commands[1]);
		free_worker(worker);
	}
	pthread_cond_destroy(&proxy->changed);
	pthread_mutex_destroy(&proxy->mutex);
	pthread_mutex_destroy(&proxy->sending);
	free(proxy);
}

/* --- what is exported --------------------------------------------------------------------------- */

int sluice_proxy_open(int threads, uint64_t *handle_out)
{
	struct rlimit files;
	struct proxy *proxy;
	int limit, i, err = 0;

	if (!handle_out)
		return sluice_fail(EINVAL, "handle_out is NULL");
	if (threads < 1 || threads > PROXY_MAX_WORKERS)
		return sluice_fail(EINVAL, "threads is %d, not 1 to %d", threads, PROXY_MAX_WORKERS);
	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return sluice_fail(errno, "getrlimit(RLIMIT_NOFILE)");
	limit = files.rlim_cur > 1 << 20 ? 1 << 20 : (int)files.rlim_cur;
	if (limit < 64)
		return sluice_fail(EMFILE, "a proxy with %d descriptors", limit);
	proxy = calloc(1, sizeof(*proxy));
	if (!proxy)
		return sluice_fail(ENOMEM, "calloc(%zu)", sizeof(*proxy));
	pthread_mutex_init(&proxy->sending, NULL);
	pthread_mutex_init(&proxy->mutex, NULL);
	pthread_cond_init(&proxy->changed, NULL);
	proxy->listener_limit = limit / 4;
	proxy->connect_ns = PROXY_CONNECT_NS;
	proxy->unreplied_ns = PROXY_UNREPLIED_NS;
	proxy->replied_ns = PROXY_REPLIED_NS;
	for (i = 0; i < threads && !err; i++) {
		err = make_worker(proxy, i, limit);
		proxy->workers = proxy->worker[i] ? i + 1 : i;
	}
	for (i = 0; i < threads && !err; i++)
		err = start_worker(proxy->worker[i]);
	if (!err) {
		/* Until then the threads have copies of the process's descriptors. */
		pthread_mutex_lock(&proxy->mutex);
		while (proxy->ready < threads)
			pthread_cond_wait(&proxy->changed, &proxy->mutex);
		err = proxy->error;
		pthread_mutex_unlock(&proxy->mutex);
		if (err)
			err = sluice_fail(err, "giving a thread a table of descriptors of its own");
	}
	if (err) {
		release(proxy);
		return err;
	}
	for (i = 0; i < threads; i++) {
		close(proxy->worker[i]->commands[0]);
		close(proxy->worker[i]->wake_fd);
	}
	proxy->handed_over = true;
	*handle_out = (uint64_t)(uintptr_t)proxy;
	return 0;
}

static struct proxy *from_handle(uint64_t handle)
{
	return (struct proxy *)(uintptr_t)handle;
}

static int read_target(const struct proxy_target *target, int index)
{
	int family = target->address.any.sa_family;
	in_port_t port = family == AF_INET ? target->address.v4.sin_port
					   : target->address.v6.sin6_port;

	if ((family != AF_INET && family != AF_INET6) || port == 0 || target->weight < 1 ||
	    target->weight > MAX_WEIGHT)
		return sluice_fail(EINVAL, "target %d: family %d, port %d, weight %u", index, family,
				   ntohs(port), target->weight);
	return 0;
}

static int read_route(struct proxy_command *command, uint64_t targets_addr, int targets, int balance,
		      int flags, int known_flags)
{
	int i, err;

	if (!targets_addr || targets < 1 || targets > SLUICE_PROXY_MAX_TARGETS)
		return sluice_fail(EINVAL, "%d targets, not 1 to %d", targets,
				   SLUICE_PROXY_MAX_TARGETS);
	if (balance < SLUICE_PROXY_ROUND_ROBIN || balance > SLUICE_PROXY_SOURCE)
		return sluice_fail(EINVAL, "balance is %d", balance);
	if (flags & ~known_flags)
		return sluice_fail(EINVAL, "flags are 0x%x, of which 0x%x is known", flags, known_flags);
	memcpy(command->list, (const void *)(uintptr_t)targets_addr,
	       (size_t)targets * sizeof(command->list[0]));
	for (i = 0; i < targets; i++) {
		err = read_target(&command->list[i], i);
		if (err)
			return err;
	}
	command->targets = targets;
	command->balance = balance;
	command->flags = (uint32_t)flags;
	return 0;
}

/* IPPROTO_TCP or IPPROTO_UDP, or -errno. */
static int protocol_of(int fd)
{
	int domain = 0, protocol = 0;
	socklen_t bytes = sizeof(int);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &bytes) < 0)
		return sluice_fail(errno, "getsockopt(%d, SO_DOMAIN)", fd);
	bytes = sizeof(int);
	if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &bytes) < 0)
		return sluice_fail(errno, "getsockopt(%d, SO_PROTOCOL)", fd);
	if ((domain != AF_INET && domain != AF_INET6) ||
	    (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP))
		return sluice_fail(EPROTOTYPE, "descriptor %d is of domain %d, protocol %d", fd, domain,
				   protocol);
	return protocol;
}

static int send_locked(struct proxy *proxy, const struct proxy_command *command, int fd)
{
	int err;

	pthread_mutex_lock(&proxy->sending);
	err = send_to_all(proxy, command, fd);
	pthread_mutex_unlock(&proxy->sending);
	return err;
}

int sluice_proxy_listen(uint64_t handle, uint64_t id, int fd, uint64_t targets_addr, int targets,
			int balance, int flags)
{
	struct proxy_command command = { .operation = OP_LISTEN, .id = id };
	struct proxy *proxy = from_handle(handle);
	uint64_t listeners;
	int err;

	if (!proxy)
		return sluice_fail(EINVAL, "handle is 0");
	err = read_route(&command, targets_addr, targets, balance, flags, SLUICE_PROXY_HEADER);
	if (err)
		return err;
	command.protocol = protocol_of(fd);
	if (command.protocol < 0)
		return command.protocol;
	listeners = __atomic_load_n(&proxy->worker[0]->stats.listeners, __ATOMIC_RELAXED);
	if (listeners >= (uint64_t)proxy->listener_limit)
		return sluice_fail(EMFILE, "listening on more than %d sockets",
				   proxy->listener_limit);
	err = command.protocol == IPPROTO_TCP ? proxy_tcp_prepare(fd) : proxy_udp_prepare(fd);
	return err ? err : send_locked(proxy, &command, fd);
}

int sluice_proxy_retarget(uint64_t handle, uint64_t id, uint64_t targets_addr, int targets,
			  int balance, int flags)
{
	struct proxy_command command = { .operation = OP_RETARGET, .id = id };
	struct proxy *proxy = from_handle(handle);
	int err;

	if (!proxy)
		return sluice_fail(EINVAL, "handle is 0");
	err = read_route(&command, targets_addr, targets, balance, flags,
			 SLUICE_PROXY_HEADER | SLUICE_PROXY_CUT);
	return err ? err : send_locked(proxy, &command, -1);
}

int sluice_proxy_remove(uint64_t handle, uint64_t id, int flags)
{
	struct proxy_command command = { .operation = OP_REMOVE, .id = id, .flags = (uint32_t)flags };
	struct proxy *proxy = from_handle(handle);

	if (!proxy)
		return sluice_fail(EINVAL, "handle is 0");
	if (flags & ~SLUICE_PROXY_CUT)
		return sluice_fail(EINVAL, "flags are 0x%x, of which 0x%x is known", flags,
				   SLUICE_PROXY_CUT);
	return send_locked(proxy, &command, -1);
}

int sluice_proxy_sync(uint64_t handle)
{
	struct proxy_command command = { .operation = OP_SYNC };
	struct proxy *proxy = from_handle(handle);
	bool lost;
	int err, i;

	if (!proxy)
		return sluice_fail(EINVAL, "handle is 0");
	pthread_mutex_lock(&proxy->sending);
	command.id = ++proxy->tickets;
	err = send_to_all(proxy, &command, -1);
	pthread_mutex_unlock(&proxy->sending);
	if (err)
		return err;
	pthread_mutex_lock(&proxy->mutex);
	for (i = 0; i < proxy->workers; i++)
		while (proxy->worker[i]->synced < command.id)
			pthread_cond_wait(&proxy->changed, &proxy->mutex);
	lost = proxy->listener_lost;
	proxy->listener_lost = false;
	pthread_mutex_unlock(&proxy->mutex);
	return lost ? sluice_fail(EMFILE, "listening on a socket, in a thread of the proxy") : 0;
}

static uint64_t cpu_time(pthread_t thread)
{
	struct timespec used;
	clockid_t clock;

	if (pthread_getcpuclockid(thread, &clock) != 0 || clock_gettime(clock, &used) < 0)
		return 0;
	return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}

int sluice_proxy_stats(uint64_t handle, uint64_t addr, uint64_t bytes)
{
	struct sluice_proxy_stats *out = (struct sluice_proxy_stats *)(uintptr_t)addr;
	struct proxy *proxy = from_handle(handle);
	int i;

	if (!proxy || !out)
		return sluice_fail(EINVAL, "handle or addr is 0");
	if (bytes < sizeof(*out))
		return sluice_fail(EINVAL, "%llu bytes hold no struct proxy of %zu",
				   (unsigned long long)bytes, sizeof(*out));
	memset(out, 0, sizeof(*out));
	for (i = 0; i < proxy->workers; i++) {
		const struct sluice_proxy_stats *stats = &proxy->worker[i]->stats;

#define ADD(type, name, suffix, offset) out->name += __atomic_load_n(&stats->name, __ATOMIC_RELAXED);
		SLUICE_PROXY_FIELDS(ADD)
#undef ADD
		out->cpu_ns += cpu_time(proxy->worker[i]->thread);
	}
	return 0;
}

int sluice_proxy_close(uint64_t handle)
{
	struct proxy *proxy = from_handle(handle);

	if (!proxy)
		return sluice_fail(EINVAL, "handle is 0");
	release(proxy);
	return 0;
}
