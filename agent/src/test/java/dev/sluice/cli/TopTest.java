package dev.sluice.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.api.ApiOptions;
import dev.sluice.api.ApiServer;
import dev.sluice.api.FakeAgent;
import dev.sluice.api.HostStatistics;
import dev.sluice.flow.EventStatistics;
import dev.sluice.flow.PressureStatistics;
import dev.sluice.flow.SourcePortStatistics;
import dev.sluice.model.Activity;
import dev.sluice.model.Alarm;
import dev.sluice.model.FlowCounters;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingCounters;
import dev.sluice.model.PublishedMapping;
import dev.sluice.model.Traffic;
import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The view of {@code sluice top}, from fixed figures. Each text fails if a word of it changes. */
class TopTest {
  private static final Instant NOW = FakeAgent.CREATED.plus(Duration.ofMinutes(2));
  private static final long SECOND = 1_000_000_000L;

  private final FakeAgent agent = new FakeAgent();
  private final Mapping web = agent.publish("8080:80", "172.30.0.2", "web");
  private final Mapping dns = agent.publish("127.0.0.1:53:53/udp", "172.30.0.3", null);

  private static Terminal terminal(StringWriter out, boolean colours) {
    return new Terminal(
        new PrintWriter(out), new PrintWriter(out), colours, Clock.fixed(NOW, ZoneOffset.UTC));
  }

  private static List<String> lines(TopReport report, int height, int width) {
    return TopText.lines(report, terminal(new StringWriter(), false), height, width);
  }

  private static HostStatistics statistics(long received, long lost, Alarm.Level level) {
    return new HostStatistics(
        new EventStatistics(
            EventStatistics.State.RUNNING,
            Optional.empty(),
            received,
            lost,
            0,
            0,
            0,
            0,
            40,
            0,
            true,
            1,
            1,
            0,
            0,
            1,
            1),
        new PressureStatistics(210_000, 262_144, 0, 0, 0, level, Map.of(), Optional.empty()),
        SourcePortStatistics.NONE);
  }

  private static PublishedMapping published(
      Mapping mapping, long connections, long bytesIn, long bytesOut) {
    return new PublishedMapping(
        mapping,
        new MappingCounters(connections)
            .withTraffic(new Traffic(new FlowCounters(1, bytesIn), new FlowCounters(1, bytesOut))));
  }

  private static PublishedMapping seen(PublishedMapping one, long open) {
    return new PublishedMapping(
        one.mapping(), one.counters().with(new Activity(1, open, NOW.minusSeconds(3))));
  }

  /** Fails if a rate is not divided by the time that passed, or the busiest is not on top. */
  @Test
  void rates_are_of_the_time_between_two_samples() {
    TopSample before =
        new TopSample(
            5 * SECOND,
            statistics(1_000, 3, Alarm.Level.CLEARED),
            "{}",
            List.of(published(dns, 100, 1_000, 0), published(web, 10, 0, 500)));
    TopSample after =
        new TopSample(
            7 * SECOND,
            statistics(3_000, 3, Alarm.Level.CLEARED),
            "{}",
            List.of(published(dns, 101, 1_000, 0), seen(published(web, 34, 3_000, 4_000_500), 12)));
    assertThat(lines(TopReport.between(before, after), 24, 120))
        .containsExactly(
            "sluice top  09:02:00  2 mappings",
            "table       210000 of 262144 connections (80 %), no pressure",
            "events      1000/s, 40 connections open, 3 events lost, 1 consumer",
            "",
            "NAME/ID            PORTS                  TARGET       CONN/S   OPEN   IN/S     OUT/S   "
                + " LAST SEEN",
            "web                0.0.0.0:8080->80/tcp   172.30.0.2   12       12     1.50kB   2.00MB"
                + "   3 seconds ago",
            "a1b2c3d400000002   127.0.0.1:53->53/udp   172.30.0.3   0.5      0      0B       0B     "
                + "  -");
  }

  /** Fails if a loss or pressure is not to be seen at once, or colours what is well. */
  @Test
  void what_is_wrong_is_red() {
    TopSample before = new TopSample(0, statistics(0, 3, Alarm.Level.CLEARED), "{}", List.of());
    TopSample after =
        new TopSample(SECOND, statistics(0, 10, Alarm.Level.CRITICAL), "{}", List.of());
    assertThat(
            TopText.lines(
                TopReport.between(before, after), terminal(new StringWriter(), true), 24, 80))
        .containsExactly(
            "sluice top  09:02:00  0 mappings",
            "\033[31mtable       210000 of 262144 connections (80 %), critical\033[0m",
            "\033[31mevents      0/s, 40 connections open, 10 events lost (7 just now), 1"
                + " consumer\033[0m",
            "",
            "NAME/ID   PORTS   TARGET   CONN/S   OPEN   IN/S   OUT/S   LAST SEEN");
    assertThat(
            TopText.lines(
                TopReport.between(before, before), terminal(new StringWriter(), true), 24, 80))
        .noneMatch(line -> line.contains("\033"));
  }

