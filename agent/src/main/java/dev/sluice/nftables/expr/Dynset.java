package dev.sluice.nftables.expr;

import static dev.sluice.nftables.expr.Decoding.ABSENT;
import static dev.sluice.nftables.expr.Decoding.present;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_DYNSET_EXPR;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_DYNSET_EXPRESSIONS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_DYNSET_FLAGS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_DYNSET_OP;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_DYNSET_SET_ID;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_DYNSET_SET_NAME;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_DYNSET_SREG_DATA;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_DYNSET_SREG_KEY;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_DYNSET_TIMEOUT;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_DYNSET_F_EXPR;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_DYNSET_F_INV;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_DYNSET_OP_ADD;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_DYNSET_OP_DELETE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_DYNSET_OP_UPDATE;

import dev.sluice.netlink.AttributeCursor;
import dev.sluice.netlink.MessageWriter;
import java.util.List;

/**
 * Changes a set from the packet path ({@code enum nft_dynset_attributes}).
 *
 * @param op NFT_DYNSET_OP_* ({@code enum nft_dynset_ops})
 * @param set its name
 * @param setId NFTA_DYNSET_SET_ID, how a set of the same batch is known; 0 for none. The kernel
 *     never reports it
 * @param sregKey where the element's key starts
 * @param sregData where its data starts, or {@link Register#NONE}
 * @param timeoutMillis the element's timeout in milliseconds; 0 for the set's
 * @param expressions what the element carries and the packet meets
 * @param inverted whether the rule ends if the element could be added
 */
public record Dynset(
    int op,
    String set,
    int setId,
    int sregKey,
    int sregData,
    long timeoutMillis,
    List<Expression> expressions,
    boolean inverted)
    implements Expression {
  /** NFTA_EXPR_NAME. */
  public static final String NAME = "dynset";

  public Dynset {
    expressions = List.copyOf(expressions);
  }

  /** Adds the key in {@code sregKey}. */
  public static Dynset add(String set, int sregKey, Expression... expressions) {
    return new Dynset(
        NFT_DYNSET_OP_ADD, set, 0, sregKey, Register.NONE, 0, List.of(expressions), false);
  }

  /** Adds the key in {@code sregKey}, or starts its timeout again. */
  public static Dynset update(
      String set, int sregKey, long timeoutMillis, Expression... expressions) {
    return new Dynset(
        NFT_DYNSET_OP_UPDATE,
        set,
        0,
        sregKey,
        Register.NONE,
        timeoutMillis,
        List.of(expressions),
        false);
  }

  /** Deletes the key in {@code sregKey}. */
  public static Dynset delete(String set, int sregKey) {
    return new Dynset(NFT_DYNSET_OP_DELETE, set, 0, sregKey, Register.NONE, 0, List.of(), false);
  }

  /** The same with {@code setId}. */
  public Dynset withSetId(int setId) {
    return new Dynset(op, set, setId, sregKey, sregData, timeoutMillis, expressions, inverted);
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public void encode(MessageWriter out) {
    out.attrU32be(NFTA_DYNSET_SREG_KEY, sregKey);
    if (sregData != Register.NONE) {
      out.attrU32be(NFTA_DYNSET_SREG_DATA, sregData);
    }
    out.attrU32be(NFTA_DYNSET_OP, op);
    if (timeoutMillis != 0) {
      out.attrU64be(NFTA_DYNSET_TIMEOUT, timeoutMillis);
    }
    out.attrString(NFTA_DYNSET_SET_NAME, set);
    if (setId != 0) {
      out.attrU32be(NFTA_DYNSET_SET_ID, setId);
    }
    if (expressions.size() == 1) {
      Expressions.write(out, NFTA_DYNSET_EXPR, expressions.get(0));
    } else if (!expressions.isEmpty()) {
      Expressions.writeList(out, NFTA_DYNSET_EXPRESSIONS, expressions);
    }
    int flags =
        (inverted ? NFT_DYNSET_F_INV : 0) | (expressions.size() > 1 ? NFT_DYNSET_F_EXPR : 0);
    if (flags != 0) {
      out.attrU32be(NFTA_DYNSET_FLAGS, flags);
    }
  }

  /** Reads the content of NFTA_EXPR_DATA. */
  public static Dynset decode(AttributeCursor inside) {
    int op = ABSENT;
    String set = null;
    int setId = 0;
    int sregKey = ABSENT;
    int sregData = Register.NONE;
    long timeoutMillis = 0;
    List<Expression> expressions = List.of();
    int flags = 0;
    while (inside.next()) {
      switch (inside.type()) {
        case NFTA_DYNSET_OP -> op = inside.u32be();
        case NFTA_DYNSET_SET_NAME -> set = inside.string();
        case NFTA_DYNSET_SET_ID -> setId = inside.u32be();
        case NFTA_DYNSET_SREG_KEY -> sregKey = inside.u32be();
        case NFTA_DYNSET_SREG_DATA -> sregData = inside.u32be();
        case NFTA_DYNSET_TIMEOUT -> timeoutMillis = inside.u64be();
        case NFTA_DYNSET_EXPR -> expressions = List.of(Expressions.read(inside.nested()));
        case NFTA_DYNSET_EXPRESSIONS -> expressions = Expressions.readList(inside.nested());
        case NFTA_DYNSET_FLAGS -> flags = inside.u32be();
        default -> {}
      }
    }
    return new Dynset(
        present(op, "NFTA_DYNSET_OP"),
        present(set, "NFTA_DYNSET_SET_NAME"),
        setId,
        present(sregKey, "NFTA_DYNSET_SREG_KEY"),
        sregData,
        timeoutMillis,
        expressions,
        (flags & NFT_DYNSET_F_INV) != 0);
  }

  @Override
  public String toString() {
    StringBuilder text = new StringBuilder("dynset ");
    text.append(Text.name(List.of("add", "update", "delete"), op));
    text.append(" reg_key ").append(sregKey).append(" set ").append(set);
    if (sregData != Register.NONE) {
      text.append(" sreg_data ").append(sregData);
    }
    if (timeoutMillis != 0) {
      text.append(" timeout ").append(timeoutMillis).append("ms");
    }
    for (Expression expression : expressions) {
      text.append(" expr [ ").append(expression).append(" ]");
    }
    return text.toString();
  }
}
