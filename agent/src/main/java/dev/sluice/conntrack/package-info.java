/**
 * Connection tracking over netlink (ctnetlink): the kernel's table of flows, and its events.
 *
 * <ul>
 *   <li>{@link dev.sluice.conntrack.Conntrack}: list, get and delete entries. {@link
 *       dev.sluice.conntrack.ConntrackFilter} says which; the kernel applies what it can, and what
 *       it cannot is applied here, so that the answer never depends on the kernel's age.
 *   <li>{@link dev.sluice.conntrack.EventSource}: events of one namespace. A thread in C drains the
 *       socket into a ring of fixed-size records ({@link
 *       dev.sluice.conntrack.FlowRecordDescriptor}), {@link dev.sluice.conntrack.EventRing} reads
 *       them in place. Loss is never silent: it arrives as a gap with its exact count.
 * </ul>
 *
 * <p>A socket sees the entries of one network namespace, that of the thread which opened it; both
 * classes take a {@link dev.sluice.netlink.NetworkNamespace}. Events, counters and timestamps exist
 * only if {@code net.netfilter.nf_conntrack_events}, {@code _acct} and {@code _timestamp} are 1
 * there, which is the caller's business.
 *
 * <p>Two facts about the kernel that shape this package: a dump is not a snapshot (entries come and
 * go while it walks the hash table, and nothing says so), and an id is only unique while its entry
 * lives.
 */
@NullMarked
package dev.sluice.conntrack;

import org.jspecify.annotations.NullMarked;
