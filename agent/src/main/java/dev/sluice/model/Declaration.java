package dev.sluice.model;

import dev.sluice.net.Prefix;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What is to be there permanently: all that its owner wants, so that what is not in it is taken
 * back.
 *
 * @param ports what to publish, each entry owned by {@link Owner#FILE}
 * @param bridges existing bridges whose containers reach the outside with the host's address
 * @param networks networks to make, each owned by {@link Owner#FILE}
 * @param sandboxes namespaces that are to be on networks, each owned by {@link Owner#FILE}; none
 *     publishes ports, which are in {@code ports}
 */
public record Declaration(
    List<PublishRequest> ports,
    List<InterfaceName> bridges,
    List<NetworkRequest> networks,
    List<SandboxRequest> sandboxes) {
  /** The most port specifications of all entries together; a range counts once. */
  public static final int MAX_PORTS = 65_536;

  /** The most networks, bridges included. */
  public static final int MAX_NETWORKS = 1_024;

  /** The most sandboxes. */
  public static final int MAX_SANDBOXES = 4_096;

  /**
   * Checks the limits, and what can be checked without the host.
   *
   * @throws InvalidMappingException if there are too many ports
   * @throws InvalidNetworkException if there are too many networks or sandboxes, or some contradict
   *     each other
   * @throws IllegalArgumentException if an entry has another owner, or a sandbox publishes ports
   */
  public Declaration {
    ports = List.copyOf(ports);
    bridges = List.copyOf(bridges);
    networks = List.copyOf(networks);
    sandboxes = List.copyOf(sandboxes);
    int count = ports.stream().mapToInt(entry -> entry.ports().size()).sum();
    if (count > MAX_PORTS) {
      throw new InvalidMappingException(
          "at most " + MAX_PORTS + " ports can be declared, not " + count);
    }
    limit("networks", bridges.size() + networks.size(), MAX_NETWORKS);
    limit("sandboxes", sandboxes.size(), MAX_SANDBOXES);
    boolean ofTheFile =
        ports.stream().allMatch(entry -> entry.owner() == Owner.FILE)
            && networks.stream().allMatch(entry -> entry.owner() == Owner.FILE)
            && sandboxes.stream()
                .allMatch(entry -> entry.owner() == Owner.FILE && entry.publish().isEmpty());
    if (!ofTheFile) {
      throw new IllegalArgumentException(
          "what is declared belongs to the file, and sandboxes publish nothing themselves");
    }
    Contradictions contradictions = new Contradictions();
    bridges.forEach(contradictions::add);
    networks.forEach(contradictions::add);
    sandboxes.forEach(contradictions::add);
    Optional<SandboxRequest> circle = inCircle(sandboxes);
    if (circle.isPresent()) {
      throw new InvalidNetworkException(circleText(circle.get()));
    }
  }

  /** Ports, and bridges that are there already. */
  public Declaration(List<PublishRequest> ports, List<InterfaceName> bridges) {
    this(ports, bridges, List.of(), List.of());
  }

  private static void limit(String what, int count, int most) {
    if (count > most) {
      throw new InvalidNetworkException(
          "at most " + most + " " + what + " can be declared, not " + count);
    }
  }

  /** Looks at entries one after the other, whether each can stand beside those before it. */
  public static final class Contradictions {
    private final Map<String, List<Prefix>> networks = new LinkedHashMap<>();
    private final Set<InterfaceName> bridges = new HashSet<>();
    private final Map<String, SandboxName> namespaces = new HashMap<>();
    private final Set<SandboxName> sandboxes = new HashSet<>();

    /**
     * Adds a bridge that is there already; its network has its name.
     *
     * @throws InvalidNetworkException if it is there twice
     */
    public void add(InterfaceName bridge) {
      network(bridge.text(), List.of());
      bridge(bridge);
    }

    /**
     * Adds a network.
     *
     * @throws InvalidNetworkException if its name, its bridge or a subnet is another's
     */
    public void add(NetworkRequest request) {
      network(request.name(), request.subnets().stream().map(Subnet::prefix).toList());
      request.bridge().ifPresent(this::bridge);
    }

    private void network(String name, List<Prefix> subnets) {
      if (networks.containsKey(name)) {
        throw new InvalidNetworkException(
            "the network " + name + " is declared twice: leave one out");
      }
      networks.forEach(
          (other, blocks) ->
              blocks.forEach(block -> subnets.forEach(subnet -> checkApart(subnet, block, other))));
      networks.put(name, subnets);
    }

    private static void checkApart(Prefix subnet, Prefix block, String other) {
      if (subnet.overlaps(block)) {
        throw new InvalidNetworkException(
            "the subnet "
                + subnet
                + " overlaps the subnet "
                + block
                + " of the network "
                + other
                + ": choose another");
      }
    }

    private void bridge(InterfaceName bridge) {
      if (!bridges.add(bridge)) {
        throw new InvalidNetworkException(
            "two networks are to have the bridge " + bridge + ": give each its own");
      }
    }

    /**
     * Adds a sandbox.
     *
     * @throws InvalidNetworkException if its name or namespace is another's
     */
    public void add(SandboxRequest request) {
      if (!sandboxes.add(request.name())) {
        throw new InvalidNetworkException(
            "the sandbox " + request.name() + " is declared twice: leave one out");
      }
      SandboxName other = namespaces.putIfAbsent(request.namespacePath(), request.name());
      if (other != null) {
        throw new InvalidNetworkException(
            "the sandboxes "
                + other
                + " and "
                + request.name()
                + " are the same network namespace: declare it once, with all its networks");
      }
    }
  }

  /** A sandbox that would have to be there before itself, for its links. */
  public static Optional<SandboxRequest> inCircle(List<SandboxRequest> sandboxes) {
    Order order = new Order(sandboxes);
    return Optional.ofNullable(order.circle);
  }

  /** What is wrong with a sandbox of {@link #inCircle}. */
  public static String circleText(SandboxRequest sandbox) {
    return "the links of the sandbox "
        + sandbox.name()
        + " lead back to it: one of a circle must do without";
  }

  /** The sandboxes, each behind those it is linked to. */
  public List<SandboxRequest> sandboxesInOrder() {
    return List.copyOf(new Order(sandboxes).sorted);
  }

  /** Takes sandboxes whose links lead to none that is left, until there are no more. */
  private static final class Order {
    private final Map<SandboxName, SandboxRequest> left = new LinkedHashMap<>();
    private final List<SandboxRequest> sorted = new ArrayList<>();
    private @Nullable SandboxRequest circle;

    Order(List<SandboxRequest> sandboxes) {
      sandboxes.forEach(one -> left.put(one.name(), one));
      Map<SandboxName, List<SandboxRequest>> linkedTo = new HashMap<>();
      for (SandboxRequest one : sandboxes) {
        needs(one).forEach(to -> linkedTo.computeIfAbsent(to, name -> new ArrayList<>()).add(one));
      }
      Deque<SandboxRequest> ready = new ArrayDeque<>();
      sandboxes.stream().filter(one -> needs(one).isEmpty()).forEach(ready::add);
      while (!ready.isEmpty()) {
        SandboxRequest one = ready.remove();
        left.remove(one.name());
        sorted.add(one);
        linkedTo.getOrDefault(one.name(), List.of()).stream()
            .filter(other -> needs(other).isEmpty())
            .forEach(ready::add);
      }
      if (!left.isEmpty()) {
        // Each that is left needs another that is: following that for long enough ends in a circle.
        SandboxRequest one = left.values().iterator().next();
        for (int i = 0; i < left.size(); i++) {
          one = Objects.requireNonNull(left.get(needs(one).iterator().next()));
        }
        circle = one;
      }
    }

    /** Those it is linked to and that are left, in order and each once. */
    private Set<SandboxName> needs(SandboxRequest one) {
      Set<SandboxName> needed = new LinkedHashSet<>();
      one.links().stream().map(SandboxLink::to).filter(left::containsKey).forEach(needed::add);
      return needed;
    }
  }
}
