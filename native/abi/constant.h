/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_ABI_CONSTANT_H
#define SLUICE_ABI_CONSTANT_H

struct constant {
	const char *name;
	enum { ABSENT, POSITIVE, NEGATIVE } sign;
	unsigned long long value;
};

/* Generated from the lists by probe.sh. */
extern const struct constant constants[];
extern const int constant_count;

#endif
