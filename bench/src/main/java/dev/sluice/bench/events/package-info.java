/**
 * The path of connection events, beside others who listen for them: conntrack, ulogd, a bare
 * netlink socket, the product's library alone and the whole agent.
 *
 * <p>All of them listen alone, one after the other, on processor 1, each in a network namespace of
 * its own; the load and its ledger (bench/native/flood.c) have processor 0. Who consumes what a
 * listener writes shares processor 1 with it.
 */
@NullMarked
package dev.sluice.bench.events;

import org.jspecify.annotations.NullMarked;
