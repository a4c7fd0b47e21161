package dev.sluice.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.testing.Background;
import dev.sluice.testing.Netns;
import dev.sluice.testing.Nft;
import dev.sluice.testing.Ran;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code sluice ruleset} of a running agent, loaded by nft into another namespace. */
class RulesetCommandIT {
  private static final Duration START = Duration.ofSeconds(60);

  @AutoClose private Netns host;
  @AutoClose private Netns copy;
  private Path socket;

  @BeforeEach
  void create(@TempDir Path directory) {
    host = Netns.create("host");
    copy = Netns.create("copy");
    host.ip(
        "link add br0 type bridge",
        "addr add 172.30.0.1/24 dev br0",
        "addr add fd30::1/64 dev br0",
        "link set br0 up",
        "addr add 198.18.0.1/32 dev lo",
        "addr add 2001:db8::1/128 dev lo");
    socket = directory.resolve("sluice.sock");
  }

  private Background agent(String ownership) {
    Background agent =
        host.start(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-Dsluice.native.dir=" + System.getProperty("sluice.native.dir"),
            "-cp",
            System.getProperty("java.class.path"),
            Main.class.getName(),
            "--socket",
            socket.toString(),
            "agent",
            "--ownership",
            ownership,
            "--network",
            "br0");
    long deadlineNanos = System.nanoTime() + START.toNanos();
    // With the tests' class path the agent logs no more than warnings.
    while (sluice("version").contains("\nagent: ")) {
      assertThat(agent.isAlive() && System.nanoTime() < deadlineNanos)
          .as(() -> String.join("\n", agent.lines()))
          .isTrue();
    }
    return agent;
  }

  private String sluice(String... arguments) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    String[] all =
        Stream.concat(Stream.of("--socket", socket.toString()), Arrays.stream(arguments))
            .toArray(String[]::new);
    Terminal terminal =
        new Terminal(new PrintWriter(out), new PrintWriter(err), false, Clock.systemUTC());
    assertThat(Main.run(terminal, all)).as(err::toString).isZero();
    return out.toString();
  }

  private void publishEveryForm() {
    sluice(
        "publish",
        "--to",
        "172.30.0.2",
        "--name",
        "every",
        "-p",
        "8080:80",
        "-p",
        "198.18.0.1:8081:80",
        "-p",
        "5353:53/udp",
        "-p",
        "7000-7009:7000-7009",
        "-p",
        "7100-7107:7100-7107/udp",
        "-p",
        "8100-8102:9100-9102");
    sluice(
        "publish",
        "--to",
        "fd30::2",
        "--name",
        "six",
        "-p",
        "[2001:db8::1]:8443:443",
        "-p",
        "[::]:8444:443",
        "-p",
        "[::]:7000-7009:7000-7009");
  }

  /** The table as nft lists it, its owner, counters and line breaks of elements aside. */
  private static List<String> listed(Netns netns) {
    Ran ran = Nft.in(netns).run("-s", "list", "table", "inet", "sluice").orFail();
    List<String> lines = new ArrayList<>();
    for (String line : ran.stdout().replaceAll(",\\n\\s+", ", ").lines().toList()) {
      if (line.strip().startsWith("elements = {")) {
        Arrays.stream(line.strip().split("[{}]|, ", -1)).sorted().forEach(lines::add);
      } else if (!line.isBlank() && !line.strip().startsWith("flags owner")) {
        // Who owns a table is a remark behind its name.
        lines.add(line.replaceFirst(" # progname .*", ""));
      }
    }
    return lines;
  }

  /**
   * Fails if any set, element, chain or rule of the table is worded so that nft makes something
   * else of it: for instance if {@code SetText.predecessor} forgets a byte that runs over.
   */
  @ParameterizedTest
  @ValueSource(strings = {"auto", "off"})
  void what_it_prints_makes_the_same_table_elsewhere(String ownership) {
    try (Background agent = agent(ownership)) {
      publishEveryForm();
      String printed = sluice("ruleset");
      assertThat(printed)
          .doesNotContain("cannot be written")
          .contains("tcp . 8080 counter packets 0 bytes 0 comment \"every\" : 172.30.0.2 . 80");
      Ran checked = copy.execWithInput(printed, "nft", "-c", "-f", "-");
      assertThat(checked.succeeded()).as(checked.toString()).isTrue();
      Nft.in(copy).apply(printed);
      assertThat(listed(copy)).isEqualTo(listed(host));
      assertThat(agent.isAlive()).isTrue();
    }
  }

  /** The comparison above sees a rule that is missing. */
  @Test
  void a_rule_less_is_another_table() {
    try (Background agent = agent("auto")) {
      publishEveryForm();
      String rule = "\t\tct status dnat accept\n";
      String printed = sluice("ruleset");
      assertThat(printed).containsOnlyOnce(rule);
      Nft.in(copy).apply(printed.replace(rule, ""));
      assertThat(listed(copy)).isNotEqualTo(listed(host));
      assertThat(agent.isAlive()).isTrue();
    }
  }

  /**
   * Fails if printing costs more than reading and writing each element: if {@code
   * TablePrinter.print} searched the listing for each rule or element.
   */
  @Test
  void twenty_thousand_ports_are_printed_in_seconds() {
    try (Background agent = agent("auto")) {
      sluice("publish", "--to", "172.30.0.2", "--name", "many", "-p", "10000-29999:20000-39999");
      long began = System.nanoTime();
      String printed = sluice("ruleset");
      assertThat(Duration.ofNanos(System.nanoTime() - began)).isLessThan(Duration.ofSeconds(20));
      assertThat(printed.lines().filter(line -> line.contains("comment \"many\""))).hasSize(20_000);
      Nft.in(copy).apply(printed);
      assertThat(agent.isAlive()).isTrue();
    }
  }
}
