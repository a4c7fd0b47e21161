/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_TEST_GOLDEN_H
#define SLUICE_TEST_GOLDEN_H

#include <stddef.h>
#include <stdint.h>

/* A datagram captured from a kernel by golden/capture.py. */
struct golden {
	char name[64];
	char conntrack[1024]; /* what conntrack(8) printed for it */
	uint8_t bytes[1024];
	size_t size;
};

/* Reads one .hex file; gives up if it is none. */
void golden_read(const char *directory, const char *name, struct golden *golden);

/* Reads all .hex files of a directory, sorted by name; the caller frees. Gives up if there are none. */
struct golden *golden_read_all(const char *directory, size_t *count);

#endif
