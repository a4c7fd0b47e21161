package dev.sluice.ruleset;

import dev.sluice.ffi.Errno;
import dev.sluice.netlink.DumpInterruptedException;
import dev.sluice.netlink.NetlinkException;
import dev.sluice.nftables.Batch;
import dev.sluice.nftables.Chain;
import dev.sluice.nftables.ElementSet;
import dev.sluice.nftables.Monitor;
import dev.sluice.nftables.Nftables;
import dev.sluice.nftables.SetElement;
import dev.sluice.nftables.TableId;
import dev.sluice.nftables.expr.Counter;
import dev.sluice.nftables.expr.Expression;
import dev.sluice.ruleset.TableImage.ElementKey;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Keeps a table that everybody may change as this agent wrote it: follows what others do to the
 * ruleset, and puts back what they change in the table, in one transaction, at once.
 *
 * <p>A foreign {@code flush ruleset} takes the kernel's database away, so here, and only here,
 * there is a copy of it: {@link TableImage}. It is no second truth. It is filled by reading the
 * kernel, changes only with transactions the kernel has carried out, and nobody asks it what is
 * published; it is merely what a repair writes.
 *
 * <p>All events of a transaction are in the monitor's queue before the call that caused it returns.
 * So who holds the lock that every writer of this agent holds, and has drained the queue, knows
 * whether anybody has touched the table.
 */
