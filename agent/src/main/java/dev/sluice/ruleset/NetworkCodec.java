package dev.sluice.ruleset;

import dev.sluice.model.Egress;
import dev.sluice.model.InterfaceName;
import dev.sluice.model.Network;
import dev.sluice.model.NetworkSettings;
import dev.sluice.net.Bytes;
import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Prefix;
import dev.sluice.nftables.Key;
import dev.sluice.nftables.SetElement;
import dev.sluice.nftables.Userdata;
import dev.sluice.nftables.expr.Data;
import dev.sluice.nftables.expr.Verdict;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;

/** Networks as elements of the network sets. */
final class NetworkCodec {
  /** The user data of an element of {@code bridges} that has settings, as {@link SettingsText}. */
  private static final int RECORD_TYPE = 0x56;

  private NetworkCodec() {}

  /** Set name to elements, in the order they are to be added. */
  static Map<String, List<SetElement>> elements(Network network) {
    Map<String, List<SetElement>> bySet = new LinkedHashMap<>();
    Bytes bridge = interfaceName(network.bridge());
    bySet.put(SetNames.BRIDGES, List.of(SetElement.of(bridge).withUserdata(userdata(network))));
    if (!network.settings().isolated()) {
      bySet.put(SetNames.INTRA, List.of(SetElement.of(bridge.concat(bridge))));
    }
    if (!(network.egress() instanceof Egress.Unmanaged)) {
      bySet.put(SetNames.INBOUND, List.of(SetElement.of(bridge).to(Data.of(inbound(network)))));
    }
    if (network.settings().internal()) {
      bySet.put(SetNames.OUTBOUND, List.of(SetElement.of(bridge).to(Data.of(Verdict.DROP))));
    }
    for (Prefix subnet : network.subnets()) {
      Family family = subnet.family();
      append(
          bySet,
          SetNames.home(family),
          SetElement.of(bridge.concat(address(subnet.first())))
              .upTo(bridge.concat(address(subnet.last()))));
      if (network.settings().internal()) {
        continue; // nothing of it gets that far
      }
      if (network.egress() instanceof Egress.Masquerade) {
        interval(bySet, SetNames.egress(family), subnet, Data.of(Verdict.goTo("masq")));
      } else if (network.egress() instanceof Egress.FixedSource fixed) {
        fixed.addresses().stream()
            .filter(source -> source.family() == family)
            .forEach(
                source -> {
                  interval(bySet, SetNames.source(family), subnet, Data.of(address(source)));
                  interval(
                      bySet,
                      SetNames.egress(family),
                      subnet,
                      Data.of(Verdict.goTo("fixed" + SetNames.suffix(family))));
                });
      }
    }
    return bySet;
  }

  private static Verdict inbound(Network network) {
    if (network.egress() instanceof Egress.Routed) {
      return Verdict.goTo("routed");
    }
    return network.settings().isolated() ? Verdict.goTo("isolated") : Verdict.DROP;
  }

  private static Bytes userdata(Network network) {
    Bytes comment = Userdata.comment(network.name());
    return network.settings().equals(NetworkSettings.NONE)
        ? comment
        : comment.concat(
            Userdata.record(RECORD_TYPE, Bytes.ofText(SettingsText.write(network.settings()))));
  }

  private static void interval(
      Map<String, List<SetElement>> bySet, String set, Prefix subnet, Data data) {
    append(bySet, set, SetElement.of(address(subnet.first())).to(data));
    Bytes behind = successor(address(subnet.last()));
    if (behind.length() > 0) {
      append(bySet, set, SetElement.intervalEnd(behind));
    }
  }

  private static void append(Map<String, List<SetElement>> bySet, String set, SetElement element) {
    bySet.computeIfAbsent(set, name -> new ArrayList<>()).add(element);
  }

  /** The number one higher; empty behind the highest. */
  private static Bytes successor(Bytes value) {
    byte[] next = value.toArray();
    for (int i = next.length - 1; i >= 0; i--) {
      if (++next[i] != 0) {
        return Bytes.of(next);
      }
    }
    return Bytes.EMPTY;
  }

