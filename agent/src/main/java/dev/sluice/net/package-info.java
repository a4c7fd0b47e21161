/**
 * Addresses, prefixes, ports and protocols as strict values.
 *
 * <p>Every type reads exactly one textual form and refuses everything else with a {@link
 * dev.sluice.net.MalformedValueException} that knows the column of the mistake. Nothing here asks a
 * name server, reads a file or knows another package of ours.
 *
 * <p>{@code toString()} of every value is its canonical text, and {@code parse} of that text gives
 * an equal value.
 */
@NullMarked
package dev.sluice.net;

import org.jspecify.annotations.NullMarked;
