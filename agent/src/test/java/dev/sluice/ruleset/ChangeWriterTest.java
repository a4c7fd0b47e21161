package dev.sluice.ruleset;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.model.Backend;
import dev.sluice.model.Backends;
import dev.sluice.model.Balance;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingId;
import dev.sluice.model.MappingOptions;
import dev.sluice.model.Owner;
import dev.sluice.model.SourceRate;
import dev.sluice.net.IpAddress;
import dev.sluice.net.PortRange;
import dev.sluice.net.Protocol;
import dev.sluice.nftables.Batch;
import dev.sluice.nftables.RulesetEvent;
import dev.sluice.nftables.RulesetEvent.Kind;
import dev.sluice.nftables.SetElement;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** What a change reads, and which chains it makes and deletes; the kernel has no part in it. */
class ChangeWriterTest {
  private final Map<String, List<SetElement>> table = new HashMap<>();
  private final Map<String, Integer> reads = new HashMap<>();
  private final Batch batch = new Batch();
  private Set<String> spreads = Set.of();

  private static Mapping turns(int number, int weight) {
    return new Mapping(
            new MappingId(number),
            Optional.empty(),
            Owner.CLI,
            Protocol.TCP,
            Optional.empty(),
            PortRange.of(8000 + number),
            IpAddress.parse("10.0.0.1"),
            PortRange.of(80),
            Instant.EPOCH)
        .withBackends(
            new Backends(
                List.of(
                    new Backend(IpAddress.parse("10.0.0.1")),
                    new Backend(IpAddress.parse("10.0.0.2"), Optional.empty(), weight)),
                Balance.ROUND_ROBIN));
  }

  /** Carries the change out in {@link #table}, as far as whole mappings come and go. */
  private void apply(Change change) {
    batch.reset();
    reads.clear();
    spreads =
        new ChangeWriter(SluiceTable.ID, batch)
            .write(
                change,
                set -> {
                  reads.merge(set, 1, Integer::sum);
                  return table.getOrDefault(set, List.of());
                },
                Set.of(),
                spreads);
    change
        .publish()
        .forEach(
            one ->
                Stream.of(
                        MappingCodec.elements(one).entrySet(),
                        OptionsCodec.elements(one.mapping()).entrySet())
                    .flatMap(Set::stream)
                    .forEach(
                        of ->
                            table
                                .computeIfAbsent(of.getKey(), set -> new ArrayList<>())
                                .addAll(of.getValue())));
  }

  private List<String> chains(Kind kind) {
    return batch.operations().stream()
        .flatMap(
            one ->
                one.effect() instanceof RulesetEvent.OfChain of && of.kind() == kind
                    ? Stream.of(of.chain().name())
                    : Stream.empty())
        .toList();
  }

  private List<String> deletedSlots() {
    return batch.operations().stream()
        .flatMap(
            one ->
                one.effect() instanceof RulesetEvent.OfElements of
                        && of.kind() == Kind.DELETED
                        && of.set().equals("slots_any4")
                    ? of.elements().stream().map(each -> each.key().hex())
                    : Stream.empty())
        .toList();
  }

  /** Fails if what takes turns is written again, and so begins anew, with another mapping. */
  @Test
  void aWayToPickIsWrittenOnce() {
    apply(Change.publish(List.of(), List.of(turns(1, 1))));
    assertThat(chains(Kind.ADDED)).containsExactly("spread_turn_2_1_any4");
    apply(Change.publish(List.of(), List.of(turns(65, 1), turns(2, 1))));
    assertThat(chains(Kind.ADDED)).containsExactly("spread_turn_2_2_any4");
    apply(
        Change.replace(
            List.of(), List.of(turns(1, 1)), Change.startingAtZero(List.of(turns(1, 1)))));
    assertThat(batch.operations()).noneMatch(one -> one.effect() instanceof RulesetEvent.OfRule);
    assertThat(spreads).containsExactlyInAnyOrder("spread_turn_2_1_any4", "spread_turn_2_2_any4");
  }

  /** Fails if a chain stays without users, goes before the last, or is not known to be gone. */
  @Test
  void aWayToPickGoesWithItsLastMapping() {
    apply(Change.publish(List.of(), List.of(turns(1, 1), turns(65, 1))));
    apply(Change.withdraw(List.of(turns(1, 1))));
    assertThat(chains(Kind.DELETED)).isEmpty();
    apply(Change.withdraw(List.of(turns(1, 1), turns(65, 1))));
    assertThat(chains(Kind.DELETED)).containsExactly("spread_turn_2_1_any4");
    assertThat(spreads).isEmpty();
    apply(
        Change.replace(
            List.of(),
            List.of(turns(1, 1), turns(65, 1)),
            Change.startingAtZero(List.of(turns(1, 2)))));
    assertThat(chains(Kind.DELETED)).containsExactly("spread_turn_2_1_any4");
    assertThat(chains(Kind.ADDED)).containsExactly("spread_turn_3_1_any4");
    assertThat(spreads).containsExactly("spread_turn_3_1_any4");
  }

  /** Fails if a set is read for each mapping, or each chain, that leaves. */
  @Test
  void aSetIsReadOnceHoweverManyLeave() {
    List<Mapping> many =
        IntStream.rangeClosed(1, 50)
            .mapToObj(
                i ->
                    turns(i, 1 + i % 5)
                        .withOptions(
                            MappingOptions.NONE.withSourceRate(
                                Optional.of(SourceRate.parse(i + "/second")))))
            .toList();
    apply(Change.publish(List.of(), many));
    apply(Change.withdraw(many));
    assertThat(reads).isEqualTo(Map.of("steered_any4", 1, "slots_any4", 1, "rated_any4", 1));
    assertThat(chains(Kind.DELETED)).doesNotHaveDuplicates().hasSize(100);
  }

  /** Fails if a slot that somebody took away keeps a mapping from being withdrawn. */
  @Test
  void slotsAreDeletedAsTheyAre() {
    apply(Change.publish(List.of(), List.of(turns(1, 2), turns(2, 2))));
    table.getOrDefault("slots_any4", List.of()).remove(1);
    // Two containers that seem to have a slot each.
    apply(Change.withdraw(List.of(turns(1, 1))));
    assertThat(deletedSlots())
        .containsExactly("060000001f41000000000000", "060000001f41000002000000");
    assertThat(chains(Kind.DELETED)).containsExactly("spread_turn_3_1_any4");
  }
}
