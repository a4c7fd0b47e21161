package dev.sluice.daemon;

import dev.sluice.api.Diagnostics;
import dev.sluice.flow.EventStatistics;
import dev.sluice.flow.TrackingSettings;
import dev.sluice.model.PathReport;
import dev.sluice.netlink.SocketOwner;
import dev.sluice.nftables.Nftables;
import dev.sluice.publish.TablePublisher;
import dev.sluice.ruleset.OperatorChains;
import dev.sluice.ruleset.Repairs;
import dev.sluice.ruleset.SluiceTable;
import dev.sluice.ruleset.path.Explainer;
import dev.sluice.sysctl.Sysctl;
import java.lang.management.ManagementFactory;
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
  /** Published ports whose way from outside is looked at. */
  private static final int EXPLAINED_MAPPINGS = 16;

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
  private final Supplier<Optional<Finding>> docker;
  private final Supplier<Optional<Finding>> networkDriver;
  private final Supplier<Finding> fastPath;
  private final Explainer explainer;

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
      Supplier<Finding> proxy,
      Supplier<Optional<Finding>> docker,
      Supplier<Optional<Finding>> networkDriver,
      Supplier<Finding> fastPath,
      Explainer explainer) {
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
    this.docker = docker;
    this.networkDriver = networkDriver;
    this.fastPath = fastPath;
    this.explainer = explainer;
  }

  @Override
  public List<Finding> findings() {
    List<Finding> findings = new ArrayList<>();
    findings.add(ownership());
    findings.add(operatorChains());
    findings.add(forwarding());
    foreignDrops(findings);
    findings.add(settings());
    findings.addAll(pressure.get());
    findings.add(eventStream());
    findings.add(proxy.get());
    findings.add(fastPath.get());
    docker.get().ifPresent(findings::add);
    networkDriver.get().ifPresent(findings::add);
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

  private Finding operatorChains() {
    return OperatorChains.read(nftables)
        .map(
            chains ->
                new Finding(
                    "operator-chains",
                    Severity.OK,
                    "your table "
                        + OperatorChains.ID
                        + " has "
                        + (chains.isEmpty()
                            ? "no chains"
                            : chains.stream()
                                .map(AgentDiagnostics::text)
                                .collect(Collectors.joining(", "))),
                    ""))
        .orElseGet(
            () ->
                new Finding(
                    "operator-chains",
                    Severity.NOTE,
                    "the table "
                        + OperatorChains.ID
                        + " is gone, and your rules in it with it: somebody deleted it or flushed"
                        + " the ruleset",
                    "load your rules again; an agent that starts makes the empty table"));
  }

  private static String text(OperatorChains.Figures chain) {
    if (chain.rules() == 0) {
      return chain.name() + " (no rules)";
    }
    return chain.name()
        + " ("
        + chain.rules()
        + (chain.rules() == 1 ? " rule" : " rules")
        + (chain.refusing() == 0 ? "" : ", " + chain.refusing() + " that drop or reject")
        + chain.counted().map(packets -> ": " + packets + " packets so far").orElse("")
        + ")";
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
    Map<String, PathReport.Way> byReason = new LinkedHashMap<>();
    for (PathReport.Way way : explainer.obstacles(EXPLAINED_MAPPINGS)) {
      byReason.putIfAbsent(way.verdict(), way);
    }
    if (byReason.isEmpty()) {
      findings.add(
          new Finding(
              "foreign-tables",
              Severity.OK,
              "no other table keeps packets from what is published",
              ""));
    }
    byReason.forEach(
        (reason, way) ->
            findings.add(
                new Finding(
                    "foreign-tables",
                    Severity.FAILURE,
                    "what comes from outside to the published port "
                        + way.port()
                        + "/"
                        + way.protocol()
                        + " of "
                        + way.to()
                        + " does not arrive: "
                        + reason,
                    way.remedy()
                        + "; sluice explain "
                        + way.port()
                        + "/"
                        + way.protocol()
                        + " shows the whole way")));
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
