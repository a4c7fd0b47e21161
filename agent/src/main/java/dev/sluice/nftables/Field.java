package dev.sluice.nftables;

import static dev.sluice.nftables.uapi.LinuxNfTables.*;

import dev.sluice.nftables.expr.Ct;
import dev.sluice.nftables.expr.Expression;
import dev.sluice.nftables.expr.Fib;
import dev.sluice.nftables.expr.Hash;
import dev.sluice.nftables.expr.Meta;
import dev.sluice.nftables.expr.Numgen;
import dev.sluice.nftables.expr.Payload;
import java.util.List;
import java.util.function.IntFunction;
import java.util.stream.Stream;

/**
 * Something about a packet that a rule can look at.
 *
 * @param name as nft writes it
 * @param lengthBytes of the value
 * @param family NFPROTO_IPV4 or NFPROTO_IPV6 if only packets of that family have it, else
 *     NFPROTO_UNSPEC; {@link RuleBuilder} adds the check
 * @param load makes the expressions that load it into a register, and may use those behind it
 */
public record Field(String name, int lengthBytes, int family, IntFunction<List<Expression>> load) {
  /** One that a single expression loads. */
  public static Field of(String name, int lengthBytes, int family, IntFunction<Expression> load) {
    return new Field(name, lengthBytes, family, register -> List.of(load.apply(register)));
  }

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
      of(
          "th dport",
          2,
          NFPROTO_UNSPEC,
          register -> Payload.load(NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, register));

  /** The flags of a tcp header, FIN to CWR. */
  public static final Field TCP_FLAGS =
      of(
          "tcp flags",
          1,
          NFPROTO_UNSPEC,
          register -> Payload.load(NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1, register));

  /** First byte of the transport header: the type of an ICMP or ICMPv6 message. */
  public static final Field ICMP_TYPE =
      of(
          "icmp type",
          1,
          NFPROTO_UNSPEC,
          register -> Payload.load(NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1, register));

  public static final Field CT_STATE =
      of("ct state", 4, NFPROTO_UNSPEC, register -> Ct.load(NFT_CT_STATE, register));
  public static final Field CT_STATUS =
      of("ct status", 4, NFPROTO_UNSPEC, register -> Ct.load(NFT_CT_STATUS, register));
  public static final Field FIB_DADDR_TYPE =
      of("fib daddr type", 4, NFPROTO_UNSPEC, Fib::destinationType);
  public static final Field FIB_SADDR_TYPE =
      of("fib saddr type", 4, NFPROTO_UNSPEC, Fib::sourceType);

  /** A random number below {@code modulus}. */
  public static Field random(int modulus) {
    return of(
        "numgen random mod " + modulus,
        4,
        NFPROTO_UNSPEC,
        register -> Numgen.random(register, modulus));
  }

  /** The numbers below {@code modulus}, one after the other: a counter of the rule's own. */
  public static Field turn(int modulus) {
    return of(
        "numgen inc mod " + modulus,
        4,
        NFPROTO_UNSPEC,
        register -> Numgen.incremental(register, modulus));
  }

  /** A number below {@code modulus} that depends on the address alone. */
  public static Field hashOf(Field address, int modulus, int seed) {
    return new Field(
        "jhash " + address.name() + " mod " + modulus,
        4,
        address.family(),
        register ->
            Stream.concat(
                    address.load().apply(register).stream(),
                    Stream.of(
                        Hash.jenkins(register, address.lengthBytes(), register, modulus)
                            .withSeed(seed)))
                .toList());
  }

  private static Field meta(String name, int lengthBytes, int key) {
    return of(name, lengthBytes, NFPROTO_UNSPEC, register -> Meta.load(key, register));
  }

  private static Field network(String name, int family, int offset, int lengthBytes) {
    return of(
        name,
        lengthBytes,
        family,
        register -> Payload.load(NFT_PAYLOAD_NETWORK_HEADER, offset, lengthBytes, register));
  }
}
