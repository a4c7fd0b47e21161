// SPDX-License-Identifier: Apache-2.0
/*
 * flood: makes conntrack events at a given rate and keeps a ledger of them.
 *
 *	flood [-r EVENTS-PER-SECOND] [-s SECONDS] [-w FLOWS] [-b BYTES] -p PID
 *
 * A flow is one datagram from one socket to an address of its own in 127.0.0.0/8, which is one NEW;
 * its end is a deletion through ctnetlink, which is one DESTROY. At most FLOWS (8,192) are open at a
 * time and none at the end, so there are as many ends as beginnings and every flow of the ledger was
 * confirmed by the kernel: a datagram that cannot be sent, a deletion that the kernel refuses and a
 * table that does not hold the flows it should end the program with a message. Without -r it goes as
 * fast as it can.
 *
 * PID listens, with a receive buffer of BYTES as the kernel accounts them if -b is given: it is set
 * from outside, as not everybody has an option that does it (that of conntrack 1.4.7 enlarges another
 * socket than the one its events come to). The flood begins when a socket of the network namespace has joined the groups of
 * conntrack events, and is measured until what is queued there has been read and the listener rests.
 * Reported of it: the processor time of the process (CLOCK_PROCESS_CPUTIME_ID) and of its thread
 * "sluice-events", if there is one, and how many messages the kernel dropped at those sockets
 * (/proc/net/netlink); and how long it took to rest after the last event, 20 ms at least.
 *
 * Prints one JSON object. Needs root, and a namespace in which connections are tracked.
 */
#define _GNU_SOURCE /* sendmmsg, sched_setaffinity */
#include <arpa/inet.h>
#include <dirent.h>
#include <getopt.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include "tally.h"

#define PORT 9 /* discard */
#define SOURCE_PORT 40000
#define FIRST_ADDRESS 0x7f010000u /* 127.1.0.0 */
#define ADDRESSES (1u << 22)	  /* then they are used again: long after the end of their flows */
#define FLOWS_MAX 100000u	  /* the table's size is the whole machine's: leave room for others */
#define BATCH_PACED 4u
#define BATCH_MAX 32u
#define ENDLESS UINT64_MAX
#define EVENT_GROUPS 0x7u /* NFNLGRP_CONNTRACK_NEW, _UPDATE, _DESTROY */
#define SETTLE_MS 20
#define SETTLED_NS 2000000u /* of processor time in SETTLE_MS: it does its housekeeping only */
#define SETTLE_LIMIT_NS 20000000000u

struct deletion {
	struct nlmsghdr header;
	struct nfgenmsg subsystem;
	struct nlattr tuple;
	struct nlattr ip;
	struct nlattr source;
	uint32_t source_address;
	struct nlattr destination;
	uint32_t destination_address;
	struct nlattr proto;
	struct nlattr number;
	uint8_t protocol, padding[3];
	struct nlattr source_port;
	uint16_t source_port_number, padding_source;
	struct nlattr destination_port;
	uint16_t destination_port_number, padding_destination;
};

static int traffic_fd, conntrack_fd;
static uint64_t made, deleted;

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	if (clock_gettime(clock, &now) < 0)
		give_up("flood: the listener's processor time: %s", strerror(errno));
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void sleep_ms(long ms)
{
	struct timespec pause = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&pause, NULL);
}

static void open_sockets(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	struct sockaddr_in source = { .sin_family = AF_INET, .sin_port = htons(SOURCE_PORT) };
	int receiver = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	traffic_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	conntrack_fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	if (traffic_fd < 0 || receiver < 0 || conntrack_fd < 0)
		give_up("flood: socket: %s", strerror(errno));
	/* Nobody reads: it is full at once, and what follows is dropped behind conntrack. */
	source.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(receiver, (struct sockaddr *)&any, sizeof(any)) < 0 ||
	    bind(traffic_fd, (struct sockaddr *)&source, sizeof(source)) < 0)
		give_up("flood: bind: %s", strerror(errno));
}

static uint32_t address_of(uint64_t flow)
{
	return htonl(FIRST_ADDRESS + (uint32_t)(flow % ADDRESSES));
}

