package dev.sluice.daemon;

import dev.sluice.testing.Netns;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import java.util.stream.StreamSupport;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Everything on a host that a request may change, as nft, sysctl, conntrack and ip see it: a line
 * each, sorted.
 */
record HostState(List<String> lines) {
  private static final JsonMapper JSON = new JsonMapper();

  private static final String SCRIPT =
      """
      nft -j list table inet sluice || exit 1
      echo
      echo ===
      cd /proc/sys/net
      grep -H . ipv4/ip_forward ipv4/ip_local_reserved_ports ipv6/conf/all/forwarding \
        ipv4/conf/*/route_localnet ipv4/conf/*/send_redirects ipv6/conf/*/accept_ra
      ip -6 route show table local ::1/128
      conntrack -L -p udp 2>/dev/null | sed -E 's/^udp +17 [0-9]+ //; s/ (packets|bytes|mark|use|delta-time)=[0-9]+//g'
      """;

  HostState {
    lines = lines.stream().sorted().toList();
  }

  static HostState of(Netns host) {
    String said = host.execWithInput(SCRIPT, "sh").orFail().stdout();
    int table = said.indexOf("\n===\n");
    List<String> lines = new ArrayList<>();
    for (JsonNode object : JSON.readTree(said.substring(0, table)).get("nftables")) {
      object.properties().forEach(entry -> describe(entry.getKey(), entry.getValue(), lines));
    }
    lines.addAll(said.substring(table + 5).lines().toList());
    return new HostState(lines);
  }

  private static void describe(String kind, JsonNode object, List<String> lines) {
    JsonNode name = object.get("name");
    JsonNode elements = object.get("elem");
    if (elements == null) {
      boolean empty = kind.equals("set") || kind.equals("map");
      lines.add(kind + " " + (empty ? name : object));
      return;
    }
    lines.add(kind + " " + name);
    StreamSupport.stream(elements.spliterator(), false)
        .forEach(element -> lines.add(kind + " " + name + " " + element));
  }

  /** What is different from an earlier state: lines behind {@code +} and {@code -}. */
  List<String> since(HostState before) {
    TreeMap<String, Integer> counts = new TreeMap<>();
    lines.forEach(line -> counts.merge(line, 1, Integer::sum));
    before.lines.forEach(line -> counts.merge(line, -1, Integer::sum));
    List<String> differences = new ArrayList<>();
    counts.forEach(
        (line, count) -> {
          for (int i = 0; i < Math.abs(count); i++) {
            differences.add((count > 0 ? "+ " : "- ") + line);
          }
        });
    return differences;
  }

  /** {@code lines} with what is new each time replaced by a word: pairs of a regex and a word. */
  static List<String> likened(List<String> lines, String... replacements) {
    List<String> likened = new ArrayList<>(lines);
    for (int i = 0; i < replacements.length; i += 2) {
      String regex = replacements[i];
      String word = replacements[i + 1];
      likened.replaceAll(line -> line.replaceAll(regex, word));
    }
    likened.sort(null);
    return likened;
  }

  @Override
  public String toString() {
    return String.join("\n", lines);
  }
}
