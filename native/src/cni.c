/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sluice-cni, installed as `sluice` and `sluice-bridge` among the CNI plugins.
 *
 * A runtime starts one process per plugin, verb and container, so the process does next to nothing:
 * it hands its environment and its input to the agent in one request, and prints what the agent says.
 * What a plugin means is written down in the agent, package dev.sluice.api.cni; docs/cni.md is for
 * those who write configurations.
 *
 *	runtime --> CNI_*, stdin --> sluice-cni --> POST /v1/cni --> agent
 *	        <-- stdout, exit code <--            <-- 200: the result; 422: a CNI error
 *
 * Two things it does alone, since they must work while the agent is away: it tells its versions, and
 * it keeps a DEL for later. The whole request is left in the directory "cni" beside the agent's socket,
 * which the agent works off when it starts and before it answers the next request. So a container can
 * always be removed, and nothing of it is forgotten.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "cni_wire.h"

#define DEFAULT_SOCKET "/run/sluice/sluice.sock"
#define SPOOL_DIRECTORY "cni"

#define DEFAULT_TIMEOUT_SECONDS 30
#define MAX_TIMEOUT_SECONDS 600

/* How soon an agent that has no connection to spare is asked again. */
#define BUSY_MS 50

/* It is not asked any more where there is less time than this for an answer. */
#define ANSWER_MS 500

/* What a configuration may have at most, and an answer. */
#define MAX_INPUT_BYTES (1024 * 1024)
#define MAX_ANSWER_BYTES (2 * 1024 * 1024)

/* What may wait for an agent that does not come back. */
#define MAX_SPOOLED 4096
#define MAX_SPOOLED_BYTES (64 * 1024 * 1024)

#define STATUS_OK 200
#define STATUS_CNI_ERROR 422
#define STATUS_BUSY 503

/* As in the agent, package dev.sluice.api.cni. */
#define VERSIONS "\"0.3.0\",\"0.3.1\",\"0.4.0\",\"1.0.0\",\"1.1.0\""
#define NEWEST_VERSION "1.1.0"

/* Well-known error codes, CNI specification 1.1.0, "Error"; from 100 on they are the plugin's. */
enum error_code {
	CNI_INVALID_ENVIRONMENT = 4,
	CNI_IO_FAILURE = 5,
	CNI_CANNOT_DECODE = 6,
	CNI_TRY_AGAIN_LATER = 11,
	CNI_NOT_AVAILABLE = 50,
	CNI_REFUSED = 100,
};

/* What becomes of a verb while the agent is away. */
static const struct verb {
	const char *name;
	enum error_code away;
	bool spooled;
} verbs[] = {
	{ .name = "ADD", .away = CNI_TRY_AGAIN_LATER },
	{ .name = "DEL", .away = CNI_TRY_AGAIN_LATER, .spooled = true },
	{ .name = "CHECK", .away = CNI_TRY_AGAIN_LATER },
	{ .name = "GC", .away = CNI_TRY_AGAIN_LATER },
	{ .name = "STATUS", .away = CNI_NOT_AVAILABLE },
};

