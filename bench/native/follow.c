// SPDX-License-Identifier: Apache-2.0
/*
 * follow: reads events as a consumer does, counts them and throws them away.
 *
 *	follow text		lines of `conntrack -E` or ulogd on standard input, until its end
 *	follow lines SOCKET	GET /v1/events of the agent: NDJSON, until SIGTERM
 *	follow frames SOCKET	the same as frames of 288 bytes
 *
 * From a pipe it reads at most every two milliseconds and has enlarged it to a mebibyte, so that who
 * writes line by line does not pay for waking it each time. From the agent it reads what there is,
 * prints "following" when the answer has begun, checks that each number in the stream continues the
 * one before, and comes back with from= when the agent ends the answer, as a consumer does that was
 * evicted. After SIGTERM it reads until nothing has come for a while (tally.h).
 */
#define _GNU_SOURCE /* F_SETPIPE_SZ, memmem, strptime, timegm */
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "record.h"
#include "tally.h"

#define PIPE_BYTES (1 << 20)
#define PAUSE_US 2000
#define WAIT_MS 100
#define HEAD_BYTES 64 /* of a line of text: the kind stands there */
#define MINUTE_BYTES 16 /* 2026-11-21T12:29 */
#define PART_BYTES (64 << 10) /* an entry that is not complete yet is smaller */

/* docs/events.md */
#define FRAME_BYTES 288
#define NEXT_OFFSET 8
#define FLAGS_OFFSET 25
#define FLAG_SYNTHESISED 1
#define RECORD_OFFSET 96

static struct tally tally;
static uint64_t expected; /* number of the next event; 0 before the first */

static void place(uint64_t sequence, uint64_t next)
{
	if (expected && sequence != expected)
		tally.jumps++;
	expected = next;
}

static void count(bool is_new, bool is_destroy, bool is_synthesised)
{
	if (is_synthesised) {
		tally.synthesised++;
		tally.synthesised_destroy += is_destroy;
	} else if (is_new) {
		tally.new_events++;
	} else if (is_destroy) {
		tally.destroy_events++;
	} else {
		tally.update_events++;
	}
}

/* --- text --------------------------------------------------------------------------------------- */

static bool starts_with(const char *at, const char *end, const char *text)
{
	size_t bytes = strlen(text);

	return (size_t)(end - at) >= bytes && memcmp(at, text, bytes) == 0;
}

static void take_text(const char *line, const char *end)
{
	const char *at = line + 1; /* a line may begin with a time in brackets */
	const char *limit = end - line > HEAD_BYTES ? line + HEAD_BYTES : end;

	while (at < limit && (at = memchr(at, '[', (size_t)(limit - at)))) {
		bool is_new = starts_with(at, end, "[NEW]");
		bool is_destroy = starts_with(at, end, "[DESTROY]");

		if (is_new || is_destroy || starts_with(at, end, "[UPDATE]")) {
			count(is_new, is_destroy, false);
			return;
		}
		at++;
	}
}

/* --- NDJSON ------------------------------------------------------------------------------------- */

static uint64_t digits(const char **at, const char *end)
{
	uint64_t value = 0;

	while (*at < end && **at >= '0' && **at <= '9')
		value = value * 10 + (uint64_t)(*(*at)++ - '0');
	return value;
}

/* 2026-11-21T12:29:20.993184426Z in nanoseconds since 1970. */
static uint64_t parse_time(const char *text)
{
	static char minute[MINUTE_BYTES];
	static uint64_t minute_ns;
	const char *seconds = text + MINUTE_BYTES + 1, *fraction = text + MINUTE_BYTES + 4;

	if (memcmp(minute, text, MINUTE_BYTES) != 0) {
		struct tm time = { 0 };
		char copy[MINUTE_BYTES + 1] = "";

		memcpy(copy, text, MINUTE_BYTES);
		if (!strptime(copy, "%Y-%m-%dT%H:%M", &time))
			give_up("follow: '%s' is not a time", copy);
		minute_ns = (uint64_t)timegm(&time) * 1000000000u;
		memcpy(minute, text, MINUTE_BYTES);
	}
	return minute_ns + digits(&seconds, seconds + 2) * 1000000000u + digits(&fraction, fraction + 9);
}

static uint64_t number_after(const char *line, const char *end, const char *name)
{
	const char *at = memmem(line, (size_t)(end - line), name, strlen(name));

	if (!at)
		give_up("follow: a line without %s: %.*s", name, (int)(end - line), line);
	at += strlen(name);
	return digits(&at, end);
}

