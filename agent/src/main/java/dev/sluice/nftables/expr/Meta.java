package dev.sluice.nftables.expr;

import static dev.sluice.nftables.expr.Decoding.ABSENT;
import static dev.sluice.nftables.expr.Decoding.present;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_META_DREG;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_META_KEY;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_META_SREG;

import dev.sluice.netlink.AttributeCursor;
import dev.sluice.netlink.MessageWriter;
import java.util.List;

/**
 * Reads a property of the packet into a register, or sets it from one ({@code enum
 * nft_meta_attributes}).
 *
 * @param key NFT_META_* ({@code enum nft_meta_keys})
 * @param register where the value goes to, or comes from
 * @param set whether the property is set
 */
public record Meta(int key, int register, boolean set) implements Expression {
  /** NFTA_EXPR_NAME. */
  public static final String NAME = "meta";

  private static final List<String> KEYS =
      List.of(
          "len",
          "protocol",
          "priority",
          "mark",
          "iif",
          "oif",
          "iifname",
          "oifname",
          "iiftype",
          "oiftype",
          "skuid",
          "skgid",
          "nftrace",
          "rtclassid",
          "secmark",
          "nfproto",
          "l4proto",
          "bri_iifname",
          "bri_oifname",
          "pkttype",
          "cpu",
          "iifgroup",
          "oifgroup",
          "cgroup",
          "prandom",
          "secpath",
          "iifkind",
          "oifkind",
          "bri_iifpvid",
          "bri_iifvproto",
          "time",
          "day",
          "hour",
          "sdif",
          "sdifname");

  /** Reads {@code key} into {@code dreg}. */
  public static Meta load(int key, int dreg) {
    return new Meta(key, dreg, false);
  }

  /** Sets {@code key} from {@code sreg}: the mark, the priority, nftrace. */
  public static Meta set(int key, int sreg) {
    return new Meta(key, sreg, true);
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public void encode(MessageWriter out) {
    out.attrU32be(NFTA_META_KEY, key);
    out.attrU32be(set ? NFTA_META_SREG : NFTA_META_DREG, register);
  }

  /** Reads the content of NFTA_EXPR_DATA. */
  public static Meta decode(AttributeCursor inside) {
    int key = ABSENT;
    int register = ABSENT;
    boolean set = false;
    while (inside.next()) {
      switch (inside.type()) {
        case NFTA_META_KEY -> key = inside.u32be();
        case NFTA_META_DREG -> register = inside.u32be();
        case NFTA_META_SREG -> {
          register = inside.u32be();
          set = true;
        }
        default -> {}
      }
    }
    return new Meta(
        present(key, "NFTA_META_KEY"), present(register, "NFTA_META_DREG or SREG"), set);
  }

  @Override
  public String toString() {
    String name = Text.name(KEYS, key);
    return set
        ? "meta set " + name + " with reg " + register
        : "meta load " + name + " => reg " + register;
  }
}
