package dev.sluice.conntrack;

import dev.sluice.net.Family;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;

/**
 * An entry of the connection tracking table, as a dump, a get or an event shows it. What the kernel
 * leaves out because it has the default value (mark, zone) is filled in; what it leaves out because
 * it is not known is empty.
 *
 * @param id names the entry while it lives, unsigned 32 bits; used again afterwards, even for the
 *     same tuple
 * @param original the direction of the first packet, before translation
 * @param reply the direction of the answers, before they are translated back
 * @param status IPS_* bits
 * @param mark ct mark, 32 bits, 0 if none was set
 * @param originalZone the zone that the original tuple is unique in, 0 to 65535
 * @param replyZone the zone that the reply tuple is unique in; differs from the other only if a
 *     rule set the zone for one direction ({@code ct original zone set})
 * @param timeoutSeconds after how many seconds without a packet it is forgotten; empty when it has
 *     ended
 * @param tcpState TCP_CONNTRACK_*, for TCP only, and in events only when it changed
 * @param originalCounters what went in the original direction; needs nf_conntrack_acct, and in
 *     events comes with the end only
 * @param replyCounters as originalCounters
 * @param startNanos when the first packet came, ns since 1970; needs nf_conntrack_timestamp
 * @param stopNanos when the entry was removed, ns since 1970
 * @param helper the helper assigned to it ({@code ftp})
 */
public record ConntrackEntry(
    long id,
    Tuple original,
    Tuple reply,
    int status,
    int mark,
    int originalZone,
    int replyZone,
    OptionalLong timeoutSeconds,
    OptionalInt tcpState,
    Optional<Counters> originalCounters,
    Optional<Counters> replyCounters,
    OptionalLong startNanos,
    OptionalLong stopNanos,
    Optional<String> helper) {

  /** The family of the original direction. */
  public Family family() {
    return original.family();
  }

  /** The IP protocol number of both directions. */
  public int protocol() {
    return original.protocol();
  }

  /** The zone if it was set for any direction, as {@code conntrack -w} means it. */
  public int zone() {
    return originalZone != 0 ? originalZone : replyZone;
  }

  /** Whether the destination is translated, as that of every published port is. */
  public boolean isDnat() {
    return has(LinuxNfConntrack.IPS_DST_NAT);
  }

  /** Whether the source is translated. */
  public boolean isSnat() {
    return has(LinuxNfConntrack.IPS_SRC_NAT);
  }

  /** Whether packets went in both directions. */
  public boolean isAnswered() {
    return has(LinuxNfConntrack.IPS_SEEN_REPLY);
  }

  /** Whether the kernel keeps it when the table is full. */
  public boolean isAssured() {
    return has(LinuxNfConntrack.IPS_ASSURED);
  }

  /** Whether all of {@code statusBits} (IPS_*) are set. */
  public boolean has(int statusBits) {
    return (status & statusBits) == statusBits;
  }
}