static void take_line(const char *line, const char *end, uint64_t now)
{
	static const char seq[] = "{\"seq\":", event[] = ",\"event\":\"", time[] = "\",\"time\":\"";
	static const char synthesised[] = ",\"synthesised\":true";
	const char *at = line + sizeof(seq) - 1, *kind;
	uint64_t sequence, events = 1;

	if (!starts_with(line, end, seq))
		give_up("follow: this is no event: %.*s", (int)(end - line), line);
	sequence = digits(&at, end);
	if (!starts_with(at, end, event))
		give_up("follow: this is no event: %.*s", (int)(end - line), line);
	kind = at + sizeof(event) - 1;
	if (starts_with(kind, end, "gap")) {
		events = number_after(line, end, "\"lost\":");
		tally.lost += events;
	} else if (!starts_with(kind, end, "alarm")) {
		bool is_synthesised = memmem(line, (size_t)(end - line), synthesised,
					     sizeof(synthesised) - 1);

		count(*kind == 'n', *kind == 'd', is_synthesised);
		at = memchr(kind, '"', (size_t)(end - kind));
		if (!is_synthesised && at && starts_with(at, end, time))
			tally_latency(&tally, parse_time(at + sizeof(time) - 1), now);
	}
	place(sequence, sequence + events);
}

/* --- frames ------------------------------------------------------------------------------------- */

static void take_frame(const char *frame, uint64_t now)
{
	union sluice_record record;
	uint64_t sequence, next;

	memcpy(&sequence, frame, sizeof(sequence));
	memcpy(&next, frame + NEXT_OFFSET, sizeof(next));
	memcpy(&record, frame + RECORD_OFFSET, sizeof(record));
	place(sequence, next);
	if (record.flow.kind == SLUICE_KIND_GAP) {
		tally.lost += record.gap.lost;
	} else if (record.flow.kind <= SLUICE_KIND_DESTROY) {
		bool is_synthesised = frame[FLAGS_OFFSET] & FLAG_SYNTHESISED;

		count(record.flow.kind == SLUICE_KIND_NEW,
		      record.flow.kind == SLUICE_KIND_DESTROY, is_synthesised);
		if (!is_synthesised)
			tally_latency(&tally, record.flow.event_ns, now);
	}
}

/* --- reading ------------------------------------------------------------------------------------ */

enum form { TEXT, LINES, FRAMES };

/* Takes what is complete and returns how many bytes that were. */
static size_t take_entries(enum form form, const char *data, size_t bytes, uint64_t now)
{
	const char *at = data, *end = data + bytes, *newline;

	if (form == FRAMES) {
		for (; end - at >= FRAME_BYTES; at += FRAME_BYTES)
			take_frame(at, now);
		return (size_t)(at - data);
	}
	while ((newline = memchr(at, '\n', (size_t)(end - at)))) {
		if (form == TEXT)
			take_text(at, newline);
		else if (newline > at)
			take_line(at, newline, now);
		at = newline + 1;
	}
	return (size_t)(at - data);
}

/* Bytes of entries as they come, which need not be whole. */
struct feed {
	enum form form;
	size_t kept;
	char data[PART_BYTES + PIPE_BYTES];
};

static void feed(struct feed *feed, const char *bytes, size_t count, uint64_t now)
{
	size_t taken;

	if (count > sizeof(feed->data) - feed->kept)
		give_up("follow: an entry has no end");
	memcpy(feed->data + feed->kept, bytes, count);
	feed->kept += count;
	taken = take_entries(feed->form, feed->data, feed->kept, now);
	feed->kept -= taken;
	memmove(feed->data, feed->data + taken, feed->kept);
}

static void read_text(struct feed *entries)
{
	static char chunk[PIPE_BYTES];
	ssize_t got;

	if (fcntl(STDIN_FILENO, F_SETPIPE_SZ, PIPE_BYTES) < 0)
		give_up("follow: standard input is no pipe: %s", strerror(errno));
	while ((got = read(STDIN_FILENO, chunk, sizeof(chunk))) != 0) {
		if (got < 0)
			give_up("follow: read: %s", strerror(errno));
		feed(entries, chunk, (size_t)got, 0);
		if ((size_t)got < sizeof(chunk) / 2)
			usleep(PAUSE_US);
	}
}

