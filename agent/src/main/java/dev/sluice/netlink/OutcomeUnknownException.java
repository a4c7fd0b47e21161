package dev.sluice.netlink;

/**
 * A request was sent, but its answer was lost (the receive buffer overflowed or the wait timed
 * out): it may or may not have taken effect. Read back before doing anything else; never repeat it
 * blindly.
 */
public final class OutcomeUnknownException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public OutcomeUnknownException(String operation, String reason) {
    super("the outcome is unknown of the request to " + operation + ": " + reason);
  }
}
