/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_DECODE_H
#define SLUICE_DECODE_H

#include <stddef.h>
#include <stdint.h>

#include "record.h"

enum {
	/* Results of sluice_decode() beside -EBADMSG. */
	SLUICE_DECODED = 0,
	SLUICE_IGNORED = 1,
};

/*
 * Decodes one netlink message of `bytes` bytes, its header included (nlmsg_len is not looked at: who
 * walks the datagram has cut the message out by it).
 *
 * SLUICE_DECODED: `flow` is complete; event_ns is the kernel's time or, where it sends none,
 * received_ns. SLUICE_IGNORED: not a conntrack event. -EBADMSG: a header, an attribute or a tuple is
 * cut short or contradicts the rest; `flow` holds nothing of use. Adds the number of attributes it
 * does not know to *unknown. Needs no alignment of `message`.
 */
int sluice_decode(const void *message, size_t bytes, uint64_t received_ns, struct sluice_flow *flow,
		  uint64_t *unknown);

#endif
