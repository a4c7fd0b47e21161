package dev.sluice.net;

import static dev.sluice.net.MalformedValueException.quote;

/**
 * One port, or several with consecutive numbers.
 *
 * @param first the lowest port, 1 to 65535
 * @param last the highest port, {@code first} to 65535; it belongs to the range
 */
public record PortRange(int first, int last) implements Comparable<PortRange> {

  /**
   * Checks the bounds.
   *
   * @throws IllegalArgumentException if they are not ports or not in order
   */
  public PortRange {
    Port.check(first);
    Port.check(last);
    if (first > last) {
      throw new IllegalArgumentException(reversedProblem(first, last));
    }
  }

  /** The range of one port. */
  public static PortRange of(int port) {
    return new PortRange(port, port);
  }

  /** The range from one port through another. */
  public static PortRange of(int first, int last) {
    return new PortRange(first, last);
  }

  /**
   * Reads {@code 8080} or {@code 8080-8090}.
   *
   * @throws MalformedValueException if the text is anything else
   */
  public static PortRange parse(String text) {
    int dash = text.indexOf('-');
    if (dash < 0) {
      return of(Port.parse(text));
    }
    if (dash == 0) {
      throw new MalformedValueException(
          text, 0, "port range " + quote(text) + " has no first port");
    }
    int first = bound(text, 0, dash);
    int last = bound(text, dash + 1, text.length());
    if (first > last) {
      throw new MalformedValueException(text, 0, reversedProblem(first, last));
    }
    return new PortRange(first, last);
  }

  /** How many ports: 1 to 65535. */
  public int size() {
    return last - first + 1;
  }

  /** Whether this is one port. */
  public boolean isSingle() {
    return first == last;
  }

  /** Whether the port is in the range. */
  public boolean contains(int port) {
    return first <= port && port <= last;
  }

  /** Whether every port of the other range is in this one. */
  public boolean contains(PortRange other) {
    return first <= other.first && other.last <= last;
  }

  /** Whether the ranges have a port in common. */
  public boolean overlaps(PortRange other) {
    return first <= other.last && other.first <= last;
  }

  /** By first port, shorter ranges first. */
  @Override
  public int compareTo(PortRange other) {
    int order = Integer.compare(first, other.first);
    return order != 0 ? order : Integer.compare(last, other.last);
  }

  /** The form that {@link #parse} reads: {@code 8080} or {@code 8080-8090}. */
  @Override
  public String toString() {
    return isSingle() ? Integer.toString(first) : first + "-" + last;
  }

  private static int bound(String text, int from, int to) {
    try {
      return Port.parse(text.substring(from, to));
    } catch (MalformedValueException e) {
      throw e.within(text, from);
    }
  }

  private static String reversedProblem(int first, int last) {
    return "port range " + first + "-" + last + " ends before it begins";
  }
}