static void make_flows(unsigned int count)
{
	struct sockaddr_in to[BATCH_MAX];
	struct mmsghdr messages[BATCH_MAX];
	struct iovec payload = { .iov_base = "x", .iov_len = 1 };
	unsigned int i;
	int sent;

	memset(messages, 0, sizeof(messages));
	for (i = 0; i < count; i++) {
		to[i] = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(PORT) };
		to[i].sin_addr.s_addr = address_of(made + i);
		messages[i].msg_hdr.msg_name = &to[i];
		messages[i].msg_hdr.msg_namelen = sizeof(to[i]);
		messages[i].msg_hdr.msg_iov = &payload;
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	sent = sendmmsg(traffic_fd, messages, count, 0);
	if (sent != (int)count)
		give_up("flood: of %u datagrams %d were sent: %s", count, sent, strerror(errno));
	made += count;
}

static struct nlattr attribute(uint16_t type, size_t payload)
{
	return (struct nlattr){ .nla_len = (uint16_t)(sizeof(struct nlattr) + payload),
				.nla_type = type };
}

static struct deletion deletion_of(uint64_t flow)
{
	const size_t field = 2 * sizeof(struct nlattr); /* four bytes, or padded to four */

	return (struct deletion){
		.header = { .nlmsg_len = sizeof(struct deletion),
			    .nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE,
			    .nlmsg_flags = NLM_F_REQUEST },
		.subsystem = { .nfgen_family = AF_INET, .version = NFNETLINK_V0 },
		.tuple = attribute(NLA_F_NESTED | CTA_TUPLE_ORIG,
				   2 * sizeof(struct nlattr) + 5 * field),
		.ip = attribute(NLA_F_NESTED | CTA_TUPLE_IP, 2 * field),
		.source = attribute(CTA_IP_V4_SRC, 4),
		.source_address = htonl(INADDR_LOOPBACK),
		.destination = attribute(CTA_IP_V4_DST, 4),
		.destination_address = address_of(flow),
		.proto = attribute(NLA_F_NESTED | CTA_TUPLE_PROTO, 3 * field),
		.number = attribute(CTA_PROTO_NUM, 1),
		.protocol = IPPROTO_UDP,
		.source_port = attribute(CTA_PROTO_SRC_PORT, 2),
		.source_port_number = htons(SOURCE_PORT),
		.destination_port = attribute(CTA_PROTO_DST_PORT, 2),
		.destination_port_number = htons(PORT),
	};
}

/* Only refusals are answered. */
static void check_refusals(void)
{
	char answer[4096];
	ssize_t got = recv(conntrack_fd, answer, sizeof(answer), MSG_DONTWAIT);
	struct nlmsgerr error;

	if (got < 0 && errno == EAGAIN)
		return;
	if (got < (ssize_t)(sizeof(struct nlmsghdr) + sizeof(error)))
		give_up("flood: a deletion's answer: %s", got < 0 ? strerror(errno) : "too short");
	memcpy(&error, answer + sizeof(struct nlmsghdr), sizeof(error));
	give_up("flood: a deletion was refused: %s", strerror(-error.error));
}

static void delete_flows(unsigned int count)
{
	struct deletion deletions[BATCH_MAX];
	unsigned int i;

	for (i = 0; i < count; i++)
		deletions[i] = deletion_of(deleted + i);
	if (send(conntrack_fd, deletions, count * sizeof(deletions[0]), 0) < 0)
		give_up("flood: deletion: %s", strerror(errno));
	check_refusals();
	deleted += count;
}

static uint64_t flows_in_table(void)
{
	unsigned long long count;
	FILE *file = fopen("/proc/sys/net/netfilter/nf_conntrack_count", "r");

	if (!file || fscanf(file, "%llu", &count) != 1)
		give_up("flood: nf_conntrack_count cannot be read");
	fclose(file);
	return count;
}

/*
 * The namespace has no other flows than these. One that is deleted counts until its datagram is out of
 * the kernel's hands, which takes a moment where the processor has much to do.
 */
