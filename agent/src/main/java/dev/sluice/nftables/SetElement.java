package dev.sluice.nftables;

import static dev.sluice.nftables.uapi.LinuxNfTables.*;

import dev.sluice.net.Bytes;
import dev.sluice.netlink.AttributeCursor;
import dev.sluice.netlink.MessageWriter;
import dev.sluice.nftables.expr.Counter;
import dev.sluice.nftables.expr.Data;
import dev.sluice.nftables.expr.Expression;
import dev.sluice.nftables.expr.Expressions;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * An element of a set or map.
 *
 * @param key in the byte order of its type, the fields of a concatenation each padded to 4 bytes
 * @param keyEnd for a concatenation with intervals, the last key of the interval; null for one key
 * @param flags NFT_SET_ELEM_INTERVAL_END: the first key behind an interval of a tree
 * @param data of a map; null in a set
 * @param timeoutMillis lifetime; 0: the set's default
 * @param expiresMillis what is left of it, when read back
 * @param userdata up to 256 bytes
 * @param expressions evaluated each time a lookup finds the element: a counter, a limit
 */
public record SetElement(
    Bytes key,
    @Nullable Bytes keyEnd,
    int flags,
    @Nullable Data data,
    long timeoutMillis,
    long expiresMillis,
    Bytes userdata,
    List<Expression> expressions) {

  public SetElement {
    expressions = List.copyOf(expressions);
  }

  public static SetElement of(Bytes key) {
    return new SetElement(key, null, 0, null, 0, 0, Bytes.EMPTY, List.of());
  }

  /** The first key behind an interval in a tree. */
  public static SetElement intervalEnd(Bytes firstBehind) {
    return new SetElement(
        firstBehind, null, NFT_SET_ELEM_INTERVAL_END, null, 0, 0, Bytes.EMPTY, List.of());
  }

  public SetElement upTo(Bytes lastKey) {
    return new SetElement(
        key, lastKey, flags, data, timeoutMillis, expiresMillis, userdata, expressions);
  }

  public SetElement to(Data newData) {
    return new SetElement(
        key, keyEnd, flags, newData, timeoutMillis, expiresMillis, userdata, expressions);
  }

  public SetElement to(Bytes newData) {
    return to(Data.of(newData));
  }

  public SetElement withUserdata(Bytes notes) {
    return new SetElement(
        key, keyEnd, flags, data, timeoutMillis, expiresMillis, notes, expressions);
  }

  public SetElement withTimeout(long millis) {
    return new SetElement(key, keyEnd, flags, data, millis, expiresMillis, userdata, expressions);
  }

  public SetElement with(Expression... perPacket) {
    return new SetElement(
        key, keyEnd, flags, data, timeoutMillis, expiresMillis, userdata, List.of(perPacket));
  }

  public boolean isIntervalEnd() {
    return (flags & NFT_SET_ELEM_INTERVAL_END) != 0;
  }

  /** The element's counter. */
  public Optional<Counter> counter() {
    for (Expression expression : expressions) {
      if (expression instanceof Counter counter) {
        return Optional.of(counter);
      }
    }
    return Optional.empty();
  }

  void encode(MessageWriter out) {
    if (flags != 0) {
      out.attrU32be(NFTA_SET_ELEM_FLAGS, flags);
    }
    if (timeoutMillis != 0) {
      out.attrU64be(NFTA_SET_ELEM_TIMEOUT, timeoutMillis);
    }
    if (expiresMillis != 0) {
      out.attrU64be(NFTA_SET_ELEM_EXPIRATION, expiresMillis);
    }
    out.beginNest(NFTA_SET_ELEM_KEY).attrBytes(NFTA_DATA_VALUE, key.toArray()).endNest();
    if (keyEnd != null) {
      out.beginNest(NFTA_SET_ELEM_KEY_END).attrBytes(NFTA_DATA_VALUE, keyEnd.toArray()).endNest();
    }
    if (data != null) {
      data.write(out, NFTA_SET_ELEM_DATA);
    }
    if (userdata.length() > 0) {
      out.attrBytes(NFTA_SET_ELEM_USERDATA, userdata.toArray());
    }
    if (expressions.size() == 1) {
      Expressions.write(out, NFTA_SET_ELEM_EXPR, expressions.get(0));
    } else if (!expressions.isEmpty()) {
      Expressions.writeList(out, NFTA_SET_ELEM_EXPRESSIONS, expressions);
    }
  }

  static SetElement decode(AttributeCursor in) {
    Bytes key = Bytes.EMPTY;
    Bytes keyEnd = null;
    int flags = 0;
    Data data = null;
    long timeout = 0;
    long expires = 0;
    Bytes userdata = Bytes.EMPTY;
    List<Expression> expressions = List.of();
    while (in.next()) {
      switch (in.type()) {
        case NFTA_SET_ELEM_FLAGS -> flags = in.u32be();
        case NFTA_SET_ELEM_TIMEOUT -> timeout = in.u64be();
        case NFTA_SET_ELEM_EXPIRATION -> expires = in.u64be();
        case NFTA_SET_ELEM_KEY -> key = value(in.nested());
        case NFTA_SET_ELEM_KEY_END -> keyEnd = value(in.nested());
        case NFTA_SET_ELEM_DATA -> data = Data.read(in.nested());
        case NFTA_SET_ELEM_USERDATA -> userdata = Bytes.of(in.bytes());
        case NFTA_SET_ELEM_EXPR -> expressions = List.of(Expressions.read(in.nested()));
        case NFTA_SET_ELEM_EXPRESSIONS -> expressions = Expressions.readList(in.nested());
        default -> {}
      }
    }
    return new SetElement(key, keyEnd, flags, data, timeout, expires, userdata, expressions);
  }

  private static Bytes value(AttributeCursor inside) {
    return Data.read(inside) instanceof Data.Value value ? value.bytes() : Bytes.EMPTY;
  }
}
