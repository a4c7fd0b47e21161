package dev.sluice.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.api.docker.EngineRehearsal;
import dev.sluice.route.Rtnetlink;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** What is played through before somebody waits for it. */
class RehearsalIT {
  /**
   * Fails if the rehearsal breaks off, because its ports cannot be published or its engine is not
   * understood; or if it takes place before the audience.
   */
  @Test
  void isPlayedToItsEndAndSeenByNobody() throws Exception {
    List<Path> before = files();
    try (Rehearsal rehearsal = Rehearsal.start(20);
        Rtnetlink here = Rtnetlink.open()) {
      assertThat(rehearsal.await()).isEqualTo(20);
      assertThat(here.link(EngineRehearsal.BRIDGE)).isEmpty();
    }
    assertThat(files()).isEqualTo(before);
  }

  /** Fails if an agent that is told to end has to wait until the rehearsal is over. */
  @Test
  void endsWhenTheAgentDoes() throws Exception {
    Rehearsal rehearsal = Rehearsal.start(1_000_000);
    rehearsal.close();
    assertThat(rehearsal.await()).isLessThan(1_000_000);
  }

  private static List<Path> files() throws Exception {
    try (Stream<Path> all = Files.list(Path.of(System.getProperty("java.io.tmpdir")))) {
      return all.filter(path -> path.getFileName().toString().startsWith("sluice-rehearsal"))
          .sorted()
          .toList();
    }
  }
}
