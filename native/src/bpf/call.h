/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_BPF_CALL_H
#define SLUICE_BPF_CALL_H

#include <linux/bpf.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

/* bpf(2), for which libc has no function: -1 and errno, as always. */
static inline long sys_bpf(int command, void *attributes, size_t bytes)
{
	return syscall(__NR_bpf, command, attributes, bytes);
}

#endif
