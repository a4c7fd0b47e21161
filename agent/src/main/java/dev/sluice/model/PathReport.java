package dev.sluice.model;

import dev.sluice.net.Protocol;
import java.util.List;
import java.util.OptionalInt;

/**
 * What becomes of first packets: the answer to a {@link PathQuestion}.
 *
 * @param ways one for each sender and address that was asked about
 */
public record PathReport(List<Way> ways) {
  public PathReport {
    ways = List.copyOf(ways);
  }

  /** What becomes of a packet in the end. */
  public enum Outcome {
    /** It reaches somebody who takes it. */
    ARRIVES,
    /** Somebody drops it, and the sender waits in vain. */
    DROPPED,
    /** Somebody refuses it, and the sender is told. */
    REJECTED,
    /** It arrives, but nothing listens there: the sender is told that too. */
    REFUSED,
    /** It has no way to go. */
    UNREACHABLE
  }

  /**
   * The way of one packet.
   *
   * @param title who sends it: {@code from outside}
   * @param from the address it comes from
   * @param to the address it is sent to
   * @param port the port it is sent to
   * @param protocol tcp, udp or sctp
   * @param steps what it meets, in order
   * @param outcome what becomes of it
   * @param certain whether it cannot come otherwise; {@code conditions} say what it depends on
   * @param verdict the same in one sentence
   * @param remedy what to do so that it arrives, empty if it does
   * @param conditions what could make it otherwise, and how then; empty if it is certain
   */
  public record Way(
      String title,
      String from,
      String to,
      int port,
      Protocol protocol,
      List<Step> steps,
      Outcome outcome,
      boolean certain,
      String verdict,
      String remedy,
      List<String> conditions) {
    public Way {
      steps = List.copyOf(steps);
      conditions = List.copyOf(conditions);
    }
  }

  /**
   * One thing a packet meets.
   *
   * @param hook where that is: {@code prerouting}, {@code routing}, {@code forward} …
   * @param place what it is: {@code table inet sluice, chain forward}
   * @param priority of the chain among those at the same hook, lower first; empty for what is none
   * @param rule the rule that decided, in the words of its tool, or {@code policy accept}
   * @param effect what that does: {@code goes on}, {@code dropped}, {@code to 172.30.0.2:80}
   * @param packet the addresses behind it: {@code 198.18.0.2 → 172.30.0.2:80}
   */
  public record Step(
      String hook, String place, OptionalInt priority, String rule, String effect, String packet) {}
}
