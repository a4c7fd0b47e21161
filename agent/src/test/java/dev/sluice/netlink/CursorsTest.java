package dev.sluice.netlink;

import static dev.sluice.netlink.Datagrams.attribute;
import static dev.sluice.netlink.Datagrams.hex;
import static dev.sluice.netlink.Datagrams.join;
import static dev.sluice.netlink.Datagrams.message;
import static dev.sluice.netlink.Datagrams.wrap;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Reading messages and attributes in place, also from bytes that are neither. */
class CursorsTest {

  private static AttributeCursor over(byte[] bytes) {
    return AttributeCursor.over(wrap(bytes), 0, bytes.length);
  }

  // ---- attributes

  /** Fails if a number is read in the wrong byte order or its high bits are lost. */
  @Test
  void readsEveryShapeOfAttribute() {
    AttributeCursor cursor =
        over(
            hex(
                """
                05 00 01 00 ff 00 00 00
                06 00 02 00 01 02 00 00
                08 00 03 00 ff 02 03 04
                0c 00 04 00 ff 02 03 04 05 06 07 08
                0b 00 05 00 66 69 6c 74 65 72 00 00
                06 00 06 00 6e 6f 00 00
                04 00 07 00
                0c 00 08 c0 08 00 01 00 01 00 00 00
                """));
    assertThat(cursor.next()).isTrue();
    assertThat(cursor.type()).isEqualTo(1);
    assertThat(cursor.u8()).isEqualTo(255);
    assertThat(cursor.next()).isTrue();
    assertThat(cursor.u16()).isEqualTo(0x0201);
    assertThat(cursor.u16be()).isEqualTo(0x0102);
    assertThat(cursor.next()).isTrue();
    assertThat(cursor.u32()).isEqualTo(0x040302ff);
    assertThat(cursor.u32be()).isEqualTo(0xff020304);
    assertThat(cursor.next()).isTrue();
    assertThat(cursor.u64()).isEqualTo(0x08070605040302ffL);
    assertThat(cursor.u64be()).isEqualTo(0xff02030405060708L);
    assertThat(cursor.next()).isTrue();
    assertThat(cursor.string()).isEqualTo("filter");
    assertThat(cursor.next()).isTrue();
    assertThat(cursor.string()).as("without NUL").isEqualTo("no");
    assertThat(cursor.bytes()).containsExactly('n', 'o');
    assertThat(cursor.next()).isTrue();
    assertThat(cursor.length()).isZero();
    assertThat(cursor.string()).isEmpty();
    assertThat(cursor.next()).isTrue();
    assertThat(cursor.type()).as("without NLA_F_NESTED and NLA_F_NET_BYTEORDER").isEqualTo(8);
    AttributeCursor inside = cursor.nested();
    assertThat(inside.next()).isTrue();
    assertThat(inside.u32()).isEqualTo(1);
    assertThat(inside.next()).isFalse();
    assertThat(cursor.next()).isFalse();
    assertThat(cursor.next()).isFalse();
  }

  /** Fails if the last attribute must be padded: netlink does not ask for it. */
  @Test
  void theLastAttributeMayLackItsPadding() {
    AttributeCursor cursor = over(hex("05 00 01 00 2a"));
    assertThat(cursor.next()).isTrue();
    assertThat(cursor.u8()).isEqualTo(42);
    assertThat(cursor.next()).isFalse();
  }

  /** Fails if a length that contradicts the type is read over. */
  @Test
  void refusesNumbersOfAnotherWidth() {
    AttributeCursor cursor = over(attribute(3, (byte) 1, (byte) 2, (byte) 3));
    cursor.next();
    for (Runnable read :
        List.<Runnable>of(
            cursor::u8,
            cursor::u16,
            cursor::u16be,
            cursor::u32,
            cursor::u32be,
            cursor::u64,
            cursor::u64be)) {
      assertThatThrownBy(read::run)
          .isInstanceOf(MalformedMessageException.class)
          .hasMessageStartingWith("attribute 3 has 3 bytes where ");
    }
  }

