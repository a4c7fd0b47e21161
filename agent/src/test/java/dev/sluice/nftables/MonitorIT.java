package dev.sluice.nftables;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.net.Bytes;
import dev.sluice.netlink.NetworkNamespace;
import dev.sluice.nftables.RulesetEvent.Kind;
import dev.sluice.testing.Netns;
import dev.sluice.testing.Nft;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The monitor against what the real nft does in a namespace. */
class MonitorIT {
  /** Fails if a message type is decoded as another, or DEL messages count as additions. */
  @Test
  void everyStepOfSomebodyElsesTransactionsIsSeenInOrder() throws Exception {
    try (Netns host = Netns.create("monitor");
        NetworkNamespace namespace = NetworkNamespace.open(host.path());
        Monitor monitor = Monitor.open(namespace)) {
      Nft nft = Nft.in(host);
      nft.apply(
          "table inet m { set s { type inet_service; elements = { 80 } }; chain c { tcp dport @s accept; }; }");
      nft.apply("delete element inet m s { 80 }");
      nft.apply("delete table inet m");

      List<RulesetEvent> seen = new ArrayList<>();
      while (monitor.poll(200, seen::add)) {
        assertThat(seen).hasSizeLessThan(100);
      }

      TableId table = TableId.inet("m");
      assertThat(seen)
          .anySatisfy(
              event ->
                  assertThat(event)
                      .isInstanceOfSatisfying(
                          RulesetEvent.OfTable.class,
                          of -> {
                            assertThat(of.kind()).isEqualTo(Kind.ADDED);
                            assertThat(of.table().id()).isEqualTo(table);
                          }))
          .anySatisfy(
              event ->
                  assertThat(event)
                      .isInstanceOfSatisfying(
                          RulesetEvent.OfElements.class,
                          of -> {
                            assertThat(of.kind()).isEqualTo(Kind.DELETED);
                            assertThat(of.elements().get(0).key()).isEqualTo(Bytes.ofU16be(80));
                          }));
      assertThat(seen).filteredOn(event -> event instanceof RulesetEvent.OfRule).isNotEmpty();
      assertThat(seen)
          .filteredOn(event -> event instanceof RulesetEvent.Committed)
          .hasSize(3)
          .allSatisfy(
              event -> assertThat(((RulesetEvent.Committed) event).processName()).isEqualTo("nft"));
      assertThat(seen.get(seen.size() - 1)).isInstanceOf(RulesetEvent.Committed.class);
      assertThat(seen)
          .filteredOn(
              event ->
                  event instanceof RulesetEvent.OfTable of
                      && of.kind() == Kind.DELETED
                      && of.table().id().equals(table))
          .hasSize(1);
    }
  }
}
