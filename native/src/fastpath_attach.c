/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs at a device's tc ingress: by tcx (Linux 6.6) where the kernel has it, else as a filter of a
 * clsact queueing discipline. Neither needs a process or a file that holds it, so that nothing depends
 * on which bpffs is mounted where; a program is found again by its name.
 *
 * Others' programs and filters come first: ours are appended, or have a low priority, and leave what
 * they do not carry to whoever comes next. Since the kernel asks tcx before any filter, ours is a filter
 * where others have one already.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bpf/call.h"
#include "error.h"
#include "fastpath.h"
#include "sluice.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* Debian 12's linux/bpf.h (6.1) lacks them: enum bpf_attach_type and union bpf_attr of Linux 6.6. */
#define TCX_INGRESS 46
#define TCX_EGRESS 47
#define TCX_PROGRAMS 64 /* kernel/bpf/mprog.c: BPF_MPROG_MAX */

struct tcx_attach {
	uint32_t target_ifindex;
	uint32_t attach_bpf_fd;
	uint32_t attach_type;
	uint32_t attach_flags;
	uint32_t replace_bpf_fd;
	uint32_t relative_fd;
	uint64_t expected_revision;
};

struct tcx_query {
	uint32_t target_ifindex;
	uint32_t attach_type;
	uint32_t query_flags;
	uint32_t attach_flags;
	uint64_t prog_ids;
	uint32_t count;
	uint32_t pad;
	uint64_t prog_attach_flags;
	uint64_t link_ids;
	uint64_t link_attach_flags;
	uint64_t revision;
};

/* The last: who does not ask for a priority gets 49152, or one less than the lowest (tcf_auto_prio()). */
#define FILTER_PRIORITY 0xffffu
#define FILTER_HANDLE 1
#define INGRESS TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)
#define EGRESS TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)

static int program_info(int fd, struct bpf_prog_info *info)
{
	union bpf_attr ask = {
		.info = { .bpf_fd = (uint32_t)fd, .info_len = sizeof(*info), .info = (uintptr_t)info },
	};

	return sys_bpf(BPF_OBJ_GET_INFO_BY_FD, &ask, sizeof(ask));
}

static bool is_same(int fd, int other_fd)
{
	struct bpf_prog_info info = {}, other = {};

	return !program_info(fd, &info) && !program_info(other_fd, &other) && info.id == other.id;
}

/* A descriptor of the program if it is one of ours, else -1. */
static int open_ours(uint32_t id)
{
	static const char *const ours[] = { "sluice_inward", "sluice_outward" };
	struct bpf_prog_info info = {};
	union bpf_attr open = { .prog_id = id };
	int fd = (int)sys_bpf(BPF_PROG_GET_FD_BY_ID, &open, sizeof(open));

	if (fd < 0)
		return -1;
	if (!program_info(fd, &info))
		for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
			if (!strncmp(info.name, ours[i], sizeof(info.name)))
				return fd;
	close(fd);
	return -1;
}

static void close_found(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* --- tcx ---------------------------------------------------------------------------------------- */

/* A descriptor of our program there, -ENOENT, or -EOPNOTSUPP. */
static int tcx_find(uint32_t device)
{
	uint32_t ids[TCX_PROGRAMS];
	struct tcx_query query = {
		.target_ifindex = device,
		.attach_type = TCX_INGRESS,
		.prog_ids = (uintptr_t)ids,
		.count = TCX_PROGRAMS,
	};

	if (sys_bpf(BPF_PROG_QUERY, &query, sizeof(query)) < 0)
		return errno == EINVAL || errno == E2BIG ? -EOPNOTSUPP : -errno;
	for (uint32_t i = 0; i < query.count; i++) {
		int fd = open_ours(ids[i]);

		if (fd >= 0)
			return fd;
	}
	return -ENOENT;
}

static int tcx_attach(uint32_t device, int program_fd, int replaced_fd)
{
	struct tcx_attach attach = {
		.target_ifindex = device,
		.attach_bpf_fd = (uint32_t)program_fd,
		.attach_type = TCX_INGRESS,
	};

	if (replaced_fd >= 0) {
		attach.attach_flags = BPF_F_REPLACE;
		attach.replace_bpf_fd = (uint32_t)replaced_fd;
	}
	/* EEXIST: this very program is there already. */
	if (sys_bpf(BPF_PROG_ATTACH, &attach, sizeof(attach)) < 0 && errno != EEXIST)
		return sluice_fail(errno, "bpf(BPF_PROG_ATTACH, BPF_TCX_INGRESS, ifindex %u)", device);
	return 0;
}

static int tcx_detach(uint32_t device, int program_fd)
{
	struct tcx_attach detach = {
		.target_ifindex = device,
		.attach_bpf_fd = (uint32_t)program_fd,
		.attach_type = TCX_INGRESS,
	};

	if (sys_bpf(BPF_PROG_DETACH, &detach, sizeof(detach)) < 0)
		return sluice_fail(errno, "bpf(BPF_PROG_DETACH, BPF_TCX_INGRESS, ifindex %u)", device);
	return 0;
}

/* --- clsact ------------------------------------------------------------------------------------- */

struct message {
	struct nlmsghdr header;
	struct tcmsg tc;
	char attributes[256];
};

static struct message message(int type, int flags, uint32_t device, uint32_t parent)
{
	return (struct message){
		.header = {
			.nlmsg_len = offsetof(struct message, attributes),
			.nlmsg_type = (uint16_t)type,
			.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags),
		},
		.tc = {
			.tcm_family = AF_UNSPEC,
			.tcm_ifindex = (int)device,
			.tcm_parent = parent,
		},
	};
}

