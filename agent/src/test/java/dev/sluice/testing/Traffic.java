package dev.sluice.testing;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Real traffic from and to one namespace: servers that say who they are and whom they see,
 * connections, frames. Driven through one long-lived process, {@code lab/traffic.py}, which
 * describes the conversation.
 *
 * <p>Thread safe; several calls may wait at once.
 */
public final class Traffic implements AutoCloseable {

  /** How an attempt ended. */
  public enum Outcome {
    /** The server answered; the text is what it said. */
    ANSWERED,
    /** Nothing came back in time. */
    TIMEOUT,
    /** A TCP reset to the first packet, or ICMP port unreachable. */
    REFUSED,
    /** No route, or ICMP host, network or administratively unreachable. */
    UNREACHABLE,
    /** Connected, then closed or reset without an answer. */
    RESET
  }

  /**
   * What came of one attempt.
   *
   * @param outcome how it ended
   * @param text what the server said ({@code c1:80 peer=198.18.0.2}), or the system's message
   */
  public record Answer(Outcome outcome, String text) {

    /** Whether nobody could be talked to, in whatever way that was made known. */
    public boolean blocked() {
      return outcome != Outcome.ANSWERED;
    }

    /** Who answered, {@code c1:80}; empty if nobody. */
    public String server() {
      return blocked() ? "" : text.substring(0, text.indexOf(' '));
    }

    /** The source address the server saw; empty if nobody answered. */
    public String peer() {
      return blocked() ? "" : text.substring(text.indexOf("peer=") + "peer=".length());
    }

    @Override
    public String toString() {
      return blocked() ? outcome + " (" + text + ")" : text;
    }
  }

  /** TCP connections kept open until closed. */
  public final class Held implements AutoCloseable {
    private final int number;
    private final int answered;
    private final Map<String, Integer> servers;

    private Held(int number, int answered, Map<String, Integer> servers) {
      this.number = number;
      this.answered = answered;
      this.servers = servers;
    }

    /** How many of those attempted were answered, and are open. */
    public int answered() {
      return answered;
    }

    /** How many connections each server answered, by its name, in the order of the names. */
    public Map<String, Integer> servers() {
      return servers;
    }

    /** How many of them still carry a question and its echo; they get a second, all together. */
    public int alive() {
      return call("ping", Map.of("held_number", number, "timeoutSeconds", 1.0))
          .get("alive")
          .intValue();
    }

    @Override
    public void close() {
      call("release", Map.of("held_number", number));
    }
  }

  private static final JsonMapper JSON = new JsonMapper();
  private static final int CALL_TIMEOUT_SECONDS = 60;
  private static final double GET_SECONDS = 1.0;
  private static final double HOLD_SECONDS = 0.4;

  static final List<String> COMMAND =
      List.of("/usr/bin/python3", "-I", "-S", "-c", Ran.resource("/lab/traffic.py"));

  private final Process process;
  private final Writer toTool;
  private final AtomicInteger lastId = new AtomicInteger();
  private final Map<Integer, CompletableFuture<JsonNode>> waiting = new ConcurrentHashMap<>();

  private Traffic(Process process) {
    this.process = process;
    this.toTool = process.outputWriter(StandardCharsets.UTF_8);
  }

  static Traffic start(List<String> command) {
    try {
      Process process =
          new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
      Traffic traffic = new Traffic(process);
      Thread reader = new Thread(traffic::read, "answers of the traffic tool");
      reader.setDaemon(true);
      reader.start();
      return traffic;
    } catch (IOException e) {
      throw new UncheckedIOException("cannot start the traffic tool", e);
    }
  }

  private void read() {
    String lost = "the traffic tool ended";
    try (BufferedReader answers = process.inputReader(StandardCharsets.UTF_8)) {
      for (String line = answers.readLine(); line != null; line = answers.readLine()) {
        JsonNode answer = JSON.readTree(line);
        CompletableFuture<JsonNode> future = waiting.remove(answer.get("id").intValue());
        if (future == null) {
          continue; // the greeting
        }
        JsonNode error = answer.get("error");
        if (error == null) {
          future.complete(answer.get("result"));
        } else {
          future.completeExceptionally(new IllegalStateException(error.asString()));
        }
      }
    } catch (IOException e) {
      lost = "the traffic tool cannot be read: " + e.getMessage();
    }
    for (CompletableFuture<JsonNode> future : waiting.values()) {
      future.completeExceptionally(new IllegalStateException(lost));
    }
  }

  /**
   * Serves on every address of the namespace, both families; returns when all sockets are bound.
   *
   * @param name what the servers call themselves
   * @param tcp ports and ranges, separated by commas: {@code 80,7000-7009}; empty for none
   * @param udp as {@code tcp}
   */
  public void serve(String name, String tcp, String udp) {
    await("serve", beginServe(name, tcp, udp));
  }

  CompletableFuture<JsonNode> beginServe(String name, String tcp, String udp) {
    return send("serve", Map.of("name", name, "tcp", ports(tcp), "udp", ports(udp)));
  }

  /** One TCP connection: what the server says first. Given a second. */
  public Answer tcp(String address, int port) {
    return get("tcp", address, port, null, GET_SECONDS);
  }

