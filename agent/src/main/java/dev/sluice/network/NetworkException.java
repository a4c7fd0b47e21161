package dev.sluice.network;

import org.jspecify.annotations.Nullable;

/**
 * A request about networks or sandboxes was refused and nothing has changed, or, as its kind says,
 * nobody can tell. The message is one sentence for the person who asked.
 */
public final class NetworkException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** What kind of refusal it is; decides the HTTP status and the exit code. */
  public enum Kind {
    /** The request contradicts itself or what this host supports. */
    INVALID,
    /** Somebody else has the name, the address or the interface, or something is in use. */
    CONFLICT,
    /** There is no such network, sandbox or namespace. */
    NOT_FOUND,
    /** The kernel refuses, or all addresses are given away. */
    UNAVAILABLE,
    /** Nobody can tell whether it took effect. */
    UNCERTAIN
  }

  private final Kind kind;

  public NetworkException(Kind kind, String message) {
    this(kind, message, null);
  }

  public NetworkException(Kind kind, String message, @Nullable Throwable cause) {
    super(message, cause);
    this.kind = kind;
  }

  public Kind kind() {
    return kind;
  }
}
