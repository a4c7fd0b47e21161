package dev.sluice.daemon;

import static dev.sluice.nftables.uapi.LinuxNfTables.NF_DROP;
import static dev.sluice.nftables.uapi.LinuxNfTables.NF_INET_FORWARD;

import dev.sluice.api.Diagnostics;
import dev.sluice.flow.EventStatistics;
import dev.sluice.flow.TrackingSettings;
import dev.sluice.netlink.SocketOwner;
import dev.sluice.nftables.Chain;
import dev.sluice.nftables.Nftables;
import dev.sluice.publish.TablePublisher;
import dev.sluice.ruleset.Repairs;
import dev.sluice.ruleset.SluiceTable;
import dev.sluice.sysctl.Sysctl;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;
import java.util.stream.Collectors;

/** What the agent can say about itself and its host. */
final class AgentDiagnostics implements Diagnostics {
  private final Nftables nftables;
  private final SluiceTable table;
  private final Supplier<Optional<SocketOwner>> keeper;
  private final TablePublisher publisher;
  private final Sysctl sysctl;
  private final TrackingSettings tracking;
  private final Supplier<EventStatistics> events;
  private final Supplier<List<Finding>> pressure;
  private final List<String> startProblems;
  private final Supplier<List<Finding>> portsFile;
  private final Supplier<Finding> proxy;

  AgentDiagnostics(
      Nftables nftables,
      SluiceTable table,
      Supplier<Optional<SocketOwner>> keeper,
      TablePublisher publisher,
      Sysctl sysctl,
      TrackingSettings tracking,
      Supplier<EventStatistics> events,
      Supplier<List<Finding>> pressure,
      List<String> startProblems,
      Supplier<List<Finding>> portsFile,
      Supplier<Finding> proxy) {
    this.nftables = nftables;
    this.table = table;
    this.keeper = keeper;
    this.publisher = publisher;
    this.sysctl = sysctl;
    this.tracking = tracking;
    this.events = events;
    this.pressure = pressure;
    this.startProblems = List.copyOf(startProblems);
    this.portsFile = portsFile;
    this.proxy = proxy;
  }

  @Override
  public List<Finding> findings() {
    List<Finding> findings = new ArrayList<>();
    findings.add(ownership());
    findings.add(forwarding());
    foreignDrops(findings);
    findings.add(legacyTables());
    findings.add(settings());
    findings.addAll(pressure.get());
    findings.add(eventStream());
    findings.add(proxy.get());
    findings.addAll(portsFile.get());
    for (String problem : startProblems) {
      findings.add(new Finding("start", Severity.WARNING, problem, ""));
    }
    for (String problem : publisher.mend()) {
      findings.add(
          new Finding(
              "reservation",
              Severity.WARNING,
              problem,
              "stop that process, or unpublish the port"));
    }
    return findings;
  }

  private Finding ownership() {
    if (!table.isOwned()) {
      return plain(table.repairs().orElseThrow());
    }
    String ours =
        "the table "
            + SluiceTable.ID
            + " is ours alone: nobody else can change or flush it, and it outlives the agent";
    return keeper
        .get()
        .map(
            holder ->
                new Finding(
                    "table-ownership",
                    Severity.OK,
                    ours
                        + "; process "
                        + holder.pid()
                        + " ("
                        + holder.command()
                        + ") keeps it locked while the agent is dead",
                    ""))
        .orElseGet(
            () ->
                new Finding(
                    "table-ownership",
                    Severity.NOTE,
                    ours
                        + "; but nobody keeps its socket: while the agent is dead, root can change"
                        + " it",
                    "under systemd, FileDescriptorStoreMax=1 in the unit; otherwise start it with"
                        + " sluice agent, which runs it under sluice-keeper unless"
                        + " SLUICE_KEEPER=off"));
  }

  private static Finding plain(Repairs repairs) {
    String plain = "the table " + SluiceTable.ID + " is a plain one, which anybody may change";
    String remedy = "run with --ownership=auto on Linux 6.9 or newer";
    if (repairs.failure().isPresent()) {
      return new Finding(
          "table-ownership",
          Severity.FAILURE,
          plain + ", and it cannot be repaired: " + repairs.failure().get(),
          remedy);
    }
    return repairs
        .last()
        .map(
            last ->
                new Finding(
                    "table-ownership",
                    Severity.WARNING,
                    plain
                        + " and somebody does: repaired "
                        + repairs.count()
                        + " times, last at "
                        + last.at().truncatedTo(ChronoUnit.SECONDS)
                        + ": "
                        + last,
                    "keep that program from changing our table, or " + remedy))
        .orElseGet(
            () ->
                new Finding(
                    "table-ownership",
                    Severity.NOTE,
                    plain + "; what others change is put back, which nobody has made necessary yet",
                    remedy));
  }

