/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char about[256];
static long checks;
static long failures;

int check_result(const char *program)
{
	printf("%s: %ld checks, %ld failed\n", program, checks, failures);
	return failures || !checks ? 1 : 0;
}

void check_about(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(about, sizeof(about), format, args);
	va_end(args);
}

static bool passed(const char *file, int line, bool passes)
{
	checks++;
	if (passes)
		return true;
	failures++;
	fprintf(stderr, "%s:%d: %s%s", file, line, about, about[0] ? ": " : "");
	return false;
}

void check_true(const char *file, int line, const char *expression, bool actual)
{
	if (!passed(file, line, actual))
		fprintf(stderr, "%s is false\n", expression);
}

void check_int(const char *file, int line, const char *expression, int64_t actual, int64_t expected)
{
	if (!passed(file, line, actual == expected))
		fprintf(stderr, "%s is %lld (0x%llx), expected %lld (0x%llx)\n", expression,
			(long long)actual, (unsigned long long)actual, (long long)expected,
			(unsigned long long)expected);
}

void check_text(const char *file, int line, const char *expression, const char *actual,
		const char *expected)
{
	if (!passed(file, line, strcmp(actual, expected) == 0))
		fprintf(stderr, "%s is\n  \"%s\", expected\n  \"%s\"\n", expression, actual,
			expected);
}

void check_bytes(const char *file, int line, const char *expression, const void *actual,
		 const void *expected, unsigned long bytes)
{
	const unsigned char *a = actual, *b = expected;
	unsigned long at = 0;

	while (at < bytes && a[at] == b[at])
		at++;
	if (!passed(file, line, at == bytes))
		fprintf(stderr, "%s differs at byte %lu: 0x%02x, expected 0x%02x\n", expression, at,
			a[at], b[at]);
}

void give_up(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(2);
}
