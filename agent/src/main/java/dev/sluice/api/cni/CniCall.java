package dev.sluice.api.cni;

/**
 * One call of a plugin, as the client hands it over: the environment of its process and its
 * standard input.
 *
 * @param plugin {@code sluice} or {@code sluice-bridge}
 * @param verb CNI_COMMAND
 * @param containerId CNI_CONTAINERID
 * @param namespacePath CNI_NETNS
 * @param interfaceName CNI_IFNAME
 * @param config the standard input
 */
record CniCall(
    String plugin,
    CniVerb verb,
    String containerId,
    String namespacePath,
    String interfaceName,
    String config) {

  /**
   * Reads the body of a request. CNI_ARGS and CNI_PATH are in it, and not needed.
   *
   * @throws CniException if it is no JSON, or names no verb
   */
  static CniCall read(byte[] body) {
    CniJson json = CniJson.parse("the request", body);
    return new CniCall(
        json.string("plugin").orElse(""),
        CniVerb.parse(json.string("command").orElse("")),
        json.string("containerId").orElse(""),
        json.string("netns").orElse(""),
        json.string("ifname").orElse(""),
        json.string("config").orElse(""));
  }
}