  /** Fails if an attribute may reach over the end, be shorter than its header, or loop for ever. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "00 00 01 00",
        "03 00 01 00",
        "05 00 01 00",
        "ff ff 01 00 00 00 00 00",
        "04 00 01",
        "04"
      })
  void refusesLengthsOutOfBounds(String bytes) {
    AttributeCursor cursor = over(hex(bytes));
    assertThatThrownBy(cursor::next).isInstanceOf(MalformedMessageException.class);
  }

  /** Fails if a nest's attributes may reach beyond the nest into what follows it. */
  @Test
  void aNestDoesNotReachIntoItsSibling() {
    byte[] nest = attribute(1, hex("08 00 01 00"));
    AttributeCursor cursor = over(join(nest, attribute(2, new byte[4])));
    cursor.next();
    AttributeCursor inside = cursor.nested();
    assertThatThrownBy(inside::next).isInstanceOf(MalformedMessageException.class);
  }

  /** Fails if bounds are computed with an overflow. */
  @Test
  void refusesAttributesOutsideTheBuffer() {
    for (int[] bounds :
        new int[][] {{-4, 4}, {0, -4}, {0, 12}, {8, 4}, {4, Integer.MAX_VALUE}, {12, 0}}) {
      assertThatThrownBy(() -> AttributeCursor.over(wrap(new byte[8]), bounds[0], bounds[1]))
          .as(Arrays.toString(bounds))
          .isInstanceOf(MalformedMessageException.class);
    }
  }

  // ---- messages

  /** Fails if a header field is read from the wrong place. */
  @Test
  void readsHeaders() {
    byte[] datagram =
        hex(
            """
            18 00 00 00 06 0a 05 03 07 00 00 80 fe ff ff ff 01 02 00 0a ff fe fd fc
            11 00 00 00 03 00 02 00 01 00 00 00 00 00 00 00 09
            """);
    MessageCursor cursor = new MessageCursor(wrap(datagram), 0, datagram.length);
    assertThat(cursor.next()).isTrue();
    assertThat(cursor.length()).isEqualTo(24);
    assertThat(cursor.offset()).isZero();
    assertThat(cursor.type()).isEqualTo(0x0a06);
    assertThat(cursor.subsystem()).isEqualTo(10);
    assertThat(cursor.subtype()).isEqualTo(6);
    assertThat(cursor.flags()).isEqualTo(0x0305);
    assertThat(cursor.sequence()).isEqualTo(0x80000007);
    assertThat(cursor.portId()).isEqualTo(-2);
    assertThat(cursor.payloadOffset()).isEqualTo(16);
    assertThat(cursor.payloadLength()).isEqualTo(8);
    assertThat(cursor.headerU8(1)).isEqualTo(2);
    assertThat(cursor.headerU16be(2)).isEqualTo(10);
    assertThat(cursor.headerU16(4)).isEqualTo(0xfeff);
    assertThat(cursor.headerU32(4)).isEqualTo(0xfcfdfeff);
    assertThatThrownBy(() -> cursor.headerU32(5)).isInstanceOf(MalformedMessageException.class);
    assertThatThrownBy(() -> cursor.headerU8(-1)).isInstanceOf(MalformedMessageException.class);

    assertThat(cursor.next()).as("the last message may lack its padding").isTrue();
    assertThat(cursor.headerU8(0)).isEqualTo(9);
    assertThat(cursor.next()).isFalse();
  }

  /** Fails if attributes start inside an odd header's padding, or a short message is read over. */
  @Test
  void attributesStartBehindTheAlignedHeader() {
    byte[] datagram = message(1, 0, 0, join(new byte[4], attribute(1, (byte) 5)));
    MessageCursor cursor = new MessageCursor(wrap(datagram), 0, datagram.length);
    cursor.next();
    for (int header : new int[] {1, 4}) {
      AttributeCursor attributes = cursor.attributes(header);
      assertThat(attributes.next()).isTrue();
      assertThat(attributes.u8()).isEqualTo(5);
    }
    assertThatThrownBy(() -> cursor.attributes(13)).isInstanceOf(MalformedMessageException.class);
    assertThatThrownBy(() -> cursor.attributes(-4)).isInstanceOf(MalformedMessageException.class);

    byte[] headerOnly = message(1, 0, 0, (byte) 17);
    cursor.wrap(wrap(headerOnly), 0, 17).next();
    assertThat(cursor.attributes(1).next()).isFalse();
  }

