package dev.sluice.model;

import dev.sluice.net.Family;
import dev.sluice.net.Protocol;
import java.time.Duration;
import java.time.Instant;
import java.util.Collections;
import java.util.EnumSet;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;

/**
 * A conversation that the host tracks, as it was at one moment. Whatever the source did not say is
 * empty.
 *
 * @param id identifies the flow while it lives, 0 to 4294967295; may be used again afterwards, so
 *     compare the start time too
 * @param original the direction of the first packet, before translation
 * @param reply the direction of the answers, before they are translated back: its source is where
 *     the first packet really went
 * @param status what is known about it
 * @param tcpState the state, for tcp only
 * @param mark the number that rules gave it, 0 to 4294967295, 0 if none did
 * @param zone the zone it is tracked in, 0 to 65535, 0 unless rules say otherwise
 * @param timeoutSeconds after how many seconds without a packet it is forgotten
 * @param originalCounters what went in the original direction
 * @param replyCounters what went in the reply direction
 * @param startedAt when its first packet came
 * @param endedAt when it was removed
 */
public record Flow(
    long id,
    FlowTuple original,
    FlowTuple reply,
    Set<FlowStatus> status,
    Optional<TcpState> tcpState,
    long mark,
    int zone,
    OptionalInt timeoutSeconds,
    Optional<FlowCounters> originalCounters,
    Optional<FlowCounters> replyCounters,
    Optional<Instant> startedAt,
    Optional<Instant> endedAt) {

  private static final long MAX_32_BITS = 0xffff_ffffL;

  /**
   * Copies the set and checks the ranges.
   *
   * @throws IllegalArgumentException if a number is out of range or the tuples differ in protocol
   */
  public Flow {
    if (id < 0 || id > MAX_32_BITS || mark < 0 || mark > MAX_32_BITS || zone < 0 || zone > 0xffff) {
      throw new IllegalArgumentException(
          "out of range: id=" + id + ", mark=" + mark + ", zone=" + zone);
    }
    if (original.protocol() != reply.protocol()) {
      throw new IllegalArgumentException(
          "a flow has one protocol: original=" + original + ", reply=" + reply);
    }
    EnumSet<FlowStatus> copy = EnumSet.noneOf(FlowStatus.class);
    copy.addAll(status);
    status = Collections.unmodifiableSet(copy);
  }

  /** The family of the original direction. */
  public Family family() {
    return original.family();
  }

  /** The name of the protocol, or its number where we know no name. */
  public String protocolName() {
    return Protocol.nameOf(original.protocol());
  }

  /** The flow with what was carried added to its counters, if it has any. */
  public Flow plus(Carried carried) {
    return new Flow(
        id,
        original,
        reply,
        status,
        tcpState,
        mark,
        zone,
        timeoutSeconds,
        originalCounters.map(carried.original()::plus),
        replyCounters.map(carried.reply()::plus),
        startedAt,
        endedAt);
  }

  /** Whether an address or a port is translated on the way. */
  public boolean isTranslated() {
    return status.contains(FlowStatus.SRC_NAT) || status.contains(FlowStatus.DST_NAT);
  }

  /** How long it lived, empty while it lives or if its start or end is unknown. */
  public Optional<Duration> lifetime() {
    return startedAt.flatMap(start -> endedAt.map(end -> Duration.between(start, end)));
  }
}
