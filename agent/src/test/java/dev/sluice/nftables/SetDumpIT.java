package dev.sluice.nftables;

import static dev.sluice.nftables.DataType.INET_PROTO;
import static dev.sluice.nftables.DataType.INET_SERVICE;
import static dev.sluice.nftables.DataType.IPV4_ADDR;
import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.net.IpAddress;
import dev.sluice.netlink.NetworkNamespace;
import dev.sluice.nftables.expr.Data;
import dev.sluice.testing.Netns;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Dumps of large sets while the kernel is still making room for what a transaction put in. */
class SetDumpIT {
  private static final TableId T = TableId.inet("t");

  /** The kernel doubles a hash table of 16,384 buckets when it holds more than three quarters. */
  private static final int BEFORE = 12_288 - 50;

  private static final int ELEMENTS = 12_288 + 50;
  private static final int ROUNDS = 25;

  @AutoClose private Netns host;
  @AutoClose private NetworkNamespace namespace;
  @AutoClose private Nftables nftables;

  @BeforeEach
  void open() {
    host = Netns.create("host");
    namespace = NetworkNamespace.open(host.path());
    nftables = Nftables.open(namespace);
  }

  private static List<SetElement> elements(int from, int to) {
    Data target = Data.of(Key.of().address(IpAddress.parse("172.30.0.2")).u16(80).bytes());
    return IntStream.range(from, to)
        .mapToObj(port -> SetElement.of(Key.of().u8(6).u16(port).bytes()).to(target))
        .toList();
  }

  /** A map that is about to grow, and then what makes it grow. */
  private void fill() throws InterruptedException {
    SetType key = SetType.of(INET_PROTO, INET_SERVICE);
    SetType data = SetType.of(IPV4_ADDR, INET_SERVICE);
    Batch batch = new Batch(2 << 20);
    batch.add(Table.of(T)).delete(T).create(Table.of(T));
    batch.add(ElementSet.map(T, "m", key, data).withTransactionId(1));
    batch.createElements(T, "m", elements(0, BEFORE));
    nftables.commit(batch, "fill the map");
    Thread.sleep(30); // the earlier growths are done
    Batch last = new Batch().createElements(T, "m", elements(BEFORE, ELEMENTS));
    nftables.commit(last, "fill the map up");
  }

  /**
   * Fails if a dump is believed as it comes: single dumps, taken the same way, miss elements or
   * repeat some, and the kernel does not say so.
   */
  @Test
  void everyListingRightAfterATransactionIsWhole() throws InterruptedException {
    List<Integer> torn = new ArrayList<>();
    for (int round = 0; round < ROUNDS; round++) {
      fill();
      int found = distinct(nftables.dumpElements(T, "m", "dump once"));
      if (found != ELEMENTS) {
        torn.add(found);
      }
      fill();
      List<SetElement> believed = nftables.elements(T, "m");
      assertThat(believed).hasSize(ELEMENTS);
      assertThat(distinct(believed)).isEqualTo(ELEMENTS);
    }
    System.out.printf(
        "%d of %d single dumps of %d elements were torn: %s%n",
        torn.size(), ROUNDS, ELEMENTS, torn);
    assertThat(torn).as("single dumps that were torn: the rule is needed").isNotEmpty();
  }

  private static int distinct(List<SetElement> elements) {
    return (int) elements.stream().map(SetElement::key).distinct().count();
  }
}
