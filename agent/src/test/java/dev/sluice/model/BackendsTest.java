package dev.sluice.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.net.PortRange;
import dev.sluice.net.Protocol;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** How connections are shared out among several containers. */
class BackendsTest {
  private static Backend one(int number, int weight) {
    return new Backend(IpAddress.parse("10.0.0." + number), Optional.empty(), weight);
  }

  private static Backends weighted(Balance balance, int... weights) {
    List<Backend> all = new ArrayList<>();
    for (int i = 0; i < weights.length; i++) {
      all.add(one(i + 1, weights[i]));
    }
    return new Backends(all, balance);
  }

  /** Fails if a container gets its turns in one go, or another number of them than its weight. */
  @ParameterizedTest
  @CsvSource({
    "1 1, 0 1",
    "1 1 1, 0 1 2",
    "3 1, 0 0 1 0",
    "2 2, 0 1",
    "6 3 3, 0 1 2 0",
    "5 1 1, 0 0 1 0 2 0 0",
  })
  void takesTurnsAsEvenlyAsTheWeightsAllow(String weights, String slots) {
    int[] numbers = Arrays.stream(weights.split(" ", -1)).mapToInt(Integer::parseInt).toArray();
    for (Balance balance : List.of(Balance.ROUND_ROBIN, Balance.RANDOM)) {
      assertThat(weighted(balance, numbers).slots())
          .containsExactly(
              Arrays.stream(slots.split(" ", -1)).mapToInt(Integer::parseInt).toArray());
    }
  }

  /** Fails if the slots are shared out by chance instead of in turn. */
  @ParameterizedTest
  @ValueSource(ints = {2, 3, 5, 16, 32})
  void sharesSlotsForSourcesEvenly(int count) {
    int[] slots =
        weighted(Balance.SOURCE, IntStream.generate(() -> 1).limit(count).toArray()).slots();
    long least = 61 / count;
    for (int i = 0; i < count; i++) {
      int container = i;
      assertThat(Arrays.stream(slots).filter(slot -> slot == container).count())
          .isBetween(least, least + 1);
    }
  }

  /** Fails if weights do not count for sources. */
  @Test
  void weightsCountForSources() {
    int[] slots = weighted(Balance.SOURCE, 3, 1).slots();
    assertThat(Arrays.stream(slots).filter(slot -> slot == 0).count()).isBetween(44L, 47L);
  }

  /** Fails if the order in which containers were named decides who gets which client. */
  @Test
  void clientsStayWhereTheyAreWhateverTheOrder() {
    List<Backend> all = new ArrayList<>();
    for (int i = 1; i <= 7; i++) {
      all.add(one(i, 1));
    }
    List<IpAddress> before = owners(new Backends(all, Balance.SOURCE));
    Collections.reverse(all);
    assertThat(owners(new Backends(all, Balance.SOURCE))).isEqualTo(before);
  }

  /**
   * Fails if a slot is given by its number modulo the number of containers: then six of seven
   * clients would change with the containers.
   */
  @Test
  void mostClientsStayWhenAContainerLeaves() {
    Backends all = weighted(Balance.SOURCE, 1, 1, 1, 1, 1, 1, 1);
    List<IpAddress> before = owners(all);
    Backends fewer = all.only(each -> !each.address().equals(all.first().address())).orElseThrow();
    List<IpAddress> after = owners(fewer);
    int moved = 0;
    for (int slot = 0; slot < before.size(); slot++) {
      if (!before.get(slot).equals(all.first().address())
          && !before.get(slot).equals(after.get(slot))) {
        moved++;
      }
    }
    assertThat(moved).isLessThanOrEqualTo(61 / 5);
  }

  private static List<IpAddress> owners(Backends backends) {
    return Arrays.stream(backends.slots())
        .mapToObj(slot -> backends.all().get(slot).address())
        .toList();
  }

  /** Fails if weights whose slots would be thousands are let through. */
  @Test
  void weightsThatDifferTooMuchAreRefused() {
    assertThat(weighted(Balance.RANDOM, 60, 30).slots()).hasSize(3);
    assertThatThrownBy(() -> weighted(Balance.RANDOM, 59, 2))
        .isInstanceOf(InvalidMappingException.class)
        .hasMessage(
            "the weights of the containers add up to 61, and at most 60 is possible: give smaller"
                + " ones");
    assertThatThrownBy(() -> one(1, 61)).isInstanceOf(InvalidMappingException.class);
  }