  /** As {@link #tcp(String, int)}, from a source address of this namespace. */
  public Answer tcpFrom(String source, String address, int port) {
    return get("tcp", address, port, source, GET_SECONDS);
  }

  /** As {@link #tcp(String, int)}, given as long as this. */
  public Answer tcp(String address, int port, double timeoutSeconds) {
    return get("tcp", address, port, null, timeoutSeconds);
  }

  /** As {@link #tcpFrom(String, String, int)}, given as long as this. */
  public Answer tcpFrom(String source, String address, int port, double timeoutSeconds) {
    return get("tcp", address, port, source, timeoutSeconds);
  }

  /** One UDP datagram and its answer. Given a second. */
  public Answer udp(String address, int port) {
    return get("udp", address, port, null, GET_SECONDS);
  }

  /** As {@link #udp(String, int)}, from a source address of this namespace. */
  public Answer udpFrom(String source, String address, int port) {
    return get("udp", address, port, source, GET_SECONDS);
  }

  private Answer get(
      String protocol, String address, int port, @Nullable String source, double timeoutSeconds) {
    Map<String, Object> arguments = new LinkedHashMap<>();
    arguments.put("protocol", protocol);
    arguments.put("address", address);
    arguments.put("port", port);
    arguments.put("timeoutSeconds", timeoutSeconds);
    if (source != null) {
      arguments.put("source", source);
    }
    JsonNode result = call("get", arguments);
    return new Answer(
        Outcome.valueOf(result.get("outcome").asString()), result.get("text").asString());
  }

  /**
   * Opens TCP connections one after the other (0.4 s each) and keeps those that are answered.
   *
   * @param count how many to attempt
   * @param sources source addresses to take turns with; none for the system's choice
   */
  public Held hold(String address, int port, int count, String... sources) {
    return holdWithin(HOLD_SECONDS, address, port, count, sources);
  }

  /** As {@link #hold}, each connection given as long as this. */
  public Held holdWithin(
      double timeoutSeconds, String address, int port, int count, String... sources) {
    return hold(false, timeoutSeconds, address, port, count, sources);
  }

  /** As {@link #holdWithin}, but all of them are opened at once. */
  public Held holdAtOnceWithin(
      double timeoutSeconds, String address, int port, int count, String... sources) {
    return hold(true, timeoutSeconds, address, port, count, sources);
  }

  private Held hold(
      boolean atOnce,
      double timeoutSeconds,
      String address,
      int port,
      int count,
      String... sources) {
    JsonNode result =
        call(
            "hold",
            Map.of(
                "address", address,
                "port", port,
                "count", count,
                "sources", List.of(sources),
                "timeoutSeconds", timeoutSeconds,
                "atOnce", atOnce));
    Map<String, Integer> servers = new TreeMap<>();
    for (Map.Entry<String, JsonNode> server : result.get("servers").properties()) {
      servers.put(server.getKey(), server.getValue().intValue());
    }
    return new Held(result.get("held").intValue(), result.get("answered").intValue(), servers);
  }

  /**
   * Puts the same Ethernet frame on the wire {@code count} times.
   *
   * @param device the device to send through; its hardware address is the source
   * @param destinationMac the next hop's hardware address ({@link Netns#mac})
   * @param packet what the frame carries, in scapy's words: {@code
   *     IP(src="…",dst="…")/TCP(sport=80,flags="R")}
   */
  public void inject(String device, String destinationMac, int count, String packet) {
    call(
        "inject",
        Map.of(
            "device", device, "destinationMac", destinationMac, "count", count, "packet", packet));
  }

  /**
   * Puts {@code count} different Ethernet frames on the wire.
   *
   * @param packet as for {@link #inject}; {@code i} in it is 0, 1 and so on
   */
  public void flood(String device, String destinationMac, int count, String packet) {
    call(
        "flood",
        Map.of(
            "device", device, "destinationMac", destinationMac, "count", count, "packet", packet));
  }

  private JsonNode call(String command, Map<String, ?> arguments) {
    return await(command, send(command, arguments));
  }

  private CompletableFuture<JsonNode> send(String command, Map<String, ?> arguments) {
    int id = lastId.incrementAndGet();
    Map<String, Object> request = new LinkedHashMap<>(arguments);
    request.put("id", id);
    request.put("do", command);
    CompletableFuture<JsonNode> future = new CompletableFuture<>();
    waiting.put(id, future);
    try {
      synchronized (toTool) {
        toTool.write(JSON.writeValueAsString(request) + "\n");
        toTool.flush();
      }
    } catch (IOException e) {
      throw new UncheckedIOException("the traffic tool is gone", e);
    }
    return future;
  }

  static JsonNode await(String command, CompletableFuture<JsonNode> future) {
    try {
      return future.get(CALL_TIMEOUT_SECONDS, TimeUnit.SECONDS);
    } catch (ExecutionException e) {
      throw new AssertionError("traffic tool, " + command + ": " + e.getCause(), e);
    } catch (TimeoutException e) {
      throw new AssertionError(
          "traffic tool, %s: no answer in %d s".formatted(command, CALL_TIMEOUT_SECONDS), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted during " + command, e);
    }
  }

  private static List<String> ports(String spec) {
    return spec.isEmpty() ? List.of() : List.of(spec.split(",", -1));
  }

  @Override
  public void close() {
    process.destroyForcibly();
    try {
      process.waitFor();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
