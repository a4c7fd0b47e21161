package dev.sluice.flow;

import dev.sluice.model.Alarm;

/** Who is to hear of alarms. */
@FunctionalInterface
public interface Alarms {
  /** Takes an alarm; must not wait. Called by one thread, one alarm after the other. */
  void raise(Alarm alarm);
}
