package dev.sluice.cli;

import dev.sluice.api.Diagnostics.Finding;
import dev.sluice.api.Diagnostics.Severity;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What can be said about a host without an agent: whether one could run here. */
final class LocalChecks {
  /** {@code CAP_NET_ADMIN} of linux/capability.h, as a bit of {@code CapEff}. */
  private static final long CAP_NET_ADMIN = 1L << 12;

  private static final Pattern KERNEL = Pattern.compile("(\\d+)\\.(\\d+).*");

  private final Path proc;

  LocalChecks() {
    this(Path.of("/proc"));
  }

  LocalChecks(Path proc) {
    this.proc = proc;
  }

  List<Finding> findings() {
    return List.of(privilege(), kernel(), nfTables(), conntrack());
  }

  private Finding privilege() {
    long capabilities =
        firstLine(proc.resolve("self/status"), line -> line.startsWith("CapEff:"))
            .strip()
            .transform(text -> text.isEmpty() ? 0 : Long.parseUnsignedLong(text, 16));
    return (capabilities & CAP_NET_ADMIN) != 0
        ? new Finding("privilege", Severity.OK, "we may change the firewall (CAP_NET_ADMIN)", "")
        : new Finding(
            "privilege",
            Severity.WARNING,
            "we may not change the firewall: CAP_NET_ADMIN is missing",
            "run the agent as root");
  }

  private Finding kernel() {
    String release = firstLine(proc.resolve("sys/kernel/osrelease"), line -> true);
    Matcher matcher = KERNEL.matcher(release);
    boolean enough =
        matcher.matches()
            && Integer.parseInt(matcher.group(1)) * 1000 + Integer.parseInt(matcher.group(2))
                >= 5_012;
    return enough
        ? new Finding("kernel", Severity.OK, "Linux " + release, "")
        : new Finding(
            "kernel",
            Severity.FAILURE,
            "Linux " + release + " is older than 5.12",
            "use a kernel of 5.12 or newer; 6.9 or newer keeps the ports while the agent is gone");
  }

  private Finding nfTables() {
    // Only where nf_tables is part of the kernel or loaded does it have symbols.
    boolean present =
        !firstLine(proc.resolve("kallsyms"), line -> line.contains(" nf_tables_newtable"))
            .isEmpty();
    return present
        ? new Finding("nf-tables", Severity.OK, "the kernel has nf_tables", "")
        : new Finding(
            "nf-tables",
            Severity.WARNING,
            "nf_tables is not loaded",
            "run \"modprobe nf_tables\"; a kernel without it cannot run the agent");
  }

  private Finding conntrack() {
    return Files.exists(proc.resolve("sys/net/netfilter/nf_conntrack_max"))
        ? new Finding("conntrack", Severity.OK, "the kernel tracks connections", "")
        : new Finding(
            "conntrack",
            Severity.NOTE,
            "connection tracking is not loaded yet",
            "the agent loads it; if that fails, run \"modprobe nf_conntrack\"");
  }

  /**
   * What follows the first colon of the first matching line, or the line; empty if there is none.
   */
  private static String firstLine(Path file, Predicate<String> wanted) {
    try (BufferedReader lines = Files.newBufferedReader(file)) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        if (wanted.test(line)) {
          return line.substring(line.indexOf(':') + 1);
        }
      }
      return "";
    } catch (IOException e) {
      // What cannot be read is not there for us either, and the finding says so.
      return "";
    }
  }
}
