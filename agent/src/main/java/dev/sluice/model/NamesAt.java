package dev.sluice.model;

import dev.sluice.net.IpAddress;

/**
 * Where the names of a network are answered: questions to port 53 of the gateway are led to that
 * port, so that port 53 of the host stays free.
 *
 * @param gateway the host's address on the network
 * @param port of udp and tcp
 */
public record NamesAt(IpAddress gateway, int port) {}
