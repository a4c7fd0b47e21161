package dev.sluice.ruleset;

/** The kernel already has an element for one of the keys; nothing was changed. */
public final class AlreadyPublishedException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public AlreadyPublishedException(Throwable cause) {
    super("one of the ports is already published", cause);
  }
}
