package dev.sluice.daemon;

import org.jspecify.annotations.Nullable;

/** The agent cannot start; the message is one sentence that says what to do. */
final class StartupException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** Exit codes of {@code sluice agent}; docs/cli.md has the whole table. */
  static final int FAILED = 1;

  static final int CONFLICT = 4;
  static final int NOT_PERMITTED = 6;

  private final int exitCode;

  StartupException(int exitCode, String message, @Nullable Throwable cause) {
    super(message, cause);
    this.exitCode = exitCode;
  }

  int exitCode() {
    return exitCode;
  }
}