  private Finding forwarding() {
    boolean on = sysctl.get("net/ipv4/ip_forward").orElse("0").equals("1");
    return on || publisher.published().isEmpty()
        ? new Finding(
            "forwarding",
            Severity.OK,
            "net.ipv4.ip_forward is " + (on ? "1" : "0, and nothing is published that needs it"),
            "")
        : new Finding(
            "forwarding",
            Severity.FAILURE,
            "net.ipv4.ip_forward is 0: somebody switched it off, and no published port works",
            "sysctl -w net.ipv4.ip_forward=1, and find out who resets it");
  }

  /** An accept of ours does not override a drop of another table at the same hook. */
  private void foreignDrops(List<Finding> findings) {
    List<Chain> dropping =
        nftables.chains().stream()
            .filter(chain -> !chain.table().equals(SluiceTable.ID))
            .filter(
                chain ->
                    chain
                        .hook()
                        .filter(
                            hook -> hook.number() == NF_INET_FORWARD && hook.policy() == NF_DROP)
                        .isPresent())
            .toList();
    if (dropping.isEmpty()) {
      findings.add(
          new Finding(
              "foreign-tables",
              Severity.OK,
              "no other table drops forwarded packets by policy",
              ""));
    }
    for (Chain chain : dropping) {
      findings.add(
          new Finding(
              "foreign-tables",
              Severity.FAILURE,
              "the chain "
                  + chain.name()
                  + " of the table "
                  + chain.table()
                  + " drops forwarded packets by policy, also those to published ports",
              "add one rule there: ct status dnat accept (iptables -I FORWARD -m conntrack --ctstate DNAT -j ACCEPT)"));
    }
  }

  private static Finding legacyTables() {
    try {
      String tables =
          Files.readAllLines(Path.of("/proc/net/ip_tables_names")).stream()
              .collect(Collectors.joining(", "));
      if (!tables.isEmpty()) {
        return new Finding(
            "legacy-iptables",
            Severity.NOTE,
            "the old iptables is in use beside us (tables "
                + tables
                + "), whose rules we cannot read",
            "check iptables-legacy -S FORWARD for a drop");
      }
    } catch (IOException e) {
      return new Finding("legacy-iptables", Severity.OK, "the old iptables is not loaded", "");
    }
    return new Finding("legacy-iptables", Severity.OK, "the old iptables has no tables here", "");
  }

  private Finding settings() {
    String changed =
        java.util.stream.Stream.concat(
                sysctl.changes().stream().map(Object::toString),
                tracking.changes().stream()
                    .map(change -> change.name() + ": " + change.before() + " → " + change.after()))
            .collect(Collectors.joining("; "));
    return new Finding(
        "kernel-parameters",
        Severity.OK,
        changed.isEmpty()
            ? "nothing had to be changed since the start"
            : "changed since the start: " + changed,
        "");
  }

  private Finding eventStream() {
    EventStatistics now = events.get();
    if (now.failure().isPresent()) {
      return new Finding(
          "event-stream",
          Severity.FAILURE,
          "events are not read any more: " + now.failure().get(),
          "restart the agent");
    }
    String found = now.received() + " events read, " + now.lost() + " lost";
    return now.lost() == 0
        ? new Finding("event-stream", Severity.OK, found, "")
        : new Finding(
            "event-stream",
            Severity.WARNING,
            found + " (each loss is a gap in the stream, with its number)",
            "give the agent a larger --events-buffer-mib");
  }

  @Override
  public Map<String, String> facts() {
    Map<String, String> facts = new LinkedHashMap<>();
    facts.put("kernel", sysctl.get("kernel/osrelease").orElse("?"));
    facts.put("java", Runtime.version().toString());
    facts.put("table", SluiceTable.ID.toString());
    facts.put("ownership", table.isOwned() ? "owner, persist" : "off");
    table
        .repairs()
        .ifPresent(
            repairs -> {
              facts.put("repairs", Long.toString(repairs.count()));
              repairs.last().ifPresent(last -> facts.put("lastRepair", last.at() + ": " + last));
            });
    facts.put("mappings", Integer.toString(publisher.published().size()));
    long uptimeMillis = ManagementFactory.getRuntimeMXBean().getUptime();
    facts.put("uptimeSeconds", Long.toString(uptimeMillis / 1000));
    return facts;
  }
}
