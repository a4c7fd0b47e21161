/**
 * The laboratory of the tests: network namespaces with hosts, containers and wires between them,
 * traffic through them, and the foreign tools ({@code ip}, {@code nft}, {@code conntrack}) whose
 * answers we measure ourselves against.
 *
 * <p>Start with {@link dev.sluice.testing.Lab}: {@code try (Lab lab = Lab.small()) { … }} is a
 * client, a host and two containers on one bridge, up in well under a second and gone afterwards,
 * whatever happens between. {@link dev.sluice.testing.Golden} holds the bytes that real {@code
 * nft}, {@code conntrack} and {@code ip} exchanged with the kernel.
 *
 * <p>Everything here needs root and the programs named above; nothing here is part of the agent,
 * which runs no program at all. A missing program is a failure, never a skipped test.
 */
@NullMarked
package dev.sluice.testing;

import org.jspecify.annotations.NullMarked;
