package dev.sluice.api;

import java.util.List;
import java.util.Map;

/**
 * What the agent knows about itself and its host; {@code sluice doctor} and {@code sluice version}
 * print it.
 */
public interface Diagnostics {
  /** How serious a finding is. */
  enum Severity {
    OK,
    NOTE,
    WARNING,
    FAILURE
  }

  /**
   * One thing looked at.
   *
   * @param check short name of the check, kebab-case: {@code table-ownership}
   * @param found one sentence: what is the case
   * @param remedy one sentence: what to do; empty if there is nothing to do
   */
  record Finding(String check, Severity severity, String found, String remedy) {}

  /** Runs the checks; takes milliseconds, changes nothing. */
  List<Finding> findings();

  /**
   * Versions and figures of this agent, in the order they are shown: version, kernel, table,
   * ownership, uptime, …
   */
  Map<String, String> facts();
}
