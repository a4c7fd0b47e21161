package dev.sluice.bench.sandboxes;

import java.util.List;

/**
 * What the parts of one sandbox's life took.
 *
 * @param madeNanos its namespace, as {@code ip netns add} makes one
 * @param joinedNanos from the empty namespace to an interface with an address, a default route and
 *     a published port
 * @param leftNanos all that taken back
 * @param removedNanos the name of the namespace; the kernel ends it later, by itself
 */
record Cycle(long madeNanos, long joinedNanos, long leftNanos, long removedNanos) {

  long wholeNanos() {
    return madeNanos + joinedNanos + leftNanos + removedNanos;
  }

  long namespaceNanos() {
    return madeNanos + removedNanos;
  }

  /** The four numbers, as bench/native/cycles.c prints them. */
  @Override
  public String toString() {
    return madeNanos + " " + joinedNanos + " " + leftNanos + " " + removedNanos;
  }

  static Cycle parse(String line) {
    String[] parts = line.split(" ", 4);
    return new Cycle(
        Long.parseLong(parts[0]),
        Long.parseLong(parts[1]),
        Long.parseLong(parts[2]),
        Long.parseLong(parts[3]));
  }

  static List<Cycle> parseAll(List<String> lines) {
    return lines.stream().map(Cycle::parse).toList();
  }
}
