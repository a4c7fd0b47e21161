package dev.sluice.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.api.Diagnostics.Finding;
import dev.sluice.api.Diagnostics.Severity;
import dev.sluice.conntrack.Conntrack;
import dev.sluice.conntrack.TableSize;
import dev.sluice.model.MappingName;
import dev.sluice.model.MappingOptions;
import dev.sluice.model.OptionsChange;
import dev.sluice.model.Owner;
import dev.sluice.model.PortSpec;
import dev.sluice.model.PublishRequest;
import dev.sluice.model.SourceRate;
import dev.sluice.model.UpdateRequest;
import dev.sluice.net.IpAddress;
import dev.sluice.netlink.NetworkNamespace;
import dev.sluice.testing.Background;
import dev.sluice.testing.Lab;
import dev.sluice.testing.Ran;
import dev.sluice.testing.Scale;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A table of connections that fills up, in a namespace of its own, to the limit of this machine,
 * which is not changed: entries that nobody gives up early are made by {@code conntrack} as far as
 * wanted, and a flood of real connections from one source does the rest.
 */
@Tag("alone")
class PressureIT {
  /** Places that are left to the flood and to others. */
  private static final long ROOM = 2_000;

  private static final int FLOOD_CONNECTIONS = 4_000;
  private static final int SERVER_PORT = 7100;
  private static final Duration LIMIT = Duration.ofSeconds(30);

  @AutoClose private Lab lab;
  @AutoClose private BareAgent agent;
  @AutoClose private NetworkNamespace namespace;
  @AutoClose private Conntrack table;
  private Path directory = Path.of("/nowhere");
  private long made;

  @BeforeEach
  void start(@TempDir Path temporary) {
    directory = temporary;
    lab = Lab.builder().attacker().agentWillConfigureHost().build();
    lab.c1().sysctl("net.core.somaxconn=4096");
    namespace = NetworkNamespace.open(lab.host().path());
    table = Conntrack.open(namespace);
    agent = BareAgent.start(lab.host(), directory, "--conntrack-memory", "1024");
    lab.c1().start(flood("serve", "" + SERVER_PORT)).awaitLine("serving", LIMIT);
    agent
        .api()
        .publish(
            new PublishRequest(
                List.of(PortSpec.parse("8080:" + SERVER_PORT)),
                List.of(IpAddress.parse(Lab.C1)),
                Optional.of(new MappingName("web")),
                Owner.CLI,
                MappingOptions.NONE));
  }

  private static String[] flood(String... arguments) {
    String[] command = new String[5 + arguments.length];
    List<String> python =
        List.of("/usr/bin/python3", "-I", "-S", "-c", Ran.resource("/lab/flood.py"));
    for (int i = 0; i < command.length; i++) {
      command[i] = i < 5 ? python.get(i) : arguments[i - 5];
    }
    return command;
  }

  /** Makes answered, confirmed entries until there are so many. */
  private void fillTo(long entries) {
    Path file = directory.resolve("entries");
    StringBuilder lines = new StringBuilder();
    for (long missing = entries - table.size().entries(); missing > 0; missing--, made++) {
      String client = "10.%d.%d.%d".formatted(made >> 16 & 255, made >> 8 & 255, made & 255);
      lines.append(
          "-A -s %1$s -d 10.255.0.1 -r 10.255.0.1 -q %1$s -p tcp --sport 1000 --dport 80 --reply-port-src 80 --reply-port-dst 1000 -t 3600 --state ESTABLISHED -u SEEN_REPLY,ASSURED%n"
              .formatted(client));
    }
    try {
      Files.writeString(file, lines);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    lab.host().exec("conntrack", "-R", file.toString()).orFail();
  }

  private List<String> alarms() {
    return agent.said().stream().filter(line -> line.contains("PressureGuard")).toList();
  }

  /** Milliseconds from the moment when so many entries are seen until the agent has said it. */
  private long alarmAfter(long entries, String said) {
    long deadline = System.nanoTime() + LIMIT.toNanos();
    long reached = 0;
    while (alarms().stream().noneMatch(line -> line.contains(said))) {
      long now = System.nanoTime();
      if (reached == 0 && table.size().entries() >= entries) {
        reached = now;
      }
      assertThat(now).as("'%s' is said; it said %s", said, alarms()).isLessThan(deadline);
      BareAgent.pause();
    }
    return reached == 0 ? 0 : TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - reached);
  }

  private long fillAndAwait(long entries, String said) {
    CompletableFuture<Void> filled = CompletableFuture.runAsync(() -> fillTo(entries));
    long millis = alarmAfter(entries, said);
    filled.join();
    return millis;
  }

