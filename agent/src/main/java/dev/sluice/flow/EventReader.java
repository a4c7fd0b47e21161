package dev.sluice.flow;

import dev.sluice.conntrack.EventRing;
import dev.sluice.conntrack.EventSource;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Reads the events of flows as they come and appends them to an {@link EventLog}, on a thread of
 * its own, {@value #THREAD_NAME}. It waits for nobody but the source. If reading fails, it says so
 * in the log and in its {@linkplain #statistics statistics}, and the consumers find the end of the
 * stream.
 */
public final class EventReader implements AutoCloseable {
  static final String THREAD_NAME = "sluice-events";

  private static final Logger LOG = LoggerFactory.getLogger(EventReader.class);

  /** How many records are read before their place is given back and the consumers are woken. */
  private static final int BATCH = 1_024;

  private static final int AWAIT_MILLIS = 1_000;

  private final EventRing ring;
  private final AutoCloseable source;
  private final EventLines lines;
  private final EventLog log;
  private final Thread thread;
  private volatile EventStatistics.State state = EventStatistics.State.RUNNING;
  private volatile @Nullable String failure;

  EventReader(EventRing ring, AutoCloseable source, MappingIndex index, EventLog log) {
    this.ring = ring;
    this.source = source;
    this.lines = new EventLines(index, log);
    this.log = log;
    this.thread = new Thread(this::run, THREAD_NAME);
    thread.setDaemon(true);
  }

  /**
   * Starts reading.
   *
   * @param source belongs to the reader from now on, which closes it
   * @param index which mapping a flow belongs to
   * @param log where the events go; nobody else may write to it
   */
  public static EventReader start(EventSource source, MappingIndex index, EventLog log) {
    EventReader reader = new EventReader(source.ring(), source, index, log);
    reader.start();
    return reader;
  }

  void start() {
    thread.start();
  }

  /** How it is going. From any thread. */
  public EventStatistics statistics() {
    return new EventStatistics(
        state,
        Optional.ofNullable(failure),
        lines.received(),
        lines.lostReceiveBuffer(),
        lines.lostRing(),
        lines.lostMalformed(),
        log.consumers(),
        log.retainedBytes(),
        log.oldestSequence(),
        log.nextSequence());
  }

  /**
   * Ends the subscription, reads what has arrived, and ends the stream. Does nothing the second
   * time.
   */
  @Override
  public void close() {
    try {
      source.close();
      thread.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (RuntimeException e) {
      throw e;
    } catch (Exception e) {
      throw new IllegalStateException("cannot close the source of flow events", e);
    }
  }

  private void run() {
    int batch = Math.min(BATCH, ring.capacity() / 4);
    try {
      while (ring.await(AWAIT_MILLIS) != EventRing.Readiness.ENDED) {
        while (ring.poll(lines, batch) > 0) {
          log.wakeConsumers();
        }
      }
      state = EventStatistics.State.STOPPED;
    } catch (Throwable e) {
      failure = "flow events are no longer read: " + e.getMessage();
      state = EventStatistics.State.FAILED;
      LOG.error("flow events are no longer read; restart the agent to read them again", e);
    } finally {
      log.end();
    }
  }
}
