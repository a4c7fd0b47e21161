package dev.sluice.model;

import dev.sluice.net.IpAddress;
import dev.sluice.net.Protocol;

/**
 * A port of a container on a routed network that everybody may connect to directly.
 *
 * @param address the container's
 * @param protocol tcp, udp or sctp
 * @param port the container's
 */
public record OpenPort(IpAddress address, Protocol protocol, int port) {}
