// SPDX-License-Identifier: Apache-2.0
/*
 * bare: conntrack events with a plain netlink socket and nothing else, as a program with libmnl reads
 * them: one recv() a datagram, a walk through its attributes, the id and the first tuple kept.
 *
 * SIGTERM ends it (tally.h). What it lost only the kernel knows.
 */
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "tally.h"

/* Linux 6.14, include/uapi/linux/netfilter/nfnetlink_conntrack.h */
#define CTA_TIMESTAMP_EVENT 27
#define ATTRIBUTES 32
#define WAIT_MS 50

struct seen {
	uint32_t id, source, destination;
	uint16_t source_port, destination_port;
	uint8_t protocol;
	uint64_t event_ns;
};

static struct tally tally;
static struct seen last; /* visible from outside, so that nothing is optimised away */

typedef const struct nlattr *attributes[ATTRIBUTES];

static void parse(const void *data, size_t bytes, attributes found)
{
	const char *at = data;

	memset(found, 0, sizeof(attributes));
	while (bytes >= sizeof(struct nlattr)) {
		const struct nlattr *attribute = (const struct nlattr *)at;
		size_t whole = NLA_ALIGN(attribute->nla_len);
		unsigned int type = attribute->nla_type & NLA_TYPE_MASK;

		if (attribute->nla_len < sizeof(*attribute) || attribute->nla_len > bytes)
			give_up("bare: a malformed message");
		if (type < ATTRIBUTES)
			found[type] = attribute;
		at += whole;
		bytes = whole < bytes ? bytes - whole : 0;
	}
}

static void parse_nested(const struct nlattr *attribute, attributes found)
{
	parse(attribute + 1, attribute->nla_len - sizeof(*attribute), found);
}

static void take(void *target, const struct nlattr *attribute, size_t bytes)
{
	if (attribute && attribute->nla_len >= sizeof(*attribute) + bytes)
		memcpy(target, attribute + 1, bytes);
}

static void take_event(const struct nlmsghdr *message)
{
	const char *payload = (const char *)message + NLMSG_HDRLEN + sizeof(struct nfgenmsg);
	attributes event, tuple, part;
	uint64_t time = 0;

	parse(payload, message->nlmsg_len - NLMSG_HDRLEN - sizeof(struct nfgenmsg), event);
	take(&last.id, event[CTA_ID], sizeof(last.id));
	if (event[CTA_TUPLE_ORIG]) {
		parse_nested(event[CTA_TUPLE_ORIG], tuple);
		if (tuple[CTA_TUPLE_IP]) {
			parse_nested(tuple[CTA_TUPLE_IP], part);
			take(&last.source, part[CTA_IP_V4_SRC], sizeof(last.source));
			take(&last.destination, part[CTA_IP_V4_DST], sizeof(last.destination));
		}
		if (tuple[CTA_TUPLE_PROTO]) {
			parse_nested(tuple[CTA_TUPLE_PROTO], part);
			take(&last.protocol, part[CTA_PROTO_NUM], sizeof(last.protocol));
			take(&last.source_port, part[CTA_PROTO_SRC_PORT], sizeof(last.source_port));
			take(&last.destination_port, part[CTA_PROTO_DST_PORT],
			     sizeof(last.destination_port));
		}
	}
	take(&time, event[CTA_TIMESTAMP_EVENT], sizeof(time));
	last.event_ns = __builtin_bswap64(time);
	if (time)
		tally_latency(&tally, last.event_ns, wall_ns());
	if ((message->nlmsg_type & 0xff) == IPCTNL_MSG_CT_DELETE)
		tally.destroy_events++;
	else if (message->nlmsg_flags & NLM_F_CREATE)
		tally.new_events++;
	else
		tally.update_events++;
}

static void take_datagram(const char *data, size_t bytes)
{
	const struct nlmsghdr *message = (const struct nlmsghdr *)data;

	for (; NLMSG_OK(message, bytes); message = NLMSG_NEXT(message, bytes))
		if (message->nlmsg_type >> 8 == NFNL_SUBSYS_CTNETLINK &&
		    message->nlmsg_len >= NLMSG_HDRLEN + sizeof(struct nfgenmsg))
			take_event(message);
}

int main(void)
{
	static const int groups[] = { NFNLGRP_CONNTRACK_NEW, NFNLGRP_CONNTRACK_UPDATE,
				      NFNLGRP_CONNTRACK_DESTROY };
	static char buffer[16384] __attribute__((aligned(8)));
	struct timeval wait = { .tv_usec = WAIT_MS * 1000 };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	struct sockaddr_nl address = { .nl_family = AF_NETLINK };
	size_t i;

	stop_on_sigterm();
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) < 0)
		give_up("bare: socket: %s", strerror(errno));
	for (i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i], sizeof(int)) < 0)
			give_up("bare: membership: %s", strerror(errno));
	for (;;) {
		ssize_t got = recv(fd, buffer, sizeof(buffer), 0);

		if (got > 0)
			take_datagram(buffer, (size_t)got);
		else if (errno == EAGAIN && stop_asked)
			break;
		else if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS)
			give_up("bare: recv: %s", strerror(errno));
	}
	tally_print(&tally, "");
	return 0;
}
