package dev.sluice.netlink;

import static dev.sluice.netlink.Datagrams.answer;
import static dev.sluice.netlink.Datagrams.done;
import static dev.sluice.netlink.Datagrams.hex;
import static dev.sluice.netlink.Datagrams.join;
import static dev.sluice.netlink.Datagrams.message;
import static dev.sluice.netlink.Datagrams.wrap;
import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.netlink.AttributeSchema.Shape;
import java.util.Arrays;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Names and places of attributes: the readable dump, and the path in an error message. */
class ReadableMessagesTest {

  /** A message that contains every shape, a list, and a nest whose content depends on a name. */
  private static final class Schema implements MessageSchema {
    private static final AttributeSchema POINT =
        AttributeSchema.builder().u32be(1, "POINT_X").add(2, "POINT_Y", Shape.S32_BE).build();
    private static final AttributeSchema SHAPE =
        AttributeSchema.builder()
            .string(1, "SHAPE_NAME")
            .nestSelectedBy(2, "SHAPE_DATA", 1, Map.of("point", () -> Schema.POINT))
            .nest(3, "SHAPE_INNER", () -> Schema.SHAPE)
            .build();
    private static final AttributeSchema PICTURE =
        AttributeSchema.builder()
            .string(1, "PICTURE_NAME")
            .u8(2, "PICTURE_DEPTH")
            .add(3, "PICTURE_PORT", Shape.U16_BE)
            .add(4, "PICTURE_INDEX", Shape.U32)
            .u64be(5, "PICTURE_BYTES")
            .bytes(6, "PICTURE_DATA")
            .add(7, "PICTURE_FLAG", Shape.FLAG)
            .nest(8, "PICTURE_SHAPE", () -> Schema.SHAPE)
            .nest(9, "PICTURE_SHAPES", () -> AttributeSchema.listOf("SHAPE", () -> Schema.SHAPE))
            .build();

    @Override
    public String name(int messageType) {
      return messageType == 0x40 ? "NEWPICTURE" : MessageSchema.UNKNOWN.name(messageType);
    }

    @Override
    public int headerBytes(int messageType) {
      return messageType == 0x40 ? 4 : 0;
    }

    @Override
    public AttributeSchema attributes(int messageType) {
      return messageType == 0x40 ? PICTURE : AttributeSchema.UNKNOWN;
    }
  }

  private static final Schema SCHEMA = new Schema();

  private static final String PICTURE_BYTES =
      """
      c4 00 00 00 40 00 05 04 07 00 00 00 09 00 00 00
      02 00 00 00
      09 00 01 00 68 6f 75 73 65 00 00 00
      05 00 02 00 08 00 00 00
      06 00 03 00 1f 90 00 00
      08 00 04 00 ff ff ff ff
      0c 00 05 00 ff ff ff ff ff ff ff ff
      06 00 06 00 ab cd 00 00
      04 00 07 00
      24 00 08 80
        0a 00 01 00 70 6f 69 6e 74 00 00 00
        14 00 02 80
          08 00 01 00 ff ff ff fe
          08 00 02 00 ff ff ff fe
      48 00 09 80
        18 00 01 80
          08 00 01 00 6f 64 64 00
          0c 00 02 80
            08 00 01 00 00 00 00 01
        2c 00 01 80
          08 00 01 00 74 77 6f 00
          20 00 03 80
            0a 00 01 00 70 6f 69 6e 74 00 00 00
            10 00 02 80
              06 00 01 00 00 07 00 00
              04 00 09 00
      08 00 2a 00 01 02 03 04
      """;

  private static byte[] picture() {
    return hex(PICTURE_BYTES);
  }

  private static String print(byte[] bytes) {
    return MessagePrinter.print(wrap(bytes), 0, bytes.length, SCHEMA);
  }

  /** Fails if a name, a number's sign or width, the nesting or the selected nest is wrong. */
  @Test
  void printsAMessageAsAnIndentedTree() {
    assertThat(print(picture()))
        .isEqualTo(
            """
            NEWPICTURE length=196 flags=REQUEST|ACK|0x400 seq=7 port=9
              header 02 00 00 00
              PICTURE_NAME "house"
              PICTURE_DEPTH 8
              PICTURE_PORT 8080
              PICTURE_INDEX 4294967295
              PICTURE_BYTES 18446744073709551615
              PICTURE_DATA ab cd
              PICTURE_FLAG\s
              PICTURE_SHAPE
                SHAPE_NAME "point"
                SHAPE_DATA
                  POINT_X 4294967294
                  POINT_Y -2
              PICTURE_SHAPES
                SHAPE
                  SHAPE_NAME "odd"
                  SHAPE_DATA
                    [1] 00 00 00 01
                SHAPE
                  SHAPE_NAME "two"
                  SHAPE_INNER
                    SHAPE_NAME "point"
                    SHAPE_DATA
                      POINT_X 00 07
                      [9]\s
              [42] 01 02 03 04
            """);
  }

