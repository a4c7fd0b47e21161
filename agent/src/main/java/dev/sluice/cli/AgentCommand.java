package dev.sluice.cli;

import dev.sluice.api.Problem;
import dev.sluice.api.ProblemException;
import dev.sluice.config.PortsFile;
import dev.sluice.conntrack.EventOptions;
import dev.sluice.daemon.Agent;
import dev.sluice.daemon.AgentConfig;
import dev.sluice.flow.EventLog;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code sluice agent}. */
@Command(
    name = "agent",
    description = {
      "Runs the agent: publishes ports, follows connections, and answers on its socket, until it"
          + " is",
      "told to end. Published ports stay in force after it has ended.%n"
    },
    footer = {"", "Examples:", "  sluice agent", "  sluice agent --network br0 --log-level debug"})
final class AgentCommand implements Callable<Integer> {
  private final Main main;

  @Option(
      names = "--ownership",
      paramLabel = "auto|off",
      description =
          "Whether to keep others from changing our firewall table: auto where the kernel can keep"
              + " the table alive without us, off never (default: auto).")
  private AgentConfig.Ownership ownership = AgentConfig.Ownership.AUTO;

  @Option(
      names = "--network",
      paramLabel = "BRIDGE",
      description =
          "Let containers on this bridge reach the outside with the host's address; may be"
              + " repeated.")
  private List<String> networks = new ArrayList<>();

  @Option(
      names = "--ports-file",
      paramLabel = "PATH",
      description =
          "Permanent mappings, published at the start and at SIGHUP (default: ${DEFAULT-VALUE}).")
  private Path portsFile = PortsFile.DEFAULT;

  @Option(
      names = "--events-socket",
      paramLabel = "PATH",
      description =
          "Also listen here for consumers of events, who can read and change nothing: for root and"
              + " group sluice-events, or sluice without such a group.")
  private @Nullable Path eventsSocket;

  @Option(
      names = "--events-buffer-mib",
      paramLabel = "MIB",
      description =
          "Memory of the kernel for connection events that wait for us (default:"
              + " ${DEFAULT-VALUE}).")
  private int eventsBufferMib = AgentConfig.Events.DEFAULT.bufferMib();

  @Option(
      names = "--events-latency-us",
      paramLabel = "MICROSECONDS",
      description =
          "How long a connection event may wait for others to come with it, while they come fast;"
              + " 0 never waits and costs more (default: ${DEFAULT-VALUE}).")
  private int eventsLatencyMicros = AgentConfig.Events.DEFAULT.latencyMicros();

  @Option(
      names = "--events-reliable",
      description =
          "Let the kernel keep the end of a connection until we have it. It costs nothing while we"
              + " keep up; when we do not, dead connections take room in the table.")
  private boolean eventsReliable;

  @Option(
      names = "--events-retained",
      paramLabel = "COUNT",
      description =
          "How many events a consumer can go back, a power of two; 288 bytes each"
              + " (default: ${DEFAULT-VALUE}).")
  private int eventsRetained = AgentConfig.Events.DEFAULT.retained();

  @Option(
      names = "--restore-tracking",
      description =
          "Put nf_conntrack_events, _acct and _timestamp back when the agent ends. Connections that"
              + " begin while it does not run then end without numbers.")
  private boolean restoreTracking;

  @Option(
      names = "--conntrack-memory",
      paramLabel = "MIB",
      description =
          "When the connection table gets full, raise its limit as long as the table fits into this"
              + " memory; 0 leaves the limit alone (default: 0).")
  private int conntrackMemoryMib;

  @Option(
      names = "--userland-proxy",
      paramLabel = "on|off",
      description =
          "Whether IPv6 clients reach containers that have IPv4 only, through a proxy of the agent"
              + " (default: on).")
  private AgentConfig.Switch userlandProxy = AgentConfig.Switch.ON;

