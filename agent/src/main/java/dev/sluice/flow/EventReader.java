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
import java.util.Collection;
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
  private final Queue<Question> questions = new ConcurrentLinkedQueue<>();
  private final Queue<Runnable> appends = new ConcurrentLinkedQueue<>();
  private volatile EventStatistics.State state = EventStatistics.State.RUNNING;
  private volatile @Nullable String failure;

  /** Somebody waits for the flows of these ports, as they are after {@code sinceNanos}. */
  private static final class Question {
    final Collection<Port> ports;
    final Consumer<FlowRecord> consumer;
    final long sinceNanos = System.nanoTime();
    final CountDownLatch answered = new CountDownLatch(1);
    volatile boolean known;
    volatile boolean withdrawn;
    volatile @Nullable RuntimeException failure;

    Question(Collection<Port> ports, Consumer<FlowRecord> consumer) {
      this.ports = ports;
      this.consumer = consumer;
    }
  }

  EventReader(Source source, MappingIndex index, EventLog log, int maxFlows, LongSupplier buckets) {
    this.source = source;
    this.ring = source.ring();
    this.tracker = new FlowTracker(index, log, new FlowTable(maxFlows));
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
   * @param log where the events go; nobody else may write to it
   * @param buckets how many buckets the kernel's table has
   */
  public static EventReader start(
      EventSource source,
      Supplier<? extends EntryReader> dumps,
      MappingIndex index,
      EventLog log,
      LongSupplier buckets) {
    EventReader reader =
        new EventReader(new KernelSource(source, dumps), index, log, DEFAULT_FLOWS, buckets);
    reader.start();
    return reader;
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
    Question question = new Question(ports, consumer);
    questions.add(question);
    source.sync();
    try {
      if (!question.answered.await(ANSWER_MILLIS, TimeUnit.MILLISECONDS)) {
        return withdraw(question);
      }
    } catch (InterruptedException e) {
      withdraw(question);
      Thread.currentThread().interrupt();
      return false;
    }
    RuntimeException failed = question.failure;
    if (failed != null) {
      throw failed;
    }
    return question.known;
  }

  /** Behind this nobody calls the consumer; whether it has been called for every flow. */
  private static boolean withdraw(Question question) {
    question.withdrawn = true;
    // It may be at work on it at this moment.
    synchronized (question) {
      return question.known;
    }
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
    try {
      while (ring.await(patience()) != EventRing.Readiness.ENDED) {
        // What is in the ring now reaches at least so far.
        long drainedNanos = ring.drainedNanos();
        for (int waiting = ring.size(); waiting > 0; ) {
          waiting -= ring.poll(tracker, Math.min(waiting, batch));
          log.wakeConsumers();
        }
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
    if (questions.isEmpty()) {
      return patience;
    }
    source.sync();
    return Math.min(patience, QUESTION_MILLIS);
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
      questions.remove();
      answer(next);
      next.answered.countDown();
    }
  }

  private void answer(Question question) {
    synchronized (question) {
      if (question.withdrawn) {
        return;
      }
      try {
        ByteBuffer bytes = ByteBuffer.allocate(RECORD_BYTES).order(ByteOrder.nativeOrder());
        FlowRecord record = new FlowRecord().wrap(bytes, 0);
        FlowTable table = tracker.table();
        for (Port port : question.ports) {
          table.forEachTo(
              port.protocol(),
              port.port(),
              slot -> {
                table.copyForCaller(slot, SLUICE_KIND_UPDATE, bytes);
                question.consumer.accept(record);
              });
        }
        question.known = resync.isCurrent();
      } catch (RuntimeException e) {
        question.failure = e;
      }
    }
  }
}
