// SPDX-License-Identifier: Apache-2.0
/*
 * cycles: the life of network namespaces that programs set up, again and again, measured from outside
 * a JVM.
 *
 *	cycles [-n CYCLES] [-j HANDS] [-f FIRST] PLAN
 *
 * A cycle makes a network namespace as "ip netns add" does, runs the programs of PLAN that join it,
 * runs those that let it leave, and removes it. HANDS processes share CYCLES. Lines of PLAN:
 *
 *	bare			no namespace is made: the programs bring their own
 *	join, leave		which half the following programs are of
 *	env NAME=VALUE		for all programs that follow
 *	run WORD...		a program; words are separated by one space
 *	in TEXT			one line of the last program's standard input
 *
 * Everywhere, {name} is the namespace, {n} a number of the cycle (from FIRST), {port} 20000 and
 * {address} 10.77.0.2 and up counted by it, {hand} the process from 0, and {output} what the last
 * program of the cycle that printed anything printed.
 *
 * Prints one line per cycle: the nanoseconds of making, joining, leaving and removing. A program is
 * timed from vfork to its end. One that fails ends everything, with its messages.
 */
#define _GNU_SOURCE /* memfd_create, unshare, setns */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NAMESPACES "/run/netns"
#define LINES_MAX 256
#define WORDS_MAX 64
#define TEXT_BYTES 16384
#define PORT_FIRST 20000
#define PORT_COUNT 40000
#define ADDRESS_FIRST 2
#define ADDRESS_COUNT 60000

extern char **environ;

/* A line of the plan: its first word, and the rest with placeholders. */
struct line {
	enum { BARE, JOIN, LEAVE, ENV, RUN, IN } what;
	const char *rest;
};

struct plan {
	struct line lines[LINES_MAX];
	size_t count;
	bool bare;
};

/* What the placeholders stand for in a cycle. */
struct cycle {
	unsigned int number;
	char name[32];
	char n[12];
	char port[12];
	char address[16];
	char hand[12];
	char output[TEXT_BYTES];
};

static void fail(const char *what, int error)
{
	fprintf(stderr, "cycles: %s: %s\n", what, strerror(error));
	exit(1);
}

static void refuse(const char *what, const char *text)
{
	fprintf(stderr, "cycles: %s: '%s'\n", what, text);
	exit(2);
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
	if (errno || end == text || *end || value > max)
		refuse("not a number in range", text);
	return (unsigned int)value;
}

static void read_plan(const char *path, struct plan *plan)
{
	static const char *const words[] = { "bare", "join", "leave", "env", "run", "in" };
	char *text = NULL;
	size_t room = 0;
	FILE *file = fopen(path, "re");
	ssize_t bytes;

	if (!file)
		fail(path, errno);
	while ((bytes = getline(&text, &room, file)) >= 0) {
		struct line *line = &plan->lines[plan->count];
		char *space;
		size_t word;

		text[strcspn(text, "\n")] = '\0';
		if (plan->count == LINES_MAX)
			refuse("too many lines", path);
		space = strchr(text, ' ');
		line->rest = space ? space + 1 : "";
		if (space)
			*space = '\0';
		for (word = 0; word < sizeof(words) / sizeof(*words); word++)
			if (!strcmp(text, words[word]))
				break;
		if (word == sizeof(words) / sizeof(*words))
			refuse("no such line in a plan", text);
		line->what = word;
		plan->bare |= line->what == BARE;
		plan->count++;
		text = NULL; /* the plan keeps it */
		room = 0;
	}
	fclose(file);
}

/* Copies @text with its placeholders filled in to @to and returns the length; a NUL follows. */
static size_t fill(const struct cycle *cycle, const char *text, char *to, size_t room)
{
	const struct {
		const char *word, *value;
	} all[] = {
		{ "{name}", cycle->name },	 { "{n}", cycle->n },	    { "{port}", cycle->port },
		{ "{address}", cycle->address }, { "{hand}", cycle->hand }, { "{output}", cycle->output },
	};
	size_t at = 0;

	while (*text) {
		const char *value = NULL;
		size_t length = 1, skip = 1;

		for (size_t i = 0; i < sizeof(all) / sizeof(*all) && !value; i++) {
			if (strncmp(text, all[i].word, strlen(all[i].word)) == 0) {
				value = all[i].value;
				length = strlen(value);
				skip = strlen(all[i].word);
			}
		}
		if (at + length >= room)
			refuse("too long when filled in", text);
		memcpy(to + at, value ? value : text, length);
		at += length;
		text += skip;
	}
	to[at] = '\0';
	return at;
}

