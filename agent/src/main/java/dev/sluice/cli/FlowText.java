package dev.sluice.cli;

import dev.sluice.model.Alarm;
import dev.sluice.model.Flow;
import dev.sluice.model.FlowCounters;
import dev.sluice.model.FlowEvent;
import dev.sluice.model.FlowTuple;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.util.Locale;
import java.util.Optional;

/** Flows and events as people read them. */
final class FlowText {
  private static final DateTimeFormatter TIME =
      DateTimeFormatter.ofPattern("HH:mm:ss.SSS", Locale.ROOT);

  private FlowText() {}

  /** One direction without its protocol: {@code 198.18.0.2:40112 -> 198.18.0.1:8080}. */
  static String tuple(FlowTuple tuple) {
    String text = tuple.toString();
    return text.substring(text.indexOf(' ') + 1);
  }

  static String state(Flow flow) {
    return flow.tcpState().map(Object::toString).orElse("-");
  }

  /** Bytes of both directions together, as {@code 1.3kB}. */
  static String bytes(Flow flow) {
    Optional<FlowCounters> out = flow.originalCounters();
    Optional<FlowCounters> in = flow.replyCounters();
    if (out.isEmpty() || in.isEmpty()) {
      return "-";
    }
    return size(out.get().bytes()) + " / " + size(in.get().bytes());
  }

  /** One event on one line. */
  static String line(FlowEvent event, Terminal terminal) {
    ZoneId zone = terminal.clock().getZone();
    String time = TIME.format(event.time().atZone(zone));
    if (event instanceof FlowEvent.Gap gap) {
      String lost =
          gap.lost().isPresent() ? gap.lost().getAsLong() + " events" : "an unknown number";
      return terminal.in(
          Terminal.Colour.RED,
          time
              + "  gap      "
              + lost
              + " lost since "
              + TIME.format(gap.from().atZone(zone))
              + " ("
              + gap.cause()
              + ")");
    }
    if (event instanceof FlowEvent.Raised raised) {
      return terminal.in(
          raised.alarm().level() == Alarm.Level.CLEARED
              ? Terminal.Colour.GREEN
              : Terminal.Colour.RED,
          time + "  alarm    " + raised.alarm().level() + ": " + raised.alarm().text());
    }
    FlowEvent.OfFlow ofFlow = (FlowEvent.OfFlow) event;
    Flow flow = ofFlow.flow();
    StringBuilder line = new StringBuilder(time).append("  ");
    line.append(terminal.in(colour(ofFlow), "%-7s".formatted(event.kind()))).append("  ");
    line.append("%-4s".formatted(flow.protocolName())).append("  ");
    line.append(tuple(flow.original()));
    if (flow.isTranslated()) {
      line.append("  answered ").append(tuple(flow.reply()));
    }
    flow.tcpState().ifPresent(state -> line.append("  ").append(state));
    if (event instanceof FlowEvent.Ended && flow.originalCounters().isPresent()) {
      line.append("  ").append(bytes(flow));
    }
    ofFlow.mapping().ifPresent(label -> line.append("  [").append(label).append(']'));
    if (ofFlow.synthesised()) {
      line.append("  (concluded after a gap)");
    }
    return line.toString();
  }

  private static Terminal.Colour colour(FlowEvent.OfFlow event) {
    if (event instanceof FlowEvent.Started) {
      return Terminal.Colour.GREEN;
    }
    return event instanceof FlowEvent.Ended ? Terminal.Colour.YELLOW : Terminal.Colour.CYAN;
  }

  /** Docker's decimal units. */
  static String size(long bytes) {
    double value = bytes;
    String[] units = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    int unit = 0;
    while (value >= 1000 && unit < units.length - 1) {
      value /= 1000;
      unit++;
    }
    return unit == 0 ? bytes + "B" : String.format(Locale.ROOT, "%.3g", value) + units[unit];
  }
}
