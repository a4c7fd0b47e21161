package dev.sluice.daemon;

import dev.sluice.conntrack.EventOptions;
import dev.sluice.flow.EventLog;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * How the agent is to run.
 *
 * @param socket where its API listens
 * @param eventsSocket where it listens for consumers of events; empty if it does not
 * @param ownership whether it keeps others from changing its table
 * @param networks existing bridges whose containers reach the outside with the host's address
 * @param portsFile permanent mappings; need not be there
 * @param events how the events of connections are read and kept
 * @param conntrackMemoryMib memory of the kernel within which the limit of connections is raised,
 *     in MiB; 0: it is left alone
 * @param userlandProxy whether IPv6 clients reach IPv4 containers, through a proxy
 * @param fastPath whether established connections are carried past netfilter
 * @param docker where the Docker engine listens whose containers it publishes; empty for none
 * @param dockerPlugin where Docker finds its network driver; empty if there is none
 * @param logLevel how much it says
 */
public record AgentConfig(
    Path socket,
    Optional<Path> eventsSocket,
    Ownership ownership,
    List<String> networks,
    Path portsFile,
    Events events,
    int conntrackMemoryMib,
    Switch userlandProxy,
    FastPathUse fastPath,
    Optional<Path> docker,
    Optional<DockerPlugin> dockerPlugin,
    LogLevel logLevel) {

  /**
   * How the events of connections are read and kept.
   *
   * @param bufferMib memory of the kernel for events that wait, 1 to 2047 MiB; a quarter at first,
   *     more after a loss
   * @param latencyMicros how long an event may wait for others to come with it, 0 to 1,000,000
   * @param reliable whether the kernel keeps the end of a connection until it is delivered
   * @param retained how many events consumers can go back, a power of two from 16 to 16,777,216
   * @param restoreTracking whether the settings of connection tracking are put back at the end
   */
  public record Events(
      int bufferMib, int latencyMicros, boolean reliable, int retained, boolean restoreTracking) {
    /** Two seconds of 100,000 events a second, each a millisecond late at most. */
    public static final Events DEFAULT =
        new Events(
            256, EventOptions.DEFAULT.latencyMicros(), false, EventLog.DEFAULT_CAPACITY, false);

    /** The most memory a socket can be given. */
    public static final int MAX_BUFFER_MIB = 2047;

    /**
     * Checks the ranges.
     *
     * @throws IllegalArgumentException if a number is out of range
     */
    public Events {
      if (bufferMib < 1 || bufferMib > MAX_BUFFER_MIB) {
        throw new IllegalArgumentException(
            "the buffer of events must have 1 to 2047 MiB: bufferMib=" + bufferMib);
      }
    }

    /** For the source of events. */
    EventOptions options() {
      int most = (int) Math.min((long) bufferMib << 20, Integer.MAX_VALUE - 1);
      return EventOptions.DEFAULT
          .latencyMicros(latencyMicros)
          .receiveBufferBytes(Math.max(1 << 20, most / 4))
          .maxReceiveBufferBytes(most)
          .reliable(reliable);
    }
  }

  /** Where a Docker engine listens if nothing else is said. */
  public static final String DOCKER_SOCKET = "/var/run/docker.sock";

  /**
   * The network driver of Docker.
   *
   * @param socket where it listens
   * @param state the directory where Docker's networks are kept over a restart of the host
   */
  public record DockerPlugin(Path socket, Path state) {}

  /** 1 TiB, for more entries than the kernel can count. */
  public static final int MAX_CONNTRACK_MEMORY_MIB = 1 << 20;

  /**
   * The fast path.
   *
   * @param mode whether it is used
   * @param flows how many flows of each family it carries at most, 1 to 16,777,216
   */
  public record FastPathUse(Mode mode, int flows) {
    /** As many flows as conntrack has entries by default; their tables take 16 MiB. */
    public static final FastPathUse DEFAULT = new FastPathUse(Mode.AUTO, 1 << 18);

    public static final int MAX_FLOWS = 1 << 24;

    /** Whether it is used. */
    public enum Mode {
      /** If it works here. */
      AUTO,
      /** Or the agent does not start. */
      ON,
      OFF;

      /** As in options: lower case. */
      @Override
      public String toString() {
        return name().toLowerCase(Locale.ROOT);
      }
    }

    public FastPathUse {
      if (flows < 1 || flows > MAX_FLOWS) {
        throw new IllegalArgumentException(
            "the fast path carries 1 to " + MAX_FLOWS + " flows: flows=" + flows);
      }
    }
  }

  /** Whether something is done. */
  public enum Switch {
    ON,
    OFF;

    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /** Whether others can change the agent's table. */
  public enum Ownership {
    /** They cannot, where the kernel keeps an owned table alive without its owner. */
    AUTO,
    /** They can; the agent watches and repairs. */
    OFF;

    /** As in options: lower case. */
    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /** How much the agent says. */
  public enum LogLevel {
    ERROR,
    WARN,
    INFO,
    DEBUG,
    TRACE;

    /** As in options: lower case. */
    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  public AgentConfig {
    networks = List.copyOf(networks);
    if (conntrackMemoryMib < 0 || conntrackMemoryMib > MAX_CONNTRACK_MEMORY_MIB) {
      throw new IllegalArgumentException(
          "the memory of the connection table must be 0 to "
              + MAX_CONNTRACK_MEMORY_MIB
              + " MiB: conntrackMemoryMib="
              + conntrackMemoryMib);
    }
  }
}
