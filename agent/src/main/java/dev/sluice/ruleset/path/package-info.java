/**
 * What a first packet would meet on its way through this host: every table that filters or
 * translates, whoever it belongs to, and the routes between them.
 *
 * <p>{@link dev.sluice.ruleset.path.Explainer} answers questions about published ports. It reads
 * the tables of nf_tables and of the old iptables ({@link dev.sluice.ruleset.path.Firewall}), and
 * lets a {@link dev.sluice.ruleset.path.Packet} pass their chains hook by hook, as the kernel would
 * ({@link dev.sluice.ruleset.path.Walk}). Routes and set elements are asked of the kernel. Where
 * something cannot be known beforehand, such as a rate or what a foreign program says, the walk is
 * repeated with each answer ({@link dev.sluice.ruleset.path.Choices}).
 */
@NullMarked
package dev.sluice.ruleset.path;

import org.jspecify.annotations.NullMarked;
