/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sluice-abi [NAME...]: prints the constants of abi/constants.list and abi/headers.list as the headers
 * have them, all or the named ones, one "NAME VALUE" or "NAME absent" a line. Exit 1 if a name is in
 * neither list.
 */
#include <stdio.h>
#include <string.h>

#include "abi/constant.h"

static void print(const struct constant *constant)
{
	if (constant->sign == ABSENT)
		printf("%s absent\n", constant->name);
	else if (constant->sign == NEGATIVE)
		printf("%s %lld\n", constant->name, (long long)constant->value);
	else
		printf("%s %llu\n", constant->name, constant->value);
}

static const struct constant *find(const char *name)
{
	int i;

	for (i = 0; i < constant_count; i++)
		if (strcmp(constants[i].name, name) == 0)
			return &constants[i];
	return NULL;
}

int main(int argc, char **argv)
{
	int i, unknown = 0;

	if (argc < 2)
		for (i = 0; i < constant_count; i++)
			print(&constants[i]);
	for (i = 1; i < argc; i++) {
		const struct constant *constant = find(argv[i]);

		if (constant) {
			print(constant);
		} else {
			fprintf(stderr, "%s is not listed: append it to native/abi/constants.list\n",
				argv[i]);
			unknown = 1;
		}
	}
	return unknown;
}
