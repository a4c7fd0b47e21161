package dev.sluice.ruleset;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.model.Backend;
import dev.sluice.model.Backends;
import dev.sluice.model.Balance;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingCounters;
import dev.sluice.model.MappingId;
import dev.sluice.model.MappingName;
import dev.sluice.model.MappingOptions;
import dev.sluice.model.Owner;
import dev.sluice.model.Precedence;
import dev.sluice.model.PublishedMapping;
import dev.sluice.model.SandboxName;
import dev.sluice.net.Bytes;
import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.net.PortRange;
import dev.sluice.net.Protocol;
import dev.sluice.nftables.Batch;
import dev.sluice.nftables.Operation;
import dev.sluice.nftables.RulesetEvent;
import dev.sluice.nftables.SetElement;
import dev.sluice.nftables.Userdata;
import dev.sluice.nftables.expr.Data;
import dev.sluice.nftables.expr.Verdict;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Mappings become elements, and elements the same mappings again. */
class MappingCodecTest {
  private static Mapping mapping(String hostAddress, String host, String target, String address) {
    return new Mapping(
        new MappingId(0x1122334455667788L),
        Optional.of(new MappingName("web")),
        Owner.CNI,
        Protocol.TCP,
        hostAddress.isEmpty() ? Optional.empty() : Optional.of(IpAddress.parse(hostAddress)),
        PortRange.parse(host),
        IpAddress.parse(address),
        PortRange.parse(target),
        Instant.ofEpochMilli(0x0102030405L));
  }

  /** Of a mapping that is elements of one map. */
  private static List<SetElement> elements(Mapping mapping) {
    Map<String, List<SetElement>> bySet = MappingCodec.elements(mapping);
    assertThat(bySet).containsOnlyKeys(SetNames.of(mapping));
    return bySet.getOrDefault(SetNames.of(mapping), List.of());
  }

  /** Fails if a field of a key or of the data moves, or a mapping goes into another map. */
  @ParameterizedTest
  @CsvSource({
    "'198.18.0.1', 8080, 80, 172.30.0.2, exact4, c6120001060000001f900000, ac1e000200500000",
    "'', 8080, 80, 172.30.0.2, any4, 060000001f900000, ac1e000200500000",
    "'2001:db8::1', 8080, 80, fd30::2, exact6, 20010db8000000000000000000000001060000001f900000,"
        + " fd30000000000000000000000000000200500000",
    "'', 8080, 80, fd30::2, any6, 060000001f900000, fd30000000000000000000000000000200500000",
  })
  void anElementIsKeyAndTarget(
      String hostAddress,
      String host,
      String target,
      String address,
      String set,
      String key,
      String data) {
    Mapping mapping = mapping(hostAddress, host, target, address);
    assertThat(SetNames.of(mapping)).isEqualTo(set);
    SetElement element = elements(mapping).get(0);
    assertThat(element.key().hex()).isEqualTo(key.replace(" ", ""));
    assertThat(element.data()).isEqualTo(SetElement.of(Bytes.EMPTY).to(Bytes.ofHex(data)).data());
    assertThat(MappingCodec.keys(mapping))
        .isEqualTo(Map.of(set, List.of(SetElement.of(element.key()))));
  }

  /** Fails if an identity range is more than one interval, or its end is off by one. */
  @Test
  void anIdentityRangeIsOneInterval() {
    List<SetElement> elements = elements(mapping("", "7000-7009", "7000-7009", "172.30.0.2"));
    assertThat(elements).extracting(e -> e.key().hex()).containsExactly("1b58", "1b62");
    assertThat(elements.get(1)).isEqualTo(SetElement.intervalEnd(Bytes.ofU16be(7010)));
    assertThat(elements(mapping("", "65000-65535", "65000-65535", "172.30.0.2"))).hasSize(1);
  }

  /** Fails if a shifted range, or one of an exact address, is not one element a port. */
  @Test
  void anyOtherRangeIsAnElementAPort() {
    assertThat(elements(mapping("", "7000-7009", "8000-8009", "172.30.0.2"))).hasSize(10);
    assertThat(elements(mapping("198.18.0.1", "7000-7009", "7000-7009", "172.30.0.2"))).hasSize(10);
  }