/* A chunked body (RFC 9112, 7.1), of which the kernel hands out any number of bytes at a time. */
struct body {
	uint64_t left; /* of the chunk */
	uint64_t size; /* of the next one, as far as it was read */
	enum { SIZE, DATA, AFTER_DATA, ENDED } state;
};

static int hexadecimal(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	digit |= 0x20;
	return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

static void take_body(struct body *body, struct feed *entries, const char *at, size_t bytes, uint64_t now)
{
	const char *end = at + bytes;

	while (at < end && body->state != ENDED) {
		if (body->state == DATA) {
			size_t part = (size_t)(end - at) < body->left ? (size_t)(end - at) : body->left;

			feed(entries, at, part, now);
			at += part;
			body->left -= part;
			if (body->left == 0)
				body->state = AFTER_DATA;
		} else if (*at == '\n') {
			if (body->state == SIZE) {
				body->state = body->size ? DATA : ENDED;
				body->left = body->size;
			} else {
				body->state = SIZE;
			}
			body->size = 0;
			at++;
		} else {
			if (body->state == SIZE && hexadecimal(*at) >= 0)
				body->size = body->size << 4 | (unsigned int)hexadecimal(*at);
			at++;
		}
	}
}

static int ask(const char *path, enum form form)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval wait = { .tv_usec = WAIT_MS * 1000 };
	char request[256], from[32] = "";
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), bytes;

	if (strlen(path) >= sizeof(address.sun_path))
		give_up("follow: the socket's name is too long");
	strcpy(address.sun_path, path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		give_up("follow: %s: %s", path, strerror(errno));
	if (expected)
		snprintf(from, sizeof(from), "?from=%llu", (unsigned long long)expected);
	bytes = snprintf(request, sizeof(request),
			 "GET /v1/events%s HTTP/1.1\r\nHost: sluice\r\nAccept: %s\r\n\r\n", from,
			 form == FRAMES ? "application/vnd.sluice.events" : "application/x-ndjson");
	if (write(fd, request, (size_t)bytes) != bytes ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) < 0)
		give_up("follow: request: %s", strerror(errno));
	return fd;
}

/* Reads byte by byte up to the end of the answer's head, which must be that of a success. */
static void read_head(int fd)
{
	char head[2048];
	size_t at = 0;

	while (at < sizeof(head) - 1) {
		ssize_t got = read(fd, head + at, 1);

		if (got == 0)
			give_up("follow: the agent hung up");
		if (got < 0 && errno != EAGAIN && errno != EINTR)
			give_up("follow: read: %s", strerror(errno));
		if (got > 0 && ++at >= 4 && memcmp(head + at - 4, "\r\n\r\n", 4) == 0)
			break;
	}
	head[at] = '\0';
	if (strncmp(head, "HTTP/1.1 200", 12) != 0 || !strcasestr(head, "\r\nTransfer-Encoding: chunked"))
		give_up("follow: the agent answered: %s", head);
}

/* Until the answer ends, or SIGTERM came and nothing else: whether it ended. */
static bool read_answer(int fd, struct feed *entries)
{
	static char chunk[PIPE_BYTES / 4];
	struct body body = { .state = SIZE };

	entries->kept = 0;
	while (body.state != ENDED) {
		ssize_t got = read(fd, chunk, sizeof(chunk));

		if (got == 0)
			return true;
		if (got > 0)
			take_body(&body, entries, chunk, (size_t)got, wall_ns());
		else if (errno == EAGAIN && stop_asked)
			return false;
		else if (errno != EAGAIN && errno != EINTR)
			give_up("follow: read: %s", strerror(errno));
	}
	return true;
}

int main(int argc, char **argv)
{
	static struct feed entries;

	if (argc == 2 && strcmp(argv[1], "text") == 0) {
		entries.form = TEXT;
		read_text(&entries);
	} else if (argc == 3 && (!strcmp(argv[1], "lines") || !strcmp(argv[1], "frames"))) {
		bool again = true;

		entries.form = argv[1][0] == 'l' ? LINES : FRAMES;
		stop_on_sigterm();
		while (again) {
			int fd = ask(argv[2], entries.form);

			read_head(fd);
			if (tally.reconnects == 0)
				puts("following");
			fflush(stdout);
			again = read_answer(fd, &entries);
			tally.reconnects += again;
			close(fd);
		}
	} else {
		fprintf(stderr, "usage: follow text | lines SOCKET | frames SOCKET\n");
		return 2;
	}
	tally_print(&tally, "");
	return 0;
}