  /** Fails if control messages or unknown ones are not told apart. */
  @Test
  void printsControlMessagesAndUnknownOnes() {
    assertThat(
            print(
                join(
                    answer(7, 0),
                    answer(8, 1, new byte[8]),
                    done(9, 2, 0),
                    message(1, 0, 0),
                    message(4, 0, 0),
                    message(0x50, 0x10, 1, hex("06 00 01 00 61 00")))))
        .isEqualTo(
            """
            NLMSG_ERROR length=36 flags=CAPPED seq=7 port=0
              success
            NLMSG_ERROR length=44 flags=CAPPED|ACK_TLVS seq=8 port=0
              EPERM (operation not permitted)
            NLMSG_DONE length=20 flags=MULTI seq=9 port=0
              success
            NLMSG_NOOP length=16 flags=0x0 seq=0 port=0
            NLMSG_OVERRUN length=16 flags=0x0 seq=0 port=0
            message 80 length=22 flags=DUMP_INTR seq=1 port=0
              [1] 61 00
            """);
  }

  /** Fails if long values flood the log. */
  @Test
  void shortensLongValues() {
    byte[] value = new byte[60];
    assertThat(print(message(0x50, 0, 0, Datagrams.attribute(1, value))))
        .endsWith("  [1]" + " 00".repeat(48) + " … 60 bytes\n");
  }

  /** Fails if the printer throws on bytes cut anywhere, or prints what is not there. */
  @Test
  void printsWhatItCanOfTruncatedBytes() {
    byte[] whole = picture();
    for (int length = 1; length < whole.length; length++) {
      assertThat(print(Arrays.copyOf(whole, length))).as("cut to %d", length).contains("  ! ");
      byte[] shortened = Arrays.copyOf(whole, length);
      if (length >= 16) {
        wrap(shortened).putInt(0, length);
        assertThat(print(shortened)).as("says it has %d", length).startsWith("NEWPICTURE");
      }
    }
  }

  /**
   * Fails if an offset is attributed to a neighbour, an element of a list is not numbered, or the
   * nest's name is lost.
   */
  @ParameterizedTest
  @CsvSource({
    "0, NEWPICTURE",
    "16, NEWPICTURE",
    "20, NEWPICTURE/PICTURE_NAME",
    "24, NEWPICTURE/PICTURE_NAME",
    "31, NEWPICTURE/PICTURE_NAME",
    "32, NEWPICTURE/PICTURE_DEPTH",
    "80, NEWPICTURE/PICTURE_SHAPE",
    "84, NEWPICTURE/PICTURE_SHAPE/SHAPE_NAME",
    "108, NEWPICTURE/PICTURE_SHAPE/SHAPE_DATA/POINT_Y",
    "116, NEWPICTURE/PICTURE_SHAPES",
    "120, NEWPICTURE/PICTURE_SHAPES/SHAPE[0]",
    "136, NEWPICTURE/PICTURE_SHAPES/SHAPE[0]/SHAPE_DATA/[1]",
    "144, NEWPICTURE/PICTURE_SHAPES/SHAPE[1]",
    "184, NEWPICTURE/PICTURE_SHAPES/SHAPE[1]/SHAPE_INNER/SHAPE_DATA/[9]",
    "187, NEWPICTURE/PICTURE_SHAPES/SHAPE[1]/SHAPE_INNER/SHAPE_DATA/[9]",
    "188, NEWPICTURE/[42]",
    "195, NEWPICTURE/[42]",
    "196, NEWPICTURE",
    "-1, NEWPICTURE",
    "100000, NEWPICTURE"
  })
  void findsTheAttributeAtAnOffset(int offset, String path) {
    byte[] before = message(1, 0, 0);
    byte[] requests = join(before, picture(), before);
    assertThat(AttributePath.resolve(wrap(requests), before.length, offset, SCHEMA))
        .isEqualTo(path);
  }

  /** Fails if attributes of one type beside each other cannot be told apart. */
  @Test
  void numbersRepeatedAttributes() {
    byte[] one = Datagrams.attribute(6, (byte) 1);
    byte[] request = message(0x40, 0, 0, join(new byte[4], one, one));
    String paths =
        IntStream.of(20, 28)
            .mapToObj(offset -> AttributePath.resolve(wrap(request), 0, offset, SCHEMA))
            .collect(Collectors.joining(" "));
    assertThat(paths).isEqualTo("NEWPICTURE/PICTURE_DATA[0] NEWPICTURE/PICTURE_DATA[1]");
  }
}
