package dev.sluice.cli;

import dev.sluice.api.ApiClient;
import dev.sluice.flow.export.FlowJson;
import java.io.PrintWriter;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code sluice flows}. */
@Command(
    name = "flows",
    description = {
      "Lists the connections this host tracks at this moment.",
      "",
      "ORIGINAL is what the client sent, REPLY where the answers come from and go to: the",
      "difference between the two is what was translated. BYTES is sent / answered. PATH says fast",
      "where the fast path carries the connection at present.%n"
    },
    footer = {
      "",
      "Examples:",
      "  sluice flows --published",
      "  sluice flows --mapping web",
      "  sluice flows --protocol udp --address 198.18.0.2 --json"
    })
final class FlowsCommand implements Callable<Integer> {
  private final Main main;
  @Mixin private FlowFilterOptions filter = new FlowFilterOptions();

  FlowsCommand(Main main) {
    this.main = main;
  }

  @Override
  public Integer call() {
    var wanted = filter.filter();
    PrintWriter out = main.terminal().out();
    try (ApiClient client = main.client()) {
      if (main.json()) {
        client.flows(
            wanted,
            line -> {
              out.println(line);
              return !out.checkError();
            });
        return ExitCode.OK;
      }
      Table table =
          new Table(out, "PROTOCOL", "STATE", "ORIGINAL", "REPLY", "MAPPING", "BYTES", "PATH");
      client.flows(
          wanted,
          line -> {
            FlowJson.LabelledFlow read = FlowJson.readFlow(line);
            table.row(
                read.flow().protocolName(),
                FlowText.state(read.flow()),
                FlowText.tuple(read.flow().original()),
                FlowText.tuple(read.flow().reply()),
                read.mapping().orElse("-"),
                FlowText.bytes(read.flow()),
                read.carried().now() ? "fast" : "-");
            return true;
          });
      table.flush();
      return ExitCode.OK;
    }
  }
}
