package dev.sluice.ffi;

/** A system call failed. The message says what was attempted and what the kernel answered. */
public final class SystemCallException extends RuntimeException {
  private static final long serialVersionUID = 1L;
  private final int errno;

  /**
   * @param attempted what was tried, as it reads after "cannot": {@code "open a netlink socket"}
   * @param errno the positive error number
   */
  public SystemCallException(String attempted, int errno) {
    super("cannot " + attempted + ": " + Errno.describe(errno));
    this.errno = errno;
  }

  public int errno() {
    return errno;
  }

  /** Returns {@code result} unless it is a negative errno, which is thrown. */
  public static int check(int result, String attempted) {
    if (result < 0) {
      throw new SystemCallException(attempted, -result);
    }
    return result;
  }
}
