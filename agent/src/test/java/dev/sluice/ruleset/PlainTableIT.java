package dev.sluice.ruleset;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.model.Backend;
import dev.sluice.model.Backends;
import dev.sluice.model.Balance;
import dev.sluice.model.Egress;
import dev.sluice.model.InterfaceName;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingId;
import dev.sluice.model.MappingName;
import dev.sluice.model.Network;
import dev.sluice.model.Owner;
import dev.sluice.model.PublishedMapping;
import dev.sluice.net.Bytes;
import dev.sluice.net.IpAddress;
import dev.sluice.net.PortRange;
import dev.sluice.net.Prefix;
import dev.sluice.net.Protocol;
import dev.sluice.netlink.NetworkNamespace;
import dev.sluice.nftables.Batch;
import dev.sluice.nftables.Chain;
import dev.sluice.nftables.DataType;
import dev.sluice.nftables.ElementSet;
import dev.sluice.nftables.Key;
import dev.sluice.nftables.Monitor;
import dev.sluice.nftables.Nftables;
import dev.sluice.nftables.SetElement;
import dev.sluice.nftables.SetType;
import dev.sluice.nftables.Table;
import dev.sluice.nftables.TableId;
import dev.sluice.testing.Lab;
import dev.sluice.testing.Netns;
import dev.sluice.testing.Nft;
import dev.sluice.testing.Traffic.Held;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The table without an owner, watched: what others do to it is undone. {@code
 * -Dsluice.flushes=1000} is the full count.
 */
class PlainTableIT {
  private static final int FLUSHES = Integer.getInteger("sluice.flushes", 20);
  private static final TableId OTHER = TableId.inet("other");
  private static final Network NETWORK =
      new Network(
          "web-net",
          new InterfaceName("br0"),
          List.of(Prefix.parse("172.30.0.0/24"), Prefix.parse("fd30::/64")),
          new Egress.Masquerade());

  @AutoClose private Netns host;
  @AutoClose private NetworkNamespace namespace;
  @AutoClose private Nftables somebodyElse;
  @AutoClose private SluiceTable table;
  private Nft nft;

  @BeforeEach
  void open() {
    use(Netns.create("host"));
    table = SluiceTable.open(Nftables.open(namespace), Ownership.OFF);
  }

  private void use(Netns netns) {
    host = netns;
    namespace = NetworkNamespace.open(host.path());
    nft = Nft.in(host);
    somebodyElse = Nftables.open(namespace);
  }

  private PlainTableGuard guard() {
    return table.guard(Monitor.open(namespace));
  }

  private static Mapping mapping(int hostPort, int size, int targetPort, String name) {
    return new Mapping(
        MappingId.random(),
        Optional.of(new MappingName(name)),
        Owner.CLI,
        Protocol.TCP,
        Optional.empty(),
        new PortRange(hostPort, hostPort + size - 1),
        IpAddress.parse(Lab.C1),
        new PortRange(targetPort, targetPort + size - 1),
        Instant.parse("2026-01-02T03:04:05.678Z"));
  }

  private static List<Mapping> mappings(int count) {
    return IntStream.range(0, count).mapToObj(i -> mapping(10_000 + i, 1, 80, "m" + i)).toList();
  }

  private String listing() {
    return nft.run("-s", "-n", "list", "table", "inet", "sluice").stdout();
  }

  private static void await(String what, BooleanSupplier condition) {
    long deadline = System.nanoTime() + Duration.ofSeconds(10).toNanos();
    while (!condition.getAsBoolean()) {
      assertThat(System.nanoTime()).as("%s within 10 s", what).isLessThan(deadline);
      LockSupport.parkNanos(200_000);
    }
  }

  // ---- several containers

  private static Mapping shared(int hostPort, Balance balance, String... targets) {
    return mapping(hostPort, 1, 80, "shared" + hostPort)
        .withBackends(
            new Backends(
                Arrays.stream(targets).map(IpAddress::parse).map(Backend::new).toList(), balance));
  }

