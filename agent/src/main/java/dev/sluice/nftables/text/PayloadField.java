package dev.sluice.nftables.text;

import static dev.sluice.nftables.uapi.LinuxNfTables.*;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * A field of a header that nft has a name for (nftables, src/proto.c), whole bytes only.
 *
 * @param header as nft writes it: {@code ip}, {@code tcp}
 * @param name the field: {@code saddr}
 * @param number nft's number of the field within its header, as it stands in the notes of a set
 * @param base NFT_PAYLOAD_*
 * @param offset bytes from the start of that header
 * @param lengthBytes of the field
 * @param type of its value
 */
record PayloadField(
    String header, String name, int number, int base, int offset, int lengthBytes, ValueType type) {

  private static final List<PayloadField> ALL = new ArrayList<>();

  static {
    header("ether", NFT_PAYLOAD_LL_HEADER)
        .field("daddr", 1, 0, 6, ValueType.ETHER_ADDR)
        .field("saddr", 2, 6, 6, ValueType.ETHER_ADDR)
        .field("type", 3, 12, 2, ValueType.ETHER_TYPE);
    header("ip", NFT_PAYLOAD_NETWORK_HEADER)
        .field("length", 5, 2, 2, ValueType.BIG_NUMBER)
        .field("id", 6, 4, 2, ValueType.BIG_NUMBER)
        .field("ttl", 8, 8, 1, ValueType.BIG_NUMBER)
        .field("protocol", 9, 9, 1, ValueType.INET_PROTO)
        .field("checksum", 10, 10, 2, ValueType.BIG_NUMBER)
        .field("saddr", 11, 12, 4, ValueType.IPV4_ADDR)
        .field("daddr", 12, 16, 4, ValueType.IPV4_ADDR);
    header("ip6", NFT_PAYLOAD_NETWORK_HEADER)
        .field("length", 5, 4, 2, ValueType.BIG_NUMBER)
        .field("nexthdr", 6, 6, 1, ValueType.INET_PROTO)
        .field("hoplimit", 7, 7, 1, ValueType.BIG_NUMBER)
        .field("saddr", 8, 8, 16, ValueType.IPV6_ADDR)
        .field("daddr", 9, 24, 16, ValueType.IPV6_ADDR);
    header("tcp", NFT_PAYLOAD_TRANSPORT_HEADER)
        .ports()
        .field("sequence", 3, 4, 4, ValueType.BIG_NUMBER)
        .field("ackseq", 4, 8, 4, ValueType.BIG_NUMBER)
        .field("flags", 7, 13, 1, ValueType.TCP_FLAG)
        .field("window", 8, 14, 2, ValueType.BIG_NUMBER)
        .field("checksum", 9, 16, 2, ValueType.BIG_NUMBER)
        .field("urgptr", 10, 18, 2, ValueType.BIG_NUMBER);
    header("udp", NFT_PAYLOAD_TRANSPORT_HEADER)
        .ports()
        .field("length", 3, 4, 2, ValueType.BIG_NUMBER)
        .field("checksum", 4, 6, 2, ValueType.BIG_NUMBER);
    for (String header : List.of("udplite", "dccp", "sctp", "th")) {
      header(header, NFT_PAYLOAD_TRANSPORT_HEADER).ports();
    }
    header("icmp", NFT_PAYLOAD_TRANSPORT_HEADER).field("type", 1, 0, 1, ValueType.ICMP_TYPE);
    header("icmpv6", NFT_PAYLOAD_TRANSPORT_HEADER).field("type", 1, 0, 1, ValueType.ICMPV6_TYPE);
  }

  private record Header(String name, int base) {
    Header field(String field, int number, int offset, int lengthBytes, ValueType type) {
      ALL.add(new PayloadField(name, field, number, base, offset, lengthBytes, type));
      return this;
    }

    Header ports() {
      return field("sport", 1, 0, 2, ValueType.INET_SERVICE)
          .field("dport", 2, 2, 2, ValueType.INET_SERVICE);
    }
  }

  private static Header header(String name, int base) {
    return new Header(name, base);
  }

  /** As nft writes it: {@code ip saddr}. */
  String text() {
    return header + " " + name;
  }

  /** The field that begins at {@code offset} of the header. */
  static Optional<PayloadField> at(String header, int offset) {
    return ALL.stream()
        .filter(field -> field.header.equals(header) && field.offset == offset)
        .findFirst();
  }

  /** The field that a set's notes mean. */
  static Optional<PayloadField> numbered(String header, int number) {
    return ALL.stream()
        .filter(field -> field.header.equals(header) && field.number == number)
        .findFirst();
  }
}
