package dev.sluice.flow;

import static dev.sluice.conntrack.FlowRecordDescriptor.REPLY_DST_OFFSET;
import static dev.sluice.conntrack.FlowRecordDescriptor.REPLY_SRC_OFFSET;

import dev.sluice.conntrack.EntryReader;
import dev.sluice.conntrack.FlowRecord;
import dev.sluice.conntrack.LinuxNfConntrack;
import dev.sluice.conntrack.Tuple;
import dev.sluice.net.Protocol;
import java.util.HashMap;
import java.util.Map;

/**
 * Counts which source ports are in use: where a connection is given another source, its answers
 * must come from one end to one address at a port that no other has.
 *
 * <p>The kernel chooses within a range that depends on the port that the connection had
 * (nf_nat_l4proto_unique_tuple in net/netfilter/nf_nat_core.c): 1 to 511, 600 to 1023, or 1024 to
 * 65535; of identifiers of echo requests it has all 65,536.
 */
final class PortCensus {
  private static final int MANY = 64_512;
  private static final int OF_ECHO = 65_536;
  private static final int FEW = 511;
  private static final int FEWER = 424;

  /** The end that answers, and the address that it answers to; as they lie in memory. */
  private record Between(
      int protocol,
      int answeringPort,
      int range,
      long answeringHigh,
      long answeringLow,
      long answeredHigh,
      long answeredLow) {}

  private static final class Count {
    private final Tuple reply;
    private int connections;

    Count(Tuple reply) {
      this.reply = reply;
    }
  }

  private final Map<Between, Count> counts = new HashMap<>();
  private long seen;

  private PortCensus() {}

  /**
   * Counts until the entries or the time are at an end. What is left then is taken to be as what
   * was seen: the kernel goes through its table in the order of a hash.
   *
   * @param entries the table; is read, and not closed
   * @param size how many entries there are
   * @param deadlineNanos as from {@link System#nanoTime}
   */
  static PortUse take(EntryReader entries, long size, long deadlineNanos) {
    PortCensus census = new PortCensus();
    boolean complete = false;
    do {
      complete = !entries.read(census::count);
    } while (!complete && System.nanoTime() < deadlineNanos);
    return complete ? census.fullest() : census.fullest().ofAll(census.seen, size);
  }

  private void count(FlowRecord flow) {
    seen++;
    if ((flow.status() & LinuxNfConntrack.IPS_SRC_NAT) == 0) {
      return;
    }
    int range;
    int answeringPort = 0;
    if (flow.hasPorts()) {
      int port = flow.replyDestinationPort();
      range = port < 512 ? FEW : port < 1024 ? FEWER : MANY;
      answeringPort = flow.replySourcePort();
    } else if (flow.hasIcmp()) {
      range = OF_ECHO;
    } else {
      return;
    }
    Between between =
        new Between(
            flow.protocol(),
            answeringPort,
            range,
            flow.rawLong(REPLY_SRC_OFFSET),
            flow.rawLong(REPLY_SRC_OFFSET + Long.BYTES),
            flow.rawLong(REPLY_DST_OFFSET),
            flow.rawLong(REPLY_DST_OFFSET + Long.BYTES));
    counts.computeIfAbsent(between, key -> new Count(flow.reply())).connections++;
  }

  private PortUse fullest() {
    PortUse fullest = PortUse.NONE;
    for (Map.Entry<Between, Count> one : counts.entrySet()) {
      int used = one.getValue().connections;
      int range = one.getKey().range();
      if ((long) used * fullest.range() > (long) fullest.used() * range) {
        fullest = new PortUse(where(one.getValue().reply), used, range, true);
      }
    }
    return fullest;
  }

  private static String where(Tuple reply) {
    String address = reply.source().toString();
    String name = Protocol.nameOf(reply.protocol());
    return reply.destination()
        + " to "
        + (reply.detail() instanceof Tuple.Ports ports
            ? (address.contains(":") ? "[" + address + "]" : address)
                + ":"
                + ports.source()
                + "/"
                + name
            : address + " (" + name + ")");
  }
}