/* The callers' attributes are few and short: they fit. */
static struct rtattr *put(struct message *m, int type, const void *value, size_t bytes)
{
	struct rtattr *attribute = (struct rtattr *)((char *)m + NLMSG_ALIGN(m->header.nlmsg_len));

	attribute->rta_type = (unsigned short)type;
	attribute->rta_len = (unsigned short)RTA_LENGTH(bytes);
	if (bytes)
		memcpy(RTA_DATA(attribute), value, bytes);
	m->header.nlmsg_len = NLMSG_ALIGN(m->header.nlmsg_len) + RTA_ALIGN(attribute->rta_len);
	return attribute;
}

static int open_rtnetlink(void)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0)
		return sluice_fail(errno, "socket(NETLINK_ROUTE)");
	if (connect(fd, (struct sockaddr *)&kernel, sizeof(kernel)) < 0) {
		int err = errno;

		close(fd);
		return sluice_fail(err, "connect(NETLINK_ROUTE)");
	}
	return fd;
}

/* Sends a request and waits for its acknowledgement: 0 or -errno, which is the kernel's answer. */
static int request(int fd, struct message *m)
{
	char answer[4096] __attribute__((aligned(NLMSG_ALIGNTO)));
	const struct nlmsghdr *header = (const void *)answer;
	const struct nlmsgerr *error = NLMSG_DATA(header);
	ssize_t bytes;

	m->header.nlmsg_flags |= NLM_F_ACK;
	if (send(fd, m, m->header.nlmsg_len, 0) < 0)
		return -errno;
	bytes = recv(fd, answer, sizeof(answer), 0);
	if (bytes < 0)
		return -errno;
	if (!NLMSG_OK(header, (size_t)bytes) || header->nlmsg_type != NLMSG_ERROR ||
	    header->nlmsg_len < NLMSG_LENGTH(sizeof(*error)))
		return -EPROTO;
	return error->error;
}

/* A filter of ours is a cls_bpf filter whose program is: a descriptor of that, else -1. */
static int filter_program(const struct nlmsghdr *header)
{
	const struct tcmsg *tc = NLMSG_DATA(header);
	const struct rtattr *attribute = (const void *)(tc + 1);
	int left = (int)header->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*tc));

	if (TC_H_MAJ(tc->tcm_info) >> 16 != FILTER_PRIORITY || tc->tcm_handle != FILTER_HANDLE)
		return -1;
	for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
		const struct rtattr *option = RTA_DATA(attribute);
		int inside = (int)RTA_PAYLOAD(attribute);

		if (attribute->rta_type != TCA_OPTIONS)
			continue;
		for (; RTA_OK(option, inside); option = RTA_NEXT(option, inside))
			if (option->rta_type == TCA_BPF_ID && RTA_PAYLOAD(option) == sizeof(uint32_t)) {
				uint32_t id;

				memcpy(&id, RTA_DATA(option), sizeof(id));
				return open_ours(id);
			}
	}
	return -1;
}

/* A priority, which the kernel tells of in front of its filters, has no handle. */
static bool is_filter(const struct nlmsghdr *header)
{
	const struct tcmsg *tc = NLMSG_DATA(header);

	return header->nlmsg_type == RTM_NEWTFILTER && header->nlmsg_len >= NLMSG_LENGTH(sizeof(*tc)) &&
	       tc->tcm_handle;
}

/*
 * A descriptor of our program there, -ENOENT, or another error, which says nothing about filters. Reads the
 * dump to its end. `others`: other filters.
 */
