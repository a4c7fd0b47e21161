package dev.sluice.api.docker;

import dev.sluice.network.HostNetworks;
import dev.sluice.network.NetworkTable;
import dev.sluice.network.Topology;
import dev.sluice.publish.Publisher;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.stream.IntStream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import tools.jackson.databind.json.JsonMapper;

/**
 * A container with ten ports that comes and goes, of an engine that knows nothing else. It goes the
 * way of a real one: asked for over a socket, read, published, taken back.
 */
public final class EngineRehearsal {
  private static final Logger LOG = LoggerFactory.getLogger(EngineRehearsal.class);

  /** The bridge it comes to, which must be there. */
  public static final String BRIDGE = "rehearsal0";

  /** The bridge's address in {@link #PREFIX_LENGTH}. */
  public static final String GATEWAY = "172.30.0.1";

  public static final int PREFIX_LENGTH = 24;

  private static final String NETWORK = "e".repeat(64);
  private static final String CONTAINER = "c".repeat(64);
  private static final String ADDRESS = "172.30.0.2";
  private static final int FIRST_PORT = 50_000;
  private static final int PORTS = 10;
  private static final int QUESTION_BYTES = 4 << 10;
  private static final JsonMapper MAPPER = new JsonMapper();

  private static final String VERSION_ANSWER = answer("{\"Version\":\"rehearsal\"}");
  private static final String NETWORK_ANSWER =
      answer(
          """
          {"Id":"%s","Name":"rehearsal","Created":"2024-01-01T00:00:00Z","Scope":"local",
          "Driver":"bridge","EnableIPv6":false,"IPAM":{"Driver":"default","Config":[
          {"Subnet":"172.30.0.0/24","Gateway":"%s"}]},"Internal":false,"Containers":{"%s":
          {"Name":"rehearsal","EndpointID":"%s","MacAddress":"02:42:ac:1e:00:02",
          "IPv4Address":"%s/24","IPv6Address":""}},
          "Options":{"com.docker.network.bridge.name":"%s"},"Labels":{}}
          """
              .formatted(NETWORK, GATEWAY, CONTAINER, NETWORK, ADDRESS, BRIDGE));

  private static final String CREATED = container(false);
  private static final String CONTAINER_ANSWER = answer(container(true));

  private EngineRehearsal() {}

  /**
   * Plays it, again and again.
   *
   * @param more asked before each time
   */
  public static void play(
      Publisher publisher,
      NetworkTable table,
      Topology topology,
      HostNetworks host,
      BooleanSupplier more)
      throws IOException {
    Path directory = Files.createTempDirectory("sluice-rehearsal");
    Path socket = directory.resolve("docker.sock");
    try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        EngineClient client = new EngineClient(socket)) {
      try {
        server.bind(UnixDomainSocketAddress.of(socket));
        Thread engine = new Thread(() -> answerFirst(server), "sluice-rehearsed-engine");
        engine.setDaemon(true);
        engine.start();
        client.version();
      } finally {
        // One connection is all there is: whatever becomes of us, no file is left.
        Files.deleteIfExists(socket);
        Files.delete(directory);
      }
      EngineNetworks networks = new EngineNetworks(table, topology, host);
      Containers containers = new Containers(client, networks, publisher, id -> {});
      EngineContainer created = EngineContainer.read(MAPPER.readTree(CREATED));
      EngineEvent connect = event("network", "connect", NETWORK);
      EngineEvent die = event("container", "die", CONTAINER);
      while (more.getAsBoolean() && containers.problems().isEmpty()) {
        containers.created(created);
        containers.connected(connect);
        containers.refresh(CONTAINER);
        containers.died(die);
        containers.destroyed(CONTAINER);
      }
    }
  }

  private static EngineEvent event(String type, String action, String id) {
    return new EngineEvent(type, action, id, "rehearsal", CONTAINER, Long.MAX_VALUE);
  }

  /** Until who asks has gone. */
  private static void answerFirst(ServerSocketChannel server) {
    ByteBuffer question = ByteBuffer.allocate(QUESTION_BYTES);
    try (SocketChannel connection = server.accept()) {
      while (connection.read(question) >= 0) {
        String text = StandardCharsets.US_ASCII.decode(question.flip()).toString();
        if (text.endsWith("\r\n\r\n")) {
          ByteBuffer answer = StandardCharsets.US_ASCII.encode(answerTo(text));
          while (answer.hasRemaining()) {
            connection.write(answer);
          }
          question.clear();
        } else {
          question.position(question.limit()).limit(question.capacity());
        }
      }
    } catch (IOException e) {
      LOG.debug("the rehearsal is over: {}", e.getMessage());
    }
  }

  private static String answerTo(String question) {
    if (question.startsWith("GET /networks/")) {
      return NETWORK_ANSWER;
    }
    return question.startsWith("GET /containers/") ? CONTAINER_ANSWER : VERSION_ANSWER;
  }

  private static String answer(String body) {
    return "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Type: application/json\r\n"
        + "Docker-Experimental: false\r\nOstype: linux\r\nContent-Length: "
        + body.length()
        + "\r\n\r\n"
        + body;
  }

  private static String container(boolean running) {
    List<String> bindings =
        IntStream.range(0, PORTS)
            .mapToObj(
                i ->
                    "\"%d/tcp\":[{\"HostIp\":\"0.0.0.0\",\"HostPort\":\"%d\"}]"
                        .formatted(2 * i + 80, FIRST_PORT + i))
            .toList();
    String ports = "{" + String.join(",", bindings) + "}";
    String environment = String.join(",", Collections.nCopies(20, "\"VARIABLE=of a container\""));
    return """
    {"Id":"%s","Created":"2024-01-01T00:00:00Z","Path":"/bin/server","Args":[],"State":{
    "Status":"running","Running":%s,"Paused":false,"Pid":1,"StartedAt":"2024-01-01T00:00:00Z"},"Name":"/rehearsal",
    "RestartCount":0,"HostConfig":{"NetworkMode":"rehearsal","PortBindings":%s,"Memory":0},
    "Config":{"Hostname":"rehearsal","Env":[%s],"Labels":{}},"NetworkSettings":{"Ports":%s,
    "Networks":{"rehearsal":{"NetworkID":"%s","Gateway":"%s","IPAddress":"%s","IPPrefixLen":%d}}}}
    """
        .formatted(
            CONTAINER,
            running,
            ports,
            environment,
            running ? ports : "{}",
            NETWORK,
            GATEWAY,
            ADDRESS,
            PREFIX_LENGTH);
  }
}