static void check_table(void)
{
	int patience = 1000;

	while (flows_in_table() != made - deleted && patience-- > 0)
		sleep_ms(1);
	if (patience < 0)
		give_up("flood: the table holds %llu flows instead of %llu",
			(unsigned long long)flows_in_table(), (unsigned long long)(made - deleted));
}

struct listeners {
	unsigned int sockets;
	uint64_t queued_bytes;
	uint64_t drops;
};

/* The sockets that listen for conntrack events in this namespace. */
static struct listeners listeners(void)
{
	struct listeners all = { 0 };
	char line[256];
	FILE *file = fopen("/proc/net/netlink", "r");

	if (!file)
		give_up("flood: /proc/net/netlink: %s", strerror(errno));
	while (fgets(line, sizeof(line), file)) {
		unsigned int protocol, groups;
		unsigned long long queued, drops;

		if (sscanf(line, "%*s %u %*u %x %llu %*s %*s %*s %llu", &protocol, &groups, &queued,
			   &drops) == 4 &&
		    protocol == NETLINK_NETFILTER && (groups & EVENT_GROUPS)) {
			all.sockets++;
			all.queued_bytes += queued;
			all.drops += drops;
		}
	}
	fclose(file);
	return all;
}

/* Processor time of the library's thread, to the nanosecond; 0 if the process has none. */
static uint64_t event_thread_ns(pid_t pid)
{
	unsigned long long ns = 0;
	struct dirent *task;
	char path[300];
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	tasks = opendir(path);
	while (tasks && (task = readdir(tasks))) {
		char comm[32] = "";
		FILE *file;

		snprintf(path, sizeof(path), "/proc/%d/task/%s/comm", pid, task->d_name);
		file = fopen(path, "r");
		if (file && fgets(comm, sizeof(comm), file) && strcmp(comm, "sluice-events\n") == 0) {
			FILE *schedstat;
			unsigned long long own;

			snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", pid, task->d_name);
			schedstat = fopen(path, "r");
			if (schedstat && fscanf(schedstat, "%llu", &own) == 1)
				ns += own;
			if (schedstat)
				fclose(schedstat);
		}
		if (file)
			fclose(file);
	}
	if (tasks)
		closedir(tasks);
	return ns;
}

static void await_listener(void)
{
	int patience = 1000;

	while (listeners().sockets == 0 && patience-- > 0)
		sleep_ms(10);
	if (patience < 0)
		give_up("flood: nobody listens for conntrack events here");
	sleep_ms(50); /* it may have to set its buffer yet */
}

/* Enlarges the buffer of the sockets of @pid that listen for conntrack events. */
static void set_buffers(pid_t pid, int bytes)
{
	unsigned int enlarged = 0;
	struct dirent *entry;
	char path[64];
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	DIR *descriptors;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	descriptors = opendir(path);
	if (pidfd < 0 || !descriptors)
		give_up("flood: the listener's descriptors: %s", strerror(errno));
	while ((entry = readdir(descriptors))) {
		struct sockaddr_nl address = { 0 };
		socklen_t size = sizeof(address);
		int half = bytes / 2; /* the kernel doubles it */
		int fd = (int)syscall(SYS_pidfd_getfd, pidfd, atoi(entry->d_name), 0);

		if (fd < 0)
			continue; /* "." and "..", or closed meanwhile */
		if (getsockname(fd, (struct sockaddr *)&address, &size) == 0 &&
		    address.nl_family == AF_NETLINK && (address.nl_groups & EVENT_GROUPS)) {
			if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &half, sizeof(half)) < 0)
				give_up("flood: the listener's buffer: %s", strerror(errno));
			enlarged++;
		}
		close(fd);
	}
	closedir(descriptors);
	close(pidfd);
	if (!enlarged)
		give_up("flood: process %d has no socket for conntrack events", pid);
}

static void await_rest(clockid_t clock)
{
	uint64_t limit = clock_ns(CLOCK_MONOTONIC) + SETTLE_LIMIT_NS;
	uint64_t before, after = clock_ns(clock);

	do {
		before = after;
		sleep_ms(SETTLE_MS);
		after = clock_ns(clock);
	} while ((after - before > SETTLED_NS || listeners().queued_bytes > 0) &&
		 clock_ns(CLOCK_MONOTONIC) < limit);
}

