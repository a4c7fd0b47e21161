package dev.sluice.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.sluice.net.IpAddress;
import dev.sluice.net.MalformedValueException;
import dev.sluice.net.PortRange;
import dev.sluice.net.Prefix;
import dev.sluice.net.Protocol;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Who may use a mapping and how much; how long its connections may live on. */
class OptionsTest {
  // ---- rates

  /** Fails if a unit has another length, or the burst is not what a unit of time allows. */
  @ParameterizedTest
  @CsvSource({
    "1/second, 1, 1, 5",
    "4/second, 4, 1, 5",
    "5/second, 5, 1, 5",
    "6/second, 6, 1, 6",
    "100/minute, 100, 60, 100",
    "1000000/hour, 1000000, 3600, 1000000"
  })
  void aRateIsReadAndWritten(String text, int connections, int seconds, int burst) {
    SourceRate rate = SourceRate.parse(text);
    assertThat(rate).hasToString(text);
    assertThat(rate.connections()).isEqualTo(connections);
    assertThat(rate.per().seconds()).isEqualTo(seconds);
    assertThat(rate.burst()).isEqualTo(burst);
  }

  /** Fails if a rate is read loosely, or the place of the mistake is wrong. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          ''              | 0 | "" is not a rate such as 20/second, 100/minute or 10/hour
          20              | 0 | "20" is not a rate such as 20/second, 100/minute or 10/hour
          20/             | 3 | "20/" is not a rate such as 20/second, 100/minute or 10/hour
          20/day          | 3 | "20/day" is not a rate such as 20/second, 100/minute or 10/hour
          20/Second       | 3 | "20/Second" is not a rate such as 20/second, 100/minute or 10/hour
          20/second/hour  | 3 | "20/second/hour" is not a rate such as 20/second, 100/minute or 10/hour
          /second         | 0 | "" is not a number from 1 to 1000000
          0/second        | 0 | "0" is not a number from 1 to 1000000
          020/second      | 0 | "020" is not a number from 1 to 1000000
          -1/second       | 0 | "-1" is not a number from 1 to 1000000
          1000001/second  | 0 | "1000001" is not a number from 1 to 1000000
          99999999999/hour | 0 | "99999999999" is not a number from 1 to 1000000
          1e3/hour        | 0 | "1e3" is not a number from 1 to 1000000
          """)
  void nothingElseIsARate(String text, int column, String problem) {
    assertThatExceptionOfType(MalformedValueException.class)
        .isThrownBy(() -> SourceRate.parse(text))
        .withMessage(problem)
        .satisfies(e -> assertThat(e.column()).isEqualTo(column));
  }

  /** Fails if the constructor takes what the parser refuses. */
  @ParameterizedTest
  @ValueSource(ints = {Integer.MIN_VALUE, -1, 0, 1_000_001})
  void aRateIsWithinItsBounds(int connections) {
    assertThatExceptionOfType(InvalidMappingException.class)
        .isThrownBy(() -> new SourceRate(connections, SourceRate.Per.HOUR))
        .withMessage("a rate must be 1 to 1000000 connections, not " + connections);
  }

  // ---- options

  private static List<Prefix> blocks(String... texts) {
    return Stream.of(texts).map(Prefix::parseBlock).toList();
  }

  /** Fails if a block inside another stays: the kernel refuses overlapping intervals. */
  @Test
  void blocksAreSortedAndNoneIsInsideAnother() {
    MappingOptions options =
        MappingOptions.NONE.withAllowedSources(
            blocks(
                "192.168.1.1",
                "10.1.0.0/16",
                "192.168.0.0/16",
                "10.0.0.0/8",
                "10.255.255.255",
                "11.0.0.0/8",
                "192.168.0.0/16"));
    assertThat(options.allowedSources())
        .isEqualTo(blocks("10.0.0.0/8", "11.0.0.0/8", "192.168.0.0/16"));
    assertThat(MappingOptions.NONE.withAllowedSources(blocks("0.0.0.0/0", "1.2.3.4")))
        .extracting(MappingOptions::allowedSources)
        .isEqualTo(blocks("0.0.0.0/0"));
  }

  /** Fails if an address at the edge of a block, or of the other family, is decided wrongly. */
  @Test
  void blocksAdmitTheirAddressesAndNoBlocksAdmitAll() {
    MappingOptions options =
        MappingOptions.NONE.withAllowedSources(blocks("10.0.0.0/8", "192.0.2.7", "fd00::/8"));
    assertThat(
            Stream.of("10.0.0.0", "10.255.255.255", "192.0.2.7", "fdff::1")
                .map(IpAddress::parse)
                .allMatch(options::admits))
        .isTrue();
    assertThat(
            Stream.of("9.255.255.255", "11.0.0.0", "192.0.2.6", "192.0.2.8", "fe80::1", "::")
                .map(IpAddress::parse)
                .noneMatch(options::admits))
        .isTrue();
    assertThat(MappingOptions.NONE.admits(IpAddress.parse("203.0.113.9"))).isTrue();
  }

