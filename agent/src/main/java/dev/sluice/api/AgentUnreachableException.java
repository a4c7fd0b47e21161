package dev.sluice.api;

import org.jspecify.annotations.Nullable;

/** The agent could not be asked; the message says in one sentence why and what to do. */
public final class AgentUnreachableException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** Why the agent could not be asked. */
  public enum Reason {
    /** Nobody listens there. */
    NOT_RUNNING,
    /** The socket is there, but not for us. */
    NOT_PERMITTED,
    /** The conversation broke off or took too long. */
    BROKEN_OFF
  }

  private final Reason reason;

  AgentUnreachableException(Reason reason, String message, @Nullable Throwable cause) {
    super(message, cause);
    this.reason = reason;
  }

  public Reason reason() {
    return reason;
  }
}
