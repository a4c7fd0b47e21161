package dev.sluice.ruleset;

/** A change was sent, its answer was lost, and the table could not be read back either. */
public final class UncertainChangeException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  UncertainChangeException(Throwable cause) {
    super(cause.getMessage(), cause);
  }
}
