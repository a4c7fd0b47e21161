package dev.sluice.cli;

import dev.sluice.api.ApiClient;
import dev.sluice.model.Mapping;
import dev.sluice.model.PortsColumn;
import dev.sluice.model.PublishedMapping;
import dev.sluice.net.IpAddress;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;

/** {@code sluice ps}. */
@Command(
    name = "ps",
    description = {
      "Lists what is published, one container a line.",
      "",
      "CONNECTIONS counts those made since the ports were published.%n"
    },
    footer = {"", "Examples:", "  sluice ps", "  sluice ps --json"})
final class PsCommand implements Callable<Integer> {
  private final Main main;

  /** What is one line: mappings of one name lead to one container. */
  private record Row(String label, IpAddress target, String owner) {}

  PsCommand(Main main) {
    this.main = main;
  }

  @Override
  public Integer call() {
    try (ApiClient client = main.client()) {
      var published = client.published();
      if (main.json()) {
        main.terminal().out().println(published.json());
      } else {
        print(published.value());
      }
      return ExitCode.OK;
    }
  }

  private void print(List<PublishedMapping> published) {
    Map<Row, List<PublishedMapping>> rows = new LinkedHashMap<>();
    for (PublishedMapping one : published) {
      Mapping mapping = one.mapping();
      Row row = new Row(mapping.label(), mapping.targetAddress(), mapping.owner().toString());
      rows.computeIfAbsent(row, key -> new ArrayList<>()).add(one);
    }
    Instant now = main.terminal().clock().instant();
    Table table =
        new Table(
            main.terminal().out(), "NAME/ID", "PORTS", "TARGET", "OWNER", "CONNECTIONS", "CREATED");
    rows.forEach(
        (row, members) ->
            table.row(
                row.label(),
                PortsColumn.of(members.stream().map(PublishedMapping::mapping).toList()),
                row.target().toString(),
                row.owner(),
                Long.toString(
                    members.stream().mapToLong(one -> one.counters().connections()).sum()),
                Ago.of(
                    members.stream()
                        .map(one -> one.mapping().createdAt())
                        .min(Comparator.naturalOrder())
                        .orElse(now),
                    now)));
    table.flush();
  }
}
