package dev.sluice.testing;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * What a container runtime does with a list of CNI plugins, in libcni's order: each gets the result
 * of the one before, DEL goes backwards, and what a plugin says it can do it gets to do.
 */
public final class CniRuntime {
  /** Where Debian's containernetworking-plugins are. */
  private static final Path REAL_PLUGINS = Path.of("/usr/lib/cni");

  private static final JsonMapper JSON = JsonMapper.shared();

  private final Netns host;
  private final Path directory;
  private final Path socket;
  private final Path plugins;
  private final String version;
  private final String network;
  private final List<ObjectNode> list;

  /**
   * @param directory where the plugins of ours are put
   * @param socket where the agent listens
   * @param list the plugins, each a configuration without name and version
   */
  public CniRuntime(
      Netns host, Path directory, Path socket, String version, String network, String... list) {
    this.host = host;
    this.directory = directory;
    this.socket = socket;
    this.plugins = directory.resolve("plugins");
    this.version = version;
    this.network = network;
    this.list = new ArrayList<>();
    for (String one : list) {
      this.list.add((ObjectNode) JSON.readTree(one));
    }
    install();
  }

  private void install() {
    Path client = Path.of(System.getProperty("sluice.native.dir"), "sluice-cni");
    try {
      Files.createDirectories(plugins);
      for (String name : List.of("sluice", "sluice-bridge")) {
        if (!Files.exists(plugins.resolve(name))) {
          Files.copy(client.toAbsolutePath(), plugins.resolve(name));
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException("cannot install " + client, e);
    }
    if (!Files.isExecutable(REAL_PLUGINS.resolve("portmap"))) {
      throw new AssertionError(
          "no CNI plugins in " + REAL_PLUGINS + ": apt-get install containernetworking-plugins");
    }
  }

  /** The same list in another version. */
  public CniRuntime in(String otherVersion) {
    return new CniRuntime(
        host,
        directory,
        socket,
        otherVersion,
        network,
        list.stream().map(JsonNode::toString).toArray(String[]::new));
  }

  /**
   * A container as the runtime knows it.
   *
   * @param ports as in {@code runtimeConfig.portMappings}
   */
  public record Container(String id, Netns namespace, String ports) {}

  /** What became of a list: of each plugin that was called, in that order. */
  public record Outcome(List<Ran> ran) {

    /** The last plugin's. */
    public Ran last() {
      return ran.get(ran.size() - 1);
    }

    /** What the last one printed. */
    public JsonNode json() {
      return JSON.readTree(last().stdout());
    }

    /** Fails unless all succeeded. */
    public Outcome orFail() {
      ran.forEach(Ran::orFail);
      return this;
    }

    /** The code of the error in which it ended; fails if it did not. */
    public int errorCode() {
      if (last().exitCode() != 1) {
        throw new AssertionError("no error: " + last());
      }
      return json().get("code").asInt();
    }
  }

  public Outcome add(Container container) {
    List<Ran> ran = new ArrayList<>();
    @Nullable JsonNode result = null;
    for (ObjectNode plugin : list) {
      Ran one = call("ADD", container, plugin, result);
      ran.add(one);
      if (one.exitCode() != 0) {
        break;
      }
      result = JSON.readTree(one.stdout());
    }
    return new Outcome(ran);
  }

  /** Takes it from the network, whatever a plugin says. */
  public Outcome delete(Container container, @Nullable JsonNode result) {
    List<Ran> ran = new ArrayList<>();
    for (int i = list.size() - 1; i >= 0; i--) {
      ran.add(call("DEL", container, list.get(i), result));
    }
    return new Outcome(ran);
  }

  public Outcome check(Container container, JsonNode result) {
    List<Ran> ran = new ArrayList<>();
    for (ObjectNode plugin : list) {
      ran.add(call("CHECK", container, plugin, result));
    }
    return new Outcome(ran);
  }

  /** The last plugin of the list alone, beside the result of those before it. */
  public Outcome last(String command, Container container, @Nullable JsonNode result) {
    return new Outcome(List.of(call(command, container, list.get(list.size() - 1), result)));
  }

  /** The same input to a real plugin, in a namespace where it does no harm. */
  public Ran real(String type, Netns elsewhere, Container container, JsonNode result) {
    ObjectNode plugin = list.get(list.size() - 1).deepCopy();
    return call(elsewhere, REAL_PLUGINS.resolve(type), "ADD", container, plugin, result);
  }

  private Ran call(
      String command, Container container, ObjectNode plugin, @Nullable JsonNode result) {
    String type = plugin.get("type").asString();
    Path program = plugins.resolve(type);
    return call(
        host,
        Files.exists(program) ? program : REAL_PLUGINS.resolve(type),
        command,
        container,
        plugin,
        result);
  }

  private Ran call(
      Netns in,
      Path program,
      String command,
      Container container,
      ObjectNode plugin,
      @Nullable JsonNode result) {
    ObjectNode config = plugin.deepCopy();
    config.put("cniVersion", version);
    config.put("name", network);
    if (result != null) {
      config.set("prevResult", result);
    }
    if (config.path("capabilities").path("portMappings").asBoolean(false)) {
      config.putObject("runtimeConfig").set("portMappings", JSON.readTree(container.ports()));
    }
    return in.execWithInput(
        config.toString(),
        "env",
        "CNI_COMMAND=" + command,
        "CNI_CONTAINERID=" + container.id(),
        "CNI_NETNS=" + container.namespace().path(),
        "CNI_IFNAME=eth0",
        "CNI_PATH=" + plugins + ":" + REAL_PLUGINS,
        "SLUICE_SOCKET=" + socket,
        program.toString());
  }

  /** A call of one plugin of ours with everything to say about it. */
  public Ran raw(String type, Map<String, String> environment, String stdin) {
    List<String> command = new ArrayList<>(List.of("env", "SLUICE_SOCKET=" + socket));
    environment.forEach((name, value) -> command.add(name + "=" + value));
    command.add(plugins.resolve(type).toString());
    return host.execWithInput(stdin, command.toArray(String[]::new));
  }
}
