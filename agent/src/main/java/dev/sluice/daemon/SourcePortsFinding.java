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
    return new Finding(
        CHECK,
        severity(now.level()),
        now.text()
                .replace("; if it goes on: " + SourcePortStatistics.REMEDY, "")
                .replace(": " + SourcePortStatistics.REMEDY, "")
            + "; since the agent's start "
            + now.dropped()
            + " were dropped for want of one",
        SourcePortStatistics.REMEDY);
  }

  private static Severity severity(Alarm.Level level) {
    return switch (level) {
      case CLEARED -> Severity.NOTE;
      case WARNING -> Severity.WARNING;
      case CRITICAL, FULL -> Severity.FAILURE;
    };
  }
}
