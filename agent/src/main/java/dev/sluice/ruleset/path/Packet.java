package dev.sluice.ruleset.path;

import dev.sluice.net.Bytes;
import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Protocol;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * The first packet of a connection on its way, with what connection tracking notes about it. Header
 * fields that nobody can know beforehand are what a Linux client usually sends.
 */
final class Packet {
  /** From which on clients have their ports, on Linux by default up to 60999. */
  private static final int TYPICAL_SOURCE_PORT = 49_152;

  private static final int TCP_SYN = 0x02;

  // enum ip_conntrack_status (linux/netfilter/nf_conntrack_common.h)
  private static final int IPS_SRC_NAT = 1 << 4;
  private static final int IPS_DST_NAT = 1 << 5;
  private static final int IPS_SRC_NAT_DONE = 1 << 7;
  private static final int IPS_DST_NAT_DONE = 1 << 8;

  // The bits of "ct state" (NF_CT_STATE_BIT)
  private static final int STATE_INVALID = 1;
  private static final int STATE_NEW = 8;
  private static final int STATE_UNTRACKED = 64;

  /** What connection tracking makes of it. */
  enum Tracking {
    /** It has not come by there yet. */
    BEFORE,
    /** It begins a connection. */
    NEW,
    /** A rule keeps it from being looked at. */
    UNTRACKED
  }

  /** An address and a port; the port is empty if the client chooses it. */
  record End(IpAddress address, OptionalInt port) {}

  final Protocol protocol;
  End source;
  End destination;

  /** Of the connection, as the client sees it. */
  private final End clientSource;

  private final End clientDestination;

  /** The interface it came in by; empty for the host's own. */
  Optional<Interface> in;

  /** The interface it will leave by, as the hook it is at knows it. */
  Optional<Interface> out = Optional.empty();

  Tracking tracking = Tracking.BEFORE;
  boolean destinationDecided;
  boolean sourceDecided;
  int mark;
  int connectionMark;

  /** A link of this host. */
  record Interface(int index, String name, String kind) {}

  Packet(Protocol protocol, End source, End destination, Optional<Interface> in) {
    this.protocol = protocol;
    this.source = source;
    this.destination = destination;
    this.clientSource = source;
    this.clientDestination = destination;
    this.in = in;
  }

  Family family() {
    return destination.address().family();
  }

  End clientDestination() {
    return clientDestination;
  }

  boolean destinationTranslated() {
    return !destination.equals(clientDestination);
  }

  boolean sourceTranslated() {
    return !source.equals(clientSource);
  }

  /** The bits of {@code ct status}. */
  int status() {
    return (destinationTranslated() ? IPS_DST_NAT : 0)
        | (sourceTranslated() ? IPS_SRC_NAT : 0)
        | (destinationDecided ? IPS_DST_NAT_DONE : 0)
        | (sourceDecided ? IPS_SRC_NAT_DONE : 0);
  }

  /** The bits of {@code ct state}. */
  int state() {
    return switch (tracking) {
      case BEFORE -> STATE_INVALID;
      case NEW -> STATE_NEW;
      case UNTRACKED -> STATE_UNTRACKED;
    };
  }

  /** Where answers come from, or go to, before they are translated back. */
  End originalEnd(boolean ofSource) {
    return ofSource ? clientSource : clientDestination;
  }

  End replyEnd(boolean ofSource) {
    return ofSource ? destination : source;
  }

  static Bits port(OptionalInt port) {
    return port.isPresent()
        ? Bits.u16be(port.getAsInt())
        : Bits.unknown(Bytes.ofU16be(TYPICAL_SOURCE_PORT));
  }

  /** The IPv4 or IPv6 header without options. */
  Bits networkHeader() {
    return family() == Family.IPV4 ? ip4() : ip6();
  }

  private Bits ip4() {
    Header header = new Header(20);
    header.put(0, Bits.u8(0x45)).put(1, Bits.u8(0));
    header.typical(2, Bytes.ofU16be(60));
    // No fragment; whether it may be fragmented is the sender's matter.
    header.put(6, Bits.of(Bytes.ofU16be(0x4000), Bytes.ofU16be(0xbfff)));
    header.typical(8, Bytes.of((byte) 64)).put(9, Bits.u8(protocol.number()));
    return header
        .put(12, Bits.of(Bytes.of(source.address().toBytes())))
        .put(16, Bits.of(Bytes.of(destination.address().toBytes())))
        .bits();
  }

  private Bits ip6() {
    Header header = new Header(40);
    header.put(0, Bits.u8(0x60));
    header.put(1, Bits.of(Bytes.of((byte) 0), Bytes.of((byte) 0xf0)));
    header.typical(4, Bytes.ofU16be(40)).put(6, Bits.u8(protocol.number()));
    header.typical(7, Bytes.of((byte) 64));
    return header
        .put(8, Bits.of(Bytes.of(source.address().toBytes())))
        .put(24, Bits.of(Bytes.of(destination.address().toBytes())))
        .bits();
  }

  /** The header of tcp, udp or sctp without options. */
  Bits transportHeader() {
    Header header =
        new Header(
            switch (protocol) {
              case TCP -> 20;
              case UDP -> 8;
              default -> 12;
            });
    header.put(0, port(source.port())).put(2, port(destination.port()));
    if (protocol == Protocol.TCP) {
      header.put(8, Bits.of(Bytes.ofU32be(0)));
      header.typical(12, Bytes.of((byte) 0xa0));
      // Whether it also offers ECN (the two highest bits) is the sender's matter.
      header.put(13, Bits.of(Bytes.of((byte) TCP_SYN), Bytes.of((byte) 0x3f)));
      header.typical(14, Bytes.ofU16be(64_240)).put(18, Bits.u16be(0));
    }
    return header.bits();
  }

  /** {@code 198.18.0.2 → 172.30.0.2:80}. */
  @Override
  public String toString() {
    return text(source) + " → " + text(destination);
  }

  static String text(End end) {
    boolean colons = end.address().family() == Family.IPV6;
    if (end.port().isEmpty()) {
      return end.address().toString();
    }
    return (colons ? "[" + end.address() + "]" : end.address().toString())
        + ":"
        + end.port().getAsInt();
  }

  /** A header under construction: nothing of it is known. */
  private static final class Header {
    private final byte[] value;
    private final byte[] known;

    Header(int length) {
      value = new byte[length];
      known = new byte[length];
    }

    Header put(int offset, Bits field) {
      field.copyTo(value, known, offset);
      return this;
    }

    Header typical(int offset, Bytes field) {
      return put(offset, Bits.unknown(field));
    }

    Bits bits() {
      return Bits.of(Bytes.of(value), Bytes.of(known));
    }
  }
}
