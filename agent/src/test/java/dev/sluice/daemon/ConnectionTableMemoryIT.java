package dev.sluice.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.netlink.NetworkNamespace;
import dev.sluice.sysctl.Sysctl;
import dev.sluice.testing.GlobalSysctl;
import dev.sluice.testing.Netns;
import dev.sluice.testing.Ran;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** The real limit: that of the machine, which is raised and put back, and that of a namespace. */
@Tag("alone")
class ConnectionTableMemoryIT {
  /** Fails if the kernel is asked in another way than it understands, or for too few buckets. */
  @Test
  void theLimitOfTheMachineIsRaised() {
    try (GlobalSysctl borrowed =
        GlobalSysctl.borrow(ConnectionTableMemory.LIMIT, ConnectionTableMemory.BUCKETS)) {
      long before = borrowed.before(ConnectionTableMemory.LIMIT);
      assertThat(before).isEqualTo(value("net.netfilter.nf_conntrack_max")).isGreaterThan(1_000);
      Sysctl sysctl = new Sysctl();
      ConnectionTableMemory memory = new ConnectionTableMemory(sysctl, 1 << 20);
      assertThat(memory.problem()).isEmpty();
      assertThat(memory.grow(before)).isPresent();
      assertThat(value("net.netfilter.nf_conntrack_max")).isEqualTo(2 * before);
      assertThat(value("net.netfilter.nf_conntrack_buckets")).isGreaterThanOrEqualTo(2 * before);
      assertThat(sysctl.changes())
          .extracting(Sysctl.Changed::name)
          .startsWith(ConnectionTableMemory.LIMIT);
      borrowed.restore();
      assertThat(value("net.netfilter.nf_conntrack_max")).isEqualTo(before);
    }
  }

  private static long value(String parameter) {
    return Long.parseLong(Ran.run("sysctl", "-n", parameter).orFail().stdout().strip());
  }

  /** Fails if it is tried where only the initial namespace may, or the sentence does not say so. */
  @Test
  void inANamespaceItIsReadOnly() throws Exception {
    try (Netns netns = Netns.create("limit");
        NetworkNamespace namespace = NetworkNamespace.open(netns.path())) {
      ConnectionTableMemory memory =
          namespace.call(() -> new ConnectionTableMemory(new Sysctl(), 1_024));
      assertThat(memory.problem())
          .contains(
              "--conntrack-memory has no effect: net.netfilter.nf_conntrack_max is read-only here,"
                  + " as in every network namespace but the initial one");
      assertThat(memory.grow(value("net.netfilter.nf_conntrack_max"))).isEmpty();
      assertThat(memory.advice()).startsWith("raise net.netfilter.nf_conntrack_max on the host");
    }
  }
}
