package dev.sluice.daemon;

import dev.sluice.api.Diagnostics.Finding;
import dev.sluice.api.Diagnostics.Severity;
import dev.sluice.api.docker.EngineStatistics;

/** What doctor says about the Docker engine that is followed. */
final class EngineFinding {
  private static final String CHECK = "docker";

  private EngineFinding() {}

  /**
   * @param chains whether the host's firewall has chains for published ports as Docker makes them
   */
  static Finding of(EngineStatistics now, boolean chains) {
    if (!now.connected()) {
      return new Finding(
          CHECK,
          Severity.FAILURE,
          "the Docker engine is not followed: "
              + now.lastError().orElse("it was not reached yet")
              + "; what is published stays",
          "start dockerd with --iptables=false --ip6tables=false --userland-proxy=false");
    }
    String followed =
        "Docker "
            + now.version().orElse("?")
            + " at "
            + now.socket()
            + ": "
            + now.containers()
            + " containers run, on "
            + now.networks()
            + " networks";
    if (now.failure().isPresent()) {
      return new Finding(
          CHECK,
          Severity.FAILURE,
          followed
              + "; but what happens there is not carried out: "
              + now.failure().get()
              + "; what is published stays",
          "");
    }
    if (chains) {
      // The engine does not tell how it was started.
      return new Finding(
          CHECK,
          Severity.WARNING,
          followed
              + "; but there are firewall rules of Docker beside ours: it writes them, or they are"
              + " left from when it did",
          "start dockerd with --iptables=false --ip6tables=false, then remove what is left as"
              + " docs/docker.md says");
    }
    if (!now.problems().isEmpty()) {
      return new Finding(
          CHECK,
          Severity.WARNING,
          followed
              + "; "
              + now.problems().get(0)
              + (now.problems().size() > 1
                  ? " (and " + (now.problems().size() - 1) + " more)"
                  : ""),
          "");
    }
    return new Finding(CHECK, Severity.OK, followed, "");
  }
}
