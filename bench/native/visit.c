// SPDX-License-Identifier: Apache-2.0
/*
 * visit: goes several ways to a server, in turns, and says how fast each of them is.
 *
 *	visit [-s SLOT-MS] [-n TURNS] [-c CONNECTIONS] [-b BYTES] [-r] [-f] WHAT WAY...
 *
 * A WAY is CLIENT,HOST,SERVER,ADDRESS,PORT,SERVER-PORT,PID: three files of network namespaces, what the
 * client asks for (IPv4 or IPv6), the port where the server listens, on 0.0.0.0, and the process that
 * carries the bytes, or 0. WHAT is
 *
 *	connect	 a connection, BYTES to the server, as many back, and its end: in both directions, or with
 *		 -r by a reset from the client
 *	request	 BYTES to the server and back, on CONNECTIONS that are open already
 *	up, down bytes one way on an open connection, 256 KiB a call, until the slot's end; counted when
 *		 the last of them has arrived
 *	udp	 as request, in datagrams, each of CONNECTIONS from a port of its own
 *
 * One turn is a slot of SLOT-MS for each way, begun by another one each time: what drifts meets all of
 * them, and those of a turn can be compared in pairs. A slot ends with what was begun in it.
 *
 * Client and server are one thread: with nothing but the kernel between them, a packet is carried to its
 * end in the system call that sends it, so that no other processor and no scheduler has a part in it. It
 * also runs on one processor, number 0. Only "up" and "down" have a second thread, which sends.
 *
 * The client's port is free again at once, the same for all: its namespace keeps no connection in
 * TIME_WAIT (net.ipv4.tcp_max_tw_buckets of the caller's making). With -f HOST's conntrack table is
 * emptied before every slot.
 *
 * Prints a line for each slot: turn, way (from 0), how many (connections, requests or bytes), the
 * nanoseconds they took, and those of processor time that this thread used, and that PID did. Anything
 * that does not arrive within five seconds, or arrives changed, ends it with a message.
 */
#define _GNU_SOURCE /* setns, sched_setaffinity */
#include <arpa/inet.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#include "tally.h"

#define WAYS_MAX 32
#define CONNECTIONS_MAX 64
#define BYTES_MAX 1024
#define FIELDS 7
#define PATIENCE_S 5
#define WARM_UP 4
#define PIECE (256 * 1024)
#define NS_PER_MS 1000000u
#define NS_PER_S 1000000000u

enum what { CONNECT, REQUEST, UP, DOWN, UDP };

struct way {
	const char *text;
	int client_ns, host_ns, server_ns;
	struct sockaddr_storage to;
	socklen_t to_length;
	uint16_t server_port;
	pid_t pid;
	clockid_t clock;
	int listener; /* of UDP: the server's only socket */
	int client[CONNECTIONS_MAX], server[CONNECTIONS_MAX];
};

static enum what what;
static bool by_reset;
static int connections = 1;
static size_t bytes = 1;
static struct way ways[WAYS_MAX];
static char piece[PIECE];

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	if (clock_gettime(clock, &now) < 0)
		give_up("visit: clock: %s", strerror(errno));
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

__attribute__((noreturn)) static void failed(const struct way *way, const char *step)
{
	give_up("visit: %s: %s: %s", way->text, step,
		errno == EAGAIN ? "nothing came within five seconds" : strerror(errno));
}

static void enter(const struct way *way, int ns)
{
	if (setns(ns, CLONE_NEWNET) < 0)
		failed(way, "setns");
}

static int open_ns(const struct way *way, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		failed(way, path);
	return fd;
}

static long number(const struct way *way, const char *text, long most)
{
	char *end;
	long value;

	errno = EINVAL;
	value = strtol(text, &end, 10);
	if (!*text || *end || value < 0 || value > most)
		failed(way, text);
	return value;
}

