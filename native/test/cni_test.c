/* SPDX-License-Identifier: Apache-2.0 */
/* What the CNI client writes and reads: JSON strings, the version of a configuration, HTTP answers. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "cni_wire.h"

/* In memory of just that size, so that the sanitizer sees a byte too far. */
static char *exactly(const char *bytes, size_t length)
{
	char *copy = malloc(length ? length : 1);

	if (!copy)
		give_up("out of memory");
	memcpy(copy, bytes, length);
	return copy;
}

/* --- JSON strings: fails if a character that needs it is not escaped, or bad UTF-8 passes --------- */

static void check_quoted(const char *bytes, size_t length, const char *expected)
{
	struct sluice_text text = { 0 };
	char *copy = exactly(bytes, length);
	int result = sluice_text_add_quoted(&text, copy, length);

	sluice_text_add(&text, "", 1);
	check_about("%s", expected ? expected : "not UTF-8");
	CHECK_INT(result, expected ? 0 : -EILSEQ);
	if (expected && result == 0)
		CHECK_TEXT(text.bytes, expected);
	sluice_text_free(&text);
	free(copy);
}

#define QUOTED(bytes, expected) check_quoted(bytes, sizeof(bytes) - 1, expected)

static void quotes(void)
{
	QUOTED("", "\"\"");
	QUOTED("plain", "\"plain\"");
	QUOTED("a\"b\\c", "\"a\\\"b\\\\c\"");
	QUOTED("\n\t\x1f", "\"\\u000a\\u0009\\u001f\"");
	QUOTED("a\0b", "\"a\\u0000b\"");
	QUOTED("\x7f", "\"\x7f\"");
	QUOTED("gr\xc3\xbc\xc3\x9f", "\"gr\xc3\xbc\xc3\x9f\"");
	QUOTED("\xe2\x82\xac\xf0\x9f\x90\x8b", "\"\xe2\x82\xac\xf0\x9f\x90\x8b\"");
	QUOTED("\xf4\x8f\xbf\xbf", "\"\xf4\x8f\xbf\xbf\"");
	QUOTED("\x80", NULL);		  /* nothing that it continues */
	QUOTED("\xc3", NULL);		  /* cut off */
	QUOTED("\xe2\x82", NULL);
	QUOTED("\xf0\x9f\x90", NULL);
	QUOTED("\xc0\xaf", NULL);	  /* longer than need be */
	QUOTED("\xe0\x9f\xbf", NULL);
	QUOTED("\xf0\x8f\xbf\xbf", NULL);
	QUOTED("\xed\xa0\x80", NULL);	  /* half of a surrogate pair */
	QUOTED("\xf4\x90\x80\x80", NULL); /* beyond Unicode */
	QUOTED("\xff", NULL);
	QUOTED("\xe2(\xac", NULL);
}

/* --- growing: fails if text is lost where the memory is enlarged ---------------------------------- */

static void grows(void)
{
	struct sluice_text text = { 0 };
	size_t i;

	for (i = 0; i < 100000; i++)
		sluice_text_add(&text, &"0123456789"[i % 10], 1);
	check_about("100,000 bytes one by one");
	CHECK_INT(text.length, 100000);
	CHECK(text.bytes[0] == '0' && text.bytes[4096] == '6' && text.bytes[99999] == '9');
	CHECK(!text.out_of_memory);
	CHECK(sluice_text_room(&text, SIZE_MAX) == NULL);
	CHECK(text.out_of_memory);
	sluice_text_add(&text, "x", 1);
	CHECK_INT(text.length, 100000);
	sluice_text_free(&text);
}

/* --- the version: fails if one of an inner object is taken, or text that is no version ------------- */

static void check_version(const char *document, const char *expected)
{
	char version[SLUICE_CNI_VERSION_BYTES] = "unset";
	char *copy = exactly(document, strlen(document));
	int result = sluice_cni_version(copy, strlen(document), version);

	check_about("%s", document);
	CHECK_INT(result, expected ? 0 : -ENOENT);
	if (expected)
		CHECK_TEXT(version, expected);
	free(copy);
}

