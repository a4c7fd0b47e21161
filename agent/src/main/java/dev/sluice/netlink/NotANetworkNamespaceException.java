package dev.sluice.netlink;

/** A file that should be a network namespace is something else. The message says which file. */
public final class NotANetworkNamespaceException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  NotANetworkNamespaceException(String message) {
    super(message);
  }
}
