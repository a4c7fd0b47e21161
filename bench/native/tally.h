/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a reader of conntrack events counts, the same for every reader, and how it is told to stop: by
 * SIGTERM. It prints one line of JSON then.
 */
#ifndef TALLY_H
#define TALLY_H

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TALLY_LATENCIES 2000000 /* one bucket a microsecond; the last takes what is later */

struct tally {
	uint64_t new_events, update_events, destroy_events;
	uint64_t synthesised;	      /* not observed; in none of the above */
	uint64_t synthesised_destroy; /* of these, ends */
	uint64_t lost;		      /* that gaps admit */
	uint64_t jumps;		      /* places in the stream where numbers are missing without a gap */
	uint64_t reconnects;
	uint64_t latencies;
	uint32_t latency_us[TALLY_LATENCIES];
};

static volatile sig_atomic_t stop_asked;

__attribute__((noreturn, format(printf, 1, 2))) static inline void give_up(const char *format, ...)
{
	__builtin_va_list arguments;

	__builtin_va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	__builtin_va_end(arguments);
	fputc('\n', stderr);
	exit(1);
}

static inline void ask_to_stop(int signal)
{
	(void)signal;
	stop_asked = 1;
}

/* Without SA_RESTART: a read that waits returns. */
static inline void stop_on_sigterm(void)
{
	struct sigaction action = { .sa_handler = ask_to_stop };

	if (sigaction(SIGTERM, &action, NULL) < 0)
		give_up("sigaction: %s", strerror(errno));
}

static inline uint64_t wall_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* An event that happened at @event_ns has been read at @read_ns. */
static inline void tally_latency(struct tally *tally, uint64_t event_ns, uint64_t read_ns)
{
	uint64_t us = read_ns > event_ns ? (read_ns - event_ns) / 1000 : 0;

	tally->latency_us[us < TALLY_LATENCIES ? us : TALLY_LATENCIES - 1]++;
	tally->latencies++;
}

static inline uint64_t tally_percentile(const struct tally *tally, unsigned int percent)
{
	uint64_t wanted = tally->latencies * percent / 100, seen = 0;
	uint32_t us;

	for (us = 0; us < TALLY_LATENCIES - 1; us++) {
		seen += tally->latency_us[us];
		if (seen > wanted)
			break;
	}
	return us;
}

/* @more are further members of the object, each with a comma in front. */
static inline void tally_print(const struct tally *tally, const char *more)
{
	printf("{\"new\":%llu,\"update\":%llu,\"destroy\":%llu,\"synthesised\":%llu,"
	       "\"synthesised_destroy\":%llu,\"lost\":%llu,\"jumps\":%llu,\"reconnects\":%llu",
	       (unsigned long long)tally->new_events, (unsigned long long)tally->update_events,
	       (unsigned long long)tally->destroy_events, (unsigned long long)tally->synthesised,
	       (unsigned long long)tally->synthesised_destroy, (unsigned long long)tally->lost,
	       (unsigned long long)tally->jumps, (unsigned long long)tally->reconnects);
	if (tally->latencies > 0)
		printf(",\"p50_us\":%llu,\"p99_us\":%llu",
		       (unsigned long long)tally_percentile(tally, 50),
		       (unsigned long long)tally_percentile(tally, 99));
	printf("%s}\n", more);
	fflush(stdout);
}

#endif
