package dev.sluice.ruleset.trace;

import dev.sluice.model.FlowTuple;
import dev.sluice.net.Bytes;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Protocol;
import dev.sluice.nftables.TraceMessage;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * What the headers of a packet say (RFC 791, RFC 8200, RFC 9293), as far as the kernel has copied
 * them. What is cut short is left out.
 */
final class Headers {
  private static final int IP4_HEADER_BYTES = 20;
  private static final int IP6_HEADER_BYTES = 40;
  private static final int TCP_FLAGS_AT = 13;

  /** From the lowest bit of byte 13 of a tcp header. */
  private static final List<String> TCP_FLAGS =
      List.of("fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr");

  private Headers() {}

  /** Addresses, and what tells flows apart; empty if it is no IP packet. */
  static Optional<FlowTuple> tuple(TraceMessage.Packet packet) {
    Bytes network = packet.network();
    int version = network.length() == 0 ? 0 : network.u8(0) >> 4;
    if (version == 4 && network.length() >= IP4_HEADER_BYTES) {
      return Optional.of(
          tuple(network.u8(9), network.slice(12, 4), network.slice(16, 4), packet.transport()));
    }
    if (version == 6 && network.length() >= IP6_HEADER_BYTES) {
      return Optional.of(
          tuple(network.u8(6), network.slice(8, 16), network.slice(24, 16), packet.transport()));
    }
    return Optional.empty();
  }

  private static FlowTuple tuple(int protocol, Bytes source, Bytes destination, Bytes transport) {
    return new FlowTuple(
        protocol,
        IpAddress.fromBytes(source.toArray()),
        IpAddress.fromBytes(destination.toArray()),
        detail(Protocol.ofNumber(protocol), transport));
  }

  private static FlowTuple.Detail detail(Optional<Protocol> protocol, Bytes transport) {
    if (protocol.isPresent() && protocol.get().hasPorts() && transport.length() >= 4) {
      return new FlowTuple.Ports(transport.u16be(0), transport.u16be(2));
    }
    boolean icmp =
        protocol.isPresent()
            && (protocol.get() == Protocol.ICMP || protocol.get() == Protocol.ICMPV6);
    if (icmp && transport.length() >= 6) {
      return new FlowTuple.Icmp(transport.u8(0), transport.u8(1), transport.u16be(4));
    }
    return new FlowTuple.AddressesOnly();
  }

  /**
   * Whether these are headers of one packet at two places between which nobody translates it: all
   * is the same but the hops it may go on.
   */
  static boolean areOfOnePacket(TraceMessage.Packet one, TraceMessage.Packet other) {
    return !one.network().equals(Bytes.EMPTY)
        && one.transport().equals(other.transport())
        && withoutHops(one.network()).equals(withoutHops(other.network()));
  }

  /** An IPv4 header without its time to live and checksum, an IPv6 header without its hop limit. */
  private static Bytes withoutHops(Bytes network) {
    if (network.length() < IP4_HEADER_BYTES) {
      return network;
    }
    byte[] bytes = network.toArray();
    boolean six = bytes[0] >> 4 == 6;
    bytes[six ? 7 : 8] = 0;
    if (!six) {
      bytes[10] = 0;
      bytes[11] = 0;
    }
    return Bytes.of(bytes);
  }

  /** {@code syn,ack}; empty if it is no tcp packet. */
  static Optional<String> tcpFlags(FlowTuple tuple, TraceMessage.Packet packet) {
    if (tuple.protocol() != Protocol.TCP.number() || packet.transport().length() <= TCP_FLAGS_AT) {
      return Optional.empty();
    }
    int bits = packet.transport().u8(TCP_FLAGS_AT);
    List<String> names = new ArrayList<>();
    for (int i = 0; i < TCP_FLAGS.size(); i++) {
      if ((bits >> i & 1) != 0) {
        names.add(TCP_FLAGS.get(i));
      }
    }
    return Optional.of(String.join(",", names));
  }
}
