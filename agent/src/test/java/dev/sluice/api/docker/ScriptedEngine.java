package dev.sluice.api.docker;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;

/**
 * A Docker engine of a few answers, on a unix socket: what a test has put down for a path, 404 for
 * others.
 */
final class ScriptedEngine implements AutoCloseable {
  /** The id of its only network. */
  static final String NETWORK = "e".repeat(64);

  private final Path socket;
  private final ServerSocketChannel server;
  private final Map<String, String> answers = new ConcurrentHashMap<>();
  private final Set<String> silent = ConcurrentHashMap.newKeySet();
  private final Set<String> broken = ConcurrentHashMap.newKeySet();
  private final List<String> asked = new CopyOnWriteArrayList<>();
  private final List<SocketChannel> connections = new CopyOnWriteArrayList<>();
  private final List<SocketChannel> listeners = new CopyOnWriteArrayList<>();

  ScriptedEngine(Path directory) throws IOException {
    socket = directory.resolve("docker.sock");
    server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
    server.bind(UnixDomainSocketAddress.of(socket));
    Thread thread = new Thread(this::accept, "scripted-engine");
    thread.setDaemon(true);
    thread.start();
    answer("/version", "{\"Version\":\"20.10.24\"}");
    containers();
    String network =
        """
        {"Id":"%s","Name":"blue","Driver":"bridge","IPAM":{"Config":[{"Subnet":"172.31.9.0/24"}]},
        "Containers":{%%s},"Options":{}}
        """
            .formatted(NETWORK);
    answer("/networks", "[" + network.formatted("") + "]");
    answer(
        "/networks/" + NETWORK,
        network.formatted("\"" + id('a') + "\":{\"IPv4Address\":\"172.31.9.2/24\"}"));
  }

  /** The id of the container a, b and so on. */
  static String id(char letter) {
    return String.valueOf(letter).repeat(64);
  }

  Path socket() {
    return socket;
  }

  /** What has been asked, without what follows a question mark. */
  List<String> asked() {
    return asked;
  }

  void answer(String path, String json) {
    answers.put(path, json);
  }

  /** Does not answer for that. */
  void fallSilent(String path) {
    silent.add(path);
  }

  /** Answers that with an error. */
  void fail(String path) {
    broken.add(path);
  }

  void mend(String path) {
    broken.remove(path);
  }

  /** All that {@code GET /containers/json} tells. */
  void containers(String... listed) {
    answer("/containers/json", "[" + String.join(",", listed) + "]");
  }

  /** A container in the list, that was also put down for itself: port 8080 leads to its port 80. */
  String container(char letter, String name, boolean running, String address, int hostPort) {
    String networks =
        running
            ? "{\"blue\":{\"NetworkID\":\"%s\",\"IPAddress\":\"%s\"}}".formatted(NETWORK, address)
            : "{}";
    String binding = "{\"80/tcp\":[{\"HostIp\":\"0.0.0.0\",\"HostPort\":\"" + hostPort + "\"}]}";
    answer(
        "/containers/" + id(letter) + "/json",
        """
        {"Id":"%s","Name":"/%s","State":{"Running":%s},"HostConfig":{"PortBindings":%s},
        "NetworkSettings":{"Ports":%s,"Networks":%s}}
        """
            .formatted(id(letter), name, running, binding, running ? binding : "{}", networks));
    return """
    {"Id":"%s","Names":["/other/alias","/%s"],"State":"%s","Ports":[{"IP":"0.0.0.0",
    "PrivatePort":80,"PublicPort":%d,"Type":"tcp"}],"NetworkSettings":{"Networks":%s}}
    """
        .formatted(id(letter), name, running ? "running" : "created", hostPort, networks);
  }

  /** Tells those who follow of something that happened to a network it does not have. */
  void emit() {
    String event =
        "{\"Type\":\"network\",\"Action\":\"destroy\",\"Actor\":{\"ID\":\"f\"},\"timeNano\":1}\n";
    listeners.removeIf(listener -> hasGone(listener, event));
  }

  private static boolean hasGone(SocketChannel listener, String event) {
    try {
      write(listener, "%x\r\n%s\r\n".formatted(event.length(), event));
      return false;
    } catch (IOException e) {
      return true;
    }
  }

  private void accept() {
    try {
      while (true) {
        SocketChannel connection = server.accept();
        connections.add(connection);
        Thread thread = new Thread(() -> serve(connection), "scripted-engine-connection");
        thread.setDaemon(true);
        thread.start();
      }
    } catch (IOException e) {
      // closed
    }
  }

  private void serve(SocketChannel connection) {
    ByteBuffer buffer = ByteBuffer.allocate(64 << 10);
    try {
      while (connection.read(buffer) >= 0) {
        String text = new String(buffer.array(), 0, buffer.position(), StandardCharsets.UTF_8);
        if (text.endsWith("\r\n\r\n")) {
          buffer.clear();
          String path = text.split(" ", 3)[1].split("\\?", 2)[0];
          asked.add(path);
          reply(connection, path);
        }
      }
    } catch (IOException e) {
      // who asked has gone
    }
  }

  private void reply(SocketChannel connection, String path) throws IOException {
    if (path.equals("/events")) {
      write(connection, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
      listeners.add(connection);
    } else if (!silent.contains(path)) {
      String answer = answers.get(path);
      String status = answer == null ? "404 Not Found" : "200 OK";
      if (broken.contains(path)) {
        status = "500 Internal Server Error";
        answer = "{\"message\":\"out of order\"}";
      }
      String body = answer == null ? "{}" : answer;
      write(
          connection,
          "HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s".formatted(status, body.length(), body));
    }
  }

  private static void write(SocketChannel to, String text) throws IOException {
    ByteBuffer bytes = ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8));
    while (bytes.hasRemaining()) {
      to.write(bytes);
    }
  }

  @Override
  public void close() {
    try {
      server.close();
      for (SocketChannel connection : connections) {
        connection.close();
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
