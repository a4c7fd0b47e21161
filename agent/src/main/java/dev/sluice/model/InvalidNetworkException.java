package dev.sluice.model;

/** A network or a sandbox that cannot be; the message is one sentence that says why. */
public final class InvalidNetworkException extends IllegalArgumentException {
  private static final long serialVersionUID = 1L;

  public InvalidNetworkException(String message) {
    super(message);
  }
}
