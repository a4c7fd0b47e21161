package dev.sluice.testing;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Counts the packets that arrive in a namespace: a counter in a table of its own, before connection
 * tracking, that lets everything pass.
 */
public final class Probe implements AutoCloseable {

  private static final Pattern PACKETS = Pattern.compile("packets (\\d+)");
  private static final int STEP_MILLIS = 50;
  private static final int TIMEOUT_MILLIS = 5_000;

  private final Nft nft;
  private final String expression;

  private Probe(Nft nft, String expression) {
    this.nft = nft;
    this.expression = expression;
  }

  /**
   * Counts what matches an nft expression, such as {@code ip saddr 172.30.0.2}; one probe per
   * namespace at a time.
   */
  public static Probe in(Netns netns, String expression) {
    Nft nft = Nft.in(netns);
    nft.apply(
        """
        add table inet probe
        add chain inet probe arrivals { type filter hook prerouting priority -400; }
        add rule inet probe arrivals %s counter
        """
            .formatted(expression));
    return new Probe(nft, expression);
  }

  /** The packets counted so far. */
  public long packets() {
    String listing = nft.table("inet", "probe");
    Matcher matcher = PACKETS.matcher(listing);
    if (!matcher.find()) {
      throw new AssertionError("the probe shows no counter:\n" + listing);
    }
    return Long.parseLong(matcher.group(1));
  }

  /** The packets counted once the count has stood still for a fifth of a second. */
  public long settledPackets() {
    long count = packets();
    for (int still = 0; still < 4; still++) {
      sleep();
      long now = packets();
      if (now != count) {
        count = now;
        still = -1;
      }
    }
    return count;
  }

  /** Waits until at least {@code count} packets have come; fails after five seconds. */
  public void awaitPackets(long count) {
    for (int waited = 0; packets() < count; waited += STEP_MILLIS) {
      if (waited >= TIMEOUT_MILLIS) {
        throw new AssertionError(
            "'%s' counted %d packets in %d ms, wanted %d"
                .formatted(expression, packets(), TIMEOUT_MILLIS, count));
      }
      sleep();
    }
  }

  @Override
  public void close() {
    nft.apply("delete table inet probe");
  }

  private static void sleep() {
    try {
      Thread.sleep(STEP_MILLIS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while counting packets", e);
    }
  }
}
