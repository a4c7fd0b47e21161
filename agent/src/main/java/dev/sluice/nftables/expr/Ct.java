package dev.sluice.nftables.expr;

import static dev.sluice.nftables.expr.Decoding.ABSENT;
import static dev.sluice.nftables.expr.Decoding.present;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_CT_DIRECTION;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_CT_DREG;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_CT_KEY;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_CT_SREG;

import dev.sluice.netlink.AttributeCursor;
import dev.sluice.netlink.MessageWriter;
import java.util.List;

/**
 * Reads a property of the packet's connection into a register, or sets it from one ({@code enum
 * nft_ct_attributes}).
 *
 * @param key NFT_CT_* ({@code enum nft_ct_keys})
 * @param register where the value goes to, or comes from
 * @param set whether the property is set
 * @param direction {@link #ORIGINAL}, {@link #REPLY} or {@link #EITHER}; addresses and ports need
 *     one
 */
public record Ct(int key, int register, boolean set, int direction) implements Expression {
  /** NFTA_EXPR_NAME. */
  public static final String NAME = "ct";

  /**
   * IP_CT_DIR_ORIGINAL: as the connection's first packet
   * (linux/netfilter/nf_conntrack_tuple_common.h).
   */
  public static final int ORIGINAL = 0;

  /** IP_CT_DIR_REPLY: as the packets that answer it. */
  public static final int REPLY = 1;

  /** No direction is given; counters are the sum of both. */
  public static final int EITHER = -1;

  private static final List<String> KEYS =
      List.of(
          "state",
          "direction",
          "status",
          "mark",
          "secmark",
          "expiration",
          "helper",
          "l3protocol",
          "src",
          "dst",
          "protocol",
          "proto_src",
          "proto_dst",
          "label",
          "packets",
          "bytes",
          "avgpkt",
          "zone",
          "event",
          "src_ip",
          "dst_ip",
          "src_ip6",
          "dst_ip6",
          "id");

  /** Reads {@code key} into {@code dreg}. */
  public static Ct load(int key, int dreg) {
    return new Ct(key, dreg, false, EITHER);
  }

  /** Reads {@code key} of the original direction into {@code dreg}. */
  public static Ct original(int key, int dreg) {
    return new Ct(key, dreg, false, ORIGINAL);
  }

  /** Reads {@code key} of the reply direction into {@code dreg}. */
  public static Ct reply(int key, int dreg) {
    return new Ct(key, dreg, false, REPLY);
  }

  /** Sets {@code key} from {@code sreg}: the mark, the zone. */
  public static Ct set(int key, int sreg) {
    return new Ct(key, sreg, true, EITHER);
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public void encode(MessageWriter out) {
    out.attrU32be(NFTA_CT_KEY, key);
    if (!set) {
      out.attrU32be(NFTA_CT_DREG, register);
    }
    if (direction != EITHER) {
      out.attrU8(NFTA_CT_DIRECTION, direction);
    }
    if (set) {
      out.attrU32be(NFTA_CT_SREG, register);
    }
  }

  /** Reads the content of NFTA_EXPR_DATA. */
  public static Ct decode(AttributeCursor inside) {
    int key = ABSENT;
    int register = ABSENT;
    boolean set = false;
    int direction = EITHER;
    while (inside.next()) {
      switch (inside.type()) {
        case NFTA_CT_KEY -> key = inside.u32be();
        case NFTA_CT_DREG -> register = inside.u32be();
        case NFTA_CT_SREG -> {
          register = inside.u32be();
          set = true;
        }
        case NFTA_CT_DIRECTION -> direction = inside.u8();
        default -> {}
      }
    }
    return new Ct(
        present(key, "NFTA_CT_KEY"), present(register, "NFTA_CT_DREG or SREG"), set, direction);
  }

  @Override
  public String toString() {
    String name = Text.name(KEYS, key);
    return (set
            ? "ct set " + name + " with reg " + register
            : "ct load " + name + " => reg " + register)
        + (direction == EITHER
            ? ""
            : " , dir " + Text.name(List.of("original", "reply"), direction));
  }
}
