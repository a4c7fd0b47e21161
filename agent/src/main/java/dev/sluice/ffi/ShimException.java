package dev.sluice.ffi;

/** A call into libsluice failed. The message says what was attempted and what the library said. */
public final class ShimException extends RuntimeException {
  private static final long serialVersionUID = 1L;
  private final int errno;

  /**
   * @param attempted what was tried, as it reads after "cannot"
   * @param errno the positive error number
   * @param detail the library's own words
   */
  public ShimException(String attempted, int errno, String detail) {
    super("cannot " + attempted + ": " + detail + " (" + Errno.name(errno) + ")");
    this.errno = errno;
  }

  public int errno() {
    return errno;
  }
}
