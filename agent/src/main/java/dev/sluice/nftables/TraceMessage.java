package dev.sluice.nftables;

import static dev.sluice.nftables.uapi.LinuxNfTables.*;

import dev.sluice.net.Bytes;
import dev.sluice.netlink.AttributeCursor;
import dev.sluice.netlink.LinuxNetlink;
import dev.sluice.netlink.MalformedMessageException;
import dev.sluice.netlink.MessageCursor;
import dev.sluice.nftables.expr.Verdict;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * One step of a packet whose nftrace bit is set, as the kernel tells it (NFT_MSG_TRACE, {@code enum
 * nft_trace_attributes} of linux/netfilter/nf_tables.h).
 *
 * <p>Each run of a base chain tells the packet once, in its first message: there {@link #packet} is
 * present.
 *
 * @param table where it happened
 * @param chain the chain the rule stands in, or the base chain whose policy it is
 * @param type NFT_TRACETYPE_RULE: a rule matched to its end, or the base chain did without one;
 *     NFT_TRACETYPE_RETURN: the same on older kernels, where nothing was decided;
 *     NFT_TRACETYPE_POLICY: the base chain's policy decided
 * @param ruleHandle the rule; empty for a policy, and for the end of a chain no rule of which
 *     decided
 * @param verdict what is done with the packet; of a policy its NF_ACCEPT or NF_DROP
 * @param id the kernel's name of the packet. It stays the same on the packet's way through the
 *     host, and is used again for others later
 * @param mark the packet's mark
 * @param packet what the packet looked like when the base chain began with it
 * @param connection which connection it belongs to; empty before connection tracking, without it,
 *     and on kernels before 6.16
 */
public record TraceMessage(
    TableId table,
    String chain,
    int type,
    OptionalLong ruleHandle,
    Verdict verdict,
    int id,
    int mark,
    Optional<Packet> packet,
    Optional<Connection> connection) {

  /** sizeof(struct nfgenmsg). */
  private static final int HEADER_BYTES = 4;

  /**
   * A packet.
   *
   * @param family NFPROTO_IPV4, NFPROTO_IPV6, … of the packet, whatever the table's is
   * @param inIndex the interface it came in by; 0 where there is none
   * @param inType ARPHRD_* of that
   * @param outIndex the interface it will leave by; 0 where there is none, or none yet
   * @param outType ARPHRD_* of that
   * @param link its link layer header, up to 20 bytes; empty where there is none
   * @param network its network header, up to 40 bytes
   * @param transport what follows, up to 20 bytes; empty for a fragment
   */
  public record Packet(
      int family,
      int inIndex,
      int inType,
      int outIndex,
      int outType,
      Bytes link,
      Bytes network,
      Bytes transport) {}

  /**
   * The connection a packet belongs to.
   *
   * @param id as CTA_ID of ctnetlink, in network byte order; 0 for none
   * @param direction IP_CT_DIR_ORIGINAL or IP_CT_DIR_REPLY
   * @param status IPS_* bits
   * @param state NF_CT_STATE_* bit: established 2, related 4, new 8, untracked 64
   */
  public record Connection(int id, int direction, int status, int state) {}

  /**
   * Reads a message of NFNLGRP_NFTRACE.
   *
   * @return empty if it is of another kind
   * @throws MalformedMessageException if it is cut short, or lacks what all of them have
   */
  static Optional<TraceMessage> decode(MessageCursor message) {
    if (message.subsystem() != LinuxNetlink.NFNL_SUBSYS_NFTABLES
        || message.subtype() != NFT_MSG_TRACE) {
      return Optional.empty();
    }
    return Optional.of(new Decoder().decode(message.headerU8(0), message.attributes(HEADER_BYTES)));
  }

  private static final class Decoder {
    private String table = "";
    private String chain = "";
    private int type;
    private OptionalLong handle = OptionalLong.empty();
    private Optional<Verdict> verdict = Optional.empty();
    private int id;
    private int mark;
    private int family;
    private int inIndex;
    private int inType;
    private int outIndex;
    private int outType;
    private Bytes link = Bytes.EMPTY;
    private Bytes network = Bytes.EMPTY;
    private Bytes transport = Bytes.EMPTY;
    private boolean tracked;
    private int connection;
    private int direction;
    private int status;
    private int state;

    TraceMessage decode(int tableFamily, AttributeCursor in) {
      while (in.next()) {
        read(in);
      }
      if (table.isEmpty() || chain.isEmpty() || type == 0 || verdict.isEmpty()) {
        throw new MalformedMessageException(
            "a trace message without NFTA_TRACE_TABLE, _CHAIN, _TYPE, _VERDICT or _POLICY");
      }
      return new TraceMessage(
          new TableId(tableFamily, table),
          chain,
          type,
          handle,
          verdict.get(),
          id,
          mark,
          network.length() == 0
              ? Optional.empty()
              : Optional.of(
                  new Packet(family, inIndex, inType, outIndex, outType, link, network, transport)),
          tracked
              ? Optional.of(new Connection(connection, direction, status, state))
              : Optional.empty());
    }

    private void read(AttributeCursor in) {
      switch (in.type()) {
        case NFTA_TRACE_TABLE -> table = in.string();
        case NFTA_TRACE_CHAIN -> chain = in.string();
        case NFTA_TRACE_TYPE -> type = in.u32be();
        case NFTA_TRACE_RULE_HANDLE -> handle = OptionalLong.of(in.u64be());
        case NFTA_TRACE_VERDICT -> verdict = Optional.of(Verdict.read(in.nested()));
        case NFTA_TRACE_POLICY -> verdict = Optional.of(new Verdict(in.u32be(), null));
        case NFTA_TRACE_ID -> id = in.u32be();
        case NFTA_TRACE_MARK -> mark = in.u32be();
        case NFTA_TRACE_NFPROTO -> family = in.u32be();
        case NFTA_TRACE_IIF -> inIndex = in.u32be();
        case NFTA_TRACE_IIFTYPE -> inType = in.u16be();
        case NFTA_TRACE_OIF -> outIndex = in.u32be();
        case NFTA_TRACE_OIFTYPE -> outType = in.u16be();
        case NFTA_TRACE_LL_HEADER -> link = Bytes.of(in.bytes());
        case NFTA_TRACE_NETWORK_HEADER -> network = Bytes.of(in.bytes());
        case NFTA_TRACE_TRANSPORT_HEADER -> transport = Bytes.of(in.bytes());
        default -> readConnection(in);
      }
    }

    private void readConnection(AttributeCursor in) {
      switch (in.type()) {
        case NFTA_TRACE_CT_ID -> connection = in.u32be();
        case NFTA_TRACE_CT_DIRECTION -> direction = in.u8();
        case NFTA_TRACE_CT_STATUS -> status = in.u32be();
        case NFTA_TRACE_CT_STATE -> {
          state = in.u32be();
          tracked = true;
        }
        default -> {}
      }
    }
  }
}
