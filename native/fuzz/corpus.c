/* SPDX-License-Identifier: Apache-2.0 */
/* corpus GOLDEN_DIRECTORY CORPUS_DIRECTORY: writes the golden messages as the files a fuzzer starts from. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "golden.h"

int main(int argc, char **argv)
{
	struct golden *all;
	size_t count, i;

	if (argc != 3)
		give_up("usage: %s GOLDEN_DIRECTORY CORPUS_DIRECTORY", argv[0]);
	all = golden_read_all(argv[1], &count);
	for (i = 0; i < count; i++) {
		char path[512];
		FILE *file;

		snprintf(path, sizeof(path), "%s/%s.bin", argv[2], all[i].name);
		file = fopen(path, "w");
		if (!file || fwrite(all[i].bytes, 1, all[i].size, file) != all[i].size ||
		    fclose(file) != 0)
			give_up("%s: %s", path, strerror(errno));
	}
	free(all);
	return 0;
}
