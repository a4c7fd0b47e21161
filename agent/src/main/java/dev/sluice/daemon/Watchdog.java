package dev.sluice.daemon;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Tells systemd that the agent is at work, for as long as it is: a unit with {@code WatchdogSec=}
 * has an agent that falls silent ended and started again.
 *
 * <p>What is told is not that time passes. Before each message everything on which the agent's work
 * depends is used once, by one thread, one after the other. What is stuck keeps that thread, and
 * then nothing is told; no proof needs a deadline of its own.
 */
final class Watchdog implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Watchdog.class);

  /**
   * So often within the time that systemd grants: one proof that comes late is no reason to die.
   */
  private static final int TIMES = 3;

  /** Uses a part of the agent. */
  @FunctionalInterface
  interface Use {
    /**
     * Returns once the part has answered.
     *
     * @throws Exception if it answers that it cannot work
     */
    void once() throws Exception;
  }

  /**
   * That a part of the agent works.
   *
   * @param part what it is, as it reads before "does not work"
   */
  record Proof(String part, Use use) {}

  private final List<Proof> proofs;
  private final Duration interval;
  private final Runnable tell;
  private final Thread thread = new Thread(this::run, "watchdog");

  private Watchdog(List<Proof> proofs, Duration interval, Runnable tell) {
    this.proofs = List.copyOf(proofs);
    this.interval = interval;
    this.tell = tell;
  }

  /**
   * Begins at once.
   *
   * @param timeout how long systemd bears silence; what is told comes three times as often
   * @param tell tells it
   */
  static Watchdog start(List<Proof> proofs, Duration timeout, Runnable tell) {
    Watchdog watchdog = new Watchdog(proofs, timeout.dividedBy(TIMES), tell);
    watchdog.thread.setDaemon(true);
    watchdog.thread.start();
    return watchdog;
  }

  private void run() {
    try {
      while (true) {
        if (allWork()) {
          tell.run();
        }
        TimeUnit.NANOSECONDS.sleep(interval.toNanos());
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt(); // closed
    }
  }

  private boolean allWork() throws InterruptedException {
    for (Proof proof : proofs) {
      try {
        proof.use().once();
      } catch (Exception e) {
        if (Thread.interrupted()) {
          throw new InterruptedException();
        }
        LOG.warn(
            "{} does not work, so systemd is not told that the agent does, and starts it again if that lasts: {}",
            proof.part(),
            e.toString());
        return false;
      }
    }
    return true;
  }

  /** Falls silent. A proof that is stuck is left behind. */
  @Override
  public void close() {
    thread.interrupt();
  }
}