  /** Fails if a message may reach over the datagram, be shorter than its header, or loop. */
  @ParameterizedTest
  @ValueSource(
      strings = {"00 00 00 00", "0f 00 00 00", "11 00 00 00", "ff ff ff ff", "00 00 00 80"})
  void refusesMessageLengthsOutOfBounds(String length) {
    byte[] datagram = join(hex(length), new byte[12]);
    MessageCursor cursor = new MessageCursor(wrap(datagram), 0, datagram.length);
    assertThatThrownBy(cursor::next).isInstanceOf(MalformedMessageException.class);
  }

  /** Fails if a datagram may be said to be longer than its buffer. */
  @Test
  void refusesDatagramsOutsideTheBuffer() {
    assertThatThrownBy(() -> new MessageCursor(wrap(new byte[16]), 0, 17))
        .isInstanceOf(MalformedMessageException.class);
    assertThatThrownBy(() -> new MessageCursor(wrap(new byte[16]), 4, Integer.MAX_VALUE))
        .isInstanceOf(MalformedMessageException.class);
  }

  // ---- anything

  /** Attributes from this type on are walked into. */
  private static final int NEST = 4;

  private static void walk(AttributeCursor cursor, int depth) {
    while (cursor.next()) {
      if (cursor.type() >= NEST && depth < 20) {
        walk(cursor.nested(), depth + 1);
      }
      cursor.string();
      cursor.bytes();
    }
  }

  private static void walk(byte[] datagram, int length) {
    MessageCursor cursor = new MessageCursor(wrap(datagram), 0, length);
    while (cursor.next()) {
      walk(cursor.attributes(4), 0);
    }
  }

  /** Fails if a cut anywhere in a datagram goes unnoticed, or leads to anything but a refusal. */
  @Test
  void everyTruncationIsNoticed() {
    byte[] nest = attribute(NEST, join(attribute(1, new byte[5]), attribute(2, new byte[8])));
    byte[] whole = message(1, 0, 0, join(new byte[4], nest, attribute(3, new byte[2])));
    walk(whole, whole.length);
    for (int length = 1; length < whole.length; length++) {
      byte[] cut = Arrays.copyOf(whole, length);
      assertThatThrownBy(() -> walk(cut, cut.length))
          .as("cut to %d", length)
          .isInstanceOf(MalformedMessageException.class);
      if (length >= 16) {
        // The same with a message length that hides the cut: now it is up to the attributes.
        wrap(cut).putInt(0, length);
        Throwable thrown = catchThrowable(() -> walk(cut, cut.length));
        boolean complete = length == 20 || length == 48 || length >= 54;
        if (complete) {
          assertThat(thrown).as("shortened to %d", length).isNull();
        } else {
          assertThat(thrown)
              .as("shortened to %d", length)
              .isInstanceOf(MalformedMessageException.class);
        }
      }
    }
  }

  /** Fails if any bytes make the cursors throw anything but a refusal, or never end. */
  @Test
  void anyBytesAreRefusedOrRead() {
    long seed = 0x5105ceL;
    Random random = new Random(seed);
    int read = 0;
    for (int round = 0; round < 20_000; round++) {
      byte[] datagram = new byte[random.nextInt(64)];
      random.nextBytes(datagram);
      if (datagram.length >= 28 && random.nextBoolean()) {
        // Often enough a plausible header and attribute, to get further than the first check.
        wrap(datagram).putInt(0, datagram.length).putShort(20, (short) random.nextInt(12));
      }
      Throwable thrown = catchThrowable(() -> walk(datagram, datagram.length));
      if (thrown == null) {
        read++;
      } else {
        assertThat(thrown)
            .as("seed %d, round %d: %s", seed, round, hex(datagram))
            .isInstanceOf(MalformedMessageException.class);
      }
    }
    assertThat(read).as("rounds that got through").isPositive();
  }
}
