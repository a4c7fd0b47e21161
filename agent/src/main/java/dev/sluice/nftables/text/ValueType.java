package dev.sluice.nftables.text;

import dev.sluice.net.Bytes;
import dev.sluice.net.IpAddress;
import java.math.BigInteger;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Collections;
import java.util.HexFormat;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.StringJoiner;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * What a value is, and how nft writes it (nftables, include/datatype.h and its tables of names).
 */
enum ValueType {
  VERDICT("verdict", 0xffffff00, 0, Style.VERDICT),
  NFPROTO("nf_proto", 2, 1, Style.SYMBOL, "2 ipv4, 10 ipv6"),
  /** Has no name as the type of a set: its length would be missing. */
  INTEGER("", 4, 0, Style.HOST_NUMBER),
  IPV4_ADDR("ipv4_addr", 7, 4, Style.ADDRESS),
  IPV6_ADDR("ipv6_addr", 8, 16, Style.ADDRESS),
  ETHER_ADDR("ether_addr", 9, 6, Style.COLONS),
  ETHER_TYPE("ether_type", 10, 2, Style.SYMBOL, "0x0800 ip, 0x0806 arp, 0x86dd ip6, 0x8100 vlan"),
  INET_PROTO(
      "inet_proto",
      12,
      1,
      Style.SYMBOL,
      "1 icmp, 2 igmp, 6 tcp, 17 udp, 33 dccp, 47 gre, 50 esp, 51 ah, 58 ipv6-icmp, 108 ipcomp,"
          + " 132 sctp, 136 udplite"),
  INET_SERVICE("inet_service", 13, 2, Style.NUMBER),
  ICMP_TYPE(
      "icmp_type",
      14,
      1,
      Style.SYMBOL,
      "0 echo-reply, 3 destination-unreachable, 4 source-quench, 5 redirect, 8 echo-request,"
          + " 9 router-advertisement, 10 router-solicitation, 11 time-exceeded,"
          + " 12 parameter-problem, 13 timestamp-request, 14 timestamp-reply, 15 info-request,"
          + " 16 info-reply, 17 address-mask-request, 18 address-mask-reply"),
  TCP_FLAG(
      "tcp_flag",
      15,
      1,
      Style.BITS,
      "0x1 fin, 0x2 syn, 0x4 rst, 0x8 psh, 0x10 ack, 0x20 urg, 0x40 ecn, 0x80 cwr"),
  MARK("mark", 19, 4, Style.HOST_MARK),
  IFINDEX("iface_index", 20, 4, Style.HOST_SYMBOL, "1 \"lo\""),
  INTERFACE_TYPE("", 21, 2, Style.HOST_SYMBOL, "1 ether, 772 loopback"),
  CT_STATE(
      "ct_state",
      26,
      4,
      Style.HOST_BITS,
      "0x1 invalid, 0x2 established, 0x4 related, 0x8 new, 0x40 untracked"),
  CT_DIRECTION("ct_dir", 27, 1, Style.SYMBOL, "0 original, 1 reply"),
  CT_STATUS(
      "ct_status",
      28,
      4,
      Style.HOST_BITS,
      "0x1 expected, 0x2 seen-reply, 0x4 assured, 0x8 confirmed, 0x10 snat, 0x20 dnat,"
          + " 0x200 dying"),
  ICMPV6_TYPE(
      "icmpv6_type",
      29,
      1,
      Style.SYMBOL,
      "1 destination-unreachable, 2 packet-too-big, 3 time-exceeded, 4 parameter-problem,"
          + " 128 echo-request, 129 echo-reply, 130 mld-listener-query, 131 mld-listener-report,"
          + " 132 mld-listener-done, 133 nd-router-solicit, 134 nd-router-advert,"
          + " 135 nd-neighbor-solicit, 136 nd-neighbor-advert, 137 nd-redirect,"
          + " 138 router-renumbering, 141 ind-neighbor-solicit, 142 ind-neighbor-advert,"
          + " 143 mld2-listener-report"),
  PACKET_TYPE("pkt_type", 31, 1, Style.SYMBOL, "0 host, 1 broadcast, 2 multicast, 3 other"),
  FIB_TYPE(
      "fib_addrtype",
      38,
      4,
      Style.HOST_SYMBOL,
      "0 unspec, 1 unicast, 2 local, 3 broadcast, 4 anycast, 5 multicast, 6 blackhole,"
          + " 7 unreachable, 8 prohibit"),
  BOOLEAN("boolean", 39, 1, Style.SYMBOL, "0 missing, 1 exists"),
  CT_EVENT(
      "ct_event",
      40,
      4,
      Style.HOST_BITS,
      "0x1 new, 0x2 related, 0x4 destroy, 0x8 reply, 0x10 assured, 0x20 protoinfo, 0x40 helper,"
          + " 0x80 mark, 0x100 seqadj, 0x200 secmark, 0x400 label"),
  IFNAME("ifname", 41, 16, Style.NAME),

  // Types that only fields of a rule have, never a set's declaration.
  BIG_NUMBER("", 0, 0, Style.NUMBER),
  RAW("", 0, 0, Style.HEX),
  HELPER("", 0, 16, Style.NAME);