  /** Fails if a bound moves. */
  @Test
  void optionsHaveBounds() {
    List<Prefix> many =
        IntStream.range(0, MappingOptions.MAX_SOURCES)
            .mapToObj(i -> Prefix.parseBlock("10.0." + i / 256 + "." + i % 256))
            .toList();
    assertThat(MappingOptions.NONE.withAllowedSources(many).allowedSources()).hasSize(1_024);
    List<Prefix> more = Stream.concat(many.stream(), blocks("11.0.0.0").stream()).toList();
    assertThatExceptionOfType(InvalidMappingException.class)
        .isThrownBy(() -> MappingOptions.NONE.withAllowedSources(more))
        .withMessage("at most 1024 blocks of allowed sources are possible, not 1025");
    for (int limit : new int[] {1, 10_000_000}) {
      assertThat(MappingOptions.NONE.withMaxConnections(OptionalInt.of(limit)).isNone()).isFalse();
    }
    for (int limit : new int[] {-1, 0, 10_000_001}) {
      assertThatExceptionOfType(InvalidMappingException.class)
          .isThrownBy(() -> MappingOptions.NONE.withMaxConnections(OptionalInt.of(limit)))
          .withMessage("the limit of connections must be 1 to 10000000, not " + limit);
    }
  }

  /** Fails if a change touches what it does not mention, or cannot take a restriction away. */
  @Test
  void aChangeLeavesAloneWhatItDoesNotMention() {
    MappingOptions all =
        new MappingOptions(
            blocks("10.0.0.0/8"),
            OptionalInt.of(7),
            Optional.of(SourceRate.parse("20/second")),
            true);
    assertThat(OptionsChange.NONE.applyTo(all)).isEqualTo(all);
    assertThat(OptionsChange.NONE.withAllowedSources(blocks("11.0.0.0/8")).applyTo(all))
        .isEqualTo(all.withAllowedSources(blocks("11.0.0.0/8")));
    assertThat(OptionsChange.NONE.withMaxConnections(OptionalInt.of(8)).applyTo(all))
        .isEqualTo(all.withMaxConnections(OptionalInt.of(8)));
    assertThat(
            OptionsChange.NONE
                .withAllowedSources(List.of())
                .withMaxConnections(OptionalInt.empty())
                .withSourceRate(Optional.empty())
                .withSynProxy(false)
                .applyTo(all))
        .isEqualTo(MappingOptions.NONE);
  }

  // ---- how long to drain

  /** Fails if a unit is another, or the text written is not one that is read. */
  @ParameterizedTest
  @CsvSource({
    "1ms, 1",
    "500ms, 500",
    "30s, 30000",
    "5m, 300000",
    "2h, 7200000",
    "1d, 86400000",
    "365d, 31536000000"
  })
  void aTimeIsReadAndWritten(String text, long millis) {
    DrainTime time = DrainTime.parse(text);
    assertThat(time.limit()).contains(Duration.ofMillis(millis));
    assertThat(DrainTime.parse(time.toString())).isEqualTo(time);
  }

  /** Fails if "forever" ends, or is written as something else. */
  @Test
  void foreverHasNoLimit() {
    assertThat(DrainTime.parse("forever")).isEqualTo(DrainTime.FOREVER).hasToString("forever");
    assertThat(DrainTime.FOREVER.limit()).isEmpty();
  }

