package dev.sluice.nftables.expr;

import static dev.sluice.nftables.expr.Decoding.ABSENT;
import static dev.sluice.nftables.expr.Decoding.present;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_OBJREF_IMM_NAME;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_OBJREF_IMM_TYPE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_OBJREF_SET_ID;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_OBJREF_SET_NAME;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_OBJREF_SET_SREG;

import dev.sluice.netlink.AttributeCursor;
import dev.sluice.netlink.MessageWriter;
import java.nio.charset.StandardCharsets;

/**
 * Runs a named object of the table, or the one a map has for a key ({@code enum
 * nft_objref_attributes}).
 */
public sealed interface Objref extends Expression {
  /** NFTA_EXPR_NAME. */
  public static final String NAME = "objref";

  /**
   * The object of that name.
   *
   * @param type NFT_OBJECT_*
   * @param object its name
   */
  record Named(int type, String object) implements Objref {
    @Override
    public void encode(MessageWriter out) {
      out.attrU32be(NFTA_OBJREF_IMM_TYPE, type);
      text(out, NFTA_OBJREF_IMM_NAME, object);
    }

    @Override
    public String toString() {
      return "objref type " + type + " name " + object;
    }
  }

  /**
   * The object the map has for the key.
   *
   * @param sreg where the key starts
   * @param map the map's name
   * @param mapId how a map of the same batch is known; 0 for none. The kernel reports it too
   */
  record Mapped(int sreg, String map, int mapId) implements Objref {
    @Override
    public void encode(MessageWriter out) {
      out.attrU32be(NFTA_OBJREF_SET_SREG, sreg);
      text(out, NFTA_OBJREF_SET_NAME, map);
      if (mapId != 0) {
        out.attrU32be(NFTA_OBJREF_SET_ID, mapId);
      }
    }

    @Override
    public String toString() {
      return "objref sreg " + sreg + " set " + map;
    }
  }

  @Override
  default String name() {
    return NAME;
  }

  /** Reads the content of NFTA_EXPR_DATA. */
  static Objref decode(AttributeCursor inside) {
    int type = ABSENT;
    String object = null;
    int sreg = ABSENT;
    String map = null;
    int mapId = 0;
    while (inside.next()) {
      switch (inside.type()) {
        case NFTA_OBJREF_IMM_TYPE -> type = inside.u32be();
        case NFTA_OBJREF_IMM_NAME -> object = inside.string();
        case NFTA_OBJREF_SET_SREG -> sreg = inside.u32be();
        case NFTA_OBJREF_SET_NAME -> map = inside.string();
        case NFTA_OBJREF_SET_ID -> mapId = inside.u32be();
        default -> {}
      }
    }
    if (sreg != ABSENT) {
      return new Mapped(sreg, present(map, "NFTA_OBJREF_SET_NAME"), mapId);
    }
    return new Named(
        present(type, "NFTA_OBJREF_IMM_TYPE"), present(object, "NFTA_OBJREF_IMM_NAME"));
  }

  /** These two names go without the terminating NUL that all others have. */
  private static void text(MessageWriter out, int type, String value) {
    out.attrBytes(type, value.getBytes(StandardCharsets.UTF_8));
  }
}
