package dev.sluice.network.names;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;

import java.io.IOException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.xbill.DNS.Message;
import org.xbill.DNS.Rcode;
import org.xbill.DNS.Section;
import org.xbill.DNS.Type;

/** Queries as they come, whole and broken. */
class QueryTest {
  /** {@code strace -xx -e trace=sendmmsg getent ahosts web.blue}, glibc 2.36, options edns0. */
  static final byte[] GLIBC_A =
      hex(
          "addc01000001000000000001"
              + "0377656204626c756500"
              + "00010001"
              + "00002904b0000000000000");

  private static final byte[] GLIBC_AAAA =
      hex(
          "9ada01000001000000000001"
              + "0377656204626c756500"
              + "001c0001"
              + "00002904b0000000000000");

  /** {@code strace -xx -e trace=sendto getent hosts 10.88.0.2}. */
  private static final byte[] GLIBC_PTR =
      hex(
          "4ac101000001000000000001"
              + "01320130023838023130"
              + "07696e2d61646472046172706100"
              + "000c0001"
              + "00002904b0000000000000");

  private static byte[] hex(String digits) {
    return HexFormat.of().parseHex(digits);
  }

  private static int rcode(byte[] wire) {
    return ((Query.Faulty) Query.read(wire)).answer().getRcode();
  }

  /** Fails if a query of the C library is not understood. */
  @Test
  void queriesOfTheCLibraryAreUnderstood() {
    for (byte[] wire : List.of(GLIBC_A, GLIBC_AAAA, GLIBC_PTR)) {
      assertThat(Query.read(wire)).isInstanceOf(Query.Understood.class);
    }
    Query query = ((Query.Understood) Query.read(GLIBC_AAAA)).query();
    assertThat(query.name()).hasToString("web.blue.");
    assertThat(query.type()).isEqualTo(Type.AAAA);
    assertThat(query.maxAnswerBytes(false)).isEqualTo(1200);
    assertThat(query.maxAnswerBytes(true)).isEqualTo(65_535);
  }

  /** Fails if part of a query is taken for a query, or makes us fail. */
  @Test
  void aQueryCutAnywhereIsFormerrOrSilence() {
    for (int length = 0; length < GLIBC_A.length; length++) {
      byte[] cut = Arrays.copyOf(GLIBC_A, length);
      if (length < 12) {
        assertThat(Query.read(cut)).isInstanceOf(Query.Noise.class);
      } else {
        assertThat(rcode(cut)).as("%d octets", length).isEqualTo(Rcode.FORMERR);
      }
    }
  }

  /** Fails if we answer an answer: two responders would go on for ever. */
  @Test
  void anAnswerIsNotAnswered() {
    byte[] answer = GLIBC_A.clone();
    answer[2] |= (byte) 0x80;
    assertThat(Query.read(answer)).isInstanceOf(Query.Noise.class);
  }

  /**
   * Fails if an operation other than a query is taken for one. The operations: inverse query,
   * status, notify, update, and one that nobody has.
   */
  @ParameterizedTest
  @ValueSource(ints = {1, 2, 4, 5, 15})
  void otherOperationsAreNotImplemented(int opcode) {
    byte[] wire = GLIBC_A.clone();
    wire[2] |= (byte) (opcode << 3);
    Message answer = ((Query.Faulty) Query.read(wire)).answer();
    assertThat(answer.getRcode()).isEqualTo(Rcode.NOTIMP);
    assertThat(answer.getHeader().getOpcode()).isEqualTo(opcode);
    assertThat(answer.getHeader().getID()).isEqualTo(0xaddc);
  }

  /**
   * Fails if a query with no question, two, a name that points into the header, two OPT records, or
   * more octets than any query needs is answered with anything but FORMERR.
   */
  @ParameterizedTest
  @CsvSource({
    "addc01000000000000000000",
    "addc01000002000000000000 03776562000001000103776562000001 0001",
    "addc01000001000000000000 c0040001 0001",
    "addc01000001000000000002 037765620000010001 00002904b0000000000000 00002904b0000000000000",
    "addc01000001000000000000 ff7765620000010001",
    "addc01000001000000010000 037765620000010001",
  })
  void aMalformedQueryIsFormerr(String digits) {
    assertThat(rcode(hex(digits.replace(" ", "")))).isEqualTo(Rcode.FORMERR);
  }

  /** Fails if a query may be as long as a message. */
  @Test
  void anOverlongQueryIsFormerr() {
    assertThat(rcode(Arrays.copyOf(GLIBC_A, 4097))).isEqualTo(Rcode.FORMERR);
  }

  /** Fails if a later version of EDNS is taken for ours (RFC 6891 section 6.1.3). */
  @Test
  void anotherVersionOfEdnsIsTold() throws IOException {
    byte[] wire = GLIBC_A.clone();
    wire[wire.length - 5] = 1;
    Message answer = ((Query.Faulty) Query.read(wire)).answer();
    assertThat(new Message(answer.toWire()).getRcode()).isEqualTo(Rcode.BADVERS);
  }

