/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the CNI client writes and reads, apart from any file descriptor: text that grows, JSON strings,
 * the one member of a network configuration it has to know, and the agent's HTTP answer.
 */
#ifndef SLUICE_CNI_WIRE_H
#define SLUICE_CNI_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Text that grows; once something did not fit into memory it stays as it is, and says so. */
struct sluice_text {
	char *bytes;
	size_t length;
	size_t capacity;
	bool out_of_memory;
};

/* Room for at least this many bytes behind the last; NULL if there is no memory for it. */
char *sluice_text_room(struct sluice_text *text, size_t bytes);
void sluice_text_add(struct sluice_text *text, const void *bytes, size_t length);
void sluice_text_add_string(struct sluice_text *text, const char *string);

/*
 * Adds bytes as a JSON string, in quotes (RFC 8259, section 7).
 *
 * Returns 0, or -EILSEQ if they are not UTF-8 (RFC 3629); what was added then is to be thrown away.
 */
int sluice_text_add_quoted(struct sluice_text *text, const void *bytes, size_t length);

void sluice_text_free(struct sluice_text *text);

/* The longest version number that is taken over, with its end. */
#define SLUICE_CNI_VERSION_BYTES 24

/*
 * Finds the string "cniVersion" of a JSON object, not of one inside it. The document is not checked:
 * if it is no JSON, somebody else will say so.
 *
 * Returns 0, or -ENOENT if there is none that looks like a version: digits, letters, ".", "-" and "+".
 */
int sluice_cni_version(const char *document, size_t length, char version[SLUICE_CNI_VERSION_BYTES]);

/* An HTTP answer (RFC 9112); body points into what was received. */
struct sluice_answer {
	int status;
	const char *body;
	size_t body_bytes;
};

/*
 * Reads an answer as far as it has come.
 *
 * ended: nothing more will come.
 *
 * Returns 1 if it is complete, 0 if there must be more, -EPROTO if it is no HTTP/1 answer with a
 * Content-Length or up to the end of the connection, -ENODATA if it ended too early.
 */
int sluice_answer_parse(struct sluice_answer *answer, const char *bytes, size_t length, bool ended);

/* FNV-1a, 64 bits; tells requests apart, and is no protection against anybody. */
uint64_t sluice_hash(const void *bytes, size_t length);

#endif
