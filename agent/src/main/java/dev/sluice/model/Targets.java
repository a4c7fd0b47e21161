package dev.sluice.model;

import dev.sluice.net.Family;
import dev.sluice.net.Ip6Address;
import dev.sluice.net.IpAddress;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** The addresses of one container: at most one of each family. */
public final class Targets {
  private Targets() {}

  /**
   * Checks that there are not two of one family.
   *
   * @return the addresses, IPv4-mapped ones as the IPv4 addresses they carry
   */
  public static List<IpAddress> check(List<IpAddress> targets) {
    Map<Family, IpAddress> byFamily = new EnumMap<>(Family.class);
    for (IpAddress given : targets) {
      IpAddress target = given instanceof Ip6Address six ? six.unmapped() : given;
      IpAddress other = byFamily.putIfAbsent(target.family(), target);
      if (other != null) {
        throw new InvalidMappingException(
            other
                + " and "
                + target
                + " are both "
                + target.family().title()
                + " addresses: a container is given by one of each family at most");
      }
    }
    return List.copyOf(byFamily.values());
  }

  /** The address of that family. */
  public static Optional<IpAddress> of(List<IpAddress> targets, Family family) {
    return targets.stream().filter(target -> target.family() == family).findFirst();
  }
}
