/**
 * {@code sluice demo}: a host, a container and a client in network namespaces of their own, and the
 * real agent between them.
 *
 * <p>What plays the rest of the world here may run other programs ({@code nft} as somebody else);
 * the agent never does.
 */
@NullMarked
package dev.sluice.cli.demo;

import org.jspecify.annotations.NullMarked;
