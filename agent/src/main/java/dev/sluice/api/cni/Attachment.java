package dev.sluice.api.cni;

import dev.sluice.api.cni.CniException.Code;
import dev.sluice.model.InterfaceName;
import dev.sluice.model.MappingName;
import dev.sluice.model.SandboxName;
import dev.sluice.net.MalformedValueException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/**
 * A container's place on a network, as runtimes identify it: specification 1.1.0, section 2.
 *
 * <p>What is made for it is called after it, so that a DEL finds it that has nothing else to go by,
 * and a GC whatever belongs to nobody any more.
 *
 * @param network the name of the configuration
 * @param containerId letters, digits, {@code _}, {@code .} and {@code -}, the first of them a
 *     letter or a digit
 * @param interfaceName what the container calls its interface
 */
record Attachment(String network, String containerId, InterfaceName interfaceName) {
  /** How many characters of the container's id people recognise it by. */
  private static final int ID_SHOWN = 12;

  private static final int DIGITS = 10;

  /**
   * Reads it.
   *
   * @throws CniException if a name breaks its rule
   */
  static Attachment of(String network, String containerId, String interfaceName) {
    if (containerId.isEmpty() || interfaceName.isEmpty()) {
      throw CniException.of(
          Code.INVALID_ENVIRONMENT,
          containerId.isEmpty()
              ? "CNI_CONTAINERID is not set: it names the container"
              : "CNI_IFNAME is not set: it names the container's interface");
    }
    if (!isIdentifier(containerId)) {
      throw CniException.of(
          Code.INVALID_ENVIRONMENT,
          "CNI_CONTAINERID "
              + CniException.quoted(containerId)
              + " may hold only letters, digits, \"_\", \".\" and \"-\", and begins with a letter"
              + " or digit");
    }
    try {
      return new Attachment(network, containerId, new InterfaceName(interfaceName));
    } catch (MalformedValueException e) {
      throw CniException.of(Code.INVALID_ENVIRONMENT, "CNI_IFNAME: " + e.problem());
    }
  }

  /** Whether it follows the rule for names of networks and ids of containers. */
  static boolean isIdentifier(String text) {
    return !text.isEmpty()
        && isAlphanumeric(text.charAt(0))
        && text.chars().allMatch(c -> isAlphanumeric(c) || c == '_' || c == '.' || c == '-');
  }

  private static boolean isAlphanumeric(int c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  }

  /**
   * By what name its ports are published: the beginning of the container's id and the interface,
   * for people; the network, for {@link #isOn}; and what tells it from all others.
   */
  MappingName mappingName() {
    String visible =
        shownId()
            + "-"
            + interfaceName
                .text()
                .codePoints()
                .map(c -> isIdentifier("x" + Character.toString(c)) ? c : '_')
                .collect(StringBuilder::new, StringBuilder::appendCodePoint, StringBuilder::append);
    return new MappingName(
        visible
            + "-"
            + hash(network)
            + "-"
            + hash(network + "\0" + containerId + "\0" + interfaceName.text()));
  }

  /** Whether a name that {@link #mappingName} made is of an attachment to this network. */
  static boolean isOn(String network, MappingName name) {
    String text = name.text();
    int behind = text.length() - DIGITS - 1;
    String before = behind < 0 ? "" : text.substring(0, behind);
    return before.endsWith("-" + hash(network));
  }

  /** What the container is called as a sandbox, which it is once for all its networks. */
  SandboxName sandboxName() {
    return new SandboxName(shownId() + "-" + hash(containerId));
  }

  /** What people call the container. */
  String shownId() {
    return containerId.substring(0, Math.min(ID_SHOWN, containerId.length()));
  }

  private static String hash(String text) {
    try {
      byte[] digest =
          MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
      return HexFormat.of().formatHex(digest).substring(0, DIGITS);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java has SHA-256", e);
    }
  }
}
