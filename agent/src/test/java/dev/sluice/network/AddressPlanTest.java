package dev.sluice.network;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.model.Egress;
import dev.sluice.model.InterfaceName;
import dev.sluice.model.Network;
import dev.sluice.model.NetworkSettings;
import dev.sluice.model.Subnet;
import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Prefix;
import dev.sluice.network.AddressPlan.Source;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** Which subnets are chosen, and which addresses given. */
class AddressPlanTest {
  private static final AddressPlan PLAN =
      new AddressPlan(
          List.of(
              new Source(Prefix.parse("10.0.0.0/29"), 30),
              new Source(Prefix.parse("10.1.0.0/16"), 24),
              new Source(Prefix.parse("fd00::/60"), 64)));

  private static Network network(String subnet, String gateway, String... pools) {
    return new Network(
        "blue",
        new InterfaceName("br0"),
        List.of(Prefix.parse(subnet)),
        new Egress.Masquerade(),
        new NetworkSettings(
            false,
            false,
            List.of(IpAddress.parse(gateway)),
            Arrays.stream(pools).map(Prefix::parse).toList(),
            OptionalInt.empty(),
            Optional.empty()));
  }

  private static String give(AddressPlan plan, Network network, Set<IpAddress> taken) {
    IpAddress given = plan.promise(network, network.subnets().get(0), taken::contains);
    plan.settle(List.of(given));
    taken.add(given);
    return given.toString();
  }

  /** Fails if a subnet overlaps, in either direction, or the next source is not looked at. */
  @Test
  void aSubnetOverlapsNothing() {
    assertThat(PLAN.choose(Family.IPV4, List.of())).isEqualTo(subnet("10.0.0.0/30"));
    assertThat(PLAN.choose(Family.IPV4, List.of(Prefix.parse("10.0.0.1/32"))))
        .isEqualTo(subnet("10.0.0.4/30"));
    assertThat(
            PLAN.choose(
                Family.IPV4,
                List.of(
                    Prefix.parse("10.0.0.0/16"),
                    Prefix.parse("10.1.0.0/23"),
                    Prefix.parse("10.1.2.128/25"))))
        .isEqualTo(subnet("10.1.3.0/24"));
    assertThatThrownBy(() -> PLAN.choose(Family.IPV4, List.of(Prefix.parse("10.0.0.0/8"))))
        .hasMessageStartingWith("no IPv4 subnet is left to choose");
    assertThat(PLAN.choose(Family.IPV6, List.of(Prefix.parse("fd00::/63"))))
        .isEqualTo(subnet("fd00:0:0:2::/64"));
  }

  private static Subnet subnet(String prefix) {
    return Subnet.of(Prefix.parse(prefix));
  }

  /** Fails if an address that was given back is given at once again while others are free. */
  @Test
  void addressesAreGivenInTurn() {
    AddressPlan plan = new AddressPlan(List.of());
    Network network = network("10.2.0.0/29", "10.2.0.3");
    Set<IpAddress> taken = new HashSet<>();
    assertThat(List.of(give(plan, network, taken), give(plan, network, taken)))
        .containsExactly("10.2.0.1", "10.2.0.2");
    taken.remove(IpAddress.parse("10.2.0.1"));
    assertThat(
            List.of(
                give(plan, network, taken),
                give(plan, network, taken),
                give(plan, network, taken),
                give(plan, network, taken)))
        .containsExactly("10.2.0.4", "10.2.0.5", "10.2.0.6", "10.2.0.1");
    assertThatThrownBy(() -> give(plan, network, taken))
        .isInstanceOf(NetworkException.class)
        .hasMessageContaining("no free IPv4 address");
  }

  /** Fails if an address outside the pool is chosen, or one that is promised. */
  @Test
  void thePoolIsKeptTo() {
    AddressPlan plan = new AddressPlan(List.of());
    Network network = network("fd00::/64", "fd00::1", "fd00::10/127");
    Prefix subnet = network.subnets().get(0);
    assertThat(plan.promise(network, subnet, one -> false)).hasToString("fd00::10");
    assertThat(plan.promise(network, subnet, one -> false)).hasToString("fd00::11");
    assertThatThrownBy(() -> plan.promise(network, subnet, one -> false))
        .hasMessageContaining("fd00::10/127");
    // By name it may be outside the pool.
    IpAddress wanted = IpAddress.parse("fd00::99");
    assertThat(plan.promise(network, wanted, one -> false, "web")).isEqualTo(wanted);
    assertThatThrownBy(() -> plan.promise(network, wanted, one -> false, "web"))
        .hasMessage("the address fd00::99 belongs to web: choose another");
    assertThatThrownBy(() -> plan.promise(network, IpAddress.parse("fd00::1"), one -> false, "web"))
        .hasMessageContaining("is the gateway of the network blue");
    assertThatThrownBy(
            () -> plan.promise(network, IpAddress.parse("10.0.0.1"), one -> false, "web"))
        .hasMessageContaining("has no IPv4 subnet");
  }
}
