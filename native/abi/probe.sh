#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# probe.sh OUT.c LIST... : turns lists of constants into a C table of name and value.
#
# Whether an enumerator or a struct member exists can be asked of nothing but the compiler. So every
# expression is compiled once as a function of its own; those in which the compiler finds something
# undeclared enter the table as absent. Any other complaint is a mistake in a list, and an error.
set -eu
export LC_ALL=C
out=$1
shift
work=${out%.c}
names=$work.names.c
check=$work.check.c

# Headers, guarded; and per expression its place, for the compiler's messages.
{
	printf '#define _GNU_SOURCE\n#include <stddef.h>\n#include <sys/socket.h>\n'
	sed -n 's/^#include \(.*\)/#if __has_include(\1)\n#include \1\n#endif/p' "$@"
} >"$names"
awk -v names="$names" '
	BEGIN { while ((getline line < names) > 0) print line }
	/^#/ || /^[ \t]*$/ { next }
	seen[$0]++ { printf "%s:%d: %s is listed twice\n", FILENAME, FNR, $0 > "/dev/stderr"; bad = 1 }
	{ printf "#line %d \"%s\"\nstatic void f%d(void) { (void)(long long)(%s); }\n",
		FNR, FILENAME, NR, $0 }
	END { exit bad }
' "$@" >"$check"

if ! "${CC:-gcc}" -std=gnu11 -Iinclude -Isrc -fsyntax-only -w -fmax-errors=0 "$check" 2>"$work.log"; then
	missing='undeclared|incomplete type|has no member|undefined type'
	if grep -E 'error:' "$work.log" | grep -vE "$missing" >&2; then
		exit 1
	fi
fi

awk -v names="$names" -v log_file="$work.log" '
	BEGIN {
		while ((getline line < log_file) > 0)
			if (line ~ / error: /) {
				split(line, part, ":")
				absent[part[1] ":" part[2]] = 1
			}
		while ((getline line < names) > 0) print line
		print "#include \"abi/constant.h\""
		print "const struct constant constants[] = {"
	}
	/^#/ || /^[ \t]*$/ { next }
	(FILENAME ":" FNR) in absent { printf "\t{ \"%s\", ABSENT, 0 },\n", $0; next }
	{ printf "\t{ \"%s\", (%s) < 0 ? NEGATIVE : POSITIVE, (unsigned long long)(%s) },\n", $0, $0, $0 }
	END { print "};\nconst int constant_count = sizeof(constants) / sizeof(constants[0]);" }
' "$@" >"$out"
