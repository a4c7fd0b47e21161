package dev.sluice.ruleset.trace;

import dev.sluice.model.TraceEvent;
import dev.sluice.model.TraceEvent.Reason;
import dev.sluice.model.TraceQuestion;
import dev.sluice.model.TracedPacket;
import dev.sluice.nftables.Batch;
import dev.sluice.nftables.Nftables;
import dev.sluice.nftables.TraceMonitor;
import dev.sluice.route.Link;
import dev.sluice.route.Rtnetlink;
import java.time.Clock;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.IntConsumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Packets being followed. A thread of its own hears what the kernel tells and removes the table at
 * the end; who reads {@link #next} slowly holds nobody up, and is told what was left out.
 */
public final class RunningTrace implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(RunningTrace.class);

  /** Events that wait for their reader. */
  private static final int MOST_WAITING = 1_024;

  private static final int POLL_MILLIS = 50;
  private static final long COUNTERS_NANOS = TimeUnit.SECONDS.toNanos(1);

  private final TraceQuestion question;
  private final Nftables nftables;
  private final TraceMonitor monitor;
  private final Rtnetlink links;
  private final RuleBook book;
  private final PacketAssembler assembler;
  private final List<PacketAssembler.Trail> ended = new ArrayList<>();
  private final Map<Integer, String> devices = new HashMap<>();
  private final Thread thread = new Thread(this::run, "trace");
  private volatile boolean closing;
  private volatile boolean over;

  // One more than may wait: the end is always told.
  private final BlockingQueue<TraceEvent> events = new ArrayBlockingQueue<>(MOST_WAITING + 1);

  // Of the thread.
  private long followed;
  private long skipped;
  private long skippedTold;
  private long lost;
  private long lostTold;
  private long untold;

  private RunningTrace(
      TraceQuestion question,
      Nftables nftables,
      TraceMonitor monitor,
      Rtnetlink links,
      Clock clock) {
    this.question = question;
    this.nftables = nftables;
    this.monitor = monitor;
    this.links = links;
    this.book = new RuleBook(nftables);
    this.assembler = new PacketAssembler(ended::add, clock, System::nanoTime);
  }

  /** The table is there; its sockets are closed at the end. */
  static RunningTrace start(
      TraceQuestion question,
      List<String> notes,
      Nftables nftables,
      TraceMonitor monitor,
      Rtnetlink links,
      Clock clock) {
    RunningTrace trace = new RunningTrace(question, nftables, monitor, links, clock);
    trace.offer(new TraceEvent.Started(question, notes));
    trace.thread.setDaemon(true);
    trace.thread.start();
    return trace;
  }

  /** What is followed. */
  public TraceQuestion question() {
    return question;
  }

  /** Whether nothing is followed any more and nothing is left in the kernel. */
  public boolean isOver() {
    return over;
  }

  /**
   * The next event; the last is {@link TraceEvent.Ended}.
   *
   * @param timeoutMillis how long to wait for it
   * @return empty if there was none in time
   */
  public Optional<TraceEvent> next(int timeoutMillis) throws InterruptedException {
    return Optional.ofNullable(events.poll(timeoutMillis, TimeUnit.MILLISECONDS));
  }

  private void run() {
    Reason reason = Reason.FAILED;
    String detail = "";
    try {
      reason = follow();
    } catch (RuntimeException | Error e) {
      // Whoever reads the events must learn of it, whatever it was.
      LOG.warn("packets to {} are not followed any more", question, e);
      detail = Objects.requireNonNullElseGet(e.getMessage(), e::toString);
    } finally {
      end(reason, detail);
    }
  }

  /** Told in any case: its reader waits for it, and nobody else may follow packets before. */
  private void end(Reason reason, String detail) {
    try {
      remove();
    } finally {
      over = true;
      events.add(new TraceEvent.Ended(reason, detail, followed, skipped, lost, untold));
    }
  }

  private Reason follow() {
    long endNanos = System.nanoTime() + TimeUnit.SECONDS.toNanos(question.seconds());
    long countNanos = System.nanoTime() + COUNTERS_NANOS;
    Optional<Reason> reason = Optional.empty();
    while (reason.isEmpty()) {
      listen(monitor, assembler, this::lost);
      if (!ended.isEmpty()) {
        // Rules may have changed while it was waited.
        book.refresh();
        ended.forEach(this::tell);
        ended.clear();
      }
      tellLost();
      long now = System.nanoTime();
      if (now >= countNanos) {
        countSkipped();
        countNanos = now + COUNTERS_NANOS;
      }
      if (followed >= question.packets()) {
        reason = Optional.of(Reason.COUNT);
      } else if (closing) {
        reason = Optional.of(Reason.CLOSED);
      } else if (now >= endNanos) {
        reason = Optional.of(Reason.TIME);
      }
    }
    countSkipped();
    return reason.get();
  }

  /** Hands over what has come. Silent is only of whom nothing waits to be read. */
  static void listen(TraceMonitor monitor, PacketAssembler assembler, IntConsumer lost) {
    monitor.poll(POLL_MILLIS, assembler::add, lost);
    if (!monitor.hasMore()) {
      assembler.expire();
    }
  }

  private void lost(int messages) {
    lost += messages;
    assembler.lost();
  }

  private void tellLost() {
    if (lost > lostTold && offer(new TraceEvent.Lost(lost - lostTold))) {
      lostTold = lost;
    }
  }

  private void countSkipped() {
    skipped = Math.max(skipped, TraceTable.skipped(nftables.rules(TraceTable.ID)));
    if (skipped > skippedTold && offer(new TraceEvent.Skipped(skipped - skippedTold))) {
      skippedTold = skipped;
    }
  }

  private void tell(PacketAssembler.Trail trail) {
    if (followed >= question.packets()) {
      return;
    }
    if (events.size() >= MOST_WAITING) {
      untold++;
      return;
    }
    Optional<TracedPacket> packet = PacketTeller.tell(trail, book, this::device);
    if (packet.isPresent() && offer(new TraceEvent.Followed(packet.get()))) {
      followed++;
    }
  }

  /** Gives it to the reader; false if too much waits for it already. */
  private boolean offer(TraceEvent event) {
    return events.size() < MOST_WAITING && events.offer(event);
  }

  private String device(int index) {
    return devices.computeIfAbsent(
        index, wanted -> links.link(wanted).map(Link::name).orElse("if" + wanted));
  }

  /** The table goes with its owner's socket in any case; so it is gone before anybody is told. */
  private void remove() {
    try {
      nftables.commit(new Batch().delete(TraceTable.ID), "delete the table " + TraceTable.ID);
    } catch (RuntimeException e) {
      // Also where the answer was lost: closing the socket does the same, and cannot be refused.
      LOG.warn("{}; it ends with its socket", e.getMessage());
      LOG.debug("the table {} was not deleted", TraceTable.ID, e);
    } finally {
      nftables.close();
      monitor.close();
      links.close();
    }
  }

  /** Ends it; when this returns, nothing of it is left in the kernel. */
  @Override
  public void close() {
    closing = true;
    boolean interrupted = false;
    while (thread.isAlive()) {
      try {
        thread.join();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
