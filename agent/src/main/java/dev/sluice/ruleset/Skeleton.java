package dev.sluice.ruleset;

import static dev.sluice.nftables.DataType.CT_STATE;
import static dev.sluice.nftables.DataType.ICMPV6_TYPE;
import static dev.sluice.nftables.DataType.IFNAME;
import static dev.sluice.nftables.DataType.INET_PROTO;
import static dev.sluice.nftables.DataType.INET_SERVICE;
import static dev.sluice.nftables.DataType.INTEGER;
import static dev.sluice.nftables.DataType.IPV4_ADDR;
import static dev.sluice.nftables.DataType.IPV6_ADDR;
import static dev.sluice.nftables.DataType.MARK;
import static dev.sluice.nftables.DataType.NFPROTO;
import static dev.sluice.nftables.DataType.VERDICT;
import static dev.sluice.nftables.Field.IIF;
import static dev.sluice.nftables.Field.IIFNAME;
import static dev.sluice.nftables.Field.IP6_DADDR;
import static dev.sluice.nftables.Field.IP6_SADDR;
import static dev.sluice.nftables.Field.IP_DADDR;
import static dev.sluice.nftables.Field.IP_DADDR_8;
import static dev.sluice.nftables.Field.IP_SADDR;
import static dev.sluice.nftables.Field.IP_SADDR_8;
import static dev.sluice.nftables.Field.L4PROTO;
import static dev.sluice.nftables.Field.OIFNAME;
import static dev.sluice.nftables.Field.TH_DPORT;
import static dev.sluice.nftables.uapi.LinuxNfTables.*;

import dev.sluice.model.SourceRate;
import dev.sluice.net.Bytes;
import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.nftables.Batch;
import dev.sluice.nftables.Chain;
import dev.sluice.nftables.Chain.Hook;
import dev.sluice.nftables.DataType;
import dev.sluice.nftables.ElementSet;
import dev.sluice.nftables.Field;
import dev.sluice.nftables.Key;
import dev.sluice.nftables.Rule;
import dev.sluice.nftables.RuleBuilder;
import dev.sluice.nftables.SetElement;
import dev.sluice.nftables.SetType;
import dev.sluice.nftables.TableId;
import dev.sluice.nftables.expr.Connlimit;
import dev.sluice.nftables.expr.Counter;
import dev.sluice.nftables.expr.Data;
import dev.sluice.nftables.expr.Limit;
import dev.sluice.nftables.expr.Notrack;
import dev.sluice.nftables.expr.Synproxy;
import dev.sluice.nftables.expr.Verdict;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Everything in the table that does not depend on what is published: sets and maps without
 * elements, chains and rules. It is created once, in one transaction; docs/ruleset.md shows it as
 * nft prints it and gives the reason for each rule.
 */
final class Skeleton {
  /**
   * Changes whenever chains, rules or sets change, so that a table of another version is recognised
   * and rebuilt.
   */
  static final int VERSION = 7;

  private static final int PRIORITY_RAW = -300;
  private static final int PRIORITY_DNAT = -100;
  private static final int PRIORITY_FILTER = 0;

  /** Before the filters of a host, to which first packets of published ports do not come either. */
  private static final int PRIORITY_SYN_PROXY = -10;

  private static final int PRIORITY_SNAT = 100;

  private static final int TCP = 6;
  private static final int UDP = 17;
  private static final int ICMP = 1;
  private static final int ICMPV6 = 58;

  /** Interface index of lo in every namespace (LOOPBACK_IFINDEX, net/flow.h). */
  private static final int LOOPBACK_INDEX = 1;

  private static final int LOOPBACK_8 = 127;

  private static final Bytes LOOPBACK6 = Key.of().address(IpAddress.parse("::1")).bytes();

  /**
   * Seven is what Linux servers have with 6 MiB of receive buffer, the most by default up to 6.16.
   * One that has more is seen with a smaller window than it has, never with a larger one.
   */
  private static final int SYN_PROXY_WINDOW_SCALE = 7;

