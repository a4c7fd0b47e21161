package dev.sluice.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Instant;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class AgoTest {
  /** Docker's words ({@code units.HumanDuration} of go-units); fails if a boundary moves. */
  @ParameterizedTest
  @CsvSource({
    "0, Less than a second ago",
    "1, 1 second ago",
    "59, 59 seconds ago",
    "60, About a minute ago",
    "119, About a minute ago",
    "120, 2 minutes ago",
    "3599, 59 minutes ago",
    "3600, About an hour ago",
    "9000, 3 hours ago",
    "172799, 2 days ago",
    "180000, 2 days ago",
    "1209600, 2 weeks ago",
    "5184000, 2 months ago",
    "63072000, 2 years ago",
    "-5, Less than a second ago"
  })
  void says_it_as_docker_does(long seconds, String expected) {
    Instant now = Instant.parse("2026-11-21T09:00:00Z");
    assertThat(Ago.of(now.minusSeconds(seconds), now)).isEqualTo(expected);
  }
}
