package dev.sluice.daemon;

import java.nio.file.Path;
import java.util.List;
import java.util.Locale;

/**
 * How the agent is to run.
 *
 * @param socket where its API listens
 * @param ownership whether it keeps others from changing its table
 * @param networks existing bridges whose containers reach the outside with the host's address
 * @param portsFile permanent mappings; need not be there
 * @param eventsBufferMib memory of the kernel for events that wait, 1 to 2047 MiB
 * @param conntrackMemoryMib memory of the kernel within which the limit of connections is raised,
 *     in MiB; 0: it is left alone
 * @param logLevel how much it says
 */
public record AgentConfig(
    Path socket,
    Ownership ownership,
    List<String> networks,
    Path portsFile,
    int eventsBufferMib,
    int conntrackMemoryMib,
    LogLevel logLevel) {

  /** Two seconds of 100,000 events a second. */
  public static final int DEFAULT_EVENTS_BUFFER_MIB = 256;

  /** The most memory a socket can be given. */
  public static final int MAX_EVENTS_BUFFER_MIB = 2047;

  /** 1 TiB, for more entries than the kernel can count. */
  public static final int MAX_CONNTRACK_MEMORY_MIB = 1 << 20;

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
    if (eventsBufferMib < 1 || eventsBufferMib > MAX_EVENTS_BUFFER_MIB) {
      throw new IllegalArgumentException(
          "the buffer of events must have 1 to 2047 MiB: eventsBufferMib=" + eventsBufferMib);
    }
    if (conntrackMemoryMib < 0 || conntrackMemoryMib > MAX_CONNTRACK_MEMORY_MIB) {
      throw new IllegalArgumentException(
          "the memory of the connection table must be 0 to "
              + MAX_CONNTRACK_MEMORY_MIB
              + " MiB: conntrackMemoryMib="
              + conntrackMemoryMib);
    }
  }
}
