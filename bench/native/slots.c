/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compares ways to a container in slots: slots MODE SLOT_MS ROUNDS SERVER_NETNS NAME=ADDRESS:PORT...
 *
 * Whole runs drift by a factor of two on small machines; so the ways take turns every few milliseconds
 * in one process, over connections that stay open, and only ratios within a round are compared. Prints
 * "warm" when it begins, then one line a way: its name and operations (bytes, for bulk) a second in each
 * round.
 *
 * Runs in the client's network namespace; the server is a thread in SERVER_NETNS.
 *
 *   tcp_rr, udp_rr   one byte there, one byte back
 *   pps, pps512      64-byte frames one way, counted where they arrive, over 1 or 512 flows
 *   bulk             bytes that arrived
 *   connect          connect, one byte there and back, close
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WAYS 8
#define FLOWS 512
#define PORT 80
#define DATAGRAM 22 /* with the headers of UDP, IPv4 and Ethernet: 64 bytes */

struct way {
	char name[32];
	struct sockaddr_in address;
	int tcp, bulk, udp[FLOWS];
};

static struct way ways[WAYS];
static int way_count;
static _Atomic uint64_t arrived;

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* --- server ------------------------------------------------------------------------------------- */

static int server_socket(int type)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int fd = socket(AF_INET, type, 0), one = 1, large = 4 << 20;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (type == SOCK_DGRAM)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &large, sizeof(large));
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0 || (type == SOCK_STREAM && listen(fd, 4096)))
		err(1, "server");
	return fd;
}

/* 'e' is answered, everything else is counted. */
static void serve_udp(int fd)
{
	static char buffers[64][DATAGRAM];
	static struct sockaddr_in from[64];
	struct mmsghdr messages[64];
	struct iovec parts[64];
	int found;

	for (int i = 0; i < 64; i++) {
		parts[i] = (struct iovec){ buffers[i], DATAGRAM };
		messages[i] = (struct mmsghdr){ .msg_hdr = { .msg_name = &from[i],
			.msg_namelen = sizeof(from[i]), .msg_iov = &parts[i], .msg_iovlen = 1 } };
	}
	found = recvmmsg(fd, messages, 64, MSG_DONTWAIT, NULL);
	for (int i = 0; i < found; i++) {
		if (buffers[i][0] == 'e')
			sendto(fd, buffers[i], 1, 0, (struct sockaddr *)&from[i], sizeof(from[i]));
		else
			atomic_fetch_add(&arrived, 1);
	}
}

static void *serve(void *netns)
{
	static char buffer[1 << 20];
	struct epoll_event event;
	int poller, listener, datagrams, one = 1;

	if (setns((int)(intptr_t)netns, CLONE_NEWNET) < 0)
		err(1, "setns");
	poller = epoll_create1(0);
	listener = server_socket(SOCK_STREAM);
	datagrams = server_socket(SOCK_DGRAM);
	event = (struct epoll_event){ .events = EPOLLIN, .data.fd = listener };
	epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
	event.data.fd = datagrams;
	epoll_ctl(poller, EPOLL_CTL_ADD, datagrams, &event);
	for (;;) {
		if (epoll_wait(poller, &event, 1, -1) < 1)
			continue;
		if (event.data.fd == listener) {
			int fd = accept(listener, NULL, NULL);

			setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
			event = (struct epoll_event){ .events = EPOLLIN, .data.fd = fd };
			epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
		} else if (event.data.fd == datagrams) {
			serve_udp(datagrams);
		} else {
			ssize_t bytes = recv(event.data.fd, buffer, sizeof(buffer), 0);

			if (bytes <= 0)
				close(event.data.fd);
			else if (bytes == 1)
				send(event.data.fd, buffer, 1, MSG_NOSIGNAL);
			else
				atomic_fetch_add(&arrived, (uint64_t)bytes);
		}
	}
	return NULL;
}

/* --- client ------------------------------------------------------------------------------------- */

static int client_socket(const struct way *way, int type)
{
	struct timeval patience = { 1, 0 };
	int fd = socket(AF_INET, type, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (type == SOCK_STREAM)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, (const struct sockaddr *)&way->address, sizeof(way->address)) < 0)
		err(1, "connect %s", way->name);
	return fd;
}

