package dev.sluice.fastpath;

import dev.sluice.net.IpAddress;
import dev.sluice.net.MacAddress;

/**
 * Where a container is.
 *
 * @param address of the container
 * @param device index of the host's side of its veth pair
 * @param bridge index of the bridge that is a port of, or the device itself: where its packets are
 *     routed
 * @param mtu of the container's interface
 * @param mac the container's
 * @param bridgeMac the bridge's, to which its packets are sent that are to be routed
 */
public record ContainerPort(
    IpAddress address, int device, int bridge, int mtu, MacAddress mac, MacAddress bridgeMac) {}
