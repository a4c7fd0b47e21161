package dev.sluice.netlink;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.HexFormat;

/**
 * Datagrams put together by hand, byte by byte, so that the tests do not trust the writer they
 * test.
 */
final class Datagrams {
  private Datagrams() {}

  /** A message with its header; {@code payload} is padded to a multiple of four. */
  static byte[] message(int type, int flags, int sequence, byte... payload) {
    byte[] message = new byte[(16 + payload.length + 3) & ~3];
    wrap(message)
        .putInt(16 + payload.length)
        .putShort((short) type)
        .putShort((short) flags)
        .putInt(sequence)
        .putInt(0)
        .put(payload);
    return message;
  }

  /** NLMSG_ERROR as a socket with CAP_ACK gets it: errno, the request's header, attributes. */
  static byte[] answer(int sequence, int errno, byte... extendedAck) {
    int flags = extendedAck.length == 0 ? 0x100 : 0x300; // NLM_F_CAPPED, NLM_F_ACK_TLVS
    byte[] request = new byte[16];
    wrap(request).putInt(16).putInt(0).putInt(sequence).putInt(0);
    return message(2, flags, sequence, join(u32(-errno), request, extendedAck));
  }

  static byte[] done(int sequence, int flags, int errno) {
    return message(3, flags, sequence, u32(-errno));
  }

  static byte[] attribute(int type, byte... payload) {
    byte[] attribute = new byte[(4 + payload.length + 3) & ~3];
    wrap(attribute).putShort((short) (4 + payload.length)).putShort((short) type).put(payload);
    return attribute;
  }

  /** 32 bits in host byte order. */
  static byte[] u32(int value) {
    byte[] bytes = new byte[4];
    wrap(bytes).putInt(value);
    return bytes;
  }

  static byte[] join(byte[]... parts) {
    byte[] joined = new byte[Arrays.stream(parts).mapToInt(part -> part.length).sum()];
    int at = 0;
    for (byte[] part : parts) {
      System.arraycopy(part, 0, joined, at, part.length);
      at += part.length;
    }
    return joined;
  }

  /** In host byte order. */
  static ByteBuffer wrap(byte[] bytes) {
    return ByteBuffer.wrap(bytes).order(ByteOrder.nativeOrder());
  }

  /** Hex digits, blanks ignored. */
  static byte[] hex(String digits) {
    return HexFormat.of().parseHex(digits.replaceAll("\\s", ""));
  }

  static String hex(byte[] bytes) {
    return HexFormat.ofDelimiter(" ").formatHex(bytes);
  }
}
