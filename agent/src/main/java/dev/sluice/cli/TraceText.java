package dev.sluice.cli;

import dev.sluice.model.FlowTuple;
import dev.sluice.model.TraceEvent;
import dev.sluice.model.TracedPacket;
import dev.sluice.model.TracedPacket.AtChain;
import dev.sluice.model.TracedPacket.AtRule;
import dev.sluice.model.TracedPacket.Outcome;
import dev.sluice.model.TracedPacket.Step;
import dev.sluice.model.TracedPacket.Translated;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Packets on their way, as people read them. */
final class TraceText {
  private static final DateTimeFormatter TIME =
      DateTimeFormatter.ofPattern("HH:mm:ss.SSS", Locale.ROOT);

  private final Terminal terminal;

  TraceText(Terminal terminal) {
    this.terminal = terminal;
  }

  /** One event, on one line or several. */
  String of(TraceEvent event) {
    if (event instanceof TraceEvent.Started started) {
      List<String> lines = new ArrayList<>();
      lines.add("following packets to port " + started.question());
      started.notes().forEach(note -> lines.add(terminal.in(Terminal.Colour.YELLOW, note)));
      return String.join("\n", lines);
    }
    if (event instanceof TraceEvent.Followed followed) {
      return packet(followed.packet());
    }
    if (event instanceof TraceEvent.Skipped skipped) {
      return terminal.in(
          Terminal.Colour.YELLOW,
          skipped.packets() + " packets not followed: more than --rate in a second");
    }
    if (event instanceof TraceEvent.Lost lost) {
      return terminal.in(
          Terminal.Colour.RED,
          lost.steps() + " steps lost: the kernel told them faster than they were read");
    }
    TraceEvent.Ended ended = (TraceEvent.Ended) event;
    return "\n"
        + ended.followed()
        + (ended.followed() == 1 ? " packet followed" : " packets followed")
        + (ended.skipped() > 0 ? ", " + ended.skipped() + " not followed" : "")
        + (ended.lost() > 0 ? ", " + ended.lost() + " steps lost" : "")
        + (ended.untold() > 0 ? ", " + ended.untold() + " not shown, which came too fast" : "")
        + (ended.detail().isEmpty() ? "" : "; ended early: " + ended.detail());
  }

  private String packet(TracedPacket packet) {
    List<String> lines = new ArrayList<>();
    lines.add("");
    lines.add(
        TIME.format(packet.time().atZone(terminal.clock().getZone()))
            + "  "
            + terminal.in(Terminal.Colour.CYAN, packet.way().toString())
            + "  "
            + packet.header()
            + packet.tcpFlags().map(flags -> " " + flags).orElse("")
            + packet.in().map(in -> ", in by " + in).orElse(", of a program here")
            + packet.connectionState().map(state -> ", " + state).orElse(""));
    for (Step step : packet.steps()) {
      if (step instanceof AtChain at) {
        chain(lines, at);
      } else if (step instanceof Translated translated) {
        lines.add(
            "%-11s         %s becomes %s%s"
                .formatted(
                    translated.hook(),
                    ends(translated.before()),
                    terminal.in(Terminal.Colour.GREEN, ends(translated.after())),
                    translated.asItsConnection() ? ", as its connection" : ""));
      }
    }
    lines.add(
        terminal.in(
            packet.end().outcome() == Outcome.SENT || packet.end().outcome() == Outcome.DELIVERED
                ? Terminal.Colour.GREEN
                : Terminal.Colour.RED,
            "=> " + packet.end().sentence()));
    return String.join("\n", lines);
  }

  private static void chain(List<String> lines, AtChain at) {
    String place =
        "%-11s %6s  %s"
            .formatted(
                at.hook(), at.priority().isPresent() ? at.priority().getAsInt() : "", at.table());
    for (AtRule rule : at.rules()) {
      lines.add(place + " " + rule.chain() + ": " + rule.rule() + said(rule));
    }
    if (at.byPolicy()) {
      lines.add(place + " " + at.chain() + ": policy " + at.verdict());
    }
  }

  /** The verdict, unless the rule's text ends with it. */
  private static String said(AtRule rule) {
    return rule.rule().endsWith(rule.verdict()) ? "" : " => " + rule.verdict();
  }

  private static String ends(FlowTuple header) {
    String text = header.toString();
    return text.substring(text.indexOf(' ') + 1);
  }
}
