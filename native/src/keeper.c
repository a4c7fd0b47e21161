/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sluice-keeper [--settled=SECONDS] COMMAND [ARGUMENT...]
 *
 * Holds the netlink socket that owns the agent's nf_tables table, and starts the agent again when it
 * dies. An owned table is locked as long as somebody has its owner's socket open: while the agent is
 * dead, that is this process. What systemd does with its file descriptor store this does without it,
 * in the same words: COMMAND finds the socket as descriptor 3, named "sluice-table", see
 * sd_listen_fds(3).
 *
 *	  +--> start --> wait --> ended: killed, or a failure that may pass --+
 *	  |                         |                                         |
 *	  |                         +--> told to end, or a failure that stays: |
 *	  |                              end with its exit code               |
 *	  +<----------------------- pause 0, 0.1, 0.2, 0.4 ... 5 s -----------+
 *
 * An agent that is stopped (SIGSTOP, SIGTSTP) reads no events. In reliable mode
 * (--events-reliable) the kernel then keeps the dead connections whose end it could not tell, and they
 * fill the connection table; nobody in the stopped process can leave the mode. So while such an agent
 * is stopped the table is watched, and before it is full the agent is killed and started again.
 *
 * It never reads or writes the socket. The agent outlives it: a keeper that is killed takes nothing
 * away but itself.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* SD_LISTEN_FDS_START: where the first descriptor that is handed on must be. */
#define FIRST_PASSED_FD 3
#define FD_NAME "sluice-table"

#define FIRST_PAUSE_MS 100
#define LONGEST_PAUSE_MS 5000
/* A command that ran this long had started well: what ends it then is a new story. */
#define SETTLED_MS 10000

/* A stopped agent in reliable mode is killed when this part of the connection table is in use. */
#define TABLE_WATCH_MS 100
#define TABLE_FULL_PERCENT 90
#define RELIABLE_OPTION "--events-reliable"
#define CONNTRACK "/proc/sys/net/netfilter/nf_conntrack_"

/* Exit codes of `sluice agent`, see docs/cli.md. */
#define EXIT_USAGE 2
#define EXIT_NOT_PERMITTED 6
/* And of a shell: the command cannot be executed; and what a signal adds to its number. */
#define EXIT_NO_COMMAND 127
#define EXIT_SIGNALLED 128

struct keeper {
	char **command;
	int fd;		   /* the socket, -1: there is none to keep */
	sigset_t handled;  /* signals that are waited for */
	sigset_t original; /* the mask to start commands with */
	int64_t settled_ms;

	bool reliable; /* the command asks for reliable mode */

	pid_t child; /* 0: none */
	bool stopped;
	int64_t started_ms;
	bool restarted;	       /* there was a command that died */
	unsigned int failures; /* since a command last ran for settled_ms */
	int told;	       /* the signal that told us to end, or 0 */
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --- what it holds ------------------------------------------------------------------------------ */

/* Leaves standard input, output and error, and takes their numbers if they are free. */
static void tidy_descriptors(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd < FIRST_PASSED_FD);
	/* Before Linux 5.9 what was inherited stays open, which costs nothing but the descriptors. */
	close_range(FIRST_PASSED_FD, ~0U, 0);
}

/* The socket of this network namespace, with a port id of its own, which will be the owner's name. */
static int open_socket(void)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		int error = errno;

		close(fd);
		return -error;
	}
	return fd;
}

/*
 * Returns a copy of the arguments and blanks the originals: who looks for the agent by its arguments,
 * as in `pkill -f`, means the agent and not its keeper.
 */
static char **take_arguments(int argc, char **argv, int first)
{
	char **copy = calloc((size_t)(argc - first) + 1, sizeof(*copy));
	int i;

	if (!copy)
		return NULL;
	for (i = first; i < argc; i++) {
		copy[i - first] = strdup(argv[i]);
		if (!copy[i - first])
			return NULL;
	}
	for (i = 1; i < argc; i++)
		memset(argv[i], 0, strlen(argv[i]));
	return copy;
}

static void add_unless_ignored(sigset_t *set, int signal)
{
	struct sigaction action;

	/* nohup(1), and a shell's "&": who ignores a signal wants it to be ignored. */
	if (sigaction(signal, NULL, &action) == 0 && action.sa_handler != SIG_IGN)
		sigaddset(set, signal);
}

/* From now on signals wait until they are asked for; that also holds for process 1. */
static void hold_signals(struct keeper *keeper)
{
	/* Ignored, as it may have been inherited, children would be reaped before we see how they ended. */
	signal(SIGCHLD, SIG_DFL);
	/* Whoever read our messages may have gone; that is no reason to let go of the socket. */
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&keeper->handled);
	sigaddset(&keeper->handled, SIGCHLD);
	add_unless_ignored(&keeper->handled, SIGTERM);
	add_unless_ignored(&keeper->handled, SIGINT);
	add_unless_ignored(&keeper->handled, SIGHUP);
	add_unless_ignored(&keeper->handled, SIGQUIT);
	sigprocmask(SIG_BLOCK, &keeper->handled, &keeper->original);
}