  /** Fails if a time is read loosely or may be longer than a year. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          ''          | "" is not a time such as 30s, 5m, 2h or forever
          30          | "30" is not a time such as 30s, 5m, 2h or forever
          s           | "s" is not a time such as 30s, 5m, 2h or forever
          0s          | "0s" is not a time such as 30s, 5m, 2h or forever
          05m         | "05m" is not a time such as 30s, 5m, 2h or forever
          -5m         | "-5m" is not a time such as 30s, 5m, 2h or forever
          1.5h        | "1.5h" is not a time such as 30s, 5m, 2h or forever
          5 m         | "5 m" is not a time such as 30s, 5m, 2h or forever
          1h30m       | "1h30m" is not a time such as 30s, 5m, 2h or forever
          Forever     | "Forever" is not a time such as 30s, 5m, 2h or forever
          1w          | "1w" is not a time such as 30s, 5m, 2h or forever
          9999999999s | "9999999999s" is not a time such as 30s, 5m, 2h or forever
          366d        | "366d" is more than a year; forever is possible
          8761h       | "8761h" is more than a year; forever is possible
          999999999d  | "999999999d" is more than a year; forever is possible
          """)
  void nothingElseIsATime(String text, String problem) {
    assertThatExceptionOfType(MalformedValueException.class)
        .isThrownBy(() -> DrainTime.parse(text))
        .withMessage(problem);
  }

  // ---- what options do to a mapping

  private static Mapping mapping(
      String protocol, String hostAddress, String host, String target, MappingOptions options) {
    boolean ipv6 = hostAddress.contains(":");
    return new Mapping(
        new MappingId(1),
        Optional.empty(),
        Owner.CLI,
        Protocol.parse(protocol),
        hostAddress.isEmpty() ? Optional.empty() : Optional.of(IpAddress.parse(hostAddress)),
        PortRange.parse(host),
        IpAddress.parse(ipv6 ? "fd00::2" : "172.30.0.2"),
        PortRange.parse(target),
        Instant.EPOCH,
        options);
  }

  /** Fails if a mapping is kept among those of another precedence. */
  @ParameterizedTest
  @CsvSource({
    "tcp, '', 8080, 80, false, ANY",
    "tcp, '', 8080, 8080, false, ANY",
    "tcp, '', 7000-7009, 7000-7009, false, RANGE",
    "udp, '', 7000-7009, 7000-7009, false, RANGE",
    "sctp, '', 7000-7009, 7000-7009, false, ANY",
    "tcp, '', 7000-7009, 8000-8009, false, ANY",
    "tcp, '', 7000-7009, 7000-7009, true, ANY",
    "tcp, 192.0.2.1, 7000-7009, 7000-7009, false, EXACT",
    "tcp, '::', 7000-7009, 7000-7009, false, RANGE",
    "udp, ::1, 5353, 53, true, EXACT"
  })
  void precedenceFollowsFromAddressPortsAndOptions(
      String protocol,
      String hostAddress,
      String host,
      String target,
      boolean limited,
      Precedence precedence) {
    MappingOptions options =
        limited ? MappingOptions.NONE.withMaxConnections(OptionalInt.of(1)) : MappingOptions.NONE;
    Mapping mapping = mapping(protocol, hostAddress, host, target, options);
    assertThat(mapping.precedence()).isEqualTo(precedence);
    assertThat(mapping.key().precedence()).isEqualTo(precedence);
  }

  /** Fails if options are taken that cannot be kept, or can never matter. */
  @Test
  void optionsFitTheirMapping() {
    MappingOptions limited = MappingOptions.NONE.withMaxConnections(OptionalInt.of(1));
    assertThat(mapping("tcp", "", "1001-2024", "1001-2024", limited).hostPorts().size())
        .isEqualTo(Mapping.MAX_PORTS_WITH_OPTIONS);
    assertThatExceptionOfType(InvalidMappingException.class)
        .isThrownBy(() -> mapping("tcp", "", "1001-2025", "1001-2025", limited))
        .withMessage(
            "host ports 1001-2025 are 1025, and a mapping with allowed sources or limits can have"
                + " at most 1024");
    assertThatExceptionOfType(InvalidMappingException.class)
        .isThrownBy(
            () ->
                mapping(
                    "tcp",
                    "",
                    "80",
                    "80",
                    MappingOptions.NONE.withAllowedSources(blocks("10.0.0.0/8", "fd00::/8"))))
        .withMessage(
            "the allowed source fd00::/8 can never reach the IPv4 target of this mapping: give"
                + " IPv4 sources");
  }

  /** Fails if what has no handshake is taken for something to shake hands for. */
  @Test
  void onlyTcpHasASynProxy() {
    MappingOptions proxied = MappingOptions.NONE.withSynProxy(true);
    assertThat(proxied.isNone()).isFalse();
    assertThat(mapping("tcp", "", "7000-7009", "7000-7009", proxied).precedence())
        .as("kept port by port")
        .isEqualTo(Precedence.ANY);
    for (String protocol : List.of("udp", "sctp")) {
      assertThatExceptionOfType(InvalidMappingException.class)
          .isThrownBy(() -> mapping(protocol, "", "53", "53", proxied))
          .withMessage(
              "a SYN proxy is for tcp only: publish 53/%s in a request without it", protocol);
    }
  }

  /** Fails if a binding shuts out one of another precedence, or lets in one of its own. */
  @Test
  void bindingsExcludeEachOtherWithinAPrecedence() {
    HostBinding exact = mapping("tcp", "192.0.2.1", "7005", "80", MappingOptions.NONE).key();
    HostBinding other = mapping("tcp", "192.0.2.2", "7005", "80", MappingOptions.NONE).key();
    HostBinding any = mapping("tcp", "", "7005", "80", MappingOptions.NONE).key();
    HostBinding shifted = mapping("tcp", "", "7000-7009", "80-89", MappingOptions.NONE).key();
    HostBinding range = mapping("tcp", "", "7000-7009", "7000-7009", MappingOptions.NONE).key();
    HostBinding limited =
        mapping(
                "tcp",
                "",
                "7000-7009",
                "7000-7009",
                MappingOptions.NONE.withMaxConnections(OptionalInt.of(1)))
            .key();
    List<HostBinding> all = List.of(exact, other, any, shifted, range, limited);
    List<List<HostBinding>> overlapping =
        all.stream().map(one -> all.stream().filter(one::overlaps).toList()).toList();
    assertThat(overlapping)
        .containsExactly(
            List.of(exact),
            List.of(other),
            List.of(any, shifted, limited),
            List.of(any, shifted, limited),
            List.of(range),
            List.of(any, shifted, limited));
  }
}
