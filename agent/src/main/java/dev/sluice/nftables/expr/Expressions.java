package dev.sluice.nftables.expr;

import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_EXPR_DATA;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_EXPR_NAME;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_LIST_ELEM;

import dev.sluice.net.Bytes;
import dev.sluice.netlink.AttributeCursor;
import dev.sluice.netlink.MessageWriter;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

/**
 * Writes expressions into messages and reads them from messages ({@code enum nft_expr_attributes},
 * {@code enum nft_list_attributes}).
 */
public final class Expressions {
  private Expressions() {}

  /** Writes one expression as the nested attribute {@code nestType}. */
  public static void write(MessageWriter out, int nestType, Expression expression) {
    out.beginNest(nestType);
    out.attrString(NFTA_EXPR_NAME, expression.name());
    if (expression.hasData()) {
      out.beginNest(NFTA_EXPR_DATA);
      expression.encode(out);
      out.endNest();
    }
    out.endNest();
  }

  /**
   * Writes expressions as the nested attribute {@code nestType} (NFTA_RULE_EXPRESSIONS,
   * NFTA_SET_ELEM_EXPRESSIONS …), each as an NFTA_LIST_ELEM.
   */
  public static void writeList(
      MessageWriter out, int nestType, List<? extends Expression> expressions) {
    out.beginNest(nestType);
    for (Expression expression : expressions) {
      write(out, NFTA_LIST_ELEM, expression);
    }
    out.endNest();
  }

  /**
   * Reads one expression from the attributes inside its nest. What is not known comes back as
   * {@link Opaque}.
   *
   * @throws dev.sluice.netlink.MalformedMessageException if a known one lacks what it needs
   */
  public static Expression read(AttributeCursor inside) {
    String name = null;
    int offset = 0;
    int length = 0;
    while (inside.next()) {
      switch (inside.type()) {
        case NFTA_EXPR_NAME -> name = inside.string();
        case NFTA_EXPR_DATA -> {
          offset = inside.offset();
          length = inside.length();
        }
        default -> {}
      }
    }
    return decode(Decoding.present(name, "NFTA_EXPR_NAME"), inside.buffer(), offset, length);
  }

  private static Expression decode(String name, ByteBuffer bytes, int offset, int length) {
    AttributeCursor data = AttributeCursor.over(bytes, offset, length);
    return switch (name) {
      case Bitwise.NAME -> {
        boolean understood = Bitwise.understands(AttributeCursor.over(bytes, offset, length));
        yield understood ? Bitwise.decode(data) : opaque(name, bytes, offset, length);
      }
      case Byteorder.NAME -> Byteorder.decode(data);
      case Cmp.NAME -> Cmp.decode(data);
      case Connlimit.NAME -> Connlimit.decode(data);
      case Counter.NAME -> Counter.decode(data);
      case Ct.NAME -> Ct.decode(data);
      case Dynset.NAME -> Dynset.decode(data);
      case Exthdr.NAME -> Exthdr.decode(data);
      case Fib.NAME -> Fib.decode(data);
      case Hash.NAME -> Hash.decode(data);
      case Immediate.NAME -> Immediate.decode(data);
      case Limit.NAME -> Limit.decode(data);
      case Log.NAME -> Log.decode(data);
      case Lookup.NAME -> Lookup.decode(data);
      case Masq.NAME -> Masq.decode(data);
      case Meta.NAME -> Meta.decode(data);
      case Nat.NAME -> Nat.decode(data);
      case Notrack.NAME -> new Notrack();
      case Numgen.NAME -> Numgen.decode(data);
      case Objref.NAME -> Objref.decode(data);
      case Payload.NAME -> Payload.decode(data);
      case Queue.NAME -> Queue.decode(data);
      case Quota.NAME -> Quota.decode(data);
      case Range.NAME -> Range.decode(data);
      case Redir.NAME -> Redir.decode(data);
      case Reject.NAME -> Reject.decode(data);
      case Rt.NAME -> Rt.decode(data);
      case Synproxy.NAME -> Synproxy.decode(data);
      default -> opaque(name, bytes, offset, length);
    };
  }

  /** Reads the expressions inside a list's nest, in order. */
  public static List<Expression> readList(AttributeCursor inside) {
    List<Expression> expressions = new ArrayList<>();
    while (inside.next()) {
      if (inside.type() == NFTA_LIST_ELEM) {
        expressions.add(read(inside.nested()));
      }
    }
    return List.copyOf(expressions);
  }

  private static Opaque opaque(String name, ByteBuffer bytes, int offset, int length) {
    byte[] raw = new byte[length];
    bytes.get(offset, raw);
    return new Opaque(name, Bytes.of(raw));
  }
}
