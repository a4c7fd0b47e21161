package dev.sluice.ffi;

import java.util.Locale;

/** Error numbers of Linux (asm-generic/errno-base.h, asm-generic/errno.h), as positive ints. */
public final class Errno {
  public static final int EPERM = 1;
  public static final int ENOENT = 2;
  public static final int EINTR = 4;
  public static final int E2BIG = 7;
  public static final int EBADF = 9;
  public static final int EAGAIN = 11;
  public static final int ENOMEM = 12;
  public static final int EACCES = 13;
  public static final int EBUSY = 16;
  public static final int EEXIST = 17;
  public static final int EXDEV = 18;
  public static final int ENODEV = 19;
  public static final int ENOTDIR = 20;
  public static final int EINVAL = 22;
  public static final int EMFILE = 24;
  public static final int ERANGE = 34;
  public static final int ENAMETOOLONG = 36;
  public static final int ENOSYS = 38;
  public static final int ELOOP = 40;
  public static final int EPROTO = 71;
  public static final int ERESTART = 85;
  public static final int EMSGSIZE = 90;
  public static final int ENOPROTOOPT = 92;
  public static final int EPROTONOSUPPORT = 93;
  public static final int ESOCKTNOSUPPORT = 94;
  public static final int EOPNOTSUPP = 95;
  public static final int EAFNOSUPPORT = 97;
  public static final int EADDRINUSE = 98;
  public static final int EADDRNOTAVAIL = 99;
  public static final int ENETUNREACH = 101;
  public static final int ENOBUFS = 105;
  public static final int ESHUTDOWN = 108;
  public static final int EHOSTUNREACH = 113;

  private Errno() {}

  /**
   * The symbol, for instance {@code EPERM}; {@code errno 524} when libc's headers do not name it.
   */
  public static String name(int errno) {
    // Where jnr-constants does not say what Linux's own tools say: ERESTART is kernel-internal and
    // missing there, and two numbers have a second name, which it prefers.
    switch (errno) {
      case ERESTART:
        return "ERESTART";
      case EAGAIN:
        return "EAGAIN";
      case EOPNOTSUPP:
        return "EOPNOTSUPP";
      default:
        break;
    }
    jnr.constants.platform.Errno known = jnr.constants.platform.Errno.valueOf(errno);
    return known == jnr.constants.platform.Errno.__UNKNOWN_CONSTANT__
        ? "errno " + errno
        : known.name();
  }

  /** libc's text for the error, in lower case, for instance {@code operation not permitted}. */
  public static String message(int errno) {
    return Sys.strerror(errno).toLowerCase(Locale.ROOT);
  }

  /** Both: {@code EPERM (operation not permitted)}. */
  public static String describe(int errno) {
    return name(errno) + " (" + message(errno) + ")";
  }
}
