package dev.sluice.daemon;

import dev.sluice.api.Diagnostics.Finding;
import dev.sluice.api.Diagnostics.Severity;
import dev.sluice.flow.PressureStatistics;

/** What {@code sluice doctor} says of the table of connections. */
final class ConnectionTableFinding {
  private static final String CHECK = "connection-table";

  private static final String FLOODS =
      "; if few sources open them, cap those: sluice update NAME --source-rate 20/second; if the"
          + " sources are forged, publish with --syn-proxy, which answers in their stead until they"
          + " prove real";

  private ConnectionTableFinding() {}

  static Finding of(PressureStatistics now, ConnectionTableMemory memory) {
    if (now.failure().isPresent()) {
      return new Finding(CHECK, Severity.WARNING, now.failure().get(), "restart the agent");
    }
    String found = filled(now) + cost(now) + "; " + memory.outlook();
    Severity severity =
        switch (now.level()) {
          case FULL -> Severity.FAILURE;
          case CRITICAL, WARNING -> Severity.WARNING;
          case CLEARED -> now.dropped() + now.earlyDropped() > 0 ? Severity.NOTE : Severity.OK;
        };
    return new Finding(
        CHECK, severity, found, severity == Severity.OK ? "" : memory.advice() + FLOODS);
  }

  private static String filled(PressureStatistics now) {
    return now.limit() == 0
        ? "tracking " + now.entries() + " connections, without a limit"
        : "tracking "
            + now.entries()
            + " of at most "
            + now.limit()
            + " connections ("
            + now.percent()
            + " %)";
  }

  private static String cost(PressureStatistics now) {
    if (now.dropped() + now.earlyDropped() + now.insertFailed() == 0) {
      return ", none lost since the boot";
    }
    return "; since the boot "
        + now.dropped()
        + " packets of new ones dropped, "
        + now.earlyDropped()
        + " given up early to make room, "
        + now.insertFailed()
        + " not entered since others had the same ports";
  }
}
