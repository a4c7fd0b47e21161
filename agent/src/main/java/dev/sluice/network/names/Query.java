package dev.sluice.network.names;

import java.io.IOException;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;
import org.xbill.DNS.Flags;
import org.xbill.DNS.Header;
import org.xbill.DNS.Message;
import org.xbill.DNS.Name;
import org.xbill.DNS.OPTRecord;
import org.xbill.DNS.Opcode;
import org.xbill.DNS.Rcode;
import org.xbill.DNS.Record;
import org.xbill.DNS.Section;
import org.xbill.DNS.Type;

/**
 * A query with one question that was understood (RFC 1035 section 4.1):
 *
 * <pre>
 *  0        2        4        6        8        10       12
 * +--------+--------+--------+--------+--------+--------+------------------+------+-------+----
 * |   id   | flags  | qd = 1 |   an   |   ns   |   ar   | name, not pointed | type | class | ...
 * +--------+--------+--------+--------+--------+--------+------------------+------+-------+----
 * </pre>
 */
final class Query {
  /** Octets of a message's header. */
  static final int HEADER_BYTES = Header.LENGTH;

  /** Octets of a datagram for who does not ask for more (RFC 1035 section 4.2.1). */
  static final int MIN_DATAGRAM_BYTES = 512;

  /** Octets of a datagram that no path has to fragment (RFC 9715). */
  static final int OWN_DATAGRAM_BYTES = 1232;

  /** Octets of a query; a question with a name of 255 octets and some options has 500. */
  static final int MAX_QUERY_BYTES = 4096;

  /** Octets of a message over TCP: its length has 16 bits. */
  static final int MAX_MESSAGE_BYTES = 65_535;

  private static final int FLAGS_OFFSET = 2;
  private static final int COUNTS_OFFSET = 4;
  private static final int COUNTS_END = 12;
  private static final int TYPE_AND_CLASS_BYTES = 4;
  private static final int QR = 0x8000;
  private static final int TC = 0x0200;

  /** What came in, to those who must tell the asker what is wrong with it. */
  sealed interface Received {}

  /** A query. */
  record Understood(Query query) implements Received {}

  /** Something that is not answered with names, but with this. */
  record Faulty(Message answer) implements Received {}

  /** Not to be answered: too short for an answer, or an answer itself. */
  record Noise() implements Received {}

  private final byte[] wire;
  private final Record question;
  private final Header header;
  private final @Nullable OPTRecord options;
  private final int questionEnd;

  private Query(byte[] wire, Message message, Record question, int questionEnd) {
    this.wire = wire;
    this.header = message.getHeader();
    this.question = question;
    this.options = message.getOPT();
    this.questionEnd = questionEnd;
  }

  /** Reads a message. Never fails, whatever is in it. */
  static Received read(byte[] wire) {
    if (wire.length < HEADER_BYTES || (u16(wire, FLAGS_OFFSET) & QR) != 0) {
      return new Noise();
    }
    if ((u16(wire, FLAGS_OFFSET) >>> 11 & 0xf) != Opcode.QUERY) {
      return new Faulty(bare(wire, Rcode.NOTIMP));
    }
    if (u16(wire, COUNTS_OFFSET) != 1 || wire.length > MAX_QUERY_BYTES) {
      return new Faulty(bare(wire, Rcode.FORMERR));
    }
    Message message;
    try {
      message = new Message(wire);
    } catch (IOException | IllegalArgumentException e) {
      return new Faulty(bare(wire, Rcode.FORMERR));
    }
    Record question = message.getQuestion();
    if (question == null || count(message, Type.OPT) > 1) {
      return new Faulty(bare(wire, Rcode.FORMERR));
    }
    // A name of the question that points elsewhere would be compared with other bytes later.
    byte[] name = question.getName().toWire();
    int nameEnd = HEADER_BYTES + name.length;
    if (nameEnd + TYPE_AND_CLASS_BYTES > wire.length
        || !Arrays.equals(name, 0, name.length, wire, HEADER_BYTES, nameEnd)) {
      return new Faulty(bare(wire, Rcode.FORMERR));
    }
    Query query = new Query(wire, message, question, nameEnd + TYPE_AND_CLASS_BYTES);
    OPTRecord options = message.getOPT();
    if (options != null && options.getVersion() != 0) {
      return new Faulty(query.answer(Rcode.BADVERS));
    }
    return new Understood(query);
  }