  // linux/icmpv6.h, net/ndisc.h
  private static final int ND_ROUTER_ADVERT = 134;
  private static final int ND_REDIRECT = 137;

  // enum ip_conntrack_info as bits of "ct state" (NF_CT_STATE_BIT)
  private static final int STATE_INVALID = 1;
  private static final int STATE_ESTABLISHED = 2;
  private static final int STATE_RELATED = 4;

  /** A random one of one: what nftables has for a zero in a key. */
  private static final Field FIRST_SLOT = Field.random(1);

  private static final String SYN_FIRST = "syn_first";
  private static final String SYN_PORTS = "syn_ports";
  private static final String SYN_INPUT = "syn_input";
  private static final String SYN_COOKIES = "syn_cookies";

  /** Those that packets pass; the one that another goes to stands behind it. */
  private static final List<String> SYN_WAY = List.of(SYN_FIRST, SYN_PORTS, SYN_INPUT);

  private final TableId table;

  Skeleton(TableId table) {
    this.table = table;
  }

  /** Writes sets, chains and rules into the batch, behind the table itself. */
  void write(Batch batch) {
    sets().forEach(batch::add);
    chains().forEach(batch::add);
    everyPacket(batch);
    firstPackets(batch);
  }

  private List<ElementSet> sets() {
    List<ElementSet> sets = new ArrayList<>();
    for (PerFamily of : PerFamily.BOTH) {
      publishedSets(of, sets);
      optionSets(of, sets);
      networkSets(of, sets);
    }
    // No rule looks these up: they are the agent's own notes, kept where they survive it.
    sets.add(ElementSet.set(table, SetNames.DRAINING, SetType.of(MARK, MARK)));
    sets.add(counted(ElementSet.set(table, SetNames.TRAFFIC, SetType.of(MARK, MARK, MARK))));
    sets.add(ElementSet.set(table, SetNames.SANDBOXES, SetType.of(MARK, MARK, MARK)));
    SetType bridge = SetType.of(IFNAME);
    sets.add(ElementSet.set(table, SetNames.BRIDGES, bridge));
    sets.add(ElementSet.set(table, SetNames.INTRA, SetType.of(IFNAME, IFNAME)));
    sets.add(ElementSet.map(table, SetNames.INBOUND, bridge, SetType.of(VERDICT)));
    sets.add(ElementSet.map(table, SetNames.OUTBOUND, bridge, SetType.of(VERDICT)));
    sets.add(
        ElementSet.map(table, SetNames.LOOPBACK6, SetType.of(INET_PROTO), SetType.of(VERDICT)));
    List<ElementSet> numbered = new ArrayList<>();
    for (int i = 0; i < sets.size(); i++) {
      numbered.add(sets.get(i).withTransactionId(FIRST_SET_ID + i));
    }
    return numbered;
  }

  private void publishedSets(PerFamily of, List<ElementSet> sets) {
    sets.add(counted(ElementSet.map(table, of.named("exact"), of.exactKey(), of.target())));
    sets.add(counted(ElementSet.map(table, of.named("any"), ANY_KEY, of.target())));
    // One tree per protocol: an interval map over a concatenation copies itself with every commit.
    SetType port = SetType.of(INET_SERVICE);
    for (String protocol : List.of("tcp", "udp")) {
      String name = of.named("range") + "_" + protocol;
      sets.add(counted(ElementSet.map(table, name, port, of.subnet()).withIntervals(port)));
    }
    // Where a hit says neither address nor port yet: one of several containers, or the proxy.
    for (String kind : SetNames.KINDS) {
      sets.add(
          counted(
              ElementSet.map(
                  table, of.named("steered_" + kind), of.keyType(kind), SetType.of(VERDICT))));
      sets.add(
          counted(
              ElementSet.map(table, of.named("slots_" + kind), of.slotKey(kind), of.target())
                  .withUserdata(of.slotHints(kind))));
    }
  }

  /**
   * Each element gets a counter from the kernel; sending one with every element takes three times
   * as long.
   */
  private static ElementSet counted(ElementSet set) {
    return set.withExpressions(List.of(new Counter(0, 0)));
  }

