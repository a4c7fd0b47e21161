package dev.sluice.api;

import dev.sluice.api.Diagnostics.Finding;
import dev.sluice.api.Diagnostics.Severity;
import dev.sluice.api.cni.CniPlugins;
import dev.sluice.api.cni.CniSpool;
import dev.sluice.flow.AttributedFlow;
import dev.sluice.flow.EventStatistics;
import dev.sluice.flow.EventStream;
import dev.sluice.flow.FlowFilter;
import dev.sluice.flow.Flows;
import dev.sluice.flow.PressureStatistics;
import dev.sluice.flow.SourcePortStatistics;
import dev.sluice.model.Activity;
import dev.sluice.model.Alarm;
import dev.sluice.model.Carried;
import dev.sluice.model.Declaration;
import dev.sluice.model.DeclaredChange;
import dev.sluice.model.DrainTime;
import dev.sluice.model.Flow;
import dev.sluice.model.FlowCounters;
import dev.sluice.model.FlowStatus;
import dev.sluice.model.FlowTuple;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingCounters;
import dev.sluice.model.MappingId;
import dev.sluice.model.MappingName;
import dev.sluice.model.Owner;
import dev.sluice.model.PathQuestion;
import dev.sluice.model.PathReport;
import dev.sluice.model.PortSpec;
import dev.sluice.model.PublishRequest;
import dev.sluice.model.PublishedMapping;
import dev.sluice.model.TcpState;
import dev.sluice.model.Traffic;
import dev.sluice.model.UpdateRequest;
import dev.sluice.net.IpAddress;
import dev.sluice.net.PortRange;
import dev.sluice.net.Protocol;
import dev.sluice.publish.PublishException;
import dev.sluice.publish.PublishException.Kind;
import dev.sluice.publish.Publisher;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** An agent that keeps everything in memory: what the API and the command line are tested with. */
public final class FakeAgent
    implements Publisher, Flows, EventStream, Diagnostics, ProgrammedRules, Declarations {
  /** When everything is published here. */
  public static final Instant CREATED = Instant.parse("2026-11-21T09:00:00Z");

  /** What is programmed. */
  public static final String RULES = "table inet sluice {\n\n\tchain é {\n\t}\n}\n";

  /** Its stream of events, until it is {@linkplain #restart restarted}. */
  public static final String STREAM = "9f3c5d0e1a2b4c6d";

  /** How everything is, no number twice. */
  public static final HostStatistics STATISTICS =
      new HostStatistics(
          new EventStatistics(
              EventStatistics.State.RUNNING,
              Optional.empty(),
              5_000,
              3,
              2,
              1,
              7,
              8,
              40,
              9,
              true,
              10,
              11,
              12,
              4_096,
              900,
              5_014),
          new PressureStatistics(
              210_000,
              262_144,
              13,
              14,
              15,
              Alarm.Level.WARNING,
              Map.of(
                  Alarm.Level.WARNING,
                  16L,
                  Alarm.Level.CRITICAL,
                  17L,
                  Alarm.Level.FULL,
                  18L,
                  Alarm.Level.CLEARED,
                  19L),
              Optional.empty()),
          new SourcePortStatistics(
              Alarm.Level.FULL,
              20,
              Map.of(
                  Alarm.Level.WARNING,
                  0L,
                  Alarm.Level.CRITICAL,
                  0L,
                  Alarm.Level.FULL,
                  21L,
                  Alarm.Level.CLEARED,
                  22L),
              "no source port is free"));

  private final FakeNetworks networks = new FakeNetworks(this);
  private final List<Mapping> mappings = new ArrayList<>();
  private final List<AttributedFlow> flows = new ArrayList<>();
  private final List<FakeCursor> cursors = new CopyOnWriteArrayList<>();
  private final List<Finding> findings = new ArrayList<>();
  private final Map<MappingId, Traffic> traffic = new HashMap<>();
  private final Map<MappingId, Activity> activity = new HashMap<>();
  private volatile HostStatistics statistics = STATISTICS;
  private volatile String stream = STREAM;
  private long nextId = 0xa1b2c3d400000001L;
  private @Nullable Supplier<RuntimeException> failure;
  private volatile @Nullable FlowFilter lastFilter;
  private volatile long lastFrom = -1;
  private volatile @Nullable Format lastFormat;
  private @Nullable UpdateRequest lastUpdate;
  private @Nullable DrainTime lastDrain;
  private @Nullable Declaration lastDeclaration;
  private volatile Traces traces =
      (question, unpublished) -> {
        throw new UnsupportedOperationException("no packets are followed here");
      };

  public ApiServices services() {
    return new ApiServices(
        this,
        networks,
        this,
        this,
        this,
        this,
        () -> traffic,
        () -> activity,
        () -> statistics,
        this,
        new FakeMetrics(),
        (question, unpublished) -> traces.start(question, unpublished),
        this::explain,
        new CniPlugins(this, networks, CniSpool.beside(Path.of("/nonexistent/sluice.sock"))));
  }

  /** Its networks and sandboxes. */
  public FakeNetworks networks() {
    return networks;
  }

  /** Packets are followed by this. */
  public void follow(Traces follows) {
    traces = follows;
  }

  /** The next calls fail like this. */
  public void failWith(Supplier<RuntimeException> failure) {
    this.failure = failure;
  }

  /** Lets the next call fail, and no other. */
  public void failOnceWith(RuntimeException once) {
    failure =
        () -> {
          failure = null;
          return once;
        };
  }

  @Override
  public Listing read() {
    throwFailure();
    return out -> out.append(RULES);
  }

  /** A way that ends and one that does not, with everything a way can have. */
  public static final PathReport PATHS =
      new PathReport(
          List.of(
              new PathReport.Way(
                  "from outside",
                  "198.18.0.2",
                  "198.18.0.1",
                  8080,
                  Protocol.TCP,
                  List.of(
                      new PathReport.Step(
                          "prerouting",
                          "inet sluice prerouting → publish4",
                          OptionalInt.of(-100),
                          "dnat ip to meta l4proto . th dport map @any4",
                          "to 172.30.0.2:80",
                          "198.18.0.2 → 172.30.0.2:80"),
                      new PathReport.Step(
                          "routing",
                          "by br0",
                          OptionalInt.empty(),
                          "",
                          "forwarded",
                          "198.18.0.2 → 172.30.0.2:80")),
                  PathReport.Outcome.DROPPED,
                  false,
                  "dropped by the policy drop of the chain FORWARD of the table ip filter",
                  "iptables -I FORWARD -m conntrack --ctstate DNAT -j ACCEPT",
                  List.of("it depends on the rate; otherwise it is let through")),
              new PathReport.Way(
                  "from this host",
                  "127.0.0.1",
                  "127.0.0.1",
                  8080,
                  Protocol.TCP,
                  List.of(),
                  PathReport.Outcome.ARRIVES,
                  true,
                  "arrives at 172.30.0.2:80 by br0",
                  "",
                  List.of())));

  private volatile @Nullable PathQuestion lastQuestion;

  /** What was asked last. */
  public @Nullable PathQuestion lastQuestion() {
    return lastQuestion;
  }

  private PathReport explain(PathQuestion question) {
    throwFailure();
    lastQuestion = question;
    return PATHS;
  }

  /** Sends lines to everybody who follows. */
  public void emit(String lines) {
    emit(lines.getBytes(StandardCharsets.UTF_8));
  }

  /** Sends bytes to everybody who follows. */
  public void emit(byte[] bytes) {
    cursors.forEach(cursor -> cursor.lines.add(bytes));
  }

  /** How many follow the events. */
  public int followers() {
    return cursors.size();
  }

  public @Nullable FlowFilter lastFilter() {
    return lastFilter;
  }

  public long lastFrom() {
    return lastFrom;
  }

  public synchronized void addFlow(Optional<Mapping> mapping) {
    flows.add(new AttributedFlow(sampleFlow(), mapping));
  }

  /** One that the fast path carries, through no mapping. */
  public synchronized void addCarriedFlow() {
    flows.add(
        new AttributedFlow(
            sampleFlow(),
            Optional.empty(),
            new Carried(true, new FlowCounters(0, 0), new FlowCounters(0, 0))));
  }

  public synchronized void addFinding(Finding finding) {
    findings.add(finding);
  }

  /** The mappings as they are. */
  public synchronized List<Mapping> mappings() {
    return List.copyOf(mappings);
  }

  /** The flow of DESIGN's example, as a dump shows it later. */
  public static Flow sampleFlow() {
    return new Flow(
        3170302521L,
        FlowTuple.of(
            Protocol.TCP,
            IpAddress.parse("198.18.0.2"),
            40112,
            IpAddress.parse("198.18.0.1"),
            8080),
        FlowTuple.of(
            Protocol.TCP, IpAddress.parse("172.30.0.2"), 80, IpAddress.parse("198.18.0.2"), 40112),
        EnumSet.of(
            FlowStatus.SEEN_REPLY,
            FlowStatus.ASSURED,
            FlowStatus.CONFIRMED,
            FlowStatus.DST_NAT,
            FlowStatus.DST_NAT_DONE),
        Optional.of(TcpState.ESTABLISHED),
        0,
        0,
        OptionalInt.of(120),
        Optional.of(new FlowCounters(5, 420)),
        Optional.of(new FlowCounters(4, 1337)),
        Optional.of(Instant.parse("2026-11-21T09:00:01.123456789Z")),
        Optional.empty());
  }

  @Override
  public synchronized List<Mapping> publish(PublishRequest request) {
    throwFailure();
    IpAddress target = request.to().resolve(networks.topology()::targets).get(0).first().address();
    List<Mapping> made = new ArrayList<>();
    for (PortSpec spec : request.ports()) {
      PortRange hostPorts;
      if (spec.hostPorts() instanceof PortSpec.Exactly exactly) {
        hostPorts = exactly.ports();
      } else if (spec.hostPorts() instanceof PortSpec.Pool pool) {
        hostPorts = PortRange.of(pool.ports().first());
      } else {
        hostPorts = PortRange.of(32768);
      }
      Mapping mapping =
          new Mapping(
              new MappingId(nextId++),
              request.name(),
              request.owner(),
              spec.protocol(),
              spec.hostAddress(),
              hostPorts,
              target,
              spec.targetPorts(),
              CREATED,
              request.options(),
              request.to().sandboxes().stream().findFirst());
      for (Mapping other : mappings) {
        if (other.key().overlaps(mapping.key())) {
          throw new PublishException(
              Kind.CONFLICT,
              mapping.key() + " is already published by " + other.label() + "; unpublish it first");
        }
      }
      made.add(mapping);
    }
    mappings.addAll(made);
    return made;
  }

  @Override
  public synchronized List<Mapping> unpublish(String nameOrId) {
    throwFailure();
    List<Mapping> found = find(nameOrId).stream().map(PublishedMapping::mapping).toList();
    mappings.removeAll(found);
    return found;
  }

  @Override
  public synchronized List<Mapping> drain(String nameOrId, DrainTime time) {
    lastDrain = time;
    return unpublish(nameOrId);
  }

  @Override
  public synchronized List<Mapping> update(UpdateRequest request) {
    throwFailure();
    lastUpdate = request;
    List<Mapping> found = new ArrayList<>();
    for (PublishedMapping one : find(request.nameOrId())) {
      Mapping changed =
          one.mapping()
              .withName(request.name().or(one.mapping()::name))
              .withOptions(request.options().applyTo(one.mapping().options()));
      mappings.replaceAll(each -> each.equals(one.mapping()) ? changed : each);
      found.add(changed);
    }
    return found;
  }

  @Override
  public synchronized List<Mapping> keep(
      Owner owner, MappingName name, List<PublishRequest> requests) {
    throwFailure();
    mappings.removeAll(publishedBy(owner, name));
    requests.forEach(this::publish);
    return publishedBy(owner, name);
  }

  @Override
  public synchronized List<Mapping> withdraw(Owner owner, MappingName name) {
    throwFailure();
    List<Mapping> found = publishedBy(owner, name);
    mappings.removeAll(found);
    return found;
  }

  @Override
  public synchronized List<Mapping> publishedBy(Owner owner, MappingName name) {
    return mappings.stream()
        .filter(one -> one.owner() == owner && one.name().equals(Optional.of(name)))
        .toList();
  }

  @Override
  public synchronized Set<MappingName> namesOf(Owner owner) {
    return mappings.stream()
        .filter(one -> one.owner() == owner)
        .flatMap(one -> one.name().stream())
        .collect(Collectors.toSet());
  }

  @Override
  public synchronized Applied apply(Owner owner, List<PublishRequest> requests) {
    throwFailure();
    List<Mapping> before = mappings.stream().filter(one -> one.owner() == owner).toList();
    mappings.removeAll(before);
    List<Mapping> published = new ArrayList<>();
    requests.forEach(request -> published.addAll(publish(request)));
    return new Applied(published, before, List.of(), List.of());
  }

  @Override
  public synchronized Applied applyPossible(Owner owner, List<PublishRequest> requests) {
    throwFailure();
    List<Mapping> before = mappings.stream().filter(one -> one.owner() == owner).toList();
    mappings.removeAll(before);
    List<LeftOut> leftOut = new ArrayList<>();
    for (PublishRequest request : requests) {
      try {
        publish(request).forEach(made -> keepOld(before, made));
      } catch (PublishException e) {
        leftOut.add(new LeftOut(request, e));
      }
    }
    List<Mapping> now = mappings.stream().filter(one -> one.owner() == owner).toList();
    return new Applied(
        now.stream().filter(one -> !before.contains(one)).toList(),
        before.stream().filter(one -> !now.contains(one)).toList(),
        now.stream().filter(before::contains).toList(),
        leftOut);
  }

  /** What was there already stays what it was. */
  private void keepOld(List<Mapping> before, Mapping made) {
    before.stream()
        .filter(
            old ->
                old.key().equals(made.key())
                    && old.name().equals(made.name())
                    && old.backends().equals(made.backends()))
        .forEach(old -> mappings.replaceAll(each -> each.equals(made) ? old : each));
  }

  @Override
  public Applied rehearse(Owner owner, List<PublishRequest> requests) {
    throw new UnsupportedOperationException("only the agent itself asks for this");
  }

  @Override
  public synchronized Outcome compare(Declaration declaration, boolean prune) {
    throwFailure();
    return new Outcome(List.of(declaredChange(prune)), List.of(), List.of(), 2);
  }

  private static DeclaredChange declaredChange(boolean prune) {
    return new DeclaredChange(
        prune ? DeclaredChange.Action.REMOVE : DeclaredChange.Action.KEEP,
        DeclaredChange.Kind.NETWORK,
        "old 10.1.0.0/24");
  }

  @Override
  public synchronized Outcome apply(Declaration declaration, boolean prune) {
    throwFailure();
    lastDeclaration = declaration;
    List<Mapping> before = mappings.stream().filter(one -> one.owner() == Owner.FILE).toList();
    mappings.removeAll(before);
    List<Mapping> published = new ArrayList<>();
    declaration.ports().forEach(request -> published.addAll(publish(request)));
    return new Outcome(prune ? List.of(declaredChange(true)) : List.of(), published, before, 3);
  }

  /** What was declared last. */
  public synchronized @Nullable Declaration lastDeclaration() {
    return lastDeclaration;
  }

  /** What a mapping has carried. */
  public synchronized void carried(Mapping mapping, Traffic sums) {
    traffic.put(mapping.id(), sums);
  }

  /** What the agent has seen of a mapping. */
  public synchronized void seen(Mapping mapping, Activity what) {
    activity.put(mapping.id(), what);
  }

  /** How everything is from now on. */
  public void statistics(HostStatistics now) {
    statistics = now;
  }

  /** From now on the events are those of another run. */
  public void restart(String id) {
    stream = id;
  }

  /** What was asked for last with {@link #update}. */
  public synchronized @Nullable UpdateRequest lastUpdate() {
    return lastUpdate;
  }

  /** What was asked for last with {@link #drain}. */
  public synchronized @Nullable DrainTime lastDrain() {
    return lastDrain;
  }

  @Override
  public synchronized List<PublishedMapping> published() {
    throwFailure();
    return mappings.stream().map(m -> new PublishedMapping(m, new MappingCounters(7))).toList();
  }

  @Override
  public synchronized List<PublishedMapping> find(String nameOrId) {
    List<PublishedMapping> found =
        published().stream()
            .filter(
                p ->
                    p.mapping().label().equals(nameOrId)
                        || (nameOrId.length() >= 4
                            && p.mapping().id().toString().startsWith(nameOrId)))
            .toList();
    if (found.isEmpty()) {
      throw new PublishException(
          Kind.NOT_FOUND, "nothing is published as \"" + nameOrId + "\"; see \"sluice ps\"");
    }
    return found;
  }

  @Override
  public synchronized void forEach(FlowFilter filter, Consumer<AttributedFlow> consumer) {
    throwFailure();
    lastFilter = filter;
    flows.forEach(consumer);
  }

  @Override
  public String id() {
    return stream;
  }

  @Override
  public Cursor follow(FlowFilter filter, Format format) {
    throwFailure();
    lastFilter = filter;
    lastFormat = format;
    return new FakeCursor(5_014);
  }

  @Override
  public Cursor from(long seq, FlowFilter filter, Format format) {
    throwFailure();
    lastFrom = seq;
    lastFilter = filter;
    lastFormat = format;
    return new FakeCursor(seq);
  }

  @Override
  public synchronized List<Finding> findings() {
    throwFailure();
    return findings.isEmpty()
        ? List.of(
            new Finding("table-ownership", Severity.OK, "the table is ours alone", ""),
            new Finding(
                "forwarding",
                Severity.WARNING,
                "net.ipv4.ip_forward is 0",
                "publish a port, and the agent sets it"))
        : List.copyOf(findings);
  }

  @Override
  public Map<String, String> facts() {
    throwFailure();
    Map<String, String> facts = new LinkedHashMap<>();
    facts.put("version", "9.8.7");
    facts.put("kernel", "6.18.0");
    return facts;
  }

  /** A mapping owned by the command line, for tests that need one. */
  public Mapping publish(String spec, String target, @Nullable String name) {
    return publish(
            new PublishRequest(
                List.of(PortSpec.parse(spec)),
                IpAddress.parse(target),
                Optional.ofNullable(name).map(dev.sluice.model.MappingName::new),
                Owner.CLI))
        .get(0);
  }

  /** The form in which the last stream was asked for. */
  public @Nullable Format lastFormat() {
    return lastFormat;
  }

  private void throwFailure() {
    Supplier<RuntimeException> current = failure;
    if (current != null) {
      throw current.get();
    }
  }

  /** A page that says what was asked for. */
  private static final class FakeMetrics implements MetricsPage {
    @Override
    public Page read(Optional<String> accept) {
      return new Page() {
        @Override
        public String contentType() {
          return "text/plain; version=0.0.4; charset=utf-8";
        }

        @Override
        public void write(OutputStream out) throws IOException {
          out.write(("accept " + accept.orElse("nothing") + "\n").getBytes(StandardCharsets.UTF_8));
        }
      };
    }
  }

  private final class FakeCursor implements Cursor {
    private final long first;
    private final LinkedBlockingQueue<byte[]> lines = new LinkedBlockingQueue<>();

    FakeCursor(long first) {
      this.first = first;
      cursors.add(this);
    }

    @Override
    public long firstSequence() {
      return first;
    }

    @Override
    public int read(byte[] target, int timeoutMillis) throws InterruptedException {
      byte[] bytes = lines.poll(timeoutMillis, TimeUnit.MILLISECONDS);
      if (bytes == null) {
        return 0;
      }
      System.arraycopy(bytes, 0, target, 0, bytes.length);
      return bytes.length;
    }

    @Override
    public boolean isEvicted() {
      return false;
    }

    @Override
    public void onEviction(Runnable action) {}

    @Override
    public void close() {
      cursors.remove(this);
    }
  }
}
