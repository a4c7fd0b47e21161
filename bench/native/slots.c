/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compares ways to a container in slots: slots SLOT_MS TURNS SERVER_NETNS NAME=ADDRESS:PORT...
 *
 * Whole runs drift by a factor of two on small machines; so the ways take turns every few milliseconds
 * in one process, begun by another one each time, over connections that stay open; what was measured in
 * one turn can be compared. Runs in the client's network namespace; the container is SERVER_NETNS.
 *
 * Says "warm" once the flows are settled, then reads the name of a mode, answers with a line for each
 * way, its name and how many a second in each turn, and reads the next:
 *
 *	tcp_rr, udp_rr	 one byte there, one byte back
 *	pps, pps512	 64-byte frames one way, over 1 or 512 flows, counted where they arrive; without the
 *			 time that it takes to read them there, for which a server has its own processor
 *	bulk		 bytes that arrived
 *	connect		 a connection, one byte there and back, and its end, by both
 *	datagram	 one byte there and back, each time from another port
 *	tcp_rr2, udp_rr2 as tcp_rr, udp_rr, by two threads
 *
 * Client and server are one thread on processor 0, which never waits: with nothing but the kernel in
 * between, a packet is carried to its end in the system call that sends it. A second is one of that
 * thread's processor time, in which nobody else on the machine has a part. (Where the kernel books
 * interrupts apart, CONFIG_IRQ_TIME_ACCOUNTING, the packets' way would be missing in it: it refuses.)
 * With two threads the server has processor 1, both poll, and a second is one of the clock.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WAYS 8
#define TURNS 4096
#define FLOWS 512
#define PORT 80
#define DATAGRAM 22 /* with the headers of UDP, IPv4 and Ethernet: 64 bytes */
#define BURST 32
#define PATIENCE_NS 10000000000u
/* UDP becomes an assured flow after two seconds of answers; and one packet in sixteen is looked at. */
#define WARM_NS 2600000000u
#define WARM_PASSES 160
#define NOBODY (-1)

struct way {
	char name[32];
	struct sockaddr_in address;
	int tcp, bulk, udp[FLOWS];
	int tcp_server, bulk_server;
};

static struct way ways[WAYS];
static int way_count;
static int listener, datagrams; /* the server's */
static _Atomic int served = NOBODY; /* by the second thread */
static uint64_t apart; /* nanoseconds of the slot that are not counted */

static uint64_t now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void run_on(int processor)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(processor, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		err(1, "processor %d", processor);
}

/* --- sockets ------------------------------------------------------------------------------------ */

static int server_socket(int type)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int fd = socket(AF_INET, type, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0 || (type == SOCK_STREAM && listen(fd, 16)))
		err(1, "server");
	return fd;
}

static int client_socket(const struct way *way, int type)
{
	int fd = socket(AF_INET, type, 0), one = 1;

	if (type == SOCK_STREAM)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, (const struct sockaddr *)&way->address, sizeof(way->address)) < 0)
		err(1, "connect %s", way->name);
	return fd;
}

