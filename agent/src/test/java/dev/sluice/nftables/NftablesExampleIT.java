package dev.sluice.nftables;

import static dev.sluice.nftables.DataType.INET_PROTO;
import static dev.sluice.nftables.DataType.INET_SERVICE;
import static dev.sluice.nftables.Field.L4PROTO;
import static dev.sluice.nftables.Field.TH_DPORT;
import static dev.sluice.nftables.uapi.LinuxNfTables.NF_INET_LOCAL_IN;
import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.netlink.NetworkNamespace;
import dev.sluice.nftables.Chain.Hook;
import dev.sluice.testing.Netns;
import dev.sluice.testing.Nft;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** The example in the documentation of {@link Nftables}: it compiles, works, and is this one. */
class NftablesExampleIT {

  static void closeTelnet() {
    // begin
    TableId table = TableId.inet("example");
    SetType service = SetType.of(INET_PROTO, INET_SERVICE);
    try (Nftables nftables = Nftables.open()) {
      Batch batch =
          new Batch()
              .add(Table.of(table))
              .add(ElementSet.set(table, "closed", service))
              .add(Chain.base(table, "input", Hook.filter(NF_INET_LOCAL_IN, 0)))
              .add(
                  RuleBuilder.in(table, "input")
                      .inSet("closed", L4PROTO, TH_DPORT)
                      .counter()
                      .drop())
              .createElements(
                  table, "closed", List.of(SetElement.of(Key.of().u8(6).u16(23).bytes())));
      nftables.commit(batch, "close telnet");
      nftables.rules(table).forEach(System.out::println);
    }
    // end
  }

  /** Fails if a call of the example throws, or does something else than it says. */
  @Test
  void closesTelnet() throws Exception {
    try (Netns host = Netns.create("host");
        NetworkNamespace namespace = NetworkNamespace.open(host.path())) {
      namespace.call(
          () -> {
            closeTelnet();
            return null;
          });
      assertThat(Nft.in(host).run("list", "table", "inet", "example").orFail().stdout())
          .isEqualTo(
              """
              table inet example {
              	set closed {
              		type inet_proto . inet_service
              		elements = { tcp . 23 }
              	}

              	chain input {
              		type filter hook input priority filter; policy accept;
              		meta l4proto . th dport @closed counter packets 0 bytes 0 drop
              	}
              }
              """);
      host.traffic().serve("host", "22-23", "");
      assertThat(host.traffic().tcp("127.0.0.1", 22).server()).isEqualTo("host:22");
      assertThat(host.traffic().tcp("127.0.0.1", 23).blocked()).isTrue();
    }
  }

  /** Fails if the documentation shows another example than the one that runs. */
  @Test
  void isTheOneInTheDocumentation() throws IOException {
    Path agent = Path.of(Objects.requireNonNull(System.getProperty("sluice.project.dir")), "agent");
    String documented =
        Files.readString(agent.resolve("src/main/java/dev/sluice/nftables/Nftables.java"));
    String ran =
        Files.readString(agent.resolve("src/test/java/dev/sluice/nftables/NftablesExampleIT.java"));
    assertThat(words(between(documented, "<pre>{@code", "}</pre>").replace(" * ", " ")))
        .isEqualTo(words(between(ran, "// begin", "// end")));
  }

  private static String between(String text, String begin, String end) {
    int from = text.indexOf(begin) + begin.length();
    return text.substring(from, text.indexOf(end, from));
  }

  /** Line breaks do not matter. */
  private static String words(String code) {
    return code.lines()
        .map(line -> line.replaceFirst("^\\s*\\*", ""))
        .collect(Collectors.joining())
        .replaceAll("\\s+", "");
  }
}
