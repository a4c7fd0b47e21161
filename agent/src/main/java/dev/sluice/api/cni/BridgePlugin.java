package dev.sluice.api.cni;

import dev.sluice.api.cni.CniException.Code;
import dev.sluice.model.Egress;
import dev.sluice.model.Endpoint;
import dev.sluice.model.InterfaceName;
import dev.sluice.model.Network;
import dev.sluice.model.NetworkRequest;
import dev.sluice.model.NetworkSettings;
import dev.sluice.model.Owner;
import dev.sluice.model.Sandbox;
import dev.sluice.model.SandboxName;
import dev.sluice.model.SandboxRequest;
import dev.sluice.model.Subnet;
import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.net.MalformedValueException;
import dev.sluice.net.Prefix;
import dev.sluice.network.EndpointMac;
import dev.sluice.network.NetworkException;
import dev.sluice.network.NetworkService;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;

/**
 * The plugin {@code sluice-bridge}: puts a container on a network of Sluice's, and makes the
 * network if it is the first. Sluice gives the addresses, so there is no IPAM plugin behind it.
 */
final class BridgePlugin implements CniPlugin {
  private static final String EVERYWHERE4 = "0.0.0.0/0";
  private static final String EVERYWHERE6 = "::/0";

  /** Of an Ethernet interface, where no network was asked for another. */
  private static final int DEFAULT_MTU_BYTES = 1_500;

  private final NetworkService networks;

  BridgePlugin(NetworkService networks) {
    this.networks = networks;
  }

  @Override
  public CniResult add(Attachment attachment, String namespacePath, CniConfig config) {
    if (namespacePath.isEmpty()) {
      throw CniException.of(
          Code.INVALID_ENVIRONMENT,
          "CNI_NETNS is not set: it names the file of the container's network namespace");
    }
    checkIsSupported(config.json());
    SandboxRequest.Attachment join = place(attachment, config.json());
    Optional<CniResult.Dns> dns = config.json().object("dns").map(CniResult.Dns::read);
    // Everything that can be a mistake is looked at before anything is made.
    var unused = networks.at(namespacePath);
    Network network = network(config);
    Optional<Sandbox> known = known(attachment, namespacePath);
    Optional<Endpoint> there = known.flatMap(one -> one.on(network.name()));
    if (there.isPresent()) {
      checkIsThat(attachment, there.get());
      return result(known.get(), there.get(), network, namespacePath, dns);
    }
    Sandbox sandbox =
        networks.connect(attachment.sandboxName(), join, Optional.of(namespacePath), Owner.CNI);
    Endpoint endpoint =
        sandbox
            .on(network.name())
            .orElseThrow(() -> new IllegalStateException("connected, but not there: " + sandbox));
    return result(sandbox, endpoint, network, namespacePath, dns);
  }

  /** The container as it was known before, unless that was another life of it. */
  private Optional<Sandbox> known(Attachment attachment, String namespacePath) {
    SandboxName name = attachment.sandboxName();
    if (networks.topology().sandbox(name).isEmpty()) {
      return Optional.empty();
    }
    Optional<Sandbox> there = networks.at(namespacePath).filter(one -> one.name().equals(name));
    if (there.isEmpty()) {
      ignoringAbsence(() -> networks.remove(name));
    }
    return there;
  }

  private static void checkIsThat(Attachment attachment, Endpoint endpoint) {
    if (!endpoint.interfaceName().equals(attachment.interfaceName())) {
      throw CniException.of(
          Code.TAKEN,
          "the container "
              + attachment.shownId()
              + " is on the network "
              + attachment.network()
              + " already, by its interface "
              + endpoint.interfaceName()
              + ": it can be there once");
    }
  }

  @Override
  public void delete(Attachment attachment) {
    SandboxName name = attachment.sandboxName();
    boolean mine =
        networks
            .topology()
            .sandbox(name)
            .flatMap(sandbox -> sandbox.on(attachment.network()))
            .filter(there -> there.interfaceName().equals(attachment.interfaceName()))
            .isPresent();
    if (mine) {
      leave(name, attachment.network());
    }
  }

  /** The last network takes the sandbox with it. */
  private void leave(SandboxName name, String network) {
    ignoringAbsence(
        () -> {
          Sandbox left = networks.disconnect(name, network);
          if (left.endpoints().isEmpty()) {
            networks.remove(name);
          }
        });
  }

  /** The end of a namespace is noticed, too: who comes second has nothing to do. */
  private static void ignoringAbsence(Runnable step) {
    try {
      step.run();
    } catch (NetworkException e) {
      if (e.kind() != NetworkException.Kind.NOT_FOUND) {
        throw e;
      }
    }
  }

