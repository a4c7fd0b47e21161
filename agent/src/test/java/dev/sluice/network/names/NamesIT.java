package dev.sluice.network.names;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.net.IpAddress;
import dev.sluice.netlink.NetworkNamespace;
import dev.sluice.testing.Netns;
import dev.sluice.testing.Ran;
import java.net.InetAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The responder as others read it: the C library, and scapy for what the C library does not ask.
 * They run in a namespace whose loopback device has the gateway's addresses.
 *
 * <p>Fails if an answer is encoded in a way that only dnsjava understands.
 */
class NamesIT {
  private static final String GATEWAY4 = "10.88.0.1";
  private static final String GATEWAY6 = "fd00:88::1";

  @AutoClose private Netns netns;
  @AutoClose private NetworkNamespace namespace;
  @AutoClose private Responder responder;

  @BeforeEach
  void build() throws Exception {
    netns = Netns.create("names");
    netns.ip("addr add 10.88.0.1/32 dev lo", "addr add fd00:88::1/128 dev lo");
    namespace = NetworkNamespace.open(netns.path());
    responder =
        namespace.call(
            () -> {
              Responder started =
                  new Responder((source, gateway) -> Optional.of(Neighbours.ALL), () -> List.of());
              for (String gateway : List.of(GATEWAY4, GATEWAY6)) {
                InetAddress address = InetAddress.getByAddress(IpAddress.parse(gateway).toBytes());
                assertThat(started.listen(address, OptionalInt.of(53))).isEqualTo(53);
              }
              return started;
            });
  }

  /** What the C library says inside a mount namespace with a resolv.conf of its own. */
  private Ran withResolver(Path directory, String gateway, String... command) throws Exception {
    Path file = directory.resolve("resolv.conf");
    Files.writeString(file, "nameserver " + gateway + "\noptions edns0 timeout:5 attempts:1\n");
    List<String> all =
        new ArrayList<>(
            List.of(
                "unshare",
                "-m",
                "sh",
                "-c",
                "mount --bind \"$0\" /etc/resolv.conf && exec \"$@\"",
                file.toString()));
    all.addAll(List.of(command));
    return netns.exec(all.toArray(String[]::new));
  }

  /** Fails if a name, an address backwards, or a name that nobody has is told wrongly. */
  @Test
  void theCLibraryUnderstandsTheResponder(@TempDir Path directory) throws Exception {
    for (String gateway : List.of(GATEWAY4, GATEWAY6)) {
      assertThat(withResolver(directory, gateway, "getent", "ahostsv4", "web").orFail().stdout())
          .startsWith("10.88.0.2 ");
      assertThat(
              withResolver(directory, gateway, "getent", "ahostsv6", "web.blue").orFail().stdout())
          .startsWith("fd00:88::2 ");
      assertThat(withResolver(directory, gateway, "getent", "hosts", "10.88.0.2").orFail().stdout())
          .matches("10\\.88\\.0\\.2 +web\\.blue\n");
      assertThat(
              withResolver(directory, gateway, "getent", "hosts", "fd00:88::2").orFail().stdout())
          .matches("fd00:88::2 +web\\.blue\n");
      assertThat(
              withResolver(directory, gateway, "getent", "ahostsv4", "many")
                  .orFail()
                  .stdout()
                  .lines()
                  .filter(line -> line.contains("STREAM")))
          .as("too many for a datagram, asked again over TCP")
          .hasSize(100);
      assertThat(withResolver(directory, gateway, "getent", "ahosts", "nobody").exitCode())
          .as("no such name")
          .isEqualTo(2);
    }
  }

  /** Fails if Python's resolver needs longer to hear that there is no name than to hear one. */
  @Test
  void pythonIsToldAtOnceThatThereIsNoName(@TempDir Path directory) throws Exception {
    String script =
        """
        import socket, time
        start = time.monotonic()
        try:
            socket.getaddrinfo("nobody", 80)
        except socket.gaierror as e:
            print(e.errno == socket.EAI_NONAME, time.monotonic() - start < 2)
        print(socket.gethostbyname("host.sluice"))
        """;
    assertThat(
            withResolver(directory, GATEWAY4, "/usr/bin/python3", "-IS", "-c", script)
                .orFail()
                .stdout())
        .isEqualTo("True True\n203.0.113.5\n");
  }

  /** Fails if a record, its time to live, a flag, or the OPT record is read otherwise by scapy. */
  @Test
  void scapyReadsWhatIsMeant() {
    String[][] dialogue = {
      {"udp A web", "NOERROR aa rd ra | web. 1 A 10.88.0.2"},
      {"udp AAAA WEB.blue edns=1400", "NOERROR aa rd ra | WEB.blue. 1 AAAA fd00:88::2 | OPT 1232"},
      {"udp MX web", "NOERROR aa rd ra"},
      {"udp A nobody", "NXDOMAIN aa rd ra"},
      {
        "tcp PTR 2.0.88.10.in-addr.arpa",
        "NOERROR aa rd ra | 2.0.88.10.in-addr.arpa. 1 PTR web.blue."
      },
      {
        "udp SRV _80._tcp.web",
        "NOERROR aa rd ra | _80._tcp.web. 1 SRV 0 0 80 web. | +web. 1 A 10.88.0.2"
            + " | +web. 1 AAAA fd00:88::2"
      },
      {
        "udp TXT self.sluice",
        "NOERROR aa rd ra | self.sluice. 1 TXT 80/tcp=203.0.113.5:8080"
            + " | self.sluice. 1 TXT 80/tcp=[2001:db8::5]:8080"
            + " | self.sluice. 1 TXT 53/udp=203.0.113.5:5353"
            + " | self.sluice. 1 TXT 9000-9009/tcp=203.0.113.5:19000-19009"
      },
      {
        "tcp SRV _80._tcp.self.sluice edns=4096",
        "NOERROR aa rd ra | _80._tcp.self.sluice. 1 SRV 0 0 8080 host.sluice."
            + " | +host.sluice. 1 A 203.0.113.5 | +host.sluice. 1 AAAA 2001:db8::5 | OPT 1232"
      },
      {"udp A many", "NOERROR aa tc rd ra"},
      {"udp A many edns=4096", "NOERROR aa tc rd ra | OPT 1232"},
      {"tcp A many", "NOERROR aa rd ra | 100 records"},
      {"udp A www.example.org", "SERVFAIL rd ra"},
    };
    for (String gateway : List.of(GATEWAY4, GATEWAY6)) {
      List<String> command =
          new ArrayList<>(
              List.of("/usr/bin/python3", "-IS", "-c", Ran.resource("/lab/dns.py"), gateway, "53"));
      List<String> expected = new ArrayList<>();
      for (String[] line : dialogue) {
        command.add(line[0]);
        expected.add(line[1]);
      }
      assertThat(netns.exec(command.toArray(String[]::new)).orFail().stdout().lines().toList())
          .isEqualTo(expected);
    }
    assertThat(responder.statistics().queries()).isEqualTo(2L * dialogue.length);
  }
}
