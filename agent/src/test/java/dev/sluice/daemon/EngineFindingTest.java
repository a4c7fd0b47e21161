package dev.sluice.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.api.Diagnostics.Finding;
import dev.sluice.api.Diagnostics.Severity;
import dev.sluice.api.docker.EngineLatencies;
import dev.sluice.api.docker.EngineStatistics;
import dev.sluice.api.docker.Latencies;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** What doctor says about the Docker engine that is followed. */
class EngineFindingTest {
  private static final Latencies NONE = new Latencies(List.of(), 0);

  private static EngineStatistics statistics(Optional<String> failure, List<String> problems) {
    return new EngineStatistics(
        Path.of("/var/run/docker.sock"),
        true,
        Optional.of("20.10.24"),
        3,
        2,
        1,
        9,
        Optional.empty(),
        failure,
        problems,
        new EngineLatencies(NONE, NONE, NONE, NONE));
  }

  /** Fails if all is said to be well while what the engine tells is not carried out. */
  @Test
  void whatIsNotCarriedOutIsAFailure() {
    Finding finding = EngineFinding.of(statistics(Optional.of("it is stuck"), List.of()), false);
    assertThat(finding.severity()).isEqualTo(Severity.FAILURE);
    assertThat(finding.found()).contains("it is stuck");
  }

  /** Fails if a healthy engine is a problem, or a container that is not served is none. */
  @Test
  void problemsAreWarnings() {
    assertThat(EngineFinding.of(statistics(Optional.empty(), List.of()), false).severity())
        .isEqualTo(Severity.OK);
    assertThat(EngineFinding.of(statistics(Optional.empty(), List.of("no")), false).severity())
        .isEqualTo(Severity.WARNING);
  }
}