  /**
   * Fails if what somebody did to the slots of one mapping, while nobody watched, keeps others from
   * being read, or it from being withdrawn as far as it is there.
   */
  @Test
  void slotsThatSomebodyChangedAreInNobodysWay() {
    table.apply(
        Change.publish(
            List.of(),
            List.of(
                shared(8080, Balance.RANDOM, Lab.C1, Lab.C2, Lab.C3),
                shared(8081, Balance.RANDOM, Lab.C1, Lab.C2),
                shared(8082, Balance.RANDOM, Lab.C1, Lab.C2),
                shared(8083, Balance.RANDOM, Lab.C1, Lab.C2))));
    nft.apply(
        "delete element inet sluice slots_any4 { tcp . 8080 . 0, tcp . 8081 . 0, tcp . 8081 . 1,"
            + " tcp . 8082 . 1 }");
    assertThat(table.mappings())
        .extracting(one -> one.mapping().label())
        .containsExactlyInAnyOrder("shared8080", "shared8083");
    table.apply(Change.withdraw(table.mappings().stream().map(PublishedMapping::mapping).toList()));
    assertThat(listing())
        .contains("6 . 8081")
        .contains("6 . 8082")
        .doesNotContain("6 . 8080")
        .doesNotContain("spread_random_3")
        .doesNotContain("6 . 8083");
  }

  /** Fails if a chain that a repair has taken away is taken to be there still. */
  @Test
  void aChainThatARepairDidNotWriteIsMadeAgain() {
    nft.apply(
        "add chain inet sluice spread_random_2_any4\nadd rule inet sluice spread_random_2_any4 drop");
    table.apply(Change.publish(List.of(), List.of(mapping(8080, 1, 80, "web"))));
    try (PlainTableGuard guard = guard()) {
      nft.run("delete", "table", "inet", "sluice");
      await("the repair", () -> guard.repairs().count() == 1);
      table.apply(Change.publish(List.of(), List.of(shared(8081, Balance.RANDOM, Lab.C1, Lab.C2))));
      assertThat(table.mappings()).hasSize(2);
    }
  }

  // ---- what is undone

  static List<String> edits() {
    return List.of(
        "delete element inet sluice any4 { tcp . 8080 }",
        "delete element inet sluice any4 { tcp . 8080 }; add element inet sluice any4 { tcp . 8080 : 172.30.0.3 . 81 }",
        "delete element inet sluice bridges { \"br0\" }; add element inet sluice bridges { \"br0\" comment \"mine\" }",
        "add element inet sluice any4 { tcp . 81 : 172.30.0.2 . 80 }",
        "flush map inet sluice any4",
        "delete element inet sluice range4_tcp { 7000-7009 }",
        "add element inet sluice range4_tcp { 8000-8100 : 172.30.0.9 }",
        "add element inet sluice range4_udp { 8000-8100 : 172.30.0.9 }",
        "delete element inet sluice home4 { \"br0\" . 172.30.0.0/24 }",
        "delete element inet sluice inbound { \"br0\" }; add element inet sluice inbound { \"br0\" : accept }",
        "flush chain inet sluice forward",
        "insert rule inet sluice forward drop",
        "add rule inet sluice publish4 tcp dport { 80, 443 } drop",
        "flush chain inet sluice publish4; delete map inet sluice any4",
        "add chain inet sluice forward { policy drop; }",
        "add chain inet sluice theirs { type filter hook input priority 0; }",
        "add set inet sluice theirs { type inet_service; }",
        "add table inet sluice { flags dormant; }",
        "delete table inet sluice",
        "flush ruleset",
        "flush ruleset; add table inet sluice",
        "flush table inet sluice");
  }

  /**
   * Fails if a kind of change is not noticed, or is not undone wholly. Without the guard each of
   * them stays.
   */
  @ParameterizedTest
  @MethodSource("edits")
  void whatOthersChangeIsPutBack(String edit) {
    table.apply(
        Change.publish(
            List.of(NETWORK),
            List.of(
                mapping(8080, 1, 80, "web"),
                mapping(7000, 10, 7000, "range"),
                mapping(9000, 3, 9100, "shifted"))));
    String before = listing();
    try (PlainTableGuard guard = guard()) {
      nft.apply(edit.replace("; add", "\nadd").replace("; delete", "\ndelete"));
      await("a repair of: " + edit, () -> guard.repairs().count() > 0);
      assertThat(listing()).isEqualTo(before);
      Repairs repairs = guard.repairs();
      assertThat(repairs.failure()).isEmpty();
      assertThat(repairs.last().orElseThrow().culprit()).matches("nft \\(process \\d+\\)");
      System.out.println(repairs.last().orElseThrow());
      assertThat(repairs.count()).isEqualTo(1);
    }
    nft.apply(edit.replace("; add", "\nadd").replace("; delete", "\ndelete"));
    LockSupport.parkNanos(20_000_000);
    assertThat(listing()).isNotEqualTo(before);
  }

