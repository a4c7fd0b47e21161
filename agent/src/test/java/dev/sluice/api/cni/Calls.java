package dev.sluice.api.cni;

import java.util.LinkedHashMap;
import java.util.Map;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** Calls of a plugin as its client hands them over, in the place of a runtime. */
final class Calls {
  static final JsonMapper JSON = JsonMapper.shared();

  private final CniPlugins plugins;
  private final String plugin;

  Calls(CniPlugins plugins, String plugin) {
    this.plugins = plugins;
    this.plugin = plugin;
  }

  /** Everything a call has, to be changed where a test wants something else. */
  Map<String, String> environment(String command) {
    Map<String, String> all = new LinkedHashMap<>();
    all.put("plugin", plugin);
    all.put("command", command);
    all.put("containerId", "c1");
    all.put("netns", "/run/netns/c1");
    all.put("ifname", "eth0");
    all.put("args", "");
    all.put("path", "/opt/cni/bin");
    return all;
  }

  /** The request that a client would send. */
  static byte[] request(Map<String, String> environment, String config) {
    ObjectNode request = JSON.createObjectNode();
    environment.forEach(request::put);
    request.put("config", config);
    return JSON.writeValueAsBytes(request);
  }

  CniAnswer call(Map<String, String> environment, String config) {
    return plugins.answer(request(environment, config), () -> false);
  }

  CniAnswer call(String command, String config) {
    return call(environment(command), config);
  }

  /** The result of a call that succeeds. */
  JsonNode result(String command, String config) {
    CniAnswer answer = call(command, config);
    if (!answer.succeeded()) {
      throw new AssertionError(answer.body());
    }
    return answer.body().isEmpty() ? JSON.createObjectNode() : JSON.readTree(answer.body());
  }

  /** The error of a call that fails. */
  JsonNode error(Map<String, String> environment, String config) {
    CniAnswer answer = call(environment, config);
    if (answer.succeeded()) {
      throw new AssertionError("succeeded: " + answer.body());
    }
    return JSON.readTree(answer.body());
  }

  JsonNode error(String command, String config) {
    return error(environment(command), config);
  }
}
