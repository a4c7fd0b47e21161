package dev.sluice.api.docker;

import static dev.sluice.net.MalformedValueException.quote;

import dev.sluice.model.Egress;
import dev.sluice.model.InterfaceName;
import dev.sluice.model.InvalidNetworkException;
import dev.sluice.model.NetworkRequest;
import dev.sluice.model.Owner;
import dev.sluice.model.Subnet;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Prefix;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeSet;

/**
 * What {@code docker network create} asks for: subnets and gateways chosen by Docker, and the
 * options of {@code -o}, of which one that we do not know is refused.
 */
final class DriverNetworkRequest {
  /** Beside our own options, those of Docker's bridge driver that mean something here. */
  private static final String NAME = "sluice.name";

  private static final String BRIDGE = "sluice.bridge";
  private static final String DOCKER_BRIDGE = "com.docker.network.bridge.name";
  private static final String MTU = "com.docker.network.driver.mtu";
  private static final String ICC = "com.docker.network.bridge.enable_icc";
  private static final String MASQUERADE = "com.docker.network.bridge.enable_ip_masquerade";
  private static final Set<String> KNOWN =
      new TreeSet<>(Set.of(NAME, BRIDGE, DOCKER_BRIDGE, MTU, ICC, MASQUERADE));

  private static final String USER_OPTIONS = "com.docker.network.generic";
  private static final String INTERNAL = "com.docker.network.internal";

  private static final int SHORT_ID = 12;

  private DriverNetworkRequest() {}

  /** What a network is called that was given no name: Docker does not tell its own. */
  static String nameOf(String networkId) {
    return "docker-" + networkId.substring(0, Math.min(SHORT_ID, networkId.length()));
  }

  /**
   * Reads the request of {@code /NetworkDriver.CreateNetwork}.
   *
   * @throws InvalidNetworkException if it asks for what there is not
   * @throws dev.sluice.net.MalformedValueException if a value cannot be read
   */
  static NetworkRequest read(JsonObject request) {
    JsonObject options = request.object("Options");
    JsonObject wanted = options.object(USER_OPTIONS);
    for (String name : wanted.names()) {
      if (!KNOWN.contains(name)) {
        throw new InvalidNetworkException(
            "the option " + quote(name) + " is not known; there are " + String.join(", ", KNOWN));
      }
    }
    boolean internal = options.flag(INTERNAL);
    boolean masquerade = internal || flag(wanted, MASQUERADE);
    List<Subnet> subnets = new ArrayList<>(subnets(request.objects("IPv4Data")));
    subnets.addAll(subnets(request.objects("IPv6Data")));
    return new NetworkRequest(
        wanted.text(NAME).orElseGet(() -> nameOf(request.requiredText("NetworkID"))),
        wanted.text(BRIDGE).or(() -> wanted.text(DOCKER_BRIDGE)).map(InterfaceName::new),
        subnets,
        false,
        mtu(wanted),
        masquerade ? new Egress.Masquerade() : new Egress.Routed(),
        internal,
        !flag(wanted, ICC),
        Owner.DOCKER_DRIVER);
  }

  private static List<Subnet> subnets(List<JsonObject> pools) {
    List<Subnet> subnets = new ArrayList<>();
    for (JsonObject pool : pools) {
      Optional<IpAddress> gateway = pool.text("Gateway").map(DriverNetworkRequest::address);
      subnets.add(new Subnet(Prefix.parse(pool.requiredText("Pool")), gateway, Optional.empty()));
    }
    return subnets;
  }

  /** The address of {@code 10.1.2.3/24}. */
  static IpAddress address(String withLength) {
    int slash = withLength.indexOf('/');
    return IpAddress.parse(slash < 0 ? withLength : withLength.substring(0, slash));
  }

  private static OptionalInt mtu(JsonObject wanted) {
    Optional<String> text = wanted.text(MTU);
    if (text.isEmpty()) {
      return OptionalInt.empty();
    }
    try {
      return OptionalInt.of(Integer.parseInt(text.get()));
    } catch (NumberFormatException e) {
      throw new InvalidNetworkException(
          "the option " + MTU + " must be a number of bytes, not " + quote(text.get()));
    }
  }

  /** On unless it is switched off, as with Docker's own driver. */
  private static boolean flag(JsonObject wanted, String name) {
    String text = wanted.text(name).orElse("true");
    return EngineNetwork.truth(text)
        .orElseThrow(
            () ->
                new InvalidNetworkException(
                    "the option " + name + " must be true or false, not " + quote(text)));
  }
}
