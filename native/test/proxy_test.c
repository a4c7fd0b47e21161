/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The userland proxy, with real sockets in a network namespace of its own: clients on ::1, backends
 * on 127.0.0.1. Needs root, ip and sysctl.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "proxy.h"
#include "sluice.h"

#define PATIENCE_MS 10000

static uint64_t handle;

/* --- tools -------------------------------------------------------------------------------------- */

static void start(const char *about, int threads)
{
	check_about("%s", about);
	if (sluice_proxy_open(threads, &handle) < 0)
		give_up("%s", sluice_last_error());
}

static void end(void)
{
	CHECK_INT(sluice_proxy_close(handle), 0);
}

static struct sluice_proxy_stats stats(void)
{
	struct sluice_proxy_stats out;

	CHECK_INT(sluice_proxy_stats(handle, (uint64_t)(uintptr_t)&out, sizeof(out)), 0);
	return out;
}

/* Waits until a counter has a value; the check afterwards tells what it had instead. */
#define AWAIT(expression, expected)                                                                \
	do {                                                                                       \
		int waited_;                                                                       \
		for (waited_ = 0; waited_ < PATIENCE_MS && (int64_t)(expression) != (expected);    \
		     waited_++)                                                                    \
			usleep(1000);                                                              \
		CHECK_INT(expression, expected);                                                   \
	} while (0)