  private enum Style {
    VERDICT,
    NUMBER,
    HOST_NUMBER,
    HOST_MARK,
    HEX,
    ADDRESS,
    COLONS,
    NAME,
    SYMBOL,
    HOST_SYMBOL,
    BITS,
    HOST_BITS
  }

  private static final Map<Integer, ValueType> BY_NUMBER =
      Arrays.stream(values())
          .filter(type -> type.number != 0)
          .collect(Collectors.toUnmodifiableMap(type -> type.number, type -> type));

  private final String typeName;
  private final int number;
  private final int lengthBytes;
  private final Style style;

  @SuppressWarnings("ImmutableEnumChecker") // it is: Collections.unmodifiableSortedMap
  private final SortedMap<Long, String> symbols;

  ValueType(String typeName, int number, int lengthBytes, Style style) {
    this(typeName, number, lengthBytes, style, "");
  }

  ValueType(String typeName, int number, int lengthBytes, Style style, String symbols) {
    this.typeName = typeName;
    this.number = number;
    this.lengthBytes = lengthBytes;
    this.style = style;
    this.symbols = Collections.unmodifiableSortedMap(named(symbols));
  }

  /** Reads {@code "1 tcp, 0x2 udp"}. */
  private static SortedMap<Long, String> named(String symbols) {
    SortedMap<Long, String> named = new TreeMap<>();
    for (String symbol : symbols.isEmpty() ? new String[0] : symbols.split(", ", -1)) {
      int space = symbol.indexOf(' ');
      named.put(Long.decode(symbol.substring(0, space)), symbol.substring(space + 1));
    }
    return named;
  }

  static Optional<ValueType> ofNumber(int number) {
    return Optional.ofNullable(BY_NUMBER.get(number));
  }

  /** As it stands behind {@code type} in a set; empty if it cannot. */
  String typeName() {
    return typeName;
  }

  /** Bytes of one value; 0 if that differs from field to field. */
  int lengthBytes() {
    return lengthBytes;
  }

  /** Whether a register holds it in this machine's byte order. */
  boolean isHostOrder() {
    return switch (style) {
      case HOST_NUMBER, HOST_MARK, HOST_SYMBOL, HOST_BITS -> true;
      default -> false;
    };
  }

  /** Whether it is a set of bits, which nft compares by {@code &} where no operator is written. */
  boolean isBits() {
    return style == Style.BITS || style == Style.HOST_BITS;
  }

  /** Whether nft writes a range of it as a prefix where it can (DTYPE_F_PREFIX). */
  boolean hasPrefixes() {
    return isAddress() || this == MARK;
  }

  boolean isAddress() {
    return style == Style.ADDRESS;
  }

  boolean isName() {
    return style == Style.NAME;
  }

  /** A value as it lies in a register or a set, most significant byte first. */
  Bytes ordered(Bytes value) {
    return isHostOrder() ? swapped(value) : value;
  }

  /** From this machine's byte order to the other way round or back. */
  private static Bytes swapped(Bytes value) {
    if (ByteOrder.nativeOrder() == ByteOrder.BIG_ENDIAN) {
      return value;
    }
    byte[] bytes = value.toArray();
    for (int i = 0, j = bytes.length - 1; i < j; i++, j--) {
      byte held = bytes[i];
      bytes[i] = bytes[j];
      bytes[j] = held;
    }
    return Bytes.of(bytes);
  }

  /**
   * The value in nft's words.
   *
   * @param value most significant byte first
   */
  String text(Bytes value) throws InexpressibleException {
    return switch (style) {
      case VERDICT -> throw new InexpressibleException("a verdict of bytes " + value);
      case NUMBER, HOST_NUMBER -> number(value).toString();
      case HOST_MARK -> "0x" + value.hex();
      case HEX -> "0x" + number(value).toString(16);
      case ADDRESS -> {
        if (value.length() != lengthBytes) {
          throw new InexpressibleException("the address " + value);
        }
        yield IpAddress.fromBytes(value.toArray()).toString();
      }
      case COLONS -> HexFormat.ofDelimiter(":").formatHex(value.toArray());
      case NAME -> Words.quoted(name(value));
      case SYMBOL, HOST_SYMBOL ->
          symbols.getOrDefault(number(value).longValue(), number(value).toString());
      case BITS, HOST_BITS -> bits(number(value).longValue());
    };
  }

  private static BigInteger number(Bytes value) {
    return new BigInteger(1, value.toArray());
  }

  private static String name(Bytes value) {
    byte[] bytes = value.toArray();
    int length = 0;
    while (length < bytes.length && bytes[length] != 0) {
      length++;
    }
    return new String(bytes, 0, length, StandardCharsets.UTF_8);
  }

  private String bits(long value) {
    StringJoiner names = new StringJoiner(",");
    long rest = value;
    for (Map.Entry<Long, String> symbol : symbols.entrySet()) {
      if ((rest & symbol.getKey()) != 0) {
        names.add(symbol.getValue());
        rest &= ~symbol.getKey();
      }
    }
    if (rest != 0 || value == 0) {
      names.add("0x" + Long.toHexString(rest));
    }
    return names.toString();
  }
}
