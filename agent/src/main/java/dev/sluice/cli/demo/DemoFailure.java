package dev.sluice.cli.demo;

import org.jspecify.annotations.Nullable;

/** A step did not go as it must; the message is one sentence. */
final class DemoFailure extends RuntimeException {
  private static final long serialVersionUID = 1L;

  DemoFailure(String message) {
    super(message);
  }

  DemoFailure(String message, @Nullable Throwable cause) {
    super(message, cause);
  }
}