  /** Fails if anything about a mapping is lost or changed on the way through its elements. */
  @Test
  void whatIsReadBackIsWhatWasWritten() {
    for (long seed = 0; seed < 2_000; seed++) {
      Samples samples = new Samples(seed);
      Mapping mapping = samples.mapping();
      Map<IpAddress, Long> byBackend = new HashMap<>();
      if (MappingCodec.isSteered(mapping) && !mapping.backends().isSingle()) {
        mapping.backends().addresses().forEach(one -> byBackend.put(one, samples.below(1L << 40)));
      }
      PublishedMapping published =
          new PublishedMapping(mapping, new MappingCounters(samples.below(1L << 40), byBackend));
      Map<String, List<SetElement>> bySet = new HashMap<>();
      MappingCodec.elements(published)
          .forEach(
              (set, elements) -> {
                // The kernel hands them out in an order of its own.
                List<SetElement> shuffled = new ArrayList<>(elements);
                Collections.shuffle(shuffled, samples.random());
                bySet.put(set, shuffled);
              });
      assertThat(
              MappingCodec.join(
                  read(mapping, bySet), one -> MappingOptions.NONE, MappingCodecTest::refuse))
          .as("seed %d: %s", seed, mapping)
          .containsExactly(published);
      Map<String, List<Bytes>> keys = new HashMap<>();
      bySet.forEach(
          (set, all) ->
              keys.put(
                  set,
                  all.stream()
                      .map(SetElement::key)
                      .sorted(Comparator.comparing(Bytes::hex))
                      .toList()));
      Map<String, List<Bytes>> deleted = new HashMap<>();
      Batch batch = new Batch();
      new ChangeWriter(SluiceTable.ID, batch)
          .write(
              Change.withdraw(List.of(mapping)),
              set -> bySet.getOrDefault(set, List.of()),
              Set.of(),
              Set.of());
      for (Operation operation : batch.operations()) {
        if (operation.effect() instanceof RulesetEvent.OfElements of
            && bySet.containsKey(of.set())) {
          deleted.put(
              of.set(),
              of.elements().stream()
                  .map(SetElement::key)
                  .sorted(Comparator.comparing(Bytes::hex))
                  .toList());
        }
      }
      assertThat(deleted).as("what is deleted with it").isEqualTo(keys);
    }
  }

  private static void refuse(MappingId odd) {
    throw new AssertionError(odd + " was not read back");
  }

  private static List<MappingCodec.Published> read(
      Mapping mapping, Map<String, List<SetElement>> bySet) {
    List<SetElement> elements = bySet.getOrDefault(SetNames.of(mapping), List.of());
    Family family = mapping.family();
    if (mapping.precedence() == Precedence.RANGE) {
      return MappingCodec.readIntervals(elements, family, mapping.protocol());
    }
    boolean exact = mapping.hostAddress().isPresent();
    List<MappingCodec.Published> found = new ArrayList<>();
    if (MappingCodec.isSteered(mapping)) {
      Map<Bytes, List<SetElement>> slots =
          SlotCodec.byPort(
              bySet.getOrDefault(SetNames.slots(family, SetNames.kind(mapping)), List.of()));
      elements.forEach(
          element ->
              MappingCodec.readSteered(
                      element, family, exact, slots.getOrDefault(element.key(), List.of()))
                  .ifPresent(found::add));
    } else {
      elements.forEach(element -> MappingCodec.read(element, family, exact).ifPresent(found::add));
    }
    return found;
  }

  /** Fails if a key, a verdict or the data of several containers is another. */
  @Test
  void severalContainersAreAVerdictAndSlots() {
    Mapping mapping =
        mapping("", "8080", "80", "172.30.0.2")
            .withBackends(
                new Backends(
                    List.of(
                        new Backend(IpAddress.parse("172.30.0.2")),
                        new Backend(
                            IpAddress.parse("172.30.0.3"), Optional.of(new SandboxName("db")), 2)),
                    Balance.RANDOM));
    Map<String, List<SetElement>> bySet = MappingCodec.elements(mapping);
    assertThat(bySet).containsOnlyKeys("steered_any4", "slots_any4");
    SetElement head = bySet.getOrDefault("steered_any4", List.of()).get(0);
    assertThat(head.key().hex()).isEqualTo("060000001f900000");
    assertThat(head.data()).isEqualTo(Data.of(Verdict.jump("spread_random_3_any4")));
    assertThat(bySet.getOrDefault("slots_any4", List.of()))
        .extracting(slot -> slot.key().hex() + " " + data(slot))
        .containsExactly(
            "060000001f90000000000000 ac1e000300500000",
            "060000001f90000001000000 ac1e000200500000",
            "060000001f90000002000000 ac1e000300500000");
  }

  private static Mapping shared(String first, String second) {
    return mapping("", "8080", "80", "172.30.0.2")
        .withBackends(
            new Backends(
                Stream.of(first, second)
                    .map(one -> one.split("=", -1))
                    .map(
                        one ->
                            new Backend(
                                IpAddress.parse(one[0]),
                                Optional.empty(),
                                Integer.parseInt(one[1])))
                    .toList(),
                Balance.ROUND_ROBIN));
  }

  private static SetElement slot(Mapping mapping, int container) {
    int[] slots = mapping.backends().slots();
    int slot =
        IntStream.range(0, slots.length).filter(i -> slots[i] == container).findFirst().getAsInt();
    return MappingCodec.elements(mapping).getOrDefault("slots_any4", List.of()).get(slot);
  }

