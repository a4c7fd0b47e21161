package dev.sluice.cli.run;

/** A command could not be started; the message says why. */
public final class NotStartedException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  // What shells and docker run exit with.
  private static final int NOT_EXECUTABLE = 126;
  private static final int NOT_FOUND = 127;

  private final int exitCode;

  NotStartedException(String message, boolean found, Throwable cause) {
    super(message, cause);
    this.exitCode = found ? NOT_EXECUTABLE : NOT_FOUND;
  }

  /** 127 if there is no such command, 126 if there is. */
  public int exitCode() {
    return exitCode;
  }
}
