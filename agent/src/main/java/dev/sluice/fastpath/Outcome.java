package dev.sluice.fastpath;

import dev.sluice.ffi.ShimField;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * What became of a packet that came by a device with the fast path, in the order of
 * native/bpf/shared.h (enum fast_outcome); compared when the programs are loaded. Whatever is not
 * carried took the slow path, as if there were no other.
 */
public enum Outcome {
  INWARD("carried into a container"),
  OUTWARD("carried out of an outer device"),
  OFF("switched off"),
  FRAME("not IP, tagged, or not for this host"),
  HEADER("options, a fragment, or lengths that contradict each other"),
  PROTOCOL("neither TCP nor UDP"),
  TTL("would expire here"),
  TCP_FLAGS("SYN, FIN or RST, or no ACK"),
  SAMPLED("of no known flow, and not looked at more closely"),
  UNKNOWN("conntrack knows no such flow"),
  STATE("not established in both directions, dying, marked, or with a helper or IPsec policies"),
  PLAIN("not translated"),
  YOUNG("too few packets so far"),
  STRICT("a connection whose window conntrack still watches"),
  UNASKED("the same, with too many of them at once"),
  TARGET("no container that is known, or the device of another one"),
  ROUTE("not where the routes lead, or not where they lead from"),
  FULL("no room for another flow"),
  LEARNED("the flow's next packet will be carried"),
  ENDED("of a flow that is carried no longer"),
  ELSEWHERE("came in by another device than the flow, or is not for routing"),
  MTU("larger than the exit allows"),
  TURN("sent through netfilter once a second, for the sake of the neighbour"),
  LATE("changed under way, or the kernel refused to write it");

  private final String text;

  Outcome(String text) {
    this.text = text;
  }

  /** For people: what it says of the packet. */
  public String text() {
    return text;
  }

  /** As in a metric's label: {@code tcp_flags}. */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** Whether the packet was carried. */
  public boolean isCarried() {
    return this == INWARD || this == OUTWARD;
  }

  /** The structure of the counters, as the library must export it. */
  static List<ShimField> layout() {
    List<ShimField> fields = new ArrayList<>();
    fields.add(new ShimField("fastpath", 0, values().length * Long.BYTES));
    for (Outcome outcome : values()) {
      int offset = (fields.size() - 1) * Long.BYTES;
      fields.add(new ShimField("fastpath." + outcome.label(), offset, Long.BYTES));
    }
    return List.copyOf(fields);
  }
}
