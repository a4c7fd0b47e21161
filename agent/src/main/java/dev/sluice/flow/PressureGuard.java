package dev.sluice.flow;

import dev.sluice.conntrack.Conntrack;
import dev.sluice.conntrack.CpuStatistics;
import dev.sluice.conntrack.EntryReader;
import dev.sluice.conntrack.TableSize;
import dev.sluice.model.Alarm;
import dev.sluice.model.Alarm.Level;
import java.time.Instant;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Watches the table of connections, {@value #SAMPLES_A_SECOND} times a second on a thread of its
 * own: when it is full, new connections are dropped without a word to anybody. Before that, it is
 * made larger where that is allowed, and otherwise an alarm goes to the log and to {@link Alarms}.
 *
 * <p>The same counters show when connections find no source port ({@link PortExhaustion}).
 *
 * <p>A look costs two short requests, however many connections there are; only where ports may have
 * run out all connections are looked at.
 */
public final class PressureGuard implements AutoCloseable {
  static final int SAMPLES_A_SECOND = 4;

  /** How long to count ports, of the second in which an alarm is to be raised. */
  private static final long CENSUS_NANOS = TimeUnit.MILLISECONDS.toNanos(400);

  private static final Logger LOG = LoggerFactory.getLogger(PressureGuard.class);

  private final Supplier<TableSize> size;
  private final Supplier<List<CpuStatistics>> counters;
  private final Supplier<? extends EntryReader> entries;
  private final AutoCloseable table;
  private final TableGrowth growth;
  private final Alarms alarms;
  private final ScheduledExecutorService timer =
      Executors.newSingleThreadScheduledExecutor(
          task -> {
            Thread thread = new Thread(task, "sluice-pressure");
            thread.setDaemon(true);
            return thread;
          });
  private volatile PressureStatistics statistics =
      new PressureStatistics(0, 0, 0, 0, 0, Level.CLEARED, Map.of(), Optional.empty());

  private volatile SourcePortStatistics sourcePorts = SourcePortStatistics.NONE;

  // What follows is the timer's.
  private final Totals totals = new Totals();
  private final Map<Level, Long> raised = new EnumMap<>(Level.class);
  private final PortExhaustion ports = new PortExhaustion(this::portUse);
  private final Map<Level, Long> portAlarms = new EnumMap<>(Level.class);
  private @Nullable Pressure pressure;

  PressureGuard(
      Supplier<TableSize> size,
      Supplier<List<CpuStatistics>> counters,
      Supplier<? extends EntryReader> entries,
      AutoCloseable table,
      TableGrowth growth,
      Alarms alarms) {
    this.size = size;
    this.counters = counters;
    this.entries = entries;
    this.table = table;
    this.growth = growth;
    this.alarms = alarms;
  }

  /**
   * Looks for the first time and goes on looking.
   *
   * @param table belongs to the guard from now on, which closes it: behind a listing of the whole
   *     table, an alarm would come too late
   * @param entries begins to read the table
   */
  public static PressureGuard start(
      Conntrack table, Supplier<? extends EntryReader> entries, TableGrowth growth, Alarms alarms) {
    PressureGuard guard =
        new PressureGuard(table::size, table::statistics, entries, table, growth, alarms);
    guard.look();
    long intervalMillis = 1_000 / SAMPLES_A_SECOND;
    var unused =
        guard.timer.scheduleAtFixedRate(
            guard::look, intervalMillis, intervalMillis, TimeUnit.MILLISECONDS);
    return guard;
  }

  /** What the last look has shown. From any thread. */
  public PressureStatistics statistics() {
    return statistics;
  }

  /** What the last look has shown of the ports that connections leave with. From any thread. */
  public SourcePortStatistics sourcePorts() {
    return sourcePorts;
  }

  /** Looks once. */
  void look() {
    try {
      sample(Instant.now(), System.nanoTime());
    } catch (RuntimeException e) {
      failed(e);
    }
  }

  void sample(Instant time, long nanos) {
    TableSize now = size.get();
    if (now.entries() * 100 >= now.limit() * Pressure.WARNING_PERCENT && now.limit() > 0) {
      Optional<String> grown = growth.grow(now.limit());
      if (grown.isPresent()) {
        LOG.info("{}", grown.get());
        now = size.get();
      }
    }
    long missed = totals.add(counters.get());
    Pressure watched = pressure;
    if (watched == null) {
      watched = new Pressure(totals.lost());
      pressure = watched;
    } else {
      sample(time, nanos, missed);
    }
    Optional<Alarm> alarm =
        watched.next(time, nanos, now.entries(), now.limit(), totals.lost(), growth.advice());
    alarm.ifPresent(one -> raised.merge(one.level(), 1L, Long::sum));
    statistics =
        new PressureStatistics(
            now.entries(),
            now.limit(),
            totals.dropped,
            totals.earlyDropped,
            totals.insertFailed,
            watched.level(),
            raised,
            Optional.empty());
    alarm.ifPresent(this::raise);
  }

  private void sample(Instant time, long nanos, long missed) {
    Optional<Alarm> alarm = ports.next(time, nanos, missed);
    alarm.ifPresent(one -> portAlarms.merge(one.level(), 1L, Long::sum));
    sourcePorts =
        new SourcePortStatistics(
            ports.level(),
            ports.dropped(),
            portAlarms,
            alarm.map(Alarm::text).orElse(sourcePorts.text()));
    alarm.ifPresent(this::raise);
  }

  private Optional<PortUse> portUse() {
    try (EntryReader reader = entries.get()) {
      return Optional.of(
          PortCensus.take(reader, size.get().entries(), System.nanoTime() + CENSUS_NANOS));
    } catch (RuntimeException e) {
      LOG.warn("the source ports in use cannot be counted: {}", e.getMessage());
      LOG.debug("the source ports in use cannot be counted", e);
      return Optional.empty();
    }
  }

  private void raise(Alarm alarm) {
    switch (alarm.level()) {
      case WARNING -> LOG.warn("{}", alarm.text());
      case CRITICAL, FULL -> LOG.error("{}", alarm.text());
      case CLEARED -> LOG.info("{}", alarm.text());
    }
    alarms.raise(alarm);
  }

  /** Says it once, and goes on trying. */
  private void failed(RuntimeException e) {
    PressureStatistics last = statistics;
    String reason = "the connection table cannot be watched: " + e.getMessage();
    if (last.failure().isEmpty()) {
      LOG.warn("{}; it is tried again {} times a second", reason, SAMPLES_A_SECOND);
      LOG.debug("the connection table cannot be watched", e);
    }
    statistics =
        new PressureStatistics(
            last.entries(),
            last.limit(),
            last.dropped(),
            last.earlyDropped(),
            last.insertFailed(),
            last.level(),
            last.alarms(),
            Optional.of(reason));
  }

  /** Ends the watch. Does nothing the second time. */
  @Override
  public void close() {
    timer.shutdownNow();
    try {
      // A request that is under way ends in time; its socket must not be closed under it.
      var unused = timer.awaitTermination(5, TimeUnit.SECONDS);
      table.close();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (RuntimeException e) {
      throw e;
    } catch (Exception e) {
      throw new IllegalStateException("cannot close the connection table", e);
    }
  }

  /** The sums over all processors, whose own counters have 32 bits and wrap. */
  private static final class Totals {
    private final Map<Integer, CpuStatistics> before = new HashMap<>();
    private long dropped;
    private long earlyDropped;
    private long insertFailed;
    private long found;
    private long missed;

    /** Adds what has happened since; how many connections may have found no port for it. */
    long add(List<CpuStatistics> processors) {
      long droppedBefore = dropped;
      long failedBefore = insertFailed;
      long foundBefore = found;
      for (CpuStatistics now : processors) {
        CpuStatistics then = before.put(now.cpu(), now);
        dropped += more(now.dropped(), then == null ? 0 : then.dropped());
        earlyDropped += more(now.earlyDropped(), then == null ? 0 : then.earlyDropped());
        insertFailed += more(now.insertFailed(), then == null ? 0 : then.insertFailed());
        found += more(now.found(), then == null ? 0 : then.found());
      }
      long missedNow =
          PortExhaustion.missed(
              dropped - droppedBefore, insertFailed - failedBefore, found - foundBefore);
      missed += missedNow;
      return missedNow;
    }

    private static long more(long now, long then) {
      return (now - then) & 0xffff_ffffL;
    }

    /** What the table had no room for: other than those that clashed with others. */
    long lost() {
      return dropped - missed + earlyDropped;
    }
  }
}
