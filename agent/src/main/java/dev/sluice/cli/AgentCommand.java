package dev.sluice.cli;

import dev.sluice.api.Problem;
import dev.sluice.api.ProblemException;
import dev.sluice.config.PortsFile;
import dev.sluice.daemon.Agent;
import dev.sluice.daemon.AgentConfig;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code sluice agent}. */
@Command(
    name = "agent",
    description = {
      "Runs the agent: publishes ports, follows connections, and answers on its socket, until it is",
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
      names = "--events-buffer-mib",
      paramLabel = "MIB",
      description =
          "Memory of the kernel for connection events that wait for us (default:"
              + " ${DEFAULT-VALUE}).")
  private int eventsBufferMib = AgentConfig.DEFAULT_EVENTS_BUFFER_MIB;

  @Option(
      names = "--conntrack-memory",
      paramLabel = "MIB",
      description =
          "When the connection table gets full, raise its limit as long as the table fits into this"
              + " memory; 0 leaves the limit alone (default: 0).")
  private int conntrackMemoryMib;

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
    if (eventsBufferMib < 1 || eventsBufferMib > AgentConfig.MAX_EVENTS_BUFFER_MIB) {
      throw new ProblemException(
          Problem.of(
              Problem.Kind.MALFORMED_REQUEST,
              "--events-buffer-mib must be 1 to "
                  + AgentConfig.MAX_EVENTS_BUFFER_MIB
                  + ", not "
                  + eventsBufferMib));
    }
    if (conntrackMemoryMib < 0 || conntrackMemoryMib > AgentConfig.MAX_CONNTRACK_MEMORY_MIB) {
      throw new ProblemException(
          Problem.of(
              Problem.Kind.MALFORMED_REQUEST,
              "--conntrack-memory must be 0 to "
                  + AgentConfig.MAX_CONNTRACK_MEMORY_MIB
                  + ", not "
                  + conntrackMemoryMib));
    }
    return Agent.run(
        new AgentConfig(
            main.socket(),
            ownership,
            networks,
            portsFile,
            eventsBufferMib,
            conntrackMemoryMib,
            logLevel));
  }
}
