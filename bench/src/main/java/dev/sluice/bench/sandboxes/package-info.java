/**
 * The life of a sandbox, by Sluice and by others on the same kernel: {@code ip} and {@code nft},
 * CNI's plugins, Docker.
 *
 * <p>Each of them works in a network namespace of its own, which stands for the host. A cycle makes
 * another network namespace, joins it to a network, publishes a port, takes both back, and removes
 * it.
 */
@NullMarked
package dev.sluice.bench.sandboxes;

import org.jspecify.annotations.NullMarked;
