/* SPDX-License-Identifier: Apache-2.0 */
/* Checks that go on after a failure and say what was expected; a test program returns check_result(). */
#ifndef SLUICE_TEST_CHECK_H
#define SLUICE_TEST_CHECK_H

#include <stdbool.h>
#include <stdint.h>

/* The number of failures so far decides; prints a line with both counts. */
int check_result(const char *program);

/* What the following checks are about, for the message of a failure. */
void check_about(const char *format, ...) __attribute__((format(printf, 1, 2)));

void check_true(const char *file, int line, const char *expression, bool actual);
void check_int(const char *file, int line, const char *expression, int64_t actual, int64_t expected);
void check_text(const char *file, int line, const char *expression, const char *actual,
		const char *expected);
void check_bytes(const char *file, int line, const char *expression, const void *actual,
		 const void *expected, unsigned long bytes);

#define CHECK(expression) check_true(__FILE__, __LINE__, #expression, (expression))
#define CHECK_INT(actual, expected)                                                                \
	check_int(__FILE__, __LINE__, #actual, (int64_t)(actual), (int64_t)(expected))
#define CHECK_TEXT(actual, expected) check_text(__FILE__, __LINE__, #actual, actual, expected)
#define CHECK_BYTES(actual, expected, bytes)                                                       \
	check_bytes(__FILE__, __LINE__, #actual, actual, expected, bytes)

/* For what a test cannot go on without: prints the reason and exits. */
void give_up(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
