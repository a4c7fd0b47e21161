package dev.sluice.ruleset.trace;

import static dev.sluice.nftables.DataType.INET_SERVICE;
import static dev.sluice.nftables.DataType.IPV4_ADDR;
import static dev.sluice.nftables.DataType.IPV6_ADDR;
import static dev.sluice.nftables.expr.Register.R1;
import static dev.sluice.nftables.uapi.LinuxNfTables.*;

import dev.sluice.model.TraceQuestion;
import dev.sluice.net.Bytes;
import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.nftables.Batch;
import dev.sluice.nftables.Chain;
import dev.sluice.nftables.Chain.Hook;
import dev.sluice.nftables.ElementSet;
import dev.sluice.nftables.Field;
import dev.sluice.nftables.Rule;
import dev.sluice.nftables.RuleBuilder;
import dev.sluice.nftables.SetType;
import dev.sluice.nftables.Table;
import dev.sluice.nftables.TableId;
import dev.sluice.nftables.expr.Counter;
import dev.sluice.nftables.expr.Ct;
import dev.sluice.nftables.expr.Dynset;
import dev.sluice.nftables.expr.Expression;
import dev.sluice.nftables.expr.Immediate;
import dev.sluice.nftables.expr.Limit;
import dev.sluice.nftables.expr.Lookup;
import dev.sluice.nftables.expr.Meta;
import dev.sluice.nftables.expr.Payload;
import dev.sluice.nftables.expr.Register;
import java.util.ArrayList;
import java.util.List;

/**
 * The table that picks out the packets to follow. Its owner is a socket, and it does not persist:
 * however the agent ends, the table ends with it.
 *
 * <p>Questions are found before everybody else looks at them, answers behind connection tracking,
 * by the connection's first source, which the questions put into a set. At the end of each hook
 * stands an empty chain, for the kernel to tell there what a packet looks like by then.
 */
final class TraceTable {
  static final TableId ID = TableId.inet("sluice-trace");

  /** Marks the packets that ask. */
  static final String QUESTION = "question";

  /** Marks the packets that answer. */
  static final String ANSWER = "answer";

  /** Where a packet for this host itself leaves the rules. */
  static final String INPUT_LAST = "input_last";

  /** Where a packet that leaves this host leaves the rules. */
  static final String POSTROUTING_LAST = "postrouting_last";

  // linux/netfilter_ipv4.h: conntrack looks a packet up at -200 and confirms it at INT_MAX; raw
  // tables are at -300, defragmentation is at -400.
  private static final int PRIORITY_FIRST = -350;
  private static final int PRIORITY_TRACKED = -199;
  private static final int PRIORITY_LAST = Integer.MAX_VALUE - 1;

  /** As many questions as a thousand a second leave in a minute. */
  private static final int MOST_ASKED = 65_536;

  private static final long ASKED_MILLIS = 60_000;

  private static final Field TH_SPORT =
      Field.of(
          "th sport",
          2,
          NFPROTO_UNSPEC,
          register -> Payload.load(NFT_PAYLOAD_TRANSPORT_HEADER, 0, 2, register));
  private static final Field CT_DIRECTION =
      Field.of("ct direction", 1, NFPROTO_UNSPEC, register -> Ct.load(NFT_CT_DIRECTION, register));
  private static final Field CT_PROTOCOL =
      Field.of("ct protocol", 1, NFPROTO_UNSPEC, register -> Ct.load(NFT_CT_PROTOCOL, register));
  private static final Field CT_ASKED_PORT =
      Field.of(
          "ct original proto-dst",
          2,
          NFPROTO_UNSPEC,
          register -> Ct.original(NFT_CT_PROTO_DST, register));

  /** What differs between the families. */
  private record PerFamily(
      int nfproto, Field saddr, int addressBytes, int askerKey, String asked, SetType source) {
    private static final PerFamily V4 =
        new PerFamily(
            NFPROTO_IPV4,
            Field.IP_SADDR,
            4,
            NFT_CT_SRC_IP,
            "asked4",
            SetType.of(IPV4_ADDR, INET_SERVICE));
    private static final PerFamily V6 =
        new PerFamily(
            NFPROTO_IPV6,
            Field.IP6_SADDR,
            16,
            NFT_CT_SRC_IP6,
            "asked6",
            SetType.of(IPV6_ADDR, INET_SERVICE));
    private static final List<PerFamily> BOTH = List.of(V4, V6);
  }

  private TraceTable() {}

