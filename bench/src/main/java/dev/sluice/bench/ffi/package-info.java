/**
 * What one call from Java into C costs through each binding, and what loading the binding costs.
 *
 * <p>Four calls, from nothing to realistic: {@code abs(int)} does no work, so the figure is the
 * binding's own; {@code refuse} has recv's signature and outcome but stays out of the kernel, so
 * the figure is the binding's own for four arguments, memory and errno; {@code close(-1)} enters
 * the kernel and fails; {@code recv} with MSG_DONTWAIT on an empty netlink socket is what the agent
 * does all day.
 */
@NullMarked
package dev.sluice.bench.ffi;

import org.jspecify.annotations.NullMarked;
