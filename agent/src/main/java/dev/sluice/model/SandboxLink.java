package dev.sluice.model;

/**
 * A way from a sandbox to the exposed ports of another, as {@code docker run --link}.
 *
 * @param to whose ports
 * @param alias what the sandbox calls it
 */
public record SandboxLink(SandboxName to, SandboxName alias) {

  /**
   * Reads {@code NAME} or {@code NAME:ALIAS}.
   *
   * @throws dev.sluice.net.MalformedValueException if one of them is no name
   */
  public static SandboxLink parse(String text) {
    int colon = text.indexOf(':');
    SandboxName to = new SandboxName(colon < 0 ? text : text.substring(0, colon));
    return new SandboxLink(to, colon < 0 ? to : new SandboxName(text.substring(colon + 1)));
  }

  /** The form that {@link #parse} reads. */
  @Override
  public String toString() {
    return to + ":" + alias;
  }
}
