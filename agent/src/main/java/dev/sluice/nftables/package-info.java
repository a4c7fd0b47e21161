/**
 * An nf_tables library: tables, chains, sets, elements and rules as values, written in atomic
 * batches and read back, with a monitor for changes made by others. Usable on its own; nothing here
 * knows what Sluice does with it.
 */
@NullMarked
package dev.sluice.nftables;

import org.jspecify.annotations.NullMarked;
