#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The constants probe says "absent" of what the headers lack and refuses what is no constant. Fails if
# a missing name breaks the build, or a mistake in a list passes for a missing name.
set -eu
dir=$1
mkdir -p "$dir"

printf '#include <linux/netlink.h>\nNLM_F_REQUEST\nNO_SUCH_NAME\nsizeof(struct no_such)\n%s\n' \
	'offsetof(struct nlmsghdr, no_such)' >"$dir/list"
printf '#include <linux/no_such_header.h>\nOF_NO_SUCH_HEADER\n-NLM_F_MULTI\n' >>"$dir/list"
sh abi/probe.sh "$dir/probe.c" "$dir/list"
${CC:-gcc} -w -I. -Iinclude -Isrc -o "$dir/abi" "$dir/probe.c" abi/main.c
expected='NLM_F_REQUEST 1
NO_SUCH_NAME absent
sizeof(struct no_such) absent
offsetof(struct nlmsghdr, no_such) absent
OF_NO_SUCH_HEADER absent
-NLM_F_MULTI -2'
actual=$("$dir/abi")
[ "$actual" = "$expected" ] || {
	printf 'probe: expected\n%s\nfound\n%s\n' "$expected" "$actual" >&2
	exit 1
}

for mistake in 'NLM_F_REQUEST +' 'sizeof(struct' '"text" * 2'; do
	printf '#include <linux/netlink.h>\n%s\n' "$mistake" >"$dir/wrong"
	if sh abi/probe.sh "$dir/wrong.c" "$dir/wrong" 2>/dev/null; then
		echo "probe: accepted the mistake: $mistake" >&2
		exit 1
	fi
done
if "$dir/abi" NOT_LISTED >/dev/null 2>&1; then
	echo "probe: sluice-abi knows a name that is not listed" >&2
	exit 1
fi
echo "probe: absent names are told from mistakes"