  private void optionSets(PerFamily of, List<ElementSet> sets) {
    SetType verdict = SetType.of(VERDICT);
    sets.add(ElementSet.map(table, of.named("guarded_exact"), of.exactKey(), verdict));
    sets.add(ElementSet.map(table, of.named("guarded_any"), ANY_KEY, verdict));
    sets.add(ElementSet.set(table, of.named("restricted_exact"), of.exactKey()));
    sets.add(ElementSet.set(table, of.named("restricted_any"), ANY_KEY));
    for (String kind : SetNames.KINDS) {
      SetType keyAndSource = of.sourceKey(kind);
      sets.add(
          ElementSet.set(table, of.named("allow_" + kind), keyAndSource)
              .withIntervals(keyAndSource));
    }
    // An element carries its own "ct count over N", and a lookup runs it. Not a dynamic set: the
    // collector of those deletes elements that count nothing.
    for (String kind : SetNames.KINDS) {
      SetType key = kind.equals("exact") ? of.exactKey() : ANY_KEY;
      sets.add(
          ElementSet.set(table, of.named("limited_" + kind), key)
              .withExpressions(List.of(Connlimit.over(NO_LIMIT))));
      sets.add(ElementSet.map(table, of.named("rated_" + kind), key, verdict));
      sets.add(ElementSet.set(table, of.named("proxied_" + kind), key));
    }
  }

  private void networkSets(PerFamily of, List<ElementSet> sets) {
    SetType home = SetType.of(IFNAME, of.address);
    sets.add(ElementSet.set(table, of.named("home"), home).withIntervals(home));
    SetType subnet = of.subnet();
    sets.add(
        ElementSet.map(table, of.named("egress"), subnet, SetType.of(VERDICT))
            .withIntervals(subnet));
    sets.add(ElementSet.map(table, of.named("source"), subnet, subnet).withIntervals(subnet));
    sets.add(ElementSet.set(table, of.named("open"), of.exactKey()));
    sets.add(
        ElementSet.set(
            table,
            of.named("linked"),
            SetType.of(of.address, of.address, INET_PROTO, INET_SERVICE)));
  }

  private static final SetType ANY_KEY = SetType.of(INET_PROTO, INET_SERVICE);

  /** Beyond this many source addresses at a time, further ones are admitted at any rate. */
  private static final int MAX_RATED_SOURCES = 65_535;

  /** A source that was quiet for this many of the rate's units of time starts anew. */
  private static final int RATED_SOURCE_UNITS = 10;

  /** The set of connection limits needs one to be declared with; every element brings its own. */
  private static final int NO_LIMIT = 1_000_000;

  /**
   * Anything but random, which is what the kernel takes by itself: a client shall come to the same
   * container after the table was written anew.
   */
  private static final int SOURCE_SEED = 0x736c7563;

  // What nft 1.0.6 writes into the user data of maps such as "typeof ip daddr . meta l4proto . th
  // dport . numgen random mod 16 : ip daddr . th dport"; without it nft cannot print the number of
  // a slot.
  private static final String SLOTS_EXACT4_NOTES =
      "000400000000010400000000036000040d00000001580014000407000000010c00040c0000000104"
          + "0c000000010e00040900000001060004100000000214000407000000010c00040b00000001040200"
          + "0000031a0004170000000112000401000000010410000000020400000000043400040d000000012c"
          + "0014000407000000010c00040c00000001040c0000000114000407000000010c00040b0000000104"
          + "02000000060400000000";
  private static final String SLOTS_EXACT6_NOTES =
      "000400000000010400000000036000040d00000001580014000407000000010c00040d0000000104"
          + "09000000010e00040900000001060004100000000214000407000000010c00040b00000001040200"
          + "0000031a0004170000000112000401000000010410000000020400000000043400040d000000012c"
          + "0014000407000000010c00040d0000000104090000000114000407000000010c00040b0000000104"
          + "02000000060400000000";
  private static final String SLOTS_ANY4_NOTES =
      "000400000000010400000000034a00040d0000000142000e00040900000001060004100000000114"
          + "000407000000010c00040b000000010402000000021a000417000000011200040100000001041000"
          + "0000020400000000043400040d000000012c0014000407000000010c00040c00000001040c000000"
          + "0114000407000000010c00040b000000010402000000060400000000";
  private static final String SLOTS_ANY6_NOTES =
      "000400000000010400000000034a00040d0000000142000e00040900000001060004100000000114"
          + "000407000000010c00040b000000010402000000021a000417000000011200040100000001041000"
          + "0000020400000000043400040d000000012c0014000407000000010c00040d000000010409000000"
          + "0114000407000000010c00040b000000010402000000060400000000";

