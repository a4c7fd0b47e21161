package dev.sluice.nftables.expr;

import dev.sluice.net.Bytes;
import dev.sluice.netlink.AttributeCursor;
import dev.sluice.netlink.MalformedMessageException;
import dev.sluice.netlink.MessageWriter;
import dev.sluice.nftables.uapi.LinuxNfTables;

/**
 * What a register or a set element holds: bytes, or a verdict (NFTA_DATA_VALUE, NFTA_DATA_VERDICT).
 */
public sealed interface Data {
  /**
   * Bytes in the order they have on the wire: network order for addresses and ports, host order for
   * marks.
   */
  record Value(Bytes bytes) implements Data {
    @Override
    public String toString() {
      return Text.words(bytes);
    }
  }

  /** What happens to the packet; {@link Verdict} is the value. */
  record OfVerdict(Verdict verdict) implements Data {
    @Override
    public String toString() {
      return verdict.toString();
    }
  }

  /** {@code bytes} as data. */
  static Data of(Bytes bytes) {
    return new Value(bytes);
  }

  /** {@code verdict} as data. */
  static Data of(Verdict verdict) {
    return new OfVerdict(verdict);
  }

  /** Writes this as the nested attribute {@code type}. */
  default void write(MessageWriter out, int type) {
    out.beginNest(type);
    if (this instanceof Value value) {
      out.attrBytes(LinuxNfTables.NFTA_DATA_VALUE, value.bytes().toArray());
    } else if (this instanceof OfVerdict verdict) {
      verdict.verdict().write(out);
    }
    out.endNest();
  }

  /** Reads the content of a nested data attribute. */
  static Data read(AttributeCursor inside) {
    while (inside.next()) {
      switch (inside.type()) {
        case LinuxNfTables.NFTA_DATA_VALUE -> {
          return new Value(Bytes.of(inside.bytes()));
        }
        case LinuxNfTables.NFTA_DATA_VERDICT -> {
          return new OfVerdict(Verdict.read(inside.nested()));
        }
        default -> {}
      }
    }
    throw new MalformedMessageException("data attribute with neither value nor verdict");
  }

  /** As {@link #read}, where only bytes make sense. */
  static Bytes readValue(AttributeCursor inside) {
    if (read(inside) instanceof Value value) {
      return value.bytes();
    }
    throw new MalformedMessageException("a verdict where bytes are expected");
  }
}
