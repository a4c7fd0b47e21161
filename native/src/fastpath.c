/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fast path seen from user space: puts the programs into the kernel, and reads and writes their
 * maps. fastpath_attach.c brings them to the devices.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/membarrier.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "error.h"
#include "fastpath.h"
#include "record.h"
#include "sluice.h"
#include "../bpf/fastpath.lskel.h"

#define LOG_BYTES (1024 * 1024)
#define MAX_FLOWS (1u << 24)
#define MAX_CONTAINERS (1u << 20)
#define REQUEST_BYTES (64 * 1024) /* as in fastpath.bpf.c */
#define BATCH 512 /* entries that one call of BPF_MAP_LOOKUP_BATCH copies */

/* The maps, in the order of `names` below. */
enum map {
	FLOWS4,
	FLOWS6,
	CONTAINERS,
	DEVICES,
	OUTCOMES,
	REQUESTS,
	DATA,
	MAPS,
};

struct fast {
	int maps[MAPS];
	int inward, outward, retire; /* programs, -1 in an orphan's handle */
	uint32_t identity; /* of the map of IPv4 flows, in an orphan's handle */
	volatile struct fast_config *config;
	uint8_t *consumed, *produced; /* the pages of the ring buffer */
	pthread_mutex_t requests;
	/* How far sluice_fastpath_flows() has come. */
	enum map cursor_map;
	bool cursor_started;
	uint32_t cursor;
	uint8_t keys[BATCH * sizeof(struct fast_key6)];
	struct fast_flow values[BATCH];
};

static struct fast *fast_of(uint64_t handle)
{
	return (struct fast *)(uintptr_t)handle;
}

static void *pointer(uint64_t address)
{
	return (void *)(uintptr_t)address;
}

int fastpath_program(uint64_t handle, int way)
{
	return way == SLUICE_FASTPATH_INWARD ? fast_of(handle)->inward : fast_of(handle)->outward;
}

int fastpath_flows(uint64_t handle, int family)
{
	return fast_of(handle)->maps[family == AF_INET ? FLOWS4 : FLOWS6];
}

volatile struct fast_config *fastpath_config(uint64_t handle)
{
	return fast_of(handle)->config;
}

/* --- loading ------------------------------------------------------------------------------------ */

/* The line before the statistics, with which the verifier ends; "" if there is none: not its verdict. */
const char *fastpath_verdict(char *log)
{
	char *statistics = strstr(log, "\nprocessed "), *line;

	if (!statistics)
		return "";
	*statistics = '\0';
	line = strrchr(log, '\n');
	return line ? line + 1 : log;
}

/* CAP_BPF and CAP_PERFMON would do to load programs, but not to find those of an earlier process again. */
static int check_capabilities(void)
{
	static const struct {
		int number;
		const char *name;
	} needed[] = { { CAP_SYS_ADMIN, "CAP_SYS_ADMIN" }, { CAP_NET_ADMIN, "CAP_NET_ADMIN" } };
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct have[_LINUX_CAPABILITY_U32S_3] = {};

	if (syscall(__NR_capget, &header, have) < 0)
		return sluice_fail(errno, "capget()");
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (!(have[CAP_TO_INDEX(needed[i].number)].effective & CAP_TO_MASK(needed[i].number)))
			return sluice_fail(EPERM, "load the fast path's programs without %s",
					   needed[i].name);
	return 0;
}

/* What the programs are for is the namespace of whoever loads or attaches them. */
static int put_namespace(const struct fast *fast)
{
	struct stat about;

	if (stat("/proc/thread-self/ns/net", &about) < 0)
		return sluice_fail(errno, "stat /proc/thread-self/ns/net");
	fast->config->netns = (uint32_t)about.st_ino;
	return 0;
}

