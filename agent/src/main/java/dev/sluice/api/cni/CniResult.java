package dev.sluice.api.cni;

import dev.sluice.net.Family;
import dev.sluice.net.Ip6Address;
import dev.sluice.net.IpAddress;
import dev.sluice.net.MalformedValueException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import tools.jackson.core.JsonGenerator;

/**
 * The result of an ADD, whatever the version: specification 1.1.0, "ADD Success". Older versions
 * are written with what they know of it, and with the family of each address where it is expected.
 */
record CniResult(List<Interface> interfaces, List<Address> addresses, List<Route> routes, Dns dns) {

  CniResult {
    interfaces = List.copyOf(interfaces);
    addresses = List.copyOf(addresses);
    routes = List.copyOf(routes);
  }

  /**
   * An interface that a plugin made.
   *
   * @param sandbox the file of the namespace it is in; empty for the host
   */
  record Interface(
      String name,
      Optional<String> mac,
      OptionalInt mtuBytes,
      Optional<String> sandbox,
      Optional<String> socketPath,
      Optional<String> pciId) {

    static Interface read(CniJson json) {
      return new Interface(
          json.string("name").orElse(""),
          json.text("mac"),
          json.integer("mtu"),
          json.text("sandbox"),
          json.text("socketPath"),
          json.text("pciID"));
    }

    void write(JsonGenerator json, CniVersion version) {
      json.writeStartObject();
      json.writeStringProperty("name", name);
      mac.ifPresent(text -> json.writeStringProperty("mac", text));
      if (version.isAtLeast(CniVersion.V1_1_0)) {
        writeNumber(json, "mtu", mtuBytes);
      }
      sandbox.ifPresent(text -> json.writeStringProperty("sandbox", text));
      if (version.isAtLeast(CniVersion.V1_1_0)) {
        socketPath.ifPresent(text -> json.writeStringProperty("socketPath", text));
        pciId.ifPresent(text -> json.writeStringProperty("pciID", text));
      }
      json.writeEndObject();
    }
  }

  /**
   * An address of the container.
   *
   * @param interfaceIndex which of the interfaces has it
   * @param lengthBits of its subnet
   */
  record Address(
      OptionalInt interfaceIndex, IpAddress address, int lengthBits, Optional<IpAddress> gateway) {

    static Address read(CniJson json) {
      String text =
          json.text("address")
              .orElseThrow(() -> CniException.invalid(json.place("address") + " is missing"));
      int slash = text.indexOf('/');
      try {
        IpAddress address = IpAddress.parse(slash < 0 ? text : text.substring(0, slash));
        int bits = address.family().bits();
        int length = slash < 0 ? bits : Integer.parseInt(text.substring(slash + 1));
        if (length < 0 || length > bits) {
          throw new NumberFormatException();
        }
        return new Address(
            json.integer("interface"), address, length, json.text("gateway").map(IpAddress::parse));
      } catch (NumberFormatException e) {
        throw CniException.invalid(
            json.place("address")
                + " must be an address with a length such as 10.88.0.2/16, not "
                + CniException.quoted(text));
      } catch (MalformedValueException e) {
        throw CniException.invalid(json.place("address") + ": " + e.problem());
      }
    }

    void write(JsonGenerator json, CniVersion version) {
      json.writeStartObject();
      if (!version.isAtLeast(CniVersion.V1_0_0)) {
        json.writeStringProperty("version", address.family() == Family.IPV4 ? "4" : "6");
      }
      writeNumber(json, "interface", interfaceIndex);
      json.writeStringProperty("address", address + "/" + lengthBits);
      gateway.ifPresent(one -> json.writeStringProperty("gateway", one.toString()));
      json.writeEndObject();
    }
  }

