/**
 * Netlink: messages, attributes and sockets, for any netlink family.
 *
 * <p>Start with {@link dev.sluice.netlink.NetlinkClient}: {@code execute} for a request that is
 * acknowledged, {@code dump} for a table, {@code transact} for a batch. Requests are written with
 * {@link dev.sluice.netlink.MessageWriter} straight into the memory the kernel reads; replies are
 * read in place with {@link dev.sluice.netlink.MessageCursor} and {@link
 * dev.sluice.netlink.AttributeCursor}.
 *
 * <p><b>Namespaces.</b> A netlink socket belongs for ever to the network namespace of the thread
 * that opened it. {@link dev.sluice.netlink.NetworkNamespace} opens sockets on a short-lived thread
 * of its own; never call setns on a thread that other code shares.
 *
 * <p><b>Debugging.</b> {@code SLUICE_DEBUG=netlink} in the environment (or the logger {@code
 * dev.sluice.netlink.wire} at DEBUG) prints every message with the names of its attributes.
 *
 * <p>Protocol facts: linux/netlink.h, RFC 3549, Documentation/userspace-api/netlink/intro.rst.
 */
@NullMarked
package dev.sluice.netlink;

import org.jspecify.annotations.NullMarked;