/* --- the command -------------------------------------------------------------------------------- */

static void announce_socket(void)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "1", 1);
	setenv("LISTEN_FDNAMES", FD_NAME, 1);
	unsetenv("LISTEN_PIDFDID");
}

__attribute__((noreturn)) static void become_command(const struct keeper *keeper)
{
	int result = 0;

	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &keeper->original, NULL);
	if (keeper->fd >= 0) {
		if (keeper->fd == FIRST_PASSED_FD)
			result = fcntl(keeper->fd, F_SETFD, 0); /* no FD_CLOEXEC */
		else
			result = dup2(keeper->fd, FIRST_PASSED_FD);
		announce_socket();
	}
	if (result >= 0)
		execvp(keeper->command[0], keeper->command);
	fprintf(stderr, "sluice-keeper: cannot run %s: %s\n", keeper->command[0], strerror(errno));
	_exit(EXIT_NO_COMMAND);
}

/* 0, or -errno if there cannot be another process. */
static int start(struct keeper *keeper)
{
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0)
		become_command(keeper);
	keeper->child = pid;
	keeper->started_ms = now_ms();
	return 0;
}

static unsigned int pause_ms(unsigned int failures)
{
	unsigned int pause = FIRST_PAUSE_MS;

	if (failures <= 1)
		return 0;
	while (--failures > 1 && pause < LONGEST_PAUSE_MS)
		pause *= 2;
	return pause < LONGEST_PAUSE_MS ? pause : LONGEST_PAUSE_MS;
}

static bool tells_to_end(int signal)
{
	return signal == SIGTERM || signal == SIGINT || signal == SIGHUP;
}

/*
 * Whether the end of the command is ours too. A command fails by exiting only while it starts. If that
 * happens at the very first start, whoever started us is there to read why. Later it may be a rival
 * that came in between, or memory that was short, and passes; only a wrong command line and a missing
 * permission stay.
 */
static bool is_final(const struct keeper *keeper, int status, bool settled)
{
	int code = WEXITSTATUS(status);
	int ended_by = WIFSIGNALED(status) ? WTERMSIG(status) :
		       code > EXIT_SIGNALLED ? code - EXIT_SIGNALLED : 0;

	if (keeper->told)
		return true;
	/* Meant for a running agent, which reads its file again, it met one that was still starting. */
	if (ended_by == SIGHUP && keeper->restarted)
		return false;
	if (WIFSIGNALED(status) || tells_to_end(ended_by))
		return tells_to_end(ended_by);
	if (code == 0)
		return true;
	if (code == EXIT_USAGE || code == EXIT_NOT_PERMITTED || code == EXIT_NO_COMMAND)
		return true;
	return !keeper->restarted && !settled;
}

static void report(pid_t pid, int status, int64_t ran_ms, unsigned int pause)
{
	const char *of = WIFSIGNALED(status) ? "was killed by signal" : "ended with code";
	int number = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
	const char *name = WIFSIGNALED(status) ? sigabbrev_np(number) : NULL;

	fprintf(stderr,
		"sluice-keeper: process %d %s %d%s%s%s after %lld.%lld s; its table stays locked, "
		"starting again %s",
		(int)pid, of, number, name ? " (SIG" : "", name ? name : "", name ? ")" : "",
		(long long)(ran_ms / 1000), (long long)(ran_ms % 1000 / 100),
		pause ? "" : "now\n");
	if (pause)
		fprintf(stderr, "in %u.%u s\n", pause / 1000, pause % 1000 / 100);
}

/*
 * Whatever has ended: our command, and as process 1 everybody's orphans. True if it was our command.
 * Takes note of its being stopped and continued.
 */
static bool reap(struct keeper *keeper, int *status)
{
	bool ended = false;
	pid_t pid;
	int its;

	while ((pid = waitpid(-1, &its, WNOHANG | WUNTRACED | WCONTINUED)) > 0) {
		if (WIFSTOPPED(its) || WIFCONTINUED(its)) {
			if (pid == keeper->child)
				keeper->stopped = WIFSTOPPED(its);
		} else if (pid == keeper->child) {
			keeper->stopped = false;
			*status = its;
			ended = true;
		}
	}
	return ended;
}

/* A number of the connection table of our network namespace, or -1. */
static long long table_number(const char *path)
{
	char text[32] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t bytes = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	return bytes > 0 ? strtoll(text, NULL, 10) : -1;
}

