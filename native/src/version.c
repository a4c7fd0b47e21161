/* SPDX-License-Identifier: Apache-2.0 */
#include "sluice.h"

int sluice_abi_version(void)
{
	return SLUICE_ABI_VERSION;
}

const char *sluice_version(void)
{
	return SLUICE_VERSION;
}