/* @rate is 0 for as fast as possible. */
static void run(uint64_t rate, double seconds, uint64_t window)
{
	unsigned int batch = rate > 0 ? BATCH_PACED : BATCH_MAX;
	uint64_t flows = rate > 0 ? (uint64_t)((double)rate * seconds / 2) : ENDLESS;
	uint64_t start = clock_ns(CLOCK_MONOTONIC), events = 0;
	uint64_t end = start + (uint64_t)(seconds * 1e9);
	bool full = false;

	if (flows != ENDLESS)
		flows -= flows % batch;
	while (deleted < flows) {
		if (rate > 0)
			while (clock_ns(CLOCK_MONOTONIC) - start < events * 1000000000u / rate)
				;
		else if (flows == ENDLESS && clock_ns(CLOCK_MONOTONIC) > end)
			flows = made;
		if (made < flows && made - deleted < window) {
			make_flows(batch);
			events += batch;
		}
		if (made == flows || made - deleted >= window) {
			if (!full)
				check_table();
			full = true;
			delete_flows(batch);
			events += batch;
		}
	}
	check_table();
}

static double number(const char *text, double least, double most)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value >= least && value <= most)) {
		fprintf(stderr, "flood: '%s' is not a number from %g to %g\n", text, least, most);
		exit(2);
	}
	return value;
}

int main(int argc, char **argv)
{
	uint64_t rate = 0, window = 8192, start, load_ns, rest_ns, cpu_ns, thread_ns;
	double seconds = 1;
	struct listeners before, after;
	clockid_t clock;
	pid_t pid = 0;
	int option, buffer_bytes = 0;

	_Static_assert(sizeof(struct deletion) == 72, "attributes are aligned to four bytes");
	while ((option = getopt(argc, argv, "r:s:w:b:p:")) != -1) {
		switch (option) {
		case 'r':
			rate = (uint64_t)number(optarg, 100, 10e6);
			break;
		case 's':
			seconds = number(optarg, 0.1, 86400);
			break;
		case 'w':
			window = (uint64_t)number(optarg, BATCH_MAX, FLOWS_MAX);
			break;
		case 'b':
			buffer_bytes = (int)number(optarg, 4096, INT32_MAX);
			break;
		case 'p':
			pid = (pid_t)number(optarg, 1, INT32_MAX);
			break;
		default:
			pid = 0;
			optind = argc;
		}
	}
	if (pid == 0) {
		fprintf(stderr, "usage: flood [-r events-per-second] [-s seconds] [-w flows] [-b bytes] -p pid\n");
		return 2;
	}
	if (clock_getcpuclockid(pid, &clock) != 0)
		give_up("flood: there is no process %d", pid);
	open_sockets();
	await_listener();
	if (buffer_bytes > 0)
		set_buffers(pid, buffer_bytes);
	check_table();
	await_rest(clock);

	before = listeners();
	cpu_ns = clock_ns(clock);
	thread_ns = event_thread_ns(pid);
	start = clock_ns(CLOCK_MONOTONIC);
	run(rate, seconds, window);
	load_ns = clock_ns(CLOCK_MONOTONIC) - start;
	await_rest(clock);
	rest_ns = clock_ns(CLOCK_MONOTONIC) - start - load_ns;
	after = listeners();
	printf("{\"new\":%llu,\"destroy\":%llu,\"load_ns\":%llu,\"rest_ns\":%llu,\"cpu_ns\":%llu,"
	       "\"thread_cpu_ns\":%llu,\"drops\":%llu}\n",
	       (unsigned long long)made, (unsigned long long)deleted, (unsigned long long)load_ns,
	       (unsigned long long)rest_ns,
	       (unsigned long long)(clock_ns(clock) - cpu_ns),
	       (unsigned long long)(event_thread_ns(pid) - thread_ns),
	       (unsigned long long)(after.drops - before.drops));
	return 0;
}
