package dev.sluice.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** When systemd is told that the agent is at work, and when it is not. */
class WatchdogTest {
  private static final Duration TIMEOUT = Duration.ofMillis(60);

  private final Semaphore told = new Semaphore(0);
  private final List<Watchdog> started = new ArrayList<>();

  @AfterEach
  void close() {
    started.forEach(Watchdog::close);
  }

  private boolean isTold(int times, int withinMillis) throws InterruptedException {
    return told.tryAcquire(times, withinMillis, TimeUnit.MILLISECONDS);
  }

  private Watchdog start(Watchdog.Use... uses) {
    List<Watchdog.Proof> proofs = new ArrayList<>();
    for (Watchdog.Use use : uses) {
      proofs.add(new Watchdog.Proof("part " + proofs.size(), use));
    }
    Watchdog watchdog = Watchdog.start(proofs, TIMEOUT, told::release);
    started.add(watchdog);
    return watchdog;
  }

  /** Fails if the interval is not shorter than what systemd bears, or if it is told only once. */
  @Test
  void toldAgainAndAgainWhileEverythingWorks() throws Exception {
    long began = System.nanoTime();
    start(() -> {}, () -> {});
    assertThat(isTold(10, 10_000)).isTrue();
    // Ten times in three timeouts, and not all at once.
    assertThat(Duration.ofNanos(System.nanoTime() - began)).isGreaterThan(TIMEOUT.multipliedBy(2));
  }

  /** Fails if proofs are not waited for, or if it does not go on when what was stuck is free. */
  @Test
  void silentWhileAPartIsStuck() throws Exception {
    CountDownLatch free = new CountDownLatch(1);
    AtomicBoolean reached = new AtomicBoolean();
    start(() -> reached.set(true), free::await);
    assertThat(isTold(1, 300)).isFalse();
    assertThat(reached).isTrue();
    free.countDown();
    assertThat(isTold(3, 10_000)).isTrue();
  }

  /** Fails if a part that says it cannot work counts as one that does, or ends the watchdog. */
  @Test
  void silentWhileAPartFails() throws Exception {
    AtomicBoolean broken = new AtomicBoolean(true);
    Watchdog.Use use =
        () -> {
          if (broken.get()) {
            throw new IOException("nobody listens");
          }
        };
    start(use, () -> {});
    assertThat(isTold(1, 300)).isFalse();
    broken.set(false);
    assertThat(isTold(3, 10_000)).isTrue();
  }

  /** Fails if closing only asks it to end. */
  @Test
  void closedItIsSilent() throws Exception {
    Watchdog watchdog = start(() -> {});
    assertThat(isTold(1, 10_000)).isTrue();
    watchdog.close();
    Thread.sleep(50);
    told.drainPermits();
    assertThat(isTold(1, 300)).isFalse();
  }

  /**
   * Fails if the unit is taken for milliseconds, or if another process's variables are believed.
   */
  @ParameterizedTest
  @CsvSource(
      nullValues = "none",
      value = {
        "77, 30000000, PT30S",
        "none, 30000000, PT30S", // as a script that starts us may leave it out
        "78, 30000000, none",
        "77, 0, none",
        "77, '', none",
        "77, x, none",
        "77, 99999999999999999999, none"
      })
  void whatSystemdBearsIsInTheEnvironment(String pid, String micros, String timeout) {
    Map<String, String> environment =
        pid == null
            ? Map.of("WATCHDOG_USEC", micros)
            : Map.of("WATCHDOG_USEC", micros, "WATCHDOG_PID", pid);
    assertThat(ServiceManager.watchdogTimeout(environment, 77))
        .isEqualTo(Optional.ofNullable(timeout).map(Duration::parse));
    assertThat(ServiceManager.watchdogTimeout(Map.of(), 77)).isEmpty();
  }
}
