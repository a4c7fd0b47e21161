// SPDX-License-Identifier: Apache-2.0
/*
 * timed: how long a program takes, run after run, measured from outside a JVM.
 *
 *	timed [-n RUNS] [-m MINIMUM] [-l MILLISECONDS] [-p FIRST] [-i FILE] [-e NAME=VALUE]...
 *	      -- PROGRAM [ARGUMENT]...
 *
 * Runs PROGRAM up to RUNS times, no further once MILLISECONDS are over, but at least MINIMUM times.
 * Every "{port}" in the arguments, in FILE (its standard input) and in the environment given with -e
 * becomes FIRST, FIRST + 1 and so on. What a run needs is prepared before its time begins: a sample
 * is the program alone, from vfork to its end.
 *
 * Prints nanoseconds, one line per run. A program that fails ends everything, with its messages.
 */
#define _GNU_SOURCE /* memfd_create, memmem */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PLACEHOLDER "{port}"
#define PLACEHOLDER_BYTES (sizeof(PLACEHOLDER) - 1)
#define PORT_DIGITS 5
#define VARIABLES_MAX 16

extern char **environ;

/* A text with placeholders, and the room for it with every one of them filled in. */
struct template {
	const char *text;
	size_t bytes;
	char *filled;
};

static void fail(const char *what, int error)
{
	fprintf(stderr, "timed: %s: %s\n", what, strerror(error));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static unsigned int number(const char *text, unsigned int max)
{
	char *end;
	unsigned long value;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || end == text || *end || value > max) {
		fprintf(stderr, "timed: '%s' is not a number from 0 to %u\n", text, max);
		exit(2);
	}
	return (unsigned int)value;
}

static struct template template_of(const char *text, size_t bytes)
{
	/* A port is at most five digits, shorter than its placeholder: nothing grows. */
	struct template t = { .text = text, .bytes = bytes, .filled = malloc(bytes + 1) };

	_Static_assert(PORT_DIGITS < PLACEHOLDER_BYTES, "a filled template must fit its own size");
	if (!t.filled)
		fail("memory", ENOMEM);
	return t;
}

/* Fills in @port and returns how many bytes that makes; a NUL follows them. */
static size_t fill(struct template *t, unsigned int port)
{
	const char *from = t->text, *end = t->text + t->bytes;
	char digits[PORT_DIGITS + 1];
	char *to = t->filled;
	size_t width = (size_t)snprintf(digits, sizeof(digits), "%u", port);

	while (from < end) {
		const char *at = memmem(from, (size_t)(end - from), PLACEHOLDER, PLACEHOLDER_BYTES);
		size_t before = (size_t)((at ? at : end) - from);

		memcpy(to, from, before);
		to += before;
		from += before;
		if (at) {
			memcpy(to, digits, width);
			to += width;
			from += PLACEHOLDER_BYTES;
		}
	}
	*to = '\0';
	return (size_t)(to - t->filled);
}

static struct template read_file(const char *path)
{
	struct stat status;
	char *text;
	size_t at = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &status) < 0)
		fail(path, errno);
	text = malloc((size_t)status.st_size + 1);
	if (!text)
		fail("memory", ENOMEM);
	while (at < (size_t)status.st_size) {
		ssize_t got = read(fd, text + at, (size_t)status.st_size - at);

		if (got <= 0)
			fail(path, got < 0 ? errno : EIO);
		at += (size_t)got;
	}
	close(fd);
	return template_of(text, at);
}

static int scratch(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC);

	if (fd < 0)
		fail("memfd_create", errno);
	return fd;
}