  /** A route in the container. */
  record Route(
      String destination,
      Optional<String> gateway,
      OptionalInt mtuBytes,
      OptionalInt advertisedMss,
      OptionalInt priority,
      OptionalInt table,
      OptionalInt scope) {

    /** A route by a gateway. */
    static Route by(String destination, IpAddress gateway) {
      OptionalInt none = OptionalInt.empty();
      return new Route(destination, Optional.of(gateway.toString()), none, none, none, none, none);
    }

    static Route read(CniJson json) {
      return new Route(
          json.string("dst").orElse(""),
          json.text("gw"),
          json.integer("mtu"),
          json.integer("advmss"),
          json.integer("priority"),
          json.integer("table"),
          json.integer("scope"));
    }

    void write(JsonGenerator json, CniVersion version) {
      json.writeStartObject();
      json.writeStringProperty("dst", destination);
      gateway.ifPresent(text -> json.writeStringProperty("gw", text));
      if (version.isAtLeast(CniVersion.V1_1_0)) {
        writeNumber(json, "mtu", mtuBytes);
        writeNumber(json, "advmss", advertisedMss);
        writeNumber(json, "priority", priority);
        writeNumber(json, "table", table);
        writeNumber(json, "scope", scope);
      }
      json.writeEndObject();
    }
  }

  /** Who answers names. */
  record Dns(
      List<String> nameservers,
      Optional<String> domain,
      List<String> search,
      List<String> options) {
    static final Dns NONE = new Dns(List.of(), Optional.empty(), List.of(), List.of());

    static Dns read(CniJson json) {
      return new Dns(
          json.strings("nameservers"),
          json.text("domain"),
          json.strings("search"),
          json.strings("options"));
    }

    void write(JsonGenerator json) {
      json.writeStartObject();
      writeTexts(json, "nameservers", nameservers);
      domain.ifPresent(text -> json.writeStringProperty("domain", text));
      writeTexts(json, "search", search);
      writeTexts(json, "options", options);
      json.writeEndObject();
    }
  }

  /**
   * Reads what the plugin before has answered.
   *
   * @throws CniException if it is no result
   */
  static CniResult read(CniJson json) {
    return new CniResult(
        json.objects("interfaces").stream().map(Interface::read).toList(),
        json.objects("ips").stream().map(Address::read).toList(),
        json.objects("routes").stream().map(Route::read).toList(),
        json.object("dns").map(Dns::read).orElse(Dns.NONE));
  }

  /**
   * The addresses that the container has on an interface, the first of each family: those that say
   * of which interface they are, and those that do not say.
   */
  List<IpAddress> addressesOn(String interfaceName) {
    List<IpAddress> found = new ArrayList<>(2);
    for (Address one : addresses) {
      IpAddress address = one.address() instanceof Ip6Address six ? six.unmapped() : one.address();
      if (isOn(one, interfaceName)
          && found.stream().noneMatch(other -> other.family() == address.family())) {
        found.add(address);
      }
    }
    return found;
  }

  private boolean isOn(Address address, String interfaceName) {
    int index = address.interfaceIndex().orElse(-1);
    if (index < 0 || index >= interfaces.size()) {
      return true;
    }
    Interface on = interfaces.get(index);
    return on.name().equals(interfaceName) && on.sandbox().isPresent();
  }

  void write(JsonGenerator json, CniVersion version) {
    json.writeStartObject();
    json.writeStringProperty("cniVersion", version.toString());
    if (!interfaces.isEmpty()) {
      json.writeArrayPropertyStart("interfaces");
      interfaces.forEach(one -> one.write(json, version));
      json.writeEndArray();
    }
    if (!addresses.isEmpty()) {
      json.writeArrayPropertyStart("ips");
      addresses.forEach(one -> one.write(json, version));
      json.writeEndArray();
    }
    if (!routes.isEmpty()) {
      json.writeArrayPropertyStart("routes");
      routes.forEach(one -> one.write(json, version));
      json.writeEndArray();
    }
    json.writeName("dns");
    dns.write(json);
    json.writeEndObject();
  }

  private static void writeNumber(JsonGenerator json, String name, OptionalInt number) {
    if (number.isPresent()) {
      json.writeNumberProperty(name, number.getAsInt());
    }
  }

  private static void writeTexts(JsonGenerator json, String name, List<String> texts) {
    if (!texts.isEmpty()) {
      json.writeArrayPropertyStart(name);
      texts.forEach(json::writeString);
      json.writeEndArray();
    }
  }
}
