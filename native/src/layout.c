/* SPDX-License-Identifier: Apache-2.0 */
/* The shared layouts as data: what sluice_layout_*() answers is made of the lists in record.h. */
#include <errno.h>

#include "record.h"
#include "sluice.h"

struct field {
	const char *name;
	int offset;
	int size;
};

#define STRUCT(prefix, type) { prefix, 0, sizeof(type) },
#define FIELD(prefix, type, member)                                                                \
	{ prefix "." #member, offsetof(type, member), sizeof(((type *)0)->member) },
#define FLOW(type, name, suffix, offset) FIELD("flow", struct sluice_flow, name)
#define GAP(type, name, suffix, offset) FIELD("gap", struct sluice_gap, name)
#define RING(type, name, suffix, offset) FIELD("ring", struct sluice_ring_header, name)
#define STATS(type, name, suffix, offset) FIELD("stats", struct sluice_stats, name)
#define PROXY(type, name, suffix, offset) FIELD("proxy", struct sluice_proxy_stats, name)
#define OFFLOAD(type, name, suffix, offset) FIELD("offload", struct sluice_offload, name)
#define OUTCOME(NAME, name) FIELD("fastpath", struct sluice_fastpath_stats, name)

static const struct field fields[] = {
	/* clang-format off */
	STRUCT("flow", struct sluice_flow)
	SLUICE_FLOW_FIELDS(FLOW)
	STRUCT("gap", struct sluice_gap)
	SLUICE_GAP_FIELDS(GAP)
	STRUCT("ring", struct sluice_ring_header)
	SLUICE_RING_FIELDS(RING)
	STRUCT("stats", struct sluice_stats)
	SLUICE_STATS_FIELDS(STATS)
	STRUCT("proxy", struct sluice_proxy_stats)
	SLUICE_PROXY_FIELDS(PROXY)
	STRUCT("offload", struct sluice_offload)
	SLUICE_OFFLOAD_FIELDS(OFFLOAD)
	STRUCT("fastpath", struct sluice_fastpath_stats)
	FAST_OUTCOMES(OUTCOME)
	/* clang-format on */
};

static const int field_count = sizeof(fields) / sizeof(fields[0]);

static const struct field *field_at(int index)
{
	return index >= 0 && index < field_count ? &fields[index] : NULL;
}

int sluice_layout_count(void)
{
	return field_count;
}

const char *sluice_layout_name(int index)
{
	const struct field *field = field_at(index);

	return field ? field->name : NULL;
}

int sluice_layout_offset(int index)
{
	const struct field *field = field_at(index);

	return field ? field->offset : -EINVAL;
}

int sluice_layout_size(int index)
{
	const struct field *field = field_at(index);

	return field ? field->size : -EINVAL;
}