  /** Fails if only the kind of rule that was added is undone, or the order of rules changes. */
  @Test
  void aDeletedRuleIsPutBackInItsPlace() {
    String before = listing();
    try (PlainTableGuard guard = guard()) {
      long handle = somebodyElse.rules(SluiceTable.ID).get(1).handle();
      nft.apply("delete rule inet sluice raw handle " + handle);
      await("a repair", () -> guard.repairs().count() > 0);
      assertThat(listing()).isEqualTo(before);
    }
  }

  /** Fails if transactions of the agent itself count as damage, or are not followed. */
  @Test
  void whatTheAgentChangesIsKeptByALaterRepair() {
    try (PlainTableGuard guard = guard()) {
      Mapping kept = mapping(8080, 1, 80, "kept");
      Mapping withdrawn = mapping(8081, 1, 80, "withdrawn");
      table.apply(Change.publish(List.of(NETWORK), List.of(kept, withdrawn)));
      table.apply(Change.withdraw(List.of(withdrawn)));
      assertThat(guard.repairs().count()).isZero();
      String before = listing();
      nft.apply("flush ruleset");
      await("a repair", () -> guard.repairs().count() > 0);
      assertThat(listing()).isEqualTo(before);
      assertThat(table.mappings()).extracting(PublishedMapping::mapping).containsExactly(kept);
      assertThat(table.networks()).containsExactly(NETWORK);
    }
  }

  /** Fails if a counter starts anew where its value was to be had. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "delete element inet sluice any4 { tcp . 8080 }",
        "flush chain inet sluice forward",
        "add chain inet sluice forward { policy drop; }",
        "flush ruleset"
      })
  void countersGoOn(String edit) {
    table.close();
    nft.apply("delete table inet sluice");
    Mapping web = mapping(8080, 1, 80, "web");
    Tables.create(somebodyElse, 0, 0, List.of(NETWORK), List.of(web), 41);
    table = SluiceTable.open(Nftables.open(namespace), Ownership.OFF);
    try (PlainTableGuard guard = guard()) {
      nft.apply(edit);
      await("a repair", () -> guard.repairs().count() > 0);
      assertThat(table.mappings())
          .extracting(one -> one.counters().connections())
          .containsExactly(41L);
    }
  }

  /** Fails if lost events are ignored, or a table that is in order is written anew. */
  @Test
  void whatWasDoneWhileEventsWereLostIsFound() {
    table.apply(Change.publish(List.of(NETWORK), mappings(10)));
    String before = listing();
    SetType key = SetType.of(DataType.IPV4_ADDR);
    try (PlainTableGuard guard = table.guard(Monitor.open(namespace, 32 << 10))) {
      for (boolean damaged : List.of(false, true)) {
        Batch batch = new Batch(2 << 20).add(Table.of(OTHER)).delete(OTHER).add(Table.of(OTHER));
        batch.add(ElementSet.set(OTHER, "large", key).withTransactionId(1));
        batch.createElements(
            OTHER,
            "large",
            IntStream.range(0, 20_000).mapToObj(i -> SetElement.of(Bytes.ofU32be(i))).toList());
        if (damaged) {
          batch.deleteElements(
              SluiceTable.ID, "any4", List.of(SetElement.of(Key.of().u8(6).u16(10_003).bytes())));
        }
        somebodyElse.commit(batch, "send more events than the monitor holds");
        assertThat(table.mappings()).hasSize(10);
        assertThat(guard.repairs().count()).isEqualTo(damaged ? 1 : 0);
        guard.repairs().last().ifPresent(System.out::println);
      }
      assertThat(listing()).isEqualTo(before);
      assertThat(guard.repairs().last().orElseThrow().damage()).isEqualTo("changed 1 element");
    }
  }

