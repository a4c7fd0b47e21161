package dev.sluice.netlink;

/** The table changed while it was dumped (NLM_F_DUMP_INTR) in each of several attempts. */
public final class DumpInterruptedException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public DumpInterruptedException(String operation, int attempts) {
    super(
        "cannot "
            + operation
            + ": the kernel's table changed during each of "
            + attempts
            + " attempts to read it");
  }
}
