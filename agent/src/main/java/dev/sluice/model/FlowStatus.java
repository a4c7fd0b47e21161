package dev.sluice.model;

import java.util.Collections;
import java.util.EnumSet;
import java.util.Set;

/**
 * What is known about a flow; several hold at once.
 *
 * <p>The constants stand in the order of the bits of the status word, lowest first, as {@code
 * linux/netfilter/nf_conntrack_common.h} numbers them ({@code IPS_*}).
 */
public enum FlowStatus {
  /** An earlier flow announced this one, as an FTP control connection its data. */
  EXPECTED("expected"),
  /** Packets went in both directions. */
  SEEN_REPLY("seen_reply"),
  /** Established well enough not to be dropped early when the table is full. */
  ASSURED("assured"),
  /** Its first packet left the host, so it is in the table. */
  CONFIRMED("confirmed"),
  /** Its source address or port is translated. */
  SRC_NAT("snat"),
  /** Its destination address or port is translated, as that of every published port. */
  DST_NAT("dnat"),
  /** TCP sequence numbers are adjusted because a payload was rewritten. */
  SEQ_ADJUST("seq_adjust"),
  /** The source translation has been decided, which may be none. */
  SRC_NAT_DONE("snat_done"),
  /** The destination translation has been decided, which may be none. */
  DST_NAT_DONE("dnat_done"),
  /** It has been removed and is only waiting to be freed. */
  DYING("dying"),
  /** Its timeout does not change with traffic. */
  FIXED_TIMEOUT("fixed_timeout"),
  /** Not a flow but a pattern for others. */
  TEMPLATE("template"),
  /** It lost against another flow that was entered at the same time. */
  NAT_CLASH("nat_clash"),
  /** A helper for its protocol was assigned by a rule. */
  HELPER("helper"),
  /** A flow table carries it past the rules. */
  OFFLOAD("offload"),
  /** The network card carries it. */
  HW_OFFLOAD("hw_offload");

  private static final FlowStatus[] BY_BIT = values();

  private final String text;

  FlowStatus(String text) {
    this.text = text;
  }

  /** The statuses in a status word; bits that have no name here are left out. */
  public static Set<FlowStatus> ofBits(int statusBits) {
    Set<FlowStatus> statuses = EnumSet.noneOf(FlowStatus.class);
    for (int bit = 0; bit < BY_BIT.length; bit++) {
      if ((statusBits >>> bit & 1) != 0) {
        statuses.add(BY_BIT[bit]);
      }
    }
    return Collections.unmodifiableSet(statuses);
  }

  /** The lower-case name in output. */
  @Override
  public String toString() {
    return text;
  }
}
