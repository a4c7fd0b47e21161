package dev.sluice.nftables;

import dev.sluice.net.Bytes;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * The notes nft leaves in a set's user data (libnftnl, {@code enum nftnl_udata_set_types}) so that
 * its listing prints keys and data in the right byte order. Without them nft guesses; with them a
 * set of ours lists exactly like one of nft's.
 */
final class SetHints {
  private static final int KEY_BYTE_ORDER = 0;
  private static final int DATA_BYTE_ORDER = 1;
  private static final int KEY_TYPEOF = 3;
  private static final int DATA_TYPEOF = 4;
  private static final int DATA_INTERVAL = 6;

  /**
   * nft's number of a concatenation among its expressions ({@code enum expr_types}: EXPR_CONCAT).
   */
  private static final int EXPR_CONCAT = 13;

  private SetHints() {}

  static Bytes set(SetType key) {
    return u32(KEY_BYTE_ORDER, key.orderNumber()).concat(typeOf(KEY_TYPEOF, key));
  }

  static Bytes map(SetType key, SetType data) {
    return u32(KEY_BYTE_ORDER, key.orderNumber())
        .concat(u32(DATA_BYTE_ORDER, data.orderNumber()))
        .concat(typeOf(KEY_TYPEOF, key))
        .concat(typeOf(DATA_TYPEOF, data))
        .concat(u32(DATA_INTERVAL, 0));
  }

  /** For a concatenation: that it is one, with an empty description. */
  private static Bytes typeOf(int type, SetType of) {
    return of.isConcatenation()
        ? Userdata.record(type, u32(0, EXPR_CONCAT).concat(Userdata.record(1, Bytes.EMPTY)))
        : Bytes.EMPTY;
  }

  private static Bytes u32(int type, int value) {
    byte[] bytes = new byte[4];
    ByteBuffer.wrap(bytes).order(ByteOrder.nativeOrder()).putInt(value);
    return Userdata.record(type, Bytes.of(bytes));
  }
}
