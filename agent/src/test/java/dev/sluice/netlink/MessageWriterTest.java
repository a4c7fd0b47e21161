package dev.sluice.netlink;

import static dev.sluice.netlink.Datagrams.hex;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.util.Arrays;
import org.junit.jupiter.api.Test;

/**
 * The bytes of messages, spelt out by hand after struct nlmsghdr and struct nlattr
 * (linux/netlink.h) for a little-endian host.
 */
class MessageWriterTest {
  private final MessageWriter out = new MessageWriter();

  /** Fails if a header field moves, a length is wrong, or padding is counted in nla_len. */
  @Test
  void writesHeadersAttributesAndPadding() {
    out.begin(0x0a06, 0x0501, 7).u8(1).u8(0).u16be(10);
    out.attrString(1, "filter").attrU8(2, 0x7f).attrU16be(3, 0x1234).attrU32be(4, 0x01020304);
    out.attrU64be(5, 0x0102030405060708L).attrBytes(6, new byte[] {1, 2, 3}).attrFlag(7);
    out.attrU16(8, 0x1234).attrU32(9, 0x01020304).end();
    assertThat(out.toByteArray())
        .containsExactly(
            hex(
                """
                60 00 00 00 06 0a 01 05 07 00 00 00 00 00 00 00
                01 00 00 0a
                0b 00 01 00 66 69 6c 74 65 72 00 00
                05 00 02 00 7f 00 00 00
                06 00 03 00 12 34 00 00
                08 00 04 00 01 02 03 04
                0c 00 05 00 01 02 03 04 05 06 07 08
                07 00 06 00 01 02 03 00
                04 00 07 00
                06 00 08 00 34 12 00 00
                08 00 09 00 04 03 02 01
                """));
  }

  /** Fails if a nest's length or its NLA_F_NESTED bit is wrong at any depth. */
  @Test
  void writesNestsInsideNests() {
    out.begin(1, 0, 0).beginNest(1).attrU8(1, 1).beginPlainNest(2);
    assertThat(out.nestLength()).isEqualTo(4);
    out.endNest().endNest().end();
    assertThat(out.toByteArray())
        .containsExactly(
            hex(
                """
                20 00 00 00 01 00 00 00 00 00 00 00 00 00 00 00
                10 00 01 80
                05 00 01 00 01 00 00 00
                04 00 02 00
                """));
  }

  /** Fails if messages run into each other, or are not counted. */
  @Test
  void writesOneMessageBehindTheOther() {
    out.begin(1, 0, 0).end().begin(2, 0, 0).end();
    assertThat(out.messages()).isEqualTo(2);
    assertThat(out.length()).isEqualTo(32);
    assertThat(out.toByteArray()[20]).isEqualTo((byte) 2);
  }

  /**
   * Fails if what follows a fixed header of an odd length (struct rtgenmsg has one byte) is not
   * aligned: the kernel would read it from the next multiple of four.
   */
  @Test
  void alignsWhatFollowsAnOddHeader() {
    out.begin(18, 1, 0).u8(17).attrU32(1, 5).end();
    out.begin(18, 1, 0).u8(17).beginNest(1).endNest().end();
    out.begin(18, 1, 0).u8(17).end().begin(18, 1, 0).end();
    assertThat(out.toByteArray())
        .containsExactly(
            hex(
                """
                1c 00 00 00 12 00 01 00 00 00 00 00 00 00 00 00
                11 00 00 00 08 00 01 00 05 00 00 00
                18 00 00 00 12 00 01 00 00 00 00 00 00 00 00 00
                11 00 00 00 04 00 01 80
                11 00 00 00 12 00 01 00 00 00 00 00 00 00 00 00
                11 00 00 00
                10 00 00 00 12 00 01 00 00 00 00 00 00 00 00 00
                """));
  }

  /** Fails if growing loses what was written, or a reused writer shows what it held before. */
  @Test
  void growsAndIsReusedWithoutATrace() {
    MessageWriter small = new MessageWriter(16);
    byte[] payload = new byte[1000];
    Arrays.fill(payload, (byte) 0x5a);
    for (int i = 0; i < 20; i++) {
      small.begin(i, 0, i).attrBytes(1, payload).end();
    }
    byte[] written = small.toByteArray();
    assertThat(written).hasSize(20 * (16 + 1004));
    assertThat(small.bytes().capacity()).isGreaterThanOrEqualTo(written.length);
    for (int i = 0; i < 20; i++) {
      assertThat(written[i * 1020 + 4]).isEqualTo((byte) i);
      assertThat(Arrays.copyOfRange(written, i * 1020 + 20, i * 1020 + 1020)).isEqualTo(payload);
    }

    small.reset().begin(1, 0, 0).attrU8(1, 1).attrBytes(2, new byte[3]).end();
    assertThat(small.messages()).isEqualTo(1);
    assertThat(small.toByteArray())
        .containsExactly(
            hex(
                """
                20 00 00 00 01 00 00 00 00 00 00 00 00 00 00 00
                05 00 01 00 01 00 00 00
                07 00 02 00 00 00 00 00
                """));
  }

  /** Fails if nla_len, 16 bits wide, overflows silently. */
  @Test
  void refusesWhatDoesNotFitAnAttribute() {
    out.begin(1, 0, 0);
    out.attrBytes(1, new byte[65531]);
    assertThatIllegalArgumentException()
        .isThrownBy(() -> out.attrBytes(1, new byte[65532]))
        .withMessage("attribute too large: type=1, length=65536, maximum=65535");

    out.beginNest(5).attrBytes(1, new byte[65524]).attrFlag(2);
    assertThatIllegalStateException()
        .isThrownBy(out::endNest)
        .withMessage("nested attribute too large: type=5, length=65536, maximum=65535");
  }

  /** Fails if a string the kernel would cut at its NUL is sent. */
  @Test
  void refusesStringsWithNul() {
    out.begin(1, 0, 0);
    assertThatIllegalArgumentException()
        .isThrownBy(() -> out.attrString(1, "a\0b"))
        .withMessage("string attribute with NUL: type=1");
  }

  /** Fails if begin, end and their nests can be mixed up without notice. */
  @Test
  void refusesMessagesThatDoNotEnd() {
    assertThatIllegalStateException().isThrownBy(out::end);
    assertThatIllegalStateException().isThrownBy(out::endNest);
    out.begin(1, 0, 0);
    assertThatIllegalStateException().isThrownBy(() -> out.begin(1, 0, 0));
    out.beginNest(1);
    assertThatIllegalStateException().isThrownBy(out::end);
    for (int i = 1; i < 16; i++) {
      out.beginNest(1);
    }
    assertThatIllegalStateException().isThrownBy(() -> out.beginNest(1));
  }
}
