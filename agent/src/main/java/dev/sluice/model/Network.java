package dev.sluice.model;

import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Prefix;
import java.util.List;
import java.util.Optional;

/**
 * A bridge on the host and the subnets of the containers attached to it.
 *
 * @param name what it is called, by the rule of {@link MappingName}
 * @param bridge the interface of the bridge
 * @param subnets the blocks its containers have addresses of, at least one, none in another
 * @param egress how its containers look to the outside
 * @param settings what else it is
 */
public record Network(
    String name,
    InterfaceName bridge,
    List<Prefix> subnets,
    Egress egress,
    NetworkSettings settings) {

  /**
   * Copies the list and checks the parts.
   *
   * @throws dev.sluice.net.MalformedValueException if the name breaks the rule
   * @throws IllegalArgumentException if there is no subnet, or two overlap
   */
  public Network {
    Names.check("network name", name);
    subnets = List.copyOf(subnets);
    if (subnets.isEmpty()) {
      throw new IllegalArgumentException("network " + name + " needs a subnet");
    }
    for (int i = 0; i < subnets.size(); i++) {
      for (int j = 0; j < i; j++) {
        if (subnets.get(i).overlaps(subnets.get(j))) {
          throw new IllegalArgumentException(
              "subnets "
                  + subnets.get(j)
                  + " and "
                  + subnets.get(i)
                  + " of network "
                  + name
                  + " overlap");
        }
      }
    }
  }

  /** A network on a bridge that was there before. */
  public Network(String name, InterfaceName bridge, List<Prefix> subnets, Egress egress) {
    this(name, bridge, subnets, egress, NetworkSettings.NONE);
  }

  /**
   * Returns the name if it can be one.
   *
   * @throws dev.sluice.net.MalformedValueException if the name breaks the rule
   */
  public static String checkName(String name) {
    Names.check("network name", name);
    return name;
  }

  /** The same by another name. */
  public Network withName(String other) {
    return new Network(other, bridge, subnets, egress, settings);
  }

  /** The same with another way out. */
  public Network withEgress(Egress other) {
    return new Network(name, bridge, subnets, other, settings);
  }

  /** The same on an interface that has got another name. */
  public Network withBridge(InterfaceName renamed) {
    return new Network(name, renamed, subnets, egress, settings);
  }

  /** Whether Sluice made its bridge, and takes it away with the network. */
  public boolean isManaged() {
    return settings.made().isPresent();
  }

  /**
   * Whether the names of its sandboxes are answered by us: Docker answers those it knows itself.
   */
  public boolean answersNames() {
    return settings.made().filter(made -> made.by() != Owner.DOCKER_DRIVER).isPresent();
  }

  /** The subnet of that family. */
  public Optional<Prefix> subnet(Family family) {
    return subnets.stream().filter(subnet -> subnet.family() == family).findFirst();
  }

  /** Whether the address is one of its containers'. */
  public boolean contains(IpAddress address) {
    return subnets.stream().anyMatch(subnet -> subnet.contains(address));
  }
}
