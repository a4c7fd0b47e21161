package dev.sluice.cli;

import dev.sluice.api.ApiClient;
import dev.sluice.model.Backend;
import dev.sluice.model.Backends;
import dev.sluice.model.FlowCounters;
import dev.sluice.model.Mapping;
import dev.sluice.model.PortsColumn;
import dev.sluice.model.PublishedMapping;
import dev.sluice.model.Traffic;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code sluice ps}. */
@Command(
    name = "ps",
    description = {
      "Lists what is published, one name and its containers a line.",
      "",
      "CONNECTIONS counts those made since the ports were published.%n"
    },
    footer = {"", "Examples:", "  sluice ps", "  sluice ps --traffic", "  sluice ps --json"})
final class PsCommand implements Callable<Integer> {
  private final Main main;

  /** What is one line: mappings of one name lead to the same containers. */
  private record Row(String label, Backends backends, String owner) {
    private static final int MOST_SHOWN = 3;

    /**
     * {@code 172.30.0.2}, or {@code 172.30.0.2 (web)} where that sandbox is meant; {@code
     * 172.30.0.2 and 7 more}.
     */
    String targetText() {
      List<Backend> all = backends.all();
      if (all.size() > MOST_SHOWN) {
        return textOf(all.get(0)) + " and " + (all.size() - 1) + " more";
      }
      return all.stream().map(Row::textOf).collect(Collectors.joining(", "));
    }

    private static String textOf(Backend one) {
      return one.toString() + one.sandbox().map(name -> " (" + name + ")").orElse("");
    }
  }

  @Option(
      names = "--traffic",
      description =
          "Also show what the connections carried to the container and back, as packets and bytes.")
  private boolean traffic;

  PsCommand(Main main) {
    this.main = main;
  }

  @Override
  public Integer call() {
    try (ApiClient client = main.client()) {
      var published = traffic ? client.publishedWithTraffic() : client.published();
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
      Row row = new Row(mapping.label(), mapping.backends(), mapping.owner().toString());
      rows.computeIfAbsent(row, key -> new ArrayList<>()).add(one);
    }
    Instant now = main.terminal().clock().instant();
    List<String> titles =
        new ArrayList<>(List.of("NAME/ID", "PORTS", "TARGET", "OWNER", "CONNECTIONS", "CREATED"));
    if (traffic) {
      titles.addAll(List.of("IN", "OUT"));
    }
    Table table = new Table(main.terminal().out(), titles.toArray(String[]::new));
    rows.forEach((row, members) -> table.row(cells(row, members, now)));
    table.flush();
  }

  private String[] cells(Row row, List<PublishedMapping> members, Instant now) {
    long connections = members.stream().mapToLong(one -> one.counters().connections()).sum();
    Instant created =
        members.stream()
            .map(one -> one.mapping().createdAt())
            .min(Comparator.naturalOrder())
            .orElse(now);
    List<String> cells =
        new ArrayList<>(
            List.of(
                row.label(),
                PortsColumn.of(members.stream().map(PublishedMapping::mapping).toList()),
                row.targetText(),
                row.owner(),
                Long.toString(connections),
                Ago.of(created, now)));
    if (traffic) {
      Traffic sum =
          members.stream()
              .map(one -> one.counters().traffic().orElse(Traffic.NONE))
              .reduce(Traffic.NONE, Traffic::plus);
      cells.add(text(sum.in()));
      cells.add(text(sum.out()));
    }
    return cells.toArray(String[]::new);
  }

  /** As {@code iptables -v} has them: packets, then bytes. */
  private static String text(FlowCounters counters) {
    return counters.packets() + " / " + counters.bytes();
  }
}
