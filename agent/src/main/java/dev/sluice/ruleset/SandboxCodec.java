package dev.sluice.ruleset;

import dev.sluice.model.Endpoint;
import dev.sluice.model.EndpointId;
import dev.sluice.model.ExposeSpec;
import dev.sluice.model.InterfaceName;
import dev.sluice.model.NamespacePath;
import dev.sluice.model.Owner;
import dev.sluice.model.Sandbox;
import dev.sluice.model.SandboxLink;
import dev.sluice.model.SandboxName;
import dev.sluice.net.Bytes;
import dev.sluice.net.IpAddress;
import dev.sluice.nftables.SetElement;
import dev.sluice.nftables.Userdata;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.StringJoiner;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.Collectors;

/**
 * Sandboxes as elements of a set that no rule looks up. A sandbox is a text of several lines; its
 * bytes are cut into parts, of which each is the user data of an element. The key is 64 bits made
 * of the name, and the number of the part; nft shows the name as the comment of each.
 *
 * <pre>
 *  s OWNER CREATED-MS COOKIE-HEX PATH                     once; 0 - where only its owner knows
 *  e ID NETWORK INTERFACE ADDRESS,… ALIAS,…               for each endpoint; - for no alias
 *  x 80/tcp,443/tcp                                       if it exposes ports
 *  l TO:ALIAS,…                                           if it has links
 * </pre>
 */
final class SandboxCodec {
  static final int RECORD_TYPE = 0x57;

  /** User data is 256 bytes with a comment of up to 66 and the heads of two records. */
  private static final int PART_BYTES = 180;

  private static final int ID_BYTES = 8;
  private static final String NONE = "-";
  private static final String NO_COOKIE = "0";

  private SandboxCodec() {}

  static List<SetElement> elements(Sandbox sandbox) {
    Bytes text = Bytes.ofText(write(sandbox));
    Bytes comment = Userdata.comment(sandbox.name().text());
    List<SetElement> elements = new ArrayList<>();
    for (int at = 0; at < text.length(); at += PART_BYTES) {
      Bytes part = text.slice(at, Math.min(PART_BYTES, text.length() - at));
      elements.add(
          key(sandbox.name(), elements.size())
              .withUserdata(comment.concat(Userdata.record(RECORD_TYPE, part))));
    }
    return elements;
  }

  static List<SetElement> keys(Sandbox sandbox) {
    return elements(sandbox).stream().map(element -> SetElement.of(element.key())).toList();
  }

  private static SetElement key(SandboxName name, int part) {
    byte[] digest;
    try {
      digest =
          MessageDigest.getInstance("SHA-256")
              .digest(name.lowerCase().getBytes(StandardCharsets.US_ASCII));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java has SHA-256", e);
    }
    ByteBuffer key = ByteBuffer.allocate(ID_BYTES + Integer.BYTES);
    return SetElement.of(Bytes.of(key.put(digest, 0, ID_BYTES).putInt(part).array()));
  }

  /** Reads them back; what is not ours, or not whole, is left out. */
  static List<Sandbox> read(List<SetElement> elements) {
    Map<String, Map<Integer, SetElement>> parts = new TreeMap<>();
    for (SetElement element : elements) {
      Optional<String> name = Userdata.findComment(element.userdata());
      if (name.isPresent() && element.key().length() == ID_BYTES + Integer.BYTES) {
        int part = ByteBuffer.wrap(element.key().toArray()).getInt(ID_BYTES);
        parts.computeIfAbsent(name.get(), one -> new TreeMap<>()).put(part, element);
      }
    }
    List<Sandbox> sandboxes = new ArrayList<>(parts.size());
    parts.forEach(
        (name, ofSandbox) -> {
          Bytes text = Bytes.EMPTY;
          for (SetElement element : ofSandbox.values()) {
            text = text.concat(Userdata.find(element.userdata(), RECORD_TYPE).orElse(Bytes.EMPTY));
          }
          read(name, text.toText()).ifPresent(sandboxes::add);
        });
    return sandboxes;
  }

  private static String write(Sandbox sandbox) {
    StringJoiner lines = new StringJoiner("\n");
    lines.add(
        String.join(
            " ",
            "s",
            sandbox.owner().toString(),
            Long.toString(sandbox.createdAt().toEpochMilli()),
            sandbox.namespace().map(at -> Long.toHexString(at.cookie())).orElse(NO_COOKIE),
            sandbox.namespace().map(NamespacePath::path).orElse(NONE)));
    for (Endpoint endpoint : sandbox.endpoints()) {
      lines.add(
          String.join(
              " ",
              "e",
              endpoint.id().text(),
              endpoint.network(),
              endpoint.interfaceName().text(),
              list(endpoint.addresses()),
              list(endpoint.aliases())));
    }
    if (!sandbox.exposed().isEmpty()) {
      lines.add("x " + list(sandbox.exposed()));
    }
    if (!sandbox.links().isEmpty()) {
      lines.add("l " + list(sandbox.links()));
    }
    return lines.toString();
  }

  private static String list(List<?> values) {
    return values.isEmpty()
        ? NONE
        : values.stream().map(Object::toString).collect(Collectors.joining(","));
  }

  /** Empty if it is not what {@link #write} writes: where the table has no owner, it may be cut. */
  private static Optional<Sandbox> read(String name, String text) {
    List<Endpoint> endpoints = new ArrayList<>();
    List<ExposeSpec> exposed = List.of();
    List<SandboxLink> links = List.of();
    Optional<Sandbox> head = Optional.empty();
    try {
      for (String line : text.split("\n", -1)) {
        String[] words = line.split(" ", 5);
        switch (words[0]) {
          case "s" -> head = Optional.of(head(name, words));
          case "e" -> endpoints.add(endpoint(line.split(" ", 6)));
          case "x" -> exposed = list(words[1], ExposeSpec::parse);
          case "l" -> links = list(words[1], SandboxLink::parse);
          default -> {} // of a newer agent
        }
      }
    } catch (IllegalArgumentException | IndexOutOfBoundsException e) {
      return Optional.empty();
    }
    List<ExposeSpec> ports = exposed;
    List<SandboxLink> ways = links;
    return head.map(
        one ->
            new Sandbox(
                one.name(), one.namespace(), one.owner(), one.createdAt(), endpoints, ports, ways));
  }

  private static Sandbox head(String name, String[] words) {
    return new Sandbox(
        new SandboxName(name),
        words[4].equals(NONE)
            ? Optional.empty()
            : Optional.of(new NamespacePath(words[4], Long.parseUnsignedLong(words[3], 16))),
        Owner.parse(words[1]),
        Instant.ofEpochMilli(Long.parseLong(words[2])),
        List.of(),
        List.of(),
        List.of());
  }

  private static Endpoint endpoint(String[] words) {
    return new Endpoint(
        new EndpointId(words[1]),
        words[2],
        new InterfaceName(words[3]),
        list(words[4], IpAddress::parse),
        list(words[5], SandboxName::new));
  }

  private static <T> List<T> list(String text, Function<String, T> parse) {
    return text.equals(NONE) ? List.of() : Arrays.stream(text.split(",")).map(parse).toList();
  }
}
