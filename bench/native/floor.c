// SPDX-License-Identifier: Apache-2.0
/*
 * floor: what publishing costs when nothing but the kernel is in the way.
 *
 * One persistent NETLINK_NETFILTER socket in a network namespace of its own, messages written by
 * hand, and the map the agent uses for ports published on any address:
 *
 *	map any4 { type inet_proto . inet_service : ipv4_addr . inet_service; }
 *
 * Measured, per shape of element and number of elements present:
 *	getgen	one NFT_MSG_GETGEN round trip: the socket alone
 *	add	one element added in a transaction of its own, until its acknowledgement is read
 *	delete	the same for its deletion
 *	batch	many elements in one transaction, until the last message's acknowledgement is read
 * Building the message is inside the measured time, as it is for everyone compared with this.
 *
 * Shapes: "bare" is key and data; "dressed" adds what the agent's elements carry, userdata (a
 * 60-byte comment TLV) and a counter expression; "userdata" and "counter" tell which costs what.
 * "template" is dressed too, but the counter comes from the map's declaration, not from each message.
 *
 * Prints one JSON object per line. Needs root.
 */
#define _GNU_SOURCE /* unshare */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define TABLE "sluice"
#define MAP "any4"
#define MAP_ID 1

/* nft's data types, as its own library numbers them; a concatenation packs them 6 bits each. */
#define TYPE_IPADDR 7
#define TYPE_INET_PROTOCOL 12
#define TYPE_INET_SERVICE 13
#define CONCAT(first, second) ((first) << 6 | (second))
#define FIELDS_BYTES 8 /* two fields, each padded to a 32-bit register */

#define USERDATA_BYTES 60
#define UDATA_COMMENT 0 /* NFTNL_UDATA_SET_ELEM_COMMENT */

#define CHUNK_MAX 1000	      /* elements per message, at most */
#define NESTED_MAX 65535      /* a nested attribute's length is 16 bits */
#define SNDBUF_BYTES (64 << 20)
#define ACK_BYTES 8192

/* What stays present has ports from 1 to 60,000; the sampled elements have ports above. */
#define SAMPLE_PORT 61000
#define SAMPLE_PORTS 4000
#define ELEMENTS_MAX 65535
#define SAMPLES_MAX 1000000

struct shape {
	const char *name;
	bool userdata;
	bool counter;
	bool template; /* the map says "counter", so the kernel gives every element its own */
};

static const struct shape shapes[] = {
	{ .name = "bare" },
	{ .name = "userdata", .userdata = true },
	{ .name = "counter", .counter = true },
	{ .name = "dressed", .userdata = true, .counter = true },
	{ .name = "template", .userdata = true, .template = true },
};

static const unsigned int present_steps[] = { 0, 1000, 10000, 60000 };
static const unsigned int batch_sizes[] = { 10000, 60000 };

struct buffer {
	uint8_t *data;
	size_t used;
	size_t capacity;
};

struct session {
	int fd;
	uint32_t seq;
	struct buffer out;
	const struct shape *shape;
};

