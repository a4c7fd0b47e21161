package dev.sluice.network;

/** No container can be reached at an address; the message says why and what to do. */
public final class UnknownTargetException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public UnknownTargetException(String message) {
    super(message);
  }
}