  /** Above the ids {@link Batch#newSetId} gives to anonymous sets. */
  private static final int FIRST_SET_ID = 1000;

  private List<Chain> chains() {
    List<Chain> chains = new ArrayList<>();
    chains.add(base("raw", Hook.filter(NF_INET_PRE_ROUTING, PRIORITY_RAW)));
    chains.add(base("input", Hook.filter(NF_INET_LOCAL_IN, PRIORITY_FILTER)));
    chains.add(base("forward", Hook.filter(NF_INET_FORWARD, PRIORITY_FILTER)));
    chains.add(base("prerouting", Hook.nat(NF_INET_PRE_ROUTING, PRIORITY_DNAT)));
    chains.add(base("output", Hook.nat(NF_INET_LOCAL_OUT, PRIORITY_DNAT)));
    chains.add(base("postrouting", Hook.nat(NF_INET_POST_ROUTING, PRIORITY_SNAT)));
    for (String name : List.of("invalid", "routed", "isolated", "publish", "masq")) {
      chains.add(Chain.regular(table, name));
    }
    for (PerFamily of : PerFamily.BOTH) {
      for (String name : List.of("publish", "guard_exact", "guard_any", "fixed")) {
        chains.add(Chain.regular(table, of.named(name)));
      }
    }
    return chains;
  }

  private void everyPacket(Batch batch) {
    // Loopback addresses never arrive on a wire; route_localnet=1 on a bridge switches the kernel's
    // own check off. Before
    // conntrack undoes translation, so that answers to masqueraded 127/8 sources are not hit. IPv6
    // needs no rule: ip6_rcv
    // drops ::1 from any real device before the hooks.
    batch.add(rule("raw").match(IIF, Bytes.ofU32Host(LOOPBACK_INDEX)).accept());
    batch.add(rule("raw").match(IP_DADDR_8, LOOPBACK_8).drop());
    batch.add(rule("raw").match(IP_SADDR_8, LOOPBACK_8).drop());

    // The host learns no routes from a container.
    ElementSet advertisements = anonymousSet(batch, ICMPV6_TYPE, ND_ROUTER_ADVERT, ND_REDIRECT);
    batch.add(
        rule("input")
            .match(Field.NFPROTO, NFPROTO_IPV6)
            .match(L4PROTO, ICMPV6)
            .inSet(advertisements, Field.ICMP_TYPE)
            .inSet(SetNames.BRIDGES, IIFNAME)
            .drop());

    ElementSet states =
        ElementSet.map(table, "", SetType.of(CT_STATE), SetType.of(VERDICT))
            .asAnonymous(batch.newSetId(), 3);
    batch.add(states);
    batch.addElements(
        states,
        List.of(
            verdict(Bytes.ofU32Host(STATE_ESTABLISHED), Verdict.ACCEPT),
            verdict(Bytes.ofU32Host(STATE_RELATED), Verdict.ACCEPT),
            verdict(Bytes.ofU32Host(STATE_INVALID), Verdict.goTo("invalid"))));
    batch.add(rule("forward").vmap(states, Field.CT_STATE));
    // From here on first packets only. What is internal gets nowhere else, by published ports
    // either.
    batch.add(rule("forward").inSet(SetNames.INTRA, IIFNAME, OIFNAME).accept());
    batch.add(rule("forward").vmap(SetNames.OUTBOUND, IIFNAME));
    // Published is what was translated; looking the port up again
    // would be wrong, because
    // behind the translation it is the container's, and a container may listen on a number
    // published for another one.
    batch.add(rule("forward").destinationTranslated().accept());
    batch.add(rule("forward").vmap(SetNames.INBOUND, OIFNAME));

    // Bridged siblings under br_netfilter may route asymmetrically; anything else would leave
    // untranslated.
    batch.add(rule("invalid").inSet(SetNames.INTRA, IIFNAME, OIFNAME).accept());
    batch.add(rule("invalid").inSet(SetNames.BRIDGES, IIFNAME).drop());
    batch.add(rule("invalid").inSet(SetNames.BRIDGES, OIFNAME).drop());

    batch.add(rule("routed").inSet("open4", IP_DADDR, L4PROTO, TH_DPORT).accept());
    batch.add(rule("routed").inSet("open6", IP6_DADDR, L4PROTO, TH_DPORT).accept());
    ElementSet echo = anonymousSet(batch, INET_PROTO, ICMP, ICMPV6);
    batch.add(rule("routed").inSet(echo, L4PROTO).accept());
    batch.add(rule("routed").drop());

    // Containers that shall not reach each other do so through the host only, where they are
    // linked.
    for (PerFamily of : PerFamily.BOTH) {
      batch.add(
          rule("isolated")
              .inSet(of.named("linked"), of.saddr, of.daddr, L4PROTO, TH_DPORT)
              .accept());
    }
    batch.add(rule("isolated").drop());
  }