  // ---- how fast, how often

  /** Fails if a flush is not undone; prints how long it took. */
  @ParameterizedTest
  @ValueSource(ints = {10, 1_000, 20_000})
  void aFlushIsUndone(int count) {
    int flushes = count > 10_000 ? Math.max(5, FLUSHES / 4) : FLUSHES;
    table.apply(Change.publish(List.of(NETWORK), mappings(count)));
    try (PlainTableGuard guard = guard()) {
      long[] nanos = new long[flushes];
      for (int i = 0; i < flushes; i++) {
        Batch flush = new Batch().delete(SluiceTable.ID);
        long start = System.nanoTime();
        somebodyElse.commit(flush, "flush");
        // The table comes back in one transaction with everything in it.
        await("the table", () -> somebodyElse.table(SluiceTable.ID).isPresent());
        nanos[i] = System.nanoTime() - start;
        LockSupport.parkNanos(60_000_000);
      }
      report("whole table, " + count + " mappings", nanos);
      await("the count", () -> guard.repairs().count() == flushes);
      assertThat(table.mappings()).hasSize(count);
    }
  }

  /** Fails if one changed element costs more the more there are; prints how long it took. */
  @ParameterizedTest
  @ValueSource(ints = {10, 1_000, 20_000})
  void aDeletedElementIsPutBack(int count) {
    table.apply(Change.publish(List.of(NETWORK), mappings(count)));
    try (PlainTableGuard guard = guard()) {
      long[] nanos = new long[FLUSHES];
      for (int i = 0; i < FLUSHES; i++) {
        long before = guard.repairs().count();
        Batch edit =
            new Batch()
                .deleteElements(
                    SluiceTable.ID,
                    "any4",
                    List.of(SetElement.of(Key.of().u8(6).u16(10_000 + i % count).bytes())));
        long start = System.nanoTime();
        somebodyElse.commit(edit, "delete an element");
        await("the repair", () -> guard.repairs().count() > before);
        nanos[i] = System.nanoTime() - start;
        LockSupport.parkNanos(60_000_000);
      }
      report("one element of " + count + " mappings", nanos);
      assertThat(table.mappings()).hasSize(count);
    }
  }

  private static void report(String what, long[] nanos) {
    Arrays.sort(nanos);
    System.out.printf(
        "restored, %s: %d times, p50 %.1f ms, p99 %.1f ms, longest %.1f ms%n",
        what,
        nanos.length,
        nanos[nanos.length / 2] / 1e6,
        nanos[Math.min(nanos.length - 1, nanos.length * 99 / 100)] / 1e6,
        nanos[nanos.length - 1] / 1e6);
    // The goal is 100 ms for the 99th percentile; this machine may be busy with other things.
    assertThat(nanos[nanos.length - 1]).isLessThan(Duration.ofSeconds(1).toNanos());
  }

  /** Fails if the guard repairs as fast as somebody destroys, or gives up. */
  @Test
  void aFightIsNeitherWonByHeatNorGivenUp() throws InterruptedException {
    table.apply(Change.publish(List.of(NETWORK), mappings(10)));
    String before = listing();
    try (PlainTableGuard guard = guard();
        Running fight =
            Running.repeat(
                0,
                () -> {
                  if (somebodyElse.table(SluiceTable.ID).isPresent()) {
                    somebodyElse.commit(new Batch().delete(SluiceTable.ID), "fight");
                  }
                })) {
      Thread.sleep(2_000);
      long repairs = guard.repairs().count();
      System.out.println(repairs + " repairs in 2 s of " + fight.rounds() + " rounds");
      // 20 without a pause, then one in 25 ms, in each second that has begun.
      assertThat(repairs).isBetween(20L, 3 * 60L);
      fight.stop();
      await("peace", () -> listing().equals(before));
    }
  }

  // ---- requests meanwhile

