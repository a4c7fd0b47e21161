/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a "light skeleton" (bpftool gen skeleton -L) needs to load itself. The generated header includes
 * this file by the name of libbpf's own, so that building takes neither libbpf nor its headers.
 *
 * A light skeleton is a BPF program that makes maps, finds the kernel's types and functions, and loads
 * the programs, all inside the kernel; here it is put into the kernel and run. The structs are what
 * bpftool 7.1 (libbpf 1.1) generates for; `make bpf-check` generates again.
 */
#ifndef SLUICE_BPF_SKEL_INTERNAL_H
#define SLUICE_BPF_SKEL_INTERNAL_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "call.h"

struct bpf_map_desc {
	int map_fd;
	__u32 max_entries; /* 0: as in the source */
	__aligned_u64 initial_value;
};

struct bpf_prog_desc {
	int prog_fd;
};

struct bpf_loader_ctx {
	__u32 sz;
	__u32 flags;
	__u32 log_level;
	__u32 log_size;
	__u64 log_buf;
};

struct bpf_load_and_run_opts {
	struct bpf_loader_ctx *ctx;
	const void *data;
	const void *insns;
	__u32 data_sz;
	__u32 insns_sz;
	const char *errstr;
};

static inline void *skel_alloc(size_t bytes)
{
	return calloc(1, bytes);
}

static inline void skel_free(void *skeleton)
{
	free(skeleton);
}

static inline int skel_closenz(int fd)
{
	return fd > 0 ? close(fd) : -EINVAL;
}

/* .data before it is a map: the program copies it from here. */
static inline void *skel_prep_map_data(const void *value, size_t mapped, size_t bytes)
{
	void *memory = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? NULL : memcpy(memory, value, bytes);
}

/* And then the map itself, in the same place. */
static inline void *skel_finalize_map_data(__u64 *at, size_t mapped, int protection, int fd)
{
	void *memory = mmap((void *)(uintptr_t)*at, mapped, protection, MAP_SHARED | MAP_FIXED, fd, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static inline void skel_free_map_data(void *memory, __u64 at, size_t mapped)
{
	(void)at;
	if (memory)
		munmap(memory, mapped);
}

/* 0 or -errno. errstr then says which step failed. */
static inline int bpf_load_and_run(struct bpf_load_and_run_opts *opts)
{
	union bpf_attr map = {
		.map_type = BPF_MAP_TYPE_ARRAY,
		.map_name = "sluice_loader",
		.key_size = sizeof(__u32),
		.value_size = opts->data_sz,
		.max_entries = 1,
	};
	union bpf_attr update = { .value = (uintptr_t)opts->data };
	union bpf_attr program = {
		.prog_type = BPF_PROG_TYPE_SYSCALL,
		.prog_name = "sluice_loader",
		.prog_flags = BPF_F_SLEEPABLE,
		.insns = (uintptr_t)opts->insns,
		.insn_cnt = opts->insns_sz / sizeof(struct bpf_insn),
		.license = (uintptr_t)"Dual BSD/GPL",
	};
	union bpf_attr run = { .test = {
		.ctx_in = (uintptr_t)opts->ctx,
		.ctx_size_in = opts->ctx->sz,
	} };
	int map_fd, program_fd = -1, err = 0;
	__u32 key = 0;

	opts->errstr = "bpf(BPF_MAP_CREATE)";
	map_fd = (int)sys_bpf(BPF_MAP_CREATE, &map, sizeof(map));
	if (map_fd < 0)
		return -errno;
	opts->errstr = "bpf(BPF_MAP_UPDATE_ELEM)";
	update.map_fd = (__u32)map_fd;
	update.key = (uintptr_t)&key;
	if (sys_bpf(BPF_MAP_UPDATE_ELEM, &update, sizeof(update)) < 0)
		err = -errno;
	if (!err) {
		opts->errstr = "bpf(BPF_PROG_LOAD) of the loader";
		program.fd_array = (uintptr_t)&map_fd;
		program_fd = (int)sys_bpf(BPF_PROG_LOAD, &program, sizeof(program));
		if (program_fd < 0)
			err = -errno;
	}
	if (!err) {
		opts->errstr = "bpf(BPF_PROG_RUN) of the loader";
		run.test.prog_fd = (__u32)program_fd;
		if (sys_bpf(BPF_PROG_RUN, &run, sizeof(run)) < 0)
			err = -errno;
		else if ((int)run.test.retval < 0)
			err = (int)run.test.retval;
	}
	close(map_fd);
	if (program_fd >= 0)
		close(program_fd);
	return err;
}

#endif
