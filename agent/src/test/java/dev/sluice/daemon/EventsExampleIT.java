package dev.sluice.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.api.ApiClient;
import dev.sluice.flow.FlowFilter;
import dev.sluice.testing.Background;
import dev.sluice.testing.Lab;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * docs/examples/events.py at the real agent's socket for consumers; the witness is the same stream
 * in JSON.
 */
class EventsExampleIT {
  private static final JsonMapper JSON = JsonMapper.shared();
  private static final Duration LIMIT = Duration.ofSeconds(20);

  private Path directory = Path.of("/nowhere");
  @AutoClose private Lab lab;
  @AutoClose private BareAgent agent;

  @BeforeEach
  void start(@TempDir Path directory) {
    this.directory = directory;
    lab = Lab.builder().agentWillConfigureHost().build();
    agent = startAgent();
    publish();
  }

  /** With a socket for consumers, which the example uses. */
  private BareAgent startAgent() {
    return BareAgent.start(
        lab.host(), directory, "--events-socket", directory.resolve("events.sock").toString());
  }

  private void publish() {
    agent.api().publish(List.of("8080:80", "5353:53/udp"), Lab.C1, Optional.of("web"));
  }

  private Background example() {
    return lab.host()
        .start(
            "/usr/bin/python3",
            Path.of(System.getProperty("sluice.project.dir"), "docs/examples/events.py").toString(),
            "--socket",
            directory.resolve("events.sock").toString(),
            "--cursor",
            directory.resolve("cursor").toString());
  }

  /** Flows of both protocols and families, and the ends of all of them. */
  private void traffic() {
    assertThat(lab.client().traffic().tcp(Lab.HOST, 8080).server()).isEqualTo("c1:80");
    assertThat(lab.client().traffic().udp(Lab.HOST, 5353).server()).isEqualTo("c1:53");
    lab.client().traffic().udp(Lab.HOST6, 9);
    lab.host().exec("conntrack", "-F").orFail();
    // What comes last of all this, by its port.
    lab.client().traffic().udp(Lab.HOST, 4321);
  }

  /** What the example should print of the events from 1 on, as far as that of the last flow. */
  private List<String> expected(int times) {
    List<String> lines = new ArrayList<>();
    int[] ends = {0};
    try (ApiClient client = agent.client()) {
      client.events(
          FlowFilter.ALL,
          OptionalLong.of(1),
          line -> {
            JsonNode event = JSON.readTree(line);
            lines.add(text(event));
            if (isNew(event) && end(event.get("original"), "dst", "dport").endsWith(":4321")) {
              ends[0]++;
            }
            return ends[0] < times;
          });
    }
    return lines;
  }

  private static boolean isNew(JsonNode event) {
    return event.get("event").asString().equals("new");
  }

  private static String text(JsonNode event) {
    JsonNode original = event.get("original");
    JsonNode reply = event.get("reply");
    StringBuilder line = new StringBuilder();
    line.append(event.get("seq").asString()).append(' ').append(event.get("time").asString());
    line.append(' ').append(event.get("event").asString());
    line.append(' ').append(event.get("proto").asString());
    line.append(' ').append(end(original, "src", "sport"));
    line.append(" -> ").append(end(original, "dst", "dport"));
    line.append(" at ").append(end(reply, "src", "sport"));
    if (event.has("mapping")) {
      line.append(" [").append(event.get("mapping").asString()).append(']');
    }
    if (original.has("packets")) {
      line.append(' ').append(counters(original)).append(' ').append(counters(reply));
    }
    return line.append(event.has("synthesised") ? " (concluded)" : "").toString();
  }

  private static String counters(JsonNode direction) {
    return direction.get("packets").asString() + "/" + direction.get("bytes").asString();
  }

  private static String end(JsonNode direction, String address, String port) {
    String text = direction.get(address).asString();
    if (!direction.has(port)) {
      return text;
    }
    return (text.contains(":") ? "[" + text + "]" : text) + ":" + direction.get(port).asString();
  }

  private static String lastOf(List<String> lines) {
    return lines.get(lines.size() - 1).replaceAll("[^0-9a-zA-Z ]", ".");
  }

  /** Without what a broken connection, or its own end, makes it say. */
  private static List<String> eventsOf(Background example) {
    return example.lines().stream().filter(line -> line.matches("[0-9].*")).toList();
  }

  /** A line is printed before it is noted down. */
  private void awaitCursor(List<String> lines) throws IOException {
    String last = lines.get(lines.size() - 1);
    long sequence = Long.parseLong(last.substring(0, last.indexOf(' ')));
    Path cursor = directory.resolve("cursor");
    long deadline = System.nanoTime() + LIMIT.toNanos();
    while (Long.parseLong(Files.readString(cursor).strip().replaceFirst(".*/", "")) <= sequence) {
      assertThat(System.nanoTime()).isLessThan(deadline);
      BareAgent.pause();
    }
  }

  /**
   * Fails if the layout in the documentation, the example's, or the agent's differ in any field
   * that is shown; if the example forgets where it was; or if it takes a restart for more of the
   * same.
   */
  @Test
  void prints_every_event_once_over_its_own_end_and_the_agent_s() throws IOException {
    traffic();
    List<String> first = expected(1);
    assertThat(first).anyMatch(line -> line.contains(" destroy tcp ") && line.contains(" [web] "));
    assertThat(first).anyMatch(line -> line.contains(" new udp [2001:db8:18::2]:"));
    List<String> printed = new ArrayList<>();
    try (Background example = example()) {
      example.awaitLine(lastOf(first), LIMIT);
      awaitCursor(first);
      example.kill();
      printed.addAll(eventsOf(example));
    }
    assertThat(printed.subList(0, first.size())).isEqualTo(first);

    traffic();
    List<String> both = expected(2);
    try (Background example = example()) {
      example.awaitLine(lastOf(both), LIMIT);
      printed.addAll(eventsOf(example));
      // What the host says by itself may follow.
      assertThat(printed.subList(0, both.size())).isEqualTo(both);

      agent.kill();
      agent = startAgent();
      traffic();
      List<String> after = expected(1);
      example.awaitLine(lastOf(after), LIMIT);
      List<String> since =
          example.lines().stream()
              .dropWhile(line -> !line.equals("- agent restarted"))
              .skip(1)
              .toList();
      assertThat(since.subList(0, after.size())).isEqualTo(after);
    }
  }
}