static void fail(const char *what, int error)
{
	fprintf(stderr, "floor: %s: %s\n", what, strerror(error));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* --- messages ------------------------------------------------------------------------------- */

/* Room for @bytes at the end of @b, zeroed and counted as used. Offsets stay valid, pointers not. */
static size_t put(struct buffer *b, size_t bytes)
{
	size_t at = b->used;

	bytes = NLMSG_ALIGN(bytes);
	if (bytes > b->capacity - b->used)
		fail("message buffer", ENOBUFS);
	memset(b->data + at, 0, bytes);
	b->used += bytes;
	return at;
}

static void attribute(struct buffer *b, uint16_t type, const void *value, size_t length)
{
	size_t at = put(b, NLA_HDRLEN + length);
	struct nlattr *a = (struct nlattr *)(b->data + at);

	a->nla_len = (uint16_t)(NLA_HDRLEN + length);
	a->nla_type = type;
	memcpy(b->data + at + NLA_HDRLEN, value, length);
}

static void attribute_text(struct buffer *b, uint16_t type, const char *text)
{
	attribute(b, type, text, strlen(text) + 1);
}

static void attribute_be32(struct buffer *b, uint16_t type, uint32_t value)
{
	value = htonl(value);
	attribute(b, type, &value, sizeof(value));
}

static size_t nest(struct buffer *b, uint16_t type)
{
	size_t at = put(b, NLA_HDRLEN);

	((struct nlattr *)(b->data + at))->nla_type = type | NLA_F_NESTED;
	return at;
}

static void nest_end(struct buffer *b, size_t at)
{
	size_t length = b->used - at;

	if (length > NESTED_MAX)
		fail("nested attribute", EMSGSIZE);
	((struct nlattr *)(b->data + at))->nla_len = (uint16_t)length;
}

static size_t message(struct session *s, uint16_t type, uint16_t flags, uint8_t family,
		      uint16_t resource)
{
	size_t at = put(&s->out, NLMSG_HDRLEN + sizeof(struct nfgenmsg));
	struct nlmsghdr *n = (struct nlmsghdr *)(s->out.data + at);
	struct nfgenmsg *g = NLMSG_DATA(n);

	n->nlmsg_type = type;
	n->nlmsg_flags = NLM_F_REQUEST | flags;
	n->nlmsg_seq = ++s->seq;
	g->nfgen_family = family;
	g->version = NFNETLINK_V0;
	g->res_id = htons(resource);
	return at;
}

static size_t nft_message(struct session *s, uint16_t type, uint16_t flags)
{
	return message(s, NFNL_SUBSYS_NFTABLES << 8 | type, flags, NFPROTO_INET, 0);
}

static void message_end(struct session *s, size_t at)
{
	((struct nlmsghdr *)(s->out.data + at))->nlmsg_len = (uint32_t)(s->out.used - at);
}

static void batch_mark(struct session *s, uint16_t type)
{
	message_end(s, message(s, type, 0, NFPROTO_UNSPEC, NFNL_SUBSYS_NFTABLES));
}

/* Asks for one acknowledgement, of the message at @at. */
static void request_ack(struct session *s, size_t at)
{
	((struct nlmsghdr *)(s->out.data + at))->nlmsg_flags |= NLM_F_ACK;
}

static void transmit(struct session *s)
{
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	ssize_t n = sendto(s->fd, s->out.data, s->out.used, 0, (const struct sockaddr *)&kernel,
			   sizeof(kernel));

	if (n < 0)
		fail("send", errno);
	if ((size_t)n != s->out.used)
		fail("send", EMSGSIZE);
	s->out.used = 0;
}

/* Reads the one acknowledgement asked for; any error the kernel reports ends the program. */
static void await_ack(struct session *s)
{
	union {
		struct nlmsghdr header;
		uint8_t bytes[ACK_BYTES];
	} in;
	ssize_t n = recv(s->fd, &in, sizeof(in), 0);
	const struct nlmsgerr *e;

	if (n < 0)
		fail("receive", errno);
	if ((size_t)n < NLMSG_LENGTH(sizeof(*e)) || in.header.nlmsg_type != NLMSG_ERROR)
		fail("receive: not an acknowledgement", EPROTO);
	e = NLMSG_DATA(&in.header);
	if (e->error)
		fail("the kernel refused a message", -e->error);
}

static void getgen(struct session *s)
{
	uint8_t in[ACK_BYTES];
	ssize_t n;

	message_end(s, nft_message(s, NFT_MSG_GETGEN, 0));
	transmit(s);
	n = recv(s->fd, in, sizeof(in), 0);
	if (n < 0)
		fail("receive", errno);
}

/* --- the map -------------------------------------------------------------------------------- */

static void counter(struct buffer *b, uint16_t type)
{
	const uint64_t zero = 0;
	size_t expr = nest(b, type), data;

	attribute_text(b, NFTA_EXPR_NAME, "counter");
	data = nest(b, NFTA_EXPR_DATA);
	attribute(b, NFTA_COUNTER_BYTES, &zero, sizeof(zero));
	attribute(b, NFTA_COUNTER_PACKETS, &zero, sizeof(zero));
	nest_end(b, data);
	nest_end(b, expr);
}

static void create_map(struct session *s)
{
	struct buffer *b = &s->out;
	size_t at;

	batch_mark(s, NFNL_MSG_BATCH_BEGIN);
	at = nft_message(s, NFT_MSG_NEWTABLE, NLM_F_CREATE);
	attribute_text(b, NFTA_TABLE_NAME, TABLE);
	message_end(s, at);
	at = nft_message(s, NFT_MSG_NEWSET, NLM_F_CREATE | NLM_F_EXCL);
	attribute_text(b, NFTA_SET_TABLE, TABLE);
	attribute_text(b, NFTA_SET_NAME, MAP);
	attribute_be32(b, NFTA_SET_FLAGS, NFT_SET_MAP | (s->shape->template ? NFT_SET_EXPR : 0));
	attribute_be32(b, NFTA_SET_KEY_TYPE, CONCAT(TYPE_INET_PROTOCOL, TYPE_INET_SERVICE));
	attribute_be32(b, NFTA_SET_KEY_LEN, FIELDS_BYTES);
	attribute_be32(b, NFTA_SET_DATA_TYPE, CONCAT(TYPE_IPADDR, TYPE_INET_SERVICE));
	attribute_be32(b, NFTA_SET_DATA_LEN, FIELDS_BYTES);
	attribute_be32(b, NFTA_SET_ID, MAP_ID);
	if (s->shape->template)
		counter(b, NFTA_SET_EXPR);
	message_end(s, at);
	request_ack(s, at);
	batch_mark(s, NFNL_MSG_BATCH_END);
	transmit(s);
	await_ack(s);
}

static void delete_table(struct session *s)
{
	size_t at;

	batch_mark(s, NFNL_MSG_BATCH_BEGIN);
	at = nft_message(s, NFT_MSG_DELTABLE, 0);
	attribute_text(&s->out, NFTA_TABLE_NAME, TABLE);
	message_end(s, at);
	request_ack(s, at);
	batch_mark(s, NFNL_MSG_BATCH_END);
	transmit(s);
	await_ack(s);
}

/* Two concatenated fields, each at the start of its own register, in network order. */
static void fields(struct buffer *b, uint16_t type, const uint8_t field[FIELDS_BYTES])
{
	size_t at = nest(b, type);

	attribute(b, NFTA_DATA_VALUE, field, FIELDS_BYTES);
	nest_end(b, at);
}

static void element(struct session *s, unsigned int port, bool full)
{
	const uint8_t key[FIELDS_BYTES] = { IPPROTO_TCP, 0, 0, 0, port >> 8, port & 0xff };
	const uint8_t data[FIELDS_BYTES] = { 172, 30, port >> 8, port & 0xff, 0, 80 };
	uint8_t userdata[USERDATA_BYTES];
	struct buffer *b = &s->out;
	size_t at = nest(b, NFTA_LIST_ELEM);

	fields(b, NFTA_SET_ELEM_KEY, key);
	if (full) {
		fields(b, NFTA_SET_ELEM_DATA, data);
		if (s->shape->userdata) {
			memset(userdata, 'x', sizeof(userdata));
			userdata[0] = UDATA_COMMENT;
			userdata[1] = USERDATA_BYTES - 2;
			userdata[USERDATA_BYTES - 1] = 0;
			attribute(b, NFTA_SET_ELEM_USERDATA, userdata, sizeof(userdata));
		}
		if (s->shape->counter)
			counter(b, NFTA_SET_ELEM_EXPR);
	}
	nest_end(b, at);
}

/* One NEWSETELEM or DELSETELEM for as many of @count elements as fit; returns how many did. */
static unsigned int element_message(struct session *s, uint16_t type, unsigned int port,
				    unsigned int count, size_t *message_at)
{
	bool full = type == NFT_MSG_NEWSETELEM;
	struct buffer *b = &s->out;
	size_t list, one = 0;
	unsigned int n = 0;

	*message_at = nft_message(s, type, full ? NLM_F_CREATE | NLM_F_EXCL : 0);
	attribute_text(b, NFTA_SET_ELEM_LIST_TABLE, TABLE);
	attribute_text(b, NFTA_SET_ELEM_LIST_SET, MAP);
	list = nest(b, NFTA_SET_ELEM_LIST_ELEMENTS);
	while (n < count && n < CHUNK_MAX && b->used - list + one <= NESTED_MAX) {
		size_t before = b->used;

		element(s, port + n++, full);
		one = b->used - before;
	}
	nest_end(b, list);
	message_end(s, *message_at);
	return n;
}

/* Adds or deletes ports [@port, @port + @count) in one transaction with one acknowledgement. */
static uint64_t commit(struct session *s, uint16_t type, unsigned int port, unsigned int count)
{
	uint64_t start = now_ns();
	unsigned int done = 0;
	size_t at = 0;

	batch_mark(s, NFNL_MSG_BATCH_BEGIN);
	while (done < count)
		done += element_message(s, type, port + done, count - done, &at);
	request_ack(s, at);
	batch_mark(s, NFNL_MSG_BATCH_END);
	transmit(s);
	await_ack(s);
	return now_ns() - start;
}

/* --- figures -------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void report(const struct session *s, const char *operation, unsigned int present,
		   unsigned int elements, uint64_t *sample, unsigned int samples)
{
	qsort(sample, samples, sizeof(*sample), by_value);
	printf("{\"operation\":\"%s\",\"shape\":\"%s\",\"present\":%u,\"elements\":%u,"
	       "\"samples\":%u,\"min_ns\":%llu,\"median_ns\":%llu,\"p99_ns\":%llu,\"max_ns\":%llu}\n",
	       operation, s->shape->name, present, elements, samples,
	       (unsigned long long)sample[0], (unsigned long long)sample[samples / 2],
	       (unsigned long long)sample[(uint64_t)samples * 99 / 100],
	       (unsigned long long)sample[samples - 1]);
	fflush(stdout);
}

static uint64_t *samples_of(unsigned int count)
{
	uint64_t *sample = calloc(count, sizeof(*sample));

	if (!sample)
		fail("samples", ENOMEM);
	return sample;
}

/* Single-element transactions beside @present elements that stay. */
static void measure_single(struct session *s, unsigned int present, unsigned int samples)
{
	const unsigned int warmup = samples / 10;
	uint64_t *add = samples_of(samples), *delete = samples_of(samples);
	unsigned int i;

	create_map(s);
	if (present)
		commit(s, NFT_MSG_NEWSETELEM, 1, present);
	for (i = 0; i < warmup + samples; i++) {
		unsigned int port = SAMPLE_PORT + i % SAMPLE_PORTS;
		uint64_t added = commit(s, NFT_MSG_NEWSETELEM, port, 1);
		uint64_t deleted = commit(s, NFT_MSG_DELSETELEM, port, 1);

		if (i < warmup)
			continue;
		add[i - warmup] = added;
		delete[i - warmup] = deleted;
	}
	report(s, "add", present, 1, add, samples);
	report(s, "delete", present, 1, delete, samples);
	delete_table(s);
	free(add);
	free(delete);
}

/* Whole batches, each into a map of its own: creation and removal of it are not measured. */
static void measure_batch(struct session *s, unsigned int elements, unsigned int samples)
{
	uint64_t *sample = samples_of(samples);
	unsigned int i;

	for (i = 0; i < samples + 1; i++) {
		uint64_t taken;

		create_map(s);
		taken = commit(s, NFT_MSG_NEWSETELEM, 1, elements);
		if (i > 0) /* the first grows the allocators */
			sample[i - 1] = taken;
		delete_table(s);
	}
	report(s, "batch", 0, elements, sample, samples);
	free(sample);
}

static void measure_getgen(struct session *s, unsigned int samples)
{
	uint64_t *sample = samples_of(samples);
	unsigned int i;

	for (i = 0; i < samples; i++) {
		uint64_t start = now_ns();

		getgen(s);
		sample[i] = now_ns() - start;
	}
	report(s, "getgen", 0, 0, sample, samples);
	free(sample);
}

static void open_session(struct session *s)
{
	const int sndbuf = SNDBUF_BYTES, on = 1;

	if (unshare(CLONE_NEWNET))
		fail("a network namespace of its own (are you root?)", errno);
	s->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	if (s->fd < 0)
		fail("netlink socket", errno);
	if (setsockopt(s->fd, SOL_SOCKET, SO_SNDBUFFORCE, &sndbuf, sizeof(sndbuf)))
		fail("SO_SNDBUFFORCE", errno);
	/* An error's answer then holds 36 bytes, not the whole message it is about. */
	if (setsockopt(s->fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on)))
		fail("NETLINK_CAP_ACK", errno);
	s->out.capacity = SNDBUF_BYTES / 2;
	s->out.data = malloc(s->out.capacity);
	if (!s->out.data)
		fail("message buffer", ENOMEM);
}

