package dev.sluice.api.cni;

import dev.sluice.api.cni.CniException.Code;
import java.util.HashSet;
import java.util.Optional;
import java.util.Set;

/**
 * A network configuration as a plugin gets it on its standard input: specification 1.1.0, section
 * 4.
 *
 * @param version what it is written in, and the answer has to be
 * @param network the name of the network
 */
record CniConfig(CniVersion version, String network, CniJson json) {

  // libcni writes both names.
  private static final String[] VALID_ATTACHMENTS = {
    "cni.dev/valid-attachments", "cni.dev/attachments"
  };

  /**
   * Reads what every plugin needs.
   *
   * @throws CniException if the name of the network is missing or breaks the rule
   */
  static CniConfig of(CniVersion version, CniJson json) {
    String network = json.text("name").orElse("");
    if (!Attachment.isIdentifier(network)) {
      throw CniException.invalid(
          network.isEmpty()
              ? "\"name\" is missing: it names the network"
              : "the network name "
                  + CniException.quoted(network)
                  + " may hold only letters, digits, \"_\", \".\" and \"-\", and begins with a"
                  + " letter or digit");
    }
    return new CniConfig(version, network, json);
  }

  /** What the plugin before has answered, in the version of the configuration. */
  Optional<CniResult> previousResult() {
    return json.object("prevResult").map(CniResult::read);
  }

  /** As {@link #previousResult}, where there must be one. */
  CniResult previousResult(CniVerb verb) {
    return previousResult()
        .orElseThrow(
            () ->
                CniException.invalid(
                    verb
                        + " needs \"prevResult\", the result of the plugins before: name this one"
                        + " behind another in the list of plugins"));
  }

  /**
   * What a GC shall leave alone.
   *
   * @throws CniException if nothing is said about it, which does not mean that it is nothing
   */
  Set<Attachment> validAttachments() {
    Set<Attachment> valid = new HashSet<>();
    boolean said = false;
    for (String name : VALID_ATTACHMENTS) {
      said |= json.mentions(name); // Go's programs write null for an empty list
      for (CniJson one : json.objects(name)) {
        valid.add(
            Attachment.of(
                network, one.string("containerID").orElse(""), one.string("ifname").orElse("")));
      }
    }
    if (!said) {
      throw CniException.invalid(
          "GC needs \"cni.dev/valid-attachments\", the containers that are still there");
    }
    return valid;
  }

  /** A value that this plugin has nothing for, as the specification wants it named. */
  static CniException unsupported(String key, String value, String remedy) {
    return CniException.of(
        Code.UNSUPPORTED_FIELD,
        "unsupported field in the network configuration: \""
            + key
            + "\": "
            + value
            + "; "
            + remedy);
  }
}
