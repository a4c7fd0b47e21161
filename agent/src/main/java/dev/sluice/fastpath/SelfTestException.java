package dev.sluice.fastpath;

import org.jspecify.annotations.Nullable;

/**
 * The fast path does not work here; the message says what happened, as it reads after "because".
 */
public final class SelfTestException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  SelfTestException(String message, @Nullable Throwable cause) {
    super(message, cause);
  }
}
