/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sluice.h"

static _Thread_local char last_error[256];

int sluice_fail(int error, const char *attempt, ...)
{
	char reason[96];
	va_list args;
	int used;

	va_start(args, attempt);
	used = vsnprintf(last_error, sizeof(last_error), attempt, args);
	va_end(args);
	if (used >= 0 && (size_t)used < sizeof(last_error))
		snprintf(last_error + used, sizeof(last_error) - (size_t)used, ": %s",
			 strerror_r(error, reason, sizeof(reason)));
	return -error;
}

const char *sluice_last_error(void)
{
	return last_error;
}