  /**
   * Fails if slots that somebody has made what no mapping can have, which where the table has no
   * owner anybody may, end the reading of the table.
   */
  @Test
  void oddSlotsAreNoMapping() {
    Mapping good = shared("10.0.0.1=1", "10.0.0.2=1");
    SetElement head = MappingCodec.elements(good).getOrDefault("steered_any4", List.of()).get(0);
    SetElement first = slot(good, 0);
    List<List<SetElement>> odd =
        List.of(
            List.of(),
            List.of(first),
            List.of(first, slot(shared("10.0.0.2=1", "10.0.0.1=1"), 1)),
            List.of(
                slot(shared("10.0.0.1=59", "10.0.0.2=1"), 0),
                slot(shared("10.0.0.1=1", "10.0.0.2=58"), 1)),
            List.of(first, slot(good, 1).to(Bytes.ofHex("0a00000200000000"))),
            List.of(first, slot(good, 1).to(Bytes.ofHex("0000000000500000"))));
    for (List<SetElement> slots : odd) {
      assertThat(MappingCodec.readSteered(head, Family.IPV4, false, slots))
          .as("%s", slots)
          .isEmpty();
    }
    assertThat(MappingCodec.readSteered(head, Family.IPV4, false, List.of(first, slot(good, 1))))
        .isPresent();
  }

  /** Fails if ports of one mapping that do not fit each other end the reading of the table. */
  @Test
  void elementsThatDoNotFitAreLeftOut() {
    List<MappingCodec.Published> found = new ArrayList<>();
    Mapping other = new Samples(1).mapping();
    for (Mapping mapping :
        List.of(mapping("", "8080", "80", "172.30.0.2"), mapping("", "8081", "90", "172.30.0.2"))) {
      found.addAll(read(mapping, MappingCodec.elements(mapping)));
    }
    found.addAll(read(other, MappingCodec.elements(other)));
    List<MappingId> odd = new ArrayList<>();
    assertThat(MappingCodec.join(found, one -> MappingOptions.NONE, odd::add))
        .extracting(PublishedMapping::mapping)
        .containsExactly(other);
    assertThat(odd).containsExactly(new MappingId(0x1122334455667788L));
  }

  private static String data(SetElement element) {
    return element.data() instanceof Data.Value value ? value.bytes().hex() : "";
  }

  /**
   * Fails if a port that the proxy serves is translated, its container is forgotten, or has a
   * number by which a rule finds it.
   */
  @Test
  void whatTheProxyServesIsWhereNoRuleLooks() {
    Mapping mapping =
        new Mapping(
            new MappingId(7),
            Optional.empty(),
            Owner.CLI,
            Protocol.TCP,
            Family.IPV6,
            Optional.of(IpAddress.parse("2001:db8::1")),
            PortRange.of(8080),
            Backends.of(IpAddress.parse("172.30.0.2")),
            PortRange.of(80),
            Instant.ofEpochMilli(5),
            MappingOptions.NONE);
    Map<String, List<SetElement>> bySet = MappingCodec.elements(mapping);
    assertThat(bySet).containsOnlyKeys("steered_exact6", "slots_exact6");
    assertThat(bySet.getOrDefault("steered_exact6", List.of()).get(0).data())
        .isEqualTo(Data.of(Verdict.ACCEPT));
    SetElement slot = bySet.getOrDefault("slots_exact6", List.of()).get(0);
    assertThat(data(slot)).isEqualTo("00000000000000000000ffffac1e000200500000");
    assertThat(slot.key().hex()).endsWith("1f90000000000080");
  }

  /** Fails if the end of one interval is taken for the end of its neighbour. */
  @Test
  void neighbouringIntervalsStayApart() {
    List<SetElement> elements = new ArrayList<>();
    elements.add(SetElement.intervalEnd(Bytes.ofU16be(0)));
    List<PortRange> ranges = new ArrayList<>();
    for (int i = 0; i < 20; i++) {
      PortRange ports = new PortRange(7000 + 10 * i, 7009 + 10 * i);
      ranges.add(ports);
      elements.addAll(
          elements(
              new Mapping(
                  new MappingId(i),
                  Optional.empty(),
                  Owner.API,
                  Protocol.UDP,
                  Optional.empty(),
                  ports,
                  IpAddress.parse("fd30::2"),
                  ports,
                  Instant.EPOCH)));
    }
    for (long seed = 0; seed < 20; seed++) {
      Collections.shuffle(elements, new Samples(seed).random());
      assertThat(MappingCodec.readIntervals(elements, Family.IPV6, Protocol.UDP))
          .extracting(MappingCodec.Published::hostPorts)
          .containsExactlyElementsOf(ranges);
    }
  }

  /** Fails if an element that somebody else added is taken for a mapping, or breaks the listing. */
  @Test
  void elementsOfOthersAreNoMappings() {
    SetElement ours = elements(mapping("", "8080", "80", "172.30.0.2")).get(0);
    for (Bytes userdata :
        List.of(Bytes.EMPTY, Userdata.comment("web"), Bytes.ofHex("00ff"), Bytes.ofHex("53"))) {
      assertThat(MappingCodec.read(ours.withUserdata(userdata), Family.IPV4, false)).isEmpty();
    }
  }
}
