package dev.sluice.ruleset;

/** The running kernel lacks what a request needs. The message is one sentence for who asked. */
public final class UnsupportedByKernelException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  UnsupportedByKernelException(String message, Throwable cause) {
    super(message, cause);
  }
}
