/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer target: arbitrary bytes as a datagram of a dump. Whatever they are, every message of it is
 * an entry that keeps its promises, ignored, the end, or counted as malformed; and the walk ends.
 */
#include "../src/dump.c"

#include <sanitizer/asan_interface.h>
#include <stddef.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(int condition)
{
	if (!condition)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct dump dump;
	struct sluice_flow flow;
	size_t before;
	int result;

	if (size > sizeof(dump.datagram))
		return 0;
	memset(&dump, 0, offsetof(struct dump, datagram));
	memcpy(dump.datagram, data, size);
	/* What lies behind the datagram is not part of it. */
	__asan_poison_memory_region(dump.datagram + size, sizeof(dump.datagram) - size);
	dump.bytes = size;
	dump.read_ns = 1;
	while (dump.at < dump.bytes && !dump.done) {
		before = dump.at;
		result = take(&dump, &flow);
		if (result == 1) {
			expect(flow.kind == SLUICE_KIND_ENTRY);
			expect(flow.family == AF_INET || flow.family == AF_INET6);
			expect(flow.helper[sizeof(flow.helper) - 1] == '\0');
		}
		expect(dump.at > before && dump.at <= dump.bytes);
	}
	__asan_unpoison_memory_region(dump.datagram, sizeof(dump.datagram));
	return 0;
}
