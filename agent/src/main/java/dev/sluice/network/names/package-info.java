/**
 * Names on the networks of containers: the responder that each network's gateway has.
 *
 * <p>{@link dev.sluice.network.names.Responder} answers DNS queries (RFC 1035) over UDP and TCP by
 * who asks: the source address says which {@link dev.sluice.network.names.View} of the names holds.
 * Names of containers and the zone {@code sluice.}, where a container finds out as what it is
 * published, are answered here; other names are forwarded to the resolvers of the host. Messages
 * are encoded and decoded by dnsjava, which no other package knows.
 *
 * <p>Answers may be kept for one second: an address may be another container's as soon as its
 * endpoint is gone, and a second is enough for a cache to bear a burst. Negative answers carry no
 * SOA record, so nobody keeps them (RFC 2308 section 5), and who starts a moment later is found.
 */
@NullMarked
package dev.sluice.network.names;

import org.jspecify.annotations.NullMarked;
