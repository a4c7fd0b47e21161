package dev.sluice.daemon;

import dev.sluice.api.Diagnostics.Finding;
import dev.sluice.api.Diagnostics.Severity;
import dev.sluice.daemon.FastPathService.State;
import dev.sluice.fastpath.FastPathStatistics;
import dev.sluice.fastpath.Outcome;
import dev.sluice.network.CarriedPlaces;
import java.util.stream.Collectors;

/** What doctor says about the fast path. */
final class FastPathFinding {
  private static final String ID = "fastpath";

  private FastPathFinding() {}

  /** One that does not serve. */
  static Finding of(State state) {
    if (state instanceof State.Unusable unusable) {
      return new Finding(
          ID,
          Severity.WARNING,
          "the fast path cannot be used, and all connections go through netfilter: "
              + unusable.reason(),
          unusable.remedy());
    }
    return new Finding(
        ID,
        Severity.OK,
        state instanceof State.Off
            ? "the fast path is off: all connections go through netfilter"
            : "the fast path is being tested",
        "");
  }

  /** One that serves. */
  static Finding of(CarriedPlaces.Report places, FastPathStatistics statistics) {
    String state =
        "the fast path has programs at "
            + (places.outer().isEmpty()
                ? "no outer device"
                : places.outer().entrySet().stream()
                    .map(one -> one.getKey() + " (" + text(one.getValue().name()) + ")")
                    .collect(Collectors.joining(", ")))
            + " and at "
            + places.containerPorts()
            + " ports of bridges, and knows "
            + places.containers()
            + " addresses of containers; it carried "
            + statistics.carried()
            + " of "
            + statistics.seen()
            + " packets";
    if (places.problem().isPresent()) {
      return new Finding(
          ID,
          Severity.WARNING,
          state + "; what it could not do: " + places.problem().get(),
          "see docs/fastpath.md; these packets go through netfilter");
    }
    if (statistics.of(Outcome.FULL) > 0) {
      return new Finding(
          ID,
          Severity.NOTE,
          state + "; it had no room for a flow " + statistics.of(Outcome.FULL) + " times",
          "give the agent a larger --fastpath-flows");
    }
    return new Finding(ID, Severity.OK, state, "");
  }

  private static String text(String attachment) {
    return attachment.toLowerCase(java.util.Locale.ROOT);
  }
}
