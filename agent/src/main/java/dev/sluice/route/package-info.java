/**
 * An rtnetlink library: links, addresses, routes, neighbours and named network namespaces. Usable
 * on its own; nothing here knows what Sluice does with it.
 *
 * <p>Start with {@link dev.sluice.route.Rtnetlink}; {@link dev.sluice.route.NamedNamespaces} does
 * what {@code ip netns} does, {@link dev.sluice.route.LinkMonitor} what {@code ip monitor link}
 * does. This makes a container's wire:
 *
 * <pre>{@code
 * try (NetworkNamespace container = NamedNamespaces.system().create("web");
 *     Rtnetlink host = Rtnetlink.open();
 *     Rtnetlink inside = Rtnetlink.open(container)) {
 *   Link bridge = host.createBridge("br0", BridgeOptions.DEFAULT);
 *   host.addAddress(bridge.index(), IpAddress.parse("172.30.0.1"), 24, 0);
 *   host.setUp(bridge.index(), true);
 *   host.createVeth(
 *       VethOptions.of("web", "eth0")
 *           .withPeerNamespace(container)
 *           .withMaster(bridge.index())
 *           .withUp());
 *   int eth0 = inside.link("eth0").orElseThrow().index();
 *   inside.addAddress(eth0, IpAddress.parse("172.30.0.2"), 24, 0);
 *   inside.setUp(eth0, true);
 *   inside.addRoute(Route.via(Prefix.parse("0.0.0.0/0"), IpAddress.parse("172.30.0.1")));
 * }
 * }</pre>
 *
 * <p>Indexes of links are positive, unique within a namespace and never reused while it lives; a
 * link that moves to another namespace may get another one.
 *
 * <p>Protocol facts: rtnetlink(7), RFC 3549, linux/rtnetlink.h, linux/if_link.h.
 */
@NullMarked
package dev.sluice.route;

import org.jspecify.annotations.NullMarked;
