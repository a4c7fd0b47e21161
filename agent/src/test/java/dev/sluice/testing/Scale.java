package dev.sluice.testing;

/**
 * How often a test of endurance does what it does: a reduced number with every build, all of it
 * with {@code -Dsluice.scale=full}, or whatever {@code -Dsluice.NAME=COUNT} says.
 */
public final class Scale {
  /** Whether a whole campaign was asked for, which has the machine to itself. */
  public static final boolean FULL = "full".equals(System.getProperty("sluice.scale"));

  private Scale() {}

  /**
   * A count.
   *
   * @param name the property that sets it, without {@code sluice.}
   * @param reduced with every build
   * @param full in a campaign
   */
  public static int count(String name, int reduced, int full) {
    return Integer.getInteger("sluice." + name, FULL ? full : reduced);
  }

  /** Tells the log what was done, in the one form {@code bench/acceptance} looks for. */
  public static void report(String row, String what) {
    System.out.println("acceptance " + row + ": " + what);
  }
}
