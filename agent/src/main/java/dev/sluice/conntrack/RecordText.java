package dev.sluice.conntrack;

import java.nio.ByteBuffer;
import java.nio.charset.Charset;

/** Text in a fixed field of a record, padded with NULs. */
final class RecordText {
  private RecordText() {}

  static String read(ByteBuffer bytes, int offset, int size, Charset charset) {
    int length = 0;
    while (length < size && bytes.get(offset + length) != 0) {
      length++;
    }
    byte[] text = new byte[length];
    bytes.get(offset, text);
    return new String(text, charset);
  }
}
