/**
 * How fast connections go through what publishes a port: through the last of many mappings, and
 * through a proxy, of Sluice and of others.
 *
 * <p>Each of them has a client, a host and a server of its own, made alike; {@code visit} goes to
 * all of them in turns.
 */
@NullMarked
package dev.sluice.bench.reach;

import org.jspecify.annotations.NullMarked;
