package dev.sluice.ruleset;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.model.Egress;
import dev.sluice.model.InterfaceName;
import dev.sluice.model.Network;
import dev.sluice.net.Bytes;
import dev.sluice.net.Prefix;
import dev.sluice.nftables.SetElement;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** Networks become elements of several sets, and those the same networks again. */
class NetworkCodecTest {
  private static final Network MASQUERADED =
      new Network(
          "web-net",
          new InterfaceName("br0"),
          List.of(Prefix.parse("172.30.0.0/24"), Prefix.parse("fd30::/64")),
          new Egress.Masquerade());

  /** Fails if a network is left out of a set that a rule of the table looks into. */
  @Test
  void eachKindOfEgressHasItsSets() {
    assertThat(NetworkCodec.elements(MASQUERADED).keySet())
        .containsExactly("bridges", "intra", "inbound", "home4", "egress4", "home6", "egress6");
    Network routed =
        new Network("r", new InterfaceName("br2"), MASQUERADED.subnets(), new Egress.Routed());
    assertThat(NetworkCodec.elements(routed).keySet())
        .containsExactly("bridges", "intra", "inbound", "home4", "home6");
    assertThat(NetworkCodec.elements(routed).get("inbound"))
        .isNotEqualTo(NetworkCodec.elements(MASQUERADED).get("inbound"));
    assertThat(NetworkCodec.elements(routed.withEgress(new Egress.Unmanaged())).keySet())
        .containsExactly("bridges", "intra", "home4", "home6");
  }

  /** Fails if the end of the address space has an end element, which the kernel refuses. */
  @Test
  void theHighestSubnetHasNoEnd() {
    Network highest =
        new Network(
            "h",
            new InterfaceName("br0"),
            List.of(Prefix.parse("255.255.255.0/24")),
            new Egress.Masquerade());
    assertThat(NetworkCodec.elements(highest).get("egress4"))
        .extracting(SetElement::key)
        .containsExactly(Bytes.ofHex("ffffff00"));
  }

  /** Fails if anything about a network is lost or changed on the way through its elements. */
  @Test
  void whatIsReadBackIsWhatWasWritten() {
    for (long seed = 0; seed < 2_000; seed++) {
      Samples samples = new Samples(seed);
      List<Network> networks = new ArrayList<>();
      Set<InterfaceName> bridges = new HashSet<>();
      List<Prefix> taken = new ArrayList<>();
      for (int i = 0; i < 4; i++) {
        Network network = samples.network();
        if (network.subnets().stream().noneMatch(s -> taken.stream().anyMatch(s::overlaps))
            && bridges.add(network.bridge())) {
          networks.add(network);
          taken.addAll(network.subnets());
        }
      }
      Map<String, List<SetElement>> sets = new HashMap<>();
      networks.forEach(
          network ->
              NetworkCodec.elements(network)
                  .forEach(
                      (set, elements) ->
                          sets.computeIfAbsent(set, s -> new ArrayList<>()).addAll(elements)));
      assertThat(NetworkCodec.read(set -> sets.getOrDefault(set, List.of())))
          .as("seed %d", seed)
          .usingElementComparator(NetworkCodecTest::compare)
          .containsExactlyInAnyOrderElementsOf(networks);
    }
  }

  /** A network read back has its subnets family by family. */
  static int compare(Network a, Network b) {
    return sorted(a).toString().compareTo(sorted(b).toString());
  }

  private static List<Object> sorted(Network network) {
    List<Object> parts = new ArrayList<>(network.subnets().stream().sorted().toList());
    parts.add(network.name());
    parts.add(network.bridge());
    if (network.egress() instanceof Egress.FixedSource fixed) {
      parts.addAll(fixed.addresses().stream().sorted().toList());
    }
    parts.add(network.egress().getClass());
    return parts;
  }
}
