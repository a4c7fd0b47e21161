package dev.sluice.ruleset;

/** Another process owns the table, so this one must not serve it. */
public final class TableTakenException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public TableTakenException(String message) {
    super(message);
  }
}
