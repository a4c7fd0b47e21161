/**
 * What the agent itself costs: publishing inside it, in bulk and through its API, and the process.
 *
 * <p>Everything runs in network namespaces of its own, with a bridge {@code br0} 172.30.0.1/24 that
 * has one port, and publishes to 172.30.0.2, where nobody needs to be.
 */
@NullMarked
package dev.sluice.bench.agent;

import org.jspecify.annotations.NullMarked;
