/**
 * Follows packets through the host: a table of our own, {@code inet sluice-trace}, sets the nftrace
 * bit of those that are asked for, and what the kernel then tells of them is put together, packet
 * by packet. See docs/trace.md.
 */
@NullMarked
package dev.sluice.ruleset.trace;

import org.jspecify.annotations.NullMarked;