  /** An answer of a header alone, to a message that has a header. */
  static Message bare(byte[] wire, int rcode) {
    Message answer = new Message(u16(wire, 0));
    int flags = u16(wire, FLAGS_OFFSET);
    answer.getHeader().setFlag(Flags.QR);
    answer.getHeader().setOpcode(flags >>> 11 & 0xf);
    if ((flags & 0x0100) != 0) {
      answer.getHeader().setFlag(Flags.RD);
    }
    answer.getHeader().setRcode(rcode);
    return answer;
  }

  Record question() {
    return question;
  }

  Name name() {
    return question.getName();
  }

  int type() {
    return question.getType();
  }

  /** The octets an answer may have. */
  int maxAnswerBytes(boolean overTcp) {
    if (overTcp) {
      return MAX_MESSAGE_BYTES;
    }
    return options == null
        ? MIN_DATAGRAM_BYTES
        : Math.max(MIN_DATAGRAM_BYTES, options.getPayloadSize());
  }

  /**
   * The beginning of an answer: the id, the question in the spelling in which it was asked, and an
   * OPT record if there was one (RFC 6891 section 6.1.1).
   */
  Message answer(int rcode) {
    Message answer = new Message(header.getID());
    Header to = answer.getHeader();
    to.setFlag(Flags.QR);
    if (header.getFlag(Flags.RD)) {
      to.setFlag(Flags.RD);
    }
    if (header.getFlag(Flags.CD)) {
      to.setFlag(Flags.CD);
    }
    to.setRcode(rcode & 0xf);
    answer.addRecord(question, Section.QUESTION);
    if (options != null) {
      answer.addRecord(new OPTRecord(OWN_DATAGRAM_BYTES, rcode >>> 4, 0), Section.ADDITIONAL);
    }
    return answer;
  }

  /** The octets of an answer of ours; too long a one is cut, with the flag TC. */
  byte[] encode(Message answer, boolean overTcp) {
    return answer.toWire(
        overTcp ? MAX_MESSAGE_BYTES : Math.min(maxAnswerBytes(false), OWN_DATAGRAM_BYTES));
  }

  /** The query as it came, with another id. */
  byte[] withId(int id) {
    byte[] copy = wire.clone();
    putU16(copy, 0, id);
    return copy;
  }

  /**
   * Whether these octets are an answer to this query asked with another id. Letters are equal in
   * both cases, as in names.
   */
  boolean isAnsweredBy(byte[] answer, int id) {
    if (answer.length < questionEnd
        || u16(answer, 0) != id
        || (u16(answer, FLAGS_OFFSET) & QR) == 0
        || u16(answer, COUNTS_OFFSET) != 1) {
      return false;
    }
    int nameEnd = questionEnd - TYPE_AND_CLASS_BYTES;
    for (int i = HEADER_BYTES; i < nameEnd; i++) {
      if (lowerCase(answer[i]) != lowerCase(wire[i])) {
        return false;
      }
    }
    return Arrays.equals(answer, nameEnd, questionEnd, wire, nameEnd, questionEnd);
  }

  /**
   * A foreign answer as the asker gets it: with the asker's id, and cut behind the question if it
   * is longer than the asker can take.
   */
  byte[] relayed(byte[] answer, boolean overTcp) {
    boolean fits = answer.length <= maxAnswerBytes(overTcp);
    byte[] relayed = Arrays.copyOf(answer, fits ? answer.length : questionEnd);
    putU16(relayed, 0, header.getID());
    if (!fits) {
      putU16(relayed, FLAGS_OFFSET, u16(answer, FLAGS_OFFSET) | TC);
      Arrays.fill(relayed, COUNTS_OFFSET + 2, COUNTS_END, (byte) 0);
    }
    return relayed;
  }

  /** The response code of an answer, without the bits in its OPT record. */
  static int rcodeOf(byte[] answer) {
    return answer[FLAGS_OFFSET + 1] & 0xf;
  }

  private static long count(Message message, int type) {
    return message.getSection(Section.ADDITIONAL).stream()
        .filter(record -> record.getType() == type)
        .count();
  }

  /** Lengths of labels are below 64 and so never letters. */
  private static int lowerCase(byte octet) {
    return octet >= 'A' && octet <= 'Z' ? octet + ('a' - 'A') : octet;
  }

  private static int u16(byte[] bytes, int offset) {
    return (bytes[offset] & 0xff) << 8 | (bytes[offset + 1] & 0xff);
  }

  private static void putU16(byte[] bytes, int offset, int value) {
    bytes[offset] = (byte) (value >>> 8);
    bytes[offset + 1] = (byte) value;
  }
}