static int load(struct fastpath_bpf *skeleton)
{
	static const char attempt[] = "load the fast path's programs";
	const char *verdict = "";
	char *log;
	int err = check_capabilities();

	if (err)
		return err;
	if (access("/sys/kernel/btf/vmlinux", R_OK) < 0)
		return sluice_fail(ENOSYS, "%s: no /sys/kernel/btf/vmlinux, in which the kernel describes "
					   "its types", attempt);
	err = fastpath_bpf__load(skeleton);
	if (!err)
		return 0;
	/* Again, for the reason. Asking for it at once would make every load slow. */
	log = calloc(1, LOG_BYTES);
	if (log) {
		skeleton->ctx.log_level = 1;
		skeleton->ctx.log_buf = (uintptr_t)log;
		skeleton->ctx.log_size = LOG_BYTES;
		err = fastpath_bpf__load(skeleton);
		verdict = fastpath_verdict(log);
	}
	if (*verdict)
		err = sluice_fail(-err, "%s: %s", attempt, verdict);
	else if (err == -ENOENT || err == -ESRCH)
		err = sluice_fail(ENOSYS, "%s: conntrack's functions for them, which came with Linux 6.0",
				  attempt);
	else if (err)
		err = sluice_fail(-err, "%s", attempt);
	free(log);
	return err;
}

static int map_ring(struct fast *fast)
{
	long page = sysconf(_SC_PAGESIZE);

	/* The ring's data is mapped twice, so that no record is cut in two: kernel/bpf/ringbuf.c. */
	fast->consumed = mmap(NULL, (size_t)page, PROT_READ | PROT_WRITE, MAP_SHARED,
			      fast->maps[REQUESTS], 0);
	fast->produced = mmap(NULL, (size_t)page + 2 * REQUEST_BYTES, PROT_READ, MAP_SHARED,
			      fast->maps[REQUESTS], page);
	if (fast->consumed == MAP_FAILED || fast->produced == MAP_FAILED)
		return sluice_fail(errno, "mmap of the ring buffer");
	return 0;
}

static int map_config(struct fast *fast)
{
	void *config = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE, MAP_SHARED,
			    fast->maps[DATA], 0);

	if (config == MAP_FAILED)
		return sluice_fail(errno, "mmap of the fast path's settings");
	fast->config = config;
	return 0;
}

static struct fast *make(void)
{
	struct fast *fast = calloc(1, sizeof(*fast));

	if (!fast)
		return NULL;
	memset(fast->maps, -1, sizeof(fast->maps));
	fast->inward = fast->outward = fast->retire = -1;
	fast->consumed = fast->produced = MAP_FAILED;
	pthread_mutex_init(&fast->requests, NULL);
	return fast;
}