  private void firstPackets(Batch batch) {
    // "local": what is forwarded through us to the same port elsewhere is not captured.
    batch.add(rule("prerouting").destinationIsLocal().goTo("publish"));
    // Where bridged packets are translated (br_netfilter), an answer to ::1 is turned back before
    // ip6_rcv looks at it, which drops what has that address and comes from a real device. There
    // the userland proxy has to serve it.
    batch.add(rule("output").match(IP6_DADDR, LOOPBACK6).vmap(SetNames.LOOPBACK6, L4PROTO));
    batch.add(rule("output").destinationIsLocal().goTo("publish"));

    ElementSet families =
        ElementSet.map(table, "", SetType.of(NFPROTO), SetType.of(VERDICT))
            .asAnonymous(batch.newSetId(), 2);
    batch.add(families);
    batch.addElements(
        families,
        List.of(
            verdict(Bytes.of((byte) NFPROTO_IPV4), Verdict.goTo("publish4")),
            verdict(Bytes.of((byte) NFPROTO_IPV6), Verdict.goTo("publish6"))));
    batch.add(rule("publish").vmap(families, Field.NFPROTO));

    for (PerFamily of : PerFamily.BOTH) {
      publish(batch, of);
      guards(batch, of);
    }
    postrouting(batch);
  }

  /**
   * A hit in a dnat map ends the chain: exact before any before range; a guard stands right before
   * its own lookup.
   *
   * <p>A transaction may take effect between two lookups of one packet, and what was looked up
   * before is looked up again for it: where several containers become one, the first lookup was too
   * early and the second too late; of the slots of a port there may be fewer than were there to
   * pick from, of which the first is never missing; and a chain that picks among slots has no rules
   * for a packet that came before it, for a packet meets new elements, but the rules of its time.
   */
  private void publish(Batch batch, PerFamily of) {
    String chain = of.named("publish");
    // What a SYN proxy waits for. Where a port is proxied on every address, it is so also for the
    // mappings of one address, which have no guard for that.
    batch.add(
        rule(chain)
            .match(L4PROTO, TCP)
            .opensNoConnection()
            .inSet(of.named("proxied_any"), of.key("any"))
            .accept());
    for (String kind : SetNames.KINDS) {
      batch.add(rule(chain).vmap(of.named("guarded_" + kind), of.key(kind)));
      batch.add(toTheOne(chain, of, kind));
      batch.add(rule(chain).vmap(of.named("steered_" + kind), of.key(kind)));
      batch.add(toSlot(chain, of, kind, FIRST_SLOT));
      batch.add(toTheOne(chain, of, kind));
    }
    batch.add(
        rule(chain)
            .match(L4PROTO, TCP)
            .dnatToAddress(of.nfproto, of.named("range") + "_tcp", TH_DPORT));
    batch.add(
        rule(chain)
            .match(L4PROTO, UDP)
            .dnatToAddress(of.nfproto, of.named("range") + "_udp", TH_DPORT));
  }

