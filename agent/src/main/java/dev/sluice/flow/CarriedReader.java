package dev.sluice.flow;

import dev.sluice.conntrack.ConntrackEntry;
import dev.sluice.fastpath.FastPath;
import dev.sluice.fastpath.OffloadRecords;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Reads what the fast path carries into {@link CarriedFlows}, every second, on a thread of its own,
 * and takes away what has ended, carries nothing any more, or is asked for. It does not close the
 * fast path.
 */
public final class CarriedReader implements Carrier, CarriedFlows.Reader, AutoCloseable {
  static final String THREAD_NAME = "sluice-carried";

  private static final Logger LOG = LoggerFactory.getLogger(CarriedReader.class);

  private static final long INTERVAL_NANOS = 1_000_000_000L;

  /** With a million flows, reading takes a twentieth of one processor at most. */
  private static final int REST = 20;

  /** Who asks for figures gets those of this moment if they can be had as fast as that. */
  private static final long QUICK_NANOS = 20_000_000;

  private static final long FRESH_NANOS = 100_000_000;
  private static final long COMPLAINT_NANOS = 60_000_000_000L;

  /** Flows that are taken in one go, which takes some milliseconds however many there are. */
  private static final int TAKEN_AT_ONCE = 1 << 12;

  /** At a start nobody is in a hurry. */
  private static final int ADOPTED_AT_ONCE = 1 << 14;

  /** What is read: a {@link FastPath}, or a test's. */
  interface Source {
    int flows(OffloadRecords target);

    int take(OffloadRecords flows, int count);

    void refresh();
  }

  private record Programs(FastPath path) implements Source {
    @Override
    public int flows(OffloadRecords target) {
      return path.flows(target);
    }

    @Override
    public int take(OffloadRecords flows, int count) {
      return path.take(flows, count);
    }

    @Override
    public void refresh() {
      path.refresh();
    }
  }

  private final Source source;
  private final CarriedFlows carried;
  private final Thread thread;

  /** One look at all entries at a time. Always taken before {@link #order}. */
  private final ReentrantLock look = new ReentrantLock();

  /** What the source says is noted in the order in which it said so. */
  private final Object order = new Object();

  // Under the lock `look`.
  private final OffloadRecords entries = new OffloadRecords(OffloadRecords.MIN_FOR_FLOWS);
  private final OffloadRecords due = new OffloadRecords(TAKEN_AT_ONCE);

  /** The thread's. */
  private final OffloadRecords urgent = new OffloadRecords(TAKEN_AT_ONCE);

  private volatile long lookedNanos = System.nanoTime();
  private volatile long lookTookNanos;
  private volatile boolean isAsked;
  private volatile boolean isClosed;
  private long complainedNanos = System.nanoTime() - COMPLAINT_NANOS;

  CarriedReader(Source source, CarriedFlows carried) {
    this.source = source;
    this.carried = carried;
    this.thread = new Thread(this::run, THREAD_NAME);
    thread.setDaemon(true);
  }

  /** Starts reading; to be closed before the fast path. */
  public static CarriedReader start(FastPath path, CarriedFlows carried) {
    CarriedReader reader = new CarriedReader(new Programs(path), carried);
    carried.readBy(reader);
    reader.thread.start();
    return reader;
  }

  /**
   * Adds what the programs of an earlier process have carried, and empties their maps, so that it
   * does no harm to come to the same maps by another device.
   *
   * @param orphan whose programs are attached no more
   */
  public static void adopt(FastPath orphan, CarriedFlows carried) {
    adopt(new Programs(orphan), carried);
  }

  static void adopt(Source orphan, CarriedFlows carried) {
    OffloadRecords entries = new OffloadRecords(OffloadRecords.MIN_FOR_FLOWS);
    OffloadRecords found = new OffloadRecords(ADOPTED_AT_ONCE);
    int count = 0;
    for (int read = orphan.flows(entries); read > 0; read = orphan.flows(entries)) {
      for (int i = 0; i < read; i++) {
        found.name(count++, entries, i);
      }
      if (count > found.capacity() - entries.capacity()) {
        orphan.take(found, count);
        carried.adopt(found, count, EventLog.nowNanos());
        count = 0;
      }
    }
    orphan.take(found, count);
    carried.adopt(found, count, EventLog.nowNanos());
  }

  @Override
  public void beforeEnd(List<ConntrackEntry> doomed) {
    carried.doom(doomed);
  }

  @Override
  public void afterEnd(List<ConntrackEntry> ended) {
    try {
      source.refresh();
    } finally {
      carried.release(ended);
    }
  }

  @Override
  public void wake() {
    isAsked = true;
    LockSupport.unpark(thread);
  }

  @Override
  public void freshen() {
    if (isClosed || lookTookNanos > QUICK_NANOS || System.nanoTime() - lookedNanos < FRESH_NANOS) {
      return;
    }
    try {
      look();
    } catch (RuntimeException e) {
      complain(e);
    }
  }

  private void run() {
    while (!isClosed) {
      long nextNanos = lookedNanos + Math.max(INTERVAL_NANOS, REST * lookTookNanos);
      long leftNanos = nextNanos - System.nanoTime();
      if (leftNanos > 0 && !isAsked) {
        LockSupport.parkNanos(this, leftNanos);
      }
      try {
        takeUrgent();
        if (System.nanoTime() - nextNanos >= 0) {
          look();
        }
      } catch (RuntimeException e) {
        // Nothing is lost by it: the next time it is tried again.
        complain(e);
        LockSupport.parkNanos(this, INTERVAL_NANOS);
        isAsked = true;
      }
    }
  }

  /** Takes what cannot wait. */
  void takeUrgent() {
    while (isAsked && !isClosed) {
      isAsked = false;
      for (int count = carried.urgent(urgent); count > 0; count = carried.urgent(urgent)) {
        try {
          take(urgent, count);
        } catch (RuntimeException e) {
          carried.notTaken(urgent, count);
          throw e;
        }
      }
    }
  }

  /** Reads all entries, and takes those that are due. */
  void look() {
    look.lock();
    try {
      long beganNanos = System.nanoTime();
      int dueCount = 0;
      for (int read = 1; read > 0 && !isClosed; ) {
        synchronized (order) {
          read = source.flows(entries);
          dueCount = carried.read(entries, read, EventLog.nowNanos(), due, dueCount);
        }
        if (dueCount > due.capacity() - entries.capacity()) {
          take(due, dueCount);
          dueCount = 0;
        }
      }
      take(due, dueCount);
      lookedNanos = System.nanoTime();
      lookTookNanos = lookedNanos - beganNanos;
    } finally {
      look.unlock();
    }
  }

  private void take(OffloadRecords flows, int count) {
    if (count == 0) {
      return;
    }
    synchronized (order) {
      source.take(flows, count);
      carried.taken(flows, count, EventLog.nowNanos());
    }
  }

  private synchronized void complain(RuntimeException e) {
    long now = System.nanoTime();
    if (!isClosed && now - complainedNanos >= COMPLAINT_NANOS) {
      complainedNanos = now;
      LOG.warn("what the fast path carries is not known for the moment: {}", e.getMessage());
    }
  }

  /** Ends reading. What the fast path goes on to carry is for the next agent to count. */
  @Override
  public void close() {
    isClosed = true;
    LockSupport.unpark(thread);
    try {
      thread.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