static int accepted(void)
{
	int fd = accept(listener, NULL, NULL), one = 1;

	if (fd < 0)
		err(1, "accept");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static void open_way(struct way *way)
{
	way->tcp = client_socket(way, SOCK_STREAM);
	way->tcp_server = accepted();
	way->bulk = client_socket(way, SOCK_STREAM);
	way->bulk_server = accepted();
	for (int i = 0; i < FLOWS; i++)
		way->udp[i] = client_socket(way, SOCK_DGRAM);
}

/* --- operations: each returns how many were done --------------------------------------------------- */

/* A byte that is there already, or will be any moment. */
static void expect(int fd, struct sockaddr_in *from)
{
	socklen_t length = sizeof(*from);
	uint64_t until = 0;
	char byte;

	while (recvfrom(fd, &byte, 1, MSG_DONTWAIT, (struct sockaddr *)from, from ? &length : NULL) != 1) {
		if (errno != EAGAIN)
			err(1, "recv");
		if (!until)
			until = now(CLOCK_MONOTONIC) + PATIENCE_NS;
		else if (now(CLOCK_MONOTONIC) > until)
			errx(1, "no answer");
	}
}

static void send_byte(int fd, const struct sockaddr_in *to)
{
	if (sendto(fd, "e", 1, 0, (const struct sockaddr *)to, to ? sizeof(*to) : 0) != 1)
		err(1, "send");
}

static uint64_t ping(int client, int server)
{
	send_byte(client, NULL);
	expect(server, NULL);
	send_byte(server, NULL);
	expect(client, NULL);
	return 1;
}

static uint64_t ping_datagram(int client)
{
	struct sockaddr_in from;

	send_byte(client, NULL);
	expect(datagrams, &from);
	send_byte(datagrams, &from);
	expect(client, NULL);
	return 1;
}

static uint64_t tcp_rr(struct way *way)
{
	return ping(way->tcp, way->tcp_server);
}

static uint64_t udp_rr(struct way *way)
{
	return ping_datagram(way->udp[0]);
}

static uint64_t arrived(void)
{
	static char buffers[BURST][DATAGRAM];
	struct mmsghdr messages[BURST];
	struct iovec parts[BURST];
	uint64_t total = 0, begin = now(CLOCK_THREAD_CPUTIME_ID);
	int found;

	for (int i = 0; i < BURST; i++) {
		parts[i] = (struct iovec){ buffers[i], DATAGRAM };
		messages[i] = (struct mmsghdr){ .msg_hdr = { .msg_iov = &parts[i], .msg_iovlen = 1 } };
	}
	while ((found = recvmmsg(datagrams, messages, BURST, MSG_DONTWAIT, NULL)) > 0)
		total += (uint64_t)found;
	apart += now(CLOCK_THREAD_CPUTIME_ID) - begin;
	return total;
}

static uint64_t pps(struct way *way)
{
	static char payload[DATAGRAM];
	struct iovec part = { payload, DATAGRAM };
	struct mmsghdr messages[BURST];

	for (int i = 0; i < BURST; i++)
		messages[i] = (struct mmsghdr){ .msg_hdr = { .msg_iov = &part, .msg_iovlen = 1 } };
	if (sendmmsg(way->udp[0], messages, BURST, 0) != BURST)
		err(1, "sendmmsg");
	return arrived();
}

static uint64_t pps512(struct way *way)
{
	static char payload[DATAGRAM];
	static unsigned int next;

	for (int i = 0; i < BURST; i++)
		if (send(way->udp[next++ % FLOWS], payload, DATAGRAM, 0) != DATAGRAM)
			err(1, "send");
	return arrived();
}

static uint64_t bulk(struct way *way)
{
	static char block[256 * 1024], buffer[1024 * 1024];
	uint64_t total = 0;
	ssize_t bytes;

	if (send(way->bulk, block, sizeof(block), MSG_DONTWAIT) < 0 && errno != EAGAIN)
		err(1, "send");
	while ((bytes = recv(way->bulk_server, buffer, sizeof(buffer), MSG_DONTWAIT)) > 0)
		total += (uint64_t)bytes;
	return total;
}

static uint64_t connect_once(struct way *way)
{
	int client = client_socket(way, SOCK_STREAM), server = accepted();
	char byte;

	ping(client, server);
	close(client);
	if (recv(server, &byte, 1, 0))
		err(1, "end of the connection");
	close(server);
	return 1;
}

static uint64_t datagram(struct way *way)
{
	int client = client_socket(way, SOCK_DGRAM);

	ping_datagram(client);
	close(client);
	return 1;
}

/* --- two threads --------------------------------------------------------------------------------- */

/* Answers the way whose turn it is. */
static void *serve(void *unused)
{
	struct sockaddr_in from;
	socklen_t length;
	char byte;
	int which;

	run_on(1);
	while ((which = atomic_load(&served)) != NOBODY) {
		length = sizeof(from);
		if (recv(ways[which].tcp_server, &byte, 1, MSG_DONTWAIT) == 1)
			send_byte(ways[which].tcp_server, NULL);
		else if (recvfrom(datagrams, &byte, 1, MSG_DONTWAIT, (struct sockaddr *)&from, &length) == 1)
			send_byte(datagrams, &from);
	}
	return unused;
}

static uint64_t tcp_rr2(struct way *way)
{
	send_byte(way->tcp, NULL);
	expect(way->tcp, NULL);
	return 1;
}

static uint64_t udp_rr2(struct way *way)
{
	send_byte(way->udp[0], NULL);
	expect(way->udp[0], NULL);
	return 1;
}

/* --- turns -------------------------------------------------------------------------------------- */

static const struct mode {
	const char *name;
	uint64_t (*once)(struct way *way);
	bool two;
} modes[] = {
	{ "tcp_rr", tcp_rr, false },   { "udp_rr", udp_rr, false }, { "pps", pps, false },
	{ "pps512", pps512, false },   { "bulk", bulk, false },	    { "connect", connect_once, false },
	{ "datagram", datagram, false }, { "tcp_rr2", tcp_rr2, true }, { "udp_rr2", udp_rr2, true },
};

static double slot(const struct mode *mode, int which, uint64_t slot_ns)
{
	clockid_t clock = mode->two ? CLOCK_MONOTONIC : CLOCK_THREAD_CPUTIME_ID;
	uint64_t begin, elapsed, done = 0;

	if (mode->two)
		atomic_store(&served, which);
	apart = 0;
	begin = now(clock);
	do {
		done += mode->once(&ways[which]);
		elapsed = now(clock) - begin;
	} while (elapsed < slot_ns);
	return (double)done * 1e9 / (double)(elapsed - apart);
}

static void measure(const struct mode *mode, uint64_t slot_ns, int turns)
{
	static double rates[WAYS][TURNS];
	pthread_t server;

	if (mode->two) {
		atomic_store(&served, 0);
		pthread_create(&server, NULL, serve, NULL);
	}
	/* The first turn meets what the previous mode left in the caches. */
	for (int turn = -1; turn < turns; turn++)
		for (int i = 0; i < way_count; i++) {
			int which = (i + turn + 1) % way_count;
			double rate = slot(mode, which, slot_ns);

			if (turn >= 0)
				rates[which][turn] = rate;
		}
	if (mode->two) {
		atomic_store(&served, NOBODY);
		pthread_join(server, NULL);
	}
	for (int i = 0; i < way_count; i++) {
		printf("%s", ways[i].name);
		for (int turn = 0; turn < turns; turn++)
			printf(" %.0f", rates[i][turn]);
		printf("\n");
	}
	fflush(stdout);
}

/* Sends a while from this thread, which never sleeps: what it is booked must be what the clock says. */
static void check_the_books(void)
{
	uint64_t best = 0;

	for (int attempt = 0; attempt < 20; attempt++) {
		uint64_t clock = now(CLOCK_MONOTONIC), own = now(CLOCK_THREAD_CPUTIME_ID), share;

		for (int i = 0; i < 100; i++)
			ping_datagram(ways[0].udp[0]);
		share = 100 * (now(CLOCK_THREAD_CPUTIME_ID) - own) / (now(CLOCK_MONOTONIC) - clock);
		best = share > best ? share : best;
	}
	if (best < 80)
		errx(1, "this thread is booked %u %% of the time that it sends: the kernel books interrupts "
			"apart (CONFIG_IRQ_TIME_ACCOUNTING), or others are at work", (unsigned int)best);
}

static void warm(void)
{
	uint64_t until = now(CLOCK_MONOTONIC) + WARM_NS;

	for (int pass = 0; pass < WARM_PASSES || now(CLOCK_MONOTONIC) < until; pass++)
		for (int i = 0; i < way_count; i++) {
			for (int j = 0; j < FLOWS; j++)
				ping_datagram(ways[i].udp[j]);
			ping(ways[i].tcp, ways[i].tcp_server);
			ping(ways[i].bulk, ways[i].bulk_server);
		}
}

static void add_way(char *text)
{
	struct way *way = &ways[way_count++];
	char address[64];
	int port;

	if (way_count > WAYS || sscanf(text, "%31[^=]=%63[^:]:%d", way->name, address, &port) != 3)
		errx(2, "not NAME=ADDRESS:PORT: %s", text);
	way->address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	inet_pton(AF_INET, address, &way->address.sin_addr);
}

static void allow_sockets(void)
{
	struct rlimit files;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

static void open_server(const char *path)
{
	int home = open("/proc/self/ns/net", O_RDONLY), container = open(path, O_RDONLY);

	if (container < 0 || setns(container, CLONE_NEWNET) < 0)
		err(1, "%s", path);
	listener = server_socket(SOCK_STREAM);
	datagrams = server_socket(SOCK_DGRAM);
	if (setns(home, CLONE_NEWNET) < 0)
		err(1, "setns");
	close(home);
	close(container);
}

int main(int argc, char **argv)
{
	char name[32];

	if (argc < 5 || atoi(argv[1]) < 1 || atoi(argv[2]) < 1 || atoi(argv[2]) > TURNS)
		errx(2, "slots SLOT_MS TURNS SERVER_NETNS NAME=ADDRESS:PORT...");
	for (int i = 4; i < argc; i++)
		add_way(argv[i]);
	run_on(0);
	allow_sockets();
	open_server(argv[3]);
	for (int i = 0; i < way_count; i++)
		open_way(&ways[i]);
	warm();
	check_the_books();
	printf("warm\n");
	fflush(stdout);
	while (scanf("%31s", name) == 1) {
		const struct mode *mode = NULL;

		for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
			if (!strcmp(modes[i].name, name))
				mode = &modes[i];
		if (!mode)
			errx(2, "no mode is called %s", name);
		measure(mode, (uint64_t)atoi(argv[1]) * 1000000u, atoi(argv[2]));
	}
	return 0;
}