  @Override
  public void check(Attachment attachment, String namespacePath, CniConfig config) {
    CniResult before = config.previousResult(CniVerb.CHECK);
    Endpoint there =
        networks
            .at(namespacePath)
            .filter(sandbox -> sandbox.name().equals(attachment.sandboxName()))
            .flatMap(sandbox -> sandbox.on(attachment.network()))
            .orElseThrow(
                () ->
                    CniException.of(
                        Code.DIFFERENT,
                        "the container "
                            + attachment.shownId()
                            + " is not on the network "
                            + attachment.network()));
    checkIsThat(attachment, there);
    List<IpAddress> expected = before.addressesOn(attachment.interfaceName().text());
    if (!Set.copyOf(expected).equals(Set.copyOf(there.addresses()))) {
      throw CniException.of(
          Code.DIFFERENT,
          "the container "
              + attachment.shownId()
              + " has "
              + there.addresses()
              + " on the network "
              + attachment.network()
              + ", and \"prevResult\" says "
              + expected);
    }
  }

  @Override
  public void collect(String network, Set<Attachment> valid) {
    Set<SandboxName> kept = new HashSet<>();
    valid.forEach(attachment -> kept.add(attachment.sandboxName()));
    for (Sandbox sandbox : networks.topology().on(network)) {
      if (sandbox.owner() == Owner.CNI && !kept.contains(sandbox.name())) {
        leave(sandbox.name(), network);
      }
    }
  }

  // ---- the configuration

  /** Refuses keys of the plugin bridge whose meaning would be lost. */
  private static void checkIsSupported(CniJson config) {
    config
        .object("ipam")
        .flatMap(ipam -> ipam.text("type"))
        .ifPresent(
            type -> {
              throw CniConfig.unsupported(
                  "ipam",
                  "{\"type\": " + CniException.quoted(type) + "}",
                  "sluice-bridge gives addresses itself: leave it out, and say \"subnets\"");
            });
    for (String key : new String[] {"isGateway", "isDefaultGateway"}) {
      if (!config.bool(key, true)) {
        throw CniConfig.unsupported(
            key,
            "false",
            "the bridge has an address: for a network without a way out say \"internal\"");
      }
    }
    for (String key : new String[] {"promiscMode", "macspoofchk"}) {
      if (config.bool(key, false)) {
        throw CniConfig.unsupported(key, "true", "leave it out");
      }
    }
    OptionalInt vlan = config.integer("vlan");
    if (vlan.orElse(0) != 0) {
      throw CniConfig.unsupported("vlan", String.valueOf(vlan.getAsInt()), "leave it out");
    }
    config
        .object("runtimeConfig")
        .flatMap(runtime -> runtime.text("mac"))
        .ifPresent(
            mac -> {
              throw CniConfig.unsupported(
                  "runtimeConfig.mac",
                  CniException.quoted(mac),
                  "the address of an interface is made of its IP address");
            });
  }

  /** Where the container wants to be on the network, and by which names. */
  private static SandboxRequest.Attachment place(Attachment attachment, CniJson config) {
    List<String> wanted = new ArrayList<>();
    List<SandboxName> aliases = new ArrayList<>();
    aliases.add(new SandboxName(attachment.shownId()));
    Optional<CniJson> runtime = config.object("runtimeConfig");
    runtime.ifPresent(one -> wanted.addAll(one.strings("ips")));
    config
        .object("args")
        .flatMap(args -> args.object("cni"))
        .ifPresent(one -> wanted.addAll(one.strings("ips")));
    runtime
        .flatMap(one -> one.object("aliases"))
        .ifPresent(
            one ->
                one.strings(attachment.network())
                    .forEach(alias -> aliases.add(new SandboxName(alias))));
    List<IpAddress> addresses = new ArrayList<>(2);
    for (String text : wanted) {
      int slash = text.indexOf('/');
      addresses.add(IpAddress.parse(slash < 0 ? text : text.substring(0, slash)));
    }
    return new SandboxRequest.Attachment(
        attachment.network(), addresses, aliases, Optional.of(attachment.interfaceName()));
  }

