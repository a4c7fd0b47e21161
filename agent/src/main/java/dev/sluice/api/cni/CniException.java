package dev.sluice.api.cni;

import dev.sluice.net.MalformedValueException;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** A plugin's refusal, as the runtime will read it: nothing has changed then. */
final class CniException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** The codes: up to 99 those of the specification, section "Error", from 100 on our own. */
  enum Code {
    INCOMPATIBLE_VERSION(1),
    UNSUPPORTED_FIELD(2),
    UNKNOWN_CONTAINER(3),
    INVALID_ENVIRONMENT(4),
    CANNOT_DECODE(6),
    INVALID_CONFIGURATION(7),
    TRY_AGAIN_LATER(11),
    /** Somebody else has the port, the address or the name. */
    TAKEN(100),
    /** CHECK has found something else than ADD left. */
    DIFFERENT(101),
    /** The container is on no network of this host. */
    UNREACHABLE(102),
    /** A mistake of ours; the agent's log says more. */
    INTERNAL(999);

    private final int number;

    Code(int number) {
      this.number = number;
    }

    int number() {
      return number;
    }
  }

  private final Code code;
  private final @Nullable String details;

  /**
   * A refusal.
   *
   * @param message one sentence: what was asked and why it cannot be
   * @param details what else helps
   */
  CniException(Code code, String message, @Nullable String details) {
    super(message);
    this.code = code;
    this.details = details;
  }

  static CniException of(Code code, String message) {
    return new CniException(code, message, null);
  }

  /** As {@link #of}, where something went wrong below. */
  static CniException of(Code code, Throwable cause) {
    CniException e = of(code, String.valueOf(cause.getMessage()));
    e.initCause(cause);
    return e;
  }

  /** A configuration that means nothing. */
  static CniException invalid(String message) {
    return of(Code.INVALID_CONFIGURATION, message);
  }

  /** Text of unknown origin, short and harmless. */
  static String quoted(String text) {
    return MalformedValueException.quote(text);
  }

  Code code() {
    return code;
  }

  Optional<String> details() {
    return Optional.ofNullable(details);
  }
}