struct client {
	const char *plugin;
	const char *command;
	const char *socket;
	int64_t deadline_ms;
	char version[SLUICE_CNI_VERSION_BYTES];
	struct sluice_text input;
	struct sluice_text request; /* the body: JSON */
	struct sluice_text received;
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --- what the runtime sees ---------------------------------------------------------------------- */

/* 0, or -errno. */
static int write_all(int fd, const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t written = write(fd, bytes, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -errno;
		bytes += written;
		length -= (size_t)written;
	}
	return 0;
}

/* Prints the result of the plugin; returns the exit code. */
static int finish(const char *bytes, size_t length, int exit_code)
{
	int error = write_all(STDOUT_FILENO, bytes, length);

	if (error < 0) {
		fprintf(stderr, "sluice: cannot write the result: %s\n", strerror(-error));
		return EXIT_FAILURE;
	}
	return exit_code;
}

/* As a JSON string; what is not UTF-8 in it, such as a path, is left out. */
static void add_lossy(struct sluice_text *text, const char *string)
{
	size_t before = text->length;

	if (sluice_text_add_quoted(text, string, strlen(string)) < 0) {
		text->length = before;
		sluice_text_add_string(text, "\"\"");
	}
}

/* Prints an error as the specification has it; returns the exit code. */
static int fail(const struct client *client, enum error_code code, const char *details,
		const char *format, ...) __attribute__((format(printf, 4, 5)));

static int fail(const struct client *client, enum error_code code, const char *details,
		const char *format, ...)
{
	struct sluice_text text = { 0 };
	char message[512], number[16];
	va_list arguments;
	int exit_code;

	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	snprintf(number, sizeof(number), "%d", (int)code);
	sluice_text_add_string(&text, "{\"cniVersion\":\"");
	sluice_text_add_string(&text, client->version);
	sluice_text_add_string(&text, "\",\"code\":");
	sluice_text_add_string(&text, number);
	sluice_text_add_string(&text, ",\"msg\":");
	add_lossy(&text, message);
	if (details) {
		sluice_text_add_string(&text, ",\"details\":");
		add_lossy(&text, details);
	}
	sluice_text_add_string(&text, "}\n");
	if (text.out_of_memory) {
		fprintf(stderr, "sluice: %s\n", message);
		exit_code = EXIT_FAILURE;
	} else {
		exit_code = finish(text.bytes, text.length, EXIT_FAILURE);
	}
	sluice_text_free(&text);
	return exit_code;
}

static int fail_without_memory(const struct client *client)
{
	return fail(client, CNI_TRY_AGAIN_LATER, NULL, "there is no memory for the request");
}

static int print_versions(const struct client *client)
{
	struct sluice_text text = { 0 };
	int exit_code;

	sluice_text_add_string(&text, "{\"cniVersion\":\"");
	sluice_text_add_string(&text, client->version);
	sluice_text_add_string(&text, "\",\"supportedVersions\":[" VERSIONS "]}\n");
	if (text.out_of_memory)
		return fail_without_memory(client);
	exit_code = finish(text.bytes, text.length, EXIT_SUCCESS);
	sluice_text_free(&text);
	return exit_code;
}

/* --- the request -------------------------------------------------------------------------------- */

/* 1: there is something to read, or the end; 0: the deadline has passed; -errno. */
static int await_input(int fd, int64_t deadline_ms)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	int ready;

	do {
		int64_t left = deadline_ms - now_ms();

		ready = poll(&poll_fd, 1, left > 0 ? (int)left : 0);
	} while (ready < 0 && errno == EINTR);
	return ready < 0 ? -errno : ready;
}