static int scratch(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC);

	if (fd < 0)
		fail("memfd_create", errno);
	return fd;
}

static void empty(int fd)
{
	if (ftruncate(fd, 0) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		fail("a program's files", errno);
}

static size_t read_back(int fd, char *text, size_t room)
{
	ssize_t got = pread(fd, text, room - 1, 0);

	if (got < 0)
		fail("a program's output", errno);
	text[got] = '\0';
	return (size_t)got;
}

/* A hand's files for the programs it runs. */
struct files {
	int in, out, messages;
	posix_spawn_file_actions_t actions;
};

static void open_files(struct files *files)
{
	files->in = scratch("stdin");
	files->out = scratch("stdout");
	files->messages = scratch("stderr");
	/* The duplicates lose close-on-exec, the originals keep it. */
	if (posix_spawn_file_actions_init(&files->actions) ||
	    posix_spawn_file_actions_adddup2(&files->actions, files->in, STDIN_FILENO) ||
	    posix_spawn_file_actions_adddup2(&files->actions, files->out, STDOUT_FILENO) ||
	    posix_spawn_file_actions_adddup2(&files->actions, files->messages, STDERR_FILENO))
		fail("posix_spawn_file_actions", ENOMEM);
}

static void set(const struct cycle *cycle, const char *assignment)
{
	char text[1024];
	char *value;

	fill(cycle, assignment, text, sizeof(text));
	value = strchr(text, '=');
	if (!value)
		refuse("env takes NAME=VALUE", assignment);
	*value++ = '\0';
	if (setenv(text, value, 1) < 0)
		fail("setenv", errno);
}

/* Runs the program of line @at and returns the nanoseconds. */
static uint64_t run(const struct plan *plan, size_t at, struct cycle *cycle, struct files *files)
{
	char words[4096], input[TEXT_BYTES];
	char *arguments[WORDS_MAX + 1];
	size_t count = 0, got;
	uint64_t start, end;
	int error, status;
	pid_t child;

	fill(cycle, plan->lines[at].rest, words, sizeof(words));
	for (char *word = strtok(words, " "); word; word = strtok(NULL, " ")) {
		if (count == WORDS_MAX)
			refuse("too many words", plan->lines[at].rest);
		arguments[count++] = word;
	}
	if (!count)
		refuse("run takes a program", plan->lines[at].rest);
	arguments[count] = NULL;
	empty(files->in);
	empty(files->out);
	empty(files->messages);
	for (size_t i = at + 1; i < plan->count && plan->lines[i].what == IN; i++) {
		size_t bytes = fill(cycle, plan->lines[i].rest, input, sizeof(input) - 1);

		input[bytes++] = '\n';
		if (write(files->in, input, bytes) != (ssize_t)bytes)
			fail("standard input", errno);
	}
	if (lseek(files->in, 0, SEEK_SET) < 0)
		fail("standard input", errno);

	start = now_ns();
	error = posix_spawnp(&child, arguments[0], &files->actions, NULL, arguments, environ);
	if (error)
		fail(arguments[0], error);
	if (waitpid(child, &status, 0) < 0)
		fail("waitpid", errno);
	end = now_ns();
	if (!WIFEXITED(status) || WEXITSTATUS(status)) {
		read_back(files->messages, input, sizeof(input));
		fprintf(stderr, "cycles: cycle %u: %s ended with status 0x%x: %s", cycle->number,
			plan->lines[at].rest, status, input);
		/* Some say on standard output what went wrong. */
		read_back(files->out, input, sizeof(input));
		fprintf(stderr, "%s\n", input);
		exit(1);
	}
	got = read_back(files->out, input, sizeof(input));
	if (got)
		memcpy(cycle->output, input, got + 1);
	return end - start;
}

static void make_namespace(const char *path, int home)
{
	int fd = open(NAMESPACES, O_RDONLY | O_CLOEXEC);

	/* The directory is a mount point already, or is made one by whoever comes before. */
	if (fd < 0 || flock(fd, LOCK_EX) < 0 ||
	    mount("", NAMESPACES, "none", MS_SHARED | MS_REC, NULL) < 0)
		fail(NAMESPACES, errno);
	close(fd);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_CREAT | O_EXCL, 0);
	if (fd < 0)
		fail(path, errno);
	close(fd);
	if (unshare(CLONE_NEWNET) < 0)
		fail("unshare", errno);
	if (mount("/proc/thread-self/ns/net", path, "none", MS_BIND, NULL) < 0)
		fail("mount", errno);
	if (setns(home, CLONE_NEWNET) < 0)
		fail("setns", errno);
}