static void parse(struct way *way, char *text)
{
	struct sockaddr_in *ipv4 = (struct sockaddr_in *)&way->to;
	struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)&way->to;
	char *field[FIELDS];
	uint16_t port;
	int i;

	way->text = strdup(text);
	for (i = 0; i < FIELDS; i++) {
		field[i] = strsep(&text, ",");
		if (!field[i])
			give_up("visit: a way has %d fields: %s", FIELDS, way->text);
	}
	way->client_ns = open_ns(way, field[0]);
	way->host_ns = open_ns(way, field[1]);
	way->server_ns = open_ns(way, field[2]);
	port = htons((uint16_t)number(way, field[4], UINT16_MAX));
	way->server_port = (uint16_t)number(way, field[5], UINT16_MAX);
	way->pid = (pid_t)number(way, field[6], INT32_MAX);
	if (inet_pton(AF_INET, field[3], &ipv4->sin_addr) == 1) {
		ipv4->sin_family = AF_INET;
		ipv4->sin_port = port;
		way->to_length = sizeof(*ipv4);
	} else if (inet_pton(AF_INET6, field[3], &ipv6->sin6_addr) == 1) {
		ipv6->sin6_family = AF_INET6;
		ipv6->sin6_port = port;
		way->to_length = sizeof(*ipv6);
	} else {
		give_up("visit: not an address: %s", field[3]);
	}
	if (way->pid && clock_getcpuclockid(way->pid, &way->clock) != 0)
		give_up("visit: no process %d", way->pid);
}

static int make_socket(const struct way *way, int family)
{
	struct timeval patience = { .tv_sec = PATIENCE_S };
	int one = 1;
	int type = what == UDP ? SOCK_DGRAM : SOCK_STREAM;
	int fd = socket(family, type | SOCK_CLOEXEC, 0);

	/* Nagle would wait for an acknowledgement between two requests. Accepted sockets inherit all. */
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
	    (what != UDP && setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0))
		failed(way, "socket");
	return fd;
}

static void serve(struct way *way)
{
	struct sockaddr_in any = { .sin_family = AF_INET };
	int one = 1;

	enter(way, way->server_ns);
	any.sin_port = htons(way->server_port);
	way->listener = make_socket(way, AF_INET);
	if (setsockopt(way->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(way->listener, (struct sockaddr *)&any, sizeof(any)) < 0 ||
	    (what != UDP && listen(way->listener, CONNECTIONS_MAX) < 0))
		failed(way, "server");
}

static int connect_client(const struct way *way)
{
	int fd = make_socket(way, way->to.ss_family);

	if (connect(fd, (const struct sockaddr *)&way->to, way->to_length) < 0)
		failed(way, "connect");
	return fd;
}

static int accept_server(const struct way *way)
{
	int fd = accept4(way->listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		failed(way, "accept");
	return fd;
}

static void send_all(const struct way *way, int fd, size_t length)
{
	if (send(fd, piece, length, MSG_NOSIGNAL) != (ssize_t)length)
		failed(way, "send");
}

static void receive_all(const struct way *way, int fd, size_t length)
{
	char answer[BYTES_MAX];
	ssize_t got = recv(fd, answer, length, MSG_WAITALL);

	if (got >= 0 && ((size_t)got != length || memcmp(answer, piece, length) != 0))
		give_up("visit: %s: what arrived is not what was sent", way->text);
	if (got < 0)
		failed(way, "receive");
}

static void receive_end(const struct way *way, int fd)
{
	char more;
	ssize_t got = recv(fd, &more, 1, 0);

	if (got > 0)
		give_up("visit: %s: more arrived than was sent", way->text);
	if (got < 0)
		failed(way, "the end");
}

static void reset(const struct way *way, int fd)
{
	struct linger at_once = { .l_onoff = 1 };

	if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)) < 0)
		failed(way, "linger");
	close(fd);
}

/* The client ends it, as an HTTP client does that asked for one thing. */
static void visit_once(const struct way *way)
{
	int client = connect_client(way);
	int server;

	send_all(way, client, bytes);
	server = accept_server(way);
	receive_all(way, server, bytes);
	send_all(way, server, bytes);
	receive_all(way, client, bytes);
	if (by_reset) {
		reset(way, client);
		close(server);
		return;
	}
	if (shutdown(client, SHUT_WR) < 0)
		failed(way, "shutdown");
	receive_end(way, server);
	close(server);
	receive_end(way, client);
	close(client);
}

