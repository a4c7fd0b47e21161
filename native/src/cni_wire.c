/* SPDX-License-Identifier: Apache-2.0 */
#include "cni_wire.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FIRST_CAPACITY 4096

/* --- text that grows ---------------------------------------------------------------------------- */

char *sluice_text_room(struct sluice_text *text, size_t bytes)
{
	size_t capacity = text->capacity ? text->capacity : FIRST_CAPACITY;
	char *more;

	if (text->out_of_memory || bytes > SIZE_MAX / 4 - text->length) {
		text->out_of_memory = true;
		return NULL;
	}
	while (capacity - text->length < bytes)
		capacity *= 2;
	if (capacity != text->capacity) {
		more = realloc(text->bytes, capacity);
		if (!more) {
			text->out_of_memory = true;
			return NULL;
		}
		text->bytes = more;
		text->capacity = capacity;
	}
	return text->bytes + text->length;
}

void sluice_text_add(struct sluice_text *text, const void *bytes, size_t length)
{
	char *room = sluice_text_room(text, length);

	if (room && length > 0) {
		memcpy(room, bytes, length);
		text->length += length;
	}
}

void sluice_text_add_string(struct sluice_text *text, const char *string)
{
	sluice_text_add(text, string, strlen(string));
}

void sluice_text_free(struct sluice_text *text)
{
	free(text->bytes);
	*text = (struct sluice_text){ 0 };
}

/* --- JSON strings ------------------------------------------------------------------------------- */

/* How many bytes the UTF-8 character at the start has, or 0 if there is none. */
static size_t character(const uint8_t *at, size_t left)
{
	/* What the second byte can be: nothing twice, no surrogates, nothing beyond U+10FFFF. */
	uint8_t low = 0x80, high = 0xbf;
	size_t length, i;

	if (at[0] < 0x80)
		return 1;
	if (at[0] >= 0xc2 && at[0] <= 0xdf) {
		length = 2;
	} else if (at[0] >= 0xe0 && at[0] <= 0xef) {
		length = 3;
		low = at[0] == 0xe0 ? 0xa0 : low;
		high = at[0] == 0xed ? 0x9f : high;
	} else if (at[0] >= 0xf0 && at[0] <= 0xf4) {
		length = 4;
		low = at[0] == 0xf0 ? 0x90 : low;
		high = at[0] == 0xf4 ? 0x8f : high;
	} else {
		return 0;
	}
	if (left < length || at[1] < low || at[1] > high)
		return 0;
	for (i = 2; i < length; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	}
	return length;
}

int sluice_text_add_quoted(struct sluice_text *text, const void *bytes, size_t length)
{
	const uint8_t *from = bytes;
	size_t plain = 0, i = 0;

	sluice_text_add(text, "\"", 1);
	while (i < length) {
		size_t size = character(from + i, length - i);
		char escape[8];

		if (size == 0)
			return -EILSEQ;
		if (from[i] >= 0x20 && from[i] != '"' && from[i] != '\\') {
			i += size;
			continue;
		}
		sluice_text_add(text, from + plain, i - plain);
		if (from[i] == '"' || from[i] == '\\')
			snprintf(escape, sizeof(escape), "\\%c", from[i]);
		else
			snprintf(escape, sizeof(escape), "\\u%04x", from[i]);
		sluice_text_add_string(text, escape);
		plain = ++i;
	}
	sluice_text_add(text, from + plain, length - plain);
	sluice_text_add(text, "\"", 1);
	return 0;
}

/* --- the version a configuration is written in ---------------------------------------------------- */

/* Where the JSON string that begins at "at" ends, behind its quote; length if it does not. */
static size_t string_end(const char *document, size_t length, size_t at)
{
	for (at++; at < length; at++) {
		if (document[at] == '\\')
			at++;
		else if (document[at] == '"')
			return at + 1;
	}
	return length;
}

static size_t skip_space(const char *document, size_t length, size_t at)
{
	while (at < length && memchr(" \t\r\n", document[at], 4))
		at++;
	return at;
}

static bool is_version_character(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '.' || c == '-' || c == '+';
}

/* Takes over the JSON string from "at" to "end", both quotes among it. */
static int take_version(const char *document, size_t at, size_t end,
			char version[SLUICE_CNI_VERSION_BYTES])
{
	size_t bytes = end - at, i;

	if (bytes < 3 || bytes - 2 >= SLUICE_CNI_VERSION_BYTES || document[end - 1] != '"')
		return -ENOENT;
	for (i = 1; i < bytes - 1; i++) {
		if (!is_version_character(document[at + i]))
			return -ENOENT;
		version[i - 1] = document[at + i];
	}
	version[bytes - 2] = '\0';
	return 0;
}

