package dev.sluice.route;

import dev.sluice.net.MacAddress;

/**
 * Behind which of its ports a bridge has seen a station, without a VLAN.
 *
 * @param bridgeIndex the bridge
 * @param mac the station's hardware address
 * @param portIndex the port
 */
public record ForwardingEntry(int bridgeIndex, MacAddress mac, int portIndex) {}