static void open_connections(struct way *way)
{
	int i;

	enter(way, way->client_ns);
	for (i = 0; i < connections; i++) {
		way->client[i] = connect_client(way);
		if (what == UDP)
			continue;
		/* A proxy may connect to the server only when there is something to carry. */
		send_all(way, way->client[i], bytes);
		way->server[i] = accept_server(way);
		receive_all(way, way->server[i], bytes);
	}
}

/* As many requests as connections, all under way at a time. */
static void request_each(const struct way *way)
{
	int i;

	for (i = 0; i < connections; i++)
		send_all(way, way->client[i], bytes);
	for (i = 0; i < connections; i++) {
		receive_all(way, way->server[i], bytes);
		send_all(way, way->server[i], bytes);
	}
	for (i = 0; i < connections; i++)
		receive_all(way, way->client[i], bytes);
}

static void datagram_each(const struct way *way)
{
	struct sockaddr_in from;
	char datagram[BYTES_MAX];
	int i;

	for (i = 0; i < connections; i++)
		send_all(way, way->client[i], bytes);
	for (i = 0; i < connections; i++) {
		socklen_t length = sizeof(from);
		ssize_t got = recvfrom(way->listener, datagram, sizeof(datagram), 0,
				       (struct sockaddr *)&from, &length);

		if (got < 0)
			failed(way, "datagram");
		if (sendto(way->listener, datagram, (size_t)got, 0, (struct sockaddr *)&from, length) != got)
			failed(way, "answer");
	}
	for (i = 0; i < connections; i++)
		receive_all(way, way->client[i], bytes);
}

struct stream {
	const struct way *way;
	int fd;
	uint64_t until;
	uint64_t sent;
	bool ended;
};

static void *send_stream(void *argument)
{
	struct stream *stream = argument;

	do {
		ssize_t sent = send(stream->fd, piece, PIECE, MSG_NOSIGNAL);

		if (sent < 0)
			failed(stream->way, "send");
		stream->sent += (uint64_t)sent;
	} while (clock_ns(CLOCK_MONOTONIC) < stream->until);
	__atomic_store_n(&stream->ended, true, __ATOMIC_RELEASE);
	return NULL;
}

/* Until the last byte is there, whose time is left in end_ns. */
static uint64_t stream_bytes(const struct way *way, uint64_t until, uint64_t *end_ns)
{
	static char received[PIECE];
	struct stream stream = { .way = way, .until = until };
	struct pollfd arrival = { .fd = what == UP ? way->server[0] : way->client[0], .events = POLLIN };
	uint64_t total = 0;
	pthread_t sender;

	stream.fd = what == UP ? way->client[0] : way->server[0];
	*end_ns = clock_ns(CLOCK_MONOTONIC);
	errno = pthread_create(&sender, NULL, send_stream, &stream);
	if (errno)
		failed(way, "thread");
	while (!__atomic_load_n(&stream.ended, __ATOMIC_ACQUIRE) || total < stream.sent) {
		ssize_t got = recv(arrival.fd, received, PIECE, MSG_DONTWAIT);

		if (got > 0) {
			*end_ns = clock_ns(CLOCK_MONOTONIC);
			total += (uint64_t)got;
		} else if (got == 0 || errno != EAGAIN ||
			   clock_ns(CLOCK_MONOTONIC) > *end_ns + (uint64_t)PATIENCE_S * NS_PER_S) {
			failed(way, "receive");
		} else if (poll(&arrival, 1, 1) < 0) {
			failed(way, "poll");
		}
	}
	pthread_join(sender, NULL);
	return total;
}

/* IPCTNL_MSG_CT_DELETE without a tuple: every entry of the namespace. */
static void flush_conntrack(const struct way *way)
{
	struct {
		struct nlmsghdr header;
		struct nfgenmsg subsystem;
	} request = {
		.header = { .nlmsg_len = sizeof(request),
			    .nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
		.subsystem = { .nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0 },
	};
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
	} answer;
	int fd;

	enter(way, way->host_ns);
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	if (fd < 0 || send(fd, &request, sizeof(request), 0) < 0 ||
	    recv(fd, &answer, sizeof(answer), 0) < (ssize_t)sizeof(answer))
		failed(way, "conntrack");
	close(fd);
	if (answer.header.nlmsg_type != NLMSG_ERROR || answer.error.error)
		give_up("visit: %s: conntrack: %s", way->text, strerror(-answer.error.error));
}

