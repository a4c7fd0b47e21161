package dev.sluice.conntrack;

import static dev.sluice.conntrack.LinuxNfConntrack.*;

import dev.sluice.net.Ip4Address;
import dev.sluice.net.Ip6Address;
import dev.sluice.net.IpAddress;
import dev.sluice.netlink.AttributeCursor;
import dev.sluice.netlink.MalformedMessageException;
import dev.sluice.netlink.MessageCursor;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/**
 * Reads IPCTNL_MSG_CT_NEW and IPCTNL_MSG_CT_DELETE as dumps, gets and events send them. Attributes
 * that are not known are skipped: newer kernels add some.
 */
final class EntryDecoder {
  private @Nullable Tuple original;
  private @Nullable Tuple reply;
  private long id;
  private int status;
  private int mark;
  private int originalZone;
  private int replyZone;
  private OptionalLong timeoutSeconds = OptionalLong.empty();
  private OptionalInt tcpState = OptionalInt.empty();
  private Optional<Counters> originalCounters = Optional.empty();
  private Optional<Counters> replyCounters = Optional.empty();
  private OptionalLong startNanos = OptionalLong.empty();
  private OptionalLong stopNanos = OptionalLong.empty();
  private Optional<String> helper = Optional.empty();

  private EntryDecoder() {}

  /**
   * @throws MalformedMessageException if a length does not fit or a tuple is missing: without both
   *     the entry cannot be told from others
   */
  static ConntrackEntry decode(MessageCursor message) {
    EntryDecoder decoder = new EntryDecoder();
    decoder.read(message.attributes(Requests.NFGENMSG_BYTES));
    Tuple original = decoder.original;
    Tuple reply = decoder.reply;
    if (original == null || reply == null) {
      throw new MalformedMessageException(
          "conntrack entry without "
              + (original == null ? "CTA_TUPLE_ORIG" : "CTA_TUPLE_REPLY")
              + ": length="
              + message.length());
    }
    return new ConntrackEntry(
        decoder.id,
        original,
        reply,
        decoder.status,
        decoder.mark,
        decoder.originalZone,
        decoder.replyZone,
        decoder.timeoutSeconds,
        decoder.tcpState,
        decoder.originalCounters,
        decoder.replyCounters,
        decoder.startNanos,
        decoder.stopNanos,
        decoder.helper);
  }

  private void read(AttributeCursor attribute) {
    while (attribute.next()) {
      switch (attribute.type()) {
        case CTA_TUPLE_ORIG -> {
          TupleReader tuple = TupleReader.read(attribute.nested(), "CTA_TUPLE_ORIG");
          original = tuple.tuple();
          if (tuple.zone != 0) {
            originalZone = tuple.zone;
          }
        }
        case CTA_TUPLE_REPLY -> {
          TupleReader tuple = TupleReader.read(attribute.nested(), "CTA_TUPLE_REPLY");
          reply = tuple.tuple();
          if (tuple.zone != 0) {
            replyZone = tuple.zone;
          }
        }
        case CTA_ZONE -> {
          originalZone = attribute.u16be();
          replyZone = originalZone;
        }
        case CTA_ID -> id = Integer.toUnsignedLong(attribute.u32be());
        case CTA_STATUS -> status = attribute.u32be();
        case CTA_MARK -> mark = attribute.u32be();
        case CTA_TIMEOUT ->
            timeoutSeconds = OptionalLong.of(Integer.toUnsignedLong(attribute.u32be()));
        case CTA_PROTOINFO -> readProtocolInfo(attribute.nested());
        case CTA_COUNTERS_ORIG -> originalCounters = Optional.of(counters(attribute.nested()));
        case CTA_COUNTERS_REPLY -> replyCounters = Optional.of(counters(attribute.nested()));
        case CTA_TIMESTAMP -> readTimestamp(attribute.nested());
        case CTA_HELP -> readHelper(attribute.nested());
        default -> {}
      }
    }
  }

  private void readProtocolInfo(AttributeCursor attribute) {
    while (attribute.next()) {
      if (attribute.type() == CTA_PROTOINFO_TCP) {
        AttributeCursor tcp = attribute.nested();
        while (tcp.next()) {
          if (tcp.type() == CTA_PROTOINFO_TCP_STATE) {
            tcpState = OptionalInt.of(tcp.u8());
          }
        }
      }
    }
  }

