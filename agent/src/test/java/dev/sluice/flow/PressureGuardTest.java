package dev.sluice.flow;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.conntrack.CpuStatistics;
import dev.sluice.conntrack.PlayedDump;
import dev.sluice.conntrack.TableSize;
import dev.sluice.model.Alarm;
import dev.sluice.model.Alarm.Level;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** The guard with a table that is played. */
class PressureGuardTest {
  private static final long WRAP = 1L << 32;

  private final List<Alarm> alarms = new ArrayList<>();
  private final List<Long> grownFrom = new ArrayList<>();
  private TableSize size = new TableSize(10, 1_000);
  private List<CpuStatistics> counters = List.of(cpu(0, 0, 0, 0));
  private long limitAfterGrowth;
  private boolean closed;

  private final PressureGuard guard =
      new PressureGuard(
          () -> size,
          () -> counters,
          () -> new PlayedDump(),
          () -> closed = true,
          growth(),
          alarms::add);

  private static CpuStatistics cpu(int cpu, long insertFailed, long dropped, long earlyDropped) {
    return new CpuStatistics(cpu, 1, 2, 3, insertFailed, dropped, earlyDropped, 4, 5, 6, 7);
  }

  private TableGrowth growth() {
    return new TableGrowth() {
      @Override
      public Optional<String> grow(long limit) {
        grownFrom.add(limit);
        if (limitAfterGrowth == 0) {
          return Optional.empty();
        }
        size = new TableSize(size.entries(), limitAfterGrowth);
        return Optional.of("grown");
      }

      @Override
      public String advice() {
        return "buy memory";
      }
    };
  }

  /** Fails if an alarm does not reach who is to hear of it, or is not counted. */
  @Test
  void alarmsArePassedOnAndCounted() {
    guard.look();
    assertThat(alarms).isEmpty();
    size = new TableSize(960, 1_000);
    guard.look();
    assertThat(alarms).extracting(Alarm::level).containsExactly(Level.CRITICAL);
    assertThat(alarms.get(0).text()).contains("960 of 1000 connections", "buy memory");
    assertThat(guard.statistics().level()).isEqualTo(Level.CRITICAL);
    assertThat(guard.statistics().percent()).isEqualTo(96);
    assertThat(guard.statistics().alarms()).hasSize(1).containsEntry(Level.CRITICAL, 1L);
  }

  /** Fails if counters of 32 bits are added up wrongly when they wrap, or one processor is lost. */
  @Test
  void countersOfAllProcessorsAreAddedUpAlsoWhenTheyWrap() {
    counters = List.of(cpu(0, 1, WRAP - 3, 10), cpu(1, 2, 5, 20));
    guard.look();
    counters = List.of(cpu(0, 1, 4, 11), cpu(1, 3, 6, 20));
    guard.look();
    PressureStatistics now = guard.statistics();
    assertThat(now.dropped()).isEqualTo(WRAP + 10);
    assertThat(now.earlyDropped()).isEqualTo(31);
    assertThat(now.insertFailed()).isEqualTo(4);
    assertThat(alarms).isEmpty();
  }

  /** Fails if what the census acquits is in the figures of ports, or is an alarm. */
  @Test
  void aClashOfConnectionsIsNoMissingPort() {
    guard.look();
    counters = List.of(new CpuStatistics(0, 1 + 248, 2, 3, 1, 1, 0, 4, 5, 6, 7));
    guard.look();
    assertThat(guard.statistics().insertFailed()).isEqualTo(1);
    assertThat(guard.sourcePorts().dropped()).isZero();
    assertThat(guard.sourcePorts().level()).isEqualTo(Level.CLEARED);
    assertThat(alarms).isEmpty();
  }

  /** Fails if a table that could be made larger is an alarm, or is made so while it has room. */
  @Test
  void aTableThatGrowsIsNoAlarm() {
    size = new TableSize(799, 1_000);
    guard.look();
    assertThat(grownFrom).isEmpty();
    limitAfterGrowth = 2_000;
    size = new TableSize(800, 1_000);
    guard.look();
    assertThat(grownFrom).containsExactly(1_000L);
    assertThat(alarms).isEmpty();
    assertThat(guard.statistics().limit()).isEqualTo(2_000);
  }

  /** Fails if one failure ends the watch, or nobody is told of it, or it is told for ever. */
  @Test
  void aFailureIsToldAndTheWatchGoesOn() {
    guard.look();
    TableSize before = size;
    PressureGuard broken =
        new PressureGuard(
            () -> {
              if (size.limit() == 0) {
                throw new IllegalStateException("no answer");
              }
              return size;
            },
            () -> counters,
            () -> new PlayedDump(),
            () -> {},
            growth(),
            alarms::add);
    broken.look();
    size = new TableSize(0, 0);
    broken.look();
    assertThat(broken.statistics().failure())
        .contains("the connection table cannot be watched: no answer");
    assertThat(broken.statistics().entries()).isEqualTo(before.entries());
    size = new TableSize(1_000, 1_000);
    broken.look();
    assertThat(broken.statistics().failure()).isEmpty();
    assertThat(alarms).extracting(Alarm::level).containsExactly(Level.FULL);
  }

  /** Fails if the socket stays open. */
  @Test
  void closingItClosesTheTable() {
    guard.sample(Instant.EPOCH, 0);
    guard.close();
    assertThat(closed).isTrue();
  }
}