  /** The transaction that makes it; EEXIST if it is there. */
  static Batch creation(TraceQuestion question) {
    Batch batch = new Batch().create(Table.of(ID).withFlags(NFT_TABLE_F_OWNER));
    for (PerFamily of : PerFamily.BOTH) {
      batch.add(
          ElementSet.set(ID, of.asked, of.source).asDynamic(MOST_ASKED).withTimeout(ASKED_MILLIS));
    }
    List<Chain> chains = new ArrayList<>();
    chains.add(Chain.regular(ID, QUESTION));
    chains.add(Chain.regular(ID, ANSWER));
    chains.add(filter("prerouting_first", NF_INET_PRE_ROUTING, PRIORITY_FIRST));
    chains.add(filter("output_first", NF_INET_LOCAL_OUT, PRIORITY_FIRST));
    chains.add(filter("prerouting_answers", NF_INET_PRE_ROUTING, PRIORITY_TRACKED));
    chains.add(filter("output_answers", NF_INET_LOCAL_OUT, PRIORITY_TRACKED));
    chains.add(filter("prerouting_last", NF_INET_PRE_ROUTING, PRIORITY_LAST));
    chains.add(filter(INPUT_LAST, NF_INET_LOCAL_IN, PRIORITY_LAST));
    chains.add(filter("forward_last", NF_INET_FORWARD, PRIORITY_LAST));
    chains.add(filter("output_last", NF_INET_LOCAL_OUT, PRIORITY_LAST));
    chains.add(filter(POSTROUTING_LAST, NF_INET_POST_ROUTING, PRIORITY_LAST));
    chains.forEach(batch::add);
    for (String hook : List.of("prerouting", "output")) {
      batch.add(asks(rule(hook + "_first"), question).goTo(QUESTION));
      for (PerFamily of : PerFamily.BOTH) {
        batch.add(answers(rule(hook + "_answers"), question, of).goTo(ANSWER));
      }
    }
    mark(batch, QUESTION, question.packetsPerSecond());
    for (PerFamily of : PerFamily.BOTH) {
      batch.add(
          rule(QUESTION)
              .match(Field.NFPROTO, of.nfproto)
              .with(of.saddr().load().apply(R1))
              .with(TH_SPORT.load().apply(Register.at(of.addressBytes)))
              .with(Dynset.update(of.asked, R1, 0))
              .build());
    }
    mark(batch, ANSWER, question.packetsPerSecond());
    return batch;
  }

  private static Chain filter(String name, int hook, int priority) {
    return Chain.base(ID, name, Hook.filter(hook, priority));
  }

  private static RuleBuilder rule(String chain) {
    return RuleBuilder.in(ID, chain);
  }

  private static RuleBuilder asks(RuleBuilder rule, TraceQuestion question) {
    rule.match(Field.L4PROTO, question.protocol().number())
        .match(Field.TH_DPORT, Bytes.ofU16be(question.port()));
    if (question.from().isPresent()) {
      IpAddress from = question.from().get();
      PerFamily of = from.family() == Family.IPV4 ? PerFamily.V4 : PerFamily.V6;
      rule.match(of.saddr(), Bytes.of(from.toBytes()));
    }
    // "local": what is forwarded through us to the same port elsewhere is not meant.
    return rule.destinationIsLocal();
  }

  /** By the connection, not by the packet's own header: an ICMP error is an answer too. */
  private static RuleBuilder answers(RuleBuilder rule, TraceQuestion question, PerFamily of) {
    return rule.match(CT_DIRECTION, Ct.REPLY)
        .match(CT_PROTOCOL, question.protocol().number())
        .match(CT_ASKED_PORT, Bytes.ofU16be(question.port()))
        .with(Ct.original(of.askerKey, R1))
        .with(Ct.original(NFT_CT_PROTO_SRC, Register.at(of.addressBytes)))
        .with(Lookup.in(of.asked, R1));
  }

  /** Counts all, lets pass who is too many, counts the others and sets their bit. */
  private static void mark(Batch batch, String chain, int packetsPerSecond) {
    batch
        .add(rule(chain).counter().build())
        .add(
            rule(chain)
                .with(
                    new Limit(
                        packetsPerSecond, 1, packetsPerSecond, NFT_LIMIT_PKTS, NFT_LIMIT_F_INV))
                .returns())
        .add(
            rule(chain)
                .counter()
                .with(Immediate.value(R1, Bytes.of((byte) 1)))
                .with(Meta.set(NFT_META_NFTRACE, R1))
                .build());
  }

  /** How many packets were too many for their second so far, by the counters of these rules. */
  static long skipped(List<Rule> rules) {
    long skipped = 0;
    for (String chain : List.of(QUESTION, ANSWER)) {
      List<Long> counters = new ArrayList<>();
      for (Rule rule : rules) {
        if (rule.chain().equals(chain)) {
          for (Expression expression : rule.expressions()) {
            if (expression instanceof Counter counter) {
              counters.add(counter.packets());
            }
          }
        }
      }
      if (counters.size() == 2) {
        // Packets pass between the reading of the one and of the other.
        skipped += Math.max(0, counters.get(0) - counters.get(1));
      }
    }
    return skipped;
  }
}
