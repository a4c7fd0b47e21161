package dev.sluice.cli.demo;

import dev.sluice.cli.demo.DemoNetwork.Machine;
import java.io.IOException;
import java.net.Socket;
import java.util.Optional;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;

/** Somebody who makes a new connection every 20 ms, to notice any moment in which none works. */
final class Prober implements AutoCloseable {
  private static final long PERIOD_NANOS = TimeUnit.MILLISECONDS.toNanos(20);

  /**
   * What was noticed.
   *
   * @param tried connections begun
   * @param failed those that were not answered
   * @param slowestMillis the longest time from connecting to the answer of one that was
   * @param firstFailure what the first failure was
   */
  record Result(int tried, int failed, long slowestMillis, Optional<String> firstFailure) {}

  private final FutureTask<Result> task;
  private final AtomicInteger tried = new AtomicInteger();
  private volatile boolean stopped;

  private Prober(Machine from, String address, int port) {
    task = new FutureTask<>(() -> from.namespace().call(() -> probe(address, port)));
  }

  static Prober start(Machine from, String address, int port) {
    Prober prober = new Prober(from, address, port);
    Thread thread = new Thread(prober.task, "prober");
    thread.setDaemon(true);
    thread.start();
    return prober;
  }

  /** Connections begun so far. */
  int tried() {
    return tried.get();
  }

  /** Ends it. */
  Result stop() throws Exception {
    stopped = true;
    return task.get(10, TimeUnit.SECONDS);
  }

  private Result probe(String address, int port) {
    int failed = 0;
    long slowestNanos = 0;
    Optional<String> firstFailure = Optional.empty();
    long next = System.nanoTime();
    while (!stopped) {
      long began = System.nanoTime();
      tried.incrementAndGet();
      try (Socket socket = Http.connect(address, port)) {
        Http.ask(socket, "/").readAllBytes();
        slowestNanos = Math.max(slowestNanos, System.nanoTime() - began);
      } catch (IOException e) {
        failed++;
        if (firstFailure.isEmpty()) {
          firstFailure = Optional.of(e.toString());
        }
      }
      next = Math.max(next + PERIOD_NANOS, System.nanoTime());
      LockSupport.parkNanos(next - System.nanoTime());
    }
    return new Result(
        tried.get(), failed, TimeUnit.NANOSECONDS.toMillis(slowestNanos), firstFailure);
  }

  @Override
  public void close() {
    stopped = true;
  }

  @Override
  public String toString() {
    return "prober";
  }
}