  /**
   * Reads the networks back.
   *
   * @param elementsOf gives the elements of a set by its name
   */
  static List<Network> read(Function<String, List<SetElement>> elementsOf) {
    Map<InterfaceName, List<Prefix>> subnets = new LinkedHashMap<>();
    Map<Bytes, String> egressBySubnet = new HashMap<>();
    Map<Bytes, IpAddress> sourceBySubnet = new HashMap<>();
    for (Family family : Family.values()) {
      for (SetElement element : elementsOf.apply(SetNames.home(family))) {
        subnets
            .computeIfAbsent(readInterface(element), name -> new ArrayList<>(2))
            .add(readSubnet(element));
      }
      for (SetElement element : elementsOf.apply(SetNames.egress(family))) {
        if (element.data() instanceof Data.OfVerdict to && to.verdict().chain() != null) {
          egressBySubnet.put(element.key(), to.verdict().chain());
        }
      }
      for (SetElement element : elementsOf.apply(SetNames.source(family))) {
        if (element.data() instanceof Data.Value source) {
          sourceBySubnet.put(element.key(), IpAddress.fromBytes(source.bytes().toArray()));
        }
      }
    }
    Set<InterfaceName> guarded = new HashSet<>();
    elementsOf.apply(SetNames.INBOUND).forEach(one -> guarded.add(readInterface(one)));
    List<Network> networks = new ArrayList<>();
    for (SetElement element : elementsOf.apply(SetNames.BRIDGES)) {
      InterfaceName bridge = readInterface(element);
      List<Prefix> own = subnets.getOrDefault(bridge, List.of());
      if (own.isEmpty()) {
        continue; // not written by us: a network has at least one subnet
      }
      String name = Userdata.findComment(element.userdata()).orElse(bridge.toString());
      NetworkSettings settings =
          Userdata.find(element.userdata(), RECORD_TYPE)
              .map(text -> SettingsText.read(text.toText()))
              .orElse(NetworkSettings.NONE);
      Egress egress = egress(own, egressBySubnet, sourceBySubnet);
      if (settings.internal()) {
        egress = new Egress.Masquerade();
      } else if (egress instanceof Egress.Routed && !guarded.contains(bridge)) {
        egress = new Egress.Unmanaged();
      }
      networks.add(new Network(name, bridge, own, egress, settings));
    }
    return networks;
  }

  private static Egress egress(
      List<Prefix> subnets, Map<Bytes, String> chains, Map<Bytes, IpAddress> sources) {
    List<IpAddress> fixed = new ArrayList<>();
    for (Prefix subnet : subnets) {
      Bytes key = address(subnet.first());
      if ("masq".equals(chains.get(key))) {
        return new Egress.Masquerade();
      }
      IpAddress source = sources.get(key);
      // Several subnets of a family have the source of that family each.
      if (source != null && fixed.stream().noneMatch(one -> one.family() == source.family())) {
        fixed.add(source);
      }
    }
    return fixed.isEmpty() ? new Egress.Routed() : new Egress.FixedSource(fixed);
  }

  /**
   * The interface of an element of {@code bridges}, {@code inbound} or the front of {@code home}.
   */
  private static InterfaceName readInterface(SetElement element) {
    byte[] padded = element.key().slice(0, 16).toArray();
    int length = 0;
    while (length < padded.length && padded[length] != 0) {
      length++;
    }
    return new InterfaceName(new String(padded, 0, length, StandardCharsets.US_ASCII));
  }

  /** The subnet of an element of {@code home4} or {@code home6}. */
  private static Prefix readSubnet(SetElement element) {
    Bytes end = element.keyEnd() == null ? element.key() : element.keyEnd();
    IpAddress first =
        IpAddress.fromBytes(element.key().slice(16, element.key().length() - 16).toArray());
    IpAddress last = IpAddress.fromBytes(end.slice(16, end.length() - 16).toArray());
    return Prefix.between(first, last).orElseGet(() -> Prefix.of(first));
  }

  private static Bytes interfaceName(InterfaceName name) {
    return Key.of().interfaceName(name.toString()).bytes();
  }

  private static Bytes address(IpAddress address) {
    return Key.of().address(address).bytes();
  }
}
