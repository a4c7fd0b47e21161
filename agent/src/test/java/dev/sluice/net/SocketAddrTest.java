package dev.sluice.net;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** An address with a port. */
class SocketAddrTest {

  /** Fails if IPv6 is written without brackets. */
  @ParameterizedTest
  @CsvSource({
    "1.2.3.4:80, 1.2.3.4:80",
    "[::1]:65535, [::1]:65535",
    "[2001:DB8::]:1, [2001:db8::]:1"
  })
  void readsAndWritesBothFamilies(String text, String canonical) {
    assertThat(SocketAddr.parse(text)).hasToString(canonical);
  }

  /** Fails if a check is removed, or a column is counted from the part instead of the whole. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          ''           | 0  | ":" and a port must follow the address in ""
          1.2.3.4      | 7  | ":" and a port must follow the address in "1.2.3.4"
          1.2.3.4:     | 8  | a port number is missing
          1.2.3.4:0    | 8  | port "0" is not in 1–65535
          1.2.3.4:http | 8  | port "http" is not a decimal number
          1.2.3:80     | 5  | IPv4 address "1.2.3" has 3 of 4 numbers
          :80          | 0  | an IP address is missing
          ::1:80       | 0  | the IPv6 address in "::1:80" needs brackets, such as [::1]:80
          [::1         | 4  | "]" is missing behind the IPv6 address in "[::1"
          [::1]        | 5  | ":" and a port must follow the address in "[::1]"
          [::1]80      | 5  | ":" and a port must follow the address in "[::1]80"
          [::1]:70000  | 6  | port "70000" is not in 1–65535
          [::g]:80     | 3  | "g" does not belong into IPv6 address "::g"
          [1.2.3.4]:80 | 1  | "1.2.3.4" is not an IPv6 address
          []:80        | 1  | an IP address is missing
          localhost:80 | 0  | "localhost" is not an IP address (names are not looked up)
          """)
  void refusesEverythingElse(String text, int column, String problem) {
    var refusal = catchThrowableOfType(MalformedValueException.class, () -> SocketAddr.parse(text));
    assertThat(refusal).as(text).isNotNull().hasMessage(problem);
    assertThat(refusal.column()).isEqualTo(column);
    assertThat(refusal.input()).isEqualTo(text);
  }

  /** Fails if the port decides before the address, or port 0 passes. */
  @Test
  void ordersByAddressAndChecksThePort() {
    assertThat(SocketAddr.parse("1.2.3.4:90")).isLessThan(SocketAddr.parse("1.2.3.5:80"));
    assertThat(SocketAddr.parse("1.2.3.4:80")).isLessThan(SocketAddr.parse("1.2.3.4:90"));
    assertThatIllegalArgumentException().isThrownBy(() -> new SocketAddr(Ip4Address.LOOPBACK, 0));
  }
}
