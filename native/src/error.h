/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_ERROR_H
#define SLUICE_ERROR_H

/*
 * Records "<what was attempted>: <text of error>" for sluice_last_error() and returns -error, so that
 * a failing path reads `return sluice_fail(errno, "setsockopt(SO_RCVBUFFORCE, %d)", bytes)`.
 */
int sluice_fail(int error, const char *attempt, ...) __attribute__((format(printf, 2, 3)));

#endif