/* Reads to the end of the standard input; 0, or -errno: -EFBIG if there is too much. */
static int read_input(struct client *client)
{
	struct sluice_text *input = &client->input;

	for (;;) {
		int ready = await_input(STDIN_FILENO, client->deadline_ms);
		char *room = sluice_text_room(input, 4096);
		ssize_t bytes;

		if (ready <= 0)
			return ready < 0 ? ready : -ETIMEDOUT;
		if (!room)
			return -ENOMEM;
		bytes = read(STDIN_FILENO, room, 4096);
		if (bytes < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		if (bytes == 0)
			return 0;
		if (bytes > 0)
			input->length += (size_t)bytes;
		if (input->length > MAX_INPUT_BYTES)
			return -EFBIG;
	}
}

static const char *environment(const char *name)
{
	const char *value = getenv(name);

	return value ? value : "";
}

/* 0, or -EILSEQ: "culprit" then says what is not UTF-8. */
static int compose(struct client *client, const char **culprit)
{
	static const struct {
		const char *member;
		const char *variable;
	} variables[] = {
		{ "containerId", "CNI_CONTAINERID" },
		{ "netns", "CNI_NETNS" },
		{ "ifname", "CNI_IFNAME" },
		{ "args", "CNI_ARGS" },
		{ "path", "CNI_PATH" },
	};
	struct sluice_text *request = &client->request;
	size_t i;

	sluice_text_add_string(request, "{\"plugin\":\"");
	sluice_text_add_string(request, client->plugin);
	sluice_text_add_string(request, "\",\"command\":\"");
	sluice_text_add_string(request, client->command);
	for (i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
		const char *value = environment(variables[i].variable);

		*culprit = variables[i].variable;
		sluice_text_add_string(request, i ? ",\"" : "\",\"");
		sluice_text_add_string(request, variables[i].member);
		sluice_text_add_string(request, "\":");
		if (sluice_text_add_quoted(request, value, strlen(value)) < 0)
			return -EILSEQ;
	}
	*culprit = "the network configuration on standard input";
	sluice_text_add_string(request, ",\"config\":");
	if (sluice_text_add_quoted(request, client->input.bytes, client->input.length) < 0)
		return -EILSEQ;
	sluice_text_add_string(request, "}");
	return 0;
}

/* --- the agent ---------------------------------------------------------------------------------- */

/* How long a call on the socket may still take; 0, or -ETIMEDOUT. */
static int limit(int fd, int option, int64_t deadline_ms)
{
	int64_t left = deadline_ms - now_ms();
	struct timeval timeout = { .tv_sec = left / 1000, .tv_usec = left % 1000 * 1000 };

	if (left <= 0)
		return -ETIMEDOUT;
	return setsockopt(fd, SOL_SOCKET, option, &timeout, sizeof(timeout)) < 0 ? -errno : 0;
}

/* What a call means that has taken too long. */
static int reason(int error)
{
	return error == EAGAIN ? -ETIMEDOUT : -error;
}

static int connect_to_agent(const struct client *client)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int error;

	if (fd < 0)
		return -errno;
	memcpy(address.sun_path, client->socket, strlen(client->socket)); /* main() looked at its length */
	error = limit(fd, SO_SNDTIMEO, client->deadline_ms);
	if (error == 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		error = reason(errno);
	if (error < 0) {
		close(fd);
		return error;
	}
	return fd;
}

static int send_all(int fd, const char *bytes, size_t length, int64_t deadline_ms)
{
	while (length > 0) {
		int error = limit(fd, SO_SNDTIMEO, deadline_ms);
		ssize_t sent;

		if (error < 0)
			return error;
		sent = send(fd, bytes, length, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return reason(errno);
		bytes += sent;
		length -= (size_t)sent;
	}
	return 0;
}

static int receive_answer(struct client *client, int fd, struct sluice_answer *answer)
{
	struct sluice_text *received = &client->received;
	bool ended = false;

	received->length = 0;
	for (;;) {
		int error = limit(fd, SO_RCVTIMEO, client->deadline_ms);
		char *room = sluice_text_room(received, 4096);
		ssize_t bytes;
		int state;

		if (error < 0)
			return error;
		if (!room)
			return -ENOMEM;
		bytes = recv(fd, room, 4096, 0);
		if (bytes < 0 && errno == EINTR)
			continue;
		if (bytes < 0)
			return reason(errno);
		ended = bytes == 0;
		received->length += (size_t)bytes;
		if (received->length > MAX_ANSWER_BYTES)
			return -EPROTO;
		state = sluice_answer_parse(answer, received->bytes, received->length, ended);
		if (state != 0)
			return state < 0 ? state : 0;
	}
}

/*
 * One request and its answer; 0, or -errno, after which nobody knows whether it was carried out. It may
 * be asked again: every verb may be repeated, and the agent drops the request of a caller that has left.
 */
static int ask(struct client *client, struct sluice_answer *answer)
{
	char header[256];
	int length, error, fd = connect_to_agent(client);

	if (fd < 0)
		return fd;
	length = snprintf(header, sizeof(header),
			  "POST /v1/cni HTTP/1.1\r\nHost: sluice\r\nSluice-Client: cni\r\n"
			  "Content-Type: application/json\r\nConnection: close\r\n"
			  "Content-Length: %zu\r\n\r\n",
			  client->request.length);
	error = send_all(fd, header, (size_t)length, client->deadline_ms);
	if (error == 0)
		error = send_all(fd, client->request.bytes, client->request.length,
				 client->deadline_ms);
	/* Who refuses us does not read on, and has answered. */
	if (error == 0 || error == -EPIPE || error == -ECONNRESET)
		error = receive_answer(client, fd, answer);
	close(fd);
	return error;
}

/* As ask(); an agent that has more to do than it can is asked until it comes to us, or the time is up. */
static int ask_patiently(struct client *client, struct sluice_answer *answer)
{
	const struct timespec pause = { .tv_nsec = BUSY_MS * 1000000L };
	int error;

	for (;;) {
		bool busy;

		error = ask(client, answer);
		/* Far too much to do: it closes the connection, be it before or after we have sent. */
		busy = error == -ECONNRESET || error == -ENODATA ||
		       (error == 0 && answer->status == STATUS_BUSY);
		if (!busy || now_ms() + BUSY_MS + ANSWER_MS > client->deadline_ms)
			return error;
		nanosleep(&pause, NULL);
	}
}

static int report(const struct client *client, const struct verb *verb,
		  const struct sluice_answer *answer)
{
	struct sluice_text details = { 0 };
	int exit_code;

	if (answer->status == STATUS_OK)
		return finish(answer->body, answer->body_bytes, EXIT_SUCCESS);
	if (answer->status == STATUS_CNI_ERROR)
		return finish(answer->body, answer->body_bytes, EXIT_FAILURE);
	sluice_text_add(&details, answer->body, answer->body_bytes);
	sluice_text_add(&details, "", 1);
	exit_code = fail(client, answer->status >= 500 ? verb->away : CNI_REFUSED,
			 details.out_of_memory ? NULL : details.bytes,
			 "the agent at %s refused the request with HTTP status %d", client->socket,
			 answer->status);
	sluice_text_free(&details);
	return exit_code;
}

/* --- requests that wait for the agent ------------------------------------------------------------- */

/* Opens the directory of what waits, making it if need be; or -errno. */
static int open_spool(const struct client *client)
{
	char path[sizeof(((struct sockaddr_un *)0)->sun_path) + sizeof(SPOOL_DIRECTORY)];
	const char *slash = strrchr(client->socket, '/');
	struct stat status;
	int length = (int)(slash + 1 - client->socket); /* main() saw to it that there is one */
	int fd, error = 0;

	snprintf(path, sizeof(path), "%.*s", length, client->socket);
	if (mkdir(path, 0750) < 0 && errno != EEXIST)
		return -errno;
	snprintf(path, sizeof(path), "%.*s" SPOOL_DIRECTORY, length, client->socket);
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) < 0)
		error = -errno;
	else if (status.st_uid != geteuid() || (status.st_mode & 0077) != 0)
		error = -EPERM; /* what is in there is carried out with the agent's rights */
	if (error < 0) {
		close(fd);
		return error;
	}
	return fd;
}