/* The skeleton closes its own. */
static int own(int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

int sluice_fastpath_open(uint32_t flows, uint32_t containers, uint64_t *handle_out)
{
	struct fastpath_bpf *skeleton;
	struct fast *fast;
	int err;

	if (!flows || flows > MAX_FLOWS || !containers || containers > MAX_CONTAINERS || !handle_out)
		return sluice_fail(EINVAL, "sluice_fastpath_open(%u, %u)", flows, containers);
	skeleton = fastpath_bpf__open();
	fast = make();
	if (!skeleton || !fast) {
		err = sluice_fail(ENOMEM, "sluice_fastpath_open(%u, %u)", flows, containers);
		goto out;
	}
	/* An entry for each direction. */
	skeleton->maps.flows4.max_entries = 2 * flows;
	skeleton->maps.flows6.max_entries = 2 * flows;
	skeleton->maps.containers.max_entries = containers;
	skeleton->maps.devices.max_entries = containers;
	err = load(skeleton);
	if (err)
		goto out;
	fast->maps[FLOWS4] = own(skeleton->maps.flows4.map_fd);
	fast->maps[FLOWS6] = own(skeleton->maps.flows6.map_fd);
	fast->maps[CONTAINERS] = own(skeleton->maps.containers.map_fd);
	fast->maps[DEVICES] = own(skeleton->maps.devices.map_fd);
	fast->maps[OUTCOMES] = own(skeleton->maps.outcomes.map_fd);
	fast->maps[REQUESTS] = own(skeleton->maps.requests.map_fd);
	fast->maps[DATA] = own(skeleton->maps.data.map_fd);
	fast->inward = own(skeleton->progs.sluice_inward.prog_fd);
	fast->outward = own(skeleton->progs.sluice_outward.prog_fd);
	fast->retire = own(skeleton->progs.sluice_retire.prog_fd);
	for (int i = 0; i < MAPS; i++)
		if (fast->maps[i] < 0)
			err = -EMFILE;
	if (err || fast->inward < 0 || fast->outward < 0 || fast->retire < 0)
		err = sluice_fail(EMFILE, "keep the fast path's maps and programs");
	if (!err)
		err = map_config(fast);
	if (!err)
		err = map_ring(fast);
	if (!err)
		err = put_namespace(fast);
out:
	if (skeleton)
		fastpath_bpf__destroy(skeleton);
	if (!err)
		*handle_out = (uintptr_t)fast;
	else if (fast)
		sluice_fastpath_close((uintptr_t)fast);
	return err;
}

/* --- what another process left ------------------------------------------------------------------- */

static void keep_map(struct fast *fast, int fd)
{
	static const struct {
		const char *name;
		uint32_t key_bytes, value_bytes;
	} expected[MAPS] = {
		[FLOWS4] = { "flows4", sizeof(struct fast_key4), sizeof(struct fast_flow) },
		[FLOWS6] = { "flows6", sizeof(struct fast_key6), sizeof(struct fast_flow) },
		[CONTAINERS] = { "containers", sizeof(struct fast_address),
				 sizeof(struct fast_container) },
		[DEVICES] = { "devices", sizeof(uint32_t), sizeof(uint32_t) },
		[OUTCOMES] = { "outcomes", sizeof(uint32_t), sizeof(uint64_t) },
		[REQUESTS] = { "requests", 0, 0 },
		[DATA] = { "fastpath.data", sizeof(uint32_t), sizeof(struct fast_config) },
	};
	struct bpf_map_info info = {};
	union bpf_attr ask = { .info = {
		.bpf_fd = (uint32_t)fd,
		.info_len = sizeof(info),
		.info = (uintptr_t)&info,
	} };

	if (!sys_bpf(BPF_OBJ_GET_INFO_BY_FD, &ask, sizeof(ask)))
		for (int i = 0; i < MAPS; i++)
			if (!strncmp(info.name, expected[i].name, sizeof(info.name)) &&
			    info.key_size == expected[i].key_bytes &&
			    info.value_size == expected[i].value_bytes && fast->maps[i] < 0) {
				fast->maps[i] = fd;
				if (i == FLOWS4)
					fast->identity = info.id;
				return;
			}
	close(fd);
}

/* The maps that a program uses. */
static int find_maps(struct fast *fast, int program_fd)
{
	uint32_t ids[32];
	struct bpf_prog_info info = { .nr_map_ids = 32, .map_ids = (uintptr_t)ids };
	union bpf_attr ask = { .info = {
		.bpf_fd = (uint32_t)program_fd,
		.info_len = sizeof(info),
		.info = (uintptr_t)&info,
	} };

	if (sys_bpf(BPF_OBJ_GET_INFO_BY_FD, &ask, sizeof(ask)) < 0)
		return sluice_fail(errno, "bpf(BPF_OBJ_GET_INFO_BY_FD) of a program");
	for (uint32_t i = 0; i < info.nr_map_ids && i < 32; i++) {
		union bpf_attr open = { .map_id = ids[i] };
		int fd = (int)sys_bpf(BPF_MAP_GET_FD_BY_ID, &open, sizeof(open));

		if (fd >= 0)
			keep_map(fast, fd);
	}
	for (int i = 0; i < MAPS; i++)
		if (fast->maps[i] < 0)
			return sluice_fail(EPROTO, "read the maps of the fast path that is attached");
	return 0;
}

int sluice_fastpath_orphan(uint32_t device, uint64_t *handle_out)
{
	int program_fd = fastpath_find(device), err;
	struct fast *fast;

	if (program_fd < 0)
		return sluice_fail(-program_fd, "find a program of the fast path, ifindex %u", device);
	fast = make();
	err = fast ? find_maps(fast, program_fd) : sluice_fail(ENOMEM, "sluice_fastpath_orphan()");
	close(program_fd);
	if (!err)
		err = map_config(fast);
	if (!err && fast->config->layout != FAST_LAYOUT)
		err = sluice_fail(EPROTO, "read maps of layout %u", fast->config->layout);
	if (err) {
		if (fast)
			sluice_fastpath_close((uintptr_t)fast);
		return err;
	}
	*handle_out = (uintptr_t)fast;
	return (int)(fast->identity & INT32_MAX);
}

int sluice_fastpath_close(uint64_t handle)
{
	struct fast *fast = fast_of(handle);
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int fds[] = { fast->inward, fast->outward, fast->retire };

	if (fast->config)
		munmap((void *)fast->config, page);
	if (fast->consumed != MAP_FAILED)
		munmap(fast->consumed, page);
	if (fast->produced != MAP_FAILED)
		munmap(fast->produced, page + 2 * REQUEST_BYTES);
	for (int i = 0; i < MAPS; i++)
		if (fast->maps[i] >= 0)
			close(fast->maps[i]);
	for (int i = 0; i < 3; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	pthread_mutex_destroy(&fast->requests);
	free(fast);
	return 0;
}

/* --- settings ----------------------------------------------------------------------------------- */

/* Waits for every program that runs now; programs run inside RCU's read side. */
static void let_packets_pass(void)
{
	struct timespec long_enough = { .tv_nsec = 100 * 1000 * 1000 };

	/* MEMBARRIER_CMD_GLOBAL is synchronize_rcu(); kernels with nohz_full refuse it. */
	if (syscall(__NR_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) < 0)
		nanosleep(&long_enough, NULL);
}

/* The coarse clocks advance with the tick. */
static uint32_t tick_hz(void)
{
	struct timespec tick = {};

	clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
	return tick.tv_nsec ? (uint32_t)(1000000000 / tick.tv_nsec) : 250;
}

static uint32_t rounded_up(uint64_t value, uint64_t divisor)
{
	return (uint32_t)((value + divisor - 1) / divisor);
}

int sluice_fastpath_configure(uint64_t handle, int on, uint32_t recheck_ms, uint32_t sample,
			      uint32_t young_packets, uint32_t asks_per_second,
			      uint32_t tcp_timeout_ms, uint32_t udp_timeout_ms)
{
	volatile struct fast_config *config = fast_of(handle)->config;
	uint32_t hz = tick_hz();

	if (!sample || (sample & (sample - 1)) || recheck_ms > 3600 * 1000)
		return sluice_fail(EINVAL, "sluice_fastpath_configure(recheck_ms %u, sample %u)",
				   recheck_ms, sample);
	config->tick_hz = hz;
	config->recheck_ticks = rounded_up((uint64_t)recheck_ms * hz, 1000);
	config->sample_mask = sample - 1;
	config->young_packets = young_packets;
	config->asks_per_tick = rounded_up(asks_per_second, hz);
	config->tcp_timeout_ms = tcp_timeout_ms;
	config->udp_timeout_ms = udp_timeout_ms;
	config->on = on != 0;
	return 0;
}

int sluice_fastpath_switch(uint64_t handle, int on)
{
	fast_of(handle)->config->on = on != 0;
	let_packets_pass();
	return 0;
}

int sluice_fastpath_refresh(uint64_t handle)
{
	__atomic_fetch_add(&fast_of(handle)->config->generation, 1, __ATOMIC_SEQ_CST);
	let_packets_pass();
	return 0;
}

/* --- devices and containers ---------------------------------------------------------------------- */

int sluice_fastpath_attach(uint64_t handle, uint32_t device, int way, int how)
{
	struct fast *fast = fast_of(handle);
	bool outward = way == SLUICE_FASTPATH_OUTWARD;
	int err;

	if ((way != SLUICE_FASTPATH_INWARD && !outward) || how < SLUICE_FASTPATH_ANY ||
	    how > SLUICE_FASTPATH_CLSACT || fast->inward < 0)
		return sluice_fail(EINVAL, "sluice_fastpath_attach(way %d, how %d)", way, how);
	err = put_namespace(fast);
	if (err)
		return err;
	return fastpath_attach(device, outward ? fast->outward : fast->inward,
			       outward ? "sluice_outward" : "sluice_inward", how);
}

int sluice_fastpath_detach(uint32_t device)
{
	return fastpath_detach(device);
}

static void put_mac(uint8_t *at, uint64_t mac)
{
	for (int i = 0; i < 6; i++)
		at[i] = (uint8_t)(mac >> (40 - 8 * i));
}

/* The device itself, of the calling thread's namespace: the kernel looks it up by its index now. */
static int put_device(const struct fast *fast, uint32_t device)
{
	union bpf_attr attr = {
		.map_fd = (uint32_t)fast->maps[DEVICES],
		.key = (uintptr_t)&device,
		.value = (uintptr_t)&device,
	};

	if (sys_bpf(BPF_MAP_UPDATE_ELEM, &attr, sizeof(attr)) < 0)
		return sluice_fail(errno == EINVAL ? ENODEV : errno,
				   "bpf(BPF_MAP_UPDATE_ELEM, devices, ifindex %u)", device);
	return 0;
}

int sluice_fastpath_container(uint64_t handle, uint64_t address, uint32_t device, uint32_t bridge,
			      uint32_t mtu, uint64_t mac, uint64_t bridge_mac)
{
	struct fast_container container = { .device = device, .bridge = bridge, .mtu = mtu };
	union bpf_attr attr = {
		.map_fd = (uint32_t)fast_of(handle)->maps[CONTAINERS],
		.key = address,
	};
	int err = 0;

	if (!address)
		return sluice_fail(EINVAL, "sluice_fastpath_container(address 0)");
	put_mac(container.mac, mac);
	put_mac(container.mac + 6, bridge_mac);
	if (device) {
		err = fastpath_check_exit(device);
		if (!err)
			err = put_device(fast_of(handle), device);
		if (err && err != -EOPNOTSUPP && err != -ENODEV)
			return err;
	}
	if (!device || err) {
		if (sys_bpf(BPF_MAP_DELETE_ELEM, &attr, sizeof(attr)) < 0 && errno != ENOENT)
			return sluice_fail(errno, "bpf(BPF_MAP_DELETE_ELEM, containers)");
		return err;
	}
	attr.value = (uintptr_t)&container;
	if (sys_bpf(BPF_MAP_UPDATE_ELEM, &attr, sizeof(attr)) < 0)
		return sluice_fail(errno, "bpf(BPF_MAP_UPDATE_ELEM, containers)");
	return 0;
}

/* --- requests ----------------------------------------------------------------------------------- */

static void tell_request(struct sluice_offload *out, const struct fast_request *in)
{
	size_t bytes = in->family == AF_INET ? 4 : 16;

	*out = (struct sluice_offload){
		.family = in->family,
		.proto = in->protocol,
		.src_port = ntohs(in->sport),
		.dst_port = ntohs(in->dport),
	};
	memcpy(out->src, in->src, bytes);
	memcpy(out->dst, in->dst, bytes);
}

static int read_requests(struct fast *fast, struct sluice_offload *out, int records)
{
	_Atomic uint64_t *consumer = (void *)fast->consumed;
	const _Atomic uint64_t *producer = (const void *)fast->produced;
	const uint8_t *data = fast->produced + sysconf(_SC_PAGESIZE);
	uint64_t at = atomic_load_explicit(consumer, memory_order_relaxed);
	uint64_t end = atomic_load_explicit(producer, memory_order_acquire);
	int found = 0;

	while (at < end && found < records) {
		const uint8_t *record = data + at % REQUEST_BYTES;
		uint32_t header = atomic_load_explicit((const _Atomic uint32_t *)(const void *)record,
						       memory_order_acquire);
		uint32_t bytes = header & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);

		if (header & BPF_RINGBUF_BUSY_BIT)
			break;
		if (!(header & BPF_RINGBUF_DISCARD_BIT) && bytes == sizeof(struct fast_request))
			tell_request(out + found++,
				     (const void *)(record + BPF_RINGBUF_HDR_SZ));
		at += (bytes + BPF_RINGBUF_HDR_SZ + 7) / 8 * 8;
		atomic_store_explicit(consumer, at, memory_order_release);
	}
	return found;
}

int sluice_fastpath_requests(uint64_t handle, uint64_t records_addr, int records, int timeout_ms)
{
	struct fast *fast = fast_of(handle);
	struct pollfd ring = { .fd = fast->maps[REQUESTS], .events = POLLIN };
	int found;

	if (!records_addr || records <= 0 || fast->consumed == MAP_FAILED)
		return sluice_fail(EINVAL, "sluice_fastpath_requests(%d records)", records);
	pthread_mutex_lock(&fast->requests);
	found = read_requests(fast, pointer(records_addr), records);
	if (!found) {
		if (poll(&ring, 1, timeout_ms) < 0 && errno != EINTR)
			found = sluice_fail(errno, "poll of the ring buffer");
		else
			found = read_requests(fast, pointer(records_addr), records);
	}
	pthread_mutex_unlock(&fast->requests);
	return found;
}

/* --- flows -------------------------------------------------------------------------------------- */

static void tell_flow(struct sluice_offload *out, bool ipv4, const void *key,
		      const struct fast_flow *flow)
{
	const struct fast_key4 *key4 = key;
	const struct fast_key6 *key6 = key;
	size_t bytes = ipv4 ? 4 : 16;

	*out = (struct sluice_offload){
		.family = ipv4 ? AF_INET : AF_INET6,
		.proto = (uint8_t)(ipv4 ? key4->protocol : key6->protocol),
		.ended = (uint8_t)flow->ended,
		.src_port = ntohs(ipv4 ? key4->sport : key6->sport),
		.dst_port = ntohs(ipv4 ? key4->dport : key6->dport),
		.new_src_port = ntohs(flow->way.sport),
		.new_dst_port = ntohs(flow->way.dport),
		.from_device = flow->way.from,
		.to_device = flow->way.to,
		.mtu = flow->way.mtu,
		.packets = flow->packets,
		.bytes = flow->bytes,
	};
	memcpy(out->src, ipv4 ? (const void *)&key4->src : key6->src, bytes);
	memcpy(out->dst, ipv4 ? (const void *)&key4->dst : key6->dst, bytes);
	memcpy(out->new_src, flow->way.src, bytes);
	memcpy(out->new_dst, flow->way.dst, bytes);
}

static void rewind_flows(struct fast *fast)
{
	fast->cursor_map = FLOWS4;
	fast->cursor_started = false;
}

int sluice_fastpath_flows(uint64_t handle, uint64_t records_addr, int records)
{
	struct fast *fast = fast_of(handle);
	struct sluice_offload *out = pointer(records_addr);

	if (!records_addr || records < BATCH)
		return sluice_fail(EINVAL, "sluice_fastpath_flows(%d records), at least %d", records,
				   BATCH);
	while (fast->cursor_map <= FLOWS6) {
		bool ipv4 = fast->cursor_map == FLOWS4, end;
		size_t key_bytes = ipv4 ? sizeof(struct fast_key4) : sizeof(struct fast_key6);
		union bpf_attr attr = { .batch = {
			.map_fd = (uint32_t)fast->maps[fast->cursor_map],
			.in_batch = fast->cursor_started ? (uintptr_t)&fast->cursor : 0,
			.out_batch = (uintptr_t)&fast->cursor,
			.keys = (uintptr_t)fast->keys,
			.values = (uintptr_t)fast->values,
			.count = BATCH,
		} };

		end = sys_bpf(BPF_MAP_LOOKUP_BATCH, &attr, sizeof(attr)) < 0;
		if (end && errno != ENOENT) {
			int err = sluice_fail(errno, "bpf(BPF_MAP_LOOKUP_BATCH, flows)");

			rewind_flows(fast);
			return err;
		}
		fast->cursor_started = !end;
		fast->cursor_map += end;
		for (uint32_t i = 0; i < attr.batch.count; i++)
			tell_flow(out + i, ipv4, fast->keys + i * key_bytes, &fast->values[i]);
		if (attr.batch.count)
			return (int)attr.batch.count;
	}
	rewind_flows(fast);
	return 0;
}

/* The key of the flow that a record names, in what sluice_retire wants. */
static struct fast_retire key_of(const struct sluice_offload *record)
{
	struct fast_retire made = { .family = record->family };
	struct fast_key4 key4 = {
		.sport = htons(record->src_port),
		.dport = htons(record->dst_port),
		.protocol = record->proto,
	};

	if (record->family == AF_INET) {
		memcpy(&key4.src, record->src, sizeof(key4.src));
		memcpy(&key4.dst, record->dst, sizeof(key4.dst));
		memcpy(&made.key, &key4, sizeof(key4));
		return made;
	}
	made.key = (struct fast_key6){
		.sport = key4.sport,
		.dport = key4.dport,
		.protocol = key4.protocol,
	};
	memcpy(made.key.src, record->src, sizeof(made.key.src));
	memcpy(made.key.dst, record->dst, sizeof(made.key.dst));
	return made;
}

static int retire(const struct fast *fast, const struct sluice_offload *record)
{
	struct fast_retire named = key_of(record);
	union bpf_attr attr = { .test = {
		.prog_fd = (uint32_t)fast->retire,
		.ctx_in = (uintptr_t)&named,
		.ctx_size_in = sizeof(named),
	} };

	if (sys_bpf(BPF_PROG_RUN, &attr, sizeof(attr)) < 0)
		return sluice_fail(errno, "bpf(BPF_PROG_RUN, sluice_retire)");
	return 0;
}

/* 1, or 0 if there is no such flow. */
static int take(const struct fast *fast, struct sluice_offload *record)
{
	struct fast_retire named = key_of(record);
	struct fast_flow flow;
	union bpf_attr attr = {
		.map_fd = (uint32_t)fast->maps[record->family == AF_INET ? FLOWS4 : FLOWS6],
		.key = (uintptr_t)&named.key,
		.value = (uintptr_t)&flow,
	};

	record->packets = 0;
	record->bytes = 0;
	if (sys_bpf(BPF_MAP_LOOKUP_AND_DELETE_ELEM, &attr, sizeof(attr)) < 0) {
		if (errno == ENOENT)
			return 0;
		return sluice_fail(errno, "bpf(BPF_MAP_LOOKUP_AND_DELETE_ELEM, flows)");
	}
	tell_flow(record, record->family == AF_INET, &named.key, &flow);
	return 1;
}

/*
 * A program may have found an entry and be about to count in it, or to send where it says, while the
 * kernel is free to use a deleted one's memory for the next flow at once. So an entry is first marked,
 * then nobody is left who saw it unmarked, and only then it goes.
 */
int sluice_fastpath_take(uint64_t handle, uint64_t records_addr, int records)
{
	struct fast *fast = fast_of(handle);
	struct sluice_offload *record = pointer(records_addr);
	int found = 0, err = 0;

	if (!records_addr || records < 0)
		return sluice_fail(EINVAL, "sluice_fastpath_take(%d records)", records);
	for (int i = 0; i < records; i++)
		if (record[i].family != AF_INET && record[i].family != AF_INET6)
			return sluice_fail(EINVAL, "take a flow of family %u", record[i].family);
	/* An orphan has no programs that could run. */
	for (int i = 0; i < records && !err && fast->retire >= 0; i++)
		err = retire(fast, &record[i]);
	if (err)
		return err;
	let_packets_pass();
	for (int i = 0; i < records; i++) {
		err = take(fast, &record[i]);
		if (err < 0)
			return err;
		found += err;
	}
	return found;
}

/* --- statistics --------------------------------------------------------------------------------- */

/* A per-CPU map has a value for each that could ever be there: "0-3", "0" or "0-3,8-11" in sysfs. */
static int possible_processors(void)
{
	FILE *file = fopen("/sys/devices/system/cpu/possible", "re");
	int first, last, count = 0, end = ',';

	if (!file)
		return sluice_fail(errno, "open /sys/devices/system/cpu/possible");
	while (end == ',' && fscanf(file, "%d", &first) == 1) {
		last = first;
		end = fgetc(file);
		if (end == '-' && fscanf(file, "%d", &last) == 1)
			end = fgetc(file);
		count += last - first + 1;
	}
	fclose(file);
	if (count < 1 || (end != '\n' && end != EOF))
		return sluice_fail(EPROTO, "read /sys/devices/system/cpu/possible");
	return count;
}

int sluice_fastpath_stats(uint64_t handle, uint64_t addr, uint64_t bytes)
{
	const struct fast *fast = fast_of(handle);
	uint64_t sums[FAST_OUTCOME_COUNT] = {};
	int processors = possible_processors();
	uint64_t *counters;
	int err = 0;

	if (!addr || bytes < sizeof(sums))
		return sluice_fail(EINVAL, "sluice_fastpath_stats(%llu bytes), needs %zu",
				   (unsigned long long)bytes, sizeof(sums));
	if (processors < 0)
		return processors;
	counters = calloc((size_t)processors, sizeof(*counters));
	if (!counters)
		return sluice_fail(ENOMEM, "sluice_fastpath_stats()");
	for (uint32_t outcome = 0; outcome < FAST_OUTCOME_COUNT && !err; outcome++) {
		union bpf_attr attr = {
			.map_fd = (uint32_t)fast->maps[OUTCOMES],
			.key = (uintptr_t)&outcome,
			.value = (uintptr_t)counters,
		};

		if (sys_bpf(BPF_MAP_LOOKUP_ELEM, &attr, sizeof(attr)) < 0)
			err = sluice_fail(errno, "bpf(BPF_MAP_LOOKUP_ELEM, outcomes)");
		for (int i = 0; i < processors; i++)
			sums[outcome] += counters[i];
	}
	free(counters);
	if (!err)
		memcpy(pointer(addr), sums, sizeof(sums));
	return err;
}
