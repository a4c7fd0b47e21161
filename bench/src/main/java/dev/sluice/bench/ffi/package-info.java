/**
 * What one call from Java into C costs through each binding, and what loading the binding costs.
 *
 * <p>Three calls, from nothing to realistic: {@code abs(int)} does no work, so the figure is the
 * binding's own; {@code close(-1)} enters the kernel and fails, so errno must survive until Java
 * has read it; {@code recv} with MSG_DONTWAIT on an empty netlink socket is what the agent does all
 * day: four arguments, one of them memory, and EAGAIN.
 */
@NullMarked
package dev.sluice.bench.ffi;

import org.jspecify.annotations.NullMarked;