static int filter_find(int fd, uint32_t device, uint32_t where, int *others)
{
	char answer[32 * 1024] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct message m = message(RTM_GETTFILTER, NLM_F_DUMP, device, where);
	int found = -ENOENT;

	*others = 0;
	if (send(fd, &m, m.header.nlmsg_len, 0) < 0)
		return sluice_fail(errno, "RTM_GETTFILTER, ifindex %u", device);
	for (;;) {
		ssize_t bytes = recv(fd, answer, sizeof(answer), 0);
		const struct nlmsghdr *header = (const void *)answer;

		if (bytes < 0) {
			int err = errno;

			close_found(found);
			return sluice_fail(err, "RTM_GETTFILTER, ifindex %u", device);
		}
		for (; NLMSG_OK(header, (size_t)bytes); header = NLMSG_NEXT(header, bytes)) {
			/* No queueing discipline, no filter. */
			if (header->nlmsg_type == NLMSG_DONE || header->nlmsg_type == NLMSG_ERROR)
				return found;
			if (is_filter(header)) {
				int program = filter_program(header);

				if (program < 0)
					++*others;
				else if (found < 0)
					found = program;
				else
					close(program);
			}
		}
	}
}

static struct message filter(int type, int flags, uint32_t device)
{
	struct message m = message(type, flags, device, INGRESS);

	m.tc.tcm_handle = FILTER_HANDLE;
	m.tc.tcm_info = TC_H_MAKE(FILTER_PRIORITY << 16, htobe16(ETH_P_ALL));
	put(&m, TCA_KIND, "bpf", sizeof("bpf"));
	return m;
}

static int filter_attach(int fd, uint32_t device, int program_fd, const char *name, bool replace)
{
	struct message discipline = message(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, device, TC_H_CLSACT);
	struct message m = filter(RTM_NEWTFILTER, NLM_F_CREATE | (replace ? 0 : NLM_F_EXCL), device);
	uint32_t flags = TCA_BPF_FLAG_ACT_DIRECT;
	struct rtattr *options;
	int err;

	discipline.tc.tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0);
	put(&discipline, TCA_KIND, "clsact", sizeof("clsact"));
	err = request(fd, &discipline);
	if (err && err != -EEXIST)
		return sluice_fail(-err, "RTM_NEWQDISC clsact, ifindex %u", device);
	options = put(&m, TCA_OPTIONS, NULL, 0);
	put(&m, TCA_BPF_FD, &program_fd, sizeof(program_fd));
	put(&m, TCA_BPF_NAME, name, strlen(name) + 1);
	put(&m, TCA_BPF_FLAGS, &flags, sizeof(flags));
	options->rta_len = (unsigned short)((char *)&m + m.header.nlmsg_len - (char *)options);
	err = request(fd, &m);
	if (err)
		return sluice_fail(-err, "RTM_NEWTFILTER bpf, priority %u, ifindex %u",
				   FILTER_PRIORITY, device);
	return 0;
}

/* The queueing discipline stays: others may have come to use it, and it costs nothing empty. */
static int filter_detach(int fd, uint32_t device)
{
	struct message m = filter(RTM_DELTFILTER, 0, device);
	int err = request(fd, &m);

	return err ? sluice_fail(-err, "RTM_DELTFILTER bpf, ifindex %u", device) : 0;
}

/* --- both --------------------------------------------------------------------------------------- */

int fastpath_attach(uint32_t device, int program_fd, const char *name, int how)
{
	int fd = open_rtnetlink(), tcx, filtered, others, result;

	if (fd < 0)
		return fd;
	tcx = tcx_find(device);
	filtered = filter_find(fd, device, INGRESS, &others);
	if (how == SLUICE_FASTPATH_ANY && others)
		how = SLUICE_FASTPATH_CLSACT;
	if (tcx == -ENODEV)
		result = sluice_fail(ENODEV, "ifindex %u", device);
	else if (filtered < 0 && filtered != -ENOENT)
		result = filtered;
	else if (how == SLUICE_FASTPATH_CLSACT || (how == SLUICE_FASTPATH_ANY && tcx == -EOPNOTSUPP))
		/* What is there already is not replaced: whoever follows changes of filters would not end. */
		result = filtered >= 0 && is_same(filtered, program_fd) ?
				 0 :
				 filter_attach(fd, device, program_fd, name, filtered >= 0);
	else if (tcx == -EOPNOTSUPP)
		result = sluice_fail(EOPNOTSUPP, "tcx, which needs Linux 6.6");
	else
		result = tcx_attach(device, program_fd, tcx);
	/* The new one is there: now an earlier one of the other kind can go. */
	if (!result) {
		if (how == SLUICE_FASTPATH_CLSACT || tcx == -EOPNOTSUPP) {
			result = tcx >= 0 ? tcx_detach(device, tcx) : 0;
			how = SLUICE_FASTPATH_CLSACT;
		} else {
			result = filtered >= 0 ? filter_detach(fd, device) : 0;
			how = SLUICE_FASTPATH_TCX;
		}
	}
	close_found(tcx);
	close_found(filtered);
	close(fd);
	return result ? result : how;
}