  /** Fails if the number of slots is another than there are. */
  @ParameterizedTest
  @CsvSource({"1 1", "3 1", "2 2", "6 3 3", "60 30", "5 1 1", "7"})
  void slotsAreCountedAsTheyAre(String weights) {
    int[] numbers = Arrays.stream(weights.split(" ", -1)).mapToInt(Integer::parseInt).toArray();
    for (Balance balance : Balance.values()) {
      Backends backends = weighted(balance, numbers);
      assertThat(backends.slotCount()).isEqualTo(backends.slots().length);
    }
  }

  private static Mapping mapping(int ports, Backends backends) {
    PortRange range = PortRange.of(10_001, 10_000 + ports);
    return new Mapping(
        new MappingId(1),
        Optional.empty(),
        Owner.CLI,
        Protocol.TCP,
        Family.IPV4,
        Optional.empty(),
        range,
        backends,
        range,
        Instant.EPOCH,
        MappingOptions.NONE);
  }

  /** Fails if only the ports of a mapping count, and not what each of them costs. */
  @Test
  void portsTimesSlotsAreLimited() {
    assertThat(mapping(1024, weighted(Balance.RANDOM, 15, 1)).hostPorts().size()).isEqualTo(1024);
    assertThatThrownBy(() -> mapping(1024, weighted(Balance.RANDOM, 16, 1)))
        .isInstanceOf(InvalidMappingException.class)
        .hasMessage(
            "1024 host ports with 17 slots each for the containers are more than 16384 elements:"
                + " give fewer ports, or smaller weights");
    assertThat(mapping(268, weighted(Balance.SOURCE, 1, 1)).hostPorts().size()).isEqualTo(268);
    assertThatThrownBy(() -> mapping(269, weighted(Balance.SOURCE, 1, 1)))
        .isInstanceOf(InvalidMappingException.class)
        .hasMessage(
            "269 host ports with 61 slots each for the containers are more than 16384 elements:"
                + " give fewer ports, or another balance than source");
  }

  private static PublishRequest request(int specs, Balance balance, String... targets) {
    return new PublishRequest(
        Collections.nCopies(specs, PortSpec.parse("10001-11000:20001-21000")),
        Destination.parse(List.of(targets)).with(Optional.of(balance)),
        Optional.empty(),
        Owner.CLI,
        MappingOptions.NONE);
  }

  /** Fails if a request counts ports alone, or takes the addresses of one container for two. */
  @Test
  void slotsCountInARequest() {
    assertThat(request(4, Balance.SOURCE, "10.0.0.1", "web").ports()).hasSize(4);
    assertThatThrownBy(() -> request(5, Balance.SOURCE, "10.0.0.1", "web"))
        .isInstanceOf(InvalidMappingException.class)
        .hasMessage(
            "the request asks for 5000 ports one by one with up to 61 slots each for the"
                + " containers, and at most 4297 are possible: split it");
    assertThat(request(131, Balance.RANDOM, "10.0.0.1", "10.0.0.2").ports()).hasSize(131);
    assertThatThrownBy(() -> request(132, Balance.RANDOM, "10.0.0.1", "10.0.0.2"))
        .isInstanceOf(InvalidMappingException.class);
    assertThat(request(262, Balance.SOURCE, "10.0.0.1", "fd00::1").ports()).hasSize(262);
  }

  /** Fails if the order of the containers makes one way to share connections another. */
  @Test
  void theOrderDoesNotMatter() {
    Backends two = new Backends(List.of(one(1, 1), one(2, 3)), Balance.RANDOM);
    assertThat(two.isSameAs(new Backends(List.of(one(2, 3), one(1, 1)), Balance.RANDOM))).isTrue();
    assertThat(two.isSameAs(new Backends(List.of(one(2, 3), one(1, 1)), Balance.SOURCE))).isFalse();
    assertThat(two.isSameAs(new Backends(List.of(one(2, 1), one(1, 3)), Balance.RANDOM))).isFalse();
    assertThatThrownBy(() -> new Backends(List.of(one(1, 1), one(1, 2)), Balance.RANDOM))
        .isInstanceOf(InvalidMappingException.class);
  }
}