static uint64_t ping(int fd, char byte)
{
	if (send(fd, &byte, 1, 0) != 1 || recv(fd, &byte, 1, 0) != 1)
		err(1, "ping");
	return 1;
}

static void flood(struct way *way, int flows)
{
	static char payload[DATAGRAM] = "n";
	static struct mmsghdr messages[32];
	static struct iovec part = { payload, DATAGRAM };
	static int turn;

	for (int i = 0; i < 32; i++)
		messages[i].msg_hdr = (struct msghdr){ .msg_iov = &part, .msg_iovlen = 1 };
	if (flows == 1)
		sendmmsg(way->udp[0], messages, 32, 0);
	else
		for (int i = 0; i < 32; i++)
			send(way->udp[turn++ % flows], payload, DATAGRAM, 0);
}

static uint64_t connect_once(struct way *way)
{
	int fd = client_socket(way, SOCK_STREAM);

	ping(fd, 'e');
	close(fd);
	return 1;
}

static double slot(struct way *way, const char *mode, uint64_t slot_ns)
{
	static char block[256 * 1024];
	uint64_t begin = now(), done = 0, before = atomic_load(&arrived), elapsed;
	bool one_way = !strncmp(mode, "pps", 3) || !strcmp(mode, "bulk");

	do {
		if (!strcmp(mode, "tcp_rr"))
			done += ping(way->tcp, 'e');
		else if (!strcmp(mode, "udp_rr"))
			done += ping(way->udp[0], 'e');
		else if (!strcmp(mode, "pps"))
			flood(way, 1);
		else if (!strcmp(mode, "pps512"))
			flood(way, FLOWS);
		else if (!strcmp(mode, "bulk"))
			send(way->bulk, block, sizeof(block), 0);
		else
			done += connect_once(way);
		elapsed = now() - begin;
	} while (elapsed < slot_ns);
	if (one_way) {
		done = atomic_load(&arrived) - before;
		/* What is still queued does not fall into the next one's slot. */
		for (uint64_t last = 0; last != atomic_load(&arrived); usleep(1000))
			last = atomic_load(&arrived);
	}
	return (double)done * 1e9 / (double)elapsed;
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

int main(int argc, char **argv)
{
	static double results[WAYS][4096];
	uint64_t slot_ns, warm_until;
	const char *mode;
	pthread_t server;
	int rounds, netns;

	if (argc < 6)
		errx(2, "slots MODE SLOT_MS ROUNDS SERVER_NETNS NAME=ADDRESS:PORT...");
	mode = argv[1];
	slot_ns = strtoull(argv[2], NULL, 10) * 1000000;
	rounds = atoi(argv[3]);
	netns = open(argv[4], O_RDONLY);
	if (netns < 0 || rounds < 1 || rounds > 4096)
		err(2, "%s", argv[4]);
	for (int i = 5; i < argc; i++)
		add_way(argv[i]);
	pthread_create(&server, NULL, serve, (void *)(intptr_t)netns);
	usleep(50000);
	for (int i = 0; i < way_count; i++) {
		ways[i].tcp = client_socket(&ways[i], SOCK_STREAM);
		ways[i].bulk = client_socket(&ways[i], SOCK_STREAM);
		for (int j = 0; j < FLOWS; j++)
			ways[i].udp[j] = client_socket(&ways[i], SOCK_DGRAM);
	}
	/* UDP becomes an assured flow after two seconds of answers, and 512 take their time to be learned. */
	warm_until = now() + (strcmp(mode, "pps512") ? 3500000000u : 10000000000u);
	for (; now() < warm_until; usleep(20000))
		for (int i = 0; i < way_count; i++) {
			for (int j = 0; j < (strcmp(mode, "pps512") ? 1 : FLOWS); j++)
				ping(ways[i].udp[j], 'e');
			ping(ways[i].tcp, 'e');
			ping(ways[i].bulk, 'e');
		}
	printf("warm\n");
	fflush(stdout);
	for (int round = 0; round < rounds; round++)
		for (int i = 0; i < way_count; i++) {
			int turn = (i + round) % way_count;

			results[turn][round] = slot(&ways[turn], mode, slot_ns);
		}
	for (int i = 0; i < way_count; i++) {
		printf("%s", ways[i].name);
		for (int round = 0; round < rounds; round++)
			printf(" %.0f", results[i][round]);
		printf("\n");
	}
	return 0;
}
