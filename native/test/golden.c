/* SPDX-License-Identifier: Apache-2.0 */
#include "golden.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

static void read_line(const char *path, char *line, struct golden *golden)
{
	static const char marker[] = "# conntrack: ";
	char *p = line, *end;

	line[strcspn(line, "\n")] = '\0';
	if (strncmp(line, marker, sizeof(marker) - 1) == 0)
		snprintf(golden->conntrack, sizeof(golden->conntrack), "%s",
			 line + sizeof(marker) - 1);
	if (line[0] == '#')
		return;
	for (;;) {
		unsigned long byte = strtoul(p, &end, 16);

		if (end == p)
			break;
		if (byte > 255 || golden->size == sizeof(golden->bytes))
			give_up("%s: too long, or no hexadecimal bytes: %s", path, line);
		golden->bytes[golden->size++] = (uint8_t)byte;
		p = end;
	}
}

void golden_read(const char *directory, const char *name, struct golden *golden)
{
	char path[512], line[sizeof(golden->conntrack)];
	FILE *file;

	memset(golden, 0, sizeof(*golden));
	snprintf(golden->name, sizeof(golden->name), "%s", name);
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "r");
	if (!file)
		give_up("%s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), file))
		read_line(path, line, golden);
	fclose(file);
	if (!golden->size || !golden->conntrack[0])
		give_up("%s has no bytes, or no line of conntrack", path);
}

static int is_hex_file(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);

	return length > 4 && strcmp(entry->d_name + length - 4, ".hex") == 0;
}

struct golden *golden_read_all(const char *directory, size_t *count)
{
	struct dirent **entries;
	struct golden *all;
	int found = scandir(directory, &entries, is_hex_file, alphasort);
	int i;

	if (found <= 0)
		give_up("%s: no golden messages", directory);
	all = calloc((size_t)found, sizeof(*all));
	if (!all)
		give_up("out of memory");
	for (i = 0; i < found; i++) {
		golden_read(directory, entries[i]->d_name, &all[i]);
		free(entries[i]);
	}
	free(entries);
	*count = (size_t)found;
	return all;
}