  /** The network of the configuration, made if it is not there yet. */
  private Network network(CniConfig config) {
    NetworkRequest request = request(config);
    Optional<Network> there = networks.topology().network(config.network());
    if (there.isEmpty()) {
      try {
        return networks.create(request);
      } catch (NetworkException e) {
        // Two containers may be the first at the same moment.
        there = networks.topology().network(config.network());
        if (e.kind() != NetworkException.Kind.CONFLICT || there.isEmpty()) {
          throw e;
        }
      }
    }
    Network network = there.get();
    for (Subnet subnet : request.subnets()) {
      if (!network.subnets().contains(subnet.prefix())) {
        throw CniException.invalid(
            "there is a network "
                + network.name()
                + " already, with the subnets "
                + network.subnets()
                + " and not "
                + subnet.prefix()
                + ": give this one another name, or remove that one");
      }
    }
    NetworkSettings settings = network.settings();
    checkIsAsked(network, "isolated", settings.isolated(), request.isolated());
    checkIsAsked(network, "internal", settings.internal(), request.internal());
    // A fixed source hides the containers' addresses, too.
    checkIsAsked(
        network,
        "ipMasq",
        !(network.egress() instanceof Egress.Routed),
        !(request.egress() instanceof Egress.Routed));
    request.bridge().ifPresent(one -> checkIsAsked(network, "bridge", network.bridge(), one));
    if (request.mtuBytes().isPresent()) {
      int mtuBytes = settings.mtuBytes().orElse(DEFAULT_MTU_BYTES);
      checkIsAsked(network, "mtu", mtuBytes, request.mtuBytes().getAsInt());
    }
    return network;
  }

  /** A container that is promised a wall shall not stand on a network without one. */
  private static void checkIsAsked(Network network, String key, Object is, Object asked) {
    if (!is.equals(asked)) {
      throw CniException.invalid(
          "there is a network "
              + network.name()
              + " already, with \""
              + key
              + "\": "
              + is
              + " and not "
              + asked
              + ": give this one another name, or remove that one");
    }
  }

  private static NetworkRequest request(CniConfig config) {
    CniJson json = config.json();
    return new NetworkRequest(
        config.network(),
        json.text("bridge").map(InterfaceName::new),
        json.objects("subnets").stream().map(BridgePlugin::subnet).toList(),
        json.bool("ipv6", false),
        json.integer("mtu").orElse(0) == 0 ? OptionalInt.empty() : json.integer("mtu"),
        json.bool("ipMasq", true) ? new Egress.Masquerade() : new Egress.Routed(),
        json.bool("internal", false),
        json.bool("isolated", false),
        Owner.CNI);
  }

  private static Subnet subnet(CniJson json) {
    try {
      return new Subnet(
          Prefix.parseBlock(
              json.text("subnet")
                  .orElseThrow(() -> CniException.invalid(json.place("subnet") + " is missing"))),
          json.text("gateway").map(IpAddress::parse),
          json.text("pool").map(Prefix::parseBlock));
    } catch (MalformedValueException e) {
      throw CniException.invalid(json.place("subnet") + ": " + e.problem());
    }
  }

  // ---- the result

  private CniResult result(
      Sandbox sandbox,
      Endpoint endpoint,
      Network network,
      String namespacePath,
      Optional<CniResult.Dns> dns) {
    List<CniResult.Address> addresses = new ArrayList<>(2);
    List<CniResult.Route> routes = new ArrayList<>(2);
    List<String> nameservers = new ArrayList<>(2);
    for (IpAddress address : endpoint.addresses()) {
      Family family = address.family();
      Optional<IpAddress> gateway = network.settings().gateway(family);
      boolean outside = !network.settings().internal();
      addresses.add(
          new CniResult.Address(
              OptionalInt.of(2),
              address,
              network.subnet(family).map(Prefix::lengthBits).orElse(family.bits()),
              gateway.filter(any -> outside)));
      if (gateway.isPresent() && outside && isDefaultWay(sandbox, endpoint, family)) {
        routes.add(
            CniResult.Route.by(family == Family.IPV4 ? EVERYWHERE4 : EVERYWHERE6, gateway.get()));
      }
      gateway.ifPresent(one -> nameservers.add(one.toString()));
    }
    return new CniResult(
        List.of(
            host(network.bridge()),
            host(endpoint.id().hostInterface()),
            new CniResult.Interface(
                endpoint.interfaceName().text(),
                Optional.of(EndpointMac.text(endpoint.addresses())),
                network.settings().mtuBytes(),
                Optional.of(namespacePath),
                Optional.empty(),
                Optional.empty())),
        addresses,
        routes,
        dns.filter(said -> !said.equals(CniResult.Dns.NONE))
            .orElseGet(
                () -> new CniResult.Dns(nameservers, Optional.empty(), List.of(), List.of())));
  }

  private static CniResult.Interface host(InterfaceName name) {
    return new CniResult.Interface(
        name.text(),
        Optional.empty(),
        OptionalInt.empty(),
        Optional.empty(),
        Optional.empty(),
        Optional.empty());
  }

  /** Whether it is the first of the container's that leads outside. */
  private boolean isDefaultWay(Sandbox sandbox, Endpoint endpoint, Family family) {
    return sandbox.endpoints().stream()
        .filter(one -> one.address(family).isPresent())
        .filter(
            one ->
                networks
                    .topology()
                    .network(one.network())
                    .filter(network -> !network.settings().internal())
                    .isPresent())
        .findFirst()
        .filter(endpoint::equals)
        .isPresent();
  }
}
