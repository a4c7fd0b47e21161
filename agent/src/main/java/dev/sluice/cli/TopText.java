package dev.sluice.cli;

import dev.sluice.flow.EventStatistics;
import dev.sluice.flow.PressureStatistics;
import dev.sluice.model.Alarm;
import dev.sluice.model.Mapping;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.time.Instant;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** A {@link TopReport} as people read it. */
final class TopText {
  private static final DateTimeFormatter TIME =
      DateTimeFormatter.ofPattern("HH:mm:ss", Locale.ROOT);

  /** Lines that are not of a mapping: three of the whole, an empty one, the titles. */
  private static final int HEAD_LINES = 5;

  private TopText() {}

  /**
   * Lines for a window.
   *
   * @param height lines at most; at least one mapping is shown
   * @param width characters of a line at most
   */
  static List<String> lines(TopReport report, Terminal terminal, int height, int width) {
    Instant now = terminal.clock().instant();
    EventStatistics events = report.sample().statistics().events();
    PressureStatistics table = report.sample().statistics().connectionTable();
    boolean portless = report.sample().statistics().sourcePorts().level() == Alarm.Level.FULL;
    List<String> lines = new ArrayList<>();
    int mappings = report.rows().size();
    lines.add(
        cut(
            "sluice top  "
                + TIME.format(now.atZone(terminal.clock().getZone()))
                + "  "
                + mappings
                + (mappings == 1 ? " mapping" : " mappings"),
            width));
    lines.add(
        coloured(
            terminal,
            table.failure().isPresent() || table.level() != Alarm.Level.CLEARED || portless,
            cut("table       " + text(table) + (portless ? "; no source port free" : ""), width)));
    lines.add(
        coloured(
            terminal,
            events.state() != EventStatistics.State.RUNNING || report.lostNow() > 0,
            cut("events      " + text(events, report), width)));
    lines.add("");
    int room = Math.max(1, height - HEAD_LINES);
    boolean all = mappings <= room;
    // The last line says how many there is no room for.
    int shown = all ? mappings : Math.max(1, room - 1);
    for (String line : table(report.rows().subList(0, shown), now)) {
      lines.add(cut(line, width));
    }
    if (!all && lines.size() < height) {
      lines.add(cut("and " + (mappings - shown) + " more", width));
    }
    return lines;
  }

  private static String text(PressureStatistics table) {
    if (table.failure().isPresent()) {
      return table.failure().get();
    }
    String full =
        table.limit() == 0
            ? table.entries() + " connections, no limit"
            : table.entries() + " of " + table.limit() + " connections (" + table.percent() + " %)";
    return full
        + ", "
        + (table.level() == Alarm.Level.CLEARED ? "no pressure" : table.level().toString());
  }

  private static String text(EventStatistics events, TopReport report) {
    if (events.state() != EventStatistics.State.RUNNING) {
      return events.state() + events.failure().map(why -> ": " + why).orElse("");
    }
    return rate(report.eventsPerSecond())
        + "/s, "
        + events.openFlows()
        + " connections open, "
        + events.lost()
        + " events lost"
        + (report.lostNow() > 0 ? " (" + report.lostNow() + " just now)" : "")
        + ", "
        + events.consumers()
        + (events.consumers() == 1 ? " consumer" : " consumers")
        + (events.evictedConsumers() > 0 ? " (" + events.evictedConsumers() + " evicted)" : "");
  }

  private static List<String> table(List<TopReport.Row> rows, Instant now) {
    StringWriter text = new StringWriter();
    Table table =
        new Table(
            new PrintWriter(text),
            "NAME/ID",
            "PORTS",
            "TARGET",
            "CONN/S",
            "OPEN",
            "IN/S",
            "OUT/S",
            "LAST SEEN");
    for (TopReport.Row row : rows) {
      Mapping mapping = row.mapping();
      table.row(
          mapping.label(),
          mapping.hostText(),
          target(mapping),
          rate(row.connectionsPerSecond()),
          Long.toString(row.open().orElse(0)),
          FlowText.size(Math.round(row.bytesInPerSecond())),
          FlowText.size(Math.round(row.bytesOutPerSecond())),
          row.lastSeen().map(at -> Ago.of(at, now)).orElse("-"));
    }
    table.flush();
    return text.toString().lines().toList();
  }

  /** Two digits at least, while that takes no more than one behind the point. */
  private static String rate(double perSecond) {
    return perSecond == 0 || perSecond >= 9.95
        ? Long.toString(Math.round(perSecond))
        : String.format(Locale.ROOT, "%.1f", perSecond);
  }

  private static String coloured(Terminal terminal, boolean bad, String line) {
    return bad ? terminal.in(Terminal.Colour.RED, line) : line;
  }

  private static String cut(String line, int width) {
    return line.length() <= width ? line : line.substring(0, width).stripTrailing();
  }

  /** The container; how many more there are, where there are several. */
  private static String target(Mapping mapping) {
    int more = mapping.backends().all().size() - 1;
    return mapping.targetAddress() + (more == 0 ? "" : " +" + more);
  }
}
