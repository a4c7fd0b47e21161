package dev.sluice.flow;

import static dev.sluice.conntrack.FlowRecordDescriptor.RECORD_BYTES;
import static dev.sluice.conntrack.FlowRecordDescriptor.SLUICE_KIND_UPDATE;

import dev.sluice.conntrack.EntryReader;
import dev.sluice.conntrack.EventRing;
import dev.sluice.conntrack.EventSource;
import dev.sluice.conntrack.FlowRecord;
import dev.sluice.model.Alarm;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Reads the events of flows as they come, keeps the table of open flows and appends to an {@link
 * EventLog}, on a thread of its own, {@value #THREAD_NAME}. It waits for nobody but the source. If
 * reading fails, it says so in the log and in its {@linkplain #statistics statistics}, and the
 * consumers find the end of the stream.
 */
public final class EventReader implements LiveFlows, Alarms, AutoCloseable {
  static final String THREAD_NAME = "sluice-flows";

  /** Flows that are followed at most: 128 MiB for a million. */
  public static final int DEFAULT_FLOWS = 4 << 20;

  private static final Logger LOG = LoggerFactory.getLogger(EventReader.class);

  /** How many records are read before their place is given back and the consumers are woken. */
  private static final int BATCH = 1_024;

  private static final int AWAIT_MILLIS = 1_000;

  /** Who asks for flows goes to the kernel if the events are that far behind. */
  private static final long ANSWER_MILLIS = 1_000;

  /** A connection that passed the rules before the question is told of a moment later. */
  private static final int QUESTION_MILLIS = 3;

  /** Where events, and the table to compare with, come from. */
  public interface Source extends AutoCloseable {
    EventRing ring();

    /** Makes {@link EventRing#drainedNanos} move, and wakes the ring's reader. */
    void sync();

    /** Begins to read the table of connections. */
    EntryReader dump();

    /** Ends the events; the reader finds the end of the ring. */
    @Override
    void close();
  }

  private final Source source;
  private final EventRing ring;
  private final FlowTracker tracker;
  private final Resync resync;
  private final EventLog log;
  private final Thread thread;
  private final ByteBuffer copied =
      ByteBuffer.allocate(RECORD_BYTES).order(ByteOrder.nativeOrder());
  private final Queue<Question> questions = new ConcurrentLinkedQueue<>();
  private final Queue<Runnable> appends = new ConcurrentLinkedQueue<>();
  private volatile EventStatistics.State state = EventStatistics.State.RUNNING;
  private volatile @Nullable String failure;

  /** Flows that are copied for who asks for them before the events have their turn again. */
  private static final int PORTION_FLOWS = 1 << 12;

  private static final int FIRST_FLOWS = 16;

  /**
   * Somebody waits for the flows of these ports, as they are after {@code sinceNanos}. The reader
   * only copies their records, a portion at a time; what is made of them is the asker's work.
   */
  private static final class Question {
    final Iterator<Port> ports;
    final long sinceNanos = System.nanoTime();
    final CountDownLatch answered = new CountDownLatch(1);

    /** The asker's when it is answered; records, each up to its position. */
    final List<ByteBuffer> records = new ArrayList<>();

    /** The reader's: it has begun to walk through the flows of the ports. */
    boolean begun;

    volatile boolean known;
    volatile boolean withdrawn;

    Question(Collection<Port> ports) {
      this.ports = ports.iterator();
    }

    /** A few flows are the rule. */
    void add(byte[] record) {
      ByteBuffer last = records.isEmpty() ? null : records.get(records.size() - 1);
      if (last == null || !last.hasRemaining()) {
        int bytes =
            last == null
                ? FIRST_FLOWS * RECORD_BYTES
                : Math.min(2 * last.capacity(), PORTION_FLOWS * RECORD_BYTES);
        last = ByteBuffer.allocate(bytes).order(ByteOrder.nativeOrder());
        records.add(last);
      }
      last.put(record);
    }
  }

  EventReader(Source source, MappingIndex index, EventLog log, int maxFlows, LongSupplier buckets) {
    this(source, index, new CarriedFlows(index), log, maxFlows, buckets);
  }

  EventReader(
      Source source,
      MappingIndex index,
      CarriedFlows carried,
      EventLog log,
      int maxFlows,
      LongSupplier buckets) {
    this.source = source;
    this.ring = source.ring();
    this.tracker = new FlowTracker(index, log, new FlowTable(maxFlows), carried);
    carried.onSettled(source::sync);
    this.resync = new Resync(tracker, source::dump, source::sync, buckets);
    this.log = log;
    this.thread = new Thread(this::run, THREAD_NAME);
    thread.setDaemon(true);
  }

  /**
   * Starts reading.
   *
   * @param source belongs to the reader from now on, which closes it
   * @param dumps begins to read the table of connections of the same namespace
   * @param index which mapping a flow belongs to
   * @param carried what the fast path carries; whoever notes that there ends before the reader
   * @param log where the events go; nobody else may write to it
   * @param buckets how many buckets the kernel's table has
   */
  public static EventReader start(
      EventSource source,
      Supplier<? extends EntryReader> dumps,
      MappingIndex index,
      CarriedFlows carried,
      EventLog log,
      LongSupplier buckets) {
    EventReader reader =
        new EventReader(
            new KernelSource(source, dumps), index, carried, log, DEFAULT_FLOWS, buckets);
    reader.start();
    return reader;
  }

  /** As {@link #start}, without a fast path. */
  public static EventReader start(
      EventSource source,
      Supplier<? extends EntryReader> dumps,
      MappingIndex index,
      EventLog log,
      LongSupplier buckets) {
    return start(source, dumps, index, new CarriedFlows(index), log, buckets);
  }

  private record KernelSource(EventSource events, Supplier<? extends EntryReader> dumps)
      implements Source {
    @Override
    public EventRing ring() {
      return events.ring();
    }

    @Override
    public void sync() {
      events.sync();
    }

    @Override
    public EntryReader dump() {
      return dumps.get();
    }

    @Override
    public void close() {
      events.close();
    }
  }

  void start() {
    thread.start();
  }

  /** How it is going. From any thread. */
  public EventStatistics statistics() {
    return new EventStatistics(
        state,
        Optional.ofNullable(failure),
        tracker.received(),
        tracker.lostReceiveBuffer(),
        tracker.lostRing(),
        tracker.lostMalformed(),
        tracker.synthesised(),
        tracker.duplicates(),
        tracker.open(),
        tracker.untracked(),
        resync.isCurrent(),
        resync.completed(),
        log.consumers(),
        log.evictedConsumers(),
        log.retained(),
        log.oldestSequence(),
        log.nextSequence());
  }

  @Override
  public void raise(Alarm alarm) {
    appends.add(() -> log.appendAlarm(alarm));
    source.sync();
  }

  @Override
  public boolean forEachTo(Collection<Port> ports, Consumer<FlowRecord> consumer) {
    if (!resync.isCurrent() || state != EventStatistics.State.RUNNING) {
      return false;
    }
    Question question = new Question(List.copyOf(ports));
    questions.add(question);
    source.sync();
    try {
      if (!question.answered.await(ANSWER_MILLIS, TimeUnit.MILLISECONDS)) {
        question.withdrawn = true;
        return false;
      }
    } catch (InterruptedException e) {
      question.withdrawn = true;
      Thread.currentThread().interrupt();
      return false;
    }
    if (!question.known) {
      return false;
    }
    FlowRecord record = new FlowRecord();
    for (ByteBuffer records : question.records) {
      for (int at = 0; at < records.position(); at += RECORD_BYTES) {
        consumer.accept(record.wrap(records, at));
      }
    }
    return true;
  }

  /**
   * Ends the subscription, reads what has arrived, and ends the stream. Does nothing the second
   * time.
   */
  @Override
  public void close() {
    source.close();
    try {
      thread.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void run() {
    int batch = Math.min(BATCH, ring.capacity() / 4);
    long handledNanos = 0;
    try {
      while (ring.await(patience()) != EventRing.Readiness.ENDED) {
        // What is in the ring now reaches at least so far.
        long drainedNanos = ring.drainedNanos();
        tracker.queuedAfter(wallNanos(handledNanos));
        handledNanos = drainedNanos;
        for (int waiting = ring.size(); waiting > 0; ) {
          waiting -= ring.poll(tracker, Math.min(waiting, batch));
          log.wakeConsumers();
        }
        tracker.settle();
        resync.reached(drainedNanos);
        append();
        answer(drainedNanos);
        log.wakeConsumers();
        log.evictStalled();
      }
      state = EventStatistics.State.STOPPED;
    } catch (Throwable e) {
      failure = "flow events are no longer read: " + e.getMessage();
      state = EventStatistics.State.FAILED;
      LOG.error("flow events are no longer read; restart the agent to read them again", e);
    } finally {
      resync.close();
      tracker.end();
      append();
      log.end();
      for (Question left = questions.poll(); left != null; left = questions.poll()) {
        left.answered.countDown();
      }
    }
  }

  /** How long there is nothing to do but to wait for events, ms. */
  private int patience() {
    int patience = resync.step(AWAIT_MILLIS);
    Question question = questions.peek();
    if (question == null) {
      if (System.nanoTime() - ring.drainedNanos() > AWAIT_MILLIS * 1_000_000L) {
        source.sync(); // so that an event that comes then is known not to be an old one
      }
      return patience;
    }
    if (question.begun) {
      return 0;
    }
    source.sync();
    return Math.min(patience, QUESTION_MILLIS);
  }

  /** The time of day at {@code nanos} of {@link System#nanoTime}, as the clock is set now. */
  private static long wallNanos(long nanos) {
    return EventLog.nowNanos() - (System.nanoTime() - nanos);
  }

  /** What others have to say in the stream, which has one writer. */
  private void append() {
    for (Runnable append = appends.poll(); append != null; append = appends.poll()) {
      append.run();
    }
  }

  private void answer(long drainedNanos) {
    for (Question next = questions.peek(); next != null; next = questions.peek()) {
      if (drainedNanos - next.sinceNanos <= Resync.SLACK_NANOS && !next.withdrawn) {
        return; // the later ones even less
      }
      if (!next.withdrawn && answer(next)) {
        return;
      }
      questions.remove();
      next.answered.countDown();
    }
  }

  /**
   * Copies a portion of the flows that are asked for. The table has all that began before the
   * question when the walk begins, and the walk meets all that stay.
   *
   * @return whether there is more
   */
  private boolean answer(Question question) {
    FlowTable table = tracker.table();
    if (!question.begun) {
      question.begun = true;
      question.known = resync.isCurrent();
      table.endWalk();
    }
    for (int left = question.known ? PORTION_FLOWS : 0; left > 0; left--) {
      int slot = table.walkOn();
      if (slot != FlowTable.NONE) {
        table.copyForCaller(slot, SLUICE_KIND_UPDATE, copied);
        question.add(copied.array());
      } else if (question.ports.hasNext()) {
        Port port = question.ports.next();
        table.walkTo(port.protocol(), port.port());
      } else {
        return false;
      }
    }
    return question.known;
  }
}
