package dev.sluice.network.names;

import dev.sluice.net.IpAddress;
import java.util.List;
import java.util.Optional;

/** The names one container sees. Names are in lower case, without a dot at the end. */
public interface View {

  /**
   * The addresses behind a name such as {@code web} or {@code web.blue}, in the order in which they
   * are answered; empty if there is no such name.
   */
  List<IpAddress> addressesOf(String name);

  /**
   * The full name of whoever has this address, such as {@code web.blue}; empty if the address is
   * nobody's that the container sees.
   */
  Optional<String> nameOf(IpAddress address);

  /** The ports that whoever has this name declares or publishes. */
  List<ServicePorts> portsOf(String name);

  /** As what the container itself is published. */
  List<PublishedAs> self();

  /**
   * Whether names that nobody here has are asked of the host's resolvers. Where they are not, on
   * internal networks, they do not exist.
   */
  boolean forwards();
}