static int open_socket(int family, int type, const char *address, uint16_t port, bool bound)
{
	union proxy_address at = { .any = { .sa_family = (sa_family_t)family } };
	struct timeval patience = { PATIENCE_MS / 1000, 0 };
	int fd = socket(family, type | SOCK_CLOEXEC, 0);
	int one = 1;

	if (fd < 0)
		give_up("socket: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, type == SOCK_STREAM ? sizeof(one) : 0);
	at.v4.sin_port = htons(port);
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	inet_pton(family, address, family == AF_INET ? (void *)&at.v4.sin_addr : &at.v6.sin6_addr);
	if ((bound ? bind(fd, &at.any, proxy_address_bytes(&at))
		   : connect(fd, &at.any, proxy_address_bytes(&at))) < 0)
		give_up("%s %s port %d: %s", bound ? "bind" : "connect", address, port,
			strerror(errno));
	return fd;
}

static uint16_t port_of(int fd)
{
	union proxy_address at;
	socklen_t bytes = sizeof(at);

	if (getsockname(fd, &at.any, &bytes) < 0)
		give_up("getsockname: %s", strerror(errno));
	return ntohs(at.v4.sin_port);
}

/* A listening backend on 127.0.0.1. */
static int backend(uint16_t *port)
{
	int fd = open_socket(AF_INET, SOCK_STREAM, "127.0.0.1", 0, true);

	if (listen(fd, 1024) < 0)
		give_up("listen: %s", strerror(errno));
	*port = port_of(fd);
	return fd;
}

static struct proxy_target target(uint16_t port, uint32_t weight)
{
	struct proxy_target made = { .weight = weight };

	made.address.v4 = (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	return made;
}

static uint64_t address_of(const struct proxy_target *targets)
{
	return (uint64_t)(uintptr_t)targets;
}

/* A proxied port on every IPv6 address; the caller's socket is closed at once. */
static uint16_t proxied(uint64_t id, int type, uint16_t backend_port, int flags)
{
	struct proxy_target to = target(backend_port, 1);
	int fd = open_socket(AF_INET6, type, "::", 0, true);
	uint16_t port = port_of(fd);

	if (sluice_proxy_listen(handle, id, fd, address_of(&to), 1, SLUICE_PROXY_ROUND_ROBIN, flags) < 0)
		give_up("%s", sluice_last_error());
	close(fd);
	CHECK_INT(sluice_proxy_sync(handle), 0);
	return port;
}

static int client(uint16_t port)
{
	return open_socket(AF_INET6, SOCK_STREAM, "::1", port, false);
}

static int accepted(int listener)
{
	struct timeval patience = { PATIENCE_MS / 1000, 0 };
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		give_up("accept: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
}

static void say(int fd, const char *text)
{
	CHECK_INT(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void hear(int fd, const char *expected)
{
	char heard[64] = "";

	if (recv(fd, heard, strlen(expected), MSG_WAITALL) < 0)
		snprintf(heard, sizeof(heard), "(%s)", strerror(errno));
	CHECK_TEXT(heard, expected);
}

/* 0 at an end, else errno. */
static int ending(int fd)
{
	char byte;
	ssize_t bytes = recv(fd, &byte, 1, 0);

	return bytes == 0 ? 0 : bytes > 0 ? -1 : errno;
}

static void reset(int fd)
{
	struct linger now = { 1, 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

/* The n-th byte of a stream nobody can mistake for another place of it. */
static uint8_t pattern(uint64_t n)
{
	return (uint8_t)((n * 0x9e3779b97f4a7c15u) >> 56);
}

/* Writes as much of the stream as the socket takes, until it takes nothing for so long. */
static uint64_t fill(int fd, uint64_t most, int pause_ms)
{
	static uint8_t block[65536];
	struct pollfd ready = { fd, POLLOUT, 0 };
	uint64_t sent = 0, i;

	while (sent < most && poll(&ready, 1, pause_ms) > 0) {
		size_t bytes = most - sent < sizeof(block) ? (size_t)(most - sent) : sizeof(block);
		ssize_t done;

		for (i = 0; i < bytes; i++)
			block[i] = pattern(sent + i);
		done = send(fd, block, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (done > 0)
			sent += (uint64_t)done;
		else if (errno != EAGAIN)
			break;
	}
	return sent;
}

/* How much of the stream arrives before it ends, or is not what was sent. */
static uint64_t drain(int fd, uint64_t expected)
{
	static uint8_t block[65536];
	uint64_t seen = 0;

	while (seen < expected) {
		ssize_t bytes = recv(fd, block, sizeof(block), 0), i;

		if (bytes <= 0)
			return seen;
		for (i = 0; i < bytes; i++, seen++)
			if (block[i] != pattern(seen))
				return seen;
	}
	return seen;
}

static uint64_t resident_bytes(void)
{
	unsigned long total, resident = 0;
	FILE *file = fopen("/proc/self/statm", "r");

	if (!file || fscanf(file, "%lu %lu", &total, &resident) != 2)
		give_up("/proc/self/statm");
	fclose(file);
	return resident * 4096u;
}

/* --- TCP ---------------------------------------------------------------------------------------- */

/* Fails if bytes are lost, changed or mixed up, in either direction, or not counted. */
static void bytes_arrive_as_they_were_sent(void)
{
	const uint64_t much = 24 << 20;
	uint16_t to;
	int listener, one, other, status;
	pid_t writer;

	start("bytes", 1);
	listener = backend(&to);
	one = client(proxied(1, SOCK_STREAM, to, 0));
	other = accepted(listener);
	writer = fork();
	if (writer == 0)
		_exit(fill(one, much, 5000) == much && fill(other, much, 5000) == much ? 0 : 1);
	CHECK_INT(drain(other, much), much);
	CHECK_INT(drain(one, much), much);
	waitpid(writer, &status, 0);
	CHECK_INT(status, 0);
	AWAIT(stats().bytes_in, (int64_t)much);
	AWAIT(stats().bytes_out, (int64_t)much);
	CHECK_INT(stats().connections, 1);
	close(one);
	close(other);
	AWAIT(stats().connections, 0);
	CHECK_INT(stats().connections_total, 1);
	close(listener);
	end();
}

/* Fails if the end of one direction ends the other, or is not passed on. */
static void each_direction_ends_by_itself(void)
{
	int i;

	start("half-close", 1);
	for (i = 0; i < 2; i++) {
		uint16_t to;
		int listener = backend(&to);
		int one = client(proxied((uint64_t)i + 1, SOCK_STREAM, to, 0));
		int other = accepted(listener);
		int first = i == 0 ? one : other, second = i == 0 ? other : one;

		say(first, "question");
		shutdown(first, SHUT_WR);
		hear(second, "question");
		CHECK_INT(ending(second), 0);
		usleep(50000);
		say(second, "answer");
		hear(first, "answer");
		CHECK_INT(stats().connections, 1);
		close(second);
		CHECK_INT(ending(first), 0);
		AWAIT(stats().connections, 0);
		close(first);
		close(listener);
	}
	end();
}

/* Fails if a reset arrives as an end of data, or not at all. */
static void a_reset_is_passed_on_as_a_reset(void)
{
	int i;

	start("reset", 1);
	for (i = 0; i < 2; i++) {
		uint16_t to;
		int listener = backend(&to);
		int one = client(proxied((uint64_t)i + 1, SOCK_STREAM, to, 0));
		int other = accepted(listener);

		say(one, "hello");
		hear(other, "hello");
		reset(i == 0 ? one : other);
		CHECK_INT(ending(i == 0 ? other : one), ECONNRESET);
		AWAIT(stats().connections, 0);
		close(i == 0 ? other : one);
		close(listener);
	}
	end();
}

/* Fails if a client waits although nobody listens, or nobody answers within the time. */
static void a_client_is_reset_where_the_backend_is_not_reached(void)
{
	uint16_t to, port;
	int listener, fillers[4], one;
	uint64_t began;
	size_t i;

	start("refused", 1);
	listener = backend(&to);
	close(listener);
	one = client(proxied(1, SOCK_STREAM, to, 0));
	CHECK_INT(ending(one), ECONNRESET);
	close(one);
	AWAIT(stats().refused, 1);

	check_about("no answer");
	((struct proxy *)(uintptr_t)handle)->connect_ns = 300 * 1000000u;
	listener = open_socket(AF_INET, SOCK_STREAM, "127.0.0.1", 0, true);
	listen(listener, 0);
	/* A queue that is full lets further requests for a connection go unanswered. */
	for (i = 0; i < 4; i++) {
		struct sockaddr_in at = target(port_of(listener), 1).address.v4;

		fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		connect(fillers[i], (struct sockaddr *)&at, sizeof(at));
	}
	port = proxied(2, SOCK_STREAM, port_of(listener), 0);
	began = sluice_now_ns(CLOCK_MONOTONIC);
	one = client(port);
	CHECK_INT(ending(one), ECONNRESET);
	CHECK(sluice_now_ns(CLOCK_MONOTONIC) - began >= 250 * 1000000u);
	CHECK_INT(stats().refused, 2);
	close(one);
	for (i = 0; i < 4; i++)
		close(fillers[i]);
	close(listener);
	end();
}

/*
 * Fails if a sender is not slowed down by a reader that does not read, if that takes memory of ours, or
 * if slow readers, more of them than there are pipes, keep others from being served.
 */
static void slow_readers_slow_their_senders_only(void)
{
	enum { SLOW = PROXY_PIPES + 20 };
	int ones[SLOW], others[SLOW], listener, one, other, i;
	uint64_t sent[SLOW], before;
	uint16_t to, port;

	start("slow readers", 1);
	listener = backend(&to);
	port = proxied(1, SOCK_STREAM, to, 0);
	before = resident_bytes();
	for (i = 0; i < SLOW; i++) {
		ones[i] = client(port);
		others[i] = accepted(listener);
	}
	for (i = 0; i < SLOW; i++)
		sent[i] = fill(others[i], 16 << 20, 20);
	for (i = 0; i < SLOW; i++)
		CHECK(sent[i] < 2 << 20);
	CHECK(resident_bytes() < before + (16 << 20));

	one = client(port);
	other = accepted(listener);
	say(one, "not slow");
	hear(other, "not slow");
	say(other, "nor this");
	hear(one, "nor this");
	for (i = 0; i < SLOW; i++) {
		shutdown(others[i], SHUT_WR);
		CHECK_INT(drain(ones[i], sent[i]), (int64_t)sent[i]);
		CHECK_INT(ending(ones[i]), 0);
		close(ones[i]);
		close(others[i]);
	}
	close(one);
	close(other);
	AWAIT(stats().connections, 0);
	close(listener);
	end();
}

/* Fails if what one connection left in a pipe is given to another. */
static void what_a_dead_connection_held_is_nobody_elses(void)
{
	uint16_t to, port;
	int listener, one, other, i;

	start("pipes", 1);
	listener = backend(&to);
	port = proxied(1, SOCK_STREAM, to, 0);
	for (i = 0; i < 3; i++) {
		one = client(port);
		other = accepted(listener);
		fill(other, 64 << 20, 100);
		reset(one);
		CHECK_INT(ending(other), ECONNRESET);
		close(other);
		one = client(port);
		other = accepted(listener);
		say(other, "clean");
		hear(one, "clean");
		close(one);
		close(other);
	}
	AWAIT(stats().connections, 0);
	close(listener);
	end();
}

/* Fails if the header differs from what HAProxy's proxy-protocol.txt (2.2) says. */
static void the_header_says_who_the_client_is(void)
{
	static const uint8_t signature[] = { 0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
					     0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a };
	uint8_t header[52];
	uint16_t to, port;
	int listener, one, other;

	start("PROXY header", 1);
	listener = backend(&to);
	port = proxied(1, SOCK_STREAM, to, SLUICE_PROXY_HEADER);
	one = client(port);
	other = accepted(listener);
	say(one, "payload");
	CHECK_INT(recv(other, header, sizeof(header), MSG_WAITALL), sizeof(header));
	CHECK_BYTES(header, signature, sizeof(signature));
	CHECK_INT(header[12], 0x21);
	CHECK_INT(header[13], 0x21);
	CHECK_INT(header[14] << 8 | header[15], 36);
	CHECK_BYTES(header + 16, &in6addr_loopback, 16);
	CHECK_BYTES(header + 32, &in6addr_loopback, 16);
	CHECK_INT(header[48] << 8 | header[49], port_of(one));
	CHECK_INT(header[50] << 8 | header[51], port);
	hear(other, "payload");
	close(one);
	close(other);
	close(listener);
	end();
}

/* Fails if open connections move with a retarget, or are not cut where that is asked. */
static void new_connections_go_to_the_new_target(void)
{
	uint16_t first_port, second_port, port;
	int first = backend(&first_port), second = backend(&second_port);
	struct proxy_target to = target(second_port, 1);
	int one, other, later, after;

	start("retarget", 1);
	port = proxied(7, SOCK_STREAM, first_port, 0);
	one = client(port);
	other = accepted(first);
	CHECK_INT(sluice_proxy_retarget(handle, 7, address_of(&to), 1, 0, 0), 0);
	CHECK_INT(sluice_proxy_sync(handle), 0);
	later = client(port);
	after = accepted(second);
	say(later, "new");
	hear(after, "new");
	say(one, "old");
	hear(other, "old");
	CHECK_INT(sluice_proxy_retarget(handle, 7, address_of(&to), 1, 0, SLUICE_PROXY_CUT), 0);
	CHECK_INT(ending(one), ECONNRESET);
	CHECK_INT(ending(later), ECONNRESET);
	close(one);
	close(other);
	close(later);
	close(after);
	close(first);
	close(second);
	end();
}

/* Fails if a removed socket goes on listening where the caller has it still, or a drain cuts. */
static void a_removed_socket_stays_bound_and_its_connections_live_on_if_asked(void)
{
	struct proxy_target to;
	uint16_t backend_port;
	int listener = backend(&backend_port), held, one, other;
	struct sockaddr_in6 at = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };

	start("remove", 2);
	held = open_socket(AF_INET6, SOCK_STREAM, "::", 0, true);
	at.sin6_port = htons(port_of(held));
	to = target(backend_port, 1);
	CHECK_INT(sluice_proxy_listen(handle, 3, held, address_of(&to), 1, 0, 0), 0);
	one = client(port_of(held));
	other = accepted(listener);
	CHECK_INT(sluice_proxy_remove(handle, 3, 0), 0);
	CHECK_INT(sluice_proxy_sync(handle), 0);
	CHECK_INT(stats().listeners, 0);
	say(one, "still here");
	hear(other, "still here");
	close(other);
	other = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(connect(other, (struct sockaddr *)&at, sizeof(at)) < 0 && errno == ECONNREFUSED);
	close(other);
	close(one);

	check_about("listen again, drain, then cut");
	CHECK_INT(sluice_proxy_listen(handle, 4, held, address_of(&to), 1, 0, 0), 0);
	/* One after the other has the same socket: the end of the first is not that of the second. */
	CHECK_INT(sluice_proxy_listen(handle, 5, held, address_of(&to), 1, 0, 0), 0);
	CHECK_INT(sluice_proxy_remove(handle, 5, SLUICE_PROXY_CUT), 0);
	CHECK_INT(sluice_proxy_sync(handle), 0);
	one = client(port_of(held));
	other = accepted(listener);
	CHECK_INT(sluice_proxy_remove(handle, 4, 0), 0);
	CHECK_INT(sluice_proxy_remove(handle, 4, SLUICE_PROXY_CUT), 0);
	CHECK_INT(ending(one), ECONNRESET);
	CHECK_INT(sluice_proxy_remove(handle, 4, SLUICE_PROXY_CUT), 0);
	CHECK_INT(sluice_proxy_sync(handle), 0);
	close(one);
	close(other);
	close(held);
	close(listener);
	end();
}

/* Fails if weights do not count, or a client's connections are spread although its address decides. */
static void targets_are_chosen_by_weight_and_kind(void)
{
	uint16_t ports[2];
	int listeners[2] = { backend(&ports[0]), backend(&ports[1]) };
	struct proxy_target to[2] = { target(ports[0], 3), target(ports[1], 1) };
	int balance, i, got, fd;
	uint16_t port;

	start("balance", 1);
	fd = open_socket(AF_INET6, SOCK_STREAM, "::", 0, true);
	port = port_of(fd);
	CHECK_INT(sluice_proxy_listen(handle, 1, fd, address_of(to), 2, 0, 0), 0);
	close(fd);
	for (balance = SLUICE_PROXY_ROUND_ROBIN; balance <= SLUICE_PROXY_SOURCE; balance++) {
		struct pollfd first = { listeners[0], POLLIN, 0 };

		check_about("balance %d", balance);
		CHECK_INT(sluice_proxy_retarget(handle, 1, address_of(to), 2, balance, 0), 0);
		CHECK_INT(sluice_proxy_sync(handle), 0);
		for (i = got = 0; i < 200; i++) {
			int one = client(port), other;
			struct pollfd both[2] = { first, { listeners[1], POLLIN, 0 } };

			poll(both, 2, PATIENCE_MS);
			got += both[0].revents != 0;
			other = accepted(both[0].revents ? listeners[0] : listeners[1]);
			close(one);
			close(other);
		}
		if (balance == SLUICE_PROXY_ROUND_ROBIN)
			CHECK_INT(got, 150);
		else if (balance == SLUICE_PROXY_RANDOM)
			CHECK(got > 110 && got < 190);
		else
			CHECK(got == 0 || got == 200);
	}
	close(listeners[0]);
	close(listeners[1]);
	end();
}

/* --- descriptors -------------------------------------------------------------------------------- */

/*
 * Fails if the proxy's descriptors are the process's, if it spins while it has none left, if it accepts
 * what it cannot serve, or if a place that becomes free is not used.
 */
static void without_descriptors_clients_wait_until_one_leaves(void)
{
	enum { CLIENTS = 120 };
	struct rlimit before, few;
	int ones[CLIENTS], others[CLIENTS], listener, i, served;
	struct pollfd coming;
	uint64_t used;
	uint16_t to, port;

	getrlimit(RLIMIT_NOFILE, &before);
	few = (struct rlimit){ 128, before.rlim_max };
	setrlimit(RLIMIT_NOFILE, &few);
	start("no descriptor", 2);
	setrlimit(RLIMIT_NOFILE, &before);
	/* The limit is of the process: the threads do not know that it was raised again. */
	listener = backend(&to);
	port = proxied(1, SOCK_STREAM, to, 0);
	for (i = 0; i < CLIENTS; i++)
		ones[i] = client(port);
	coming = (struct pollfd){ listener, POLLIN, 0 };
	for (served = 0; served < CLIENTS && poll(&coming, 1, 300) > 0; served++)
		others[served] = accepted(listener);
	/* Each of the two has places for more than forty: one alone could not serve these. */
	CHECK(served > 80 && served < CLIENTS);
	CHECK_INT(stats().connections, served);
	CHECK(stats().no_descriptor > 0);
	used = stats().cpu_ns;
	usleep(300000);
	CHECK(stats().cpu_ns - used < 30 * 1000000u);

	/* Its place is for one of those who wait; it is in the first worker, or in the second. */
	for (i = 0; i < 2; i++) {
		close(ones[i == 0 ? 0 : served - 1]);
		close(others[i == 0 ? 0 : served - 1]);
		CHECK(poll(&coming, 1, PATIENCE_MS) == 1);
		others[i == 0 ? 0 : served - 1] = accepted(listener);
		ones[i == 0 ? 0 : served - 1] = -1;
	}
	for (i = 0; i < served; i++)
		close(others[i]);
	for (i = 0; i < CLIENTS; i++)
		if (ones[i] >= 0)
			close(ones[i]);
	close(listener);
	end();
}

/* Fails if ten thousand idle connections do not fit, or cost more than a kilobyte of ours each. */
static void ten_thousand_idle_connections_survive(void)
{
	enum { IDLE = 10000 };
	int listener, ready[2], go[2], i;
	struct pollfd coming;
	uint64_t before, used;
	uint16_t to, port;
	pid_t clients, servers;
	char byte = 0;

	start("ten thousand", 2);
	listener = backend(&to);
	if (listen(listener, 4096) < 0 || pipe(ready) < 0 || pipe(go) < 0)
		give_up("%s", strerror(errno));
	port = proxied(1, SOCK_STREAM, to, 0);
	before = resident_bytes();
	servers = fork();
	if (servers == 0) {
		static int fds[IDLE];

		for (i = 0; i < IDLE; i++)
			fds[i] = accepted(listener);
		(void)!write(ready[1], &byte, 1);
		/* Each is alive: it answers. */
		for (i = 0; i < IDLE; i++)
			if (recv(fds[i], &byte, 1, 0) != 1 || send(fds[i], &byte, 1, 0) != 1)
				_exit(1);
		_exit(0);
	}
	clients = fork();
	if (clients == 0) {
		static int fds[IDLE];

		for (i = 0; i < IDLE; i++)
			fds[i] = client(port);
		(void)!read(go[0], &byte, 1);
		for (i = 0; i < IDLE; i++)
			if (send(fds[i], &byte, 1, 0) != 1)
				_exit(1);
		for (i = 0; i < IDLE; i++)
			if (recv(fds[i], &byte, 1, 0) != 1)
				_exit(2);
		_exit(0);
	}
	coming = (struct pollfd){ ready[0], POLLIN, 0 };
	poll(&coming, 1, 60000);
	CHECK_INT(stats().connections, IDLE);
	CHECK(resident_bytes() < before + IDLE * 1024);
	used = stats().cpu_ns;
	(void)!write(go[1], &byte, 1);
	waitpid(clients, &i, 0);
	CHECK_INT(i, 0);
	waitpid(servers, &i, 0);
	CHECK_INT(i, 0);
	CHECK(stats().cpu_ns > used);
	AWAIT(stats().connections, 0);
	for (i = 0; i < 2; i++) {
		close(ready[i]);
		close(go[i]);
	}
	close(listener);
	end();
}

/* --- UDP ---------------------------------------------------------------------------------------- */

static int datagram_backend(uint16_t *port)
{
	int fd = open_socket(AF_INET, SOCK_DGRAM, "127.0.0.1", 0, true);

	*port = port_of(fd);
	return fd;
}

/* Receives a datagram and remembers from whom. */
static void hear_from(int fd, const char *expected, struct sockaddr_in *from)
{
	socklen_t bytes = sizeof(*from);
	char heard[64] = "";

	if (recvfrom(fd, heard, sizeof(heard) - 1, 0, (struct sockaddr *)from, &bytes) < 0)
		snprintf(heard, sizeof(heard), "(%s)", strerror(errno));
	CHECK_TEXT(heard, expected);
}

static void say_to(int fd, const char *text, const struct sockaddr_in *to)
{
	CHECK_INT(sendto(fd, text, strlen(text), 0, (const struct sockaddr *)to, sizeof(*to)),
		  strlen(text));
}

/*
 * Fails if answers reach another client, leave from another address than the client asked (its connected
 * socket would not take them), or if somebody who was not asked can answer.
 */
static void datagrams_are_answered_to_who_asked_by_who_was_asked(void)
{
	struct sockaddr_in first, second;
	int served, stranger, one, other;
	struct pollfd quiet;
	uint16_t to, port;

	start("datagrams", 2);
	served = datagram_backend(&to);
	stranger = open_socket(AF_INET, SOCK_DGRAM, "127.0.0.1", 0, true);
	port = proxied(1, SOCK_DGRAM, to, 0);
	one = open_socket(AF_INET6, SOCK_DGRAM, "fd00::2", port, false);
	other = open_socket(AF_INET6, SOCK_DGRAM, "::1", port, false);
	say(one, "from one");
	hear_from(served, "from one", &first);
	say(other, "from other");
	hear_from(served, "from other", &second);
	CHECK(first.sin_port != second.sin_port);
	say_to(served, "to other", &second);
	say_to(served, "to one", &first);
	hear(one, "to one");
	hear(other, "to other");
	CHECK_INT(stats().sessions, 2);

	say_to(stranger, "forged", &first);
	quiet = (struct pollfd){ one, POLLIN, 0 };
	CHECK_INT(poll(&quiet, 1, 200), 0);
	say(one, "again");
	hear_from(served, "again", &second);
	CHECK_INT(second.sin_port, first.sin_port);

	CHECK_INT(sluice_proxy_remove(handle, 1, 0), 0);
	CHECK_INT(sluice_proxy_sync(handle), 0);
	CHECK_INT(stats().sessions, 0);
	close(one);
	close(other);
	close(stranger);
	close(served);
	end();
}

/* Fails if an idle session stays, or one that got an answer goes as soon as one that did not. */
static void sessions_end_when_they_are_idle(void)
{
	struct sockaddr_in from;
	int served, one, other;
	uint16_t to, port;
	struct proxy *proxy;

	start("idle sessions", 1);
	proxy = (struct proxy *)(uintptr_t)handle;
	proxy->unreplied_ns = 300 * 1000000u;
	proxy->replied_ns = 2000 * 1000000ull;
	served = datagram_backend(&to);
	port = proxied(1, SOCK_DGRAM, to, 0);
	one = open_socket(AF_INET6, SOCK_DGRAM, "::1", port, false);
	other = open_socket(AF_INET6, SOCK_DGRAM, "::1", port, false);
	say(one, "answer this");
	hear_from(served, "answer this", &from);
	say_to(served, "answer", &from);
	hear(one, "answer");
	say(other, "not this");
	hear_from(served, "not this", &from);
	CHECK_INT(stats().sessions, 2);
	usleep(800000);
	CHECK_INT(stats().sessions, 1);
	say(one, "still there");
	hear_from(served, "still there", &from);
	CHECK_INT(stats().sessions_total, 2);
	AWAIT(stats().sessions, 0);
	close(one);
	close(other);
	close(served);
	end();
}

/* Fails if sessions are unbounded, or one that is answered goes before one that is not. */
static void the_room_for_sessions_is_for_those_who_are_answered(void)
{
	struct rlimit before, few;
	struct sockaddr_in from;
	int others[300], served, one, i;
	uint16_t to, port;

	getrlimit(RLIMIT_NOFILE, &before);
	few = (struct rlimit){ 256, before.rlim_max };
	setrlimit(RLIMIT_NOFILE, &few);
	start("many sessions", 1);
	setrlimit(RLIMIT_NOFILE, &before);
	served = datagram_backend(&to);
	port = proxied(1, SOCK_DGRAM, to, 0);
	one = open_socket(AF_INET6, SOCK_DGRAM, "::1", port, false);
	say(one, "first");
	hear_from(served, "first", &from);
	say_to(served, "yes", &from);
	hear(one, "yes");
	for (i = 0; i < 300; i++) {
		/* They stay open: another one with the same port would be the same client. */
		others[i] = open_socket(AF_INET6, SOCK_DGRAM, "::1", port, false);
		say(others[i], "more");
		hear_from(served, "more", &from);
	}
	CHECK_INT(stats().sessions, 64);
	CHECK_INT(stats().sessions_total, 301);
	CHECK_INT(stats().sessions_evicted, 301 - 64);
	say_to(served, "late", &from);
	say(one, "me again");
	hear_from(served, "me again", &from);
	CHECK_INT(stats().sessions_total, 301);
	for (i = 0; i < 300; i++)
		close(others[i]);
	close(one);
	close(served);
	end();
}

/* --- arguments ---------------------------------------------------------------------------------- */

/* Fails if something that cannot work is accepted silently. */
static void nonsense_is_refused(void)
{
	struct proxy_target to = target(80, 1), zero = target(80, 0), nowhere = target(0, 1);
	int fd, file;

	check_about("arguments");
	CHECK_INT(sluice_proxy_open(0, &handle), -EINVAL);
	CHECK_INT(sluice_proxy_open(PROXY_MAX_WORKERS + 1, &handle), -EINVAL);
	start("arguments", PROXY_MAX_WORKERS);
	fd = open_socket(AF_INET6, SOCK_STREAM, "::", 0, true);
	file = fileno(stderr);
	CHECK_INT(sluice_proxy_listen(handle, 1, fd, address_of(&to), 0, 0, 0), -EINVAL);
	CHECK_INT(sluice_proxy_listen(handle, 1, fd, address_of(&to), 65, 0, 0), -EINVAL);
	CHECK_INT(sluice_proxy_listen(handle, 1, fd, address_of(&zero), 1, 0, 0), -EINVAL);
	CHECK_INT(sluice_proxy_listen(handle, 1, fd, address_of(&nowhere), 1, 0, 0), -EINVAL);
	CHECK_INT(sluice_proxy_listen(handle, 1, fd, address_of(&to), 1, 3, 0), -EINVAL);
	CHECK_INT(sluice_proxy_listen(handle, 1, fd, address_of(&to), 1, 0, SLUICE_PROXY_CUT), -EINVAL);
	CHECK_INT(sluice_proxy_listen(handle, 1, file, address_of(&to), 1, 0, 0), -ENOTSOCK);
	CHECK_INT(sluice_proxy_retarget(handle, 99, address_of(&to), 1, 0, 0), 0);
	CHECK_INT(sluice_proxy_remove(handle, 99, SLUICE_PROXY_CUT), 0);
	CHECK_INT(sluice_proxy_sync(handle), 0);
	CHECK_INT(stats().listeners, 0);
	close(fd);
	end();
}

int main(int argc, char **argv)
{
	if (argc != 2)
		give_up("usage: %s GOLDEN_DIRECTORY", argv[0]);
	signal(SIGPIPE, SIG_IGN);
	if (unshare(CLONE_NEWNET) < 0)
		give_up("unshare: %s", strerror(errno));
	if (system("ip link set lo up && ip address add fd00::2/64 dev lo nodad") != 0)
		give_up("ip failed");

	/* Small buffers of the kernel's, so that ours are filled soon. */
	if (system("sysctl -qw net.ipv4.tcp_rmem='4096 65536 65536' net.ipv4.tcp_wmem='4096 65536 65536'"))
		give_up("sysctl failed");

	bytes_arrive_as_they_were_sent();
	each_direction_ends_by_itself();
	a_reset_is_passed_on_as_a_reset();
	a_client_is_reset_where_the_backend_is_not_reached();
	slow_readers_slow_their_senders_only();
	what_a_dead_connection_held_is_nobody_elses();
	the_header_says_who_the_client_is();
	new_connections_go_to_the_new_target();
	a_removed_socket_stays_bound_and_its_connections_live_on_if_asked();
	targets_are_chosen_by_weight_and_kind();
	without_descriptors_clients_wait_until_one_leaves();
	ten_thousand_idle_connections_survive();
	datagrams_are_answered_to_who_asked_by_who_was_asked();
	sessions_end_when_they_are_idle();
	the_room_for_sessions_is_for_those_who_are_answered();
	nonsense_is_refused();
	return check_result("proxy_test");
}