static unsigned int count_option(const char *text, unsigned int minimum, unsigned int maximum)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*end || value < minimum || value > maximum) {
		fprintf(stderr, "floor: '%s' is not a number from %u to %u\n", text, minimum,
			maximum);
		exit(2);
	}
	return (unsigned int)value;
}

static const struct shape *shape_option(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
		if (!strcmp(shapes[i].name, name))
			return &shapes[i];
	}
	fprintf(stderr, "floor: no shape is called '%s'\n", name);
	exit(2);
}

static void measure_everything(struct session *s, unsigned int samples, unsigned int batches)
{
	unsigned int step;
	size_t i;

	s->shape = &shapes[0];
	measure_getgen(s, samples);
	/* Shapes alternate within each step: what drifts on this machine drifts for both. */
	for (step = 0; step < sizeof(present_steps) / sizeof(*present_steps); step++) {
		for (i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
			s->shape = &shapes[i];
			measure_single(s, present_steps[step], samples);
		}
	}
	for (step = 0; step < sizeof(batch_sizes) / sizeof(*batch_sizes); step++) {
		for (i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
			s->shape = &shapes[i];
			measure_batch(s, batch_sizes[step], batches);
		}
	}
}

/* Everything, or one cell: -w names its shape, -p the elements present or -e those of a batch. */
int main(int argc, char **argv)
{
	unsigned int samples = 2000, batches = 5, present = 0, elements = 0;
	struct session s = { .fd = -1 };
	int option;

	while ((option = getopt(argc, argv, "s:b:w:p:e:")) != -1) {
		switch (option) {
		case 's':
			samples = count_option(optarg, 100, SAMPLES_MAX);
			break;
		case 'b':
			batches = count_option(optarg, 1, SAMPLES_MAX);
			break;
		case 'w':
			s.shape = shape_option(optarg);
			break;
		case 'p':
			present = count_option(optarg, 0, SAMPLE_PORT - 1);
			break;
		case 'e':
			elements = count_option(optarg, 1, ELEMENTS_MAX);
			break;
		default:
			fprintf(stderr,
				"usage: floor [-s samples] [-b batches] [-w shape [-p present | -e elements]]\n");
			return 2;
		}
	}
	open_session(&s);
	if (!s.shape)
		measure_everything(&s, samples, batches);
	else if (elements)
		measure_batch(&s, elements, batches);
	else
		measure_single(&s, present, samples);
	free(s.out.data);
	close(s.fd);
	return 0;
}
