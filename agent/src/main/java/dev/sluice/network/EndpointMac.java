package dev.sluice.network;

import dev.sluice.model.Targets;
import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import java.nio.ByteBuffer;
import java.util.HexFormat;
import java.util.List;

/**
 * The hardware address of an interface that has these addresses: made of them, so that neighbours
 * who remember an address know its next owner.
 */
public final class EndpointMac {
  private static final int BYTES = 6;

  private EndpointMac() {}

  /**
   * The six bytes: locally administered, an {@code s}, and the IPv4 address as it is, or of IPv6
   * the end, in which addresses of a subnet differ.
   *
   * @param addresses at most one of each family, at least one
   */
  static byte[] bytes(List<IpAddress> addresses) {
    byte[] bytes = Targets.of(addresses, Family.IPV4).orElse(addresses.get(0)).toBytes();
    int tail = ByteBuffer.wrap(bytes).getInt(bytes.length - Integer.BYTES);
    return ByteBuffer.allocate(BYTES).put((byte) 2).put((byte) 's').putInt(tail).array();
  }

  /** As people write it, {@code 02:73:0a:58:00:02}. */
  public static String text(List<IpAddress> addresses) {
    return HexFormat.ofDelimiter(":").formatHex(bytes(addresses));
  }
}
