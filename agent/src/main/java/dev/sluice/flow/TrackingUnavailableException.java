package dev.sluice.flow;

import org.jspecify.annotations.Nullable;

/** The host cannot track flows as we need it; the message says what to do. */
public final class TrackingUnavailableException extends RuntimeException {
  TrackingUnavailableException(String message, @Nullable Throwable cause) {
    super(message, cause);
  }
}
