package dev.sluice.conntrack;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What the capture script wrote beside the bytes of an entry: its own reading of them, independent
 * of ours. Each attribute that we read is a line {@code CTA_TUPLE_ORIG/CTA_PROTO_SRC_PORT 55752};
 * the wrapping nests are left out, addresses are compared as the hexadecimal of their bytes.
 */
final class Annotations {
  private static final Pattern MESSAGE =
      Pattern.compile("(IPCTNL_MSG_CT_NEW|IPCTNL_MSG_CT_DELETE) .*");
  private static final Pattern ATTRIBUTE = Pattern.compile("( +)(\\w+)(?: \"?(\\d+))?.*");
  private static final List<String> SIDES =
      List.of("CTA_TUPLE_ORIG", "CTA_TUPLE_REPLY", "CTA_COUNTERS_ORIG", "CTA_COUNTERS_REPLY");

  /** Nests without a meaning of their own, and what an entry has no place for. */
  private static final List<String> NOT_READ =
      List.of(
          "CTA_TUPLE_IP",
          "CTA_TUPLE_PROTO",
          "CTA_PROTOINFO",
          "CTA_PROTOINFO_TCP",
          "CTA_PROTOINFO_TCP_WSCALE_ORIGINAL",
          "CTA_PROTOINFO_TCP_WSCALE_REPLY",
          "CTA_PROTOINFO_TCP_FLAGS_ORIGINAL",
          "CTA_PROTOINFO_TCP_FLAGS_REPLY",
          "CTA_TIMESTAMP",
          "CTA_USE",
          "CTA_TIMESTAMP_EVENT",
          "attribute");

  private Annotations() {}

  /** The lines of every entry of a capture. */
  static List<List<String>> entries(String name) {
    List<List<String>> entries = new ArrayList<>();
    boolean inEntry = false;
    String side = "";
    for (String line : read(name).lines().toList()) {
      int hash = line.indexOf('#');
      if (hash < 0 && inEntry && line.matches("([0-9a-f]{2} ?)+")) {
        append(entries.get(entries.size() - 1), line);
        continue;
      }
      if (hash <= 0) {
        continue;
      }
      String comment = line.substring(hash + 2);
      if (!comment.startsWith(" ")) {
        if (MESSAGE.matcher(comment).matches()) {
          entries.add(new ArrayList<>());
          inEntry = true;
        } else if (!comment.startsWith("nfgenmsg")) {
          inEntry = false;
        }
        continue;
      }
      Matcher attribute = ATTRIBUTE.matcher(comment);
      if (!attribute.matches()) {
        throw new AssertionError(name + ": cannot read '" + line + "'");
      }
      String word = attribute.group(2);
      if (attribute.group(1).length() == 2) {
        side = SIDES.contains(word) ? word + "/" : "";
      }
      String value =
          word.startsWith("CTA_IP_")
              ? line.substring("08 00 01 00 ".length(), hash).strip()
              : Optional.ofNullable(attribute.group(3)).orElse("?");
      // Events leave out a mark of 0, dumps do not.
      boolean said = !word.equals("CTA_MARK") || !value.equals("0");
      if (inEntry && said && !SIDES.contains(word) && !NOT_READ.contains(word)) {
        entries.get(entries.size() - 1).add(side + word + " " + value);
      }
    }
    return entries;
  }

  /** The rest of an IPv6 address, which takes more than a line. */
  private static void append(List<String> entry, String bytes) {
    int last = entry.size() - 1;
    entry.set(last, entry.get(last) + " " + bytes.strip());
  }

  /** An entry in the same words. */
  static List<String> of(ConntrackEntry entry) {
    List<String> lines = new ArrayList<>();
    tuple(lines, "CTA_TUPLE_ORIG/", entry.original());
    tuple(lines, "CTA_TUPLE_REPLY/", entry.reply());
    lines.add("CTA_ID " + entry.id());
    lines.add("CTA_STATUS " + entry.status());
    entry.timeoutSeconds().ifPresent(seconds -> lines.add("CTA_TIMEOUT " + seconds));
    entry.tcpState().ifPresent(state -> lines.add("CTA_PROTOINFO_TCP_STATE " + state));
    entry.originalCounters().ifPresent(counters -> counters(lines, "CTA_COUNTERS_ORIG/", counters));
    entry.replyCounters().ifPresent(counters -> counters(lines, "CTA_COUNTERS_REPLY/", counters));
    entry.startNanos().ifPresent(nanos -> lines.add("CTA_TIMESTAMP_START " + nanos));
    entry.stopNanos().ifPresent(nanos -> lines.add("CTA_TIMESTAMP_STOP " + nanos));
    if (entry.zone() != 0) {
      lines.add("CTA_ZONE " + entry.zone());
    }
    if (entry.mark() != 0) {
      lines.add("CTA_MARK " + Integer.toUnsignedString(entry.mark()));
    }
    return lines;
  }

  private static void tuple(List<String> lines, String side, Tuple tuple) {
    String family = tuple.family() == dev.sluice.net.Family.IPV4 ? "V4" : "V6";
    lines.add(side + "CTA_IP_" + family + "_SRC " + hex(tuple.source().toBytes()));
    lines.add(side + "CTA_IP_" + family + "_DST " + hex(tuple.destination().toBytes()));
    lines.add(side + "CTA_PROTO_NUM " + tuple.protocol());
    if (tuple.detail() instanceof Tuple.Ports ports) {
      lines.add(side + "CTA_PROTO_SRC_PORT " + ports.source());
      lines.add(side + "CTA_PROTO_DST_PORT " + ports.destination());
    } else if (tuple.detail() instanceof Tuple.Icmp icmp) {
      String version = tuple.protocol() == LinuxNfConntrack.IPPROTO_ICMP ? "ICMP" : "ICMPV6";
      lines.add(side + "CTA_PROTO_" + version + "_ID " + icmp.id());
      lines.add(side + "CTA_PROTO_" + version + "_TYPE " + icmp.type());
      lines.add(side + "CTA_PROTO_" + version + "_CODE " + icmp.code());
    }
  }

  private static void counters(List<String> lines, String side, Counters counters) {
    lines.add(side + "CTA_COUNTERS_PACKETS " + counters.packets());
    lines.add(side + "CTA_COUNTERS_BYTES " + counters.bytes());
  }

  private static String hex(byte[] bytes) {
    return java.util.HexFormat.ofDelimiter(" ").formatHex(bytes);
  }

  private static String read(String name) {
    try (InputStream in =
        Objects.requireNonNull(Annotations.class.getResourceAsStream("/golden/" + name + ".hex"))) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read " + name, e);
    }
  }
}