public final class PlainTableGuard implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(PlainTableGuard.class);

  private static final int ATTEMPTS = 10;

  /** A transaction is repeated at least so long while others keep taking the table away. */
  private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(2);

  /** The events of one transaction are sent together; this is for the rest of a large one. */
  private static final int REST_OF_TRANSACTION_MILLIS = 100;

  /** Counters are not in any event: a flush loses what was counted since they were last read. */
  private static final int COUNTERS_MILLIS = 30_000;

  /**
   * Repairs a second without a pause. Two programs that undo each other's work do so for ever;
   * beyond this, half of a processor's time is the most that ours may take.
   */
  private static final int UNPAUSED_REPAIRS = 20;

  private static final int SHORTEST_PAUSE_MILLIS = 25;
  private static final int FAILURE_PAUSE_MILLIS = 1_000;
  private static final long LOG_INTERVAL_NANOS = TimeUnit.SECONDS.toNanos(5);

  private final Nftables nftables;
  private final Monitor monitor;
  private final TableId id;
  // The lock of the table's writer.
  private final Object writeLock;
  private final Runnable onRepair;
  private final Runnable onClose;
  private final Thread thread;
  private final Batch batch = new Batch(64 << 10);

  // ---- guarded by writeLock
  private final TableImage image;
  private Damage damage;
  private List<Object> structure = List.of();
  private long damagedSinceNanos;
  private long countedAtNanos = System.nanoTime();
  private long secondStartNanos = System.nanoTime();
  private int repairsThisSecond;
  private long loggedAtNanos = System.nanoTime() - LOG_INTERVAL_NANOS;
  private int unlogged;

  private volatile Repairs repairs = Repairs.NONE;
  private volatile boolean closed;

  /**
   * Reads the table and begins to watch it; the caller holds {@code writeLock}.
   *
   * @param monitor follows the namespace of {@code nftables}; this object closes it
   * @param contents makes a batch that would create the table with what it holds
   * @param onRepair called before the table is repaired
   * @param onClose called once when it no longer watches
   */
  PlainTableGuard(
      Nftables nftables,
      Monitor monitor,
      TableId id,
      Object writeLock,
      Supplier<Batch> contents,
      Runnable onRepair,
      Runnable onClose) {
    this.nftables = nftables;
    this.monitor = monitor;
    this.id = id;
    this.writeLock = writeLock;
    this.onRepair = onRepair;
    this.onClose = onClose;
    this.image = new TableImage(id);
    this.damage = new Damage(id);
    monitor.ignore(nftables.portId());
    fill(contents);
    this.thread = new Thread(this::watch, "table-guard");
    thread.setDaemon(true);
    thread.start();
  }

  /** As it is found, it is what the agent wrote: whatever else is in it is kept like the rest. */
  private void fill(Supplier<Batch> contents) {
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
      drain();
      damage = new Damage(id);
      TableImage read = image;
      read.follow(new Batch().delete(id).operations());
      read.follow(contents.get().operations());
      for (String set : List.copyOf(read.setNames())) {
        if (!read.isDynamic(set)) {
          read.read(set, nftables.elements(id, set));
        }
      }
      rememberStructure();
      if (!drain()) {
        return;
      }
    }
    throw new DumpInterruptedException("read the table " + id + " to watch it", ATTEMPTS);
  }

  /** What has been repaired so far. */
  public Repairs repairs() {
    return repairs;
  }

  // ---- for the table, whose lock is held

  /**
   * Carries out a transaction of this agent. Where it fails because somebody else has just changed
   * the table, the table is repaired and the transaction repeated.
   *
   * @param written the batch that {@code transaction} writes and commits
   */
  void carryOut(Batch written, Runnable transaction) {
    long patienceEnds = System.nanoTime() + PATIENCE_NANOS;
    for (int attempt = 1; ; attempt++) {
      try {
        transaction.run();
        if (image.follow(written.operations())) {
          rememberStructure();
        }
        return;
      } catch (NetlinkException | AlreadyPublishedException e) {
        boolean tired = attempt >= ATTEMPTS && System.nanoTime() - patienceEnds > 0;
        if (tired || !(settle() || isRace(e))) {
          throw e;
        }
      }
    }
  }

  /** The ruleset changed between the kernel's looking at it and changing it. */
  private static boolean isRace(RuntimeException e) {
    return e instanceof NetlinkException refused
        && (refused.errno() == Errno.EAGAIN || refused.errno() == Errno.ERESTART);
  }

  /**
   * Reads something of the table while nobody changes it. What others do elsewhere in the ruleset
   * does not matter.
   *
   * @throws DumpInterruptedException if somebody changed the table during each of ten attempts
   */
  <T> T read(String operation, Supplier<T> reader) {
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
      settle();
      try {
        T result = reader.get();
        if (!drain()) {
          return result;
        }
      } catch (NetlinkException e) {
        if (!drain()) {
          throw e;
        }
      }
    }
    throw new DumpInterruptedException(operation, ATTEMPTS);
  }

  /**
   * Repairs the table if somebody has touched it.
   *
   * @return whether it had to
   */
  private boolean settle() {
    if (!drain()) {
      return false;
    }
    repair();
    return true;
  }

  // ---- watching

  private void watch() {
    int pauseMillis = 0;
    while (!closed) {
      try {
        if (pauseMillis > 0) {
          Thread.sleep(pauseMillis);
        }
        monitor.await(COUNTERS_MILLIS);
        pauseMillis = settleAndCount();
      } catch (InterruptedException e) {
        return; // closed
      } catch (RuntimeException e) {
        LOG.error(
            "the table {} cannot be restored, trying again: {}",
            id,
            repairs.failure().orElse(String.valueOf(e.getMessage())));
        pauseMillis = FAILURE_PAUSE_MILLIS;
      }
    }
  }

  /** Returns how long to leave the table alone. */
  private int settleAndCount() {
    synchronized (writeLock) {
      if (closed) {
        return 0;
      }
      long start = System.nanoTime();
      boolean repaired = settle();
      long now = System.nanoTime();
      if (now - countedAtNanos > TimeUnit.MILLISECONDS.toNanos(COUNTERS_MILLIS)) {
        countedAtNanos = now;
        readCounters();
      }
      if (!repaired) {
        return 0;
      }
      if (now - secondStartNanos > TimeUnit.SECONDS.toNanos(1)) {
        secondStartNanos = now;
        repairsThisSecond = 0;
      }
      repairsThisSecond++;
      return repairsThisSecond <= UNPAUSED_REPAIRS
          ? 0
          : Math.max(SHORTEST_PAUSE_MILLIS, (int) TimeUnit.NANOSECONDS.toMillis(now - start));
    }
  }

  /** Takes note of everything that has happened; true if the table is not as it should be. */
  private boolean drain() {
    while (monitor.poll(
        damage.isIncomplete() ? REST_OF_TRANSACTION_MILLIS : 0,
        event -> damage.note(event, image))) {
      if (damagedSinceNanos == 0 && damage.extent() != Damage.Extent.NONE) {
        damagedSinceNanos = System.nanoTime();
      }
    }
    return damage.extent() != Damage.Extent.NONE;
  }

  // ---- repairing

  private void repair() {
    onRepair.run();
    try {
      boolean changed = write();
      Damage repaired = damage;
      long since = damagedSinceNanos;
      damage = new Damage(id);
      damagedSinceNanos = 0;
      if (changed) {
        report(repaired, System.nanoTime() - since);
      } else {
        repairs = new Repairs(repairs.count(), repairs.last(), Optional.empty());
      }
    } catch (RuntimeException e) {
      repairs =
          new Repairs(
              repairs.count(),
              repairs.last(),
              Optional.of("changed by " + damage.culprit() + ": " + e.getMessage()));
      throw e;
    }
  }

  /** Returns whether anything had to be written. */
  private boolean write() {
    if (damage.extent() == Damage.Extent.UNKNOWN) {
      try {
        compare();
      } catch (NetlinkException | DumpInterruptedException e) {
        LOG.debug("the table {} cannot be compared, rewriting it", id, e);
        damage.is(Damage.Extent.WHOLE);
      }
    }
    if (damage.extent() == Damage.Extent.PARTS) {
      try {
        return writeParts();
      } catch (NetlinkException e) {
        LOG.debug("the table {} is changing under the repair, rewriting it", id, e);
        damage.is(Damage.Extent.WHOLE);
      }
    }
    readCounters();
    image.writeAll(batch.reset());
    nftables.commit(batch, "restore the table " + id);
    rememberStructure();
    return true;
  }

  /** Rules chain by chain, and just the elements that are missing, different or too many. */
  private boolean writeParts() {
    batch.reset();
    damage.chains().forEach(chain -> image.writeRules(batch, chain));
    Map<String, List<SetElement>> superfluous = new LinkedHashMap<>();
    Map<String, List<SetElement>> missing = new LinkedHashMap<>();
    damage
        .elements()
        .forEach(
            (set, byKey) ->
                byKey.forEach(
                    (key, actual) -> {
                      @Nullable SetElement wanted = image.element(set, key).orElse(null);
                      if (actual.isPresent() && wanted != null && isSame(actual.get(), wanted)) {
                        return;
                      }
                      actual.ifPresent(there -> put(superfluous, set, keyOf(there)));
                      if (wanted != null) {
                        put(missing, set, withCounter(wanted, damage.deleted(set, key)));
                      }
                    }));
    superfluous.forEach((set, elements) -> batch.deleteElements(id, set, elements));
    missing.forEach((set, elements) -> image.writeElements(batch, set, elements));
    if (batch.isEmpty()) {
      return false;
    }
    nftables.commit(batch, "restore what was changed in the table " + id);
    if (!damage.chains().isEmpty()) {
      rememberStructure();
    }
    return true;
  }

  private static void put(Map<String, List<SetElement>> bySet, String set, SetElement element) {
    bySet.computeIfAbsent(set, name -> new ArrayList<>()).add(element);
  }

  private static SetElement keyOf(SetElement element) {
    if (element.isIntervalEnd()) {
      return SetElement.intervalEnd(element.key());
    }
    SetElement key = SetElement.of(element.key());
    return element.keyEnd() == null ? key : key.upTo(element.keyEnd());
  }

  private static SetElement withCounter(SetElement wanted, Optional<SetElement> before) {
    return before.flatMap(SetElement::counter).map(wanted::with).orElse(wanted);
  }

  private static boolean isSame(SetElement a, SetElement b) {
    return Objects.equals(a.data(), b.data())
        && a.userdata().equals(b.userdata())
        && withoutCounter(a).equals(withoutCounter(b));
  }

  private static List<Expression> withoutCounter(SetElement element) {
    return element.expressions().stream().filter(one -> !(one instanceof Counter)).toList();
  }

  /** Finds out what happened from the table itself. */
  private void compare() {
    if (!readStructure().equals(structure)) {
      damage.is(Damage.Extent.WHOLE);
      return;
    }
    damage.is(Damage.Extent.PARTS);
    for (String set : image.setNames()) {
      if (image.isDynamic(set)) {
        continue;
      }
      Map<ElementKey, SetElement> actual = new HashMap<>();
      nftables.elements(id, set).forEach(one -> actual.put(ElementKey.of(one), one));
      actual.forEach(
          (key, there) -> {
            if (image.element(set, key).filter(wanted -> isSame(there, wanted)).isEmpty()) {
              damage.found(set, key, Optional.of(there));
            }
          });
      for (SetElement wanted : image.elements(set)) {
        ElementKey key = ElementKey.of(wanted);
        if (!actual.containsKey(key)) {
          damage.found(set, key, Optional.empty());
        }
      }
    }
  }

  /** For {@link #compare}, which takes a structure that is not known for another one. */
  private void rememberStructure() {
    try {
      structure = readStructure();
    } catch (NetlinkException | DumpInterruptedException e) {
      // Somebody has just changed it again: the next repair is on its way.
      LOG.debug("the structure of the table {} could not be read", id, e);
      structure = List.of();
    }
  }

  /** Everything but elements; rules by their handles, since a rule never changes. */
  private List<Object> readStructure() {
    List<Object> found = new ArrayList<>();
    nftables.table(id).ifPresent(table -> found.add(table.flags()));
    for (Chain chain : nftables.chains(id)) {
      found.add(chain);
    }
    nftables.rules(id).forEach(rule -> found.add(List.of(rule.chain(), rule.handle())));
    nftables.sets(id).stream().map(ElementSet::name).forEach(found::add);
    return found;
  }

  /** As far as the table is there to be asked. */
  private void readCounters() {
    for (String set : image.countedSets()) {
      try {
        image.count(set, nftables.elements(id, set));
      } catch (NetlinkException | DumpInterruptedException e) {
        LOG.debug("the counters of {} {} stay as they were last read", id, set, e);
      }
    }
  }

  private void report(Damage repaired, long nanos) {
    Repairs.Repair repair =
        new Repairs.Repair(
            Instant.now(),
            TimeUnit.NANOSECONDS.toMicros(nanos),
            repaired.culprit(),
            repaired.toString());
    repairs = new Repairs(repairs.count() + 1, Optional.of(repair), Optional.empty());
    long now = System.nanoTime();
    if (now - loggedAtNanos < LOG_INTERVAL_NANOS) {
      unlogged++;
      return;
    }
    LOG.warn(
        "the table {} was changed by somebody else: {} (repair {} since the start{})",
        id,
        repair,
        repairs.count(),
        unlogged == 0 ? "" : ", " + unlogged + " before it were not logged");
    loggedAtNanos = now;
    unlogged = 0;
  }

  /** Ends watching: from then on the table is whatever others make of it. */
  @Override
  public void close() {
    synchronized (writeLock) {
      if (closed) {
        return;
      }
      closed = true;
      onClose.run();
    }
    thread.interrupt();
    monitor.wake();
    try {
      thread.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return; // the monitor stays open rather than being closed under its reader
    }
    monitor.close();
  }
}
