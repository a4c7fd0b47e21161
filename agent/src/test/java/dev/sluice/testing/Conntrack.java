package dev.sluice.testing;

import java.util.ArrayList;
import java.util.List;

/**
 * The reference implementation of connection tracking's user side: {@code conntrack} inside a
 * namespace.
 */
public final class Conntrack {

  private final Netns netns;

  private Conntrack(Netns netns) {
    this.netns = netns;
  }

  public static Conntrack in(Netns netns) {
    return new Conntrack(netns);
  }

  /**
   * The entries of both families, a line each; {@code filter} in the words of {@code conntrack -L}.
   */
  public List<String> list(String... filter) {
    List<String> entries = new ArrayList<>(family("ipv4", filter));
    entries.addAll(family("ipv6", filter));
    return entries;
  }

  private List<String> family(String family, String... filter) {
    List<String> command =
        new ArrayList<>(List.of("conntrack", "-L", "-f", family, "-o", "extended,id"));
    command.addAll(List.of(filter));
    return netns.exec(command.toArray(String[]::new)).orFail().stdout().lines().toList();
  }

  /** How many entries there are. */
  public int count() {
    return Integer.parseInt(netns.exec("conntrack", "-C").orFail().stdout().strip());
  }

  /** Forgets every entry. */
  public void flush() {
    netns.exec("conntrack", "-F").orFail();
  }

  /** Runs {@code conntrack} with arguments of the test's own. */
  public Ran run(String... arguments) {
    List<String> command = new ArrayList<>(List.of("conntrack"));
    command.addAll(List.of(arguments));
    return netns.exec(command.toArray(String[]::new));
  }
}
