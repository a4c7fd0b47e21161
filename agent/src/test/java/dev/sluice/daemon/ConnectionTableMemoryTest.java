package dev.sluice.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.api.Diagnostics.Severity;
import dev.sluice.flow.PressureStatistics;
import dev.sluice.model.Alarm.Level;
import dev.sluice.sysctl.Sysctl;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** How far the limit of connections is raised, and what the doctor says of it. */
class ConnectionTableMemoryTest {
  private static final String SLABINFO =
      """
      slabinfo - version: 2.1
      # name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables
      nf_conntrack_expect      0      0    208   19    1 : tunables    0    0    0 : slabdata
      nf_conntrack         160    160    320   16    1 : tunables    0    0    0 : slabdata
      """;

  private Path root = Path.of("/nowhere");
  private Path slabinfo = root;

  @BeforeEach
  void parameters(@TempDir Path directory) throws IOException {
    root = directory;
    slabinfo = directory.resolve("slabinfo");
    Files.writeString(slabinfo, SLABINFO);
    Files.createDirectories(root.resolve("net/netfilter"));
    write(ConnectionTableMemory.LIMIT, "1000");
    write(ConnectionTableMemory.BUCKETS, "1000");
  }

  private void write(String name, String value) throws IOException {
    Files.writeString(root.resolve(name), value + "\n");
  }

  private ConnectionTableMemory memory(int mebibytes) {
    return new ConnectionTableMemory(new Sysctl(root), slabinfo, mebibytes);
  }

  private String value(String name) throws IOException {
    return Files.readString(root.resolve(name)).strip();
  }

  /**
   * Fails if an entry is taken for smaller than it is: 320 bytes says slabinfo, 128 its extensions,
   * 8 the bucket.
   */
  @Test
  void theMemoryCountsEntriesExtensionsAndBuckets() {
    assertThat(memory(1).mostEntries()).isEqualTo((1 << 20) / 456);
    slabinfo = root.resolve("no such file");
    assertThat(memory(1).mostEntries()).isEqualTo((1 << 20) / 392);
    assertThat(memory(1 << 20).mostEntries()).isEqualTo(Integer.MAX_VALUE);
  }

  /** Fails if the limit is raised beyond the memory, or the buckets stay behind. */
  @Test
  void theLimitIsDoubledAsFarAsTheMemoryGoes() throws IOException {
    Sysctl sysctl = new Sysctl(root);
    ConnectionTableMemory memory = new ConnectionTableMemory(sysctl, slabinfo, 1);
    assertThat(memory.grow(1_000))
        .contains(
            "the connection table was nearly full: it can hold 2000 connections now, it was 1000;"
                + " up to 2299 fit into the 1 MiB of --conntrack-memory");
    assertThat(value(ConnectionTableMemory.LIMIT)).isEqualTo("2000");
    assertThat(value(ConnectionTableMemory.BUCKETS)).isEqualTo("2000");
    assertThat(memory.grow(2_000)).isPresent();
    assertThat(value(ConnectionTableMemory.LIMIT)).isEqualTo("2299");
    assertThat(memory.grow(2_299)).isEmpty();
    assertThat(memory.grow(5_000)).isEmpty();
    assertThat(value(ConnectionTableMemory.LIMIT)).isEqualTo("2299");
    assertThat(sysctl.changes())
        .extracting(Object::toString)
        .containsExactly(
            "net/netfilter/nf_conntrack_max: 1000 → 2299",
            "net/netfilter/nf_conntrack_buckets: 1000 → 2299");
    assertThat(memory.advice())
        .isEqualTo(
            "raise net.netfilter.nf_conntrack_max, or give the agent more than --conntrack-memory"
                + " 1");
  }

  /** Fails if buckets that are plenty are made fewer. */
  @Test
  void bucketsAreNeverMadeFewer() throws IOException {
    write(ConnectionTableMemory.BUCKETS, "65536");
    assertThat(memory(1).grow(1_000)).isPresent();
    assertThat(value(ConnectionTableMemory.BUCKETS)).isEqualTo("65536");
  }

  /** Fails if an agent that was not told to touches the limit. */
  @Test
  void withoutMemoryTheLimitIsLeftAlone() throws IOException {
    assertThat(memory(0).grow(1_000)).isEmpty();
    assertThat(value(ConnectionTableMemory.LIMIT)).isEqualTo("1000");
    assertThat(memory(0).problem()).isEmpty();
    assertThat(memory(0).advice()).endsWith("or let the agent do it with --conntrack-memory");
  }

  /** Fails if a limit that is missing is tried again and again, or nobody is told. */
  @Test
  void aRefusalIsKept() throws IOException {
    ConnectionTableMemory memory = memory(1);
    Files.delete(root.resolve(ConnectionTableMemory.LIMIT));
    assertThat(memory.grow(1_000)).isEmpty();
    assertThat(memory.problem())
        .contains(
            "--conntrack-memory has no effect: this kernel has no parameter"
                + " net/netfilter/nf_conntrack_max");
    write(ConnectionTableMemory.LIMIT, "1000");
    assertThat(memory.grow(1_000)).isEmpty();
  }

  // ---- the doctor

  private static PressureStatistics table(long entries, long lost, Level level) {
    return new PressureStatistics(
        entries, 1_000, lost, 2 * lost, 3 * lost, level, Map.of(), Optional.empty());
  }

  /** Fails if a quiet table is a complaint, or the doctor does not say how full it is. */
  @Test
  void aQuietTableIsFine() {
    var finding = ConnectionTableFinding.of(table(123, 0, Level.CLEARED), memory(0));
    assertThat(finding.severity()).isEqualTo(Severity.OK);
    assertThat(finding.found())
        .isEqualTo(
            "tracking 123 of at most 1000 connections (12 %), none lost since the boot; the agent"
                + " leaves the limit alone (--conntrack-memory changes that)");
    assertThat(finding.remedy()).isEmpty();
  }

  /** Fails if a full table is not a failure, or one of its remedies is missing. */
  @Test
  void aFullTableIsExplained() {
    var finding = ConnectionTableFinding.of(table(1_000, 5, Level.FULL), memory(1));
    assertThat(finding.severity()).isEqualTo(Severity.FAILURE);
    assertThat(finding.found())
        .contains(
            "1000 of at most 1000 connections (100 %)",
            "5 packets of new ones dropped",
            "10 given up early",
            "15 not entered",
            "up to 2299 (--conntrack-memory 1)");
    assertThat(finding.remedy())
        .contains("net.netfilter.nf_conntrack_max", "--source-rate", "--syn-proxy");
  }

  /** Fails if losses of yesterday are forgotten, or taken for a trouble of today. */
  @Test
  void lossesThatAreOverAreANote() {
    assertThat(ConnectionTableFinding.of(table(1, 5, Level.CLEARED), memory(0)).severity())
        .isEqualTo(Severity.NOTE);
    assertThat(ConnectionTableFinding.of(table(960, 0, Level.CRITICAL), memory(0)).severity())
        .isEqualTo(Severity.WARNING);
  }

  /** Fails if a guard that cannot see passes for a table that is fine. */
  @Test
  void aTableThatCannotBeWatchedIsAWarning() {
    var blind =
        new PressureStatistics(
            0, 0, 0, 0, 0, Level.CLEARED, Map.of(), Optional.of("it cannot be watched"));
    var finding = ConnectionTableFinding.of(blind, memory(0));
    assertThat(finding.severity()).isEqualTo(Severity.WARNING);
    assertThat(finding.found()).isEqualTo("it cannot be watched");
  }
}