/* 0 if there is room for one more, or -errno. */
static int has_room(int directory_fd, size_t bytes)
{
	int own = dup(directory_fd), error = 0;
	DIR *directory = own < 0 ? NULL : fdopendir(own);
	struct dirent *entry;
	unsigned int count = 0;
	struct stat status;
	uint64_t sum = bytes;

	if (!directory) {
		error = -errno;
		if (own >= 0)
			close(own);
		return error;
	}
	while ((entry = readdir(directory))) {
		if (fstatat(directory_fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(status.st_mode)) {
			count++;
			sum += (uint64_t)status.st_size;
		}
	}
	closedir(directory);
	return count >= MAX_SPOOLED || sum > MAX_SPOOLED_BYTES ? -EDQUOT : 0;
}

static int write_file(int directory_fd, const char *name, const struct sluice_text *text)
{
	int fd = openat(directory_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	int error;

	if (fd < 0)
		return -errno;
	error = write_all(fd, text->bytes, text->length);
	if (error == 0 && fsync(fd) < 0)
		error = -errno;
	if (close(fd) < 0 && error == 0)
		error = -errno;
	return error;
}

/*
 * Leaves the request for the agent; 0, or -errno. The same request has the same name: however often it
 * comes, it waits once. Half a file is never seen by its name.
 */
static int spool(const struct client *client)
{
	char name[32], unfinished[64];
	int error, fd = open_spool(client);

	if (fd < 0)
		return fd;
	snprintf(name, sizeof(name), "%016llx.json",
		 (unsigned long long)sluice_hash(client->request.bytes, client->request.length));
	snprintf(unfinished, sizeof(unfinished), ".%s.%d", name, (int)getpid());
	error = has_room(fd, client->request.length);
	if (error == 0)
		error = write_file(fd, unfinished, &client->request);
	if (error == 0 && renameat(fd, unfinished, fd, name) < 0)
		error = -errno;
	if (error < 0)
		unlinkat(fd, unfinished, 0);
	else if (fsync(fd) < 0)
		error = -errno;
	close(fd);
	return error;
}

static int fail_away(const struct client *client, const struct verb *verb, int error)
{
	return fail(client, verb->away,
		    "start it with systemctl start sluice, or sluice agent; "
		    "SLUICE_SOCKET says where another one listens",
		    "the sluice agent at %s does not answer: %s", client->socket, strerror(-error));
}

/* A verb that must not fail because the agent is away. */
static int leave_for_later(struct client *client, const struct verb *verb, int away)
{
	struct sluice_answer answer;
	int error = spool(client);

	if (error < 0) {
		fprintf(stderr, "sluice: the request cannot be kept for the agent either: %s\n",
			strerror(-error));
		return fail_away(client, verb, away);
	}
	/* It may have started just before, and found nothing. What it answers now, it has found. */
	if (ask(client, &answer) == 0 && answer.status < 500)
		return report(client, verb, &answer);
	return EXIT_SUCCESS;
}

static int carry_out(struct client *client, const struct verb *verb)
{
	struct sluice_answer answer;
	int error;

	/* What can be kept need not be waited for. */
	error = verb->spooled ? ask(client, &answer) : ask_patiently(client, &answer);
	if (error == 0 && (answer.status < 500 || !verb->spooled))
		return report(client, verb, &answer);
	if (verb->spooled)
		return leave_for_later(client, verb, error < 0 ? error : -EAGAIN);
	return fail_away(client, verb, error);
}

/* --- the process -------------------------------------------------------------------------------- */

static const struct verb *find_verb(const char *command)
{
	size_t i;

	for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(command, verbs[i].name) == 0)
			return &verbs[i];
	}
	return NULL;
}