static void slot(const struct way *way, int turn, uint64_t slot_ns)
{
	uint64_t begin, end, own, others, count = 0;
	int i;

	for (i = 0; i < WARM_UP; i++) {
		if (what == CONNECT)
			visit_once(way);
		else if (what == REQUEST)
			request_each(way);
		else if (what == UDP)
			datagram_each(way);
	}
	others = way->pid ? clock_ns(way->clock) : 0;
	own = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	begin = clock_ns(CLOCK_MONOTONIC);
	do {
		if (what == CONNECT) {
			visit_once(way);
			count++;
		} else if (what == REQUEST) {
			request_each(way);
			count += (uint64_t)connections;
		} else if (what == UDP) {
			datagram_each(way);
			count += (uint64_t)connections;
		} else {
			count += stream_bytes(way, begin + slot_ns, &end);
			break;
		}
		end = clock_ns(CLOCK_MONOTONIC);
	} while (end < begin + slot_ns);
	own = clock_ns(CLOCK_THREAD_CPUTIME_ID) - own;
	others = way->pid ? clock_ns(way->clock) - others : 0;
	printf("%d %td %llu %llu %llu %llu\n", turn, way - ways, (unsigned long long)count,
	       (unsigned long long)(end - begin), (unsigned long long)own, (unsigned long long)others);
}

static enum what what_of(const char *word)
{
	static const char *const words[] = { "connect", "request", "up", "down", "udp" };
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strcmp(word, words[i]) == 0)
			return (enum what)i;
	give_up("visit: connect, request, up, down or udp, not '%s'", word);
}

static long option_number(int option, long least, long most)
{
	char *end;
	long value = strtol(optarg, &end, 10);

	if (!*optarg || *end || value < least || value > most)
		give_up("visit: -%c takes %ld to %ld, not '%s'", option, least, most, optarg);
	return value;
}

static void stay_on_first_processor(void)
{
	cpu_set_t first;

	CPU_ZERO(&first);
	CPU_SET(0, &first);
	if (sched_setaffinity(0, sizeof(first), &first) < 0)
		give_up("visit: processor 0: %s", strerror(errno));
}

int main(int argc, char **argv)
{
	uint64_t slot_ns = 50 * NS_PER_MS;
	bool flush = false;
	int turns = 20;
	int option, count, turn, i;

	while ((option = getopt(argc, argv, "s:n:c:b:rf")) != -1) {
		if (option == 's')
			slot_ns = (uint64_t)option_number(option, 1, 10000) * NS_PER_MS;
		else if (option == 'n')
			turns = (int)option_number(option, 1, 100000);
		else if (option == 'c')
			connections = (int)option_number(option, 1, CONNECTIONS_MAX);
		else if (option == 'b')
			bytes = (size_t)option_number(option, 1, BYTES_MAX);
		else if (option == 'r')
			by_reset = true;
		else if (option == 'f')
			flush = true;
		else
			return 2;
	}
	count = argc - optind - 1;
	if (count < 1 || count > WAYS_MAX)
		give_up("visit: give what to do and 1 to %d ways", WAYS_MAX);
	what = what_of(argv[optind]);
	if (what == UP || what == DOWN)
		connections = 1;
	else
		stay_on_first_processor();
	for (i = 0; i < PIECE; i++)
		piece[i] = (char)i;
	for (i = 0; i < count; i++) {
		parse(&ways[i], argv[optind + 1 + i]);
		serve(&ways[i]);
		if (what != CONNECT)
			open_connections(&ways[i]);
	}
	for (turn = 0; turn < turns; turn++) {
		for (i = 0; i < count; i++) {
			const struct way *way = &ways[(turn + i) % count];

			if (flush)
				flush_conntrack(way);
			enter(way, way->client_ns);
			slot(way, turn, slot_ns);
		}
	}
	return 0;
}