  private static Counters counters(AttributeCursor attribute) {
    long packets = 0;
    long bytes = 0;
    while (attribute.next()) {
      switch (attribute.type()) {
        case CTA_COUNTERS_PACKETS -> packets = attribute.u64be();
        case CTA_COUNTERS_BYTES -> bytes = attribute.u64be();
        default -> {}
      }
    }
    return new Counters(packets, bytes);
  }

  private void readTimestamp(AttributeCursor attribute) {
    while (attribute.next()) {
      switch (attribute.type()) {
        case CTA_TIMESTAMP_START -> startNanos = OptionalLong.of(attribute.u64be());
        case CTA_TIMESTAMP_STOP -> stopNanos = OptionalLong.of(attribute.u64be());
        default -> {}
      }
    }
  }

  private void readHelper(AttributeCursor attribute) {
    while (attribute.next()) {
      if (attribute.type() == CTA_HELP_NAME) {
        helper = Optional.of(attribute.string());
      }
    }
  }

  /** The parts of one CTA_TUPLE_*, collected in whatever order they come. */
  private static final class TupleReader {
    private final String name;
    private @Nullable IpAddress source;
    private @Nullable IpAddress destination;
    private int protocol = -1;
    private int sourcePort = -1;
    private int destinationPort;
    private int icmpType = -1;
    private int icmpCode;
    private int icmpId;
    private int zone;

    private TupleReader(String name) {
      this.name = name;
    }

    static TupleReader read(AttributeCursor attribute, String name) {
      TupleReader reader = new TupleReader(name);
      while (attribute.next()) {
        switch (attribute.type()) {
          case CTA_TUPLE_IP -> reader.readAddresses(attribute.nested());
          case CTA_TUPLE_PROTO -> reader.readProtocol(attribute.nested());
          case CTA_TUPLE_ZONE -> reader.zone = attribute.u16be();
          default -> {}
        }
      }
      return reader;
    }

    private void readAddresses(AttributeCursor attribute) {
      while (attribute.next()) {
        switch (attribute.type()) {
          case CTA_IP_V4_SRC -> source = new Ip4Address(attribute.u32be());
          case CTA_IP_V4_DST -> destination = new Ip4Address(attribute.u32be());
          case CTA_IP_V6_SRC -> source = ip6(attribute);
          case CTA_IP_V6_DST -> destination = ip6(attribute);
          default -> {}
        }
      }
    }

    private Ip6Address ip6(AttributeCursor attribute) {
      if (attribute.length() != 16) {
        throw new MalformedMessageException(
            "IPv6 address of " + attribute.length() + " bytes in " + name);
      }
      return Ip6Address.fromBytes(attribute.bytes());
    }

    private void readProtocol(AttributeCursor attribute) {
      while (attribute.next()) {
        switch (attribute.type()) {
          case CTA_PROTO_NUM -> protocol = attribute.u8();
          case CTA_PROTO_SRC_PORT -> sourcePort = attribute.u16be();
          case CTA_PROTO_DST_PORT -> destinationPort = attribute.u16be();
          case CTA_PROTO_ICMP_TYPE, CTA_PROTO_ICMPV6_TYPE -> icmpType = attribute.u8();
          case CTA_PROTO_ICMP_CODE, CTA_PROTO_ICMPV6_CODE -> icmpCode = attribute.u8();
          case CTA_PROTO_ICMP_ID, CTA_PROTO_ICMPV6_ID -> icmpId = attribute.u16be();
          default -> {}
        }
      }
    }

    Tuple tuple() {
      IpAddress from = source;
      IpAddress to = destination;
      if (from == null || to == null || protocol < 0 || from.family() != to.family()) {
        throw new MalformedMessageException(
            "%s is incomplete: source=%s, destination=%s, protocol=%d"
                .formatted(name, from, to, protocol));
      }
      Tuple.Detail detail = Tuple.ADDRESSES_ONLY;
      if (sourcePort >= 0) {
        detail = new Tuple.Ports(sourcePort, destinationPort);
      } else if (icmpType >= 0) {
        detail = new Tuple.Icmp(icmpType, icmpCode, icmpId);
      }
      return new Tuple(from, to, protocol, detail);
    }
  }
}