/* The plugin somebody means by the name of the program: whoever installs it may call it portmap. */
static const char *plugin_of(const char *program)
{
	const char *slash = program ? strrchr(program, '/') : NULL;
	const char *name = slash ? slash + 1 : program;

	return name && strcmp(name, "sluice-bridge") == 0 ? "sluice-bridge" : "sluice";
}

static int64_t timeout_ms(void)
{
	const char *text = environment("SLUICE_CNI_TIMEOUT");
	char *end;
	long seconds;

	errno = 0;
	seconds = strtol(text, &end, 10);
	if (errno || end == text || *end || seconds < 1 || seconds > MAX_TIMEOUT_SECONDS)
		seconds = DEFAULT_TIMEOUT_SECONDS;
	return seconds * 1000;
}

static int run(struct client *client)
{
	const struct verb *verb = find_verb(client->command);
	const char *culprit = "";
	int error;

	error = read_input(client);
	if (client->input.length > 0)
		sluice_cni_version(client->input.bytes, client->input.length, client->version);
	if (strcmp(client->command, "VERSION") == 0)
		return print_versions(client);
	if (error == -EFBIG)
		return fail(client, CNI_CANNOT_DECODE, NULL,
			    "the network configuration on standard input has more than %d bytes",
			    MAX_INPUT_BYTES);
	if (error < 0)
		return fail(client, CNI_IO_FAILURE, NULL,
			    "the network configuration cannot be read from standard input: %s",
			    strerror(-error));
	if (!verb)
		return fail(client, CNI_INVALID_ENVIRONMENT, client->command,
			    "CNI_COMMAND must be ADD, DEL, CHECK, GC, STATUS or VERSION: "
			    "this is a CNI plugin, which a container runtime starts");
	if (client->socket[0] != '/' ||
	    strlen(client->socket) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return fail(client, CNI_INVALID_ENVIRONMENT, client->socket,
			    "SLUICE_SOCKET must be the absolute path of a socket, of at most %zu bytes",
			    sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
	if (compose(client, &culprit) < 0)
		return fail(client,
			    client->request.length > 0 && strncmp(culprit, "CNI_", 4) == 0 ?
				    CNI_INVALID_ENVIRONMENT :
				    CNI_CANNOT_DECODE,
			    NULL, "%s is not valid UTF-8", culprit);
	if (client->request.out_of_memory)
		return fail_without_memory(client);
	return carry_out(client, verb);
}

int main(int argc, char **argv)
{
	const char *socket = getenv("SLUICE_SOCKET");
	struct client client = {
		.plugin = plugin_of(argc > 0 ? argv[0] : NULL),
		.command = environment("CNI_COMMAND"),
		.socket = socket && *socket ? socket : DEFAULT_SOCKET,
		.deadline_ms = now_ms() + timeout_ms(),
		.version = NEWEST_VERSION,
	};
	int exit_code = run(&client);

	sluice_text_free(&client.input);
	sluice_text_free(&client.request);
	sluice_text_free(&client.received);
	return exit_code;
}
