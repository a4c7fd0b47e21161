package dev.sluice.flow;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.net.Ip4Address;
import dev.sluice.net.Ip6Address;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Text without objects, compared with the text that objects make. */
class AsciiBufferTest {
  private final AsciiBuffer buffer = new AsciiBuffer(100);

  /** Fails if a digit is lost at a power of ten, or a large number is taken for a negative one. */
  @Test
  void numbersAreWrittenAsLongDoes() {
    for (long power = 1; power > 0 && power < Long.MAX_VALUE / 10; power *= 10) {
      assertDecimal(power - 1);
      assertDecimal(power);
      assertDecimal(power + 1);
    }
    assertDecimal(Long.MAX_VALUE);
    assertDecimal(Long.MIN_VALUE);
    assertDecimal(-1);
    assertDecimal(-10);
  }

  private void assertDecimal(long value) {
    buffer.clear();
    assertThat(buffer.decimal(value)).hasToString(Long.toUnsignedString(value));
  }

  /** Fails if an octet is taken as signed or in another order. */
  @Test
  void ip4AddressesAreDottedQuads() {
    for (String text : new String[] {"0.0.0.0", "255.254.253.252", "198.18.0.1", "10.0.0.0"}) {
      buffer.clear();
      assertThat(buffer.ip4(Ip4Address.parse(text).bits())).hasToString(text);
    }
  }

  /** Fails if zeros are compressed elsewhere or otherwise than RFC 5952 says. */
  @Test
  void ip6AddressesAreThoseOfRfc5952() {
    Random random = new Random(5952);
    for (int i = 0; i < 100_000; i++) {
      // Each group is zero in half of the cases, and of any length otherwise.
      long high = 0;
      long low = 0;
      for (int group = 0; group < 4; group++) {
        high = high << 16 | (random.nextBoolean() ? 0 : random.nextInt(1 << random.nextInt(17)));
        low = low << 16 | (random.nextBoolean() ? 0 : random.nextInt(1 << random.nextInt(17)));
      }
      assertIp6(high, low);
    }
    assertIp6(0, 0);
    assertIp6(0, 1);
    assertIp6(0, 0xffff_c612_0001L);
    assertIp6(-1, -1);
    assertIp6(1L << 48, 0);
    assertIp6(0x2001_0db8_0000_0001L, 0x0001_0001_0001_0001L);
  }

  private void assertIp6(long high, long low) {
    buffer.clear();
    assertThat(buffer.ip6(high, low)).hasToString(new Ip6Address(high, low).toString());
  }

  /** Fails if a leap day, a turn of the year, or the text kept from the second before is wrong. */
  @Test
  void timesAreThoseOfTheCalendar() {
    DateTimeFormatter expected =
        DateTimeFormatter.ofPattern("uuuu-MM-dd'T'HH:mm:ss.nnnnnnnnn'Z'").withZone(ZoneOffset.UTC);
    Random random = new Random(1582);
    for (int i = 0; i < 100_000; i++) {
      long nanos = random.nextLong() >>> 1;
      buffer.clear();
      assertThat(buffer.time(nanos)).hasToString(expected.format(Instant.ofEpochSecond(0, nanos)));
    }
    for (String text :
        new String[] {
          "1970-01-01T00:00:00.000000000Z",
          "2024-02-29T23:59:59.999999999Z",
          "2024-03-01T00:00:00.000000000Z",
          "2100-02-28T23:59:59.000000001Z",
          "2100-03-01T00:00:00.000000001Z",
          "2026-12-31T23:59:59.123456789Z",
          "2026-12-31T23:59:59.000000009Z"
        }) {
      Instant instant = Instant.parse(text);
      buffer.clear();
      assertThat(buffer.time(instant.getEpochSecond() * 1_000_000_000L + instant.getNano()))
          .hasToString(text);
    }
  }
}