int fastpath_detach(uint32_t device)
{
	int fd = open_rtnetlink(), tcx, filtered, others, result = 0, removed = 0;

	if (fd < 0)
		return fd;
	tcx = tcx_find(device);
	filtered = filter_find(fd, device, INGRESS, &others);
	if (tcx >= 0) {
		result = tcx_detach(device, tcx);
		removed += !result;
	}
	if (filtered >= 0) {
		int err = filter_detach(fd, device);

		removed += !err;
		result = result ? result : err;
	}
	close_found(tcx);
	close_found(filtered);
	close(fd);
	return result ? result : removed;
}

int fastpath_find(uint32_t device)
{
	int fd = open_rtnetlink(), found, others;

	if (fd < 0)
		return fd;
	found = tcx_find(device);
	if (found < 0)
		found = filter_find(fd, device, INGRESS, &others);
	close(fd);
	return found;
}

/* --- what packets to a device pass -------------------------------------------------------------- */

/* Of an answer to RTM_GETLINK; NULL if it does not say. */
static const char *discipline_of(const struct nlmsghdr *header)
{
	const struct ifinfomsg *link = NLMSG_DATA(header);
	const struct rtattr *attribute = (const void *)(link + 1);
	int left = (int)header->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*link));

	for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
		const char *name = RTA_DATA(attribute);

		if (attribute->rta_type == IFLA_QDISC && RTA_PAYLOAD(attribute) &&
		    !name[RTA_PAYLOAD(attribute) - 1])
			return name;
	}
	return NULL;
}

static int check_discipline(int fd, uint32_t device)
{
	struct {
		struct nlmsghdr header;
		struct ifinfomsg link;
	} ask = {
		.header = { .nlmsg_len = sizeof(ask), .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST },
		.link = { .ifi_family = AF_UNSPEC, .ifi_index = (int)device },
	};
	char answer[32 * 1024] __attribute__((aligned(NLMSG_ALIGNTO)));
	const struct nlmsghdr *header = (const void *)answer;
	const char *discipline;
	ssize_t bytes = -1;

	if (send(fd, &ask, sizeof(ask), 0) >= 0)
		bytes = recv(fd, answer, sizeof(answer), 0);
	if (bytes < 0)
		return sluice_fail(errno, "RTM_GETLINK, ifindex %u", device);
	if (!NLMSG_OK(header, (size_t)bytes) || header->nlmsg_type != RTM_NEWLINK ||
	    header->nlmsg_len < NLMSG_LENGTH(sizeof(struct ifinfomsg)))
		return sluice_fail(ENODEV, "RTM_GETLINK, ifindex %u", device);
	discipline = discipline_of(header);
	if (discipline && strcmp(discipline, "noqueue") && strcmp(discipline, "noop"))
		return sluice_fail(EOPNOTSUPP, "carry packets past the queueing discipline %s of ifindex %u",
				   discipline, device);
	return 0;
}

/*
 * An ingress queueing discipline, clsact's ancestor, does not tell egress from ingress: its filters count
 * as well, and somebody's limit of what a container may send keeps what it gets on the slow path too.
 */
static int check_egress(int fd, uint32_t device)
{
	struct tcx_query programs = { .target_ifindex = device, .attach_type = TCX_EGRESS };
	int filters, found = filter_find(fd, device, EGRESS, &filters);

	close_found(found);
	if (found < 0 && found != -ENOENT)
		return found;
	if (filters)
		return sluice_fail(EOPNOTSUPP, "carry packets past the filters of ifindex %u", device);
	/* EINVAL, E2BIG: before Linux 6.6 there are none. */
	if (sys_bpf(BPF_PROG_QUERY, &programs, sizeof(programs)) < 0)
		return errno == EINVAL || errno == E2BIG ?
			       0 :
			       sluice_fail(errno, "bpf(BPF_PROG_QUERY, BPF_TCX_EGRESS, ifindex %u)", device);
	if (programs.count)
		return sluice_fail(EOPNOTSUPP, "carry packets past the tcx programs of ifindex %u", device);
	return 0;
}

int fastpath_check_exit(uint32_t device)
{
	int fd = open_rtnetlink(), err;

	if (fd < 0)
		return fd;
	err = check_discipline(fd, device);
	if (!err)
		err = check_egress(fd, device);
	close(fd);
	return err;
}
