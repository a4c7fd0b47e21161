package dev.sluice.ruleset.trace;

/** Packets cannot be followed now. The message is one sentence for who asked. */
public final class TraceRefusedException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** Why. */
  public enum Reason {
    /** Somebody follows packets already. */
    BUSY,
    /** The kernel cannot do it. */
    UNSUPPORTED
  }

  private final Reason reason;

  TraceRefusedException(Reason reason, String message) {
    super(message);
    this.reason = reason;
  }

  TraceRefusedException(Reason reason, String message, Throwable cause) {
    super(message, cause);
    this.reason = reason;
  }

  /** Why. */
  public Reason reason() {
    return reason;
  }
}
