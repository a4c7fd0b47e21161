package dev.sluice.ruleset;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.model.Mapping;
import dev.sluice.model.MappingCounters;
import dev.sluice.model.MappingId;
import dev.sluice.model.MappingName;
import dev.sluice.model.MappingOptions;
import dev.sluice.model.Owner;
import dev.sluice.model.Precedence;
import dev.sluice.model.PublishedMapping;
import dev.sluice.net.Bytes;
import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.net.PortRange;
import dev.sluice.net.Protocol;
import dev.sluice.nftables.SetElement;
import dev.sluice.nftables.Userdata;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
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
    SetElement element = MappingCodec.elements(mapping).get(0);
    assertThat(element.key().hex()).isEqualTo(key.replace(" ", ""));
    assertThat(element.data()).isEqualTo(SetElement.of(Bytes.EMPTY).to(Bytes.ofHex(data)).data());
    assertThat(MappingCodec.keys(mapping)).containsExactly(SetElement.of(element.key()));
  }

  /** Fails if an identity range is more than one interval, or its end is off by one. */
  @Test
  void anIdentityRangeIsOneInterval() {
    List<SetElement> elements =
        MappingCodec.elements(mapping("", "7000-7009", "7000-7009", "172.30.0.2"));
    assertThat(elements).extracting(e -> e.key().hex()).containsExactly("1b58", "1b62");
    assertThat(elements.get(1)).isEqualTo(SetElement.intervalEnd(Bytes.ofU16be(7010)));
    assertThat(MappingCodec.elements(mapping("", "65000-65535", "65000-65535", "172.30.0.2")))
        .hasSize(1);
  }

  /** Fails if a shifted range, or one of an exact address, is not one element a port. */
  @Test
  void anyOtherRangeIsAnElementAPort() {
    assertThat(MappingCodec.elements(mapping("", "7000-7009", "8000-8009", "172.30.0.2")))
        .hasSize(10);
    assertThat(MappingCodec.elements(mapping("198.18.0.1", "7000-7009", "7000-7009", "172.30.0.2")))
        .hasSize(10);
  }

  /** Fails if anything about a mapping is lost or changed on the way through its elements. */
  @Test
  void whatIsReadBackIsWhatWasWritten() {
    for (long seed = 0; seed < 2_000; seed++) {
      Samples samples = new Samples(seed);
      Mapping mapping = samples.mapping();
      long connections = samples.below(1L << 40);
      List<SetElement> elements = new ArrayList<>(MappingCodec.elements(mapping, connections));
      // The kernel hands them out in an order of its own.
      Collections.shuffle(elements, samples.random());
      assertThat(MappingCodec.join(read(mapping, elements), one -> MappingOptions.NONE))
          .as("seed %d: %s", seed, mapping)
          .containsExactly(new PublishedMapping(mapping, new MappingCounters(connections)));
    }
  }

  private static List<MappingCodec.Published> read(Mapping mapping, List<SetElement> elements) {
    if (mapping.precedence() == Precedence.RANGE) {
      return MappingCodec.readIntervals(elements, mapping.protocol());
    }
    boolean exact = mapping.hostAddress().isPresent();
    List<MappingCodec.Published> found = new ArrayList<>();
    elements.forEach(
        element -> MappingCodec.read(element, mapping.family(), exact).ifPresent(found::add));
    return found;
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
          MappingCodec.elements(
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
      assertThat(MappingCodec.readIntervals(elements, Protocol.UDP))
          .extracting(MappingCodec.Published::hostPorts)
          .containsExactlyElementsOf(ranges);
    }
  }

  /** Fails if an element that somebody else added is taken for a mapping, or breaks the listing. */
  @Test
  void elementsOfOthersAreNoMappings() {
    SetElement ours = MappingCodec.elements(mapping("", "8080", "80", "172.30.0.2")).get(0);
    for (Bytes userdata :
        List.of(Bytes.EMPTY, Userdata.comment("web"), Bytes.ofHex("00ff"), Bytes.ofHex("53"))) {
      assertThat(MappingCodec.read(ours.withUserdata(userdata), Family.IPV4, false)).isEmpty();
    }
  }
}
