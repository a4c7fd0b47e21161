package dev.sluice.flow;

import java.nio.charset.StandardCharsets;

/**
 * Text under construction, for those who write a line per event and cannot afford an object for
 * each: numbers, addresses and times go into the same bytes as ASCII.
 */
final class AsciiBuffer {
  private static final byte[] DIGITS = ascii("0123456789abcdef");
  private static final byte[] MAPPED = ascii("::ffff:");
  private static final long NANOS_PER_SECOND = 1_000_000_000L;
  private static final long SECONDS_PER_DAY = 86_400;

  /** {@code 2026-11-21T09:00:00} */
  private static final int SECOND_BYTES = 19;

  private final byte[] bytes;
  private int length;

  /** The second that {@link #secondText} is the text of: most events share it with the last. */
  private long second = Long.MIN_VALUE;

  private final byte[] secondText = new byte[SECOND_BYTES];

  AsciiBuffer(int capacity) {
    this.bytes = new byte[capacity];
  }

  static byte[] ascii(String text) {
    byte[] bytes = new byte[text.length()];
    for (int i = 0; i < bytes.length; i++) {
      char c = text.charAt(i);
      if (c >= 0x80) {
        throw new IllegalArgumentException("not ASCII: " + text);
      }
      bytes[i] = (byte) c;
    }
    return bytes;
  }

  void clear() {
    length = 0;
  }

  int length() {
    return length;
  }

  /** The bytes from index 0 to {@link #length}, not a copy. */
  byte[] bytes() {
    return bytes;
  }

  AsciiBuffer add(byte[] text) {
    System.arraycopy(text, 0, bytes, length, text.length);
    length += text.length;
    return this;
  }

  AsciiBuffer add(byte[] text, int textLength) {
    System.arraycopy(text, 0, bytes, length, textLength);
    length += textLength;
    return this;
  }

  AsciiBuffer add(char c) {
    bytes[length++] = (byte) c;
    return this;
  }

  /** The number in decimal, as unsigned. */
  AsciiBuffer decimal(long value) {
    if (value < 0) {
      long tenth = Long.divideUnsigned(value, 10);
      decimal(tenth);
      return add((char) ('0' + (value - tenth * 10)));
    }
    int end = length + 1;
    for (long left = value / 10; left != 0; left /= 10) {
      end++;
    }
    long left = value;
    for (int at = end - 1; at >= length; at--) {
      bytes[at] = (byte) ('0' + left % 10);
      left /= 10;
    }
    length = end;
    return this;
  }

  /** The dotted quad of these 32 bits. */
  AsciiBuffer ip4(int bits) {
    return decimal(bits >>> 24)
        .add('.')
        .decimal(bits >>> 16 & 0xff)
        .add('.')
        .decimal(bits >>> 8 & 0xff)
        .add('.')
        .decimal(bits & 0xff);
  }

  /** The text of RFC 5952 of these 128 bits, as {@link dev.sluice.net.Ip6Address} has it. */
  AsciiBuffer ip6(long high, long low) {
    if (high == 0 && low >>> 32 == 0xffff) {
      return add(MAPPED).ip4((int) low);
    }
    int runStart = 8;
    int runLength = 1; // a single zero group is written out
    for (int i = 0; i < 8; i++) {
      int zeros = 0;
      while (i + zeros < 8 && group(high, low, i + zeros) == 0) {
        zeros++;
      }
      if (zeros > runLength) {
        runStart = i;
        runLength = zeros;
      }
      i += zeros;
    }
    for (int i = 0; i < 8; i++) {
      if (i == runStart) {
        add(':').add(':');
        i += runLength - 1;
        continue;
      }
      if (i > 0 && i != runStart + runLength) {
        add(':');
      }
      hex(group(high, low, i));
    }
    return this;
  }

  /**
   * The moment in UTC, ISO 8601 with nine digits of a second: {@code
   * 2026-11-21T09:00:00.123456789Z}.
   *
   * @param nanos ns since 1970, not negative
   */
  AsciiBuffer time(long nanos) {
    long seconds = nanos / NANOS_PER_SECOND;
    if (seconds != second) {
      int before = length;
      dateAndTime(seconds);
      System.arraycopy(bytes, before, secondText, 0, SECOND_BYTES);
      second = seconds;
    } else {
      add(secondText);
    }
    add('.');
    return padded((int) (nanos - seconds * NANOS_PER_SECOND), 9).add('Z');
  }

  private void dateAndTime(long seconds) {
    // Days since 1970 to a date of the Gregorian calendar, with years that begin in March so that
    // the leap day is the last: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms",
    // civil_from_days.
    long days = seconds / SECONDS_PER_DAY + 719_468;
    long era = days / 146_097;
    int dayOfEra = (int) (days - era * 146_097);
    int yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365;
    int dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100);
    int monthFromMarch = (5 * dayOfYear + 2) / 153;
    int day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1;
    int month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9;
    int year = yearOfEra + (int) era * 400 + (month <= 2 ? 1 : 0);

    int secondOfDay = (int) (seconds % SECONDS_PER_DAY);
    padded(year, 4).add('-');
    padded(month, 2).add('-');
    padded(day, 2).add('T');
    padded(secondOfDay / 3_600, 2).add(':');
    padded(secondOfDay / 60 % 60, 2).add(':');
    padded(secondOfDay % 60, 2);
  }

  private AsciiBuffer padded(int value, int digits) {
    int left = value;
    for (int at = length + digits - 1; at >= length; at--) {
      bytes[at] = (byte) ('0' + left % 10);
      left /= 10;
    }
    length += digits;
    return this;
  }

  private void hex(int group) {
    if (group > 0xfff) {
      bytes[length++] = DIGITS[group >>> 12];
    }
    if (group > 0xff) {
      bytes[length++] = DIGITS[group >>> 8 & 0xf];
    }
    if (group > 0xf) {
      bytes[length++] = DIGITS[group >>> 4 & 0xf];
    }
    bytes[length++] = DIGITS[group & 0xf];
  }

  private static int group(long high, long low, int index) {
    return (int) ((index < 4 ? high : low) >>> (48 - 16 * (index & 3))) & 0xffff;
  }

  @Override
  public String toString() {
    return new String(bytes, 0, length, StandardCharsets.US_ASCII);
  }
}
