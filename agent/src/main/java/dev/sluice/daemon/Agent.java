package dev.sluice.daemon;

import dev.sluice.api.ApiOptions;
import dev.sluice.api.ApiServer;
import dev.sluice.api.ApiServerException;
import dev.sluice.api.ApiServices;
import dev.sluice.api.HostStatistics;
import dev.sluice.api.cni.CniPlugins;
import dev.sluice.api.cni.CniSpool;
import dev.sluice.api.docker.DriverServer;
import dev.sluice.api.docker.EngineFollower;
import dev.sluice.conntrack.Conntrack;
import dev.sluice.conntrack.EventSource;
import dev.sluice.conntrack.FlowDump;
import dev.sluice.ffi.Errno;
import dev.sluice.ffi.Sys;
import dev.sluice.ffi.SystemCallException;
import dev.sluice.flow.Alarms;
import dev.sluice.flow.CarriedFlows;
import dev.sluice.flow.CarriedReader;
import dev.sluice.flow.Carrier;
import dev.sluice.flow.EventLog;
import dev.sluice.flow.EventReader;
import dev.sluice.flow.FlowCutter;
import dev.sluice.flow.LiveFlows;
import dev.sluice.flow.MappingIndex;
import dev.sluice.flow.MappingTraffic;
import dev.sluice.flow.PressureGuard;
import dev.sluice.flow.TrackedFlows;
import dev.sluice.flow.TrackingSettings;
import dev.sluice.model.Alarm;
import dev.sluice.model.InterfaceName;
import dev.sluice.model.PublishedMapping;
import dev.sluice.netlink.NetlinkException;
import dev.sluice.netlink.SocketOwner;
import dev.sluice.network.HostNetworks;
import dev.sluice.network.LinkWatch;
import dev.sluice.network.NetworkNames;
import dev.sluice.network.Networks;
import dev.sluice.network.TargetPorts;
import dev.sluice.network.Topology;
import dev.sluice.network.UnknownTargetException;
import dev.sluice.network.names.ResolvConf;
import dev.sluice.nftables.Monitor;
import dev.sluice.nftables.Nftables;
import dev.sluice.proxy.ProxyStatistics;
import dev.sluice.proxy.UserlandProxy;
import dev.sluice.publish.MappingListener;
import dev.sluice.publish.PortReservations;
import dev.sluice.publish.ProxyPorts;
import dev.sluice.publish.PublishException;
import dev.sluice.publish.TablePublisher;
import dev.sluice.route.LinkMonitor;
import dev.sluice.route.Rtnetlink;
import dev.sluice.ruleset.OperatorChains;
import dev.sluice.ruleset.Ownership;
import dev.sluice.ruleset.Repairs;
import dev.sluice.ruleset.SluiceTable;
import dev.sluice.ruleset.TableTakenException;
import dev.sluice.ruleset.path.Explainer;
import dev.sluice.ruleset.trace.Tracer;
import dev.sluice.sysctl.ReservedLocalPorts;
import dev.sluice.sysctl.Sysctl;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.time.Clock;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicReference;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The agent: everything put together, for the network namespace the process lives in.
 *
 * <p>It can be killed at any moment. What is published is in the kernel and stays in force; the
 * next agent reads it back.
 */
