package dev.sluice.ruleset;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.model.Draining;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingOptions;
import dev.sluice.model.SourceRate;
import dev.sluice.net.Bytes;
import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.net.PortRange;
import dev.sluice.net.Prefix;
import dev.sluice.net.Protocol;
import dev.sluice.nftables.SetElement;
import dev.sluice.nftables.Userdata;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Options and notes about draining become elements, and elements the same again. */
class OptionsCodecTest {

  /** Fails if an option is lost, goes to another mapping, or comes back as something else. */
  @Test
  void optionsReadBackAreThoseWritten() {
    for (long seed = 0; seed < 200; seed++) {
      Samples samples = new Samples(seed);
      List<Mapping> mappings = mappings(samples, 5);
      Map<String, List<SetElement>> sets = new HashMap<>();
      for (Mapping mapping : mappings) {
        OptionsCodec.elements(mapping)
            .forEach(
                (set, elements) ->
                    sets.computeIfAbsent(set, name -> new ArrayList<>()).addAll(elements));
      }
      // The kernel hands them out in an order of its own.
      sets.values().forEach(elements -> Collections.shuffle(elements, samples.random()));
      var options = OptionsCodec.read(set -> sets.getOrDefault(set, List.of()));
      for (Mapping mapping : mappings) {
        assertThat(options.apply(mapping.withOptions(MappingOptions.NONE)))
            .as("seed %d: %s", seed, mapping)
            // That one is with the mapping itself.
            .isEqualTo(mapping.options().withProxyProtocolPort(OptionalInt.empty()));
      }
    }
  }

  private static List<Mapping> mappings(Samples samples, int count) {
    List<Mapping> mappings = new ArrayList<>();
    while (mappings.size() < count) {
      Mapping sample = samples.mapping();
      Mapping mapping = sample.withOptions(samples.options(sample));
      if (mappings.stream().noneMatch(other -> other.key().overlaps(mapping.key()))) {
        mappings.add(mapping);
      }
    }
    return mappings;
  }

  /** Fails if a key or the bounds of a block move. */
  @Test
  void theElementsOfOneMapping() {
    Mapping mapping =
        new Mapping(
            new dev.sluice.model.MappingId(1),
            Optional.empty(),
            dev.sluice.model.Owner.CLI,
            Protocol.TCP,
            Optional.empty(),
            PortRange.of(8080),
            IpAddress.parse("172.30.0.2"),
            PortRange.of(80),
            Instant.EPOCH,
            new MappingOptions(
                List.of(Prefix.parse("10.0.0.0/8")),
                OptionalInt.of(100),
                Optional.of(SourceRate.parse("20/second")),
                true));
    Map<String, List<SetElement>> sets = OptionsCodec.elements(mapping);
    assertThat(sets)
        .containsOnlyKeys(
            "guarded_any4",
            "restricted_any4",
            "allow_any4",
            "limited_any4",
            "rated_any4",
            "proxied_any4");
    String key = "060000001f900000";
    assertThat(sets.values()).allMatch(elements -> elements.size() == 1);
    assertThat(only(sets, "allow_any4").key().hex()).isEqualTo(key + "0a000000");
    assertThat(only(sets, "allow_any4").keyEnd()).isEqualTo(Bytes.ofHex(key + "0affffff"));
    for (String set :
        List.of("guarded_any4", "restricted_any4", "limited_any4", "rated_any4", "proxied_any4")) {
      assertThat(only(sets, set).key().hex()).as(set).isEqualTo(key);
    }
    assertThat(OptionsCodec.rateOf(only(sets, "rated_any4"), Family.IPV4, "any"))
        .contains(SourceRate.parse("20/second"));
    assertThat(OptionsCodec.elements(mapping.withOptions(MappingOptions.NONE))).isEmpty();
  }

  private static SetElement only(Map<String, List<SetElement>> sets, String name) {
    return sets.getOrDefault(name, List.of()).get(0);
  }

  /** Fails if the chain of somebody else is taken for a rate, or breaks the reading. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "rate_any4_",
        "rate_any4_20",
        "rate_any4_20_",
        "rate_any4_20_day",
        "rate_any4_0_second",
        "rate_any4_x_second",
        "rate_any4_20_second_",
        "rate_any4_20/second_",
        "rate_any4_99999999_hour",
        "rate_any6_20_second",
        "rate_exact4_20_second",
        "arate_any4_20_second",
        "guard_any4",
        ""
      })
  void chainsOfOthersAreNoRates(String chain) {
    assertThat(SetNames.rateOf(chain, Family.IPV4, "any")).isEmpty();
  }

  /** Fails if the name of a rate's chain is not read back. */
  @ParameterizedTest
  @CsvSource({"1/second", "100/minute", "1000000/hour"})
  void chainsOfRatesAreReadBack(String text) {
    SourceRate rate = SourceRate.parse(text);
    for (Family family : Family.values()) {
      for (String kind : List.of("exact", "any")) {
        String chain = SetNames.rate(family, kind, rate);
        assertThat(SetNames.rateOf(chain, family, kind)).contains(rate);
      }
    }
  }

  /** Fails if anything about a draining mapping is lost on the way through its element. */
  @Test
  void notesReadBackAreThoseWritten() {
    for (long seed = 0; seed < 2_000; seed++) {
      Samples samples = new Samples(seed);
      Instant since = Instant.ofEpochMilli(samples.below(1L << 42));
      Draining draining =
          new Draining(
              samples.mapping().withOptions(MappingOptions.NONE).parts().get(0),
              since,
              since.plusMillis(samples.below(1L << 35)));
      SetElement element = DrainingCodec.element(draining);
      assertThat(element.userdata().length()).isLessThanOrEqualTo(256);
      assertThat(DrainingCodec.read(element)).as("seed %d", seed).contains(draining);
      assertThat(element.key()).isEqualTo(DrainingCodec.key(draining).key());
    }
  }

  /** Fails if an element that is none of ours, or was tampered with, breaks the listing. */
  @Test
  void notesOfOthersAreNone() {
    Samples samples = new Samples(7);
    Instant since = Instant.EPOCH;
    SetElement ours =
        DrainingCodec.element(new Draining(samples.mapping().parts().get(0), since, since));
    Bytes metadata = MappingMetadata.of(samples.mapping()).encode();
    Bytes record = Userdata.find(ours.userdata(), DrainingCodec.RECORD_TYPE).orElseThrow();
    List<Bytes> broken = new ArrayList<>();
    broken.add(Bytes.EMPTY);
    broken.add(Userdata.comment("web"));
    broken.add(metadata);
    broken.add(Userdata.record(DrainingCodec.RECORD_TYPE, record));
    broken.add(metadata.concat(with(record.slice(0, record.length() - 1), 0, 1)));
    broken.add(metadata.concat(with(record, 0, 2))); // a version to come
    broken.add(metadata.concat(with(record, 1, 1))); // icmp
    broken.add(metadata.concat(with(record, 2, 5))); // no length of an address
    for (Bytes userdata : broken) {
      assertThat(DrainingCodec.read(ours.withUserdata(userdata))).as(userdata.hex()).isEmpty();
    }
  }

  private static Bytes with(Bytes record, int at, int value) {
    byte[] bytes = record.toArray();
    bytes[at] = (byte) value;
    return Userdata.record(DrainingCodec.RECORD_TYPE, Bytes.of(bytes));
  }
}
