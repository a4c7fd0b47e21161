package dev.sluice.conntrack;

import dev.sluice.net.IpAddress;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;

/**
 * What a line of {@code conntrack -L} or {@code -E} with {@code -o id,extended} says: the
 * independent witness of our dump and our events.
 */
final class ToolEntry {
  private static final List<String> TCP_STATES =
      List.of(
          "NONE",
          "SYN_SENT",
          "SYN_RECV",
          "ESTABLISHED",
          "FIN_WAIT",
          "CLOSE_WAIT",
          "LAST_ACK",
          "TIME_WAIT",
          "CLOSE",
          "SYN_SENT2");

  private ToolEntry() {}

  /**
   * The entry a line shows, reduced to what both sides can know: of the status only whether it is
   * answered and assured, no timeout, no times.
   */
  static ConntrackEntry parse(String line) {
    Deque<String> words = new ArrayDeque<>(Arrays.asList(line.strip().split("\\s+", -1)));
    while (words.getFirst().startsWith("[")) {
      words.removeFirst(); // a timestamp or the kind of an event
    }
    words.removeFirst(); // ipv4 or ipv6
    words.removeFirst(); // its number
    words.removeFirst(); // the protocol's name
    int protocol = Integer.parseInt(words.removeFirst());
    OptionalInt state = OptionalInt.empty();
    while (!words.getFirst().startsWith("src=")) {
      int known = TCP_STATES.indexOf(words.removeFirst());
      if (known >= 0) {
        state = OptionalInt.of(known);
      }
    }
    Half original = Half.parse(words, protocol);
    boolean answered = true;
    if (words.getFirst().equals("[UNREPLIED]")) {
      words.removeFirst();
      answered = false;
    }
    Half reply = Half.parse(words, protocol);
    int status = answered ? LinuxNfConntrack.IPS_SEEN_REPLY : 0;
    int mark = 0;
    int originalZone = original.zone;
    int replyZone = reply.zone;
    long id = 0;
    for (String word : words) {
      String value = word.substring(word.indexOf('=') + 1);
      switch (word.substring(0, Math.max(0, word.indexOf('=')))) {
        case "" -> {
          if (word.equals("[ASSURED]")) {
            status |= LinuxNfConntrack.IPS_ASSURED;
          }
        }
        case "mark" -> mark = Integer.parseUnsignedInt(value);
        case "zone" -> {
          originalZone = Integer.parseInt(value);
          replyZone = originalZone;
        }
        case "id" -> id = Long.parseLong(value);
        default -> {}
      }
    }
    return new ConntrackEntry(
        id,
        original.tuple,
        reply.tuple,
        status,
        mark,
        originalZone,
        replyZone,
        OptionalLong.empty(),
        state,
        original.counters,
        reply.counters,
        OptionalLong.empty(),
        OptionalLong.empty(),
        Optional.empty());
  }

  /** Our entry reduced to what a line shows. */
  static ConntrackEntry reduce(ConntrackEntry entry) {
    return new ConntrackEntry(
        entry.id(),
        entry.original(),
        entry.reply(),
        entry.status() & (LinuxNfConntrack.IPS_SEEN_REPLY | LinuxNfConntrack.IPS_ASSURED),
        entry.mark(),
        entry.originalZone(),
        entry.replyZone(),
        OptionalLong.empty(),
        entry.tcpState(),
        entry.originalCounters(),
        entry.replyCounters(),
        OptionalLong.empty(),
        OptionalLong.empty(),
        Optional.empty());
  }

  /** {@code NEW}, {@code UPDATE} or {@code DESTROY} of a line of {@code conntrack -E}. */
  static String kind(String line) {
    for (String kind : List.of("NEW", "UPDATE", "DESTROY")) {
      if (line.contains("[" + kind + "]")) {
        return kind;
      }
    }
    throw new AssertionError("no kind of event in: " + line);
  }

  private record Half(Tuple tuple, int zone, Optional<Counters> counters) {
    static Half parse(Deque<String> words, int protocol) {
      IpAddress source = IpAddress.parse(value(words, "src"));
      IpAddress destination = IpAddress.parse(value(words, "dst"));
      Tuple.Detail detail = Tuple.ADDRESSES_ONLY;
      if (next(words).startsWith("sport=")) {
        detail = new Tuple.Ports(number(words, "sport"), number(words, "dport"));
      } else if (next(words).startsWith("type=")) {
        detail = new Tuple.Icmp(number(words, "type"), number(words, "code"), number(words, "id"));
      }
      int zone = 0;
      if (next(words).startsWith("zone-")) {
        String word = words.removeFirst();
        zone = Integer.parseInt(word.substring(word.indexOf('=') + 1));
      }
      Optional<Counters> counters = Optional.empty();
      if (next(words).startsWith("packets=")) {
        counters =
            Optional.of(
                new Counters(
                    Long.parseLong(value(words, "packets")),
                    Long.parseLong(value(words, "bytes"))));
      }
      return new Half(new Tuple(source, destination, protocol, detail), zone, counters);
    }

    private static String next(Deque<String> words) {
      return words.isEmpty() ? "" : words.getFirst();
    }

    private static int number(Deque<String> words, String name) {
      return Integer.parseInt(value(words, name));
    }

    private static String value(Deque<String> words, String name) {
      String word = words.removeFirst();
      if (!word.startsWith(name + "=")) {
        throw new AssertionError("expected " + name + "=…, found '" + word + "' before " + words);
      }
      return word.substring(name.length() + 1);
    }
  }
}