public final class Agent implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Agent.class);

  /** Descriptors left for everything but reserved ports: connections, event streams, libraries. */
  private static final int SPARE_DESCRIPTORS = 1024;

  /** Each has a table of descriptors: two of 20,000 are places for 18,000 connections. */
  private static final int PROXY_THREADS = 2;

  /** Where the host's resolvers stand, resolv.conf(5). */
  private static final Path RESOLV_CONF = Path.of("/etc/resolv.conf");

  private final Opened opened = new Opened();
  private volatile Optional<DriverServer> driver = Optional.empty();

  private Agent() {}

  /**
   * Runs until the process is told to end (SIGTERM, SIGINT).
   *
   * @return the exit code of the process
   */
  public static int run(AgentConfig config) {
    Agent agent;
    try {
      agent = start(config);
    } catch (StartupException e) {
      System.err.println("sluice: " + e.getMessage());
      LOG.debug("the agent could not start", e);
      return e.exitCode();
    }
    CountDownLatch toldToEnd = new CountDownLatch(1);
    CountDownLatch ended = new CountDownLatch(1);
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
                  toldToEnd.countDown();
                  awaitQuietly(ended);
                  // Otherwise the virtual machine makes an exit code of the signal's number.
                  Runtime.getRuntime().halt(0);
                },
                "shutdown"));
    awaitQuietly(toldToEnd);
    ServiceManager.notify("STOPPING=1");
    LOG.info("ending; published ports stay in force");
    agent.close();
    ended.countDown();
    return 0;
  }

  /** Starts everything; when it returns, the API answers. */
  static Agent start(AgentConfig config) {
    Agent agent = new Agent();
    try {
      agent.open(config);
      return agent;
    } catch (RuntimeException e) {
      agent.close();
      throw explain(e);
    }
  }

  private void open(AgentConfig config) {
    if (Sys.geteuid() != 0) {
      throw new StartupException(
          StartupException.NOT_PERMITTED,
          "the agent must run as root: it changes the firewall of this network namespace; try sudo"
              + " sluice agent",
          null);
    }
    Ownership ownership =
        config.ownership() == AgentConfig.Ownership.OFF ? Ownership.OFF : Ownership.AUTO;
    keep(NamespaceLock.tryAcquire().orElseThrow(Agent::anotherAgent));
    FastPathService fastPath = keep(FastPathService.load(config.fastPath()));
    TableSocket tableSocket = TableSocket.open();
    Nftables nftables = keep(Nftables.over(tableSocket.socket()));
    SluiceTable table = keep(SluiceTable.open(nftables, ownership));
    if (table.isOwned()) {
      tableSocket.entrust();
    } else {
      keep(table.guard(Monitor.open()));
    }
    OperatorChains.createIfAbsent(nftables);

    TrackingSettings tracking = TrackingSettings.apply();
    if (config.events().restoreTracking()) {
      keep(tracking::restore); // closed behind everything that needs them
    }
    Sysctl sysctl = new Sysctl();
    HostNetworks hostNetworks = keep(new HostNetworks(Rtnetlink.open(), sysctl));
    PortReservations reservations = keep(new PortReservations(descriptorBudget()));
    Optional<UserlandProxy> proxy =
        config.userlandProxy() == AgentConfig.Switch.ON
            ? Optional.of(keep(UserlandProxy.open(PROXY_THREADS)))
            : Optional.empty();
    Optional<ProxyPorts> proxyPorts = proxy.map(one -> new ProxyPorts(one, reservations));
    Conntrack conntrack = keep(Conntrack.open());
    MappingIndex index = new MappingIndex();
    // Until the events are read, the kernel's table is asked.
    AtomicReference<LiveFlows> liveFlows = new AtomicReference<>(LiveFlows.UNKNOWN);
    Topology topology = new Topology(table.networks(), table.sandboxes());
    TargetPorts targetPorts = new TargetPorts();
    MappingListener feeding = MappingListener.feeding(index, targetPorts);
    CarriedFlows carried = new CarriedFlows(index);
    AtomicReference<Carrier> carrier = new AtomicReference<>(Carrier.NONE);
    TablePublisher publisher =
        keep(
            new TablePublisher(
                table,
                hostNetworks,
                topology,
                reservations,
                new ReservedLocalPorts(sysctl),
                new FlowCutter(
                    conntrack,
                    liveFlows::get,
                    index,
                    hostNetworks::isLocal,
                    () -> fastPath.mayCarry() ? carrier.get() : Carrier.NONE),
                feeding.and(proxyPorts.<MappingListener>map(one -> one).orElseGet(ProxyPorts::off)),
                Clock.systemUTC()));
    List<String> problems = publisher.resume();
    problems.forEach(LOG::warn);
    for (String bridge : config.networks()) {
      publisher.attach(hostNetworks.onInterface(new InterfaceName(bridge)));
    }

    NetworkNames names =
        keep(
            new NetworkNames(
                topology, targetPorts, hostNetworks::outwardAddress, new ResolvConf(RESOLV_CONF)));
    Networks networks =
        keep(
            new Networks(
                publisher, topology, hostNetworks, names, Rtnetlink.open(), Clock.systemUTC()));
    keep(LinkWatch.start(networks, LinkMonitor.open()));

    CniPlugins cni = new CniPlugins(publisher, networks, CniSpool.beside(config.socket()));
    cni.resume(); // may free ports that the file wants
    Optional<EngineFollower> docker =
        config
            .docker()
            .map(
                socket ->
                    keep(
                        EngineFollower.start(
                            socket, publisher, publisher, topology, hostNetworks)));

    DeclaredPorts declared =
        keep(
            new DeclaredPorts(
                config.portsFile(), publisher, networks, attachedBy(publisher, hostNetworks)));
    declared.load();
    HangupSignal.handle(declared::reload);

    EventLog log = new EventLog(config.events().retained());
    EventSource source = keep(EventSource.open(config.events().options()));
    keep(Housekeeping.start(index, table, publisher, cni, Housekeeping.INTERVAL));
    EventReader events =
        keep(EventReader.start(source, FlowDump::open, index, carried, log, () -> buckets(sysctl)));
    liveFlows.set(events);
    ConnectionTableMemory memory = new ConnectionTableMemory(sysctl, config.conntrackMemoryMib());
    memory.problem().ifPresent(LOG::warn);
    PressureGuard pressure =
        keep(
            PressureGuard.start(
                Conntrack.open(),
                FlowDump::open,
                memory,
                alarms(events, source, config.events().reliable())));
    Explainer explainer =
        new Explainer(
            keep(Nftables.open()),
            keep(Rtnetlink.open()),
            sysctl,
            () ->
                new Explainer.Known(
                    publisher.published().stream().map(PublishedMapping::mapping).toList(),
                    topology.networks(),
                    topology.sandboxes()));
    AgentDiagnostics diagnostics =
        new AgentDiagnostics(
            nftables,
            table,
            tableSocket::keeper,
            publisher,
            sysctl,
            tracking,
            events::statistics,
            () ->
                List.of(
                    ConnectionTableFinding.of(pressure.statistics(), memory),
                    SourcePortsFinding.of(pressure.sourcePorts())),
            problems,
            declared::findings,
            () ->
                proxyPorts.isPresent()
                    ? ProxyFinding.of(proxy.orElseThrow().statistics(), proxyPorts.get().report())
                    : ProxyFinding.off(),
            () ->
                docker.map(
                    one -> EngineFinding.of(one.statistics(), explainer.hasChainsOfDocker())),
            () -> driver.map(one -> DriverFinding.of(one, topology)),
            fastPath::finding,
            explainer);
    TrackedFlows flows = new TrackedFlows(Conntrack::open, index, carried);
    ApiServices services =
        new ApiServices(
            publisher,
            networks,
            flows,
            log,
            diagnostics,
            () -> table.listing()::print,
            new MappingTraffic(index, flows, carried),
            index::activity,
            () ->
                new HostStatistics(
                    events.statistics(), pressure.statistics(), pressure.sourcePorts()),
            declared,
            new AgentMetrics(
                publisher::published,
                index::ended,
                events::statistics,
                pressure::statistics,
                pressure::sourcePorts,
                () -> table.repairs().map(Repairs::count).orElse(0L),
                () -> proxy.map(UserlandProxy::statistics).orElse(ProxyStatistics.NONE),
                fastPath::statistics,
                carried::statistics,
                () -> docker.map(EngineFollower::statistics),
                () -> driver.map(DriverServer::statistics)),
            new AgentTraces(keep(Tracer.ofThisNamespace()), publisher::published),
            explainer::explain,
            cni);
    ApiServer api = keep(ApiServer.start(config.socket(), services, ApiOptions.DEFAULTS));
    driver =
        config
            .dockerPlugin()
            .map(at -> keep(DriverServer.start(at.socket(), at.state(), networks, publisher)));
    config
        .eventsSocket()
        .ifPresent(path -> keep(ApiServer.startForEvents(path, services, ApiOptions.FOR_EVENTS)));

    fastPath
        .path()
        .ifPresent(
            path -> {
              CarriedReader reader = keep(CarriedReader.start(path, carried));
              carrier.set(reader);
            });
    fastPath.start(topology, sysctl, orphan -> CarriedReader.adopt(orphan, carried));

    long sinceStart =
        System.currentTimeMillis() - ManagementFactory.getRuntimeMXBean().getStartTime();
    LOG.info(
        "ready after {} ms: table {} {}, {}, {} mappings, listening on {}",
        sinceStart,
        SluiceTable.ID,
        table.origin().toString().toLowerCase(java.util.Locale.ROOT),
        table.isOwned() ? "owned" : "plain",
        index.size(),
        config.socket());
    ServiceManager.notify("READY=1");
    if (docker.isPresent()) {
      keep(Rehearsal.start(Rehearsal.TIMES));
    }
    ServiceManager.watchdogTimeout(System.getenv(), ProcessHandle.current().pid())
        .ifPresent(
            timeout ->
                keep(
                    Watchdog.start(
                        List.of(
                            new Watchdog.Proof("the table " + SluiceTable.ID, table::awaitWriter),
                            new Watchdog.Proof("publishing ports", publisher::awaitTurn),
                            new Watchdog.Proof("connecting sandboxes", networks::awaitTurn),
                            new Watchdog.Proof(
                                "the API on " + config.socket(), api::awaitAcceptance)),
                        timeout,
                        () -> ServiceManager.notify("WATCHDOG=1"))));
  }

  /**
   * Alarms are told in the stream of events. Reliable mode ends while the table is full to four
   * fifths: there the kernel would keep dead connections in it until their ends are delivered.
   */
  private static Alarms alarms(EventReader events, EventSource source, boolean reliable) {
    return alarm -> {
      events.raise(alarm);
      if (reliable && alarm.subject() == Alarm.Subject.CONNECTION_TABLE) {
        source.reliable(alarm.level() == Alarm.Level.CLEARED);
      }
    };
  }

  /** Of the kernel's table of connections. */
  private static long buckets(Sysctl sysctl) {
    return sysctl.get("net/netfilter/nf_conntrack_buckets").map(Long::parseLong).orElse(0L);
  }

  private static DeclaredPorts.Bridges attachedBy(
      TablePublisher publisher, HostNetworks hostNetworks) {
    return new DeclaredPorts.Bridges() {
      @Override
      public void attach(InterfaceName bridge) {
        try {
          publisher.attach(hostNetworks.onInterface(bridge));
        } catch (UnknownTargetException e) {
          throw notThere(e);
        } catch (RuntimeException e) {
          throw new PublishException(
              PublishException.Kind.UNAVAILABLE,
              "the network on " + bridge + " cannot be set up: " + e.getMessage(),
              e);
        }
      }

      @Override
      public void check(InterfaceName bridge) {
        try {
          hostNetworks.onInterface(bridge);
        } catch (UnknownTargetException e) {
          throw notThere(e);
        }
      }

      private PublishException notThere(UnknownTargetException e) {
        return new PublishException(
            PublishException.Kind.NOT_FOUND, String.valueOf(e.getMessage()), e);
      }
    };
  }

  private static StartupException anotherAgent() {
    Optional<SocketOwner> holder = NamespaceLock.holder();
    return new StartupException(
        StartupException.CONFLICT,
        "another agent serves this network namespace and owns the table "
            + SluiceTable.ID
            + holder
                .map(owner -> ": process " + owner.pid() + " (" + owner.command() + ")")
                .orElse("")
            + "; stop it first",
        null);
  }

  /** Turns what can go wrong at a start into one sentence that says what to do. */
  private static StartupException explain(RuntimeException e) {
    String reason = String.valueOf(e.getMessage());
    if (e instanceof StartupException startup) {
      return startup;
    }
    if (e instanceof TableTakenException || e instanceof ApiServerException) {
      return new StartupException(StartupException.CONFLICT, reason, e);
    }
    if (e instanceof SystemCallException call && call.errno() == Errno.EPROTONOSUPPORT) {
      return new StartupException(
          StartupException.FAILED,
          "this kernel has no netfilter netlink: load it with modprobe nfnetlink nf_tables, or boot"
              + " a kernel that has it",
          e);
    }
    int errno =
        e instanceof NetlinkException refused
            ? refused.errno()
            : e instanceof SystemCallException call ? call.errno() : 0;
    if (errno == Errno.EPERM) {
      return new StartupException(
          StartupException.NOT_PERMITTED,
          "the capability CAP_NET_ADMIN is missing, which changing the firewall takes: " + reason,
          e);
    }
    if (e instanceof NetlinkException && (errno == Errno.EINVAL || errno == Errno.EOPNOTSUPP)) {
      return new StartupException(
          StartupException.FAILED,
          "this kernel's nf_tables cannot hold our table: "
              + reason
              + "; sluice doctor says what is missing",
          e);
    }
    if (e instanceof UncheckedIOException) {
      return new StartupException(StartupException.FAILED, reason, e);
    }
    return new StartupException(StartupException.FAILED, "cannot start: " + reason, e);
  }

  private static int descriptorBudget() {
    return Math.max(0, ProcessLimits.openFiles() - SPARE_DESCRIPTORS);
  }

  private <T extends AutoCloseable> T keep(T resource) {
    return opened.keep(resource);
  }

  /** Closes everything, each part even if another fails. What is published stays in force. */
  @Override
  public void close() {
    opened.close();
  }

  private static void awaitQuietly(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
