package dev.sluice.daemon;

import dev.sluice.api.Diagnostics.Finding;
import dev.sluice.api.Diagnostics.Severity;
import dev.sluice.proxy.ProxyStatistics;
import dev.sluice.publish.ProxyPorts;

/** What doctor says about the userland proxy. */
final class ProxyFinding {
  private static final String ID = "userland-proxy";

  private ProxyFinding() {}

  static Finding off() {
    return new Finding(
        ID, Severity.OK, "the userland proxy is off: IPv6 clients reach IPv6 containers only", "");
  }

  static Finding of(ProxyStatistics statistics, ProxyPorts.Report ports) {
    String state =
        "the userland proxy listens on "
            + statistics.listeners()
            + " sockets and has "
            + statistics.connections()
            + " connections open";
    if (statistics.noDescriptor() > 0) {
      return new Finding(
          ID,
          Severity.WARNING,
          state + "; " + statistics.noDescriptor() + " times it had no descriptor for one more",
          "raise the limit of open files (LimitNOFILE in the unit)");
    }
    if (ports.full()) {
      return new Finding(
          ID,
          Severity.NOTE,
          state
              + "; further IPv4 ports are not reached over IPv6, as at most "
              + ProxyPorts.MAX_COMPANIONS
              + " are",
          "publish to an IPv6 address of the container as well");
    }
    if (ports.incomplete() > 0) {
      return new Finding(
          ID,
          Severity.OK,
          state
              + "; of "
              + ports.incomplete()
              + " IPv4 mappings somebody else has the port in IPv6",
          "");
    }
    return new Finding(ID, Severity.OK, state, "");
  }
}
