package dev.sluice.netlink;

/** Bytes that are not a netlink message, or an attribute whose length contradicts its type. */
public final class MalformedMessageException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public MalformedMessageException(String message) {
    super(message);
  }
}
