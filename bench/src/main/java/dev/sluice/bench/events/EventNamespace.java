package dev.sluice.bench.events;

import dev.sluice.bench.Workbench;
import dev.sluice.bench.agent.BenchNamespace;
import java.io.IOException;
import java.util.List;

/**
 * A namespace in which connections are tracked and all their events told, with nobody else in it.
 */
final class EventNamespace {
  // The bridge would send IGMP and make flows by itself, so only loopback stays. Conntrack works in
  // a
  // namespace only where a rule asks for it.
  private static final String SETUP =
      """
      ip link del br0
      ip link del port0
      for what in events acct timestamp; do echo 1 >/proc/sys/net/netfilter/nf_conntrack_$what; done
      nft 'add table ip bench; add chain ip bench out { type filter hook output priority 0; };
           add rule ip bench out ct state invalid drop'
      """;

  private EventNamespace() {}

  static BenchNamespace open() throws IOException, InterruptedException {
    BenchNamespace namespace = BenchNamespace.open();
    try {
      Workbench.output(namespace.inside(List.of("sh", "-ec", SETUP)));
      return namespace;
    } catch (IOException | InterruptedException e) {
      namespace.close();
      throw e;
    }
  }
}
