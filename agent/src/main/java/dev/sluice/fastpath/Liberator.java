package dev.sluice.fastpath;

import dev.sluice.conntrack.Conntrack;
import dev.sluice.conntrack.Tuple;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Makes conntrack stop watching the windows of TCP connections that are to be carried: it would
 * judge them by packets that it has not seen. The programs ask for it; a request that is not
 * answered, because of an error or because nobody is there, is asked again.
 */
public final class Liberator implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Liberator.class);

  /** How many requests are answered with one round. */
  private static final int RECORDS = 256;

  /** How long the end may be noticed late. */
  private static final int WAIT_MILLIS = 200;

  private static final int PAUSE_AFTER_FAILURE_SECONDS = 1;

  private final FastPath fastPath;
  private final Conntrack conntrack;
  private final CountDownLatch closed = new CountDownLatch(1);
  private final Thread thread = new Thread(this::run, "sluice-liberator");

  private Liberator(FastPath fastPath, Conntrack conntrack) {
    this.fastPath = fastPath;
    this.conntrack = conntrack;
  }

  /**
   * Begins.
   *
   * @param conntrack of the namespace whose packets are carried; closed with this
   */
  public static Liberator start(FastPath fastPath, Conntrack conntrack) {
    Liberator liberator = new Liberator(fastPath, conntrack);
    liberator.thread.setDaemon(true);
    liberator.thread.start();
    return liberator;
  }

  private void run() {
    OffloadRecords records = new OffloadRecords(RECORDS);
    boolean failing = false;
    while (closed.getCount() > 0) {
      try {
        int count = fastPath.requests(records, WAIT_MILLIS);
        if (count > 0) {
          conntrack.makeLiberal(named(records, count));
          failing = false;
        }
      } catch (RuntimeException e) {
        if (!failing && closed.getCount() > 0) {
          LOG.warn("connections cannot be given to the fast path now: {}", e.getMessage());
        }
        failing = true;
        pause();
      }
    }
  }

  /** Each once: a busy flow asks with many packets. */
  private static List<Tuple> named(OffloadRecords records, int count) {
    Set<Tuple> tuples = new HashSet<>();
    for (int i = 0; i < count; i++) {
      tuples.add(
          Tuple.of(
              records.protocol(i),
              records.source(i),
              records.sourcePort(i),
              records.destination(i),
              records.destinationPort(i)));
    }
    return List.copyOf(tuples);
  }

  private void pause() {
    try {
      if (closed.await(PAUSE_AFTER_FAILURE_SECONDS, TimeUnit.SECONDS)) {
        return;
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Ends; to be called before the fast path is closed. */
  @Override
  public void close() {
    closed.countDown();
    try {
      thread.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    conntrack.close();
  }
}