  /** Fails if an answer is longer than the asker takes, or is cut without the flag TC. */
  @ParameterizedTest
  @CsvSource({"0, 512, true", "100, 512, true", "600, 600, true", "4096, 1232, true"})
  void anAnswerThatDoesNotFitIsCut(int size, int limit, boolean cut) throws IOException {
    String options = size == 0 ? "" : "000029%04x000000000000".formatted(size);
    byte[] wire =
        hex("00070100000100000000000" + (size == 0 ? 0 : 1) + "046d616e790000010001" + options);
    Query query = ((Query.Understood) Query.read(wire)).query();
    Message whole = Answers.to(query, Neighbours.ALL).orElseThrow();
    byte[] datagram = query.encode(whole, false);
    assertThat(datagram.length).isLessThanOrEqualTo(limit);
    assertThat((datagram[2] & 2) != 0).as("TC").isEqualTo(cut);
    assertThat(new Message(datagram).getOPT() != null).as("OPT").isEqualTo(size != 0);
    byte[] stream = query.encode(whole, true);
    assertThat(stream[2] & 2).as("TC over TCP").isZero();
    assertThat(new Message(stream).getSection(Section.ANSWER)).hasSize(100);
  }

  /** Fails if a foreign answer reaches the asker with our id, or longer than the asker takes. */
  @Test
  void aForeignAnswerIsCutBehindTheQuestion() {
    Query query = ((Query.Understood) Query.read(GLIBC_A)).query();
    byte[] foreign = Arrays.copyOf(GLIBC_A, 1201);
    foreign[0] = 1;
    foreign[2] |= (byte) 0x80;
    foreign[7] = 9;
    assertThat(query.isAnsweredBy(foreign, 0x01dc)).isTrue();
    assertThat(HexFormat.of().formatHex(query.relayed(foreign, false)))
        .isEqualTo("addc83000001000000000000" + "0377656204626c756500" + "00010001");
    assertThat(query.relayed(foreign, true)).hasSize(1201).startsWith(0xad, 0xdc);
    assertThat(query.relayed(Arrays.copyOf(foreign, 1200), false)).hasSize(1200);
  }

  /** Fails if a type is compared as if it were letters: HTTPS (65) would be taken for 97. */
  @Test
  void anAnswerToAnotherQuestionIsNone() {
    byte[] https = GLIBC_A.clone();
    https[23] = 65;
    Query query = ((Query.Understood) Query.read(https)).query();
    byte[] answer = https.clone();
    answer[2] |= (byte) 0x80;
    assertThat(query.isAnsweredBy(answer, 0xaddc)).isTrue();
    answer[13] = 'W';
    assertThat(query.isAnsweredBy(answer, 0xaddc)).as("another spelling").isTrue();
    assertThat(query.isAnsweredBy(answer, 0xaddd)).as("another id").isFalse();
    assertThat(query.isAnsweredBy(https, 0xaddc)).as("a query").isFalse();
    assertThat(query.isAnsweredBy(Arrays.copyOf(answer, 25), 0xaddc)).as("cut").isFalse();
    byte[] otherType = answer.clone();
    otherType[23] = 97;
    assertThat(query.isAnsweredBy(otherType, 0xaddc)).as("another type").isFalse();
    byte[] otherName = answer.clone();
    otherName[13] = 'x';
    assertThat(query.isAnsweredBy(otherName, 0xaddc)).as("another name").isFalse();
  }

  /**
   * A hundred thousand queries with one to eight octets changed, the seed is in the message. Fails
   * if one of them throws, or has an answer that is none to it.
   */
  @Test
  void brokenQueriesAreHarmless() {
    Random random = new Random(5);
    byte[][] seeds = {
      GLIBC_A,
      GLIBC_AAAA,
      GLIBC_PTR,
      hex(
          "000701000001000000000000"
              + "035f3830045f746370"
              + "0473656c6606736c75696365"
              + "0000210001"),
    };
    int understood = 0;
    for (int i = 0; i < 100_000; i++) {
      byte[] wire = seeds[i % seeds.length].clone();
      for (int changes = random.nextInt(8); changes >= 0; changes--) {
        wire[random.nextInt(wire.length)] = (byte) random.nextInt(256);
      }
      String shown = HexFormat.of().formatHex(wire);
      Query.Received[] received = new Query.Received[1];
      assertThatCode(() -> received[0] = Query.read(wire)).as(shown).doesNotThrowAnyException();
      if (received[0] instanceof Query.Understood one) {
        understood++;
        assertThatCode(() -> checkAnswer(one.query(), wire)).as(shown).doesNotThrowAnyException();
      }
    }
    assertThat(understood).as("mutations that are queries still").isBetween(10_000, 90_000);
  }

  private static void checkAnswer(Query query, byte[] wire) throws IOException {
    Optional<Message> answer = Answers.to(query, Neighbours.ALL);
    if (answer.isPresent()) {
      byte[] octets = query.encode(answer.get(), false);
      assertThat(octets.length).isLessThanOrEqualTo(1232);
      assertThat(query.isAnsweredBy(octets, (wire[0] & 0xff) << 8 | (wire[1] & 0xff))).isTrue();
      new Message(octets);
    }
  }
}
