package dev.sluice.cli.run;

import dev.sluice.ffi.Signals;
import dev.sluice.ffi.Sys;
import java.io.IOException;
import java.util.Map;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/**
 * Signals that would end this process, whose command is to end instead. A terminal sends Ctrl-C to
 * both; what is sent to this process alone is passed on. A signal that this process was started to
 * ignore stays ignored, by both: the JDK sees to that.
 */
final class ForwardedSignals {
  private static final int SIGINT = 2;

  /** By their numbers (signal(7)). */
  private static final Map<Integer, String> HANDLED = Map.of(1, "HUP", SIGINT, "INT", 15, "TERM");

  private @Nullable Process process;
  private int pending;

  private ForwardedSignals() {}

  /** Signals are kept from now on, and passed on once there is a process. */
  static ForwardedSignals install() {
    ForwardedSignals signals = new ForwardedSignals();
    HANDLED.forEach((number, name) -> Signals.handle(name, () -> signals.arrived(number)));
    return signals;
  }

  private synchronized void arrived(int number) {
    if (process == null) {
      pending = number;
    } else if (number != SIGINT && process.isAlive()) {
      Sys.kill((int) process.pid(), number);
    }
  }

  /** The signal that has come before there was a process. */
  synchronized OptionalInt pending() {
    return pending == 0 ? OptionalInt.empty() : OptionalInt.of(pending);
  }

  /** Starts the process, on this thread. */
  synchronized Process start(ProcessBuilder builder) throws IOException {
    Process started = builder.start();
    process = started;
    if (pending != 0) {
      Sys.kill((int) started.pid(), pending);
    }
    return started;
  }
}
