package dev.sluice.model;

import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;

/**
 * One packet's way through the host.
 *
 * @param time when it was first seen
 * @param id tells it from others at about the same time
 * @param way whether it asks or answers
 * @param header what it looked like when it was first seen
 * @param tcpFlags of a tcp packet, such as {@code syn,ack}
 * @param in the device it came in by; empty if a program on this host sent it
 * @param connection the connection it belongs to, by the id that events have; empty if it is not
 *     known
 * @param connectionState {@code new}, {@code established}, {@code related}, {@code invalid} or
 *     {@code untracked}; empty if it is not known
 * @param steps what happened to it, in order
 * @param end what became of it
 */
public record TracedPacket(
    Instant time,
    String id,
    Way way,
    FlowTuple header,
    Optional<String> tcpFlags,
    Optional<String> in,
    OptionalLong connection,
    Optional<String> connectionState,
    List<Step> steps,
    End end) {

  public TracedPacket {
    steps = List.copyOf(steps);
  }

  /** Which way a packet goes. */
  public enum Way {
    /** To the port. */
    QUESTION("question"),
    /** Back from it, of a connection one of whose questions was followed. */
    ANSWER("answer");

    private final String text;

    Way(String text) {
      this.text = text;
    }

    /** The lower-case word. */
    @Override
    public String toString() {
      return text;
    }
  }

  /** Something that happened to it. */
  public sealed interface Step {
    /** Where on its way: {@code prerouting}, {@code input}, {@code forward}, {@code output} … */
    String hook();
  }

  /**
   * It passed through a chain that is called at a hook, and what that jumps to.
   *
   * @param hook where
   * @param priority lower ones come earlier; empty if the chain is gone
   * @param table its table, as in {@code inet sluice}
   * @param chain its name
   * @param rules those that matched to their end
   * @param verdict {@code accept}, {@code drop} …
   * @param byPolicy whether no rule decided, but the chain's policy
   */
  public record AtChain(
      String hook,
      OptionalInt priority,
      String table,
      String chain,
      List<AtRule> rules,
      String verdict,
      boolean byPolicy)
      implements Step {
    public AtChain {
      rules = List.copyOf(rules);
    }
  }

  /**
   * A rule matched to its end.
   *
   * @param chain the chain it stands in
   * @param rule its text
   * @param verdict {@code continue}, {@code jump CHAIN}, {@code goto CHAIN}, {@code return}, {@code
   *     accept}, {@code drop} …
   */
  public record AtRule(String chain, String rule, String verdict) {}

  /**
   * Its addresses were changed.
   *
   * @param hook where
   * @param before what it was
   * @param after what it is from here on
   * @param asItsConnection whether it is changed because the first packet of its connection was; no
   *     rule is asked for it then
   */
  public record Translated(String hook, FlowTuple before, FlowTuple after, boolean asItsConnection)
      implements Step {}

  /**
   * What became of it.
   *
   * @param outcome what
   * @param hook where it was seen last
   * @param header what it was when it was seen last
   * @param device by which it left; empty if it did not
   * @param culprit of a dropped packet: whose work that was
   */
  public record End(
      Outcome outcome,
      String hook,
      FlowTuple header,
      Optional<String> device,
      Optional<Culprit> culprit) {

    /** One sentence without a full stop. */
    public String sentence() {
      return switch (outcome) {
        case SENT -> "left by " + device.orElse("an unknown device") + " as " + header;
        case DELIVERED -> "was delivered to this host itself as " + header;
        case DROPPED -> "was dropped by " + culprit.map(Culprit::toString).orElse("a rule");
        case TAKEN ->
            "was taken out and handled by " + culprit.map(Culprit::toString).orElse("a rule");
        case VANISHED ->
            "was not seen again behind "
                + hook
                + ": "
                + (hook.equals("prerouting")
                    ? "there is no route, the reverse path filter or a switched-off ip_forward"
                        + " refused it, or "
                    : "")
                + "something other than nf_tables discarded it or holds it";
        case UNKNOWN -> "was last seen at " + hook + "; what was told of it is incomplete";
      };
    }
  }

  /** What becomes of packets. */
  public enum Outcome {
    /** Left by a device. */
    SENT("sent"),
    /** Was handed to this host's own sockets. */
    DELIVERED("delivered"),
    /** Was dropped by a rule or a policy. */
    DROPPED("dropped"),
    /** Was taken out by a rule that answers it itself, such as one with synproxy. */
    TAKEN("taken"),
    /** Was not seen again. */
    VANISHED("vanished"),
    /** Part of what was told of it is missing. */
    UNKNOWN("unknown");

    private final String text;

    Outcome(String text) {
      this.text = text;
    }

    /** The lower-case word. */
    @Override
    public String toString() {
      return text;
    }
  }

  /**
   * What dropped a packet.
   *
   * @param hook where
   * @param table its table, as in {@code inet sluice}
   * @param chain the chain
   * @param rule the rule's text; empty if it was the chain's policy
   */
  public record Culprit(String hook, String table, String chain, Optional<String> rule) {
    /** {@code the rule "ip saddr 198.18.0.2 drop" in chain input of table inet filter (input)}. */
    @Override
    public String toString() {
      return rule.map(text -> "the rule \"" + text + "\" in").orElse("the policy of")
          + " chain "
          + chain
          + " of table "
          + table
          + " ("
          + hook
          + ")";
    }
  }
}
