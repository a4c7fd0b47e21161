package dev.sluice.conntrack;

/**
 * What went in one direction of an entry.
 *
 * @param packets how many packets, unsigned 64 bits
 * @param bytes how many bytes, from the IP header on, unsigned 64 bits
 */
public record Counters(long packets, long bytes) {}