int sluice_cni_version(const char *document, size_t length, char version[SLUICE_CNI_VERSION_BYTES])
{
	static const char name[] = "\"cniVersion\"";
	bool name_may_come = false;
	size_t depth = 0, at = 0;

	while (at < length) {
		size_t end;

		switch (document[at]) {
		case '{':
		case '[':
			name_may_come = document[at] == '{' && depth == 0;
			depth++;
			at++;
			break;
		case '}':
		case ']':
			if (depth > 0)
				depth--;
			at++;
			break;
		case ',':
			name_may_come = depth == 1;
			at++;
			break;
		case '"':
			end = string_end(document, length, at);
			if (name_may_come && end - at == strlen(name) &&
			    memcmp(document + at, name, strlen(name)) == 0) {
				at = skip_space(document, length, end);
				if (at == length || document[at] != ':')
					return -ENOENT;
				at = skip_space(document, length, at + 1);
				if (at == length || document[at] != '"')
					return -ENOENT;
				return take_version(document, at, string_end(document, length, at),
						    version);
			}
			name_may_come = false;
			at = end;
			break;
		default:
			at++;
		}
	}
	return -ENOENT;
}

/* --- the answer --------------------------------------------------------------------------------- */

#define MAX_HEADER_BYTES (64 * 1024)

/* "HTTP/1.1 200 OK": the status, or -EPROTO. */
static int status_of(const char *line, size_t length)
{
	static const char version[] = "HTTP/1.";
	size_t at = strlen(version) + 1; /* and the digit of the minor version */
	int status = 0;
	size_t i;

	if (length < at + 4 || memcmp(line, version, strlen(version)) != 0 || line[at] != ' ')
		return -EPROTO;
	for (i = at + 1; i < at + 4; i++) {
		if (line[i] < '0' || line[i] > '9')
			return -EPROTO;
		status = status * 10 + (line[i] - '0');
	}
	if (length > at + 4 && line[at + 4] != ' ')
		return -EPROTO;
	return status >= 100 ? status : -EPROTO;
}

/* The value of a header field of that name, without the space around it; NULL if it is another one. */
static const char *field(const char *line, size_t length, const char *name, size_t *value_bytes)
{
	size_t bytes = strlen(name), from = bytes + 1, to = length;

	if (length <= bytes || line[bytes] != ':' || strncasecmp(line, name, bytes) != 0)
		return NULL;
	while (from < to && (line[from] == ' ' || line[from] == '\t'))
		from++;
	while (to > from && (line[to - 1] == ' ' || line[to - 1] == '\t'))
		to--;
	*value_bytes = to - from;
	return line + from;
}

/* Digits only, of a number that fits; or -EPROTO. */
static int content_length(const char *text, size_t length, size_t *bytes)
{
	size_t number = 0, i;

	if (length == 0 || length > 9)
		return -EPROTO;
	for (i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -EPROTO;
		number = number * 10 + (size_t)(text[i] - '0');
	}
	*bytes = number;
	return 0;
}

int sluice_answer_parse(struct sluice_answer *answer, const char *bytes, size_t length, bool ended)
{
	size_t at = 0, body_bytes = 0;
	bool first = true, counted = false;

	for (;;) {
		const char *end = at < length ? memchr(bytes + at, '\n', length - at) : NULL;
		const char *value;
		size_t line, value_bytes;

		if (!end) {
			if (length > MAX_HEADER_BYTES)
				return -EPROTO;
			return ended ? -ENODATA : 0;
		}
		line = (size_t)(end - (bytes + at));
		if (line > 0 && bytes[at + line - 1] == '\r')
			line--;
		if (first) {
			answer->status = status_of(bytes + at, line);
			if (answer->status < 0)
				return answer->status;
			first = false;
		} else if (line == 0) {
			at = (size_t)(end + 1 - bytes);
			break;
		} else if ((value = field(bytes + at, line, "Content-Length", &value_bytes))) {
			size_t before = body_bytes;

			if (content_length(value, value_bytes, &body_bytes) < 0 ||
			    (counted && before != body_bytes))
				return -EPROTO;
			counted = true;
		} else if (field(bytes + at, line, "Transfer-Encoding", &value_bytes)) {
			return -EPROTO; /* our agent knows how long its answer is */
		}
		at = (size_t)(end + 1 - bytes);
	}
	if (answer->status < 200)
		return -EPROTO; /* we asked for no interim answer */
	if (!counted && !ended)
		return 0;
	if (counted && length - at < body_bytes)
		return ended ? -ENODATA : 0;
	answer->body = bytes + at;
	answer->body_bytes = counted ? body_bytes : length - at;
	return 1;
}

uint64_t sluice_hash(const void *bytes, size_t length)
{
	const uint8_t *from = bytes;
	uint64_t hash = 0xcbf29ce484222325;
	size_t i;

	for (i = 0; i < length; i++)
		hash = (hash ^ from[i]) * 0x100000001b3;
	return hash;
}
