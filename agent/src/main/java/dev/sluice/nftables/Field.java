package dev.sluice.nftables;

import static dev.sluice.nftables.uapi.LinuxNfTables.*;

import dev.sluice.nftables.expr.Ct;
import dev.sluice.nftables.expr.Expression;
import dev.sluice.nftables.expr.Fib;
import dev.sluice.nftables.expr.Meta;
import dev.sluice.nftables.expr.Numgen;
import dev.sluice.nftables.expr.Payload;
import java.util.function.IntFunction;

/**
 * Something about a packet that a rule can look at.
 *
 * @param name as nft writes it
 * @param lengthBytes of the value
 * @param family NFPROTO_IPV4 or NFPROTO_IPV6 if only packets of that family have it, else
 *     NFPROTO_UNSPEC; {@link RuleBuilder} adds the check
 * @param load makes the expression that loads it into a register
 */
public record Field(String name, int lengthBytes, int family, IntFunction<Expression> load) {
  public static final Field NFPROTO = meta("meta nfproto", 1, NFT_META_NFPROTO);
  public static final Field L4PROTO = meta("meta l4proto", 1, NFT_META_L4PROTO);
  public static final Field IIF = meta("iif", 4, NFT_META_IIF);
  public static final Field IIFNAME = meta("iifname", 16, NFT_META_IIFNAME);
  public static final Field OIFNAME = meta("oifname", 16, NFT_META_OIFNAME);
  public static final Field MARK = meta("meta mark", 4, NFT_META_MARK);

  public static final Field IP_SADDR = network("ip saddr", NFPROTO_IPV4, 12, 4);
  public static final Field IP_DADDR = network("ip daddr", NFPROTO_IPV4, 16, 4);

  /** The first byte of the IPv4 source address: enough for a /8. */
  public static final Field IP_SADDR_8 = network("ip saddr /8", NFPROTO_IPV4, 12, 1);

  /** The first byte of the IPv4 destination address. */
  public static final Field IP_DADDR_8 = network("ip daddr /8", NFPROTO_IPV4, 16, 1);

  public static final Field IP6_SADDR = network("ip6 saddr", NFPROTO_IPV6, 8, 16);
  public static final Field IP6_DADDR = network("ip6 daddr", NFPROTO_IPV6, 24, 16);

  /** Destination port of tcp, udp, sctp and others that have it in bytes 2 and 3. */
  public static final Field TH_DPORT =
      new Field(
          "th dport",
          2,
          NFPROTO_UNSPEC,
          register -> Payload.load(NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, register));

  /** The flags of a tcp header, FIN to CWR. */
  public static final Field TCP_FLAGS =
      new Field(
          "tcp flags",
          1,
          NFPROTO_UNSPEC,
          register -> Payload.load(NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1, register));

  /** First byte of the transport header: the type of an ICMP or ICMPv6 message. */
  public static final Field ICMP_TYPE =
      new Field(
          "icmp type",
          1,
          NFPROTO_UNSPEC,
          register -> Payload.load(NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1, register));

  public static final Field CT_STATE =
      new Field("ct state", 4, NFPROTO_UNSPEC, register -> Ct.load(NFT_CT_STATE, register));
  public static final Field CT_STATUS =
      new Field("ct status", 4, NFPROTO_UNSPEC, register -> Ct.load(NFT_CT_STATUS, register));
  public static final Field FIB_DADDR_TYPE =
      new Field("fib daddr type", 4, NFPROTO_UNSPEC, Fib::destinationType);
  public static final Field FIB_SADDR_TYPE =
      new Field("fib saddr type", 4, NFPROTO_UNSPEC, Fib::sourceType);

  /** A random number below {@code modulus}. */
  public static Field random(int modulus) {
    return new Field(
        "numgen random mod " + modulus,
        4,
        NFPROTO_UNSPEC,
        register -> Numgen.random(register, modulus));
  }

  private static Field meta(String name, int lengthBytes, int key) {
    return new Field(name, lengthBytes, NFPROTO_UNSPEC, register -> Meta.load(key, register));
  }

  private static Field network(String name, int family, int offset, int lengthBytes) {
    return new Field(
        name,
        lengthBytes,
        family,
        register -> Payload.load(NFT_PAYLOAD_NETWORK_HEADER, offset, lengthBytes, register));
  }
}