  @Option(
      names = "--fastpath",
      paramLabel = "auto|on|off",
      description =
          "Whether eBPF programs carry established connections past netfilter: auto if a self-test"
              + " passes, on or not start at all, off never (default: auto).")
  private AgentConfig.FastPathUse.Mode fastPath = AgentConfig.FastPathUse.DEFAULT.mode();

  @Option(
      names = "--fastpath-flows",
      paramLabel = "COUNT",
      description =
          "How many connections of IPv4, and how many of IPv6, they carry at most; memory is taken"
              + " as they come (default: ${DEFAULT-VALUE}).")
  private int fastPathFlows = AgentConfig.FastPathUse.DEFAULT.flows();

  @Option(
      names = "--docker",
      arity = "0..1",
      paramLabel = "SOCKET",
      fallbackValue = AgentConfig.DOCKER_SOCKET,
      description =
          "Publish what the containers of the Docker engine ask for whose API is at SOCKET"
              + " (default: ${FALLBACK-VALUE}); it must run with --iptables=false"
              + " --ip6tables=false.")
  private @Nullable Path docker;

  @Option(
      names = "--docker-plugin",
      arity = "0..1",
      paramLabel = "PATH",
      fallbackValue = "/run/docker/plugins/sluice.sock",
      description =
          "Be the network driver of Docker's networks that are made with docker network create -d"
              + " sluice; Docker finds it at PATH (default: ${FALLBACK-VALUE}).")
  private @Nullable Path dockerPlugin;

  @Option(
      names = "--docker-state",
      paramLabel = "DIRECTORY",
      description =
          "Where these networks are kept over a restart of the host (default: ${DEFAULT-VALUE}).")
  private Path dockerState = Path.of("/var/lib/sluice/docker");

  @Option(
      names = "--log-level",
      paramLabel = "LEVEL",
      description = "error, warn, info, debug or trace (default: info).")
  private AgentConfig.LogLevel logLevel = AgentConfig.LogLevel.INFO;

  AgentCommand(Main main) {
    this.main = main;
  }

  @Override
  public Integer call() {
    requireRange("--events-buffer-mib", eventsBufferMib, 1, AgentConfig.Events.MAX_BUFFER_MIB);
    requireRange("--events-latency-us", eventsLatencyMicros, 0, EventOptions.MAX_LATENCY_MICROS);
    requireRange("--events-retained", eventsRetained, EventLog.MIN_CAPACITY, EventLog.MAX_CAPACITY);
    if (Integer.bitCount(eventsRetained) != 1) {
      throw new ProblemException(
          Problem.of(
              Problem.Kind.MALFORMED_REQUEST,
              "--events-retained must be a power of two, as "
                  + Integer.highestOneBit(eventsRetained)
                  + ", not "
                  + eventsRetained));
    }
    requireRange("--fastpath-flows", fastPathFlows, 1, AgentConfig.FastPathUse.MAX_FLOWS);
    requireRange("--conntrack-memory", conntrackMemoryMib, 0, AgentConfig.MAX_CONNTRACK_MEMORY_MIB);
    return Agent.run(
        new AgentConfig(
            main.socket(),
            Optional.ofNullable(eventsSocket),
            ownership,
            networks,
            portsFile,
            events(),
            conntrackMemoryMib,
            userlandProxy,
            new AgentConfig.FastPathUse(fastPath, fastPathFlows),
            Optional.ofNullable(docker),
            Optional.ofNullable(dockerPlugin)
                .map(socket -> new AgentConfig.DockerPlugin(socket, dockerState)),
            logLevel));
  }

  private AgentConfig.Events events() {
    return new AgentConfig.Events(
        eventsBufferMib, eventsLatencyMicros, eventsReliable, eventsRetained, restoreTracking);
  }

  private static void requireRange(String option, int value, int least, int most) {
    if (value < least || value > most) {
      throw new ProblemException(
          Problem.of(
              Problem.Kind.MALFORMED_REQUEST,
              option + " must be " + least + " to " + most + ", not " + value));
    }
  }
}
