package dev.sluice.daemon;

import dev.sluice.ffi.Signals;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** SIGHUP, by which daemons are told to read their files again. */
final class HangupSignal {
  private static final Logger LOG = LoggerFactory.getLogger(HangupSignal.class);

  private HangupSignal() {}

  /** Has {@code action} run, on a thread of the virtual machine, at each SIGHUP from now on. */
  static void handle(Runnable action) {
    try {
      Signals.handle("HUP", action);
    } catch (IllegalStateException e) {
      LOG.warn("SIGHUP ends the agent, use sluice apply instead: {}", e.getMessage());
    }
  }
}
