/**
 * The kernel's own names: constants of linux/netfilter/nf_tables.h and the attribute schema built
 * from them.
 */
@NullMarked
package dev.sluice.nftables.uapi;

import org.jspecify.annotations.NullMarked;
