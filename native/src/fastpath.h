/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_FASTPATH_H
#define SLUICE_FASTPATH_H

#include <stdint.h>

#include "../bpf/shared.h"

/*
 * Programs at a device's tc ingress, in the calling thread's namespace. They stay when the process
 * ends, and are recognised by their names.
 */
/* By tcx or a filter of a clsact queueing discipline, as `how` says, in place of an earlier program of
 * ours. Returns SLUICE_FASTPATH_TCX or _CLSACT. */
int fastpath_attach(uint32_t device, int program_fd, const char *name, int how);

/* Takes all of ours away: how many. */
int fastpath_detach(uint32_t device);

/* -EOPNOTSUPP if packets to the device queue, or pass filters: they would not, if they were carried. */
int fastpath_check_exit(uint32_t device);

/* A descriptor of one of ours, or -ENOENT. */
int fastpath_find(uint32_t device);

/* For tests: descriptors of a program (SLUICE_FASTPATH_INWARD, _OUTWARD) and of a family's flows; .data; what is shown of a
 * verifier's log. */
int fastpath_program(uint64_t handle, int way);
int fastpath_flows(uint64_t handle, int family);
volatile struct fast_config *fastpath_config(uint64_t handle);
const char *fastpath_verdict(char *log);

#endif
