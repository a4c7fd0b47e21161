package dev.sluice.conntrack;

import org.jspecify.annotations.Nullable;

/** The kernel ended a dump before its end; another one may succeed. The message says why. */
public final class DumpFailedException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final boolean tableChanged;

  /**
   * @param tableChanged whether the table merely changed in a way that the dump could not follow
   */
  public DumpFailedException(String message, boolean tableChanged, @Nullable Throwable cause) {
    super(message, cause);
    this.tableChanged = tableChanged;
  }

  /** Whether the table merely changed in a way that the dump could not follow. */
  public boolean isTableChanged() {
    return tableChanged;
  }
}
