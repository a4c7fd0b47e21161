// SPDX-License-Identifier: Apache-2.0
/*
 * answered: runs a program that starts a server, and says when it ended and when the server answered.
 *
 *	answered [-e] CLIENT ADDRESS PORT -- PROGRAM [ARGUMENT]...
 *
 * From the start of PROGRAM on, somebody in the network namespace CLIENT (a file) asks ADDRESS (IPv4) and
 * PORT for something, again and again: an attempt has 20 ms for the connection, and as many for the first
 * byte of an answer, as who has taken the connection may be nobody yet. The next one follows a millisecond
 * after the end of the last. With -e nobody is expected to answer, and the attempts end with PROGRAM.
 *
 * Prints the nanoseconds from the start of PROGRAM to its end, and to the first answer (0 with -e). A
 * program that fails, or no answer within two minutes, ends it with a message.
 */
#define _GNU_SOURCE /* setns */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tally.h"

#define ATTEMPT_MS 20
#define PAUSE_NS 1000000
#define PATIENCE_NS (120 * 1000000000ull)

extern char **environ;

static _Atomic uint64_t ended_ns;
static _Atomic int status_of_program;

static uint64_t now_ns(void)
{
	struct timespec now;

	if (clock_gettime(CLOCK_MONOTONIC, &now) < 0)
		give_up("answered: clock: %s", strerror(errno));
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void *await_end(void *argument)
{
	pid_t child = *(pid_t *)argument;
	int status;

	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			give_up("answered: waitpid: %s", strerror(errno));
	status_of_program = status;
	ended_ns = now_ns();
	return NULL;
}

static bool ready(int fd, short events)
{
	struct pollfd wanted = { .fd = fd, .events = events };

	return poll(&wanted, 1, ATTEMPT_MS) == 1 && (wanted.revents & events);
}

static bool attempt(const struct sockaddr_in *server)
{
	static const char request[] = "GET / HTTP/1.0\r\n\r\n";
	struct linger at_once = { .l_onoff = 1 };
	bool answered = false;
	char byte;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)) < 0)
		give_up("answered: socket: %s", strerror(errno));
	if (connect(fd, (const struct sockaddr *)server, sizeof(*server)) == 0 || errno == EINPROGRESS)
		answered = ready(fd, POLLOUT) &&
			   send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) == sizeof(request) - 1 &&
			   ready(fd, POLLIN) && recv(fd, &byte, 1, 0) == 1;
	close(fd);
	return answered;
}

static void require_success(const char *program)
{
	int status = status_of_program;

	if (!WIFEXITED(status) || WEXITSTATUS(status))
		give_up("answered: %s ended with status 0x%x", program, status);
}

int main(int argc, char **argv)
{
	struct sockaddr_in server = { .sin_family = AF_INET };
	struct timespec pause = { .tv_nsec = PAUSE_NS };
	posix_spawn_file_actions_t actions;
	uint64_t began, answered = 0;
	bool to_the_end = false;
	pthread_t waiter;
	pid_t child;
	int client, error, option;

	while ((option = getopt(argc, argv, "+e")) != -1) {
		if (option != 'e')
			return 2;
		to_the_end = true;
	}
	argv += optind;
	if (argc - optind < 5 || strcmp(argv[3], "--") != 0 ||
	    inet_pton(AF_INET, argv[1], &server.sin_addr) != 1)
		give_up("answered: [-e] CLIENT ADDRESS PORT -- PROGRAM [ARGUMENT]...");
	server.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
	client = open(argv[0], O_RDONLY | O_CLOEXEC);
	if (client < 0)
		give_up("answered: %s: %s", argv[0], strerror(errno));
	if (posix_spawn_file_actions_init(&actions) ||
	    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0))
		give_up("answered: memory");

	began = now_ns();
	error = posix_spawnp(&child, argv[4], &actions, NULL, argv + 4, environ);
	if (error)
		give_up("answered: %s: %s", argv[4], strerror(error));
	/* Only this thread goes there; the program stays where it was started. */
	if (pthread_create(&waiter, NULL, await_end, &child))
		give_up("answered: thread");
	if (setns(client, CLONE_NEWNET) < 0)
		give_up("answered: %s: %s", argv[0], strerror(errno));
	while (to_the_end ? !ended_ns : !answered) {
		if (attempt(&server)) {
			answered = now_ns();
			if (to_the_end)
				give_up("answered: %s:%s answers already", argv[1], argv[2]);
		}
		if (ended_ns)
			require_success(argv[4]);
		if (now_ns() - began > PATIENCE_NS)
			give_up("answered: %s:%s does not answer", argv[1], argv[2]);
		nanosleep(&pause, NULL);
	}
	pthread_join(waiter, NULL);
	require_success(argv[4]);
	printf("%llu %llu\n", (unsigned long long)(ended_ns - began),
	       (unsigned long long)(answered ? answered - began : 0));
	return 0;
}