static void remove_namespace(const char *path)
{
	if (umount2(path, MNT_DETACH) < 0)
		fail("umount", errno);
	if (unlink(path) < 0)
		fail("unlink", errno);
}

static void live(const struct plan *plan, struct cycle *cycle, struct files *files, int home)
{
	uint64_t made = 0, joined = 0, left = 0, removed = 0;
	uint64_t *half = &joined;
	char path[64];
	char line[128];
	int length;

	snprintf(cycle->name, sizeof(cycle->name), "slbench-%u", cycle->number);
	snprintf(cycle->n, sizeof(cycle->n), "%u", cycle->number);
	snprintf(cycle->port, sizeof(cycle->port), "%u", PORT_FIRST + cycle->number % PORT_COUNT);
	{
		unsigned int host = ADDRESS_FIRST + cycle->number % ADDRESS_COUNT;

		snprintf(cycle->address, sizeof(cycle->address), "10.77.%u.%u", host >> 8 & 255, host & 255);
	}
	cycle->output[0] = '\0';
	snprintf(path, sizeof(path), NAMESPACES "/%s", cycle->name);
	if (!plan->bare) {
		uint64_t start = now_ns();

		make_namespace(path, home);
		made = now_ns() - start;
	}
	for (size_t i = 0; i < plan->count; i++) {
		switch (plan->lines[i].what) {
		case JOIN:
			half = &joined;
			break;
		case LEAVE:
			half = &left;
			break;
		case ENV:
			set(cycle, plan->lines[i].rest);
			break;
		case RUN:
			*half += run(plan, i, cycle, files);
			break;
		case BARE:
		case IN:
			break;
		}
	}
	if (!plan->bare) {
		uint64_t start = now_ns();

		remove_namespace(path);
		removed = now_ns() - start;
	}
	length = snprintf(line, sizeof(line), "%llu %llu %llu %llu\n", (unsigned long long)made,
			  (unsigned long long)joined, (unsigned long long)left,
			  (unsigned long long)removed);
	/* At once, as other hands write there, too. */
	if (write(STDOUT_FILENO, line, (size_t)length) != length)
		fail("standard output", errno);
}

static void hand(const struct plan *plan, unsigned int number, unsigned int first, unsigned int cycles)
{
	static struct cycle cycle;
	struct files files;
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	if (home < 0)
		fail("/proc/self/ns/net", errno);
	open_files(&files);
	snprintf(cycle.hand, sizeof(cycle.hand), "%u", number);
	for (unsigned int i = 0; i < cycles; i++) {
		cycle.number = first + i;
		live(plan, &cycle, &files, home);
	}
}

int main(int argc, char **argv)
{
	static struct plan plan;
	unsigned int cycles = 1, hands = 1, first = 0, at;
	bool failed = false;
	int option, status;

	while ((option = getopt(argc, argv, "n:j:f:")) != -1) {
		switch (option) {
		case 'n':
			cycles = number(optarg, 1000000);
			break;
		case 'j':
			hands = number(optarg, 64);
			break;
		case 'f':
			first = number(optarg, 1000000000);
			break;
		default:
			return 2;
		}
	}
	if (optind + 1 != argc || !hands) {
		fprintf(stderr, "cycles: give one plan, and one hand at least\n");
		return 2;
	}
	read_plan(argv[optind], &plan);
	at = first;
	for (unsigned int i = 0; i < hands; i++) {
		unsigned int share = cycles / hands + (i < cycles % hands);
		pid_t child = fork();

		if (child < 0)
			fail("fork", errno);
		if (!child) {
			hand(&plan, i, at, share);
			exit(0);
		}
		at += share;
	}
	while (wait(&status) > 0)
		failed |= !WIFEXITED(status) || WEXITSTATUS(status);
	return failed;
}