static void finds_the_version(void)
{
	check_version("{\"cniVersion\":\"1.0.0\"}", "1.0.0");
	check_version(" { \"name\" : \"a\" ,\n\t\"cniVersion\" :\r\n \"0.3.1\" , \"x\":1}", "0.3.1");
	check_version("{\"prevResult\":{\"cniVersion\":\"0.2.0\"},\"cniVersion\":\"0.4.0\"}", "0.4.0");
	check_version("{\"prevResult\":{\"cniVersion\":\"0.2.0\"}}", NULL);
	check_version("{\"a\":[{\"cniVersion\":\"9\"},{\"cniVersion\":\"9\"}],\"cniVersion\":\"1.1.0\"}",
		      "1.1.0");
	check_version("{\"name\":\"cniVersion\",\"cniVersion\":\"1.0.0\"}", "1.0.0");
	check_version("{\"name\":\"\\\"cniVersion\\\":\\\"6\\\"\",\"cniVersion\":\"1.0.0\"}", "1.0.0");
	check_version("{\"name\":\",\\\\\",\"cniVersion\":\"1.0.0\"}", "1.0.0");
	check_version("{\"cniVersion\":\"2.0.0-rc1+linux.x86\"}", "2.0.0-rc1+linux.x86");
	check_version("{\"cniVersion\":\"\"}", NULL);
	check_version("{\"cniVersion\":\"1.0.0\\n\"}", NULL);
	check_version("{\"cniVersion\":\"1.0 0\"}", NULL);
	check_version("{\"cniVersion\":\"12345678901234567890123\"}", "12345678901234567890123");
	check_version("{\"cniVersion\":\"123456789012345678901234\"}", NULL);
	check_version("{\"cniVersion\":1}", NULL);
	check_version("{\"cniVersion\":{\"cniVersion\":\"1\"}}", NULL);
	check_version("{\"cniVersion\":\"1.0.0", NULL);
	check_version("{\"cniVersion\":", NULL);
	check_version("{\"cniVersion\"", NULL);
	check_version("{\"cniVersion\":\"1\\", NULL);
	check_version("[\"cniVersion\"]", NULL);
	check_version("}}}}{\"cniVersion\":\"1.0.0\"}", "1.0.0");
	check_version("garbage", NULL);
	check_version("", NULL);
}

/* --- answers: fails if half an answer passes for a whole one -------------------------------------- */

static int parse(struct sluice_answer *answer, const char *text, size_t length, bool ended)
{
	return sluice_answer_parse(answer, text, length, ended);
}

static void check_answer(const char *text, int expected, int status, const char *body)
{
	struct sluice_answer answer = { 0 };
	size_t length = strlen(text), cut;
	char *copy = exactly(text, length);
	int result = parse(&answer, copy, length, true);

	check_about("%.60s", text);
	CHECK_INT(result, expected);
	if (expected == 1 && result == 1) {
		CHECK_INT(answer.status, status);
		CHECK_INT(answer.body_bytes, strlen(body));
		CHECK_BYTES(answer.body, body, strlen(body));
	}
	free(copy);
	if (expected != 1)
		return;
	/* However it is cut: never complete, and never beyond its end. */
	for (cut = 0; cut < length; cut++) {
		copy = exactly(text, cut);
		check_about("%.60s up to byte %zu", text, cut);
		CHECK(parse(&answer, copy, cut, false) == 0);
		free(copy);
	}
}

static void reads_answers(void)
{
	static char long_header[100000];

	check_answer("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}\n", 1, 200, "{}\n");
	check_answer("HTTP/1.1 422 Unprocessable\r\ncontent-LENGTH:\t2 \r\nX: y\r\n\r\n{}", 1, 422, "{}");
	check_answer("HTTP/1.0 200\nContent-Length: 1\n\n1", 1, 200, "1");
	check_answer("HTTP/1.1 503 \r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n1", 1, 503, "1");
	check_answer("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n{}\n", -ENODATA, 0, "");
	check_answer("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n", -ENODATA, 0, "");
	check_answer("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n12", -EPROTO, 0,
		     "");
	check_answer("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", -EPROTO, 0, "");
	check_answer("HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n", -EPROTO, 0, "");
	check_answer("HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n", -EPROTO, 0, "");
	check_answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", -EPROTO, 0, "");
	check_answer("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", -EPROTO, 0, "");
	check_answer("HTTP/1.1 2000 OK\r\n\r\n", -EPROTO, 0, "");
	check_answer("HTTP/1.1 2x0 OK\r\n\r\n", -EPROTO, 0, "");
	check_answer("HTTP/2.0 200 OK\r\n\r\n", -EPROTO, 0, "");
	check_answer("HTTP/1.1 20\r\n\r\n", -EPROTO, 0, "");
	check_answer("\r\n\r\n", -EPROTO, 0, "");
	check_answer("", -ENODATA, 0, "");

	struct sluice_answer answer;
	const char *unmeasured = "HTTP/1.1 200 OK\r\n\r\nrest";

	check_about("an answer up to the end of the connection");
	CHECK_INT(parse(&answer, unmeasured, strlen(unmeasured), false), 0);
	CHECK_INT(parse(&answer, unmeasured, strlen(unmeasured), true), 1);
	CHECK_INT(answer.body_bytes, 4);

	memset(long_header, 'a', sizeof(long_header));
	check_about("a line without an end");
	CHECK_INT(parse(&answer, long_header, sizeof(long_header), false), -EPROTO);
}

/* Fails if the hash is another one than that of the name: test vectors of draft-eastlake-fnv. */
static void hashes(void)
{
	check_about("FNV-1a");
	CHECK(sluice_hash("", 0) == 0xcbf29ce484222325);
	CHECK(sluice_hash("a", 1) == 0xaf63dc4c8601ec8c);
	CHECK(sluice_hash("foobar", 6) == 0x85944171f73967e8);
}

int main(void)
{
	quotes();
	grows();
	finds_the_version();
	reads_answers();
	hashes();
	return check_result("cni_test");
}
