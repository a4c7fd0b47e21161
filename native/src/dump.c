/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of connections as records, decoded by what decodes events.
 *
 * The kernel fills the next datagram of a dump when the one before is read, so that an entry may be as
 * old as the time between two reads.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "decode.h"
#include "error.h"
#include "record.h"
#include "sluice.h"

/*
 * A dump's datagram is as large as the reader's buffer, up to 32 KiB; a kernel that makes larger ones
 * says so with MSG_TRUNC.
 */
#define DATAGRAM_BYTES (64 * 1024)

struct dump {
	int fd;
	bool done;
	bool interrupted;
	int malformed;
	uint64_t read_ns;
	size_t at;    /* what of the datagram has been handed over */
	size_t bytes; /* what there is of it */
	uint8_t datagram[DATAGRAM_BYTES];
};

static int request(int fd)
{
	struct {
		struct nlmsghdr header;
		struct nfgenmsg family;
	} message = {
		.header = {
			.nlmsg_len = sizeof(message),
			.nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
		},
		/* Both families. */
		.family = { .nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0 },
	};

	if (send(fd, &message, sizeof(message), 0) < 0)
		return sluice_fail(errno, "send(IPCTNL_MSG_CT_GET, NLM_F_DUMP)");
	return 0;
}

int sluice_dump_open(int fd, uint64_t *handle_out)
{
	struct dump *dump;
	int err;

	if (!handle_out)
		return sluice_fail(EINVAL, "handle_out is NULL");
	dump = calloc(1, sizeof(*dump));
	if (!dump)
		return sluice_fail(ENOMEM, "calloc(%zu)", sizeof(*dump));
	dump->fd = fd;
	if (fd < 0) {
		dump->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
		if (dump->fd < 0) {
			err = sluice_fail(errno, "socket(AF_NETLINK, NETLINK_NETFILTER)");
			goto free_dump;
		}
	}
	err = request(dump->fd);
	if (err)
		goto close_fd;
	*handle_out = (uint64_t)(uintptr_t)dump;
	return 0;

close_fd:
	if (fd < 0)
		close(dump->fd);
free_dump:
	free(dump);
	return err;
}

static int receive(struct dump *dump)
{
	struct sockaddr_nl sender = { 0 };
	struct iovec buffer = { dump->datagram, sizeof(dump->datagram) };
	struct msghdr message = {
		.msg_name = &sender,
		.msg_namelen = sizeof(sender),
		.msg_iov = &buffer,
		.msg_iovlen = 1,
	};
	ssize_t bytes;

	do {
		message.msg_namelen = sizeof(sender);
		bytes = recvmsg(dump->fd, &message, 0);
		/* Any process that may use netlink can send to our port; only the kernel's is 0. */
	} while ((bytes < 0 && errno == EINTR) || (bytes >= 0 && sender.nl_pid != 0));
	if (bytes < 0)
		return sluice_fail(errno, "recvmsg of a dump");
	if (message.msg_flags & MSG_TRUNC)
		return sluice_fail(EMSGSIZE, "a datagram of a dump has more than %d bytes",
				   DATAGRAM_BYTES);
	dump->read_ns = sluice_now_ns(CLOCK_REALTIME);
	dump->at = 0;
	dump->bytes = (size_t)bytes;
	return 0;
}

/* NLMSG_DONE carries an error, NLMSG_ERROR begins with one: 0 or -errno. */
static int carried_error(const uint8_t *message, size_t bytes)
{
	int error = 0;

	if (bytes >= NLMSG_HDRLEN + sizeof(error))
		memcpy(&error, message + NLMSG_HDRLEN, sizeof(error));
	/* MAX_ERRNO of the kernel; what is beyond it is no errno, and cannot even be negated. */
	return error < -4095 ? -EPROTO : error;
}

/* Takes the next message of the datagram: 1 if it made a record, 0 if not, or -errno. */
static int take(struct dump *dump, struct sluice_flow *record)
{
	const uint8_t *p = dump->datagram + dump->at;
	size_t left = dump->bytes - dump->at;
	struct nlmsghdr header;
	uint64_t unknown = 0;
	int result;

	dump->at = dump->bytes; /* unless the message says where it ends */
	if (left < sizeof(header)) {
		dump->malformed++;
		return 0;
	}
	memcpy(&header, p, sizeof(header));
	if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > left) {
		dump->malformed++;
		return 0;
	}
	if (NLMSG_ALIGN((size_t)header.nlmsg_len) < left)
		dump->at = (size_t)(p - dump->datagram) + NLMSG_ALIGN((size_t)header.nlmsg_len);

	if (header.nlmsg_flags & NLM_F_DUMP_INTR)
		dump->interrupted = true;
	if (header.nlmsg_type == NLMSG_DONE || header.nlmsg_type == NLMSG_ERROR) {
		result = carried_error(p, header.nlmsg_len);
		dump->done = true;
		dump->at = dump->bytes;
		if (result < 0)
			return sluice_fail(-result, "the kernel ended the dump");
		if (dump->interrupted)
			return sluice_fail(EINTR, "the table changed during the dump");
		return 0;
	}
	result = sluice_decode(p, header.nlmsg_len, dump->read_ns, record, &unknown);
	if (result < 0)
		dump->malformed++;
	if (result != SLUICE_DECODED)
		return 0;
	record->kind = SLUICE_KIND_ENTRY;
	return 1;
}

static struct dump *from_handle(uint64_t handle)
{
	return (struct dump *)(uintptr_t)handle;
}

int sluice_dump_read(uint64_t handle, uint64_t records_addr, int records)
{
	struct dump *dump = from_handle(handle);
	struct sluice_flow *out = (struct sluice_flow *)(uintptr_t)records_addr;
	int count = 0, result;

	if (!dump || !out || records < 1)
		return sluice_fail(EINVAL, "handle or records_addr is 0, or there is no room");
	/* What there is of a datagram is handed over before the next one is asked for. */
	while (!dump->done && count < records && !(count > 0 && dump->at == dump->bytes)) {
		if (dump->at == dump->bytes) {
			result = receive(dump);
			if (result)
				return result;
			continue;
		}
		result = take(dump, &out[count]);
		if (result < 0)
			return result;
		count += result;
	}
	return count;
}

int sluice_dump_malformed(uint64_t handle)
{
	struct dump *dump = from_handle(handle);

	return dump ? dump->malformed : sluice_fail(EINVAL, "handle is 0");
}

int sluice_dump_close(uint64_t handle)
{
	struct dump *dump = from_handle(handle);

	if (!dump)
		return sluice_fail(EINVAL, "handle is 0");
	close(dump->fd);
	free(dump);
	return 0;
}
