package dev.sluice.publish;

import org.jspecify.annotations.Nullable;

/**
 * A request was refused and nothing has changed. The message is one sentence for the person who
 * asked.
 */
public final class PublishException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** What kind of refusal it is; decides the HTTP status and the exit code. */
  public enum Kind {
    /** The request contradicts itself or what this host supports. */
    INVALID,
    /** Somebody else has the port. */
    CONFLICT,
    /** There is no such mapping, or no way to the target. */
    NOT_FOUND,
    /** The kernel or the process limits refuse; repeating the request later may help. */
    UNAVAILABLE
  }

  private final Kind kind;

  public PublishException(Kind kind, String message) {
    this(kind, message, null);
  }

  public PublishException(Kind kind, String message, @Nullable Throwable cause) {
    super(message, cause);
    this.kind = kind;
  }

  public Kind kind() {
    return kind;
  }
}
