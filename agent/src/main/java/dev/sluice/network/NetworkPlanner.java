package dev.sluice.network;

import static dev.sluice.net.MalformedValueException.quote;

import dev.sluice.model.Declaration;
import dev.sluice.model.DeclaredChange.Action;
import dev.sluice.model.DeclaredChange.Kind;
import dev.sluice.model.Egress;
import dev.sluice.model.Endpoint;
import dev.sluice.model.MappingOptions;
import dev.sluice.model.Network;
import dev.sluice.model.NetworkRequest;
import dev.sluice.model.NetworkSettings;
import dev.sluice.model.Owner;
import dev.sluice.model.Sandbox;
import dev.sluice.model.SandboxName;
import dev.sluice.model.SandboxRequest;
import dev.sluice.model.SandboxRequest.Attachment;
import dev.sluice.model.Subnet;
import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Prefix;
import java.util.ArrayList;
import java.util.Collection;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * Compares networks and sandboxes with what is declared. It only looks; {@link NetworkPlan} then
 * does what is to be done.
 *
 * <p>Only what {@link Owner#FILE} made is changed or removed. What is as declared is left alone,
 * whoever made it.
 */
public final class NetworkPlanner {
  private final NetworkService networks;

  public NetworkPlanner(NetworkService networks) {
    this.networks = networks;
  }

  private Topology topology() {
    return networks.topology();
  }

  /**
   * Plans everything.
   *
   * @param prune whether what was declared once and is not any more is to go; else it is named
   * @throws NetworkException if something cannot become what is declared
   */
  public NetworkPlan plan(Declaration declaration, boolean prune) {
    NetworkPlan plan = new NetworkPlan();
    declaration.networks().forEach(request -> plan(request, plan));
    Undeclared undeclared = new Undeclared(declaration, prune);
    Set<String> there = undeclared.networksThere();
    for (SandboxRequest request : declaration.sandboxesInOrder()) {
      plan(request, there, undeclared, plan);
    }
    undeclared.settle(plan);
    return plan;
  }

  /**
   * Plans one network.
   *
   * @throws NetworkException if it cannot become what is declared
   */
  public NetworkPlan plan(NetworkRequest request) {
    NetworkPlan plan = new NetworkPlan();
    plan(request, plan);
    return plan;
  }

  /**
   * Plans one sandbox, whose networks are there.
   *
   * @throws NetworkException if it cannot become what is declared
   */
  public NetworkPlan plan(SandboxRequest request) {
    NetworkPlan plan = new NetworkPlan();
    Undeclared nothing = new Undeclared(new Declaration(List.of(), List.of()), false);
    plan(request, nothing.networksThere(), nothing, plan);
    return plan;
  }

  // ---- networks

  private void plan(NetworkRequest request, NetworkPlan plan) {
    Optional<Network> there = topology().network(request.name());
    String text = describe(request);
    List<Prefix> subnets = request.subnets().stream().map(Subnet::prefix).toList();
    if (there.isEmpty()) {
      plan.add(Action.ADD, Kind.NETWORK, text);
      plan.comes(subnets);
      plan.make(rollback -> make(request, rollback));
      return;
    }
    Network network = there.get();
    List<String> differences = differences(request, network);
    if (differences.isEmpty()) {
      plan.foundUnchanged();
      return;
    }
    String difference = String.join(", ", differences);
    checkCanChange(network, difference);
    plan.add(Action.CHANGE, Kind.NETWORK, request.name() + ": " + difference);
    plan.comes(subnets);
    plan.make(
        rollback -> {
          remove(network, rollback);
          make(request, rollback);
        });
  }

  private void make(NetworkRequest request, Rollback rollback) {
    networks.create(request);
    rollback.push("the network " + request.name(), () -> networks.remove(request.name()));
  }

  private void remove(Network network, Rollback rollback) {
    networks.remove(network.name());
    rollback.push("the network " + network.name(), () -> networks.create(again(network)));
  }

  private void checkCanChange(Network network, String difference) {
    String name = network.name();
    Optional<Owner> owner = network.settings().made().map(NetworkSettings.Made::by);
    if (owner.isEmpty()) {
      throw new NetworkException(
          NetworkException.Kind.CONFLICT,
          "there is a network "
              + name
              + " on a bridge of somebody else: give the declared one another name");
    }
    if (owner.get() != Owner.FILE) {
      throw new NetworkException(
          NetworkException.Kind.CONFLICT,
          "the network "
              + name
              + ", made by "
              + owner.get()
              + ", is not as declared ("
              + difference
              + "): remove it with sluice network rm "
              + name
              + ", or give the declared one another name");
    }
    List<Sandbox> users = topology().on(name);
    if (!users.isEmpty()) {
      throw new NetworkException(
          NetworkException.Kind.CONFLICT,
          "the network "
              + name
              + " is not as declared ("
              + difference
              + ") and cannot be changed while it is in use by "
              + names(users)
              + ": disconnect them first, or give the declared one another name");
    }
  }

  private static String names(List<Sandbox> users) {
    return users.size() > 3
        ? users.get(0).name() + " and " + (users.size() - 1) + " other sandboxes"
        : users.stream().map(one -> one.name().text()).collect(Collectors.joining(", "));
  }

  /** What was left to be chosen can be anything. */
  private static List<String> differences(NetworkRequest request, Network network) {
    List<String> differences = new ArrayList<>();
    Set<Family> families = EnumSet.noneOf(Family.class);
    if (request.subnets().isEmpty()) {
      families.add(Family.IPV4);
    }
    if (request.ipv6()) {
      families.add(Family.IPV6);
    }
    NetworkSettings settings = network.settings();
    for (Subnet wanted : request.subnets()) {
      Family family = wanted.prefix().family();
      families.add(family);
      Optional<Prefix> subnet = network.subnet(family);
      if (!subnet.equals(Optional.of(wanted.prefix()))) {
        differ("subnet", subnet.map(Prefix::toString), wanted.prefix().toString(), differences);
        continue;
      }
      IpAddress gateway = wanted.gateway().orElseGet(() -> AddressPlan.firstHost(wanted.prefix()));
      differ(
          "gateway",
          settings.gateway(family).map(IpAddress::toString),
          gateway.toString(),
          differences);
      Optional<Prefix> pool =
          settings.pools().stream().filter(wanted.prefix()::contains).findFirst();
      differ(
          "range",
          Optional.of(pool.orElse(wanted.prefix()).toString()),
          wanted.pool().orElse(wanted.prefix()).toString(),
          differences);
    }
    for (Family family : Family.values()) {
      if (network.subnet(family).isPresent() != families.contains(family)) {
        differ(
            family.title(),
            Optional.of(network.subnet(family).isPresent() ? "yes" : "no"),
            families.contains(family) ? "yes" : "no",
            differences);
      }
    }
    if (request.mtuBytes().isPresent()) {
      Optional<String> mtu =
          settings.mtuBytes().isPresent()
              ? Optional.of(Integer.toString(settings.mtuBytes().getAsInt()))
              : Optional.empty();
      differ("mtu", mtu, Integer.toString(request.mtuBytes().getAsInt()), differences);
    }
    request
        .bridge()
        .ifPresent(
            bridge ->
                differ("bridge", Optional.of(network.bridge().text()), bridge.text(), differences));
    differ("egress", Optional.of(text(network.egress())), text(request.egress()), differences);
    differ(
        "internal",
        Optional.of(Boolean.toString(settings.internal())),
        Boolean.toString(request.internal()),
        differences);
    differ(
        "icc",
        Optional.of(Boolean.toString(!settings.isolated())),
        Boolean.toString(!request.isolated()),
        differences);
    return differences;
  }

  private static void differ(
      String what, Optional<String> there, String wanted, List<String> differences) {
    if (!there.equals(Optional.of(wanted))) {
      differences.add(what + " " + wanted + " instead of " + there.orElse("none"));
    }
  }

  private static String text(Egress egress) {
    if (egress instanceof Egress.FixedSource fixed) {
      return fixed.addresses().stream()
          .map(IpAddress::toString)
          .sorted()
          .collect(Collectors.joining(" and "));
    }
    return egress.text();
  }

  private static String describe(NetworkRequest request) {
    StringBuilder text = new StringBuilder(request.name());
    request.subnets().forEach(subnet -> text.append(' ').append(subnet.prefix()));
    return text.toString();
  }

  private static String describe(Network network) {
    StringBuilder text = new StringBuilder(network.name());
    network.subnets().forEach(subnet -> text.append(' ').append(subnet));
    return text.toString();
  }

  /** The request that makes a network as it was. */
  private static NetworkRequest again(Network network) {
    NetworkSettings settings = network.settings();
    return new NetworkRequest(
        network.name(),
        Optional.of(network.bridge()),
        network.subnets().stream()
            .map(
                prefix ->
                    new Subnet(
                        prefix,
                        settings.gateway(prefix.family()),
                        settings.pools().stream().filter(prefix::contains).findFirst()))
            .toList(),
        false,
        settings.mtuBytes(),
        network.egress(),
        settings.internal(),
        settings.isolated(),
        Owner.FILE);
  }

  // ---- sandboxes

  private void plan(
      SandboxRequest request, Set<String> networksThere, Undeclared undeclared, NetworkPlan plan) {
    for (Attachment attachment : request.attachments()) {
      if (!networksThere.contains(attachment.network())) {
        throw new NetworkException(
            NetworkException.Kind.NOT_FOUND,
            "the sandbox "
                + request.name()
                + " is to be on the network "
                + attachment.network()
                + ", which is not there: declare it under \"networks\"");
      }
    }
    Optional<Sandbox> here = networks.at(request.namespacePath());
    Optional<Sandbox> known = topology().sandbox(request.name());
    if (here.isPresent() && !here.get().name().equals(request.name())) {
      Sandbox other = here.get();
      if (known.isPresent() || !undeclared.takes(other)) {
        throw new NetworkException(
            NetworkException.Kind.CONFLICT,
            "the network namespace "
                + quote(request.namespacePath())
                + " is the sandbox "
                + other.name()
                + " already: take that from its networks first, or declare it by that name");
      }
      plan.add(Action.REMOVE, Kind.SANDBOX, other.name().text());
      comes(request, plan);
      replace(other, request, plan);
    } else if (known.isEmpty()) {
      comes(request, plan);
      plan.make(rollback -> make(request, rollback));
    } else if (here.isEmpty()) {
      checkOwner(known.get(), "another network namespace");
      plan.add(Action.CHANGE, Kind.SANDBOX, request.name() + ": another network namespace");
      plan.comes(request.name());
      replace(known.get(), request, plan);
    } else {
      change(known.get(), request, plan);
    }
  }

  private static void comes(SandboxRequest request, NetworkPlan plan) {
    plan.add(
        Action.ADD,
        Kind.SANDBOX,
        request.name()
            + " on "
            + request.attachments().stream()
                .map(Attachment::network)
                .collect(Collectors.joining(", ")));
    plan.comes(request.name());
  }

  private void replace(Sandbox old, SandboxRequest request, NetworkPlan plan) {
    plan.replaces();
    plan.make(
        rollback -> {
          try {
            remove(old, rollback);
          } catch (NetworkException e) {
            if (e.kind() != NetworkException.Kind.NOT_FOUND) {
              throw e;
            }
            // It has ended by itself meanwhile.
          }
          make(request, rollback);
        });
  }

  private void make(SandboxRequest request, Rollback rollback) {
    networks.create(request);
    rollback.push("the sandbox " + request.name(), () -> networks.remove(request.name()));
  }

  private void remove(Sandbox sandbox, Rollback rollback) {
    networks.remove(sandbox.name());
    rollback.push("the sandbox " + sandbox.name(), () -> networks.create(again(sandbox)));
  }

  /** Makes a sandbox that is there what is declared. */
  private void change(Sandbox sandbox, SandboxRequest request, NetworkPlan plan) {
    List<String> differences = new ArrayList<>();
    List<NetworkPlan.Step> making = new ArrayList<>();
    List<NetworkPlan.Step> removing = new ArrayList<>();
    Set<String> wanted = new HashSet<>();
    boolean rejoins = false;
    for (Attachment attachment : request.attachments()) {
      wanted.add(attachment.network());
      Optional<Endpoint> endpoint = sandbox.on(attachment.network());
      if (endpoint.isEmpty()) {
        differences.add("joins " + attachment.network());
        making.add(rollback -> join(sandbox, attachment, rollback));
      } else if (!serves(endpoint.get(), attachment)) {
        differences.add("joins " + attachment.network() + " anew");
        rejoins = true;
        making.add(
            rollback -> {
              leave(sandbox, endpoint.get(), rollback);
              join(sandbox, attachment, rollback);
            });
      }
    }
    for (Endpoint endpoint : sandbox.endpoints()) {
      if (!wanted.contains(endpoint.network())) {
        differences.add("leaves " + endpoint.network());
        removing.add(rollback -> leave(sandbox, endpoint, rollback));
      }
    }
    boolean links = !isSame(sandbox.links(), request.links());
    if (links) {
      differences.add("links " + list(request.links()) + " instead of " + list(sandbox.links()));
    }
    boolean exposes = !isSame(sandbox.exposed(), request.exposed());
    if (exposes) {
      differences.add(
          "exposes " + list(request.exposed()) + " instead of " + list(sandbox.exposed()));
    }
    if (differences.isEmpty()) {
      plan.foundUnchanged();
      return;
    }
    String difference = String.join(", ", differences);
    checkOwner(sandbox, difference);
    plan.add(Action.CHANGE, Kind.SANDBOX, sandbox.name() + ": " + difference);
    if (rejoins) {
      plan.replaces();
    }
    if (links || exposes) {
      making.add(rollback -> relink(sandbox, request, rollback));
    }
    making.forEach(plan::make);
    removing.forEach(plan::remove);
  }

  private static void checkOwner(Sandbox sandbox, String difference) {
    if (sandbox.owner() != Owner.FILE) {
      throw new NetworkException(
          NetworkException.Kind.CONFLICT,
          "the sandbox "
              + sandbox.name()
              + ", made by "
              + sandbox.owner()
              + ", is not as declared ("
              + difference
              + "): take it from its networks first, or give the declared one another name");
    }
  }

  /** What was left to be chosen can be anything. */
  private static boolean serves(Endpoint endpoint, Attachment attachment) {
    return endpoint.addresses().containsAll(attachment.addresses())
        && isSame(endpoint.aliases(), attachment.aliases())
        && attachment
            .interfaceName()
            .filter(name -> !name.equals(endpoint.interfaceName()))
            .isEmpty();
  }

  private static boolean isSame(Collection<?> one, Collection<?> other) {
    return new HashSet<>(one).equals(new HashSet<>(other));
  }

  private static String list(List<?> values) {
    return values.isEmpty()
        ? "nothing"
        : values.stream().map(Object::toString).collect(Collectors.joining(" and "));
  }

  private void join(Sandbox sandbox, Attachment attachment, Rollback rollback) {
    networks.connect(sandbox.name(), attachment, Optional.empty(), Owner.FILE);
    rollback.push(
        place(sandbox, attachment.network()),
        () -> networks.disconnect(sandbox.name(), attachment.network()));
  }

  private void leave(Sandbox sandbox, Endpoint endpoint, Rollback rollback) {
    networks.disconnect(sandbox.name(), endpoint.network());
    rollback.push(
        place(sandbox, endpoint.network()),
        () -> networks.connect(sandbox.name(), again(endpoint), Optional.empty(), Owner.FILE));
  }

  private void relink(Sandbox sandbox, SandboxRequest request, Rollback rollback) {
    networks.relink(sandbox.name(), request.exposed(), request.links());
    rollback.push(
        "the links of the sandbox " + sandbox.name(),
        () -> networks.relink(sandbox.name(), sandbox.exposed(), sandbox.links()));
  }

  private static String place(Sandbox sandbox, String network) {
    return "the place of the sandbox " + sandbox.name() + " on the network " + network;
  }

  private static Attachment again(Endpoint endpoint) {
    return new Attachment(
        endpoint.network(),
        endpoint.addresses(),
        endpoint.aliases(),
        Optional.of(endpoint.interfaceName()));
  }

  /** The request that makes a sandbox as it was. */
  private static SandboxRequest again(Sandbox sandbox) {
    return new SandboxRequest(
        sandbox.name(),
        sandbox.namespace().orElseThrow().path(),
        sandbox.endpoints().stream().map(NetworkPlanner::again).toList(),
        sandbox.exposed(),
        sandbox.links(),
        List.of(),
        MappingOptions.NONE,
        sandbox.owner());
  }

  // ---- what is not declared

  /** What an earlier declaration made, and is not in this one. */
  private final class Undeclared {
    private final Declaration declaration;
    private final boolean prune;
    private final List<Network> oldNetworks;
    private final List<Sandbox> oldSandboxes;

    Undeclared(Declaration declaration, boolean prune) {
      this.declaration = declaration;
      this.prune = prune;
      Set<String> names =
          declaration.networks().stream().map(NetworkRequest::name).collect(Collectors.toSet());
      oldNetworks =
          topology().networks().stream()
              .filter(one -> one.settings().made().filter(m -> m.by() == Owner.FILE).isPresent())
              .filter(one -> !names.contains(one.name()))
              .toList();
      Set<SandboxName> sandboxes =
          declaration.sandboxes().stream().map(SandboxRequest::name).collect(Collectors.toSet());
      oldSandboxes =
          new ArrayList<>(
              topology().sandboxes().stream()
                  .filter(one -> one.owner() == Owner.FILE && !sandboxes.contains(one.name()))
                  .toList());
    }

    /** The networks that are there when sandboxes come to them, and stay. */
    Set<String> networksThere() {
      Set<String> there = new HashSet<>();
      topology().networks().forEach(one -> there.add(one.name()));
      if (prune) {
        oldNetworks.forEach(one -> there.remove(one.name()));
      }
      declaration.networks().forEach(one -> there.add(one.name()));
      return there;
    }

    /** Whether a sandbox goes; if so, whoever asked removes it. */
    boolean takes(Sandbox sandbox) {
      return prune && oldSandboxes.remove(sandbox);
    }

    /** Plans what becomes of the rest. */
    void settle(NetworkPlan plan) {
      if (!prune) {
        oldSandboxes.forEach(one -> plan.add(Action.KEEP, Kind.SANDBOX, one.name().text()));
        oldNetworks.forEach(one -> plan.add(Action.KEEP, Kind.NETWORK, describe(one)));
        return;
      }
      for (Sandbox sandbox : oldSandboxes) {
        plan.add(Action.REMOVE, Kind.SANDBOX, sandbox.name().text());
        plan.remove(rollback -> NetworkPlanner.this.remove(sandbox, rollback));
      }
      for (Network network : oldNetworks) {
        List<Sandbox> stay =
            topology().on(network.name()).stream()
                .filter(one -> one.owner() != Owner.FILE)
                .toList();
        if (!stay.isEmpty()) {
          throw new NetworkException(
              NetworkException.Kind.CONFLICT,
              "the network "
                  + network.name()
                  + " is not declared any more and in use by "
                  + names(stay)
                  + ": disconnect them first, or leave out --prune");
        }
        plan.add(Action.REMOVE, Kind.NETWORK, describe(network));
        plan.remove(rollback -> NetworkPlanner.this.remove(network, rollback));
      }
    }
  }
}