  /**
   * Options of a mapping; only mappings that have one get here. The host itself is always admitted.
   */
  private void guards(Batch batch, PerFamily of) {
    for (String kind : SetNames.KINDS) {
      String chain = of.named("guard_" + kind);
      Field[] key = of.key(kind);
      batch.add(rule(chain).sourceIsLocal().returns());
      // A connection that was cut is not to be picked up in its middle, as conntrack would: it
      // would be a new one for the limit. Untranslated, it is the host's to reset.
      batch.add(rule(chain).match(L4PROTO, TCP).opensNoConnection().accept());
      batch.add(
          rule(chain)
              .inSet(of.named("restricted_" + kind), key)
              .notInSet(of.named("allow_" + kind), and(key, of.saddr))
              .drop());
      // The rate comes first: what it refuses is not counted as open.
      batch.add(rule(chain).vmap(of.named("rated_" + kind), key));
      batch.add(rule(chain).inSet(of.named("limited_" + kind), key).drop());
    }
  }

  /**
   * What admits a connection at a rate: a chain for each distinct rate, made when the first mapping
   * asks for it and written again by every further one, which changes nothing.
   *
   * @param kind "exact" or "any"
   */
  void writeRate(Batch batch, Family family, String kind, SourceRate rate) {
    PerFamily of = PerFamily.of(family);
    String name = SetNames.rate(family, kind, rate);
    // The source first: nft does not read its own listing with "meta l4proto . th dport" in front.
    Field[] key = behind(of.saddr, of.key(kind));
    batch.add(
        ElementSet.set(table, name, of.ratedKey(kind))
            .asDynamic(MAX_RATED_SOURCES)
            .withTimeout(RATED_SOURCE_UNITS * 1_000L * rate.per().seconds())
            .withTransactionId(batch.newSetId()));
    batch.add(Chain.regular(table, name)).flushChain(table, name);
    Limit over =
        new Limit(
            rate.connections(),
            rate.per().seconds(),
            rate.burst(),
            NFT_LIMIT_PKTS,
            NFT_LIMIT_F_INV);
    batch.add(rule(name).update(name, over, key).drop());
  }

  /**
   * What picks a slot: a chain for each way to do so, made when the first mapping asks for it. It
   * is not for writing again: what counts up would begin anew, with the first container, whenever
   * somebody publishes.
   */
  void writeSpread(Batch batch, SpreadChain spread) {
    PerFamily of = PerFamily.of(spread.family());
    Field slot =
        switch (spread.balance()) {
          case ROUND_ROBIN -> Field.turn(spread.slots());
          case RANDOM -> Field.random(spread.slots());
          case SOURCE -> Field.hashOf(of.saddr, spread.slots(), SOURCE_SEED);
        };
    batch.add(Chain.regular(table, spread.name())).flushChain(table, spread.name());
    batch.add(toSlot(spread.name(), of, spread.kind(), slot));
  }

  private Rule toSlot(String chain, PerFamily of, String kind, Field slot) {
    return rule(chain)
        .dnatToAddressAndPort(of.nfproto, of.named("slots_" + kind), and(of.key(kind), slot));
  }

  private Rule toTheOne(String chain, PerFamily of, String kind) {
    return rule(chain).dnatToAddressAndPort(of.nfproto, of.named(kind), of.key(kind));
  }

