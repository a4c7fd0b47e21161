package dev.sluice.model;

import dev.sluice.net.MacAddress;

/**
 * A wire that was made for a {@link WireRequest}.
 *
 * @param sandbox whose it is
 * @param looseEnd what its far end is called on the host
 * @param mac the hardware address of the far end
 */
public record Wire(Sandbox sandbox, InterfaceName looseEnd, MacAddress mac) {}
