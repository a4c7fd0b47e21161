package dev.sluice.daemon;

/** The agent. */
public final class Agent {
  private Agent() {}

  /**
   * Runs until it is told to end.
   *
   * @return the exit code of the process
   */
  public static int run(AgentConfig config) {
    System.err.println("sluice: this build has no agent for " + config.socket());
    return 1;
  }
}
