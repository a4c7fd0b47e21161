package dev.sluice.daemon;

import dev.sluice.api.Diagnostics.Finding;
import dev.sluice.api.Diagnostics.Severity;
import dev.sluice.flow.SourcePortStatistics;
import dev.sluice.model.Alarm;

/** What {@code sluice doctor} says of the ports that connections leave with. */
final class SourcePortsFinding {
  private static final String CHECK = "source-ports";

  private SourcePortsFinding() {}

  static Finding of(SourcePortStatistics now) {
    if (now.text().isEmpty()) {
      return new Finding(
          CHECK, Severity.OK, "no connection was dropped for want of a source port", "");
    }
    boolean over = now.level() == Alarm.Level.CLEARED;
    return new Finding(
        CHECK,
        over ? Severity.NOTE : Severity.FAILURE,
        now.text().replace(": " + SourcePortStatistics.REMEDY, "")
            + "; since the agent's start "
            + now.dropped()
            + " were dropped for want of one",
        SourcePortStatistics.REMEDY);
  }
}
