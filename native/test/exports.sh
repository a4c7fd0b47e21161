#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The library exports what sluice.h declares, and nothing else. Fails if an internal function becomes
# visible, or a public one is missing in src/sluice.map.
set -eu
export LC_ALL=C
declared=$(sed -n 's/^SLUICE_API .*\(sluice_[a-z_]*\)(.*/\1/p' include/sluice.h | sort)
exported=$(nm -D --defined-only "$1" | sed -n 's/.* T \(.*\)@@SLUICE_[0-9]*$/\1/p' | sort)
others=$(nm -D --defined-only "$1" | grep -v ' T .*@@SLUICE_' | grep -v ' A SLUICE_' || true)
if [ "$declared" != "$exported" ] || [ -n "$others" ]; then
	printf 'exports: sluice.h declares\n%s\nbut %s exports\n%s\n%s\n' \
		"$declared" "$1" "$exported" "$others" >&2
	exit 1
fi
echo "exports: $(echo "$exported" | wc -l) functions, as declared"