  /** Fails if a window scrolls because there are more mappings, or wider ones, than it has room. */
  @Test
  void a_small_window_is_filled_but_not_exceeded() {
    List<PublishedMapping> many =
        IntStream.range(0, 30)
            .mapToObj(i -> agent.publish((9000 + i) + ":80", "172.30.0.9", "m" + i))
            .map(mapping -> published(mapping, 0, 0, 0))
            .toList();
    TopSample sample = new TopSample(0, statistics(0, 0, Alarm.Level.CLEARED), "{}", many);
    List<String> lines = lines(TopReport.between(sample, sample), 12, 30);
    assertThat(lines).hasSize(12).allMatch(line -> line.length() <= 30);
    assertThat(lines.get(11)).isEqualTo("and 24 more");
    assertThat(lines(TopReport.between(sample, sample), 35, 80)).hasSize(35);
  }

  /** Fails if a counter that began anew is shown as a rate below zero. */
  @Test
  void a_counter_that_began_anew_is_no_rate() {
    TopSample before =
        new TopSample(
            0, statistics(900, 9, Alarm.Level.CLEARED), "{}", List.of(published(web, 9, 9, 9)));
    TopSample after =
        new TopSample(
            SECOND, statistics(1, 0, Alarm.Level.CLEARED), "{}", List.of(published(web, 0, 0, 0)));
    TopReport report = TopReport.between(before, after);
    assertThat(report.eventsPerSecond()).isZero();
    assertThat(report.lostNow()).isZero();
    assertThat(report.rows().get(0).connectionsPerSecond()).isZero();
    assertThat(report.rows().get(0).bytesInPerSecond()).isZero();
  }

  /** Fails if a member of the object changes its name, or the command does not end after it. */
  @Test
  void json_is_one_object_a_view(@TempDir Path directory) {
    agent.seen(web, new Activity(7, 3, NOW));
    StringWriter out = new StringWriter();
    try (ApiServer server =
        ApiServer.start(directory.resolve("a.sock"), agent.services(), ApiOptions.DEFAULTS)) {
      assertThat(
              Main.run(
                  terminal(out, false),
                  "--socket",
                  server.socket().toString(),
                  "top",
                  "--once",
                  "--json"))
          .isZero();
    }
    assertThat(out.toString())
        .startsWith(
            "{\"time\":\"2026-11-21T09:02:00Z\",\"eventsPerSecond\":0.0,\"lostNow\":0,"
                + "\"statistics\":{\"events\":{\"state\":\"running\",\"received\":5000,")
        .endsWith(
            "\"mappings\":[{\"id\":\"a1b2c3d400000001\",\"name\":\"web\","
                + "\"text\":\"0.0.0.0:8080->80/tcp\",\"targetAddress\":\"172.30.0.2\","
                + "\"connectionsPerSecond\":0.0,\"open\":3,\"bytesInPerSecond\":0.0,"
                + "\"bytesOutPerSecond\":0.0,\"lastSeen\":\"2026-11-21T09:02:00Z\"},"
                + "{\"id\":\"a1b2c3d400000002\",\"text\":\"127.0.0.1:53->53/udp\","
                + "\"targetAddress\":\"172.30.0.3\",\"connectionsPerSecond\":0.0,"
                + "\"bytesInPerSecond\":0.0,\"bytesOutPerSecond\":0.0}]}\n");
  }

  /** Fails if the answer of a terminal is taken for keys, or a key for an answer. */
  @Test
  void the_terminal_says_how_large_it_is() throws Exception {
    StringWriter asked = new StringWriter();
    Keyboard keyboard = new Keyboard(keys("x\033[50;132R\033[A"), new PrintWriter(asked), true);
    assertThat(keyboard.size()).isEqualTo(new Keyboard.Size(50, 132));
    assertThat(asked.toString()).contains("\033[6n");
    assertThat(keyboard.isQuitWithin(0)).isFalse();
    assertThat(new Keyboard(keys("\033[Aq"), new PrintWriter(asked), false).isQuitWithin(0))
        .isTrue();
  }

  private static InputStream keys(String pressed) {
    return new ByteArrayInputStream(pressed.getBytes(StandardCharsets.US_ASCII));
  }

  /** Fails if an interval of nothing is taken. */
  @Test
  void an_interval_out_of_range_is_refused() {
    StringWriter out = new StringWriter();
    assertThat(Main.run(terminal(out, false), "top", "--interval", "0")).isEqualTo(2);
    assertThat(out.toString()).isEqualTo("sluice: --interval must be 1 to 3600, not 0\n");
  }
}