static void write_input(int fd, struct template *input, unsigned int port)
{
	size_t bytes = fill(input, port), at = 0;

	if (ftruncate(fd, 0) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		fail("standard input", errno);
	while (at < bytes) {
		ssize_t put = write(fd, input->filled + at, bytes - at);

		if (put < 0)
			fail("standard input", errno);
		at += (size_t)put;
	}
	if (lseek(fd, 0, SEEK_SET) < 0)
		fail("standard input", errno);
}

/* What the program said, to our own standard error. */
static void show(int messages)
{
	char chunk[4096];
	off_t at = 0;
	ssize_t got;

	while ((got = pread(messages, chunk, sizeof(chunk), at)) > 0 &&
	       write(STDERR_FILENO, chunk, (size_t)got) == got)
		at += got;
}

int main(int argc, char **argv)
{
	unsigned int runs = 1, minimum = 1, limit_ms = UINT32_MAX, first = 0;
	struct template variables[VARIABLES_MAX], input = template_of("", 0), *words;
	unsigned int variable_count = 0;
	posix_spawn_file_actions_t actions;
	int in = scratch("stdin"), messages = scratch("messages");
	uint64_t began;
	char **command;
	int word_count, option;

	while ((option = getopt(argc, argv, "+n:m:l:p:i:e:")) != -1) {
		switch (option) {
		case 'n':
			runs = number(optarg, 65535);
			break;
		case 'm':
			minimum = number(optarg, 65535);
			break;
		case 'l':
			limit_ms = number(optarg, UINT32_MAX);
			break;
		case 'p':
			first = number(optarg, 65535);
			break;
		case 'i':
			free(input.filled);
			input = read_file(optarg);
			break;
		case 'e':
			if (variable_count == VARIABLES_MAX || !strchr(optarg, '=')) {
				fprintf(stderr, "timed: -e takes NAME=VALUE, %d times at most\n", VARIABLES_MAX);
				return 2;
			}
			variables[variable_count++] = template_of(optarg, strlen(optarg));
			break;
		default:
			return 2;
		}
	}
	word_count = argc - optind;
	if (!word_count || first + runs > 65536) {
		fprintf(stderr, "timed: %s\n", word_count ? "FIRST + RUNS exceeds 65536" : "no program given");
		return 2;
	}
	words = calloc((size_t)word_count, sizeof(*words));
	command = calloc((size_t)word_count + 1, sizeof(*command));
	if (!words || !command)
		fail("memory", ENOMEM);
	for (int i = 0; i < word_count; i++) {
		words[i] = template_of(argv[optind + i], strlen(argv[optind + i]));
		command[i] = words[i].filled;
	}
	/* The duplicates lose close-on-exec, the originals keep it. */
	if (posix_spawn_file_actions_init(&actions) ||
	    posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO) ||
	    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0) ||
	    posix_spawn_file_actions_adddup2(&actions, messages, STDERR_FILENO))
		fail("posix_spawn_file_actions", ENOMEM);

	began = now_ns();
	for (unsigned int i = 0; i < runs; i++) {
		uint64_t start, end;
		int error, status;
		pid_t child;

		if (i >= minimum && now_ns() - began > (uint64_t)limit_ms * 1000000u)
			break;
		for (int w = 0; w < word_count; w++)
			fill(&words[w], first + i);
		for (unsigned int v = 0; v < variable_count; v++) {
			char *value;

			fill(&variables[v], first + i);
			value = strchr(variables[v].filled, '=');
			*value++ = '\0';
			if (setenv(variables[v].filled, value, 1) < 0)
				fail("setenv", errno);
		}
		write_input(in, &input, first + i);
		start = now_ns();
		error = posix_spawnp(&child, command[0], &actions, NULL, command, environ);
		if (error)
			fail(command[0], error);
		if (waitpid(child, &status, 0) < 0)
			fail("waitpid", errno);
		end = now_ns();
		if (!WIFEXITED(status) || WEXITSTATUS(status)) {
			show(messages);
			fprintf(stderr, "timed: run %u of %s ended with status 0x%x\n", i + 1, command[0], status);
			return 1;
		}
		printf("%llu\n", (unsigned long long)(end - start));
	}
	return 0;
}