  /**
   * How many of so many connects are answered within 0.9 s, 20 a second from each of two sources.
   */
  private int answered(int connects) throws Exception {
    try (NetworkNamespace client = NetworkNamespace.open(lab.client().path())) {
      return client.call(
          () -> {
            int answered = 0;
            for (int i = 0; i < connects; i++) {
              long next = System.nanoTime() + 25_000_000L;
              try (Socket socket = new Socket()) {
                socket.bind(
                    new InetSocketAddress(
                        InetAddress.getByName(i % 2 == 0 ? Lab.CLIENT : Lab.CLIENT_2), 0));
                socket.connect(new InetSocketAddress(Lab.HOST, 8080), 900);
                socket.setSoTimeout(900);
                answered += socket.getInputStream().read() == '!' ? 1 : 0;
              } catch (IOException e) {
                // Refused or dropped: it is not counted.
              }
              long left = next - System.nanoTime();
              if (left > 0) {
                TimeUnit.NANOSECONDS.sleep(left);
              }
            }
            return answered;
          });
    }
  }

  private Finding doctor() {
    return agent.api().findings().value().stream()
        .filter(finding -> finding.check().equals("connection-table"))
        .findFirst()
        .orElseThrow();
  }

  /**
   * Fails if a threshold is not watched, an alarm comes late or twice, the rate of a source does
   * not keep a flood out of the table, or the doctor calls a full table healthy.
   */
  @Test
  void aTableThatFillsUpIsAnAlarmAndACapOnSourcesKeepsItOpen() throws Exception {
    TableSize size = table.size();
    long limit = size.limit();
    // The limit is that of all namespaces, and only the initial one may set it: said once.
    assertThat(agent.said())
        .filteredOn(line -> line.contains("--conntrack-memory has no effect"))
        .hasSize(1);
    assertThat(doctor().severity()).isEqualTo(Severity.OK);
    assertThat(doctor().found())
        .contains("of at most " + limit + " connections (0 %)", "the agent cannot raise the limit");

    fillTo(limit * 79 / 100);
    assertThat(alarms()).isEmpty();
    long warning = fillAndAwait((limit * 80 + 99) / 100, "is 80 % full");
    fillTo(limit * 94 / 100);
    assertThat(alarms()).hasSize(1);
    assertThat(doctor().severity()).isEqualTo(Severity.WARNING);
    long critical = fillAndAwait((limit * 95 + 99) / 100, "is 95 % full");
    fillTo(limit - ROOM);
    assertThat(alarms()).hasSize(2);

    // With the cap, one source's flood has no room to take.
    cap(Optional.of(SourceRate.parse("50/second")));
    int calm = 200;
    int capped;
    try (Background attacker = startFlood()) {
      capped = answered(calm);
      assertThat(table.size().entries()).isLessThan(limit);
      assertThat(attacker.isAlive()).isTrue();
    }
    assertThat(capped).as("of %d connects during a capped flood", calm).isGreaterThanOrEqualTo(198);
    assertThat(alarms()).noneMatch(line -> line.contains("table is full"));

    // Without it, the flood takes the rest, and nobody else comes in.
    cap(Optional.empty());
    long full;
    int uncapped;
    Finding pressed;
    try (Background attacker = startFlood()) {
      full = alarmAfter(limit, "table is full");
      TimeUnit.SECONDS.sleep(1);
      // Now and then the kernel's collector gives up what is not answered yet, which makes room for
      // a moment (nf_conntrack_core.c, gc_worker).
      uncapped = answered(20);
      pressed = doctor();
      for (int again = 0;
          again < 5 && (uncapped > 10 || pressed.severity() != Severity.FAILURE);
          again++) {
        uncapped = answered(20);
        pressed = doctor();
      }
      assertThat(attacker.isAlive()).isTrue();
    }
    assertThat(uncapped).as("of 20 connects during an uncapped flood").isLessThanOrEqualTo(10);
    assertThat(List.of(warning, critical, full)).allMatch(millis -> millis <= 1_000);
    assertThat(pressed.severity()).isEqualTo(Severity.FAILURE);
    assertThat(pressed.found()).doesNotContain(" 0 packets of new ones dropped");
    assertThat(pressed.remedy()).contains("--source-rate", "--syn-proxy", "on the host");

    lab.host().exec("conntrack", "-F").orFail();
    alarmAfter(Long.MAX_VALUE, "has room again");
    assertThat(doctor().severity()).isEqualTo(Severity.NOTE);
    assertThat(answered(20)).isEqualTo(20);
    Scale.report(
        "46",
        "alarms after %d, %d and %d ms at 80, 95 and 100 %% of %d; %d of %d connects during a capped flood, %d of 20 without the cap"
            .formatted(warning, critical, full, limit, capped, calm, uncapped));
  }

  private Background startFlood() {
    Background attacker =
        lab.attacker().start(flood("flood", Lab.HOST_OUTER, "8080", "" + FLOOD_CONNECTIONS));
    attacker.awaitLine("flooding", LIMIT);
    return attacker;
  }

  private void cap(Optional<SourceRate> rate) {
    agent
        .api()
        .update(UpdateRequest.of("web").withOptions(OptionsChange.NONE.withSourceRate(rate)));
  }
}