  /**
   * What answers first packets to proxied ports with SYN cookies: chains at hooks of their own,
   * made when the first mapping asks for it, so that no packet of anybody else pays for them, and
   * written again by every further one, which changes nothing.
   *
   * <p>A first packet is not tracked, and so not translated: it comes to the host, as does the
   * answer to the cookie, which opens no connection either. The kernel then begins the connection
   * itself, at the output hook, where it takes the way of any first packet.
   */
  void writeSynProxy(Batch batch) {
    batch
        .add(base(SYN_FIRST, Hook.filter(NF_INET_PRE_ROUTING, PRIORITY_RAW)))
        .add(Chain.regular(table, SYN_PORTS))
        .add(base(SYN_INPUT, Hook.filter(NF_INET_LOCAL_IN, PRIORITY_SYN_PROXY)))
        .add(Chain.regular(table, SYN_COOKIES));
    SYN_WAY.forEach(chain -> batch.flushChain(table, chain));
    batch.flushChain(table, SYN_COOKIES);
    batch.add(
        rule(SYN_FIRST).match(L4PROTO, TCP).opensConnection().destinationIsLocal().goTo(SYN_PORTS));
    batch.add(rule(SYN_INPUT).belongsToConnection().accept());
    batch.add(rule(SYN_INPUT).goTo(SYN_COOKIES));
    for (PerFamily of : PerFamily.BOTH) {
      for (String kind : SetNames.KINDS) {
        batch.add(toProxied(SYN_PORTS, of, kind).with(new Notrack()).build());
        batch.add(toProxied(SYN_COOKIES, of, kind).with(of.synProxy()).build());
      }
    }
  }

  private RuleBuilder toProxied(String chain, PerFamily of, String kind) {
    // A port alone does not say which family it is of.
    RuleBuilder rule =
        kind.equals("any") ? rule(chain).match(Field.NFPROTO, of.nfproto) : rule(chain);
    return rule.inSet(of.named("proxied_" + kind), of.key(kind));
  }

  /**
   * Takes {@link #writeSynProxy} out of the way of packets. What has the synproxy expressions
   * stays: while there is one, the kernel goes on translating the time stamps of connections that
   * began through it.
   */
  void endSynProxy(Batch batch) {
    SYN_WAY.forEach(chain -> batch.deleteChain(table, chain));
  }

  private static Field[] behind(Field first, Field[] key) {
    Field[] longer = new Field[key.length + 1];
    longer[0] = first;
    System.arraycopy(key, 0, longer, 1, key.length);
    return longer;
  }

  private static Field[] and(Field[] key, Field last) {
    Field[] longer = Arrays.copyOf(key, key.length + 1);
    longer[key.length] = last;
    return longer;
  }

  private void postrouting(Batch batch) {
    // Answers must come back through us: hairpin (source and target in one network; keyed by the
    // source address, since
    // iifname is empty here for traffic that br_netfilter bridges), and the host's loopback address
    // as source.
    for (PerFamily of : PerFamily.BOTH) {
      batch.add(
          rule("postrouting")
              .destinationTranslated()
              .inSet(of.named("home"), OIFNAME, of.saddr)
              .masquerade(0));
    }
    batch.add(
        rule("postrouting")
            .match(IP_SADDR_8, LOOPBACK_8)
            .inSet(SetNames.BRIDGES, OIFNAME)
            .masquerade(0));
    batch.add(
        rule("postrouting")
            .match(IP6_SADDR, LOOPBACK6)
            .inSet(SetNames.BRIDGES, OIFNAME)
            .masquerade(0));
    // Between networks the source stays visible.
    batch.add(rule("postrouting").inSet(SetNames.BRIDGES, OIFNAME).accept());
    for (PerFamily of : PerFamily.BOTH) {
      batch.add(rule("postrouting").vmap(of.named("egress"), of.saddr));
    }
    batch.add(rule("masq").masquerade(NF_NAT_RANGE_PROTO_RANDOM_FULLY));
    for (PerFamily of : PerFamily.BOTH) {
      batch.add(
          rule(of.named("fixed"))
              .snatToAddress(
                  of.nfproto, of.named("source"), NF_NAT_RANGE_PROTO_RANDOM_FULLY, of.saddr));
    }
  }