  /** Fails if reading takes a change elsewhere in the ruleset for one of the table. */
  @Test
  void changesOfOtherTablesMakeNoRequestFail() {
    List<Mapping> all = mappings(2_000);
    table.apply(Change.publish(List.of(NETWORK), all));
    somebodyElse.commit(new Batch().add(Table.of(OTHER)), "add a table");
    try (PlainTableGuard guard = guard();
        Running foreign =
            Running.repeat(
                5,
                () -> {
                  somebodyElse.commit(
                      new Batch().add(Chain.regular(OTHER, "c")).deleteChain(OTHER, "c"), "churn");
                })) {
      long start = System.nanoTime();
      for (int i = 0; i < 1_000; i++) {
        Mapping one = mapping(8080, 1, 80, "one");
        table.apply(Change.publish(List.of(), List.of(one)));
        if (i % 4 == 0) {
          assertThat(table.mappings()).hasSize(2_001);
        }
        table.apply(Change.withdraw(List.of(one)));
      }
      double seconds = (System.nanoTime() - start) / 1e9;
      System.out.printf(
          "2,250 requests in %.1f s beside %.0f foreign transactions a second%n",
          seconds, foreign.rounds() / seconds);
      assertThat(foreign.rounds() / seconds).isGreaterThan(100);
      assertThat(guard.repairs().count()).isZero();
      assertThat(table.mappings()).hasSize(2_000);
    }
  }

  /** Fails if a request that meets a table that has just been flushed is not tried again. */
  @Test
  void publishingWhileOthersFlushSucceeds() {
    table.apply(Change.attach(List.of(NETWORK)));
    try (PlainTableGuard guard = guard();
        Running flushes =
            Running.repeat(
                20,
                () -> {
                  if (somebodyElse.table(SluiceTable.ID).isPresent()) {
                    somebodyElse.commit(new Batch().delete(SluiceTable.ID), "flush");
                  }
                })) {
      List<Mapping> all = mappings(1_000);
      for (Mapping one : all) {
        table.apply(Change.publish(List.of(), List.of(one)));
        LockSupport.parkNanos(1_000_000);
      }
      flushes.stop();
      assertThat(flushes.rounds()).isGreaterThan(20);
      assertThat(table.mappings())
          .extracting(PublishedMapping::mapping)
          .containsExactlyInAnyOrderElementsOf(all);
      assertThat(table.networks()).containsExactly(NETWORK);
      System.out.println(guard.repairs());
    }
  }

  /** Fails if the restored table does not translate, or if restoring ends a connection. */
  @Test
  void connectionsOutliveFlushes() {
    try (Lab lab = Lab.builder().containers(1).build()) {
      table.close();
      somebodyElse.close();
      namespace.close();
      host.close();
      use(lab.host());
      table = SluiceTable.open(Nftables.open(namespace), Ownership.OFF);
      table.apply(Change.publish(List.of(NETWORK), List.of(mapping(8080, 1, 80, "web"))));
      try (PlainTableGuard guard = guard();
          Held held = lab.client().traffic().hold(Lab.HOST, 8080, 5)) {
        for (int i = 0; i < FLUSHES; i++) {
          long before = guard.repairs().count();
          nft.apply("flush ruleset");
          await("a repair", () -> guard.repairs().count() > before);
          assertThat(lab.client().traffic().tcp(Lab.HOST, 8080).server()).isEqualTo("c1:80");
        }
        assertThat(held.alive()).isEqualTo(5);
      }
    }
  }

  /** Does something again and again, on a thread of its own. */
  private static final class Running implements AutoCloseable {
    private final AtomicBoolean stopped = new AtomicBoolean();
    private final CompletableFuture<Void> end;
    private final AtomicInteger rounds = new AtomicInteger();

    private Running(int intervalMillis, Runnable action) {
      end =
          CompletableFuture.runAsync(
              () -> {
                long next = System.nanoTime();
                while (!stopped.get()) {
                  action.run();
                  rounds.incrementAndGet();
                  // What was missed on a busy machine is not made up for all at once.
                  next = Math.max(next + intervalMillis * 1_000_000L, System.nanoTime());
                  LockSupport.parkNanos(next - System.nanoTime());
                }
              });
    }

    static Running repeat(int intervalMillis, Runnable action) {
      return new Running(intervalMillis, action);
    }

    int rounds() {
      return rounds.get();
    }

    /** Ends it; what it threw is thrown here. */
    void stop() {
      stopped.set(true);
      end.join();
    }

    @Override
    public void close() {
      stop();
    }
  }
}
