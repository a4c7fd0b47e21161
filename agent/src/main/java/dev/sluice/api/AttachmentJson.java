package dev.sluice.api;

import dev.sluice.model.InterfaceName;
import dev.sluice.model.SandboxName;
import dev.sluice.model.SandboxRequest;
import dev.sluice.model.SandboxRequest.Attachment;
import dev.sluice.net.IpAddress;
import java.util.List;
import java.util.Optional;
import tools.jackson.core.JsonGenerator;

/** The members that say how a sandbox is to join a network, wherever they stand. */
final class AttachmentJson {
  /** One of each family. */
  private static final int MAX_ADDRESSES = 2;

  private List<IpAddress> addresses = List.of();
  private List<SandboxName> aliases = List.of();
  private Optional<InterfaceName> interfaceName = Optional.empty();

  static void write(JsonGenerator json, Attachment attachment) {
    SandboxJson.writeTexts(json, "addresses", attachment.addresses());
    SandboxJson.writeTexts(json, "aliases", attachment.aliases());
    attachment
        .interfaceName()
        .ifPresent(name -> json.writeStringProperty("interface", name.text()));
  }

  /** Reads one of {@code addresses}, {@code aliases}, {@code interface}. */
  void read(JsonBody json, String member) {
    switch (member) {
      case "addresses" ->
          addresses = json.array(member, "[\"10.9.0.7\"]", MAX_ADDRESSES, IpAddress::parse);
      case "aliases" ->
          aliases = json.array(member, "[\"www\"]", SandboxRequest.MAX_ALIASES, SandboxName::new);
      case "interface" -> interfaceName = Optional.of(new InterfaceName(json.string(member)));
      default -> throw new IllegalArgumentException("member=" + member);
    }
  }

  /** What was read, for that network. */
  Attachment to(String network) {
    return new Attachment(network, addresses, aliases, interfaceName);
  }
}
