package dev.sluice.model;

import dev.sluice.net.IpAddress;
import dev.sluice.net.Protocol;

/**
 * What a link opens on an isolated network.
 *
 * @param from who may connect
 * @param to to whom
 * @param protocol tcp, udp or sctp
 * @param port to which port
 */
public record LinkedPort(IpAddress from, IpAddress to, Protocol protocol, int port) {}
