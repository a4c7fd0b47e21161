/**
 * Sluice beside others that publish ports on the same kernel: nft, iptables and CNI's portmap.
 *
 * <p>Each of them works in a network namespace of its own, made as for the agent, and publishes
 * {@code tcp} ports from 1 to {@code 172.30.0.2:80}; those added one by one have ports from 61,000.
 */
@NullMarked
package dev.sluice.bench.peers;

import org.jspecify.annotations.NullMarked;