static void kill_before_table_is_full(const struct keeper *keeper)
{
	long long count = table_number(CONNTRACK "count");
	long long max = table_number(CONNTRACK "max");

	if (count < 0 || max <= 0 || count * 100 < max * TABLE_FULL_PERCENT)
		return;
	fprintf(stderr,
		"sluice-keeper: process %d is stopped and in reliable mode, and the connection table holds "
		"%lld of %lld connections; killing it before dead ones fill the table\n",
		(int)keeper->child, count, max);
	kill(keeper->child, SIGKILL);
}

/* When there is something to do without a signal; -1: never. */
static int64_t next_deadline(const struct keeper *keeper, int64_t start_at_ms)
{
	if (!keeper->child)
		return start_at_ms;
	return keeper->stopped && keeper->reliable ? now_ms() + TABLE_WATCH_MS : -1;
}

/* Waits for a signal until the deadline, or for ever if it is negative; 0 after the deadline. */
static int next_signal(const struct keeper *keeper, int64_t deadline_ms)
{
	int signal;

	do {
		int64_t left = deadline_ms - now_ms();
		struct timespec timeout = { .tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000 };

		if (deadline_ms < 0)
			signal = sigwaitinfo(&keeper->handled, NULL);
		else if (left <= 0)
			return 0;
		else
			signal = sigtimedwait(&keeper->handled, NULL, &timeout);
	} while (signal < 0 && errno == EINTR);
	return signal < 0 ? 0 : signal;
}

/* The whole life; returns the exit code. */
static int keep(struct keeper *keeper)
{
	int64_t start_at_ms = now_ms();

	for (;;) {
		int signal, status = 0;

		if (!keeper->child && now_ms() >= start_at_ms) {
			int error = start(keeper);

			if (error < 0) {
				unsigned int pause = pause_ms(++keeper->failures + 1);

				fprintf(stderr,
					"sluice-keeper: cannot start another process: %s; "
					"trying again in %u.%u s\n",
					strerror(-error), pause / 1000, pause % 1000 / 100);
				start_at_ms = now_ms() + pause;
			}
		}
		signal = next_signal(keeper, next_deadline(keeper, start_at_ms));
		if (signal == SIGCHLD) {
			int64_t ran_ms = now_ms() - keeper->started_ms;
			bool settled = ran_ms >= keeper->settled_ms;
			unsigned int pause;

			if (!reap(keeper, &status))
				continue;
			if (is_final(keeper, status, settled))
				return WIFSIGNALED(status) ? EXIT_SIGNALLED + WTERMSIG(status) :
							     WEXITSTATUS(status);
			keeper->failures = settled ? 1 : keeper->failures + 1;
			pause = pause_ms(keeper->failures);
			report(keeper->child, status, ran_ms, pause);
			keeper->child = 0;
			keeper->restarted = true;
			start_at_ms = now_ms() + pause;
		} else if (signal == 0 && keeper->child) {
			kill_before_table_is_full(keeper);
		} else if (signal != 0) {
			/* The agent reads its file again at a SIGHUP; only before it can is that its end. */
			if (signal != SIGHUP && tells_to_end(signal))
				keeper->told = signal;
			if (keeper->child)
				kill(keeper->child, signal);
			else if (keeper->told)
				return 0;
		}
	}
}

static int usage(void)
{
	fputs("usage: sluice-keeper [--settled=SECONDS] COMMAND [ARGUMENT...]\n"
	      "Holds the socket that owns the table of `sluice agent`, which COMMAND is, and starts it\n"
	      "again when it dies: at once, or a little later if it ran for less than SECONDS (10).\n",
	      stderr);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	static const char settled[] = "--settled=";
	static struct keeper keeper = { .settled_ms = SETTLED_MS };
	int first = 1;

	if (first < argc && strncmp(argv[first], settled, strlen(settled)) == 0) {
		const char *text = argv[first] + strlen(settled);
		char *end;
		long seconds;

		errno = 0;
		seconds = strtol(text, &end, 10);
		if (errno || end == text || *end || seconds < 0 || seconds > 86400)
			return usage();
		keeper.settled_ms = seconds * 1000;
		first++;
	}
	if (first >= argc || argv[first][0] == '-')
		return usage();

	keeper.command = take_arguments(argc, argv, first);
	if (!keeper.command) {
		fputs("sluice-keeper: out of memory\n", stderr);
		return EXIT_FAILURE;
	}
	for (first = 0; keeper.command[first]; first++)
		keeper.reliable |= strncmp(keeper.command[first], RELIABLE_OPTION,
					   strlen(RELIABLE_OPTION)) == 0;
	tidy_descriptors();
	hold_signals(&keeper);
	keeper.fd = open_socket();
	if (keeper.fd < 0) {
		/* The agent says better what the kernel lacks; there is nothing to keep. */
		fprintf(stderr, "sluice-keeper: cannot open a netfilter socket: %s; going on without\n",
			strerror(-keeper.fd));
		become_command(&keeper);
	}
	return keep(&keeper);
}
