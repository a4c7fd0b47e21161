/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer target: arbitrary bytes as an agent's answer, as a network configuration and as text to
 * quote. An answer that comes in two parts means what it means in one; what is quoted is a JSON string;
 * a version that is found can stand in one.
 */
#include <stdlib.h>
#include <string.h>

#include "cni_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(int condition)
{
	if (!condition)
		abort();
}

static void check_answer(const char *bytes, size_t size)
{
	struct sluice_answer whole = { 0 }, part = { 0 };
	int result = sluice_answer_parse(&whole, bytes, size, true);
	size_t cut = size / 2;
	int early = sluice_answer_parse(&part, bytes, cut, false);

	expect(result != 0);
	if (result == 1) {
		expect(whole.status >= 200 && whole.status <= 999);
		expect(whole.body >= bytes && whole.body_bytes <= (size_t)(bytes + size - whole.body));
		expect(early >= 0);
	}
	if (early == 1)
		expect(result == 1 && part.status == whole.status && part.body == whole.body &&
		       part.body_bytes == whole.body_bytes);
}

static void check_quoted(const char *bytes, size_t size)
{
	struct sluice_text text = { 0 };
	size_t i;

	if (sluice_text_add_quoted(&text, bytes, size) == 0) {
		expect(text.length >= 2 && text.bytes[0] == '"' && text.bytes[text.length - 1] == '"');
		for (i = 1; i < text.length - 1; i++) {
			expect((uint8_t)text.bytes[i] >= 0x20 && text.bytes[i] != '"');
			if (text.bytes[i] == '\\')
				i++;
		}
		expect(i == text.length - 1);
	}
	sluice_text_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char version[SLUICE_CNI_VERSION_BYTES];
	const char *bytes = (const char *)data;

	check_answer(bytes, size);
	if (sluice_cni_version(bytes, size, version) == 0) {
		expect(memchr(version, '\0', sizeof(version)) != NULL && version[0] != '\0');
		expect(strpbrk(version, "\"\\") == NULL);
	}
	check_quoted(bytes, size);
	return 0;
}