  private RuleBuilder rule(String chain) {
    return RuleBuilder.in(table, chain);
  }

  private Chain base(String name, Hook hook) {
    return Chain.base(table, name, hook);
  }

  /** Adds an anonymous set of one-byte keys, which belongs to the rule that follows. */
  private ElementSet anonymousSet(Batch batch, DataType type, int... values) {
    ElementSet set =
        ElementSet.set(table, "", SetType.of(type)).asAnonymous(batch.newSetId(), values.length);
    batch.add(set);
    batch.addElements(
        set,
        Arrays.stream(values).mapToObj(value -> SetElement.of(Bytes.of((byte) value))).toList());
    return set;
  }

  /** What leaves {@code ::1} to the userland proxy, for tcp and udp. */
  static List<SetElement> loopbackElements() {
    return List.of(
        verdict(Bytes.of((byte) TCP), Verdict.ACCEPT),
        verdict(Bytes.of((byte) UDP), Verdict.ACCEPT));
  }

  private static SetElement verdict(Bytes key, Verdict verdict) {
    return SetElement.of(key).to(Data.of(verdict));
  }

  /** What differs between the two families. */
  private record PerFamily(
      char suffix,
      int nfproto,
      DataType address,
      Field saddr,
      Field daddr,
      String slotsExactNotes,
      String slotsAnyNotes) {
    static PerFamily of(Family family) {
      return BOTH.get(family == Family.IPV4 ? 0 : 1);
    }

    /** The fields of a packet that make the key of an exact or an any mapping. */
    Field[] key(String kind) {
      return kind.equals("exact")
          ? new Field[] {daddr, L4PROTO, TH_DPORT}
          : new Field[] {L4PROTO, TH_DPORT};
    }

    /** A source address and that key. */
    SetType ratedKey(String kind) {
      return kind.equals("exact")
          ? SetType.of(address, address, INET_PROTO, INET_SERVICE)
          : SetType.of(address, INET_PROTO, INET_SERVICE);
    }

    /** That key and a source address. */
    SetType sourceKey(String kind) {
      return kind.equals("exact")
          ? SetType.of(address, INET_PROTO, INET_SERVICE, address)
          : SetType.of(INET_PROTO, INET_SERVICE, address);
    }

    static final List<PerFamily> BOTH =
        List.of(
            new PerFamily(
                '4',
                NFPROTO_IPV4,
                IPV4_ADDR,
                IP_SADDR,
                IP_DADDR,
                SLOTS_EXACT4_NOTES,
                SLOTS_ANY4_NOTES),
            new PerFamily(
                '6',
                NFPROTO_IPV6,
                IPV6_ADDR,
                IP6_SADDR,
                IP6_DADDR,
                SLOTS_EXACT6_NOTES,
                SLOTS_ANY6_NOTES));

    String named(String what) {
      return what + suffix;
    }

    /** Segments as large as on Ethernet. */
    Synproxy synProxy() {
      return Synproxy.withAllOptions(nfproto == NFPROTO_IPV4 ? 1460 : 1440, SYN_PROXY_WINDOW_SCALE);
    }

    SetType exactKey() {
      return SetType.of(address, INET_PROTO, INET_SERVICE);
    }

    SetType target() {
      return SetType.of(address, INET_SERVICE);
    }

    SetType subnet() {
      return SetType.of(address);
    }

    SetType keyType(String kind) {
      return kind.equals("exact") ? exactKey() : ANY_KEY;
    }

    /** That key and the number of a slot. */
    SetType slotKey(String kind) {
      return kind.equals("exact")
          ? SetType.of(address, INET_PROTO, INET_SERVICE, INTEGER)
          : SetType.of(INET_PROTO, INET_SERVICE, INTEGER);
    }

    Bytes slotHints(String kind) {
      return Bytes.ofHex(kind.equals("exact") ? slotsExactNotes : slotsAnyNotes);
    }
  }
}
