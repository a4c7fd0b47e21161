package dev.sluice.nftables.expr;

import dev.sluice.netlink.MalformedMessageException;
import org.jspecify.annotations.Nullable;

/** Refuses expressions that lack an attribute the kernel always sends. */
final class Decoding {
  /** A number no attribute can hold: keys, operations and registers are small. */
  static final int ABSENT = -1;

  private Decoding() {}

  static int present(int value, String attribute) {
    if (value == ABSENT) {
      throw missing(attribute);
    }
    return value;
  }

  static <T> T present(@Nullable T value, String attribute) {
    if (value == null) {
      throw missing(attribute);
    }
    return value;
  }

  static MalformedMessageException missing(String attribute) {
    return new MalformedMessageException("the kernel sent no " + attribute);
  }
}
