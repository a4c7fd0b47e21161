package dev.sluice.nftables;

import dev.sluice.net.Bytes;

/**
 * One operation of a {@link Batch}.
 *
 * @param effect what it does, in the words a {@link Monitor} would report it with; deleted elements
 *     are named by their keys, and none at all means every element of the set
 * @param message as it is sent, header included
 */
public record Operation(RulesetEvent effect, Bytes message) {}
