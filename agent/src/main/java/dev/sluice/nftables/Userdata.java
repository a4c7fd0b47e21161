package dev.sluice.nftables;

import dev.sluice.net.Bytes;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Optional;

/**
 * The type-length-value encoding nft uses inside user data (libnftnl, udata.h): one byte type, one
 * byte length, value. A type nft does not know is skipped by it, so other records can stand beside
 * a comment.
 *
 * <pre>
 *   0      1        2
 *   +------+--------+-----------+------+--------+- -
 *   | type | length | value ... | type | length |
 *   +------+--------+-----------+------+--------+- -
 * </pre>
 */
public final class Userdata {
  /**
   * Of a rule, a set element, and others: a comment, NUL-terminated text
   * (NFTNL_UDATA_SET_ELEM_COMMENT).
   */
  public static final int COMMENT = 0;

  /** The longest comment nft accepts when it reads back what it listed, without the NUL. */
  public static final int MAX_COMMENT_BYTES = 127;

  private Userdata() {}

  /** One record. */
  public static Bytes record(int type, Bytes value) {
    if (value.length() > 255) {
      throw new IllegalArgumentException(
          "user data record too long: type=" + type + ", length=" + value.length());
    }
    return Bytes.of((byte) type, (byte) value.length()).concat(value);
  }

  /** A comment record; nft shows it in its listings. */
  public static Bytes comment(String text) {
    Bytes utf8 = Bytes.ofText(text);
    if (utf8.length() > MAX_COMMENT_BYTES) {
      throw new IllegalArgumentException("comment too long: length=" + utf8.length());
    }
    return record(COMMENT, utf8.concat(Bytes.of((byte) 0)));
  }

  /** The value of the first record of {@code type}. Bytes that are not records count as absent. */
  public static Optional<Bytes> find(Bytes userdata, int type) {
    int at = 0;
    while (at + 2 <= userdata.length()) {
      int length = userdata.u8(at + 1);
      if (at + 2 + length > userdata.length()) {
        return Optional.empty();
      }
      if (userdata.u8(at) == type) {
        return Optional.of(userdata.slice(at + 2, length));
      }
      at += 2 + length;
    }
    return Optional.empty();
  }

  /** The comment, if there is one. */
  public static Optional<String> findComment(Bytes userdata) {
    return find(userdata, COMMENT)
        .map(
            value -> {
              ByteArrayOutputStream text = new ByteArrayOutputStream(value.length());
              for (int i = 0; i < value.length() && value.u8(i) != 0; i++) {
                text.write(value.u8(i));
              }
              return text.toString(StandardCharsets.UTF_8);
            });
  }
}
